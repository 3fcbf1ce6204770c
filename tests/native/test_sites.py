"""Which function a call stack is shown to belong to, and how many bytes."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import gc
import json
import sys
import threading
import types
import typing
from pathlib import Path

import pytest

from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.native.sites import enclosing, function_name
from pytest_memory.model import StackFrame

STACKS = WindowRequest(granularity="malloc", detail="stacks", leaks=True)
SAMPLED = WindowRequest(granularity="malloc", detail="sampled", seed=7)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no qualified names")
@pytest.mark.parametrize(
    ("qualified", "shown"),
    [
        ("f", "f"),
        ("A.method", "method"),
        ("A.method.<locals>.<listcomp>", "method"),
        ("f.<locals>.<lambda>.<locals>.<genexpr>", "f"),
        ("A.<listcomp>", "A"),
        ("f.<locals>.inner", "inner"),
        ("<module>", "<module>"),
        ("<lambda>", "<module>"),
        ("<frozen>", "<frozen>"),
    ],
)
def test_a_nameless_frame_is_shown_by_its_enclosing_function(qualified, shown):
    """A reader looks for the function in the file; ``<listcomp>`` is not in it."""
    assert function_name(qualified) == shown


def test_without_qualified_names_the_caller_in_the_same_file_lends_its_own():
    """CPython 3.10 knows a comprehension only as ``<listcomp>``."""
    frames = (StackFrame("<genexpr>", "a.py", 3), StackFrame("<lambda>", "b.py", 1), StackFrame("f", "a.py", 2))
    assert [frame.function for frame in enclosing(frames)] == ["f", "<lambda>", "f"]
    assert all(one is other for one, other in zip(enclosing(frames), enclosing(frames), strict=True))  # kept once


def keep(size):
    return bytearray(size)


def opened(engine, outside):
    """Opens a window whose stacks leave out a caller of this function."""
    return engine.opener(STACKS._replace(outside=outside))(0)


def around(engine, outside, work):
    """Opens a window and runs something in it, as a hook does."""
    window = opened(engine, outside)
    kept = work()
    reading = window.close()
    del kept
    return [[frame.function for frame in site.frames] for site in reading.sites if site.bytes > 10_000]


@pytest.mark.parametrize(
    ("outside", "expected"),
    [(1, ["keep", "work"]), (2, ["keep", "work", "around"]), (3, ["keep", "work", "around", "caller"])],
)
def test_stacks_leave_out_what_is_around_the_code(engine, outside, expected):
    """A caller of whatever opens the window, and all that called it; 0 leaves nothing out."""

    def work():
        return keep(20_000)

    def caller(outside):
        return around(engine, outside, work)

    assert caller(outside) == [expected]
    [whole] = caller(0)
    assert whole[: len(expected) + 1] == [*expected, *whole[len(expected) : len(expected) + 1]]
    assert len(whole) > 10


def test_a_stack_always_has_a_frame(engine):
    """The one that runs, if it is itself outside: what it allocates must be somebody's."""
    window = opened(engine, 1)
    block = bytearray(20_000)
    sites = window.close().sites
    del block
    assert [site.frames[0].function for site in sites if site.bytes > 10_000] == ["test_a_stack_always_has_a_frame"]
    assert {len(site.frames) for site in sites if site.bytes > 10_000} == {1}


def test_a_thread_has_its_whole_stack(engine):
    """Nothing of it is around the code: it has no frame in common with what opened the window."""
    kept = []

    def work():
        thread = threading.Thread(target=lambda: kept.append(keep(20_000)))
        thread.start()
        thread.join()
        return kept

    [functions] = [one for one in around(engine, 1, work) if one[0] == "keep"]
    assert functions[-1] == "_bootstrap"


def test_the_outermost_window_decides(engine):
    """A stack is kept once for all windows; one opened inside shows no less than one around it."""

    def work():
        return around(engine, 1, lambda: keep(20_000))

    window = opened(engine, 1)
    [inner] = work()
    window.close()
    assert inner[0] == "keep"
    assert inner[-1] == "work"


def test_each_line_of_a_function_is_told_from_the_others(engine):
    """Also where a window before had the same place, and where code that has gone lay at the address of other code."""
    kept = []
    for blank in (0, 3, 1):
        lines = "\n".join(
            ["def grow(keep):", *[""] * blank, "    keep(200_001)", "    keep(200_003), keep(200_003)", ""]
        )
        made: dict = {}
        exec(compile(lines, "grown.py", "exec"), made)
        for _ in range(2):
            window = engine.open(STACKS)
            made["grow"](lambda size: kept.append(bytearray(size)))
            sites = window.close().sites
            kept.clear()
            grown = {
                site.bytes: [frame.lineno for frame in site.frames if frame.filename == "grown.py"] for site in sites
            }
            assert grown[200_002] == [2 + blank]
            assert [size for size, at in grown.items() if at == [3 + blank]] in ([400_008], [200_004])


