from typing import final

@final
class Hidden:
    """Objects out of the collector's sight."""

    def __new__(cls, objects: list[object]) -> Hidden: ...
    def __len__(self) -> int: ...
    def show(self) -> None:
        """Show them to the collector again; a second call does nothing."""
