"""Run every stress program under every environment, each in a process of its own, and say which failed.

``python tests/stress/run.py [--seconds 5] [--rounds 1] [NAME ...]``; exit status 1 if anything failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "native"))

from helper import build  # noqa: E402

NAMES = (
    "threads",
    "fork",
    "dlopen",
    "signals",
    "native_signals",
    "recursion",
    "out_of_memory",
    "processes",
    "tracing",
    "interpreters",
    "finalisation",
)

ENVIRONMENTS = {
    "plain": {},
    "malloc": {"PYTHONMALLOC": "malloc"},
    "debug": {"PYTHONMALLOC": "debug"},
    "pymalloc_debug": {"PYTHONMALLOC": "pymalloc_debug"},
    "malloc_debug": {"PYTHONMALLOC": "malloc_debug"},
    "perturb": {"MALLOC_PERTURB_": "165"},
    "check": {"MALLOC_CHECK_": "3"},
    "dev": {"PYTHONDEVMODE": "1"},
    "tracemalloc": {"PYTHONTRACEMALLOC": "5"},
}


def run(name: str, seconds: float, library: Path, environment: dict[str, str]) -> str:
    """What went wrong, or nothing."""
    try:
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", str(HERE / "programs.py"), name, str(seconds)],
            env={**os.environ, "STRESS_LIBRARY": str(library), "PYTHONWARNINGS": "ignore", **environment},
            capture_output=True,
            text=True,
            timeout=60 + 10 * seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    if done.returncode == 0 and done.stdout.endswith("ok\n"):
        return ""
    return f"status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="for each program in each environment")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--environment", action="append", choices=ENVIRONMENTS, help="default: all")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default: all")
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        library = build(Path(folder))
        if library is None:
            print("there is no C compiler")
            return 1
        for number in range(options.rounds):
            for environment in options.environment or ENVIRONMENTS:
                for name in options.names or NAMES:
                    begun = time.monotonic()
                    problem = run(name, options.seconds, library, ENVIRONMENTS[environment])
                    failures += bool(problem)
                    spent = time.monotonic() - begun
                    print(f"{number + 1}  {environment:15} {name:15} {spent:5.1f} s  {problem or 'ok'}", flush=True)
    print(f"{failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
