"""How much memory this process may have: the machine's, and the tightest limit among its cgroups.

Both versions of cgroups are read (cgroups(7)): version 2 from ``memory.max`` of the process's group and of every
group above it, version 1 from ``memory.limit_in_bytes`` in the same way. Inside a container the host's groups are
out of sight and the container's own is the root of what can be seen; the mount table says where that is.
"""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..model import MemoryBounds

_UNLIMITED = 2**60
"""Version 1 writes "no limit" as the largest multiple of a page; nobody has an exbibyte."""


class _Names:
    """What one version of cgroups calls its files."""

    __slots__ = ("events", "limit", "usage")

    def __init__(self, limit: str, usage: str, events: str) -> None:
        self.limit = limit
        self.usage = usage
        self.events = events


_VERSION_1 = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.oom_control")
_VERSION_2 = _Names("memory.max", "memory.current", "memory.events")


def memory_bounds(pid: int | None = None, root: str | os.PathLike[str] = "/") -> MemoryBounds:
    """Read the bounds of a process; what cannot be read is ``None``, and nothing raises.

    Args:
        pid: The process, or ``None`` for this one.
        root: Where ``proc`` and ``sys`` are; tests make their own.
    """
    from ..model import MemoryBounds

    return MemoryBounds(**read_bounds(pid, root))


def read_bounds(pid: int | None = None, root: str | os.PathLike[str] = "/") -> dict[str, Any]:
    """As :func:`memory_bounds`, but only the fields of the value: the recorder reads them when it starts."""
    top = os.fspath(root).rstrip("/")
    memory = _table(f"{top}/proc/meminfo")
    total = memory.get("MemTotal")
    available = memory.get("MemAvailable")
    group = _tightest_group(top, "self" if pid is None else str(pid))
    return {
        "machine_total": None if total is None else total * 1024,
        "machine_available": None if available is None else available * 1024,
        "group": group.path if group else "",
        "group_limit": group.limit if group else None,
        "group_usage": group.usage if group else None,
        "group_kills": group.kills if group else None,
        "machine_kills": _table(f"{top}/proc/vmstat").get("oom_kill"),
        "pressure": _pressure(f"{top}/proc/pressure/memory"),
    }


class _Group:
    __slots__ = ("kills", "limit", "path", "usage")

    def __init__(self, directory: str, names: _Names) -> None:
        limit = _number(f"{directory}/{names.limit}")
        self.path = directory
        self.limit = limit if limit is not None and limit < _UNLIMITED else None
        self.usage = _number(f"{directory}/{names.usage}")
        self.kills = _table(f"{directory}/{names.events}").get("oom_kill")


def _tightest_group(root: str, pid: str) -> _Group | None:
    """The group with the smallest limit on the way up; the process's own where none has a limit."""
    found = [_Group(directory, names) for directory, names in _ancestry(root, pid)]
    if not found:
        return None
    limited = [group for group in found if group.limit is not None]
    return min(limited, key=lambda group: group.limit or 0) if limited else found[0]


def _ancestry(root: str, pid: str) -> Iterator[tuple[str, _Names]]:
    mounts = _mounts(f"{root}/proc/{pid}/mountinfo")
    for line in _lines(f"{root}/proc/{pid}/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        version = "cgroup2" if controllers == "" else "memory" if "memory" in controllers.split(",") else None
        if version is None or version not in mounts:
            continue
        names = _VERSION_2 if version == "cgroup2" else _VERSION_1
        mount_point, mounted = mounts[version]
        inside = path[len(mounted) :] if mounted != "/" and path.startswith(mounted) else path
        top = f"{root}{mount_point}".rstrip("/")
        directory = f"{top}/{inside.strip('/')}".rstrip("/")
        if not os.path.isdir(directory):  # a group of another namespace; what is mounted here is what can be seen
            directory = top
        while True:
            if os.path.exists(f"{directory}/{names.limit}") or os.path.exists(f"{directory}/{names.usage}"):
                yield directory, names
            if directory == top or not directory.startswith(f"{top}/"):
                break
            directory = directory.rpartition("/")[0]


def _mounts(mountinfo: str) -> dict[str, tuple[str, str]]:
    """Where the memory controller of each version is mounted, and which group is mounted there; see proc(5)."""
    found: dict[str, tuple[str, str]] = {}
    for line in _lines(mountinfo):
        before, separator, after = line.partition(" - ")
        fields, source = before.split(" "), after.split(" ")
        if not separator or len(fields) < 5 or len(source) < 3:
            continue
        if source[0] == "cgroup2":
            found.setdefault("cgroup2", (_unescaped(fields[4]), _unescaped(fields[3])))
        elif source[0] == "cgroup" and "memory" in source[2].split(","):
            found.setdefault("memory", (_unescaped(fields[4]), _unescaped(fields[3])))
    return found


def _unescaped(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def _pressure(path: str) -> float | None:
    for line in _lines(path):
        match = re.match(r"some avg10=(\d+\.\d+)", line)
        if match:
            return float(match[1])
    return None


def _table(path: str) -> dict[str, int]:
    """Lines ``name number`` or ``name: number kB``."""
    table = {}
    for line in _lines(path):
        words = line.replace(":", " ").split()
        if len(words) >= 2 and words[1].isdecimal():
            table[words[0]] = int(words[1])
    return table


def _number(path: str) -> int | None:
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].isdecimal() else None


def _lines(path: str) -> list[str]:
    try:
        with open(path, errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []
