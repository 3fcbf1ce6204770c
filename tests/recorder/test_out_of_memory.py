"""Real shortage of memory: the kernel's out-of-memory killer in a limited cgroup, and RLIMIT_AS."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="cgroups are Linux's")

MIB = 1024**2
LIMIT = 300 * MIB
GROUPS = [
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
]
COMMAND = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_memory.entry", "--memlog-interval=0.02"]
SUITE = """
import time
kept = []
def test_culprit():
    kept.append(bytearray(b"x") * (150 * 1024**2))
def test_victim():
    room = []
    asked = time.monotonic()
    while time.monotonic() < asked + 60:
        if len(room) < {blocks}:
            room.append(bytearray(b"x") * (4 * 1024**2))
        time.sleep(0.002)
"""


@pytest.fixture()
def group():
    """A cgroup that may use 300 MiB, where this machine lets us make one."""
    for top, limit in GROUPS:
        group = top / f"pytest-memory-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(LIMIT))
        except OSError:
            group.rmdir()
            continue
        break
    else:
        pytest.skip("no cgroup with a memory limit can be made here")
    yield group
    deadline = time.monotonic() + 10
    while (group / "cgroup.procs").read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    for _ in range(100):  # the kernel takes a moment to let go of a group that has just become empty
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.05)


def run_inside(group, folder, *arguments):
    """Run pytest as a member of a group, until everybody has closed the output."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    join = f'echo $$ > {group}/cgroup.procs; exec "$@"'
    command = ["sh", "-c", join, "sh", *COMMAND, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=120)


def test_an_out_of_memory_kill_is_explained(group, tmp_path):
    """The autopsy tells the kernel's kill, the limit, the victim, and the culprit before it."""
    (tmp_path / "test_it.py").write_text(SUITE.format(blocks=1000))
    done = run_inside(group, tmp_path, "--memlog")
    assert done.returncode == -9
    assert "was killed by SIGKILL while running\n    test_it.py::test_victim" in done.stdout
    assert "Limit of the cgroup: 300 MiB" in done.stdout
    assert "The kernel killed for memory: 1 process of this cgroup" in done.stdout
    assert "+150 MiB  test_it.py::test_culprit" in done.stdout
    assert json.loads((tmp_path / "memlog.json").read_text())


def test_the_guard_comes_before_the_kernel(group, tmp_path):
    """With 70 % of the group's limit the victim, which stays between the two, fails, and the run ends by itself."""
    (tmp_path / "test_it.py").write_text(SUITE.format(blocks=11))
    done = run_inside(group, tmp_path, "--memory-guard=70%")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 1 passed" in done.stdout
    assert "MemoryGuardExceeded" in done.stdout


def test_a_test_that_meets_rlimit_as_fails_and_the_session_lives(tmp_path):
    """A MemoryError is a failed test: no autopsy, a whole log, and the next test runs."""
    (tmp_path / "test_it.py").write_text(
        """
import resource
def test_meets_the_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2 * 1024**3, hard))
    try:
        bytearray(4 * 1024**3)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
def test_after(): pass
"""
    )
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run([*COMMAND, "--memlog"], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert "1 failed, 1 passed" in done.stdout
    assert "autopsy" not in done.stdout
    assert json.loads((tmp_path / "memlog.json").read_text())