def codes_in(code):
    """A code object, and all that stand in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes_in(constant)


def backwards(lines):
    """Code whose lines jump to and fro, by up to thousands."""
    tree = ast.parse("def f(a):\n return [a,\n a,\n a(a,\n a),\n a]")
    for number, node in enumerate(ast.walk(tree)):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = lines[number % len(lines)]
            node.col_offset, node.end_col_offset = 0, 1
    return compile(tree, "made", "exec")


MODULES = [argparse, ast, dataclasses, json.decoder, typing]
LINES = [[1], [5000, 1, 70, 69], [40, 41, 42, 43, 40], [1_000_000, 1], [3, 2, 1]]


@pytest.mark.parametrize(
    "module", [*MODULES, *map(backwards, LINES)], ids=[*[one.__name__ for one in MODULES], *map(str, LINES)]
)
def test_lines_are_those_that_python_knows(engine, module):
    """Each instruction of each code object: with and without lines, forwards, backwards, far away."""
    if isinstance(module, types.CodeType):
        whole = module
    else:
        whole = compile(Path(module.__file__).read_text(), module.__file__, "exec")
    seen = 0
    for code in codes_in(whole):
        for start, end, line in code.co_lines():
            for offset in range(start, end, 2):
                assert engine._core.line(code, offset) == (line or code.co_firstlineno), (code, offset)
                seen += 1
        assert engine._core.line(code, -1) == code.co_firstlineno
        assert engine._core.line(code, 10**6) == code.co_firstlineno
    assert seen > 5


def test_frames_come_most_recent_first_with_file_and_line(engine):
    """A stack reads as a traceback upside down."""
    window = engine.open(STACKS)
    block = keep(2_000_000)
    site = window.close().sites[0]
    del block
    assert site.bytes == 2_000_001
    assert site.count == 1
    assert site.frames[0] == StackFrame("keep", __file__, keep.__code__.co_firstlineno + 1)
    assert site.frames[1].function == "test_frames_come_most_recent_first_with_file_and_line"


def test_what_is_left_at_the_end_is_told_per_stack(engine):
    """Leaked bytes are those still live, whatever the peak was."""
    window = engine.open(STACKS)
    big = keep(5_000_000)
    small = bytearray(300_000)
    del big
    reading = window.close()
    assert [site.bytes for site in reading.sites if site.bytes > 100_000] == [5_000_001, 300_001]
    assert [site.bytes for site in reading.leaked] == [300_001]
    del small


def test_a_block_of_an_exact_size_is_never_left_to_chance(engine):
    """From 1 MiB on, sampling captures every block with its true size."""
    window = engine.open(SAMPLED)
    blocks = [keep((1 << 20) + n) for n in range(5)]
    reading = window.close()
    assert sum(site.bytes for site in reading.sites if site.frames[0].function == "keep") == sum(map(len, blocks)) + 5


COARSE = SAMPLED._replace(coarse=True, seed=0)


def test_a_coarse_sample_shows_what_is_large(engine):
    """Large blocks with their true size, many small ones by an estimate that adds up, and of few small ones nothing."""
    window = engine.open(COARSE)
    few = [bytes(1000) for _ in range(300)]
    assert window.close().sites == ()
    window = engine.open(COARSE)
    blocks = [keep((1 << 20) + n) for n in range(3)]
    many = [bytes(1000) for _ in range(30_000)]
    reading = window.close()
    exact = [site for site in reading.sites if site.frames[0].function == "keep"]
    assert [(site.bytes, site.count) for site in exact] == [(sum(map(len, blocks)) + 3, 3)]
    assert sum(site.bytes for site in reading.sites) == reading.usage.peak
    estimated = next(site for site in reading.sites if site not in exact)
    assert 0.8 < estimated.count / len(many) < 1.25
    del few


def test_a_finer_window_inside_a_coarse_one(engine):
    """It has its own distance between samples, and what each sample stands for is right when it goes later."""
    outer = engine.open(COARSE)
    before = [bytes(1000) for _ in range(5_000)]
    inner = engine.open(SAMPLED)
    inside = [bytes(1000) for _ in range(2_000)]
    fine = inner.close()
    del before, inside
    after = [bytes(1000) for _ in range(20_000)]
    coarse = outer.close()
    assert 1_500 < max(site.count for site in fine.sites) < 2_500
    assert max(coarse.sites).frames[0].lineno == test_a_finer_window_inside_a_coarse_one.__code__.co_firstlineno + 8
    assert sum(site.bytes for site in coarse.sites) == coarse.usage.peak
    del after


def small_and_smaller():
    kept = [bytes(1000) for _ in range(7_000)]
    return kept, [bytes(400) for _ in range(5_000)], [bytes(300) for _ in range(5_000)]


def churn_over_a_base():
    kept = []
    for number in range(6_000):
        churned = [bytes(900) for _ in range(10)]
        kept.append(bytes(1_500))
        if number % 3 == 0:
            kept.append(bytes(600))
    return kept, churned


def large_and_small():
    return [bytearray(1_500_000) for _ in range(4)], [bytes(2_000) for _ in range(3_000)], [{} for _ in range(10_000)]


def documents():
    text = json.dumps([{"name": f"n{number}", "values": [number] * 5} for number in range(4_000)])
    return [json.loads(text) for _ in range(4)]


def over_threads():
    kept = []

    def work():
        kept.append([bytes(1_200) for _ in range(2_000)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
        thread.join()
    return kept


MIXED = [small_and_smaller, churn_over_a_base, large_and_small, documents, over_threads]


def read(engine, work, request):
    window = engine.open(request)
    kept = work()
    reading = window.close()
    del kept
    return reading


@pytest.mark.parametrize("granularity", ["python", "malloc"])
@pytest.mark.parametrize("work", MIXED, ids=lambda work: work.__name__)
def test_every_stack_adds_up_to_the_peak(engine, work, granularity):
    """In ``stacks`` detail nothing is left over, whatever is allocated, freed and resized in between."""
    reading = read(engine, work, WindowRequest(granularity=granularity, detail="stacks", leaks=True))
    assert sum(site.bytes for site in reading.sites) == reading.usage.peak
    assert sum(site.bytes for site in reading.leaked) == reading.usage.retained


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("work", MIXED, ids=lambda work: work.__name__)
def test_samples_of_a_peak_of_5_MB_are_near_it_and_the_top_site_is_right(engine, work, seed):
    """Sites add up to within a tenth of the peak, and the largest is the one that has most if every block is known."""
    read(engine, work, WindowRequest(detail="counters"))
    requests = [WindowRequest(detail=detail, seed=seed) for detail in ("stacks", "sampled")]
    every, sampled = [read(engine, work, request) for request in requests]
    assert sampled.usage.peak > 5_000_000
    assert 0.9 <= sum(site.bytes for site in sampled.sites) / sampled.usage.peak <= 1.1
    assert sampled.sites[0].frames == every.sites[0].frames
    assert 0.7 <= sampled.sites[0].bytes / every.sites[0].bytes <= 1.4


def test_samples_estimate_the_peak_within_a_tenth(engine):
    """In ``sampled`` detail the sites add up to about the peak, and the top one is right."""
    window = engine.open(WindowRequest(detail="sampled", seed=3))
    many = [bytes(1000) for _ in range(15_000)]
    few = [bytes(500) for _ in range(5_000)]
    reading = window.close()
    del many, few
    assert 0.9 <= sum(site.bytes for site in reading.sites) / reading.usage.peak <= 1.1
    assert reading.sites[0].bytes > 0.7 * reading.usage.peak


def test_the_same_seed_draws_the_same_samples(engine):
    """A report repeats, whatever ran before."""

    def sampled():
        window = engine.open(WindowRequest(granularity="malloc", detail="sampled", seed=11))
        blocks = [bytearray(3_000) for _ in range(2_000)]
        reading = window.close()
        del blocks
        return [(site.bytes, site.count) for site in reading.sites]

    sampled()
    assert sampled() == sampled()


def test_a_stack_deeper_than_is_kept_keeps_its_most_recent_frames(engine):
    """Recursion is cut off at the far end."""

    def descend(depth):
        return descend(depth - 1) if depth else bytearray(1_000_000)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(2_000)
    try:
        window = engine.open(STACKS)
        block = descend(900)
        site = window.close().sites[0]
    finally:
        sys.setrecursionlimit(limit)
    assert len(site.frames) == 512
    assert site.frames[0].lineno == site.frames[1].lineno == descend.__code__.co_firstlineno + 1
    del block


def test_another_threads_stack_is_its_own(engine):
    """Each thread's frames are walked from its own state."""
    kept = []

    def work():
        kept.append(bytearray(3_000_000))

    window = engine.open(STACKS)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    site = window.close().leaked[0]
    assert (site.bytes, site.frames[0].function, site.frames[-1].function) == (3_000_001, "work", "_bootstrap")


