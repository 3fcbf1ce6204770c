"""Resident memory: spikes between two samples are seen, windows nest, a forked child reads its own."""

import mmap
import os
import sys

import pytest

from pytest_memory.instruments import resident as resident_module
from pytest_memory.instruments.resident import KernelResident, resident_reader
from pytest_memory.instruments.sampled import SampledResident
from pytest_memory.model import ResidentUsage

MB = 1024 * 1024
linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's high-water mark can be reset on Linux only")
BATCH = 1 * MB  # the kernel counts resident pages in batches; with a few threads they stay well below this


def spike(size):
    """Touch this many bytes of fresh memory and give them back to the kernel at once."""
    with mmap.mmap(-1, size) as memory:
        for offset in range(0, size, mmap.PAGESIZE):
            memory[offset] = 1


class ProcFolder:
    """A /proc/self whose numbers a test writes by itself, in KiB."""

    def __init__(self, folder):
        self.folder = folder
        self.set(0, 0)
        (folder / "clear_refs").write_text("")

    def set(self, resident, mark):
        (self.folder / "status").write_text(
            f"Name:\tpython\nVmHWM:\t{mark:8d} kB\nVmRSS:\t{resident:8d} kB\nThreads:\t1\n"
        )
        (self.folder / "statm").write_text(f"9999 {resident * 1024 // mmap.PAGESIZE} 1 2 0 3 0\n")


@pytest.fixture(params=["compiled", "python"])
def proc(tmp_path, request, monkeypatch):
    if request.param == "python":
        monkeypatch.setitem(sys.modules, "pytest_memory.instruments._kernel", None)
    else:
        pytest.importorskip("pytest_memory.instruments._kernel")
    return ProcFolder(tmp_path)


@linux
class TestKernel:
    """The windows' arithmetic, on counters that the test sets."""

    def test_start_end_and_peak(self, proc):
        """A window starts and ends with what is resident, and peaks where the mark stood."""
        proc.set(100, 900)
        reader = KernelResident(str(proc.folder))
        window = reader.open()
        proc.set(150, 400)
        assert window.close() == ResidentUsage(start=100 * 1024, end=150 * 1024, peak=400 * 1024)

    def test_opening_resets_the_mark(self, proc):
        """5 in clear_refs is what resets the mark; see proc(5)."""
        reader = KernelResident(str(proc.folder))
        reader.open()
        assert (proc.folder / "clear_refs").read_text() == "5"

    def test_what_was_reached_before_the_inner_window_goes_to_the_outer(self, proc):
        """The inner window resets the mark: what it had reached by then is remembered for the outer one."""
        reader = KernelResident(str(proc.folder))
        proc.set(100, 100)
        outer = reader.open()
        proc.set(110, 700)
        inner = reader.open()
        proc.set(120, 300)
        assert inner.close().peak == 300 * 1024
        proc.set(115, 300)
        assert outer.close() == ResidentUsage(start=100 * 1024, end=115 * 1024, peak=700 * 1024)

    def test_what_the_inner_window_reached_goes_to_the_outer(self, proc):
        """The outer window spans the inner one."""
        reader = KernelResident(str(proc.folder))
        proc.set(100, 100)
        outer = reader.open()
        inner = reader.open()
        proc.set(120, 800)
        inner.close()
        reader.open().close()
        proc.set(115, 130)
        assert outer.close().peak == 800 * 1024

    def test_a_window_left_open_inside_ends_with_its_parent(self, proc):
        """An exception may skip a close; the windows after it are right all the same."""
        reader = KernelResident(str(proc.folder))
        outer = reader.open()
        reader.open()
        outer.close()
        proc.set(52, 60)
        window = reader.open()
        proc.set(56, 70)
        assert window.close() == ResidentUsage(start=52 * 1024, end=56 * 1024, peak=70 * 1024)

    def test_a_window_that_nobody_closes(self, proc):
        """One that is dropped leaves the others as they are."""
        reader = KernelResident(str(proc.folder))
        proc.set(100, 100)
        outer = reader.open()
        dropped = reader.open()
        innermost = reader.open()
        del dropped
        proc.set(120, 800)
        assert innermost.close().peak == 800 * 1024
        assert outer.close().peak == 800 * 1024
        assert reader.open().close().start == 120 * 1024

    def test_closing_late_leaves_other_windows_open(self, proc):
        """A window that ended with its parent takes nothing from those opened since."""
        reader = KernelResident(str(proc.folder))
        outer = reader.open()
        inner = reader.open()
        outer.close()
        later = reader.open()
        inner.close()
        proc.set(10, 500)
        reader.open().close()
        proc.set(10, 20)
        assert later.close().peak == 500 * 1024

    def test_peak_is_never_below_start_or_end(self, proc):
        """The kernel may count the mark late; a peak below what was seen would be a lie."""
        reader = KernelResident(str(proc.folder))
        proc.set(100, 90)
        window = reader.open()
        proc.set(80, 70)
        assert window.close() == ResidentUsage(start=100 * 1024, end=80 * 1024, peak=100 * 1024)


