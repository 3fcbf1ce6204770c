"""Runs of small benchmark suites: quick timings, no look at the machine."""

import json
from importlib import import_module

import pytest

pytest.importorskip("pytest_benchmark")

for name in ("benchmark", "benchmark_settings", "benchmark_tables", "benchmark_telling", "scaling"):
    # Loaded once, here: pytester makes each run inside this process forget what it has imported.
    import_module(f"pytest_memory.plugin.{name}")

QUICK = ("--benchmark-min-rounds=1", "--benchmark-max-time=0", "--benchmark-min-time=0", "--benchmark-warmup=off")

CONFTEST = """
import pytest

@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_generate_machine_info():
    return {}

@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_generate_commit_info():
    return {"id": "0", "dirty": False}
"""


class Suite:
    """A folder with a test file, and what becomes of running it."""

    def __init__(self, pytester):
        self.pytester = pytester
        pytester.makeconftest(CONFTEST)

    def write(self, text):
        self.pytester.makepyfile(test_it=text)

    def configure(self, text):
        self.pytester.makeini(f"[pytest]\n{text}")

    def run(self, *args, outcomes=None, code=None, apart=False):
        """Run in this process, or apart from it what would leave something behind here."""
        # pytest-rerunfailures starts a thread with a socket in each session, and never ends it.
        run = self.pytester.runpytest_subprocess if apart else self.pytester.runpytest
        result = run("-p", "no:rerunfailures", *QUICK, *args)
        if outcomes is not None:
            found = {kind: count for kind, count in result.parseoutcomes().items() if "warning" not in kind}
            assert found == outcomes
        if code is not None:
            assert result.ret == code
        return result

    def saved(self, *args, **kwargs):
        """Run and give what --benchmark-json holds, by short name."""
        self.run("--benchmark-json=out.json", *args, **kwargs)
        return {entry["name"]: entry for entry in self.document()["benchmarks"]}

    def document(self, name="out.json"):
        return json.loads((self.pytester.path / name).read_text())

    def blob(self, *args, **kwargs):
        """Run a suite of one benchmark and give its blob."""
        [entry] = self.saved(*args, **kwargs).values()
        return entry["extra_info"].get("benchmem")


@pytest.fixture
def suite(pytester, monkeypatch):
    # Where the tests of this folder run in a worker, the runs that they make are none of its work: with this variable
    # pytest-benchmark would leave the timings out.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    return Suite(pytester)
