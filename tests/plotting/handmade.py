"""Hand-built runs in pytest-benchmark's format."""

import json
import math
from pathlib import Path

CURVES = {
    "test_flat": lambda n: 4_096,
    "test_linear": lambda n: 1_000 + 56 * n,
    "test_sort": lambda n: 8 * n * math.log2(1 + n),
    "test_square": lambda n: 16 * n * n,
}
SIZES = (100, 1_000, 10_000, 100_000)


def entry(name, peak=None, *, seconds=0.001, params=None, extra=None, passes=1):
    """One benchmark."""
    blob = {}
    if peak is not None:
        peaks = [int(peak * (1 + 0.1 * number)) for number in range(passes)]
        blob = {"benchmem": {"peak_bytes": peaks, "allocations": [7] * passes, "total_bytes": [3 * p for p in peaks]}}
    return {
        "fullname": name,
        "params": params,
        "group": None,
        "stats": {"min": seconds, "max": 2 * seconds, "mean": 1.5 * seconds},
        "extra_info": blob | (extra or {}),
    }


def write(path: Path, entries) -> Path:
    """A run."""
    path.write_text(json.dumps({"benchmarks": list(entries)}))
    return path
