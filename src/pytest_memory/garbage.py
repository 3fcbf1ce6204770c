"""Keeps out of the garbage collector's way, and keeps it out of ours."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from types import ModuleType

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def without_collections() -> Iterator[None]:
    """Spare a block that makes thousands of containers and no cycles the collector's walks through all there is."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def loading(package: str, at_end: Callable[[Callable[[], None]], object]) -> Iterator[None]:
    """Load modules of a package in a session of somebody else's tests.

    Nothing is collected meanwhile: it would take longer than the loading. Afterwards the package's code is out of the
    collector's sight, as :func:`gc.freeze` does with all there is: it lives as long as the session, and tests that
    collect garbage, or count the objects there are, should neither pay for it nor find it. Where the extension
    was not built, it stays in sight.

    Args:
        package: Its name.
        at_end: Takes what is to be called when the session ends.
    """
    with without_collections():
        yield
        try:
            from ._garbage import Hidden
        except ImportError:  # there was no compiler
            return
        below = f"{package}."
        ours = [module for name, module in sys.modules.items() if name == package or name.startswith(below)]
        at_end(Hidden(package, [module for module in ours if isinstance(module, ModuleType)]).show)
