"""The Python API: measure_memory, measure_peak, track, and what the package re-exports."""

import subprocess
import sys

import pytest

import pytest_memory
from pytest_memory import MemoryResult, human_bytes, measure_memory, measure_peak, track
from pytest_memory.engines.choose import choose_engine
from pytest_memory.engines.none import NoEngine
from pytest_memory.errors import InvalidValue, WindowRefused
from pytest_memory.meter import Meter, active_meter, measuring_here

EXACT = choose_engine()[0].name == "native"
MB = 1_000_000


def numbers():
    return [(n, n) for n in range(10_000)]


def test_measure_memory_gives_every_pass():
    """Bytes and counts per pass, and the headline derived from them."""
    result = measure_memory(lambda: bytearray(5 * MB), repeats=3)
    assert isinstance(result, MemoryResult)
    assert result.repeats == len(result.samples) == 3
    assert 5 * MB <= result.peak_bytes < 5.1 * MB
    assert MemoryResult.from_blob(result.as_dict()) == result


def test_measure_peak_is_the_headline():
    """Bytes, and nothing else."""
    peak = measure_peak(lambda: bytearray(5 * MB), repeats=2)
    assert isinstance(peak, int)
    assert 5 * MB <= peak < 5.1 * MB


@pytest.mark.skipif(not EXACT, reason="exact to the byte with the native engine")
def test_repeated_measurements_are_identical_to_the_byte():
    """After a warm-up call, the same action gives the same numbers whatever ran in between."""
    first = measure_memory(numbers, repeats=3, warmup=1)
    litter = [bytearray(n) for n in range(0, 100_000, 7)]
    del litter[::2]
    second = measure_memory(numbers, repeats=3, warmup=1)
    assert len(set(first.samples + second.samples)) == 1


def test_exceptions_of_the_action_propagate():
    """The caller sees what the action raised."""
    with pytest.raises(ZeroDivisionError):
        measure_memory(lambda: 1 / 0)


def test_setup_runs_before_every_pass_and_what_it_returns_is_ignored():
    """The action takes no arguments, so a setup has none to give."""
    calls = []
    measure_memory(lambda: calls.append("action"), repeats=2, warmup=1, setup=lambda: calls.append("setup") or [1])
    assert calls == ["setup", "action"] * 3


def test_numbers_that_make_no_sense_are_errors_before_anything_runs():
    """A misspelt plan measures nothing."""
    with pytest.raises(InvalidValue, match="calls=0"):
        measure_memory(lambda: pytest.fail("it ran"), calls=0)


def test_track_measures_a_block():
    """The four numbers are set when the block ends, and None before."""
    with track() as used:
        assert used.peak_bytes is None
        kept = bytearray(2 * MB)
        bytearray(3 * MB)
    assert len(kept) == 2 * MB
    assert 5 * MB <= used.peak_bytes < 5.1 * MB
    assert 2 * MB <= used.retained_bytes < 2.1 * MB


@pytest.mark.skipif(choose_engine()[0].name == "tracemalloc", reason="tracemalloc cannot count calls")
def test_track_counts_what_was_allocated_in_all():
    """total_bytes is the sum of all allocations, allocations their number."""
    with track() as used:
        for _ in range(10):
            bytearray(MB)
    assert 10 * MB <= used.total_bytes < 10.1 * MB
    assert used.peak_bytes < 1.1 * MB
    assert used.allocations >= 10


def test_track_is_closed_by_an_exception():
    """The exception is the block's own, and the numbers are those up to it."""
    with pytest.raises(KeyError), track() as used:
        bytearray(MB)
        raise KeyError
    assert used.peak_bytes >= MB
    assert measure_peak(lambda: None) < MB


def test_track_cannot_be_entered_twice():
    """One object holds the numbers of one block."""
    used = track()
    with used, pytest.raises(WindowRefused, match="measuring already"), used:
        pass


def test_a_refused_window_is_an_error():
    """An API call that cannot measure says so; it does not answer None."""

    class Refusing(NoEngine):
        capabilities = choose_engine("tracemalloc")[0].capabilities

    with measuring_here(Meter(Refusing())):
        with pytest.raises(WindowRefused, match="no heap engine is active"), track():
            pass
        with pytest.raises(WindowRefused, match="no heap engine is active"):
            measure_peak(lambda: None)


def test_inside_a_measured_session_windows_belong_to_its_meter():
    """At most one engine is active in a process: whoever measures inside a session uses the session's."""
    engine = choose_engine()[0]
    meter = Meter(engine)
    before = active_meter()
    with measuring_here(meter):
        assert active_meter() is meter
        begun = meter.measuring_seconds
        measure_peak(lambda: None)
        assert meter.measuring_seconds > begun
    assert active_meter() is before


def test_a_session_without_heap_engine_leaves_the_engines_to_us():
    """--memory-engine=none is the session's choice, not the script's."""
    with measuring_here(Meter(choose_engine("none")[0])):
        assert measure_peak(lambda: bytearray(MB)) >= MB


def test_the_outer_window_of_an_engine_that_cannot_nest_says_why_it_ended():
    """The call is measured; the test around it is not, and says why."""
    from pytest_memory.engines.base import WindowRequest

    meter = Meter(choose_engine("tracemalloc")[0])
    with measuring_here(meter):
        outer = meter.open_heap(WindowRequest())
        assert measure_peak(lambda: bytearray(MB)) >= MB
        assert "measured on its own account" in outer.close().unmeasured


@pytest.mark.skipif(sys.platform == "win32", reason="memray does not exist for Windows")
def test_keep_bin_leaves_a_memray_capture(tmp_path):
    """One more call under memray; folders are made, an older file is replaced, the numbers are those of the passes."""
    pytest.importorskip("memray")
    target = tmp_path / "captures" / "numbers.bin"
    target.parent.mkdir()
    target.write_text("older")
    with_capture = measure_memory(numbers, warmup=1, keep_bin=target)
    assert target.stat().st_size > 100
    assert target.read_bytes() != b"older"
    if EXACT:
        assert with_capture == measure_memory(numbers, warmup=1)


def test_everything_exported_is_there_and_nothing_else():
    """__all__ is the public face, each name of it resolves, and dir() shows it."""
    for name in pytest_memory.__all__:
        assert getattr(pytest_memory, name) is not None
    assert set(pytest_memory.__all__) <= set(dir(pytest_memory))
    with pytest.raises(AttributeError, match="measure_memroy"):
        pytest_memory.measure_memroy  # noqa: B018
    assert human_bytes(1536) == "1.5 KiB"


def test_importing_the_package_is_light():
    """No measuring tool, no data frame, no figure is loaded before it is used."""
    code = (
        "import sys, pytest_memory; "
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'memray', 'pandas', 'plotly', 'psutil', 'rich', 'typer', 'pytest'})); "
        "print(sorted(name for name in sys.modules if name.startswith('pytest_memory')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n['pytest_memory']\n"
