"""What a memory pass runs, and how many passes there are to be."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pytest_memory.errors import InvalidValue
from pytest_memory.model import Detail, Granularity

Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Action:
    """A call to measure, with what has to happen around each of its runs, unmeasured.

    Attributes:
        target: What is called.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        setup: Runs before every run; may return ``(args, kwargs)`` for it.
        teardown: Runs after every run, with the same arguments as the target.
    """

    target: Callable[..., object]
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    setup: Callable[[], object] | None = None
    teardown: Callable[..., object] | None = None

    def prepare(self) -> tuple[Call, Call | None]:
        """Run the setup, and give the call to measure and the one to make after it.

        Raises:
            TypeError: The setup returned arguments although there are some already, or not a pair of them.
        """
        args, kwargs = self.args, self.kwargs
        given = self.setup() if self.setup is not None else None
        if given:
            if args or kwargs:
                raise TypeError("can't use args or kwargs if setup returns the arguments")
            if not isinstance(given, (tuple, list)) or len(given) != 2:
                raise TypeError(f"setup returned {given!r}; return (args, kwargs), or nothing")
            args, kwargs = given
        after = None if self.teardown is None else partial(self.teardown, *args, **kwargs)
        return _bound(self.target, args, kwargs), after

    def run(self) -> None:
        """Run once, unmeasured, with setup and teardown."""
        call, after = self.prepare()
        call()
        if after is not None:
            after()


@dataclass(frozen=True, slots=True, kw_only=True)
class PassPlan:
    """How many passes, and what one of them is.

    Attributes:
        repeats: Number of passes (at least one is made), or ``None`` to stop when the peak has settled: a pass is
            *stale* if it did not lower the smallest peak so far, and passes end after ``patience`` stale ones in a
            row, after ``max_time`` seconds, or after ``max_passes``, but never before ``min_passes``.
        warmup: Unmeasured runs before the first pass; none where every pass has its own process.
        calls: Calls of the target inside each pass, measured together.
        max_time: Seconds, for ``repeats=None``.
        min_passes: For ``repeats=None``.
        max_passes: For ``repeats=None``.
        patience: For ``repeats=None``.
        isolate: Make every pass in a process of its own, started afresh, and read its resident peak as well.
        granularity: What counts as an allocation.
        detail: Attribution for those who look at the readings; the numbers do not depend on it.

    Raises:
        InvalidValue: A number that makes no sense.
    """

    repeats: int | None = 1
    warmup: int = 0
    calls: int = 1
    max_time: float | None = None
    min_passes: int = 2
    max_passes: int = 10
    patience: int = 2
    isolate: bool = False
    granularity: Granularity = "python"
    detail: Detail = "counters"

    def __post_init__(self) -> None:
        if self.calls < 1:
            raise InvalidValue(f"calls={self.calls!r}: a pass without a call measures nothing", "use calls=1 or more")
        if self.warmup < 0:
            raise InvalidValue(f"warmup={self.warmup!r} is negative", "use warmup=0 for none")
        if self.max_time is not None and not self.max_time >= 0:
            raise InvalidValue(f"max_time={self.max_time!r} is not a number of seconds", "use a number of at least 0")

    def enough(self, peaks: Sequence[int], seconds: float) -> bool:
        """Whether these passes, made in this time, will do.

        Args:
            peaks: Peak of each pass so far, in bytes.
            seconds: Time since before the first pass.
        """
        if self.repeats is not None:
            return len(peaks) >= max(1, self.repeats)
        if len(peaks) < max(1, self.min_passes):
            return False
        stale = len(peaks) - 1 - peaks.index(min(peaks))
        late = self.max_time is not None and seconds >= self.max_time
        return late or stale >= self.patience or len(peaks) >= self.max_passes


def _bound(target: Callable[..., object], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
    """The call without arguments, costing no memory of its own.

    ``partial``, or a lambda over ``*args, **kwargs``, builds a dictionary for keyword arguments at each call, inside
    the window. A call with its arguments written out does not.
    """
    if not args and not kwargs:
        return target
    if not all(name.isidentifier() and not keyword.iskeyword(name) for name in kwargs):
        return partial(target, *args, **kwargs)
    names = {f"argument_{position}": value for position, value in enumerate(args)}
    named = {f"keyword_{position}": value for position, value in enumerate(kwargs.values())}
    written = [*names, *(f"{key}={value}" for key, value in zip(kwargs, named, strict=True))]
    code = compile(f"lambda: target({', '.join(written)})", "<memory pass>", "eval")
    # Run once without the target: since Python 3.12 new code is instrumented, in memory of its own, at its first run.
    eval(code, {"target": _takes_anything, **names, **named})()
    call: Call = eval(code, {"target": target, **names, **named})
    return call


def _takes_anything(*args: object, **kwargs: object) -> None:
    pass
