"""Where the command line writes: pipes that close, terminals, streams that know only ASCII."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_memory.report.drawing import draw
from pytest_memory.report.table import Cell, Cells, Column, Header, Sheet, Table, by_column, printable

from .conftest import benchmark


def cli(*arguments, **settings):
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= settings.pop("env", {})
    return subprocess.run(
        [sys.executable, "-m", "pytest_memory", *arguments], capture_output=True, env=environment, **settings
    )


def test_a_stream_that_knows_only_ascii(pair):
    """Dashes, arrows and lines are replaced by their like, and nothing breaks."""
    done = cli("compare", *pair, "--metric", "peak", "--fail-on", "peak:1%", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 1
    assert done.stdout.decode("ascii").splitlines()[2].startswith("-----")
    assert b"1000 B -> 1.17 KiB" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX pipes")
def test_a_pipe_closed_early(save):
    """``| head`` ends the output, not the judgement: the exit code is the gate's."""
    runs = [save(f"{k}.json", *(benchmark(f"t.py::x{n}", peak=[n * k]) for n in range(3000))) for k in (1, 2)]
    command = [sys.executable, "-m", "pytest_memory", "compare", *runs, "--metric", "peak", "--fail-on", "peak:10%"]
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" | head -1', "-", *command], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "peak (KiB)\n")
    assert done.stderr.startswith("2999 regression(s) over threshold:")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("format", ["table", "md", "json"])
def test_a_full_disk(save, format):
    """Exit code 2 and one line that says so."""
    path = save("a.json", benchmark("t.py::x", peak=[1, 1]))
    command = [sys.executable, "-m", "pytest_memory", "compare", path, "--columns", "peak", "--format", format]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "cannot write to standard output" in result.stderr


