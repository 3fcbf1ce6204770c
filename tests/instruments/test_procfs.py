"""The kernel's counters of this process, read in C and in Python: both must say the same, and survive what tests do."""

import contextlib
import mmap
import os
import sys
from pathlib import Path

import pytest

from pytest_memory.instruments.kernel import open_kernel
from pytest_memory.instruments.procfs import ProcFiles

if sys.platform != "linux":
    pytest.skip("the counters are Linux's", allow_module_level=True)

MIB = 1024**2
BATCH = 2 * MIB


def compiled(folder="/proc/self"):
    return pytest.importorskip("pytest_memory.instruments._kernel").Kernel(folder)


@pytest.fixture(params=[compiled, ProcFiles])
def kernel(request):
    kernel = request.param()
    yield kernel
    kernel.close()


def spike(size):
    """Touch this many bytes of fresh memory and give them back to the kernel at once."""
    with mmap.mmap(-1, size) as memory:
        for offset in range(0, size, mmap.PAGESIZE):
            memory[offset] = 1


def write_folder(folder, *, resident, mark):
    """A /proc/self with these numbers, in KiB."""
    (folder / "status").write_text(f"Name:\tpython\nVmHWM:\t{mark:8d} kB\nVmRSS:\t{resident:8d} kB\nThreads:\t1\n")
    (folder / "statm").write_text(f"9999 {resident * 1024 // mmap.PAGESIZE} 1 2 0 3 0\n")
    (folder / "clear_refs").write_text("")


def in_child(child):
    """What a function says in a fork of this process."""
    receiving, sending = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.write(sending, str(child()).encode())
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as answer:
        said = answer.read()
    os.waitpid(pid, 0)
    return said


def test_the_compiled_reader_serves_where_it_was_built():
    """Python's own is a fallback."""
    assert type(open_kernel()) is type(compiled())


def test_python_serves_where_nothing_was_compiled(monkeypatch):
    """An install without a compiler reads the same counters."""
    monkeypatch.setitem(sys.modules, "pytest_memory.instruments._kernel", None)
    assert type(open_kernel()) is ProcFiles


def test_the_mark_sees_a_spike_and_starts_anew(kernel):
    """A spike of milliseconds is in the mark until the mark is reset, and in neither resident size."""
    start = kernel.begin()
    spike(64 * MIB)
    end, mark = kernel.read()
    assert 64 * MIB - BATCH <= mark - start <= 64 * MIB + 10 * BATCH
    assert abs(end - start) < 10 * BATCH
    kernel.begin()
    assert kernel.read()[1] - end < 10 * BATCH


def test_both_readers_agree(kernel):
    """C and Python read the same files, before and after getrusage is trusted."""
    for size in (MIB, 40 * MIB, MIB):
        other = ProcFiles()
        kernel.begin()
        spike(size)
        mine, marks = kernel.read(), other.read()
        assert abs(mine[0] - marks[0]) < BATCH
        assert abs(mine[1] - marks[1]) < BATCH
        other.close()


@pytest.mark.parametrize("reader", [compiled, ProcFiles])
def test_what_the_files_say(tmp_path, reader):
    """statm counts pages, status KiB; where ru_maxrss is far above the mark, status is believed."""
    write_folder(tmp_path, resident=100, mark=400)
    kernel = reader(str(tmp_path))
    assert (tmp_path / "clear_refs").read_text() == "5"
    assert kernel.begin() == 100 * 1024
    assert kernel.read() == (100 * 1024, 400 * 1024)
    assert kernel.quick()[0] == 100 * 1024


@pytest.mark.parametrize("reader", [compiled, ProcFiles])
@pytest.mark.parametrize("missing", ["statm", "status", "clear_refs"])
def test_a_missing_file_is_named(tmp_path, reader, missing):
    """Who falls back must say why."""
    write_folder(tmp_path, resident=1, mark=1)
    (tmp_path / missing).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        reader(str(tmp_path))
    assert caught.value.filename == str(tmp_path / missing)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_reads_its_own_memory(kernel):
    """The descriptors held are those of the parent."""
    kernel.begin()

    def child():
        start = kernel.begin()
        spike(50 * MIB)
        return kernel.read()[1] - start, kernel.forks

    grown, forks = eval(in_child(child))
    assert 50 * MIB - BATCH <= grown <= 50 * MIB + 10 * BATCH
    assert (forks, kernel.forks) == (1, 0)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_test_that_closes_every_descriptor(kernel):
    """Code that makes daemons closes what it did not open; the counters are opened again, nothing of others closed."""

    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            kernel.begin()
            os.closerange(3, 1000)
            somebodys = os.open("/dev/null", os.O_RDONLY)
            resident, mark = kernel.read()
            kernel.begin()
            os.fstat(somebodys)
            os._exit(0 if mark >= resident > 0 else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def numbers_of(*names):
    """Our descriptors of these files in /proc/self."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.exists()]
    return [int(link.name) for link in links if link.readlink().name in names]


@pytest.mark.parametrize("names", [["statm"], ["status"], ["clear_refs"], ["statm", "status", "clear_refs"]])
@pytest.mark.parametrize("left_open", [True, False])
def test_a_number_that_is_somebody_elses_by_now(kernel, tmp_path, names, left_open):
    """What a test opens may get the number of a descriptor of ours that it closed: its file is neither written to nor
    believed nor closed, and the figures are those of the process, the mark before that moment among them."""
    mine = numbers_of(*names)
    other = ProcFiles()
    start = kernel.begin()
    spike(64 * MIB)
    (tmp_path / "somebodys").write_bytes(b"1 2 3 somebody's")
    somebodys = os.open(tmp_path / "somebodys", os.O_RDWR)
    for number in mine:
        os.dup2(somebodys, number) if left_open else os.close(number)
    try:
        resident, mark = kernel.read()
        assert abs(resident - other.read()[0]) < BATCH
        assert 64 * MIB - BATCH <= mark - start <= 64 * MIB + 10 * BATCH
        kernel.begin()
        assert kernel.read()[1] - resident < 10 * BATCH
        assert abs(kernel.quick()[0] - other.read()[0]) < BATCH
        kernel.close()
        if left_open:
            assert all(os.path.sameopenfile(number, somebodys) for number in mine)
        assert (tmp_path / "somebodys").read_bytes() == b"1 2 3 somebody's"
    finally:
        other.close()
        for number in [*mine, somebodys] if left_open else [somebodys]:
            os.close(number)


def test_pipes_and_folders_cannot_be_read_at_a_place(kernel, tmp_path):
    """Nothing is taken out of a pipe that has a number of ours, and no error is told of it."""
    (mine,) = numbers_of("statm")
    kernel.begin()
    receiving, sending = os.pipe()
    os.write(sending, b"somebody's")
    os.dup2(receiving, mine)
    assert kernel.begin() > MIB
    folder = os.open(tmp_path, os.O_RDONLY)
    (again,) = numbers_of("statm")
    os.dup2(folder, again)
    assert kernel.begin() > MIB
    assert os.read(receiving, 100) == b"somebody's"
    for number in (mine, again, folder, receiving, sending):
        os.close(number)


def test_descriptors_are_not_inherited(kernel):
    """Programs that a test starts do not get our descriptors."""
    kernel.begin()
    ours = numbers_of("statm", "status", "clear_refs")
    assert ours
    assert not any(map(os.get_inheritable, ours))
