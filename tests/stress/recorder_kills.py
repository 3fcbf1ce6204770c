"""Kill test processes and recorders at random moments, many times, and look at what is left.

Run by hand: ``python tests/stress/recorder_kills.py [ROUNDS] [SEED]``; 100 rounds of each take a few minutes. After
every kill the journal is readable, the autopsy (or, where the recorder died too, the breadcrumb) names the running test
or the one within an interval, and no process is left behind; where only the recorder died, the session loses nothing.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_memory.recorder.folders import sessions
from pytest_memory.recorder.sessions import read_session

SUITE = """
import os, time, pytest
from pathlib import Path
LOG = os.open("running", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

@pytest.mark.parametrize("number", range(60))
def test_number(number):
    os.write(LOG, f"{number}\\n".encode())
    block = bytearray(b"x") * (number % 5 * 1024**2)
    time.sleep(0.01 * (number % 4))
"""
COMMAND = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_memory.entry", "--memlog", "--memlog-interval=0.02"]


def start(folder: Path) -> subprocess.Popen[str]:
    """A session in an empty folder."""
    (folder / "test_it.py").write_text(SUITE)
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.Popen(
        COMMAND, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def recorder_of(pid: int) -> int | None:
    """The recorder of a test process: its child with our module in its command line."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"pytest_memory.recorder.process" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return None


def wait_for_tests(folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the first test runs."""
    running = folder / "running"
    while not running.exists() or not running.stat().st_size:
        if process.poll() is not None:
            sys.exit(f"the session ended by itself:\n{process.stdout.read() if process.stdout else ''}")
        time.sleep(0.005)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; it closes its output a moment before that."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.005)
    return False


def kill_tests(randomness: random.Random, number: int) -> tuple[str, float]:
    """Kill the test process; what was wrong (or nothing), and how long the autopsy took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = start(folder)
        wait_for_tests(folder, process)
        recorder = recorder_of(process.pid)
        time.sleep(randomness.uniform(0, 1.0))
        if process.poll() is not None:
            process.communicate()
            return "", 0.0  # the session was faster
        os.kill(process.pid, signal.SIGKILL)
        begun = time.monotonic()
        output, _ = process.communicate(timeout=30)
        seconds = time.monotonic() - begun
        running = (folder / "running").read_text().split()[-1]
        record = read_session(sessions(folder / ".pytest_cache/d/memory")[0])
        told = re.search(r"test_number\[(\d+)\]", output)
        problems = []
        if "memory autopsy" not in output:
            problems.append(f"no autopsy in {output[-300:]!r}")
        named = any(death.nodeid for death in record.timeline.deaths)  # it may have died between two tests
        if named and (told is None or abs(int(told[1]) - int(running)) > 1):
            problems.append(f"the autopsy says {told and told[1]}, {running} was running")
        if len(record.timeline.deaths) != 1:
            problems.append(f"{len(record.timeline.deaths)} deaths")
        if not (folder / "memlog.json").exists():
            problems.append("no log")
        if recorder is not None and not is_gone(recorder):
            problems.append("the recorder is still there")
        return "; ".join(problems), seconds


def kill_recorder(randomness: random.Random, number: int) -> tuple[str, float]:
    """Kill the recorder; what was wrong, or nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = start(folder)
        while (recorder := recorder_of(process.pid)) is None and process.poll() is None:
            time.sleep(0.002)
        time.sleep(randomness.uniform(0, 0.8))
        if recorder is not None and process.poll() is None:
            os.kill(recorder, signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
        problems = []
        if process.returncode != 0 or "60 passed" not in output:
            problems.append(f"results were lost: {output[-300:]!r}")
        record = read_session(sessions(folder / ".pytest_cache/d/memory")[0])
        if len(record.timeline.spans) != 180:
            problems.append(f"{len(record.timeline.spans)} of 180 phases in the journal")
        if not (folder / "memlog.json").exists():
            problems.append("no log")
        if recorder is not None and not is_gone(recorder):
            problems.append("the recorder is still there")
        return "; ".join(problems), 0.0


def main() -> None:
    """Kill, look, count."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)
    print(f"seed {seed}")
    randomness = random.Random(seed)
    failed = 0
    for name, kill in (("test process", kill_tests), ("recorder", kill_recorder)):
        longest = 0.0
        for number in range(rounds):
            problem, seconds = kill(randomness, number)
            longest = max(longest, seconds)
            if problem:
                failed += 1
                print(f"{name}, round {number}: {problem}", flush=True)
        print(f"{name}: {rounds} kills; the longest autopsy took {longest:.2f} s", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
