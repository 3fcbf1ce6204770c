"""When a process started, by which two processes with one id are told apart."""

from __future__ import annotations

import os
import sys

PROC = "/proc"


def process_started(pid: int) -> float | None:
    """A number that tells two processes with one id apart; ``None`` if there is none.

    What a process table says too, but on a Linux without ``CONFIG_PROC_CHILDREN``; it takes no table to be made.

    Raises:
        ImportError: This is no Linux, and there is no psutil either.
    """
    if sys.platform == "linux":
        return started_ticks(pid)
    from .children import PsutilProcesses

    return PsutilProcesses().started(pid)


def started_ticks(pid: int, proc: str = PROC) -> float | None:
    """Clock ticks from boot to its start; ``None`` also for a process that has ended and waits for its parent."""
    fields = stat_fields(pid, proc)
    return None if fields is None or fields[0] in (b"Z", b"X") else float(fields[19])


def stat_fields(pid: int, proc: str = PROC) -> list[bytes] | None:
    """Fields of ``/proc/PID/stat`` from the third (the state) on, or ``None`` if the process is gone."""
    try:
        text = read_start(f"{proc}/{pid}/stat")
    except OSError:
        return None
    fields = text[text.rfind(b")") + 2 :].split()
    return fields if len(fields) > 19 else None


def read_start(path: str) -> bytes:
    """The first 4 KiB of a file, which is all of most files in ``/proc``.

    Raises:
        OSError: It cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)