def test_colours_only_where_they_are_wanted(pair):
    """None in a pipe, unless forced; never with NO_COLOR."""
    assert b"\x1b[" not in cli("compare", *pair).stdout
    assert b"\x1b[32m" in cli("compare", *pair, "--metric", "peak", env={"FORCE_COLOR": "1"}).stdout
    assert b"\x1b[" not in cli("compare", *pair, env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout


def test_a_terminal_gets_colours_and_red_errors(pair):
    """stdout and stderr are judged each on its own."""
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm"}
    command = [sys.executable, "-m", "pytest_memory", "compare", pair[0]]
    code = subprocess.Popen(command, stderr=slave, env=environment).wait()
    os.close(slave)
    assert code == 2
    assert os.read(master, 1000).startswith(b"\x1b[31mcompare needs at least two runs")
    os.close(master)


def sheet_of(title, columns, rows):
    header = Header(columns)
    return Sheet(by_column(rows, header), [Table(title, header, slice(len(rows)))])


SHEET = sheet_of(
    "peak (KiB)",
    (Column("id", "id", text=True), Column("a", "a"), Column("b", "b", opens_section=True)),
    [
        [Cell("test_with_a_very_long_name[parameter-another-parameter]", "x"), Cell("1.00", 1), Cell("2.00", 2, "bad")],
        [Cell("short", "y"), Cell("—"), Cell("10.00", 10)],
    ],
)


def test_a_wide_terminal_gets_one_line_per_row():
    """So does a pipe, of whatever width."""
    assert draw(SHEET, width=200) == draw(SHEET)
    assert str(draw(SHEET)).splitlines()[1:] == [
        "id                                                          a │     b",
        "─" * 69,
        "test_with_a_very_long_name[parameter-another-parameter]  1.00 │  2.00",
        "short                                                       — │ 10.00",
    ]


def test_a_narrow_terminal_folds_names_and_cuts_nothing():
    """The name goes on in the next line, indented."""
    lines = str(draw(SHEET, width=50)).splitlines()
    assert max(map(len, lines)) <= 50
    folded = lines[3].split("  ")[0] + lines[4].strip()
    assert folded == "test_with_a_very_long_name[parameter-another-parameter]"
    assert lines[3].endswith("1.00 │  2.00")


def test_a_name_cannot_write_on_the_terminal():
    """Escape sequences and line ends in an id are shown, not obeyed."""
    assert printable("a\x1b[2J\nb\u202e—é") == "a\\x1b[2J\\nb\\u202e—é"


def test_wide_characters_take_two_columns():
    """Columns stay under each other beside names in Chinese."""
    sheet = sheet_of(
        "", (Column("id", "id", text=True), Column("a", "a")), [[Cell("测试"), Cell("1")], [Cell("ab"), Cell("2")]]
    )
    assert str(draw(sheet)).splitlines()[2:] == ["测试  1", "ab    2"]


def test_tables_of_a_sheet_share_the_places_of_their_columns():
    """Each has its rows and totals; the widest cell, title or total of all makes a column's width."""
    columns = (Column("id", "id", text=True), Column("a", "a (KiB)"))
    rows = [[Cell("测试"), Cell("1")], [Cell("x"), Cell("2", 2, "bad")], [Cell("y"), Cell("3")]]
    total = [Cell("geomean"), Cell("123456789")]
    first = Table("first", Header(columns), slice(2), [total])
    second = Table("", Header((columns[0], Column("a", "a (B)"))), slice(2, 3), notes=("a note",))
    sheet = Sheet(by_column(rows, first.header), [first, second])
    text = """\
first
id         a (KiB)
──────────────────
测试             1
x                2
──────────────────
geomean  123456789

id           a (B)
──────────────────
y                3
a note"""
    assert str(draw(sheet)) == text
    painted = str(draw(sheet, colour=True))
    assert re.sub("\x1b\\[[0-9]*m", "", painted) == text
    assert "\nx                \x1b[31m2\x1b[0m\n" in painted


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_a_drawing_is_encoded_as_its_text_is(encoding):
    """Marks hold the places of its lines until then, and none of them is left."""
    drawing = draw(SHEET)
    assert "│" in str(drawing)
    assert str(drawing).replace("\n", "").isprintable()
    expected = str(drawing).encode(encoding, "replace")
    assert drawing.encode(encoding, "replace") == expected
    for size in range(1, len(drawing.lines) + 2):
        assert b"".join(piece.encode(encoding, "replace") for piece in drawing.pieces(size)) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_other_encodings_get_the_same_text(pair, encoding):
    """Whether or not ASCII stays what it is in them; what they lack is replaced by its like."""
    wide = ["compare", *pair, "--columns", "time,peak"]
    expected = cli(*wide, env={"PYTHONIOENCODING": "utf-8"}).stdout.decode()
    said = cli(*wide, env={"PYTHONIOENCODING": encoding}).stdout.decode(encoding)
    assert "│" in expected
    if encoding == "cp1252":
        expected = expected.replace("│", "|").replace("─", "-")
    assert said == expected


def test_columns_of_the_very_same_texts_are_drawn_like_others():
    """They are padded once; columns that are only equal are padded each."""
    columns = (Column("id", "id", text=True), *(Column(name, name) for name in "abcd"))
    rows = [[Cell(name), *[Cell(number)] * 4] for name, number in zip("xyz", ("1", "1", "22,222"), strict=True)]
    apart = sheet_of("t", columns, rows)

    class OneList(Cells):
        def texts(self):
            return kept

    names, *_, last = apart.columns
    kept, shared = last.texts(), OneList(())
    drawn = draw(replace(apart, columns=[names, shared, shared, last, shared]))
    assert drawn == draw(apart)
    assert str(drawn).splitlines()[-1] == "z   22,222  22,222  22,222  22,222"


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_an_interrupt_ends_quietly(tmp_path):
    """Ctrl-C while a file is read (here a pipe that nobody writes to): exit code 130 and no traceback."""
    pipe = tmp_path / "run.json"
    os.mkfifo(pipe)
    # Whatever a shell started in the background ignores Ctrl-C, and so do all that it starts: a CI job, for one.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import pytest_memory.__main__"
    command = [sys.executable, "-c", program, "compare", str(pipe), str(tmp_path), "--metric", "peak"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        writer = None
        while writer is None and process.poll() is None:
            with contextlib.suppress(OSError):  # until the command has opened its end, and waits for content
                writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=120)
        finally:
            process.kill()
            os.close(writer)
    assert process.returncode == 130
    assert b"Traceback" not in errors
