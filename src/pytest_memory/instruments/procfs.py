"""What Linux counts of this process's resident memory, read in Python through descriptors that are held open.

Writing ``5`` to ``clear_refs`` resets the high-water mark of a process (``VmHWM`` in ``status``, see proc(5)). The mark
is read with getrusage(2), a tenth of the time that ``status`` takes. Its ``ru_maxrss`` is the larger of the mark and a
constant, the peak of the program that exec'ed this one. So it is trusted from a value upwards at which the two have
agreed; what is below is looked up in ``status``.

``_kernel.c`` beside this file does the same in C, and serves where it was compiled.
"""

from __future__ import annotations

import os
import sys

from .descriptors import HeldDescriptor
from .kernel import PROC

_BATCH = 1024**2
"""Two counters of the kernel that differ by less are taken for equal: it counts in batches."""


class ProcFiles:
    """The counters, read in Python.

    Raises:
        OSError: They are missing, or may not be written.
    """

    def __init__(self, folder: str = PROC) -> None:
        import resource

        self._folder = folder
        self._rusage = resource.getrusage
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._files: list[HeldDescriptor] = []
        self.forks = 0
        self._trusted = sys.maxsize
        self._connect()

    def begin(self) -> int:
        """Resident bytes now; the mark starts anew from there."""
        self._come_home()
        resident = self._resident()
        self._restart()
        return resident

    def read(self) -> tuple[int, int]:
        """Resident bytes now, and the mark."""
        self._come_home()
        maximum = self._maximum()
        if maximum >= self._trusted:
            resident, mark = self._resident(), maximum
        else:
            resident, mark = self._status()
            if maximum - mark < _BATCH:
                self._trusted = maximum
        return resident, max(resident, mark)

    def quick(self) -> tuple[int, int]:
        """Resident bytes now, and ``ru_maxrss``; if that is higher, the mark starts anew."""
        self._come_home()
        resident, mark = self._resident(), self._maximum()
        if mark > resident:  # else the mark is at this level already
            self._restart()
        return resident, mark

    def close(self) -> None:
        """Close the descriptors; they are opened again when they are needed."""
        for file in self._files:
            file.close()
        self._files = []

    def _connect(self) -> None:
        self._pid = os.getpid()
        self._trusted = sys.maxsize  # a fork takes the constant away, or leaves another
        self._open_files()
        try:
            self._restart()
        except OSError:
            self.close()
            raise

    def _open_files(self) -> None:
        try:
            for name, flags in (("statm", os.O_RDONLY), ("status", os.O_RDONLY), ("clear_refs", os.O_WRONLY)):
                self._files.append(HeldDescriptor(os.open(f"{self._folder}/{name}", flags | os.O_CLOEXEC)))
        except OSError:
            self.close()
            raise

    def _come_home(self) -> None:
        """The descriptors held by a fork are those of its parent."""
        forked = self._pid != os.getpid()
        if forked or not self._files:
            self.close()
            self.forks += forked
            self._connect()

    def _resident(self) -> int:
        return int(self._pread(0, 128).split(b" ", 2)[1]) * self._page

    def _maximum(self) -> int:
        return self._rusage(0).ru_maxrss * 1024  # RUSAGE_SELF

    def _status(self) -> tuple[int, int]:
        fields = dict(line.split(b":", 1) for line in self._pread(1, 4096).splitlines() if b":" in line)
        resident, mark = (int(fields[name].split()[0]) * 1024 for name in (b"VmRSS", b"VmHWM"))
        return resident, mark

    def _pread(self, which: int, room: int) -> bytes:
        try:
            text = os.pread(self._files[which].number, room, 0)
            if _looks_like(which, text):
                return text
        except OSError:
            pass
        return os.pread(self._at_hand(which), room, 0)

    def _restart(self) -> None:
        os.pwrite(self._at_hand(2), b"5", 0)

    def _at_hand(self, which: int) -> int:
        """The descriptor of a file, whatever tests did. The mark stays as it is: it may be read next."""
        if not self._files[which].is_ours():
            self.close()
            self._open_files()
        return self._files[which].number


def _looks_like(which: int, text: bytes) -> bool:
    """Whether it is what statm or status says: in ``/proc``, to ask for a file's identity is as dear as to read it."""
    if which == 1:
        return b"VmHWM:" in text and b"VmRSS:" in text
    numbers = text.split()
    return len(numbers) == 7 and b"".join(numbers).isdigit()
