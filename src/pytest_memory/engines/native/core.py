"""The C core, as mypy sees it."""

from __future__ import annotations

from typing import Protocol

SiteNumbers = tuple[int, int, int, int, int]
"""Bytes and count at the peak, bytes and count live at the end, number of the stack."""


class CoreWindow(Protocol):
    """An open window of the C core."""

    def close(self) -> tuple[int, int, int, int, list[SiteNumbers] | None]:
        """Peak, allocated, allocations, retained, and the sites if they were asked for.

        Raises:
            RuntimeError: The reading is worth nothing; the message says why.
        """
        ...


class Core(Protocol):
    """The functions of the extension module."""

    MALLOC: int
    PYTHON: int

    def install(self) -> None:
        """Put the hooks in place, once in a process.

        Raises:
            RuntimeError: It cannot be done here; the message says why.
        """
        ...

    def open(self, ledger: int, sites: bool, every: bool, thread_only: bool, seed: int, /) -> CoreWindow:
        """Open a window on a ledger.

        Raises:
            RuntimeError: It cannot be done now; the message says why.
        """
        ...

    def places(self, ledger: int, site: int, /) -> tuple[int, ...]:
        """The frames of a stack, most recent first, as ``code << 32 | line``; until the next window opens."""
        ...

    def code(self, ledger: int, number: int, /) -> tuple[str, str]:
        """File name and qualified name of a code object."""
        ...

    def mute(self) -> None:
        """Leave what this thread allocates from here on out of all windows."""
        ...

    def unmute(self) -> None:
        """Undo one :meth:`mute`."""
        ...

    def aside(self) -> None:
        """Unhook the Python allocators, if no window needs them."""
        ...

    def held(self) -> int:
        """Resident bytes of the engine's own tables; slow."""
        ...

    def libraries(self) -> list[str]:
        """Paths of the loaded shared objects."""
        ...
