"""The engine is optional for whoever installs from source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("setuptools")

ROOT = Path(__file__).parents[2]
ENGINE = Path("src/pytest_memory/engines/native")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no engine to build elsewhere")
def test_without_a_compiler_the_build_succeeds_without_the_engine(tmp_path):
    """It says what failed, and makes no library."""
    shutil.copytree(ROOT / ENGINE, tmp_path / ENGINE, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--build-lib", "built"],
        cwd=tmp_path,
        env={**os.environ, "CC": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "failed" in done.stdout + done.stderr
    assert not list(tmp_path.rglob("*.so"))
