"""The page on the command line shows what the commands print: run with UPDATE_DOCS=1 to write it anew."""

from __future__ import annotations

import io
import os
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import typer

from pytest_memory.cli.app import run

from .conftest import benchmark

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
TRANSCRIPT = re.compile(r"```console\n\$ pytest-memory (.*)\n(?:(?!```).*\n)*```")
HELP = re.compile(r"<!-- help: (\w+)(?: \(typer [\d.]+\))? -->\n(?:\n```text\n(?:(?!```).*\n)*```\n)?")
UPDATE = os.environ.get("UPDATE_DOCS") == "1"


def rounds(base, *noise):
    return [base * (1 + share / 100) for share in noise]


@pytest.fixture
def files(save, tmp_path, monkeypatch):
    """The runs that the page speaks of."""

    def entries(speed, memory, extra):
        for size, rows, seconds, peak in (("small", 100, 0.0021, 80_000), ("large", 10_000, 0.19, 6_400_000)):
            yield benchmark(
                f"test_table.py::test_parse[{size}]",
                rounds=rounds(seconds * speed, 0, 1.1, 2.3, 0.4, 1.7, 3.1),
                peak=[round(peak * memory)] * 2,
                params={"size": size},
                extra={"rows": rows},
            )
        noise = extra / 10, extra, 4, 2, 6, 1
        yield benchmark("test_table.py::test_sort", rounds=rounds(0.034, *noise), peak=[512_000] * 2)

    gone, came = "test_table.py::test_legacy", "test_table.py::test_index"
    save("before.json", *entries(1, 1, 5), benchmark(gone, rounds=rounds(0.5, 0, 1, 2), peak=[90_000]))
    save("after.json", *entries(1.08, 0.75, 1.5), benchmark(came, rounds=rounds(0.2, 0, 1, 2), peak=[64_000]))
    for number in range(4):
        save(f"before-{number}.json", *entries(1 + number / 200, 1, 5 + number))
        save(f"after-{number}.json", *entries(1.08 + number / 200, 0.75, 3 + number))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def said(arguments):
    """stdout, then stderr, as a terminal shows them."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        run(arguments)
    return out.getvalue() + err.getvalue()


def test_transcripts(files):
    """Each command of the page prints what stands below it."""

    def transcript(match):
        arguments = shlex.split(match[1])
        return f"```console\n$ pytest-memory {match[1]}\n{said(arguments)}```"

    check(TRANSCRIPT.sub(transcript, PAGE.read_text(encoding="utf-8")))


def test_help(files):
    """The options of each command, as this version of Typer prints them."""
    version = ".".join(typer.__version__.split(".")[:2])
    text = PAGE.read_text(encoding="utf-8")
    if not UPDATE and f"(typer {version})" not in text:
        pytest.skip(f"the page was written with another Typer than {version}")

    def help_text(match):
        return f"<!-- help: {match[1]} (typer {version}) -->\n\n```text\n{said([match[1], '--help']).strip()}\n```\n"

    check(HELP.sub(help_text, text))


def check(text):
    if UPDATE:
        PAGE.write_text(text, encoding="utf-8")
    assert text == PAGE.read_text(encoding="utf-8"), "run UPDATE_DOCS=1 pytest tests/cli/test_docs.py"
