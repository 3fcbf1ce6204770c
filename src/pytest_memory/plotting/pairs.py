"""Two runs laid side by side, benchmark by benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from pytest_memory.plotting.points import Point, Snapshot
from pytest_memory.plotting.style import shown, shown_change


@dataclass(frozen=True, slots=True)
class Pair:
    """One benchmark in two runs."""

    old: Point
    new: Point

    @property
    def difference(self) -> float:
        """New minus old, in the unit of the values."""
        return self.new.value - self.old.value

    @property
    def percent(self) -> float:
        """The difference in percent of the old value, which must be above 0."""
        return 100 * self.difference / self.old.value

    def hover(self, unit: str, old_label: str, new_label: str) -> str:
        """What a newcomer needs to know of it, as HTML."""
        return (
            f"<b>{escape(self.new.id)}</b>"
            f"<br>{escape(old_label)}: {shown(self.old.value, unit)}"
            f"<br>{escape(new_label)}: <b>{shown(self.new.value, unit)}</b>"
            f"<br>change: {shown_change(self.old.value, self.new.value, unit)}"
        )


def paired(old: Snapshot, new: Snapshot) -> list[Pair]:
    """Benchmarks of both runs, paired by node id alone: their extras may well differ."""
    after = new.by_id
    return [Pair(point, after[name]) for name, point in old.by_id.items() if name in after]
