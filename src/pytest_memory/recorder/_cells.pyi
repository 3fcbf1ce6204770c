from collections.abc import Callable
from mmap import mmap

class Cells:
    def __init__(
        self,
        memory: mmap,
        states: tuple[int, int],
        names: int,
        stride: int,
        room: int,
        clock: Callable[[], float] | None = None,
        /,
    ) -> None: ...
    def begin(self, nodeid: str, activity: int = 1, /) -> float: ...
    def enter(self, activity: int, /) -> float: ...
    def release(self) -> None: ...