def test_current_thread_only_counts_nothing_of_others(engine):
    """Blocks of other threads count for nothing, whoever frees them; the thread's own count until anybody does."""
    kept, mine = [], []

    def work():
        kept.append(bytearray(3_000_000))
        mine.clear()

    request = WindowRequest(granularity="malloc", detail="stacks", current_thread_only=True)
    thread = threading.Thread(target=work)
    window = engine.open(request)
    mine.append(bytearray(700_000))
    thread.start()
    thread.join()
    kept.clear()
    reading = window.close()
    assert 700_001 <= reading.usage.peak < 720_000
    assert reading.usage.allocated < 720_000
    assert reading.usage.retained < 20_000
    assert reading.sites[0].bytes == 700_001


RAW = """
import pytest_memory.plugin.phases as phases
phases.sites_of_test = lambda sites, surrounding: sites
"""


def test_stacks_are_taken_down_to_the_hook_that_calls_the_test(engine, pytester):
    """The engine leaves out what is around it; nobody has to look up names and lines of pytest's frames."""
    pytester.makeconftest(RAW)
    pytester.makepyfile(
        """
        import unittest

        def test_function():
            kept = bytearray(3_000_000)

        class TestCase(unittest.TestCase):
            def test_method(self):
                kept = bytearray(3_000_000)
        """
    )
    path = pytester.path / "run.json"
    pytester.runpytest_subprocess("--memory", "--memory-engine=native", f"--memory-report={path}")
    function, method = [test["attempts"][0]["sites"][0]["frames"] for test in json.loads(path.read_text())["tests"]]
    assert [frame["function"] for frame in function] == ["test_function", "pytest_pyfunc_call"]
    assert method[0]["function"] == "test_method"
    assert method[-1]["function"] == "pytest_runtest_call"


