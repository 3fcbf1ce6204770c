"""Passes in a process of their own: what comes back, whatever happens there."""

import subprocess
import sys
import warnings

import pytest

from benchmem import isolated_actions as actions
from pytest_memory import measure_memory
from pytest_memory.errors import IsolationError
from pytest_memory.passes.action import Action, PassPlan
from pytest_memory.passes.isolated import ChildTraceback, measure_isolated

MB = 1_000_000
PLAN = PassPlan(isolate=True)


def isolated(target, **kwargs):
    return measure_isolated("auto", Action(target, **kwargs), PLAN)


def test_every_pass_has_a_process_of_its_own_and_a_resident_peak():
    """rss_bytes is the process's resident high-water mark; the heap numbers are there too."""
    result = measure_memory(actions.ten_thousand_tuples, repeats=2, isolate=True)
    assert result.repeats == 2
    assert all(sample.rss_bytes > sample.peak_bytes > 10_000 * 56 for sample in result.samples)


def test_setup_gives_the_arguments_there():
    """The setup runs in the fresh process, unmeasured, and its arguments reach the target."""
    sample = isolated(actions.hold, setup=actions.arguments)
    assert 50 * MB <= sample.peak_bytes < 51 * MB


def test_an_exception_of_any_size_arrives():
    """Upstream waits forever for one whose pickle exceeds a pipe's 64 KiB."""
    with pytest.raises(ValueError, match=r"^x{1000000}$") as caught:
        isolated(actions.fail_with_large_message)
    assert isinstance(caught.value.__cause__, ChildTraceback)
    assert "in fail_with_large_message" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (actions.fail_with_two_arguments, "TwoArguments: one"),
        (actions.fail_with_local_class, "Local: nobody can find my class"),
        (actions.leave, "SystemExit: 3"),
    ],
)
def test_an_exception_that_cannot_travel_is_told_with_its_traceback(action, message):
    """Upstream says "died", or raises a TypeError of pickle's; here the message and the child's traceback survive."""
    with pytest.raises(IsolationError, match=message) as caught:
        isolated(action)
    assert f"in {action.__name__}" in str(caught.value.__cause__)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_process_that_dies_is_told_with_its_exit_code():
    """A kill cannot be caught there; it is named here."""
    with pytest.raises(IsolationError, match=r"exit code -9 \(SIGKILL\)"):
        isolated(actions.kill)


def test_much_output_does_not_block(capfd):
    """What the action prints goes where this process prints."""
    isolated(actions.write_much)
    captured = capfd.readouterr()
    assert (len(captured.out), len(captured.err)) == (300_000, 300_000)


def test_what_cannot_be_pickled_is_told_before_anything_runs():
    """A lambda has no name by which another process could find it."""
    with pytest.raises(IsolationError, match="isolate=True needs a picklable action"):
        isolated(lambda: None)


def test_large_arguments_warn():
    """Deserializing them counts in the resident peak."""
    with pytest.warns(RuntimeWarning, match="deserializing"):
        isolated(len, args=(b"x" * 2 * MB,))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        isolated(len, args=(b"x",))


def test_a_module_that_cannot_be_imported_by_name_is_loaded_from_its_file(tmp_path, monkeypatch):
    """With --import-mode=importlib a test module is in no folder of sys.path."""
    from importlib.util import module_from_spec, spec_from_file_location

    file = tmp_path / "hidden.py"
    file.write_text("def work():\n    return bytearray(3_000_000)\n")
    spec = spec_from_file_location("somewhere_hidden", file)
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "somewhere_hidden", module)
    spec.loader.exec_module(module)
    assert isolated(module.work).peak_bytes >= 3 * MB


def test_a_module_that_has_gone_is_told(tmp_path, monkeypatch):
    """The message says that the action could not be rebuilt, and shows the other side's traceback."""
    monkeypatch.setattr(actions.hold, "__module__", "no_such_module")
    module = type(sys)("no_such_module")
    module.hold = actions.hold
    monkeypatch.setitem(sys.modules, "no_such_module", module)
    with pytest.raises(IsolationError, match="could not be rebuilt in its own process") as caught:
        isolated(actions.hold, args=(1,))
    assert "no_such_module" in str(caught.value.__cause__)


def test_an_action_of_a_script(tmp_path):
    """What a script defines is found by running it under another name, as multiprocessing does."""
    script = tmp_path / "script.py"
    script.write_text(
        "from pytest_memory import measure_memory\n"
        "def work():\n    return bytearray(2_000_000)\n"
        "if __name__ == '__main__':\n    print(measure_memory(work, isolate=True).peak_bytes >= 2_000_000)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True\n", "")
