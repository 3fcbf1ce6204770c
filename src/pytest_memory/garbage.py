"""Keeps out of the garbage collector's way, and keeps it out of ours."""

from __future__ import annotations

import builtins
import gc
import sys
from contextlib import contextmanager
from types import (
    CellType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    ModuleType,
)

from .values import FieldDescriptor

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PARTS = frozenset(
    (
        CellType,
        FieldDescriptor,
        GetSetDescriptorType,
        MemberDescriptorType,
        MethodDescriptorType,
        classmethod,
        dict,
        property,
        staticmethod,
        tuple,
    )
)
"""What functions and classes consist of, as far as the collector looks at it."""


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
        at_end(Hidden(code_of(package)).show)


def code_of(package: str) -> list[object]:
    """The modules, functions and classes of a package, as far as they are loaded, and what these consist of."""
    code: list[object] = []
    parts: list[object] = []
    below = f"{package}."
    for name, module in list(sys.modules.items()):
        if (name == package or name.startswith(below)) and isinstance(module, ModuleType):
            code += [module, vars(module), module.__spec__, module.__loader__]
            code += [part for part in gc.get_referents(module.__spec__) if type(part) is list]
            parts += [member for member in vars(module).values() if isinstance(member, (FunctionType, type))]
    seen = {id(vars(builtins)), *map(id, code)}
    while parts:
        fresh = []
        for part in parts:
            if id(part) not in seen and (type(part) in _PARTS or _is_of(package, part)):
                seen.add(id(part))
                fresh.append(part)
                if isinstance(part, FunctionType):  # what decorates it may be another module's
                    seen.add(id(part.__globals__))
        code += fresh
        parts = list(filter(gc.is_tracked, gc.get_referents(*fresh)))
    return code


def _is_of(package: str, part: object) -> bool:
    """Whether it is a function or class of the package."""
    if not isinstance(part, (FunctionType, type)):
        return False
    home = str(part.__module__)
    return home == package or home.startswith(f"{package}.")
