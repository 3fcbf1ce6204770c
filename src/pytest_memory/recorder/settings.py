"""What a recorder is told when it is started."""

from __future__ import annotations


class RecorderSettings:
    """What the recorder is to do; travels as JSON in its command line.

    Attributes:
        session: Folder of the session, with the breadcrumb of the first process in it.
        owner: Process id of the first process; the recorder ends when it does.
        interval: Seconds between two samples.
        memlog: Where to write the log in pytest-memlog's format; ``None`` for nowhere.
        threshold: Bytes at which the memory guard stops a test; ``None`` without guard.
        last_resort: Bytes at which it ends the process.
        autopsy: ``module:function`` that makes text of the session's timeline and the places of its new deaths.
        report: Descriptor to which the recorder reports, one JSON object a line.
    """

    __slots__ = ("autopsy", "interval", "last_resort", "memlog", "owner", "report", "session", "threshold")

    def __init__(
        self,
        *,
        session: str,
        owner: int,
        interval: float,
        memlog: str | None,
        threshold: int | None,
        last_resort: int | None,
        autopsy: str,
        report: int = -1,
    ) -> None:
        self.session = session
        self.owner = owner
        self.interval = interval
        self.memlog = memlog
        self.threshold = threshold
        self.last_resort = last_resort
        self.autopsy = autopsy
        self.report = report

    def arguments(self, report: int) -> dict[str, object]:
        """The arguments of this class by name, with another ``report``; JSON types."""
        return {name: getattr(self, name) for name in self.__slots__} | {"report": report}
