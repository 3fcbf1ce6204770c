"""The recorder as a real process: it speaks when the tests cannot, ends with them, and loses nothing."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_memory.recorder.folders import is_alive, sessions
from pytest_memory.recorder.sessions import read_session

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the recorder is exact on Linux only")
HOST = Path(__file__).with_name("host.py")
PATIENCE = 60


class Host:
    """A process under test with its recorder."""

    def __init__(self, folder, interval=0.01, guard=None, **keywords):
        self.folder = folder
        guarded = [] if guard is None else [str(guard)]
        self.process = subprocess.Popen(
            [sys.executable, str(HOST), str(folder), str(interval), *guarded],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **keywords,
        )
        self.recorder = int(self.process.stdout.readline())

    def tell(self, *commands):
        """Send commands and wait until each is done."""
        for command in commands:
            print(command, file=self.process.stdin, flush=True)
            assert self.process.stdout.readline() == "done\n"

    def last_words(self, command=None):
        """Send the last command; everything printed until both processes are gone."""
        if command is not None:
            print(command, file=self.process.stdin, flush=True)
        output = self.process.stdout.read()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        return output

    def session(self):
        """What is on disk."""
        return read_session(sessions(self.folder)[0])


def is_gone(pid):
    """Whether a process has ended, waiting a moment for it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


@pytest.fixture()
def host(tmp_path):
    host = Host(tmp_path)
    yield host
    if host.process.poll() is None:
        host.process.kill()
        host.last_words()
    assert is_gone(host.recorder)


@pytest.mark.parametrize(
    ("command", "words"),
    [("kill", "was killed by SIGKILL"), ("segv", "was killed by SIGSEGV"), ("exit 0", "left with status 0")],
)
def test_every_death_is_explained_on_the_terminal(host, command, words):
    """The autopsy names how the process ended, its test, its growth; the log is made, and no process is left."""
    host.tell("test t.py::test_first", "test t.py::test_victim", "grow 64", "sampled")
    output = host.last_words(command)
    assert words in output
    assert "t.py::test_victim\n    in its call" in output
    assert "results of this run are incomplete: 1 test had ended before" in output
    record = host.session()
    (death,) = record.timeline.deaths
    assert (death.nodeid, death.activity, record.timeline.ended) == ("t.py::test_victim", "call", False)
    assert is_gone(host.recorder)
    entries = json.loads((host.folder / "memlog.json").read_text())
    assert {"t.py::test_victim"} <= {entry["name"] for entry in entries}
    assert entries[-1]["rss"] - entries[0]["rss"] > 50 * 1024**2


def test_an_orderly_end_is_quiet(host):
    """Nothing is printed, the log is there, and the journal says that the session ended."""
    host.tell("test t.py::test_one", "sampled")
    output = host.last_words("end")
    assert "autopsy" not in output
    record = host.session()
    assert (record.timeline.ended, record.timeline.status, record.timeline.deaths) == (True, 0, ())
    assert [span.nodeid for span in record.timeline.spans] == []
    assert record.timeline.metadata["recorder"]["resident_peak"] < 25 * 1024**2
    assert json.loads((host.folder / "memlog.json").read_text())


def test_the_recorder_is_killed_and_the_tests_go_on(host):
    """The session notices at its end; what was recorded until then is kept, and a later death is still known."""
    host.tell("test t.py::test_one", "sampled")
    os.kill(host.recorder, signal.SIGKILL)
    host.tell("test t.py::test_two")
    assert host.last_words("end") == "None\n"
    assert len(host.session().timeline.series[0].times) >= 2


@pytest.mark.parametrize("opened", [0, 32])
def test_a_test_that_closes_every_descriptor(host, opened):
    """The recorder is heard and told through its pipes all the same; files that got their numbers are left alone."""
    host.tell(
        "test t.py::test_one", "close", f"open {opened}", "test t.py::test_two", "sampled", "test t.py::test_three"
    )
    answer = host.last_words("end")
    assert "'entries': " in answer
    assert host.process.returncode == 0
    record = host.session()
    assert (record.timeline.ended, record.timeline.status, record.timeline.deaths) == (True, 0, ())
    assert [span.nodeid for span in record.timeline.spans] == ["t.py::test_one", "t.py::test_two"]
    assert "t.py::test_two" in set(record.timeline.series[0].tests)
    assert [path.read_bytes() for path in host.folder.glob("file*")] == [b""] * opened


def test_a_recorder_that_cannot_be_reached_is_not_waited_for(host):
    """A test closed the pipes, and the recorder that has their other ends is gone: there is no answer, and no error."""
    host.tell("test t.py::test_one", "sampled", "close", "open 32")
    os.kill(host.recorder, signal.SIGKILL)
    assert host.last_words("end") == "None\n"
    assert host.process.returncode == 0


def test_both_are_killed_and_the_breadcrumb_speaks(host):
    """With the recorder gone the running test is still named, by the next who looks."""
    host.tell("test t.py::test_one", "sampled")
    os.kill(host.recorder, signal.SIGKILL)
    host.tell("test t.py::test_two")
    host.last_words("kill")
    record = host.session()
    assert [(death.nodeid, death.time) for death in record.timeline.deaths] == [("t.py::test_two", None)]
    assert not record.alive


def test_a_fork_that_outlives_the_tests_keeps_nothing_waiting(host):
    """A child that holds every descriptor of the dead process does not hide its death, and does not write."""
    host.tell("test t.py::test_one", "fork 2")
    print("kill", file=host.process.stdin, flush=True)
    assert is_gone(host.recorder)
    (death,) = host.session().timeline.deaths
    assert death.nodeid == "t.py::test_one"
    assert not is_alive(sessions(host.folder)[0])


def test_samples_carry_the_children(host):
    """Memory of a forked child is seen beside that of the process."""
    # Descendants are looked at every 0.05 s: the first sample after that has them.
    host.tell("test t.py::test_one", "grow 40", "fork 60", "sleep 0.06", "sampled", "reap")
    host.last_words("end")
    assert max(host.session().timeline.series[0].children) > 30 * 1024**2


def test_a_file_as_terminal_gets_the_autopsy(tmp_path):
    """Output that goes to a file ends with the autopsy too."""
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, str(HOST), str(tmp_path), "0.01"], stdin=subprocess.PIPE, stdout=output, text=True
        )
        process.communicate("test t.py::test_one\nkill\n")
    text = tmp_path / "output"
    recorder = int(text.read_text().split()[0])
    assert is_gone(recorder)
    assert "memory autopsy" in text.read_text()


def test_a_full_disk_leaves_the_tests_alone(tmp_path):
    """When the journal cannot grow any more the tests go on, and the loss is counted."""

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (140_000, 140_000))

    host = Host(tmp_path, preexec_fn=small_files)
    host.tell(*(f"test t.py::test_{'x' * 9_000}_{number}" for number in range(30)))
    answer = host.last_words("end")
    assert "'lost': " in answer
    assert host.process.returncode == 0
    assert host.session().timeline.series[0].times


def test_the_guard_ends_a_process_that_cannot_be_stopped(tmp_path):
    """A process without a handler for the guard's request is ended at the second threshold, and that is told."""
    host = Host(tmp_path, guard=200 * 1024**2)
    output = host.last_words("grow 400")  # between tests: there is no call to stop
    assert "was ended by the memory guard at its second threshold, 250 MiB" in output
    assert host.process.returncode == -signal.SIGKILL
    (note,) = [note for note in host.session().timeline.notes if "ended" in note]
    assert re.fullmatch(rf"the memory guard ended process {host.process.pid} at [\d.]+ MiB", note)
