"""The C core, as mypy sees it: loaded by nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from pytest_memory.engines.base import EngineWindow, HeapReading
    from pytest_memory.model import AllocationSite, HeapUsage, StackFrame

    Frames = tuple[StackFrame, ...]

    Stacks = tuple[dict[int, StackFrame], type[AllocationSite], Frames, Frames, Callable[[Frames], Frames] | None]
    """What call stacks are told as: the frames known so far by ``code << 32 | line``, which makes those that are
    missing; a site; the frames of a stack without any of Python's, and those of all that found no room; what makes of a
    stack's frames those to be shown, where that is called for."""


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
    KEPT_FRAMES: int

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
        every: bool,
        thread_only: bool,
        outside: int,
        stacks: Stacks | None,
        limit: int,
        leaks: bool,
        coarse: bool = False,
        /,
    ) -> Opener:
        """What opens windows on a ledger; closing one gives its reading. What that allocates counts nowhere.

        Args:
            ledger: Which.
            every: Capture each call stack, in place of a sample.
            thread_only: Count the calling thread alone.
            outside: See :attr:`pytest_memory.engines.base.WindowRequest.outside`.
            stacks: What call stacks are told as; ``None`` to capture none.
            limit: Of how many stacks live at the peak to tell; negative for all.
            leaks: Tell of those with something live at the end.
            coarse: A sample is to be small.
        """
        ...

    def code(self, ledger: int, number: int, /) -> tuple[str, str]:
        """File name and qualified name of a code object."""
        ...

    def line(self, code: CodeType, offset: int, /) -> int:
        """The line of the instruction at a byte offset; the first of the code object if it has none."""
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
