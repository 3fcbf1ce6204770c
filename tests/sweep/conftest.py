"""A tiny index on disk, so that real uv makes real environments without a network."""

import zipfile
from pathlib import Path

import pytest

FAKE_PYTEST = """
import json, os, sys
import toy

report = next(argument.partition("=")[2] for argument in sys.argv if argument.startswith("--benchmark-json="))
suite = sys.argv[1]
assert os.path.exists(suite.partition("::")[0]), suite
print("running", sys.argv[1:])
if "--empty" not in sys.argv:
    benchmarks = [{"fullname": f"{suite}::test_toy", "stats": {"min": toy.COST}, "extra_info": {}}]
    with open(report, "w") as file:
        json.dump({"benchmarks": benchmarks}, file)
sys.exit(1 if toy.COST == 2 else 0)
"""


def write_wheel(directory: Path, name: str, version: str, files: dict[str, str]) -> Path:
    """Write a wheel by hand."""
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    contents = files | metadata
    record = f"{stem}.dist-info/RECORD"
    contents[record] = "".join(f"{path},,\n" for path in (*contents, record))
    wheel = directory / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
    return wheel


@pytest.fixture(scope="session")
def index(tmp_path_factory):
    """Wheels of ``toy`` 1.0, 2.0 (its suite fails), 3.0.post1 and of a harness that stands in for pytest."""
    directory = tmp_path_factory.mktemp("index")
    for version, cost in (("1.0", 1), ("2.0", 2), ("3.0.post1", 3)):
        write_wheel(directory, "toy", version, {"toy.py": f"COST = {cost}\n"})
    write_wheel(directory, "pytest-memory", "0.0.1", {"pytest.py": FAKE_PYTEST})
    return directory


@pytest.fixture
def offline(index, monkeypatch, tmp_path):
    """Let uv see that index and nothing else; run in an empty directory with a suite."""
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "not-for-them"))
    suite = tmp_path / "bench"
    suite.mkdir()
    (suite / "test_toy.py").write_text("def test_toy(): ...\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path
