"""The comparison of runs: one row a benchmark, one column a run, and for two runs the change and whether it is real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_memory.model.benchmark import short_id
from pytest_memory.report.scales import Scale, change_percent, change_text, is_visible, scale_for
from pytest_memory.report.table import Cell, Column, Header, Sheet, Table, Tone, by_column, printable
from pytest_memory.significance import Evidence
from pytest_memory.stats import geometric_mean
from pytest_memory.store.benchmark_json import Metric
from pytest_memory.store.lineup import Lineup
from pytest_memory.store.measured import Measured

SORTS = ("name", "value", "change")
NOISE_MARK = "~"

_LISTED = 10


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """What of a lineup is shown.

    Attributes:
        metric: Which metric.
        stat: Which statistic, or ``None`` for the headline.
        sort: ``name``, ``value`` (of the last run, largest first) or ``change`` (largest growth first).
        alpha: A difference is real if its p is below this.
        statistics: Whether people see the intervals and the test as well.
    """

    metric: Metric
    stat: str | None = None
    sort: str = "name"
    alpha: float = 0.05
    statistics: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    key: str
    measured: tuple[Measured | None, ...]
    values: tuple[float | None, ...]
    evidence: Evidence | None

    @property
    def change(self) -> float | None:
        return change_percent(self.values[0], self.values[-1])


def comparison_sheet(lineup: Lineup, view: ComparisonView) -> Sheet:
    """Lay one metric of all runs side by side.

    With two runs each change that is not real is marked ``~``: p is not below alpha, or too few values were measured
    to say anything.
    """
    rows = _sorted(_rows(lineup, view), view.sort)
    pair = len(lineup.labels) == 2
    scale = scale_for(view.metric, max((value for row in rows for value in row.values if value is not None), default=0))
    names = names_of([row.key for row in rows])
    cells = [_cells(row, names[row.key], scale, pair) for row in rows]
    totals = _geomean(rows, scale, pair)
    if pair:
        _align([*cells, *totals], position=len(lineup.labels) + 1)
    header = Header(_columns(lineup.labels, pair, view.statistics))
    table = Table(
        title=f"{view.metric}{f' {view.stat}' if view.stat else ''} ({scale.unit})",
        header=header,
        rows=slice(len(cells)),
        totals=totals,
        notes=_notes(rows, lineup.labels, view) if pair else _arrivals(rows, lineup.labels),
    )
    return Sheet(by_column(cells, header), [table])


def comparison_rows(lineup: Lineup, view: ComparisonView) -> list[list[object]]:
    """The same as raw numbers for CSV: a header, then one row for each benchmark by id, empty where nothing is."""
    pair = len(lineup.labels) == 2
    header: list[object] = ["id", *lineup.labels, *(["change_pct"] if pair else [])]
    body: list[list[object]] = [
        [row.key, *row.values, *([change_percent(*row.values)] if pair else [])] for row in _rows(lineup, view)
    ]
    return [header, *body]


def names_of(keys: Sequence[str]) -> dict[str, str]:
    """Short ids, and whole ids for benchmarks whose short ids are the same."""
    shorts = {key: short_id(key) for key in keys}
    taken = Counter(shorts.values())
    return {key: printable(short if taken[short] == 1 else key) for key, short in shorts.items()}


def extremes(values: Sequence[float | None]) -> tuple[float, float] | None:
    """Smallest and largest, or ``None`` where colours would say nothing: one value, or all the same but for 0.0 %."""
    present = [value for value in values if value is not None]
    if len(present) < 2:
        return None
    least, most = min(present), max(present)
    return (least, most) if least < most and (least <= 0 or is_visible(change_percent(least, most))) else None


def tone_of(value: float | None, ends: tuple[float, float] | None) -> Tone:
    """Green for the smallest, red for the largest."""
    if ends is None or value is None:
        return ""
    return "good" if value == ends[0] else "bad" if value == ends[1] else ""


def _rows(lineup: Lineup, view: ComparisonView) -> list[_Row]:
    series = lineup.metrics[view.metric]
    keys = lineup.ids()
    columns = [one.column(view.stat).pick(keys) for one in series]
    pair = len(series) == 2
    rows = []
    for key, values in zip(keys, zip(*columns, strict=True), strict=True):
        if values.count(None) == len(values):
            continue
        measured = tuple([one.get(key) for one in series]) if pair else ()
        judged = pair and None not in measured
        evidence = measured[0].compare(measured[1], view.metric, view.alpha) if judged else None  # type: ignore[union-attr, arg-type]
        rows.append(_Row(key, measured, values, evidence))
    return rows


def _sorted(rows: list[_Row], sort: str) -> list[_Row]:
    if sort == "value":
        return sorted(rows, key=lambda row: _descending(row.values[-1]))
    if sort == "change":
        return sorted(rows, key=lambda row: _descending(row.change))
    return rows


def _descending(value: float | None) -> tuple[bool, float]:
    return (value is None, -(value or 0))


def _columns(labels: Sequence[str], pair: bool, statistics: bool) -> tuple[Column, ...]:
    columns = [Column("id", "id", text=True), *(Column(label, printable(label), under="values") for label in labels)]
    if pair:
        hidden = not statistics
        columns += [
            Column("change_pct", "change"),
            Column("interval_base", f"± {printable(labels[0])}", machine=hidden, opens_section=True),
            Column("interval_head", f"± {printable(labels[1])}", machine=hidden),
            Column("p", "p", machine=hidden),
            Column("n", "n", machine=hidden),
            Column("test", "test", machine=hidden, text=True),
            Column("real", "real", machine=True),
        ]
    return tuple(columns)


def _cells(row: _Row, name: str, scale: Scale, pair: bool) -> list[Cell]:
    ends = extremes(row.values)
    cells = [Cell(name, row.key)]
    texts = scale.row(row.values)
    cells += [Cell(text, value, tone_of(value, ends)) for text, value in zip(texts, row.values, strict=True)]
    if not pair:
        return cells
    return [*cells, _change_cell(row), *_statistics_cells(row)]


def _change_cell(row: _Row) -> Cell:
    change, real = row.change, row.evidence is not None and row.evidence.real
    text = change_text(change)
    if change is None or row.values[0] == row.values[1]:
        return Cell(text, change)
    if not real:
        return Cell(f"{text} {NOISE_MARK}", change)
    return Cell(text, change, "" if not is_visible(change) else "bad" if change > 0 else "good")


def _align(rows: list[list[Cell]], position: int) -> None:
    """Let the numbers of a column stand under each other although only some have a mark behind them."""
    if any(row[position].text.endswith(NOISE_MARK) for row in rows):
        for row in rows:
            if not row[position].text.endswith(NOISE_MARK):
                row[position] = row[position]._replace(text=f"{row[position].text}  ")


def _statistics_cells(row: _Row) -> list[Cell]:
    evidence = row.evidence
    if evidence is None:
        return [*(_interval_cell(one) for one in row.measured), *[Cell("")] * 4]
    counts = "+".join(map(str, evidence.counts))
    p = "" if evidence.p is None else f"{evidence.p:.3f}"
    return [
        *(_interval_cell(one) for one in row.measured),
        Cell(p, evidence.p),
        Cell(counts, counts),
        Cell("" if evidence.method == "none" else evidence.method, evidence.method),
        Cell("", evidence.real),
    ]


def _interval_cell(measured: Measured | None) -> Cell:
    interval = measured.interval if measured is not None else None
    relative = interval.relative if interval is not None else None
    return Cell("") if relative is None else Cell(f"{relative * 100:.1f}%", relative * 100)


def _geomean(rows: Sequence[_Row], scale: Scale, pair: bool) -> list[list[Cell]]:
    common = [row.values for row in rows if all(value is not None and value > 0 for value in row.values)]
    if len(common) < 2:
        return []
    means = [geometric_mean([value for value in column if value is not None]) for column in zip(*common, strict=True)]
    cells = [Cell("geomean", "geomean"), *(Cell(*cell) for cell in zip(scale.row(means), means, strict=True))]
    if not pair:
        return [cells]
    change = change_percent(means[0], means[1])
    return [[*cells, Cell(change_text(change), change), *[Cell("")] * 6]]


def _notes(rows: Sequence[_Row], labels: Sequence[str], view: ComparisonView) -> tuple[str, ...]:
    verdicts = Counter(_verdict(row) for row in rows if None not in row.values)
    words = ("grew", "shrank", "unchanged", "unclear")
    summary = ", ".join(f"{verdicts[word]} {word}" for word in words if verdicts[word])
    marks = f"{NOISE_MARK} no real difference can be told (p ≥ {view.alpha:g}, or too few rounds)"
    return (
        *((f"{summary}.",) if summary else ()),
        *((marks,) if verdicts["unclear"] else ()),
        *_arrivals(rows, labels),
    )


def _verdict(row: _Row) -> str:
    base, head = row.values
    assert base is not None
    assert head is not None
    if base == head:
        return "unchanged"
    if row.evidence is None or not row.evidence.real:
        return "unclear"
    return "grew" if head > base else "shrank"


def _arrivals(rows: Sequence[_Row], labels: Sequence[str]) -> tuple[str, ...]:
    names = names_of([row.key for row in rows])
    new = [names[row.key] for row in rows if row.values[0] is None and row.values[-1] is not None]
    gone = [names[row.key] for row in rows if row.values[0] is not None and row.values[-1] is None]
    notes = []
    if new:
        notes.append(f"new in {labels[-1]} ({len(new)}): {_listed(new)}")
    if gone:
        notes.append(f"only in {labels[0]} ({len(gone)}): {_listed(gone)}")
    return tuple(notes)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f", … and {more} more" if more > 0 else "")
