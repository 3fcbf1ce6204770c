"""Every tool that may watch a process beside the engine: how to run pytest under it, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass, field

TAKES = 4_000_000

BLOCK = f"""
def test_block():
    block = bytearray({TAKES})
    assert len(block) == {TAKES}
"""


@dataclass(frozen=True)
class Tool:
    """One row of the table in the documentation.

    Attributes:
        name: The row.
        test: A test file; ``test_block`` in it takes 4 MB.
        before: Words between the interpreter and ``-m pytest``.
        options: Arguments of pytest.
        environment: Added to the environment.
        needs: Modules without which it cannot run.
        preload: A library that is loaded before all others.
        since: The first CPython that has it.
        margin: How many bytes the tool and pytest may allocate beside the 4 MB.
        declined: Why the engine was not used, as the report says it.
        unmeasured: Why ``test_block`` has no heap figures, as the report says it.
        status: Exit status of pytest.
        leaves: A file that the tool leaves behind if it was at work.
        says: What the tool prints if it was at work.
        dies: The tool ends the process, so that there is no report.
    """

    name: str
    test: str = BLOCK
    before: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    preload: str = ""
    since: tuple[int, int] = (3, 10)
    margin: int = 2_000
    declined: str = ""
    unmeasured: str = ""
    status: int = 0
    leaves: str = ""
    says: str = ""
    dies: bool = False


TIMEOUT = (
    BLOCK
    + """
import pytest

@pytest.mark.timeout(0.5)
def test_never_ends():
    kept = [bytearray(1_000_000)]
    while True:
        kept[0] = bytearray(1_000_000)
"""
)

GREENLETS = f"""
from gevent import monkey

monkey.patch_all()
import gevent

def take(size):
    gevent.sleep(0)
    block = bytearray(size)
    gevent.sleep(0)
    return len(block)

gevent.joinall([gevent.spawn(take, 1) for _ in range(4)])

def test_block():
    jobs = [gevent.spawn(take, {TAKES} // 4) for _ in range(4)]
    gevent.joinall(jobs)
    assert sum(job.value for job in jobs) == {TAKES}
"""

TRACKER = f"""
import memray

def test_block(tmp_path):
    with memray.Tracker(tmp_path / "capture"):
        block = bytearray({TAKES})
"""

TRACEMALLOC = f"""
import tracemalloc

def test_block():
    tracemalloc.start()
    block = bytearray({TAKES})
    assert tracemalloc.get_traced_memory()[0] > {TAKES}
    tracemalloc.stop()
"""

DUMP = f"""
import faulthandler
import time

def test_block(tmp_path):
    path = tmp_path / "dump"
    with path.open("wb", buffering=0) as file:  # a buffer would count: 128 KiB from CPython 3.14 on
        faulthandler.dump_traceback_later(0.05, file=file)
        block = bytearray({TAKES})
        while not path.stat().st_size:
            time.sleep(0.01)
        faulthandler.cancel_dump_traceback_later()  # waits until it is written
"""

OTHERS = (
    BLOCK
    + """
try:
    import _interpreters as others
except ImportError:  # before CPython 3.13
    import _xxsubinterpreters as others

number = others.create()

def teardown_module():
    others.destroy(number)
"""
)

FOREIGN = "another allocator stands in for the C library's"

TOOLS = [
    Tool(
        "coverage.py, C tracer",
        before=("-m", "coverage", "run", "--branch"),
        environment={"COVERAGE_CORE": "ctrace"},
        needs=("coverage",),
        margin=20_000,
        leaves=".coverage",
    ),
    Tool(
        "coverage.py, `sys.monitoring`",
        before=("-m", "coverage", "run"),
        environment={"COVERAGE_CORE": "sysmon"},
        needs=("coverage",),
        since=(3, 12),
        margin=20_000,
        leaves=".coverage",
    ),
    Tool(
        "coverage.py, Python tracer (`sys.settrace`)",
        before=("-m", "coverage", "run"),
        environment={"COVERAGE_CORE": "pytrace"},
        needs=("coverage",),
        margin=20_000,
        leaves=".coverage",
    ),
    Tool(
        "pytest-cov",
        options=("-p", "pytest_cov", "--cov=."),
        needs=("pytest_cov",),
        margin=20_000,
        says="TOTAL",
    ),
    Tool("cProfile (`sys.setprofile`)", before=("-m", "cProfile", "-o", "seen"), margin=20_000, leaves="seen"),
    Tool("tracemalloc, from the start", before=("-X", "tracemalloc")),
    Tool("tracemalloc, inside a test", test=TRACEMALLOC),
    Tool(
        "a memray `Tracker` inside a test",
        test=TRACKER,
        needs=("memray",),
        unmeasured="another tool replaced the allocation hooks",
    ),
    Tool(
        "`memray run -m pytest`",
        before=("-m", "memray", "run", "-o", "capture", "-q"),
        needs=("memray",),
        declined="another tool holds the allocation hooks",
        unmeasured="pytest itself runs under `memray run`",
        leaves="capture",
    ),
    Tool("greenlets, gevent with everything patched", test=GREENLETS, needs=("gevent",), margin=60_000),
    Tool("faulthandler, `dump_traceback_later`", test=DUMP, margin=20_000),
    Tool(
        "pytest-timeout, `signal`",
        test=TIMEOUT,
        options=("-p", "pytest_timeout", "--timeout-method=signal"),
        needs=("pytest_timeout",),
        status=1,
        says="Timeout",
    ),
    Tool(
        "pytest-timeout, `thread`",
        test=TIMEOUT,
        options=("-p", "pytest_timeout", "--timeout-method=thread"),
        needs=("pytest_timeout",),
        status=1,
        says="Timeout",
        dies=True,
    ),
    Tool(
        "other interpreters in the process, in development mode",
        test=OTHERS,
        before=("-X", "dev"),
        since=(3, 12),
        unmeasured="other interpreters run in this process, and its allocators cannot be exchanged under them",
    ),
    Tool("jemalloc in `LD_PRELOAD`", preload="libjemalloc.so.2", margin=20_000, declined=FOREIGN),
    Tool("tcmalloc in `LD_PRELOAD`", preload="libtcmalloc_minimal.so.4", margin=20_000, declined=FOREIGN),
    Tool(
        "AddressSanitizer",
        preload="libasan.so",
        environment={"ASAN_OPTIONS": "detect_leaks=0"},
        margin=20_000,
        declined="the process runs under AddressSanitizer",
    ),
]
