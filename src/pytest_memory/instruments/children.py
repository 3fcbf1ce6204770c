"""Resident memory of other processes and of their descendants, and whether they still live.

On Linux the kernel's own files are read (proc(5)): ``statm`` for memory, ``task/*/children`` for descendants. Where
those are missing (other systems, kernels without ``CONFIG_PROC_CHILDREN``) psutil answers, at a higher price.
"""

from __future__ import annotations

import os

from .started import PROC, read_start, started_ticks

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


class ProcessTable:
    """Reads other processes. A process that is gone, or may not be seen, has no memory and no children."""

    def watch(self, pid: int) -> None:
        """This process will be asked about again and again, until :meth:`forget`."""
        raise NotImplementedError

    def forget(self, pid: int) -> None:
        """Undo :meth:`watch`."""
        raise NotImplementedError

    def resident(self, pid: int) -> int | None:
        """Resident bytes of a process, or ``None`` if it cannot be read."""
        raise NotImplementedError

    def children(self, pid: int) -> list[int]:
        """Process ids of the direct children."""
        raise NotImplementedError

    def started(self, pid: int) -> float | None:
        """A number that tells two processes with one id apart: when it started; ``None`` if it is gone."""
        raise NotImplementedError


class LinuxProcesses(ProcessTable):
    """Reads ``/proc``. Descriptors of processes that are asked about again and again stay open (1 µs a reading).

    Raises:
        OSError: This is no Linux, or ``/proc`` is not mounted.
    """

    def __init__(self, proc: str | Path = PROC) -> None:
        self._proc = str(proc)
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._open: dict[int, int] = {}
        read_start(f"{self._proc}/{os.getpid()}/statm")
        read_start(f"{self._proc}/{os.getpid()}/task/{os.getpid()}/children")

    def watch(self, pid: int) -> None:
        """Keep a descriptor of this process open, which reads the same process even if its id is used again."""
        try:
            self._open[pid] = os.open(f"{self._proc}/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._open.pop(pid, None)

    def forget(self, pid: int) -> None:
        """Close the descriptor of a watched process."""
        descriptor = self._open.pop(pid, None)
        if descriptor is not None:
            os.close(descriptor)

    def resident(self, pid: int) -> int | None:
        """Resident bytes (the kernel counts in batches of about 300 KiB)."""
        descriptor = self._open.get(pid)
        try:
            text = read_start(f"{self._proc}/{pid}/statm") if descriptor is None else os.pread(descriptor, 128, 0)
            return int(text.split(b" ", 2)[1]) * self._page
        except (OSError, IndexError, ValueError):
            return None

    def children(self, pid: int) -> list[int]:
        """Children of all threads of the process."""
        found: list[int] = []
        try:
            with os.scandir(f"{self._proc}/{pid}/task") as entries:
                threads = [entry.name for entry in entries]
        except OSError:
            return found
        for thread in threads:
            try:
                found.extend(map(int, read_start(f"{self._proc}/{pid}/task/{thread}/children").split()))
            except (OSError, ValueError):
                continue
        return found

    def started(self, pid: int) -> float | None:
        """See :func:`pytest_memory.instruments.started.started_ticks`."""
        return started_ticks(pid, self._proc)


class PsutilProcesses(ProcessTable):
    """Reads through psutil, wherever that runs."""

    def __init__(self) -> None:
        import psutil

        self._psutil = psutil

    def watch(self, pid: int) -> None:
        """Nothing to prepare."""

    def forget(self, pid: int) -> None:
        """Nothing to undo."""

    def resident(self, pid: int) -> int | None:
        """Resident bytes."""
        try:
            return int(self._psutil.Process(pid).memory_info().rss)
        except self._psutil.Error:
            return None

    def children(self, pid: int) -> list[int]:
        """Direct children."""
        try:
            return [child.pid for child in self._psutil.Process(pid).children()]
        except self._psutil.Error:
            return []

    def started(self, pid: int) -> float | None:
        """Seconds since the epoch."""
        try:
            process = self._psutil.Process(pid)
            return None if process.status() == self._psutil.STATUS_ZOMBIE else float(process.create_time())
        except self._psutil.Error:
            return None


def process_table() -> ProcessTable:
    """The cheapest table that works here.

    Raises:
        ImportError: There is no ``/proc`` and no psutil either.
    """
    try:
        return LinuxProcesses()
    except (OSError, AttributeError, ValueError):  # no sysconf on Windows
        return PsutilProcesses()


def descendants_resident(table: ProcessTable, pid: int, leave_out: Collection[int] = ()) -> int:
    """Resident bytes of all descendants of a process together; pages that they share count more than once.

    Args:
        table: Reads the processes.
        pid: The process, which itself does not count.
        leave_out: Process ids whose branches do not count: workers that are sampled by themselves, the recorder.
    """
    total = 0
    seen = {pid, *leave_out}
    waiting = [pid]
    while waiting:
        for child in table.children(waiting.pop()):
            if child not in seen:
                seen.add(child)
                total += table.resident(child) or 0
                waiting.append(child)
    return total
