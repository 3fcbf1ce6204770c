"""Environments, made by real uv from an index on disk."""

import json
import subprocess
from importlib.metadata import version as installed_version
from pathlib import Path

import pytest

from pytest_memory.errors import ToolUnavailable
from pytest_memory.sweep import provision, sweep
from pytest_memory.sweep.harness import harness_requirements


def cost(venv):
    """What ``toy`` says inside an environment."""
    command = [str(venv.python), "-c", "import toy; print(toy.COST)"]
    done = subprocess.run(command, cwd=venv.cwd, env=dict(venv.env), capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_each_version_gets_its_own_environment(offline):
    """sweep calls once per version, in order, and gives back those that could not be made."""
    seen = {}
    failed = sweep(
        ["1.0", "9.9", "3.0.post1"],
        lambda venv: seen.update({venv.version: cost(venv)}),
        install_spec=lambda version: f"toy=={version}",
    )
    assert failed == ["9.9"]
    assert seen == {"1.0": 1, "3.0.post1": 3}


def test_a_failure_names_its_stage_and_reason(offline):
    """The venv, the installation and the isolation fail each with its own name."""
    (venv,) = provision(["toy==1.0"], python="/no/such/python")
    assert venv.failed_at == "venv"
    assert "/no/such/python" in venv.reason
    (venv,) = provision(["toy==9.9"])
    assert venv.failed_at == "install"
    assert "toy==9.9" in venv.reason
    (venv,) = provision(["toy==1.0"], import_check="nothing_like_it")
    assert venv.failed_at == "isolation"
    assert "nothing_like_it" in venv.reason


def test_the_suite_is_copied_and_removed(offline):
    """The copy keeps its name and leaves caches behind; the environment is gone afterwards."""
    (offline / "bench" / "__pycache__").mkdir()
    places = []
    for venv in provision(["toy==1.0"], copy_dir="bench"):
        assert sorted(path.name for path in (venv.cwd / "bench").iterdir()) == ["test_toy.py"]
        places.append(venv.cwd)
    assert not places[0].exists()


def test_a_module_of_the_working_directory_does_not_pass_the_import_check(offline):
    """What shadows the installed package is told."""
    (offline / "toy").mkdir()
    (offline / "toy" / "__init__.py").write_text("COST = 7\n")
    (venv,) = provision(["toy==1.0"], copy_dir="toy", import_check="toy")
    assert venv.failed_at == "isolation"
    assert "not from the environment" in venv.reason


def test_progress_tells_every_stage(offline):
    """A version passes venv, install, isolation and is ready."""
    stages = []
    list(provision(["toy==1.0"], progress=lambda version, stage: stages.append((version, stage))))
    assert [stage for _, stage in stages] == ["venv", "install", "isolation", "ready"]


def test_without_uv_the_extra_is_named(monkeypatch):
    """A RuntimeError that says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "uv", None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolUnavailable, match=r"pytest-memory\[sweep\]") as caught:
        list(provision(["toy==1.0"]))
    assert isinstance(caught.value, RuntimeError)


class Installed:
    """A distribution as importlib.metadata gives it."""

    version = installed_version("pytest-memory")

    def __init__(self, direct_url=None):
        self.direct_url = direct_url

    def read_text(self, name):
        assert name == "direct_url.json"
        return json.dumps(self.direct_url) if self.direct_url else None


@pytest.mark.parametrize(
    ("direct_url", "requirement"),
    [
        (None, f"pytest-memory[benchmark]=={Installed.version}"),
        (
            {"url": "https://example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "pytest-memory[benchmark] @ git+https://example.org/x.git@abc",
        ),
        ({"url": "file:///gone/x.whl", "archive_info": {}}, f"pytest-memory[benchmark]=={Installed.version}"),
    ],
)
def test_the_harness_is_this_very_installation(monkeypatch, tmp_path, direct_url, requirement):
    """A release is pinned, a revision is installed from its repository, a lost file falls back to the version."""
    monkeypatch.setattr("pytest_memory.sweep.harness.distribution", lambda name: Installed(direct_url))
    assert harness_requirements([], tmp_path, python="python") == [requirement]


def test_a_wheel_that_is_still_there_is_installed_again(monkeypatch, tmp_path):
    """``pip install ./x.whl`` leaves a record of the file."""
    wheel = tmp_path / "x y.whl"
    wheel.write_bytes(b"")
    monkeypatch.setattr("pytest_memory.sweep.harness.distribution", lambda name: Installed({"url": wheel.as_uri()}))
    assert harness_requirements([], tmp_path, python="python") == [f"pytest-memory[benchmark] @ {wheel.as_uri()}"]


def test_a_checkout_is_built_once(monkeypatch, tmp_path):
    """From a source directory a wheel is built, and that is installed."""
    built = []

    def build(arguments, *, environment, cwd):
        built.append(arguments)
        out = Path(arguments[arguments.index("--out-dir") + 1])
        out.mkdir()
        (out / "pytest_memory-0-py3-none-any.whl").touch()

    source = {"url": tmp_path.as_uri(), "dir_info": {"editable": True}}
    monkeypatch.setattr("pytest_memory.sweep.harness.distribution", lambda name: Installed(source))
    monkeypatch.setattr("pytest_memory.sweep.harness.run_uv", build)
    (requirement,) = harness_requirements([], tmp_path, python="3.12")
    assert requirement.endswith("harness/pytest_memory-0-py3-none-any.whl")
    assert built[0][:2] == ["build", str(tmp_path)]


@pytest.mark.parametrize("pin", ["pytest-memory==0.1", "Pytest.Memory @ file:///x", "pytest-benchmem>=0.3"])
def test_a_pin_of_the_harness_wins(tmp_path, pin):
    """Nothing is added beside it."""
    assert harness_requirements([pin], tmp_path, python="python") == []
