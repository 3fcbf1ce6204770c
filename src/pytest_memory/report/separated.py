"""Rows as CSV: raw numbers, empty where there is nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence


def render_csv(rows: Iterable[Sequence[object]]) -> str:
    """Write rows, each ended by a plain line end; floats have all the digits that tell them from their neighbours."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
