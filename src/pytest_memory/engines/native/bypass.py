"""Libraries known to bring an allocator of their own, whose blocks no hook on malloc can see."""

from __future__ import annotations

from collections.abc import Iterable

# How the file name of a loaded shared object begins -> how to name it to the reader.
_KNOWN: tuple[tuple[tuple[str, ...], str], ...] = (
    (("libarrow.so",), "pyarrow (mimalloc or jemalloc pools)"),
    (("polars", "_polars"), "polars (jemalloc)"),
    (("libjemalloc",), "jemalloc"),
    (("libtcmalloc",), "tcmalloc"),
    (("libmimalloc",), "mimalloc"),
    (("libtbbmalloc",), "oneTBB's scalable allocator"),
    (("libcuda.so", "libcudart"), "CUDA (device memory)"),
)


def bypassing(libraries: Iterable[str]) -> tuple[str, ...]:
    """Name those of the loaded libraries that bypass malloc, in the order of the list above.

    Args:
        libraries: Paths of the loaded shared objects.
    """
    names = [name for library in libraries if ".so" in (name := library.rpartition("/")[2])]
    return tuple(text for beginnings, text in _KNOWN if any(name.startswith(beginnings) for name in names))
