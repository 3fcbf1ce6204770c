"""Other processes: their memory, their children, their end and how it came."""

import os
import signal
import subprocess
import sys

import pytest

from pytest_memory.instruments.children import LinuxProcesses, PsutilProcesses, descendants_resident, process_table
from pytest_memory.instruments.pidfd import exit_status, open_pidfd, send_signal

MIB = 1024**2
BIG = "import sys; block = bytearray(b'x') * (60 * 1024**2); print('ready', flush=True); sys.stdin.read()"
PARENT = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdin=subprocess.PIPE);"
    "sys.stdin.read()"
)
TABLES = [PsutilProcesses, *([LinuxProcesses] if sys.platform == "linux" else [])]


class FakeTable:
    """Processes as written down: children and bytes by process id."""

    def __init__(self, children, sizes):
        self._children = children
        self._sizes = sizes

    def children(self, pid):
        return self._children.get(pid, [])

    def resident(self, pid):
        return self._sizes.get(pid)


def test_descendants_count_once_and_without_those_left_out():
    """A tree is summed without its root; a branch that is left out takes its own branches with it."""
    table = FakeTable({1: [2, 3], 2: [4], 3: [5], 5: [1]}, {1: 1000, 2: 1, 3: 10, 4: 100, 5: 10_000})
    assert descendants_resident(table, 1) == 10_111
    assert descendants_resident(table, 1, leave_out=[3]) == 101


@pytest.mark.parametrize("make", TABLES)
def test_a_real_child_is_seen_with_its_memory(make):
    """A grandchild's 60 MiB are in the sum; when it is gone there is nothing to read."""
    table = make()
    with subprocess.Popen([sys.executable, "-c", PARENT, BIG], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        parent.stdout.readline()
        assert parent.pid in table.children(os.getpid())
        assert descendants_resident(table, parent.pid) > 60 * MIB
        started = table.started(parent.pid)
        assert started == table.started(parent.pid) is not None
        for child in table.children(parent.pid):
            os.kill(child, signal.SIGKILL)
        parent.kill()
    assert table.started(parent.pid) is None
    assert table.resident(parent.pid) is None
    assert table.children(parent.pid) == []


def test_a_watched_process_is_read_through_an_open_descriptor():
    """Watching changes the price, not the answer."""
    table = process_table()
    before = table.resident(os.getpid())
    table.watch(os.getpid())
    assert abs(table.resident(os.getpid()) - before) < 10 * MIB
    table.forget(os.getpid())
    assert table.resident(os.getpid())


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="no pidfd")
@pytest.mark.parametrize(
    ("program", "status"),
    [("import os; os.kill(os.getpid(), 9)", 9), ("import os; os._exit(3)", 3 << 8), ("pass", 0)],
)
def test_how_a_process_ended_is_read_of_its_zombie(program, status):
    """Before its parent has reaped it, its status can be read by others."""
    process = subprocess.Popen([sys.executable, "-c", program])
    pidfd = open_pidfd(process.pid)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert exit_status(process.pid, pidfd) == status
    process.wait()
    os.close(pidfd)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="no pidfd")
def test_a_pidfd_signals_its_process_and_never_another():
    """A signal through a pidfd arrives, and goes nowhere once the process is gone."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    pidfd = open_pidfd(process.pid)
    assert send_signal(process.pid, pidfd, signal.SIGKILL)
    process.wait()
    assert not send_signal(process.pid, pidfd, signal.SIGKILL)
    os.close(pidfd)


def test_a_process_that_is_gone_has_no_pidfd():
    """There is nothing to follow."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert open_pidfd(process.pid) is None
