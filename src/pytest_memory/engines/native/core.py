"""The C core, as mypy sees it: loaded by nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pytest_memory.engines.base import EngineWindow, HeapReading, WindowRequest
    from pytest_memory.model import HeapUsage

SiteNumbers = tuple[int, int, int, int, int, int]
"""Bytes at the peak and those of them that are no estimate, count at the peak, bytes and count live at the end, number
of the stack."""


class Finish(Protocol):
    """Makes a reading of a window with call stacks. What it allocates counts nowhere."""

    def __call__(self, request: WindowRequest, usage: HeapUsage, sites: list[SiteNumbers], /) -> HeapReading:
        """There is at least one site."""
        ...


class Opener(Protocol):
    """What opens windows as one request asks."""

    def open(self, seed: int, /) -> EngineWindow:
        """Open a window.

        Raises:
            WindowRefused: It cannot be done now; the message says why. RuntimeError where that cannot be loaded.
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

    def answers(self, reading: type[HeapReading], usage: type[HeapUsage], /) -> None:
        """Say what windows answer with; before the first opens."""
        ...

    def opener(
        self,
        ledger: int,
        sites: bool,
        every: bool,
        thread_only: bool,
        outside: int,
        finish: Finish | None,
        request: WindowRequest,
        /,
    ) -> Opener:
        """What opens windows on a ledger; closing one gives its reading, which ``finish`` makes of call stacks.

        It is ``None`` where none are asked for.
        """
        ...

    def places(self, ledger: int, site: int, /) -> tuple[int, ...]:
        """The frames of a stack, most recent first, as ``code << 32 | line``; until the next window opens."""
        ...

    def code(self, ledger: int, number: int, /) -> tuple[str, str]:
        """File name and qualified name of a code object."""
        ...

    def generation(self, ledger: int, /) -> int:
        """Another number than before if code objects may have other numbers than before; 0 if there are none yet."""
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
