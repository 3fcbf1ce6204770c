"""Keeps out of the garbage collector's way, and keeps it out of ours."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader
from types import ModuleType

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._garbage import Hidden


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

    Nothing is collected meanwhile: it would take longer than the loading. Afterwards the package's code, as far as it
    is loaded, is out of the collector's sight, as :func:`gc.freeze` does with all there is: it lives as long as the
    session, and tests that collect garbage, or count the objects there are, should neither pay for it nor find it.
    Where the extension was not built, it stays in sight.

    Args:
        package: Its name.
        at_end: Takes what is to be called when the session ends.
    """
    with without_collections():
        yield
        hidden = hide_code(package)
        if hidden is not None:
            at_end(hidden.show)


def hide_code(package: str) -> Hidden | None:
    """Take what is loaded of a package out of the collector's sight; ``None`` where that cannot be done."""
    try:
        from ._garbage import Hidden
    except ImportError:  # there was no compiler
        return None
    below = f"{package}."
    loaded = sys.modules.copy()  # at once: another thread may import something, also while a collection calls back
    ours = [module for name, module in loaded.items() if name == package or str(name).startswith(below)]
    modules = [module for module in ours if isinstance(module, ModuleType)]
    specs = [module.__spec__ for module in modules if type(module.__spec__) is ModuleSpec]
    loaders = [spec.loader for spec in specs if isinstance(spec.loader, (SourceFileLoader, ExtensionFileLoader))]
    lists = [part for part in gc.get_referents(*specs) if type(part) is list]
    try:
        return Hidden(package, modules, [*specs, *loaders, *lists])
    except MemoryError:
        return None
