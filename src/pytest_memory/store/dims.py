"""Dims: the scalars by which a benchmark can be selected, grouped and plotted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_memory.model.benchmark import BLOB

Dim = str | int | float

RESERVED = ("snapshot", "id", "value")
"""Columns of the long frame; a parameter of that name becomes ``param.value``, an extra ``extra.value``."""

_UNSERIALIZABLE = "UNSERIALIZABLE["  # what pytest-benchmark writes for a value that JSON cannot hold


def dims_of(nodeid: str, group: str | None, params: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Dim]:
    """Everything a benchmark can be told from others by; later sources win.

    Args:
        nodeid: pytest's node id; its ``[...]`` is never parsed.
        group: pytest-benchmark's group.
        params: The parameters of the test.
        extra: ``extra_info``.

    Returns:
        ``node.*``, then parameters, then extras; what is not text or a number is left out.
    """
    dims: dict[str, Dim] = dict(node_dims(nodeid, group))
    for prefix, source in (("param", params), ("extra", extra)):
        for name, value in source.items():
            if name != BLOB and _is_dim(value):
                dims[f"{prefix}.{name}" if name in RESERVED else name] = value
    return dims


def node_dims(nodeid: str, group: str | None = None) -> dict[str, str]:
    """What the node id and the group say; a part that cannot be determined is absent."""
    dims = {"node.group": group} if group else {}
    module, separator, rest = nodeid.partition("::")
    if separator:
        segments = rest.partition("[")[0].split("::")
        dims |= {"node.module": module, "node.func": segments[-1]}
        if len(segments) > 1:
            dims["node.class"] = segments[-2]
    return dims


def matches(dims: Mapping[str, Dim], conditions: Sequence[tuple[str, str]]) -> bool:
    """Whether every condition ``(name, text)`` holds; a number matches any way of writing it (``100`` and ``1e2``)."""
    return all(name in dims and _equals(dims[name], text) for name, text in conditions)


def without_token(benchmark_id: str, value: str) -> str:
    """An id without one of the values in its brackets; the id itself if the value is not among them."""
    head, bracket, rest = benchmark_id.partition("[")
    if not bracket or not rest.endswith("]"):
        return benchmark_id
    tokens = rest[:-1].split("-")
    if value not in tokens:
        return benchmark_id
    tokens.remove(value)
    return f"{head}[{'-'.join(tokens)}]" if tokens else head


def _is_dim(value: object) -> bool:
    if isinstance(value, str):
        return not value.startswith(_UNSERIALIZABLE)
    return isinstance(value, (int, float))


def _equals(value: Dim, text: str) -> bool:
    if str(value) == text:
        return True
    if isinstance(value, (str, bool)):
        return False
    try:
        return value == float(text)
    except ValueError:
        return False
