"""The first command of the README works where nothing is installed but the product and what it is shown on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"


@pytest.mark.skipif(os.name == "nt", reason="make's recipes are written for sh")
def test_the_demo_loads_nothing_of_this_projects_tests(tmp_path, monkeypatch):
    """Neither the ini file of this project nor its conftest, which need plugins that a user does not have."""
    (recipe,) = re.findall(r"^\t(.*-m pytest .*networkx.*)$", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n")
    python.chmod(0o755)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '--no-such-option'\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "conftest.py").write_text("import no_such_module\n")
    package = tmp_path / "packages" / "networkx" / "classes"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "test_it.py").write_text("def test_it(): pass\n")
    monkeypatch.setenv("PYTHONPATH", str(package.parents[1]))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    command = recipe.replace("$(BIN)", ".venv/bin").replace("$(VENV)", ".venv")
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search("= memory =.*1 passed", done.stdout, re.DOTALL)
