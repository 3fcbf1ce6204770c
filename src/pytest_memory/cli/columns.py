"""What the options of ``compare`` that choose rows and columns mean."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_memory.cli.errors import CommandFailed, WrongUsage
from pytest_memory.errors import InvalidValue
from pytest_memory.report.comparison import SORTS
from pytest_memory.report.values import GROUP_KEYS, Field
from pytest_memory.stats import STATS
from pytest_memory.store.benchmark_json import METRICS, Metric, resolve_metric
from pytest_memory.store.dims import RESERVED

TIME_STATS = (*STATS, "iqr")

_EXTRA = "extra:"
_PARAM = "param:"


def check_sort(sort: str) -> None:
    """Refuse an order that does not exist.

    Raises:
        CommandFailed: It is none of ``SORTS``.
    """
    if sort not in SORTS:
        raise CommandFailed(f"unknown --sort {sort!r}", f"choose from {', '.join(SORTS)}")


def check_stat(metric: Metric, stat: str | None) -> None:
    """Refuse a statistic that a metric has not.

    Raises:
        CommandFailed: It does not exist, or is ``iqr`` of a memory metric.
    """
    allowed = TIME_STATS if metric == "time" else STATS
    if stat is not None and stat not in allowed:
        raise CommandFailed(f"unknown --stat {stat!r} of {metric}", f"choose from {', '.join(allowed)}")


def parse_columns(columns: str, stat: str) -> tuple[Field, ...]:
    """Read ``--columns`` and ``--stat`` of the wide table.

    Args:
        columns: Metrics and ``extra:NAME``, separated by commas.
        stat: ``all``, or statistics separated by commas.

    Raises:
        WrongUsage: A column that does not exist.
        CommandFailed: A statistic that does not exist.
    """
    stats = STATS if stat == "all" else tuple(_items(stat))
    fields: list[Field] = []
    for name in _items(columns):
        if name.startswith(_EXTRA):
            fields.append(Field(None, extra=_extra(name)))
            continue
        try:
            metric = resolve_metric(name)
        except InvalidValue:
            known = ", ".join((*METRICS, f"{_EXTRA}NAME"))
            raise WrongUsage(f"unknown column metric {name!r}", f"choose from {known}") from None
        for one in stats:
            check_stat(metric, one)
            fields.append(Field(metric, one))
    if not fields:
        raise WrongUsage(f"unknown column metric {columns!r}", "name at least one")
    return tuple(dict.fromkeys(fields))


def parse_groups(group_by: str | None) -> tuple[str, ...]:
    """Read ``--group-by``; ``fullname`` if it is not given, and nothing if it is empty.

    Raises:
        WrongUsage: A key that does not exist.
    """
    keys = tuple(_items("fullname" if group_by is None else group_by))
    for key in keys:
        if key not in GROUP_KEYS[:-1] and not (key.startswith(_PARAM) and key != _PARAM):
            raise WrongUsage(f"unknown --group-by key {key!r}", f"choose from {', '.join(GROUP_KEYS)}")
    return keys


def parse_where(conditions: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Read ``--where KEY=VALUE``; all of them must hold.

    Raises:
        WrongUsage: There is no key, or no equals sign.
    """
    parsed = []
    for condition in conditions:
        key, equals, value = condition.partition("=")
        if not equals or not key.strip():
            raise WrongUsage(f"bad --where {condition!r}", "write it as KEY=VALUE")
        parsed.append((key.strip().removeprefix(_PARAM), value.strip()))
    return tuple(parsed)


def _extra(name: str) -> str:
    extra = name.removeprefix(_EXTRA)
    if not extra or extra in RESERVED:
        raise WrongUsage(f"unknown column metric {name!r}: {', '.join(RESERVED)} and nothing are no names", "")
    return extra


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
