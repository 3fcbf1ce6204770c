from types import ModuleType
from typing import final

@final
class Hidden:
    """A package's code out of the collector's sight."""

    def __new__(cls, package: str, modules: list[ModuleType]) -> Hidden: ...
    def __len__(self) -> int: ...
    def show(self) -> None:
        """Show it to the collector again; a second call does nothing."""
