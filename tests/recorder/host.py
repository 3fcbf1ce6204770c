"""A test process without pytest, for tests that kill it: runs tests by name, and does what it is told in the middle.

Usage: host.py FOLDER INTERVAL [GUARD] < commands: ``test NAME``, ``grow MIB``, ``sampled``, ``sleep SECONDS``, ``end``,
``exit``, ``kill``, ``segv``, ``fork SECONDS``, ``reap``, ``close`` (every descriptor), ``open COUNT`` (files that are
still to be open at the end). Prints the recorder's process id first and ``done`` after each command; ``sampled`` is
done when the recorder has seen what the commands before it did.
"""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from sampled import wait_for_samples

from pytest_memory.recorder.cells import ABSENT
from pytest_memory.recorder.channel import JOURNAL_NAME, Breadcrumb
from pytest_memory.recorder.folders import crumb_path, new_session
from pytest_memory.recorder.frames import pack_test
from pytest_memory.recorder.journal import Kind, create_journal
from pytest_memory.recorder.launch import RecorderProcess
from pytest_memory.recorder.settings import RecorderSettings


def main():
    folder, interval = Path(sys.argv[1]), float(sys.argv[2])
    guard = int(sys.argv[3]) if len(sys.argv) > 3 else None
    session = new_session(folder)
    begun = time.monotonic()
    journal = create_journal(session / JOURNAL_NAME, {"origin": begun, "started": time.time()})
    crumb = Breadcrumb(crumb_path(session, None))
    recorder = RecorderProcess(
        RecorderSettings(
            session=str(session),
            owner=os.getpid(),
            interval=interval,
            memlog=str(folder / "memlog.json"),
            threshold=guard,
            last_resort=None if guard is None else guard * 5 // 4,
            autopsy="pytest_memory.report.autopsy:render_autopsies",
        ),
        terminal=1,
    )
    recorder.wait_until_ready()
    print(recorder.pid, flush=True)
    kept, files, running, since, children = [], [], None, begun, []
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "test":
            if running is not None:
                phase = (2, since, time.monotonic(), 0, 0, 0, ABSENT)
                journal.append(Kind.TEST, pack_test(running, None, phase))
            running, since = argument, time.monotonic()
            crumb.begin(argument)
            crumb.enter(2)
        elif command == "grow":
            kept.append(bytearray(b"x") * (int(argument) * 1024**2))
        elif command == "sampled":
            wait_for_samples(session)
        elif command == "sleep":
            time.sleep(float(argument))
        elif command == "fork":
            children.append(os.fork())
            if children[-1] == 0:
                crumb.begin("in a fork")
                time.sleep(float(argument))
                os._exit(0)
        elif command == "reap":
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        elif command == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif command == "segv":
            ctypes.string_at(0)
        elif command == "exit":
            os._exit(int(argument))
        elif command == "close":
            os.closerange(3, 64)
        elif command == "open":
            files = [os.open(folder / f"file{place}", os.O_RDWR | os.O_CREAT) for place in range(int(argument))]
        elif command == "end":
            crumb.idle()
            print(recorder.end(0), flush=True)
            crumb.end(0)
            crumb.close()
            journal.close()
            for file in files:
                os.fstat(file)
            return
        print("done", flush=True)


if __name__ == "__main__":
    main()
