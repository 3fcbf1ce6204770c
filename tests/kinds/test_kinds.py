"""Every kind of test is measured, limited and reported; the table in docs/kinds.md says so, cell by cell."""

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from kinds_suite import KINDS, TAKES, write

from pytest_memory.model import Run, TestRecord
from pytest_memory.store.runs import read_run
from pytest_memory.units import human_bytes, parse_limit_size

PAGE = Path(__file__).parents[2] / "docs" / "kinds.md"
PROCESSES = {"one process": (), "two workers": ("-n", "2")}
HEADROOM = 500_000  # what a kind may need besides the test's own 4 MB
FLOOR = re.compile(r"≤ (?P<size>[^,]+?)(, from Python 3\.(?P<minor>\d+) on (?P<later>.+))?")


def can_run(kind):
    return all(importlib.util.find_spec(module) is not None for module in kind.needs)


@dataclass(frozen=True)
class Session:
    """What one run of the whole suite has left behind."""

    run: Run
    output: str

    def record(self, nodeid) -> TestRecord:
        found = [record for record in self.run.records if record.nodeid == nodeid]
        assert len(found) == 1, f"{nodeid} has {len(found)} records"
        return found[0]


@pytest.fixture(scope="module", params=PROCESSES.values(), ids=PROCESSES.keys())
def session(request, tmp_path_factory):
    """The suite of all kinds, measured once in one process and once over two workers."""
    folder = tmp_path_factory.mktemp("kinds")
    write(folder, [kind for kind in KINDS if can_run(kind)])
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "--memory", "--memory-top=0", "--memory-report=run.json", *request.param]
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment | {"COLUMNS": "120"},
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return Session(read_run(folder / "run.json"), done.stdout)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name.replace("`", ""))
def kind(request):
    if not can_run(request.param):
        pytest.skip(f"{' and '.join(request.param.needs)} cannot be imported")
    return request.param


def test_measured(session, kind):
    """A test that takes 4 MB is seen to take them; in its setup and teardown nothing is."""
    record = session.record(kind.node("large"))
    assert record.outcome == "passed"
    assert TAKES <= record.phases["call"].heap.peak < TAKES + HEADROOM
    assert record.phases["call"].seconds > 0
    assert set(record.phases) == {"setup", "call", "teardown"}


def test_resident_memory(session, kind):
    """Resident memory is read in every phase."""
    record = session.record(kind.node("large"))
    assert all(usage.resident is not None and usage.resident.start > 0 for usage in record.phases.values())


def test_limited(session, kind):
    """A test that takes 4 MB where 1 MB is the limit fails for it, with the numbers in its verdict."""
    record = session.record(kind.node("over"))
    assert record.outcome == "failed"
    (verdict,) = record.verdicts
    assert (verdict.outcome, verdict.limit.bound) == ("exceeded", 1024**2)
    assert verdict.measured == record.phases["call"].heap.peak >= TAKES


def test_within_the_limit(session, kind):
    """The same test without that limit has no verdict at all."""
    assert session.record(kind.node("large")).verdicts == ()


def test_reported(session, kind):
    """The terminal report lists the test with its peak."""
    node = kind.node("large")
    peak = human_bytes(session.record(node).phases["call"].heap.peak)
    assert re.search(rf"^ *{re.escape(peak)} .*{re.escape(node)}$", session.output, re.MULTILINE), session.output


def test_the_failure_is_told(session, kind):
    """The short summary gives the failure its own word, and not FAILED."""
    nodeid = re.escape(kind.node("over"))
    assert re.search(rf"^MEMORY PROBLEMS {nodeid} - MemoryLimitExceeded", session.output, re.MULTILINE)


def table():
    """The rows of the first table of the page, by their first cell."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in PAGE.read_text(encoding="utf-8").split("\n## ")[0].splitlines()
        if line.startswith("|")
    ]
    return {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}


def test_the_table_has_every_kind():
    """A kind in the documentation is tested here, and the other way round; what is tested is what it says."""
    assert list(table()) == [kind.name for kind in KINDS]
    assert all(row["measured"] == row["limited"] == row["reported"] == "yes" for row in table().values())


@pytest.mark.parametrize("session", [()], ids=["one process"], indirect=True)
def test_floor(session, kind):
    """A test that does nothing uses no more than the page says, once its kind has run before in its process."""
    engine = session.run.environment.engine.name
    if engine != "native":
        pytest.skip(f"the page states the floors of the native engine, and here {engine} measures")
    stated = FLOOR.fullmatch(table()[kind.name]["floor"])
    is_later = stated["minor"] is not None and sys.version_info >= (3, int(stated["minor"]))
    floor = parse_limit_size(stated["later"] if is_later else stated["size"])
    assert session.record(kind.node("nothing")).phases["call"].heap.peak <= floor
