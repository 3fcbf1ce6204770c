"""The frame around all commands: help, version, exit codes, streams."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_memory import __version__
from pytest_memory.cli import errors, registry
from pytest_memory.cli.app import run
from pytest_memory.cli.coercion import plain_value
from pytest_memory.errors import InvalidThreshold, UnreadableFile, UnwritableFile

HEAVY = {"memray", "pandas", "plotly", "psutil", "pytest", "rich", "numpy"}


def test_no_arguments_show_the_help(capsys):
    """Typing the bare name helps instead of complaining."""
    assert run([]) == 0
    assert "Usage: pytest-memory [OPTIONS] COMMAND" in capsys.readouterr().out


def test_version(capsys):
    """``--version`` names the package and its version."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"pytest-memory {__version__}\n"


@pytest.mark.parametrize("arguments", [["no-such-command"], ["--no-such-option"]])
def test_wrong_usage_is_one_line_on_stderr_and_exit_code_2(arguments, capsys):
    """A mistake in the arguments names the offending word and says where help is."""
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert arguments[0] in captured.err
    assert "--help" in captured.err


@pytest.mark.parametrize("entry", registry.COMMANDS, ids=lambda entry: entry.name)
def test_the_list_of_commands_says_what_each_commands_docstring_says(entry):
    """The registry's help line is the first line of the command's docstring."""
    assert (entry.load().__doc__ or "").splitlines()[0] == entry.help


@pytest.mark.parametrize(("columns", "widest"), [("200", 118), ("80", 78)])
def test_help_uses_the_terminal(columns, widest, monkeypatch, capsys):
    """As wide as the terminal, up to what can still be read."""
    monkeypatch.setenv("COLUMNS", columns)
    run(["compare", "--help"])
    assert widest - 10 < max(map(len, capsys.readouterr().out.splitlines())) <= widest


def test_help_imports_no_command_and_no_heavy_library():
    """``--help`` lists every command without importing one, or anything heavy that Typer itself does without."""
    code = (
        "import sys, typer\nbefore = set(sys.modules)\nfrom pytest_memory.cli.app import run\n"
        "assert run(['--help']) == 0\nprint('IMPORTED', *sorted(set(sys.modules) - before))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    shown, imported = out.split("IMPORTED")
    modules = set(imported.split())
    assert not {name.partition(".")[0] for name in modules} & HEAVY
    for entry in registry.COMMANDS:
        assert entry.name in shown
        assert f"pytest_memory.cli.{entry.name}" not in modules


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.WrongUsage("a"), 2),
        (errors.MissingExtra("plot", "plot", "plotly"), 2),
        (InvalidThreshold("a"), 2),
        (UnwritableFile("a"), 2),
        (errors.CommandFailed("a"), 1),
        (errors.GateTripped("a"), 1),
        (UnreadableFile("a"), 1),
        (PermissionError(13, "Permission denied", "x.json"), 1),
        (KeyboardInterrupt(), 130),
    ],
    ids=repr,
)
def test_each_error_has_one_exit_code_and_one_line(error, code, capsys):
    """0 ok; 1 a run could not be used or a gate tripped; 2 usage; 130 interrupted."""
    assert errors.exit_code_of(error) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_a_mistake_of_ours_keeps_its_traceback():
    """An error nobody foresaw is not dressed up as the user's."""
    with pytest.raises(ZeroDivisionError):
        errors.exit_code_of(ZeroDivisionError())


def test_a_command_loads_no_validation_library():
    """Typer's newer releases validate with pydantic; options of ours that are right need none of it."""
    command = [
        *["compare", "old", "new", "--metric", "peak", "--alpha", "0.1", "--csv", "out.csv"],
        *["--label", "a", "--label", "b", "--statistics"],
    ]
    program = f"import sys; from pytest_memory.cli.app import run; print(run({command}), 'pydantic' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["2", "False"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["compare", "a", "b", "--metric", "nonsense"], "--metric"),
        (["compare", "a", "b", "--alpha", "much"], "--alpha"),
        (["sweep", "x", "1", "--suite", "s", "--jobs", "0"], "--jobs"),
        (["plot", "a", "--clip", "x"], "--clip"),
    ],
)
def test_a_wrong_value_names_its_option(arguments, named, capsys):
    """In one line, with exit code 2."""
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert named in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        ("1.5", float, 1.5),
        ("7", int, 7),
        ("x", str, "x"),
        ("a/b", Path, Path("a/b")),
        (0.05, float, 0.05),
        (("a", "b"), list[str], ["a", "b"]),
        (("a",), list[Path], [Path("a")]),
    ],
)
def test_plain_values(value, annotation, expected):
    """Text becomes what its annotation says."""
    assert plain_value(value, annotation) == expected


@pytest.mark.parametrize(("value", "annotation"), [("x", float), ("1", bytes), ("ab", list[str]), ("1", "str")])
def test_what_is_not_plain_is_left_to_typer(value, annotation):
    """Which knows more types, and says what is wrong."""
    with pytest.raises((TypeError, ValueError)):
        plain_value(value, annotation)
