"""Run stress programs under valgrind's memcheck, each in a whole Python, and tell what it holds against the engine.

``memcheck.py [--seconds 1] [NAME...]``; exit status 1 for any invalid access or free, whosever, and for any other error
whose stack has the engine in it. CPython itself makes memcheck complain of values that it takes for uninitialised, with
the engine and without: those are counted and no more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "native"))

from helper import build  # noqa: E402

NAMES = ("threads", "fork", "dlopen", "signals", "recursion")
# Threads take turns: two that spin would keep a third from running for minutes.
VALGRIND = (
    "valgrind",
    "--xml=yes",
    "--fair-sched=try",
    "--child-silent-after-fork=yes",
    "--leak-check=no",
    "--num-callers=40",
)
GRAVE = ("Invalid", "Mismatched", "Overlap")


def frames(error: ET.Element) -> list[tuple[str, str]]:
    """Object and function of the frames in which an error happened."""
    stack = error.find("stack")
    return [(frame.findtext("obj", ""), frame.findtext("fn", "?")) for frame in stack.iter("frame")]


def is_ours(error: ET.Element) -> bool:
    """Whether an error may be the engine's doing."""
    grave = error.findtext("kind", "").startswith(GRAVE)
    return grave or any("/_native." in library for library, _ in frames(error))


def run(name: str, seconds: float, folder: Path, library: Path) -> str:
    """What went wrong, or nothing but how many other errors there were."""
    result = folder / f"{name}.xml"
    command = [*VALGRIND, f"--xml-file={result}", sys.executable, str(HERE / "programs.py"), name, str(seconds)]
    environment = {**os.environ, "PYTHONMALLOC": "malloc", "STRESS_LIBRARY": str(library)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode or not done.stdout.endswith("ok\n"):
        return f"FAILED: status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
    errors = list(ET.parse(result).iter("error"))
    ours = [error for error in errors if is_ours(error)]
    told = [f"{error.findtext('kind')}: {' < '.join(function for _, function in frames(error)[:12])}" for error in ours]
    return (
        "\n  ".join([f"FAILED: {len(ours)} errors", *told]) if ours else f"ok ({len(errors)} of the interpreter's own)"
    )


def main() -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each program")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default: all")
    options = parser.parse_args()
    if not shutil.which(VALGRIND[0]):
        print("valgrind is not installed", file=sys.stderr)
        return 1
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        library = build(Path(folder))
        if library is None:
            print("there is no C compiler", file=sys.stderr)
            return 1
        for name in options.names or NAMES:
            said = run(name, options.seconds, Path(folder), library)
            failed += said.startswith("FAILED")
            print(f"memcheck  {name:10} {said}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
