"""Versions that are no versions: tags of a repository and source archives, built by uv without an index."""

import json
import shutil
import subprocess
import tarfile

import pytest

from pytest_memory.cli.app import run

BACKEND = """
import pathlib, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    info = "toy-0.dist-info"
    name = "toy-0-py3-none-any.whl"
    files = {
        "toy.py": pathlib.Path("toy.py").read_text(),
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: toy\\nVersion: 0\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(pathlib.Path(directory, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "toy"
version = "0"
"""


@pytest.fixture
def source(offline):
    """A project whose COST is 5, which builds itself."""
    folder = offline / "source"
    folder.mkdir()
    for name, text in (("backend.py", BACKEND), ("pyproject.toml", PROJECT), ("toy.py", "COST = 5\n")):
        (folder / name).write_text(text)
    return folder


def cost(path):
    return json.loads(path.read_text())["benchmarks"][0]["stats"]["min"]


def swept(*versions):
    return run(["sweep", "toy", *versions, "--suite", "bench", "--pin", "pytest-memory==0.0.1", "--out", "out"])


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_tags_of_a_repository(source, offline):
    """Each tag is built and named after itself."""
    git = ["git", "-C", str(source), "-c", "user.name=x", "-c", "user.email=x@example.org"]

    def commit(tag):
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", tag], check=True)
        subprocess.run([*git, "tag", tag], check=True)

    subprocess.run([*git, "init", "-q"], check=True)
    commit("v1")
    (source / "toy.py").write_text("COST = 7\n")
    commit("v2")
    address = f"git+{source.as_uri()}"
    assert swept(f"{address}@v1", f"toy @ {address}@v2") == 0
    assert (cost(offline / "out/v1.json"), cost(offline / "out/v2.json")) == (5, 7)


def test_a_source_archive(source, offline):
    """A path is installed as it is; its run is named after it."""
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 0\n")
    archive = offline / "toy-0.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(source, "toy-0")
    assert swept(str(archive), "1.0") == 0
    (name,) = (path for path in (offline / "out").glob("*.json") if path.name != "1.0.json")
    assert name.name.endswith("toy-0.tar.gz.json")
    assert (cost(name), cost(offline / "out/1.0.json")) == (5, 1)
