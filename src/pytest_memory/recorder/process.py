"""The recorder: a process of its own that samples the test processes, guards them, and speaks when they cannot.

It is started by :mod:`pytest_memory.recorder.launch` with nothing but the standard library, in a session of its own so
that Ctrl-C does not reach it, and it ends when the first test process (or pytest-xdist's controller) ends, in whatever
way: told so through a pipe, or seen through a pidfd, or by a process id that is gone.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time

from ..errors import UnreadableFile
from ..instruments.cgroup import read_bounds
from ..instruments.children import process_table
from ..instruments.pidfd import exit_status
from ..model.activity import CONTROLLER
from .channel import CRUMB_SUFFIX, JOURNAL_NAME
from .crumbs import CrumbReader
from .frames import Entry, pack_name, pack_tick
from .guarding import GUARD_INTERVAL
from .journal import JournalWriter, Kind
from .settings import RecorderSettings
from .watching import WatchedProcess

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..model import Death, Timeline
    from .curve import Curve
    from .thinning import Sample

_LINGER = 1.0
"""Seconds that workers get to end after their controller did, before it is said what they were doing."""

_DEAF = 0.05
"""Seconds between two looks whether its owner, whose end of the pipe a test closed, has opened the pipe again."""

_LAST_BREATH = 20
"""Seconds after which a recorder without a session is ended, whatever it is doing."""


class Recorder:
    """The main loop and what it looks after."""

    def __init__(self, settings: RecorderSettings) -> None:
        self._settings = settings
        self._session = settings.session
        self._journal_path = f"{self._session}/{JOURNAL_NAME}"
        self._journal = JournalWriter(self._journal_path)
        self._table = process_table()
        self._watched: dict[str, WatchedProcess] = {}
        self._gone: set[str] = set()
        self._leave_out = {os.getpid()}
        self._joined = 0
        self._names = 0
        self._seen_folder: int | None = None
        self._deaths = 0
        self._bounds_before = read_bounds()
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        self._deaf = False
        self._disk_failed = False
        self._look_for_ended = False
        self._message = b""
        self._notes: list[str] = []
        self._curves: list[Curve] = []

    def run(self) -> None:
        """Sample until the session is over."""
        self._join_newcomers()
        self._tick()
        self._report({"ready": True})
        guard = self._settings.threshold is not None
        period = min(GUARD_INTERVAL, self._settings.interval) if guard else self._settings.interval
        begun = time.monotonic()
        next_look, next_sample = begun + period, begun + self._settings.interval
        while True:
            if self._wait(max(0.0, next_look - time.monotonic())):
                break
            now = time.monotonic()
            if now < next_look:
                continue
            sampling = now >= next_sample - period / 2
            self._join_newcomers()
            self._tick(keep=sampling)
            if self._look_for_ended and self._bury_ended():
                break
            next_look = _after(now, next_look, period)
            if sampling:
                next_sample = _after(now, next_sample, self._settings.interval)
        self._finish()

    def _wait(self, seconds: float) -> bool:
        """Wait for the next look; say whether the session is over."""
        if self._deaf:
            seconds = min(seconds, _DEAF)
        for descriptor, _ in self._poll.poll(seconds * 1000):
            if descriptor != 0:
                if self._bury_ended():
                    return True
            elif self._hear():
                return True
        return self._deaf and self._hear()

    def _hear(self) -> bool:
        """Read from the owner; its end may also leave the pipe open, in a process that a test forked.

        A pipe that nobody has open for writing is at its end for as long as that lasts.
        """
        heard = os.read(0, 4096)
        self._message += heard
        if b"\n" in self._message:
            return True
        if not heard and not self._deaf:
            self._poll.unregister(0)
            self._deaf = True
        return False

    # --- processes -------------------------------------------------------------------------------------------------

    def _join_newcomers(self) -> None:
        try:
            changed = os.stat(self._session).st_mtime_ns
            if changed == self._seen_folder:
                return
            found = os.listdir(self._session)
        except OSError:  # somebody cleared the cache; those that we know we can still follow
            return
        complete = True
        for path in [f"{self._session}/{name}" for name in found if name.endswith(CRUMB_SUFFIX)]:
            if path not in self._watched and path not in self._gone:
                complete &= self._join(path)
        self._seen_folder = changed if complete else None

    def _join(self, path: str) -> bool:
        try:
            crumb = CrumbReader(path)
        except (OSError, UnreadableFile):  # it is being made
            return False
        process = WatchedProcess(self._joined, crumb, self._table, self._settings)
        self._joined += 1
        self._watched[path] = process
        self._leave_out.add(process.pid)
        self._curves.append(process.curve)
        if process.pidfd is not None:
            self._poll.register(process.pidfd, select.POLLIN)
        self._journal.append_json(
            Kind.JOIN, {"index": process.index, "pid": process.pid, "worker": crumb.header.worker}
        )
        return True

    def _bury_ended(self) -> bool:
        """Look after processes that have ended; say whether the session is over."""
        ended = [path for path, process in self._watched.items() if process.has_ended()]
        if not ended:
            return False
        owner_ended = any(self._watched[path].pid == self._settings.owner for path in ended)
        if owner_ended and len(self._watched) > len(ended):
            self._linger()
            ended = list(self._watched)
        deaths = [death for path in ended if (death := self._bury(path)) is not None]
        if deaths:
            from dataclasses import asdict

            deaths.sort(key=lambda death: death.worker in (None, CONTROLLER))
            for death in deaths:
                self._journal.append_json(Kind.DEATH, asdict(death))
            self._tell(len(deaths))
        return owner_ended

    def _linger(self) -> None:
        """The controller is gone: its workers follow in a moment, and what they were doing is part of the story."""
        deadline = time.monotonic() + _LINGER
        while time.monotonic() < deadline and not all(process.has_ended() for process in self._watched.values()):
            time.sleep(0.01)

    def _bury(self, path: str) -> Death | None:
        process = self._watched.pop(path)
        self._gone.add(path)
        self._leave_out.discard(process.pid)
        self._write_samples(process, process.thinner.rest())
        noticed = time.monotonic()
        state, ended = process.crumb.read(), process.crumb.ended
        status = None if ended else exit_status(process.pid, process.pidfd)
        if process.pidfd is not None:
            self._poll.unregister(process.pidfd)
        process.close()
        if ended:
            return None
        from ..model import Death, MemoryBounds

        return Death(
            worker=process.worker,
            pid=process.pid,
            time=noticed,
            nodeid=state.nodeid if state else "",
            activity=state.activity if state else "",
            activity_since=state.since if state else noticed,
            test_since=state.test_since if state else noticed,
            status=status,
            bounds=MemoryBounds(**read_bounds()),
            bounds_before=MemoryBounds(**self._bounds_before),
            guard=self._settings.last_resort if process.killed else None,
        )

    # --- samples ---------------------------------------------------------------------------------------------------

    def _tick(self, keep: bool = True) -> None:
        now = time.monotonic()
        self._look_for_ended = False
        for process in self._watched.values():
            sample = process.sample(now, self._leave_out)
            if sample is None or process.pidfd is None:  # no pidfd will tell that it has ended
                self._look_for_ended = True
            if sample is None:
                continue
            process.watch_over(sample, self._note)
            if keep:
                self._write_samples(process, process.keep(sample))

    def _write_samples(self, process: WatchedProcess, samples: tuple[Sample, ...]) -> None:
        for sample in samples:
            number = process.written_names.get(sample.name, 0)
            if sample.name and not number:
                self._names += 1
                number = self._names
                process.written_names = {sample.name: number}
                self._journal.append(Kind.NAME, pack_name(number, process.names.get(sample.name, "")))
            entry = Entry(process.index, number, sample.activity, sample.resident, sample.children)
            written = self._journal.append(Kind.TICK, pack_tick(sample.time, [entry]))
            if written and self._disk_failed:
                self._note(f"the journal has a gap: {self._journal.failure}, {self._journal.lost} records were lost")
            self._disk_failed = not written

    def _note(self, sentence: str) -> None:
        self._notes.append(sentence)
        self._journal.append(Kind.NOTE, sentence.encode("utf-8", "replace"))

    # --- the end ---------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        arm_last_breath()
        for process in self._watched.values():
            self._write_samples(process, process.thinner.rest())
        status = self._orderly_status()
        if status is not None:
            self._journal.append_json(Kind.END, {"status": status, "time": time.monotonic(), "recorder": _own_usage()})
        answer: dict[str, Any] = {
            "lost": self._journal.lost,
            "failure": self._journal.failure,
            "notes": self._notes,
            "curves": [curve.to_json() for curve in self._curves],
        }
        if self._settings.memlog is not None:
            from .memlog import write_memlog

            try:
                answer["entries"] = write_memlog(self._journal_path, self._settings.memlog)
            except OSError as error:
                answer["memlog_failure"] = error.strerror or str(error)
        self._report(answer)

    def _orderly_status(self) -> int | None:
        """Pytest's exit status if the session ended in an orderly way."""
        if self._message:
            return int(json.loads(self._message.split(b"\n", 1)[0])["status"])
        for path in self._gone:
            try:
                crumb = CrumbReader(path)
            except (OSError, UnreadableFile):
                continue
            if crumb.header.pid == self._settings.owner and crumb.ended:
                return crumb.status
        return None

    def _tell(self, count: int) -> None:
        """Print the autopsy of the newest deaths on the terminal that pytest had when it started."""
        from pathlib import Path

        from .reader import read_journal

        timeline = read_journal(Path(self._journal_path))
        first = len(timeline.deaths) - count
        text = self._load_autopsy()(timeline, range(first, len(timeline.deaths)), self._session)
        data = text.encode(errors="replace")
        try:
            while data:
                data = data[os.write(1, data) :]
        except OSError:  # nobody has that terminal any more
            return

    def _load_autopsy(self) -> Callable[[Timeline, range, str], str]:
        from importlib import import_module

        module, _, function = self._settings.autopsy.partition(":")
        loaded: Callable[[Timeline, range, str], str] = getattr(import_module(module), function)
        return loaded

    def _report(self, value: dict[str, Any]) -> None:
        try:
            os.write(self._settings.report, json.dumps(value).encode() + b"\n")
        except OSError:  # the session is gone
            return

    def confess(self, error: BaseException) -> None:
        """Leave word of a mistake of ours: the tests go on, and the summary tells of it."""
        self._note(f"the recorder failed: {type(error).__name__}: {error}")


def _after(now: float, due: float, period: float) -> float:
    """The next moment on the recorder's own clock; moments that were missed are left out."""
    return due + period * (1 + max(0.0, (now - due) // period))


def arm_last_breath() -> None:
    """End this process in a while even if something hangs, such as a terminal that nobody reads."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_LAST_BREATH)


def _own_usage() -> dict[str, float]:
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    try:  # ru_maxrss is also that of the process which started us, before exec
        with open("/proc/self/status", "rb") as file:
            peak = next(int(line.split()[1]) * 1024 for line in file if line.startswith(b"VmHWM:"))
    except (OSError, StopIteration):
        pass
    return {"cpu_seconds": usage.ru_utime + usage.ru_stime, "resident_peak": peak}


def main(argument: str) -> None:
    """Run the recorder.

    Args:
        argument: :class:`RecorderSettings` as JSON.
    """
    gc.disable()  # what lives here lives long, and makes no cycles
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    recorder = Recorder(RecorderSettings(**json.loads(argument)))
    try:
        recorder.run()
    except Exception as error:
        recorder.confess(error)
        raise
    os._exit(0)  # everything is written, and somebody waits: the interpreter need not tidy up
