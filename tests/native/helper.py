"""The C helper of the exactness tests: builds it, loads it, and reads its books."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("helper.c")
SLOTS = 1024


class Books(ctypes.Structure):
    """What the helper says it did."""

    _fields_ = [(name, ctypes.c_longlong) for name in ("peak", "allocated", "allocations", "retained")]

    def as_tuple(self):
        return (self.peak, self.allocated, self.allocations, self.retained)


class Helper:
    """The helper as a library of its own; a fresh copy has its own import table."""

    def __init__(self, path: Path) -> None:
        self.library = ctypes.CDLL(str(path))
        self.library.hold.restype = ctypes.c_void_p
        self.library.hold.argtypes = [ctypes.c_size_t]
        self.library.release.argtypes = [ctypes.c_void_p]
        self.library.unmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        self.slots = (ctypes.c_void_p * SLOTS)()
        self.sizes = (ctypes.c_uint32 * SLOTS)()
        self.kept = (ctypes.c_void_p * 4)()

    def release_slots(self):
        for slot in self.slots:
            self.library.release(slot)
        ctypes.memset(self.slots, 0, ctypes.sizeof(self.slots))


def compile_library(folder: Path, name: str, source: str, *flags: str) -> Path | None:
    """Compile C text into a shared library; ``None`` without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    path = folder / f"lib{name}.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-w", *flags, "-x", "c", "-", "-o", str(path), "-pthread"]
    subprocess.run(command, input=source, text=True, check=True)
    return path


def build(folder: Path) -> Path | None:
    """Compile the helper, with every call left in; ``None`` without a compiler."""
    return compile_library(folder, "helper", SOURCE.read_text(), "-fno-builtin")
