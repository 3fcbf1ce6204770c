"""The command line: ``pytest-memory``, alias ``benchmem``.

One file per command, listed in ``registry.py`` and imported only when it is invoked; errors become exit codes in
``errors.py`` alone.
"""

from __future__ import annotations

import gc
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line with the arguments of this process, and exit with its code."""
    from pytest_memory.cli.app import run
    from pytest_memory.cli.streams import prepare_streams

    gc.disable()  # one short command: the collector would walk all that was read, again and again, for nothing
    prepare_streams()
    sys.exit(run(sys.argv[1:]))
