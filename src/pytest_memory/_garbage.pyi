from types import ModuleType
from typing import final

@final
class Hidden:
    """Modules of a package, their functions and classes and what those consist of, out of the collector's sight."""

    def __new__(cls, package: str, modules: list[ModuleType], others: list[object]) -> Hidden: ...
    def __len__(self) -> int: ...
    def show(self) -> None:
        """Show them to the collector again; a second call does nothing."""