@linux
@pytest.mark.usefixtures("proc")
class TestThisProcess:
    """The real kernel, in this process."""

    def test_a_short_spike_is_seen(self):
        """100 MiB that live for milliseconds are in the peak, and in neither end."""
        reader = KernelResident()
        window = reader.open()
        spike(100 * MB)
        usage = window.close()
        assert 100 * MB - BATCH <= usage.peak - usage.start <= 100 * MB + 10 * BATCH
        assert abs(usage.growth) < 10 * BATCH

    def test_the_next_window_starts_anew(self):
        """The spike of one test is not the peak of the next."""
        reader = KernelResident()
        window = reader.open()
        spike(100 * MB)
        window.close()
        usage = reader.open().close()
        assert usage.peak - usage.start < 10 * BATCH

    def test_nested_spikes(self):
        """Three spikes, before, inside and after an inner window: the inner sees one, the outer the largest."""
        reader = KernelResident()
        outer = reader.open()
        spike(60 * MB)
        inner = reader.open()
        spike(20 * MB)
        inside = inner.close()
        spike(10 * MB)
        around = outer.close()
        assert 20 * MB - BATCH <= inside.peak - inside.start <= 20 * MB + 10 * BATCH
        assert 60 * MB - BATCH <= around.peak - around.start <= 60 * MB + 10 * BATCH

    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_a_forked_child_reads_its_own_memory(self):
        """The held descriptors are those of the parent: a child opens its own and starts without windows."""
        reader = KernelResident()
        reader.open()
        receiving, sending = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                window = reader.open()
                spike(50 * MB)
                usage = window.close()
                os.write(sending, f"{usage.peak - usage.start}".encode())
            finally:
                os._exit(0)
        os.close(sending)
        with os.fdopen(receiving) as answer:
            grown = int(answer.read())
        os.waitpid(child, 0)
        assert 50 * MB - BATCH <= grown <= 50 * MB + 10 * BATCH


class TestSampled:
    """Both ends of a window, everywhere."""

    def test_ends_are_read(self):
        """Memory held at the end is growth."""
        window = SampledResident().open()
        with mmap.mmap(-1, 50 * MB) as memory:
            for offset in range(0, len(memory), mmap.PAGESIZE):
                memory[offset] = 1
            usage = window.close()
        assert 50 * MB - BATCH <= usage.growth <= 50 * MB + 10 * BATCH
        assert usage.peak >= usage.end

    @linux
    def test_the_kernels_mark_is_left_alone(self, monkeypatch):
        """Whoever reads ru_maxrss chooses this mode: nothing is written under /proc."""
        monkeypatch.setattr(os, "pwrite", lambda *_: pytest.fail("the mark was reset"))
        SampledResident().open().close()


class TestReader:
    """Which reader serves a mode."""

    def test_off(self):
        assert resident_reader("off") == (None, "")

    def test_sampled(self):
        reader, reason = resident_reader("sampled")
        assert (reader.mode, reason) == ("sampled", "")

    @linux
    def test_exact(self):
        reader, reason = resident_reader("exact")
        assert (reader.mode, reason) == ("exact", "")

    def test_exact_falls_back_and_says_why(self, monkeypatch):
        """Where the kernel has no mark the peak is a lower bound, and the reason is told."""

        def missing(*_args, **_kwargs):
            raise FileNotFoundError(2, "No such file or directory", "/proc/self/clear_refs")

        monkeypatch.setattr(resident_module, "KernelResident", missing)
        reader, reason = resident_reader("exact")
        assert reader.mode == "sampled"
        assert reason == (
            "the resident peak is a lower bound, read at both ends of a phase "
            "(No such file or directory: /proc/self/clear_refs)"
        )
