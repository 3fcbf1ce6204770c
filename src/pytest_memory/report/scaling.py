"""The table of a scaling measurement, and the words for a bound that was broken; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_memory.complexity import Fit, Order
from pytest_memory.model.benchmark import BenchmarkMetric
from pytest_memory.units import format_count, human_bytes


def scaling_table(sizes: Sequence[float], values: Mapping[BenchmarkMetric, Sequence[int]]) -> str:
    """One line per size: its metrics, and by how much each has grown since the line before."""
    header = ["n"] + [text for metric in values for text in (metric, "growth")]
    rows = [header]
    for index, size in enumerate(sizes):
        row = [f"{size:,g}"]
        for metric, series in values.items():
            row += [_value(metric, series[index]), _growth(series, index)]
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def broken_bound(metric: BenchmarkMetric, bound: Order, fit: Fit) -> str:
    """One sentence: what grows how, and what was promised."""
    found = fit.order
    grows = f"grows like {found}" if found is not None else "grows like no order we know"
    return f"{metric} {grows}, not {bound} as promised ({_formula(metric, fit)})"


def _formula(metric: BenchmarkMetric, fit: Fit) -> str:
    best = fit.best
    constant = _value(metric, round(best.constant))
    if best.factor == 0:
        return f"best fit: {constant}"
    unit = "B" if metric != "allocations" else ""
    curve = best.order.removeprefix("O(").removesuffix(")")
    return f"best fit: {constant} + {best.factor:.3g}{' ' + unit if unit else ''} × {curve}, off by {best.error:.1%}"


def _value(metric: BenchmarkMetric, value: float) -> str:
    return format_count(value) if metric == "allocations" else human_bytes(value)


def _growth(series: Sequence[int], index: int) -> str:
    if index == 0 or not series[index - 1]:
        return ""
    return f"×{series[index] / series[index - 1]:.2f}"
