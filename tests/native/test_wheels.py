"""A wheel built without a compiler must never be published."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check-wheels"
ENGINE = "pytest_memory/engines/native/_native.cpython-311-x86_64-linux-gnu.so"
READER = "pytest_memory/instruments/_kernel.cpython-311-x86_64-linux-gnu.so"
WRITER = "pytest_memory/recorder/_cells.cpython-311-x86_64-linux-gnu.so"


@pytest.mark.parametrize(
    ("tag", "files", "status", "said"),
    [
        ("cp311-cp311-manylinux_2_28_x86_64", [ENGINE, READER, WRITER], 0, "ok"),
        ("cp311-cp311-manylinux_2_28_x86_64", [ENGINE, WRITER], 1, "without the reader of resident memory"),
        ("cp311-cp311-manylinux_2_28_x86_64", [ENGINE, READER], 1, "without the writer of breadcrumbs"),
        ("cp311-cp311-musllinux_1_2_aarch64", ["pytest_memory/__init__.py"], 1, "without the C engine"),
        ("py3-none-any", [ENGINE], 1, "a pure wheel with a compiled extension inside"),
        ("cp311-cp311-macosx_11_0_arm64", ["pytest_memory/__init__.py"], 0, "ok"),
    ],
)
def test_a_platform_wheel_contains_the_engine(tmp_path, tag, files, status, said):
    """The check reads the wheel itself, not the log of its build."""
    wheel = tmp_path / f"pytest_memory-1.0-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in files:
            archive.writestr(file, "")
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert said in done.stdout


def test_no_wheel_at_all_is_an_error(tmp_path):
    """An empty folder means that nothing was built."""
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no wheel" in done.stderr
