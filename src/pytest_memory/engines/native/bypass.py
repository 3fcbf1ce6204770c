"""Libraries known to bring an allocator of their own, whose blocks no hook on malloc can see."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath

# Name of the file of a loaded shared object -> how to name it to the reader.
_KNOWN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"libarrow\.so"), "pyarrow (mimalloc or jemalloc pools)"),
    (re.compile(r"_?polars.*\.so"), "polars (jemalloc)"),
    (re.compile(r"libjemalloc.*\.so"), "jemalloc"),
    (re.compile(r"libtcmalloc.*\.so"), "tcmalloc"),
    (re.compile(r"libmimalloc.*\.so"), "mimalloc"),
    (re.compile(r"libtbbmalloc.*\.so"), "oneTBB's scalable allocator"),
    (re.compile(r"libcuda\.so|libcudart.*\.so"), "CUDA (device memory)"),
)


def bypassing(libraries: Iterable[str]) -> tuple[str, ...]:
    """Name those of the loaded libraries that bypass malloc, in the order of the list above.

    Args:
        libraries: Paths of the loaded shared objects.
    """
    names = {PurePath(library).name for library in libraries}
    return tuple(text for pattern, text in _KNOWN if any(pattern.match(name) for name in names))
