"""The growth report: tests after which the process held more memory than before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_memory.model import TestRecord
from pytest_memory.units import MIB, human_bytes


@dataclass(frozen=True, slots=True)
class Retained:
    """What pytest itself keeps until the end of the run.

    Attributes:
        captured: Characters of captured output in its reports.
        failed: Tests that failed; the traceback of the last of them keeps its local variables.
    """

    captured: int = 0
    failed: int = 0


def growth_lines(records: Iterable[TestRecord], threshold: int, retained: Retained) -> list[str]:
    """``LEAKED 712MB in nodeid`` for each test that grew by more than the threshold, the largest first.

    Args:
        records: One per attempt.
        threshold: Bytes; a test that grew by exactly this much is not reported.
        retained: What pytest itself keeps, for a last line that says so.

    Returns:
        Lines; none if no test grew by so much. Sizes are whole MB of 1024² bytes, rounded down.
    """
    grown = [(record.growth, record) for record in records if record.growth is not None and record.growth > threshold]
    grown.sort(key=lambda pair: -pair[0])
    lines = []
    for growth, record in grown:
        worker = f" [{record.worker}]" if record.worker else ""
        lines.append(f"LEAKED {growth // MIB}MB in {record.nodeid}{worker}")
    if lines and (retained.captured or retained.failed):
        lines.append(_retained_line(retained))
    return lines


def _retained_line(retained: Retained) -> str:
    parts = []
    if retained.captured:
        parts.append(f"{human_bytes(retained.captured)} of captured output")
    if retained.failed:
        tests = f"{retained.failed} failed test{'' if retained.failed == 1 else 's'}"
        parts.append(f"the reports of {tests}, with the local variables of the last one's frames")
    return f"pytest itself keeps {' and '.join(parts)}: that is no leak of the tests"
