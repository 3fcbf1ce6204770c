from collections.abc import Sequence
from typing import final

from pytest_memory.model import StackFrame
from pytest_memory.plugin.transport import Kept

@final
class Packer:
    """Packs attempts in which nothing went wrong; see keeping.py.

    Attributes:
        frames: All frames of their call stacks so far, by number; to be read only.
    """

    @property
    def frames(self) -> Sequence[StackFrame]: ...
    def __new__(cls, notable: int, deepest: int) -> Packer: ...
    def pack(self, phases: list[Kept], /) -> tuple[bytes, float, int, int] | None:
        """The bytes, the wall time, the peak and the growth of an attempt; None if there is more to it than numbers."""
