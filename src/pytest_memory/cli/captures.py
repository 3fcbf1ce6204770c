"""Captures of memray kept in a folder, and memray's own reporters, run as programs of their own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_memory.cli.choice import listed, pick
from pytest_memory.cli.errors import CommandFailed, MissingExtra, WrongUsage

PAGE_REPORTS = ("flamegraph", "table")
TEXT_REPORTS = ("tree", "summary", "stats")
WORST = ("peak", "allocated", "allocations")

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class CaptureStats:
    """What memray says of a capture.

    Attributes:
        totals: Bytes or calls by metric, of ``WORST``.
        native: Whether it has native frames.
    """

    totals: Mapping[str, int]
    native: bool


def file_name_of(test_id: str) -> str:
    """How the id of a test is written in the name of its capture."""
    return _UNSAFE.sub("_", test_id)


def choose_capture(folder: Path, test_id: str | None, worst: str | None) -> Path:
    """Find the capture that is meant.

    Args:
        folder: Where captures were kept.
        test_id: An id, or a part of one that only one capture has.
        worst: A metric of which the capture with the largest total is meant.

    Raises:
        WrongUsage: There is none, or what was typed does not say which.
    """
    captures = {path.stem: path for path in sorted(folder.glob("*.bin"))}
    if not captures:
        raise WrongUsage(f"no .bin profiles in {str(folder)!r}", "keep some with --benchmark-memory-profile=DIR")
    if test_id is not None:
        return captures[pick(test_id, list(captures), "profile", same=file_name_of)]
    if worst is not None:
        require_memray()
        with ThreadPoolExecutor(2) as pool:
            stats = dict(zip(captures, pool.map(read_stats, captures.values()), strict=True))
        return captures[max(stats, key=lambda name: stats[name].totals[worst])]
    if len(captures) > 1:
        raise WrongUsage(
            f"{len(captures)} profiles in {str(folder)!r}; be more specific: {listed(list(captures))}",
            "name one, or add --worst peak",
        )
    return next(iter(captures.values()))


def read_stats(capture: Path) -> CaptureStats:
    """Ask memray for the totals of a capture.

    Raises:
        CommandFailed: memray cannot read it.
    """
    with tempfile.TemporaryDirectory(prefix="pytest-memory-") as folder:
        target = Path(folder, "stats.json")
        done = _memray(["stats", "--json", "-o", str(target), str(capture)], capture_output=True)
        if done.returncode or not target.exists():
            reason = " ".join((done.stderr or done.stdout or "").split()) or f"memray ended with {done.returncode}"
            raise CommandFailed(f"{capture}: {reason}")
        parsed: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    metadata = parsed["metadata"]
    return CaptureStats(
        {
            "peak": metadata["peak_memory"],
            "allocated": parsed["total_bytes_allocated"],
            "allocations": parsed["total_num_allocations"],
        },
        bool(metadata.get("has_native_traces")),
    )


def render_capture(capture: Path, report: str, output: Path | None, force: bool) -> tuple[int, Path | None]:
    """Run a reporter of memray.

    Returns:
        memray's exit status, and the page it wrote if it writes one.
    """
    if report not in PAGE_REPORTS:
        return _memray([report, str(capture)]).returncode, None
    target = output or capture.with_name(f"{capture.stem}.{report}.html")
    target.parent.mkdir(parents=True, exist_ok=True)
    return _memray([report, "-o", str(target), *(["-f"] if force else []), str(capture)]).returncode, target


def require_memray() -> None:
    """Refuse to go on without memray.

    Raises:
        MissingExtra: It is not installed.
    """
    if find_spec("memray") is None:
        raise MissingExtra("rendering a capture", "memray", "memray")


def _memray(arguments: Sequence[str], *, capture_output: bool = False) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "memray", *arguments]
    return subprocess.run(command, capture_output=capture_output, text=True, errors="replace", check=False)
