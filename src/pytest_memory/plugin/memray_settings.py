"""What the flags and ini keys of pytest-memray's family say."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_memory.declaration import ini_value
from pytest_memory.plugin.options import invalid_value
from pytest_memory.values import NamedTuple

if TYPE_CHECKING:
    from pytest_memory.model import Granularity
    from pytest_memory.plugin.dumps import Dumps
    from pytest_memory.plugin.options import Given, OptionReader

_WORKER_KEY = "pytest_memory_dumps"


class MemraySettings(NamedTuple):
    """The memray face of a session.

    Attributes:
        active: ``--memray``: measure every test.
        report: Print the MEMRAY REPORT.
        most_allocations: How many tests it shows; 0 is all.
        dumps: Where captures are kept, or ``None``.
        stacks: Frames of each call stack in lists of allocations.
        native: Show native frames.
        fail_on_increase: Compare with the last successful run.
        verbosity: Of the lists of allocations.
    """

    active: bool
    report: bool
    most_allocations: int
    dumps: Dumps | None
    stacks: int
    native: bool
    fail_on_increase: bool
    verbosity: int


def read_memray_settings(read: OptionReader, config: pytest.Config) -> MemraySettings:
    """Read them.

    Raises:
        InvalidValue: One that cannot be used.
    """
    active = bool(read.flag("--memray"))
    stacks = read.count("--stacks", 1)
    if stacks == 0:
        given = read.given("--stacks")
        assert given is not None
        raise invalid_value(f"{given.origin}: {given.value!r} shows no frame at all", "write 1 or more")
    return MemraySettings(
        active=active,
        report=active and not read.flag("--hide-memray-summary"),
        most_allocations=read.count("--most-allocations", 5),
        dumps=_dumps(read, config),
        stacks=stacks,
        native=bool(read.flag("--native")),
        fail_on_increase=bool(read.flag("--fail-on-increase")),
        verbosity=_verbosity(config),
    )


def choose_engine_name(read: OptionReader, asked: str) -> tuple[str, str]:
    """The engine, and what asked for it: native frames and captures are memray's alone.

    Where a flag and an ini key disagree, the flag wins.

    Raises:
        InvalidValue: Two of the same rank contradict each other.
    """
    engine = read.given("--memory-engine") if asked != "auto" else None
    report = read.given("--memray")
    if engine is not None and asked == "none" and report is not None and report.value and not report.from_ini:
        raise invalid_value(
            f"{report.origin} measures the heap, but {engine.origin} says 'none'", "drop one of the two"
        )
    for flag in ("--native", "--memray-bin-path", "--memray-bin-prefix"):
        wish = read.given(flag)
        if wish is None or not wish.value:
            continue
        if engine is None or engine.value == "memray" or (engine.from_ini and not wish.from_ini):
            return "memray", wish.origin
        if engine.from_ini == wish.from_ini:
            raise invalid_value(
                f"{wish.origin} needs the memray engine, but {engine.origin} says {engine.value!r}",
                "drop one of the two",
            )
    return asked, engine.origin if engine is not None else ""


def choose_granularity(read: OptionReader, asked: Granularity | None) -> Granularity:
    """What counts: as asked; else every Python object, but with ``--memray`` what memray counts by default.

    Args:
        read: The options.
        asked: What ``--memory-granularity`` says.

    Raises:
        InvalidValue: ``--trace-python-allocators`` together with granularity malloc.
    """
    tracing = read.given("--trace-python-allocators")
    if tracing is not None and tracing.value:
        if asked == "malloc":
            raise invalid_value(
                f"{tracing.origin} counts every Python object, but granularity 'malloc' was asked for too",
                "drop one of the two",
            )
        return "python"
    return asked or ("malloc" if read.flag("--memray") else "python")


def share_dumps(workerinput: dict[str, object], dumps: Dumps | None) -> None:
    """Tell a worker of pytest-xdist where captures go: all workers use one directory and one prefix."""
    if dumps is not None:
        workerinput[_WORKER_KEY] = [str(dumps.directory), dumps.prefix]


def _dumps(read: OptionReader, config: pytest.Config) -> Dumps | None:
    prefix = _prefix(read)
    shared = getattr(config, "workerinput", {}).get(_WORKER_KEY)
    where = read.given("--memray-bin-path")
    if shared is None and where is None:
        return None
    from pytest_memory.plugin.dumps import Dumps

    if shared is not None:
        return Dumps(Path(shared[0]), shared[1])
    assert where is not None
    base = config.rootpath if where.from_ini else config.invocation_params.dir
    directory = Path(base, str(where.value)).absolute()
    _check_directory(directory, where)
    return Dumps(directory, prefix or uuid.uuid4().hex)


def _check_directory(directory: Path, given: Given) -> None:
    nearest = next(folder for folder in (directory, *directory.parents) if folder.exists())
    if not nearest.is_dir():
        raise invalid_value(f"{given.origin}: {str(nearest)!r} is not a directory", "name a directory")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise invalid_value(f"{given.origin}: {str(nearest)!r} is read-only", "name a directory you may write to")


def _prefix(read: OptionReader) -> str:
    """How the names of captures begin; empty if nobody said."""
    given = read.given("--memray-bin-prefix")
    if given is None:
        return ""
    prefix = str(given.value)
    if "/" in prefix or os.sep in prefix or "\0" in prefix:
        raise invalid_value(
            f"{given.origin}: {prefix!r} is not the beginning of a file name", "put directories into --memray-bin-path"
        )
    return prefix


def _verbosity(config: pytest.Config) -> int:
    written = str(ini_value(config, "verbosity_memray") or "auto").strip()
    if written == "auto":
        return config.get_verbosity()
    try:
        return int(written)
    except ValueError:
        raise invalid_value(
            f"ini key verbosity_memray: {written!r} is not a whole number", "write one, or 'auto'"
        ) from None
