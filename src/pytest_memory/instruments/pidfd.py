"""Following a process that is not our child: when it ends, and how.

A pidfd (Linux 5.3) names a process for good, whatever becomes of its id. How the process ended can be read of a
zombie from the last field of ``/proc/PID/stat``, and after its parent has reaped it from ``PIDFD_GET_INFO`` (Linux
6.15, ``include/uapi/linux/pidfd.h``).
"""

from __future__ import annotations

import os
import signal
import struct
import time

from .started import stat_fields

_INFO_SIZE = 64
_INFO_EXIT = 1 << 3
_GET_INFO = (3 << 30) | (_INFO_SIZE << 16) | (0xFF << 8) | 11  # _IOWR(0xFF, 11, struct pidfd_info)
_EXIT_CODE_AT = 60


def open_pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; ``None`` where there is none, or it has ended."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def send_signal(pid: int, pidfd: int | None, number: int) -> bool:
    """Signal a process; with a pidfd never another one that got its id. Says whether it was sent."""
    try:
        if pidfd is not None:
            signal.pidfd_send_signal(pidfd, number)
        else:
            os.kill(pid, number)
    except (AttributeError, OSError):
        return False
    return True


def exit_status(pid: int, pidfd: int | None, patience: float = 0.3) -> int | None:
    """How a process ended, in the encoding of ``os.wait``; ``None`` if the kernel does not tell.

    Args:
        pid: A process that has ended.
        pidfd: Opened while it lived.
        patience: Seconds to wait for its parent to reap it, where only that reveals it.
    """
    deadline = time.monotonic() + patience
    while True:
        status = _of_zombie(pid) if pidfd is None else _of_reaped(pidfd)
        if status is None and pidfd is not None:
            status = _of_zombie(pid)
        if status is not None or time.monotonic() > deadline:
            return status
        time.sleep(0.005)


def _of_zombie(pid: int) -> int | None:
    fields = stat_fields(pid)
    if fields is None or fields[0] != b"Z" or len(fields) < 50:
        return None
    status = int(fields[49])
    return status if status or _may_know(pid) else None  # those who may not know it see 0


def _may_know(pid: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}").st_uid == os.geteuid()
    except OSError:
        return False


def _of_reaped(pidfd: int) -> int | None:
    import fcntl

    info = bytearray(_INFO_SIZE)
    struct.pack_into("<Q", info, 0, _INFO_EXIT)
    try:
        fcntl.ioctl(pidfd, _GET_INFO, info)
    except OSError:
        return None
    if not struct.unpack_from("<Q", info)[0] & _INFO_EXIT:
        return None
    return int(struct.unpack_from("<i", info, _EXIT_CODE_AT)[0])
