"""The command line: ``pytest-memory``, alias ``benchmem``.

One file per command, listed in ``registry.py`` and imported only when it is invoked; errors become exit codes in
``errors.py`` alone.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line with the arguments of this process, and exit with its code."""
    gc.disable()  # one short command: the collector would walk all that was read, again and again, for nothing
    try:
        from pytest_memory.cli.app import run
        from pytest_memory.cli.streams import prepare_streams

        prepare_streams()
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while the modules were imported; later ones end in run()
        code = 130
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End the process without taking apart what was read, a million objects one by one."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # who reads it has gone, which is no news at this point
            stream.flush()
    os._exit(code)
