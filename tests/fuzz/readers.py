"""Feed the commands that read runs what libFuzzer makes of good files; a traceback or a hang ends it.

    pip install atheris                  (it has wheels for Linux and macOS)
    python tests/fuzz/readers.py -max_total_time=3600 -timeout=20

Every option is libFuzzer's. What was tried is kept in a folder made for it, whose name is printed; a file that was
answered with a traceback is left as ``crash-…``, and ``python tests/fuzz/readers.py crash-…`` shows it again.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pytest_memory"]):
    from pytest_memory.cli import columns, compare, gate, output, pivot, runs  # noqa: F401 (instrumented)
    from pytest_memory.cli.app import run
    from pytest_memory.store import benchmark_json, benchmarks, dims, lineup, measured  # noqa: F401 (instrumented)

FOLDER = Path(tempfile.mkdtemp(prefix="pytest-memory-fuzz-"))
FILE, GOOD = FOLDER / "file.json", FOLDER / "good.json"

ENTRY = {
    "fullname": "t.py::C::a[1-x]",
    "group": "g",
    "params": {"n": 1, "k": "x"},
    "stats": {
        "min": 0.1,
        "max": 0.3,
        "mean": 0.2,
        "median": 0.2,
        "stddev": 0.1,
        "iqr": 0.1,
        "rounds": 3,
        "data": [0.1, 0.2, 0.3],
    },
    "extra_info": {"size": 3, "benchmem": {"peak_bytes": [5, 6], "allocations": [1, 2], "total_bytes": [7, 8]}},
}
PHASE = {"seconds": 0.1, "heap": {"peak": 1, "allocated": 2, "allocations": 3, "retained": 4}, "resident": None}
SAVED = {
    "format": "pytest-memory-run",
    "version": 1,
    "environment": {"engine": "native", "granularity": "python", "python": "3.11", "platform": "linux"},
    "tests": [{"nodeid": "t.py::a", "worker": None, "attempts": [{"outcome": "passed", "phases": {"call": PHASE}}]}],
}
SEEDS = ({"benchmarks": [ENTRY]}, {"benchmarks": [ENTRY | {"fullname": "t.py::b"}, ENTRY]}, SAVED)
COMMANDS = (
    ["compare", str(FILE), str(GOOD), "--fail-on", "time:1%", "--significant"],
    ["compare", str(GOOD), str(FILE), "--metric", "peak", "--statistics", "--sort", "change"],
    ["compare", str(FILE), str(GOOD), "--columns", "time,allocated,extra:size", "--group-by", "func,param:n"],
    ["compare", str(FILE), str(GOOD), "--columns", "time,rss", "--diff", "--format", "md"],
    ["compare", str(FILE), "--pivot", "n", "--columns", "peak", "--format", "json"],
)


def one_input(data: bytes) -> None:
    """Run a command on a file: the first byte says which, the others are the file."""
    FILE.write_bytes(data[1:])
    command = COMMANDS[data[0] % len(COMMANDS)] if data else COMMANDS[0]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(command)
    assert code in (0, 1, 2), code
    assert "Traceback" not in err.getvalue()
    assert out.getvalue() if code == 0 else err.getvalue()


def main() -> None:
    """Start libFuzzer with a corpus of good files."""
    GOOD.write_text(json.dumps(SEEDS[0]))
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    for number, (seed, _) in enumerate((seed, command) for seed in SEEDS for command in COMMANDS):
        (corpus / str(number)).write_bytes(bytes([number % len(COMMANDS)]) + json.dumps(seed).encode())
    print(f"inputs are kept in {corpus}", flush=True)
    chosen = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    atheris.Setup([*sys.argv, *([] if chosen else [str(corpus)])], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