def grown(line):
    """A function of another line each time, whose code object looks the same from outside."""
    made = {}
    exec(compile("def grow():" + "\n" * line + " return bytearray(20_000)\n", "<grown>", "exec"), made)
    return made.pop("grow")


def test_code_that_takes_the_place_of_other_code_has_its_own_lines(engine):
    """A code object's lines are known from window to window, and what comes to its address later is another one."""
    places, wrong = set(), []
    for line in (1, 2, 3, 4, 5) * 8:
        grow = grown(line)
        places.add(id(grow.__code__))
        window = engine.opener(STACKS)(0)
        kept = grow()
        reading = window.close()
        found = [site.frames[0] for site in reading.sites if site.bytes >= 20_000]
        wrong += [(line, frame) for frame in found if (frame.function, frame.lineno) != ("grow", line + 1)]
        del kept, grow
        assert len(found) == 1
    assert wrong == []
    assert len(places) < 40  # else nothing took the place of anything


def test_frames_are_right_when_code_objects_are_numbered_anew(engine):
    """The core forgets code objects when its tables are half full; what is kept of their frames has to go too."""
    window_of = engine.opener(SAMPLED._replace(detail="stacks"))
    seen = set()
    for number in range(3000):
        name, path = f"grow_{number:0>4000}", f"<{number:0>4000}>"
        made = {}
        exec(compile(f"def {name}(): return bytearray(20_000)", path, "exec"), made)
        window = window_of(0)
        kept = made[name]()
        reading = window.close()
        del kept
        [frame] = [site.frames[0] for site in reading.sites if site.bytes >= 20_000]
        assert (frame.function, frame.filename) == (name, path)
        seen.add(engine._core.generation(engine._core.MALLOC))
        if len(seen) > 1:
            break
    assert len(seen) == 2


def test_many_frames_are_not_kept(engine):
    """A window with thousands of call stacks leaves nothing behind that a garbage collection would go through."""
    many = 2 * engine._core.KEPT_FRAMES
    source = "def grow():\n kept = []\n" + " kept.append(bytearray(600))\n" * many + " return kept\n"
    made = {}
    exec(compile(source, "<many>", "exec"), made)
    window = engine.opener(STACKS)(0)
    kept = made["grow"]()
    reading = window.close()
    del kept
    gc.collect()
    before = sum(isinstance(one, StackFrame) for one in gc.get_objects())
    assert before > many
    del reading
    assert sum(isinstance(one, StackFrame) for one in gc.get_objects()) < before - many


def test_many_lines_are_known_without_being_kept(engine):
    """A table of lines is as large as the code; a window that meets it again takes no more memory than the first."""
    source = "def grow():\n" + " x = 1\n" * 40_000 + " return bytearray(20_000)\n"
    made = {}
    exec(compile(source, "<long>", "exec"), made)
    assert len(made["grow"].__code__.co_linetable) > 1 << 16
    held = []
    for _ in range(3):
        window = engine.opener(STACKS)(0)
        kept = made["grow"]()
        reading = window.close()
        del kept
        [frame] = [site.frames[0] for site in reading.sites if site.bytes >= 20_000]
        assert (frame.function, frame.lineno) == ("grow", 40_002)
        held.append(engine.held_bytes())
    assert held[2] - held[0] < 1 << 16
