"""A small suite with known allocations, and how to run it here or spread over two workers."""

import pytest

SUITE = """
import pytest

KEPT = []


def allocate(size):
    return bytearray(size)


def test_large():
    block = allocate(6_000_000)


def test_medium():
    block = allocate(3_000_000)


def test_small():
    block = allocate(1_500_000)
"""

LIMITED = """
import pytest

KEPT = []


def allocate(size):
    return bytearray(size)


@pytest.mark.limit_memory("1 MB")
def test_over():
    block = allocate(5_000_000)


@pytest.mark.limit_memory("24 MB")
def test_within():
    block = allocate(5_000_000)


@pytest.mark.limit_leaks("100 KB")
def test_leaks():
    KEPT.append(allocate(400_000))


@pytest.mark.limit_leaks("1 MB")
def test_leaks_little():
    KEPT.append(allocate(400_000))


def is_serious(stack):
    assert {"function", "filename", "lineno"} <= set(stack.frames[0].__slots__)
    return not any(frame.function == "allocate" for frame in stack.frames)


@pytest.mark.limit_leaks("100 KB", filter_fn=is_serious)
def test_leak_is_filtered():
    KEPT.append(allocate(400_000))


@pytest.mark.limit_leaks("10 MB")
@pytest.mark.limit_memory("1 MB")
def test_two_markers_limit_breaks():
    block = allocate(5_000_000)


@pytest.mark.limit_leaks("100 KB")
@pytest.mark.limit_memory("10 MB")
def test_two_markers_leak_breaks():
    KEPT.append(allocate(400_000))
"""


@pytest.fixture
def run(pytester, monkeypatch, request):
    """Run pytest in this process, or in one of its own: ``alone``, or with two workers."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # other plugins cost a second for each process
    # flaky replaces a function of pytest's for good: a run in this process needs it if this process has it.
    here = ("-p", "memory", *(("-p", "flaky") if request.config.pluginmanager.has_plugin("flaky") else ()))

    def run(*arguments, workers=False, alone=False):
        if alone:
            return pytester.runpytest_subprocess("-p", "memory", *arguments)
        if workers:
            return pytester.runpytest_subprocess("-p", "memory", "-p", "xdist", "-n", "2", *arguments)
        return pytester.runpytest_inprocess(*here, *arguments)

    return run


def report_of(result):
    """The MEMRAY REPORT as text, up to the next ruled line."""
    text = result.stdout.str()
    assert "MEMRAY REPORT" in text, text
    return text.split("MEMRAY REPORT", 1)[1].split("\n", 1)[1].split("\n===", 1)[0]
