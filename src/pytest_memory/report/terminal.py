"""The ``memory`` section of the terminal summary, as lines of styled text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_memory.model import NOTABLE_PHASE
from pytest_memory.report.lines import GAP, Line, Span, Style, line, shorten_left
from pytest_memory.units import MIB, format_count, format_seconds, human_bytes
from pytest_memory.values import NamedTuple

if TYPE_CHECKING:
    from pytest_memory.model import AllocationSite, Phase, PhaseUsage, Summary, TestRecord

UNMEASURED = "—"
_TESTS_WITH_SITES = 3
_SAMPLED_PEAK = 512 * 1024
_CUT_SHORT = {"crashed": "its worker crashed", "unfinished": "it did not end"}


class Layout(NamedTuple):
    """How much to show, and in how much room.

    Attributes:
        width: Columns of the terminal.
        top: How many tests; 0 is all.
        verbosity: pytest's: below 0 shorter, 1 longer, 2 everything.
        roots: Folders of the project under test, whose frames are shown first.
        sampled: The sites are estimates.
    """

    width: int
    top: int
    verbosity: int = 0
    roots: tuple[str, ...] = ()
    sampled: bool = False

    @property
    def tests(self) -> int | None:
        """How many tests to list; None is all."""
        if self.verbosity >= 2 or self.top == 0:
            return None
        return min(self.top, 3) if self.verbosity < 0 else self.top

    @property
    def tests_with_sites(self) -> int | None:
        """For how many of them the allocation sites are shown; None is all."""
        if self.verbosity < 0:
            return 0
        return _TESTS_WITH_SITES if self.verbosity == 0 else None


def summary_lines(summary: Summary, layout: Layout) -> Iterator[Line]:
    """The whole section below its heading."""
    yield from _fill(_headline(summary), layout.width)
    yield from remark_lines(summary, layout.width)
    if not summary.heaviest:
        return
    yield line("")
    yield from _table(summary.heaviest, layout)
    if len(summary.heaviest) < summary.attempts:
        rest = format_count(summary.attempts - len(summary.heaviest))
        what = "" if summary.attempts == summary.tests else " attempts"  # some tests were run again
        yield line(Span(f"… and {rest} more{what}; --memory-top=0 shows all", "dim"))


def remark_lines(summary: Summary, width: int) -> Iterator[Line]:
    """What was not measured or not judged, and why."""
    for sentence in _warnings(summary):
        yield from _fill(sentence.split(" "), width, separator=" ", indent="  ", style="yellow")
    for sentence in summary.notes:
        yield from _fill(sentence.split(" "), width, separator=" ", indent="  ", style="dim")


def _headline(summary: Summary) -> list[str]:
    environment = summary.environment
    parts = [f"engine {environment.engine.name}"]
    if environment.engine.name != "none":
        counted = "Python objects" if environment.granularity == "python" else "malloc and mmap"
        parts.append(f"counting {counted}")
        parts.append({"counters": "no sites", "sampled": "sampled sites", "stacks": "every site"}[environment.detail])
    own = f" (the engine's tables: {_mebibytes(summary.engine_bytes)})" if summary.engine_bytes >= MIB else ""
    parts.append(f"rss {environment.resident}{own}")
    parts.append(f"{format_count(summary.tests)} test{'' if summary.tests == 1 else 's'}")
    if summary.measuring_seconds:  # it is not known of processes that did not live to tell
        share = f" of {format_seconds(summary.seconds)}" if summary.seconds > summary.measuring_seconds else ""
        parts.append(f"measuring took {format_seconds(summary.measuring_seconds)}{share}")
    return parts


def _warnings(summary: Summary) -> Iterator[str]:
    """What a reader must know before believing the numbers."""
    for name, reason in summary.environment.engine.refused:
        yield f"the {name} engine was not used: {reason}"
    for reason, count in summary.unjudged.items():
        yield f"{format_count(count)} limit{'s' if count > 1 else ''} not judged: {reason}"
    for reason, count in summary.unmeasured.items():
        yield f"{format_count(count)} phase{'s' if count > 1 else ''} without heap numbers: {reason}"


def _table(records: Sequence[TestRecord], layout: Layout) -> Iterator[Line]:
    header = ("peak", "allocated", "allocs", "rss peak", "growth")
    rows = [_cells(record) for record in records]
    columns = [i for i in range(len(header)) if any(row[i] != UNMEASURED for row in rows)] or [0]
    widths = {i: max(len(header[i]), *(len(row[i]) for row in rows)) for i in columns}
    room = max(20, layout.width - sum(width + len(GAP) for width in widths.values()))
    whole = layout.verbosity >= 1
    twice = len({record.nodeid for record in records}) < len(records)  # by several workers, or run again
    yield line(Span(GAP.join([*(header[i].rjust(widths[i]) for i in columns), "test"]), "bold"))
    for position, (record, row) in enumerate(zip(records, rows, strict=True)):
        cells = [row[i].rjust(widths[i]) for i in columns]
        worker = f"[{record.worker}] " if record.worker is not None and (whole or twice) else ""
        name = record.nodeid if whole else shorten_left(record.nodeid, room - len(worker))
        yield line(Span(cells[0] if cells else "", "cyan"), GAP.join(["", *cells[1:], f"{worker}{name}"]))
        with_sites = _within(position, layout.tests_with_sites)
        yield from _details(record, layout, sites=with_sites, indent=widths[columns[0]])


def _can_be_attributed(record: TestRecord, layout: Layout) -> bool:
    """Whether the sites say something: a sample of a peak this small is one or two allocations."""
    return not layout.sampled or layout.verbosity >= 2 or _peak(record.phases.get("call")) >= _SAMPLED_PEAK


def _within(position: int, count: int | None) -> bool:
    return count is None or position < count


def _cells(record: TestRecord) -> tuple[str, ...]:
    call = record.phases.get("call")
    heap = call.heap if call is not None else None  # setup's numbers are not the test's
    begun = call is not None or record.outcome not in _CUT_SHORT  # else it may have needed any amount since its setup
    peaks = [usage.resident.peak for usage in record.phases.values() if usage.resident is not None and begun]
    resident = max((peak for peak in peaks if peak is not None), default=None)
    return (
        _bytes(heap.peak if heap is not None else None),
        _bytes(heap.allocated if heap is not None else None),
        UNMEASURED if heap is None or heap.allocations is None else format_count(heap.allocations),
        _mebibytes(resident),
        _growth(record.growth),
    )


def _details(record: TestRecord, layout: Layout, *, sites: bool, indent: int) -> Iterator[Line]:
    margin = " " * indent + GAP
    if record.outcome in _CUT_SHORT:
        yield line(margin, Span(_CUT_SHORT[record.outcome], "yellow"))
    call = _peak(record.phases.get("call"))
    others: tuple[Phase, ...] = ("setup", "teardown")
    told = False
    for phase in others:
        peak = _peak(record.phases.get(phase))
        if peak > call and (peak >= NOTABLE_PHASE or layout.verbosity >= 1):
            yield line(margin, Span(f"{phase} peaked at {human_bytes(peak)}", "yellow"))
            if sites and phase in record.around:
                told = True
                yield from _sites(record.around[phase], layout._replace(sampled=True), margin)
    if not sites or not record.sites or not _can_be_attributed(record, layout) or (told and layout.verbosity < 2):
        return  # below those of a fixture, what the call needed besides would be taken for the fixture's
    if told:
        yield line(margin, Span(f"call peaked at {human_bytes(call)}", "yellow"))
    yield from _sites(record.sites, layout, margin)


def _sites(sites: Sequence[AllocationSite], layout: Layout, margin: str) -> Iterator[Line]:
    from pytest_memory.report.sites import site_lines

    yield from site_lines(sites, layout, margin)


def _peak(usage: PhaseUsage | None) -> int:
    return (usage.heap.peak or 0) if usage is not None and usage.heap is not None else 0


def _bytes(size: int | None) -> str:
    return UNMEASURED if size is None else human_bytes(size)


def _mebibytes(size: int | None) -> str:
    """Resident memory in MiB: the kernel counts it in batches of about 300 KiB, so less would be a false promise."""
    if size is None:
        return UNMEASURED
    return f"{size / MIB:.0f} MiB" if abs(size) >= 100 * MIB else f"{size / MIB:.1f} MiB"


def _growth(size: int | None) -> str:
    if size is None:
        return UNMEASURED
    return "0" if abs(size) < 0.05 * MIB else f"{'+' if size > 0 else '−'}{_mebibytes(abs(size))}"


def _fill(
    parts: Sequence[str], width: int, *, separator: str = " · ", indent: str = "", style: Style = ""
) -> Iterator[Line]:
    """Parts joined into as few lines as fit."""
    current = ""
    for part in parts:
        longer = f"{current}{separator}{part}" if current else part
        if current and len(longer) > width - len(indent):
            yield line(Span(current, style))
            current = indent + part
        else:
            current = longer
    yield line(Span(current, style))
