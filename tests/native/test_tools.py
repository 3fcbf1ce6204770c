"""pytest under every tool that may watch a process too: right numbers, or a reason, never 0 and never a crash."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_memory.store.runs import read_run

from .tools import TAKES, TOOLS

PAGE = Path(__file__).parents[2] / "docs" / "native-engine.md"


def path_of(library):
    """Where a library lies: the compiler knows its own, the loader the others."""
    compiler = shutil.which("gcc") if library == "libasan.so" else None
    if compiler:
        command = [compiler, f"-print-file-name={library}"]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        return found if "/" in found else None
    cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    found = re.search(rf"^\s*{re.escape(library)} .*=> (\S+)$", cache, re.MULTILINE)
    return found and found[1]


def skip_without(tool):
    if sys.version_info < tool.since:
        pytest.skip(f"CPython {tool.since[0]}.{tool.since[1]} and later have it")
    for module in tool.needs:
        pytest.importorskip(module)
    if tool.preload and not (path := path_of(tool.preload)):
        pytest.skip(f"{tool.preload} is not installed")
    return {"LD_PRELOAD": path} if tool.preload else {}


def run_under(tool, folder, *options):
    """A pytest process under the tool, over one file of tests."""
    preload = skip_without(tool)
    (folder / "test_beside.py").write_text(tool.test)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COV"))}
    return subprocess.run(
        [sys.executable, *tool.before, "-m", "pytest", "-p", "pytest_memory.entry", *tool.options, *options],
        cwd=folder,
        env=kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "300"} | tool.environment | preload,
        capture_output=True,
        text=True,
        check=False,
    )


def in_one_line(text):
    """The report is wrapped where the terminal ends."""
    return " ".join(text.split())


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: re.sub(r"[^\w.=]+", "-", tool.name))
def test_pytest_beside_a_tool(engine, tool, tmp_path):
    """The block of 4 MB is read as such, or the report says why not."""
    done = run_under(tool, tmp_path, "--memory", "--memory-report=run.json")
    said = done.stdout + done.stderr
    assert done.returncode == tool.status, said
    assert "INTERNALERROR" not in said
    assert tool.says in said
    assert not tool.leaves or (tmp_path / tool.leaves).exists()
    if tool.dies:
        assert not (tmp_path / "run.json").exists()
        return
    run = read_run(tmp_path / "run.json")
    assert (run.environment.engine.name == "native") == (not tool.declined)
    assert tool.declined in in_one_line(said)
    (call,) = [record.phases["call"] for record in run.records if record.nodeid.endswith("test_block")]
    if tool.unmeasured:
        assert call.heap is None
        assert tool.unmeasured in call.unmeasured
        assert tool.unmeasured in in_one_line(said)
    else:
        assert TAKES < call.heap.peak < TAKES + tool.margin


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool.declined], ids=lambda tool: tool.name)
def test_asked_for_by_name_it_says_why_it_cannot(engine, tool, tmp_path):
    """Nobody gets another engine than the one he has named: a usage error before the first test."""
    done = run_under(tool, tmp_path, "--memory", "--memory-engine=native")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout + done.stderr
    assert tool.declined in in_one_line(done.stderr)


def test_a_test_that_runs_into_its_timeout_is_measured_all_the_same(engine, tmp_path):
    """pytest-timeout's signal arrives in the middle of counting."""
    (tool,) = [tool for tool in TOOLS if tool.name == "pytest-timeout, `signal`"]
    done = run_under(tool, tmp_path, "--memory", "--memory-report=run.json")
    (record,) = [r for r in read_run(tmp_path / "run.json").records if r.nodeid.endswith("test_never_ends")]
    assert record.outcome == "failed", done.stdout
    assert 2_000_000 < record.phases["call"].heap.peak < 2_020_000


def test_every_tool_has_a_row_in_the_documentation():
    """And every row a test."""
    section = PAGE.read_text().partition("## Beside other tools")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| .+ \|$", section, re.MULTILINE)[2:]
    assert rows == [tool.name for tool in TOOLS]
