"""Call stacks and their bytes in formats that common viewers open: speedscope, and collapsed stacks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pytest_memory.model import AllocationSite, StackFrame

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"
_SEPARATORS = str.maketrans({";": ":", "\n": " ", "\r": " "})


@dataclass(frozen=True, slots=True)
class StackProfile:
    """The call stacks of one test.

    Attributes:
        name: The test's node id.
        sites: What was live at its peak, by call stack.
    """

    name: str
    sites: tuple[AllocationSite, ...]

    @property
    def total(self) -> int:
        """Bytes of all stacks."""
        return sum(site.bytes for site in self.sites)


def render_speedscope(profiles: Sequence[StackProfile], *, version: str) -> str:
    """Write tests as one speedscope document, a profile each, for https://www.speedscope.app and its relatives.

    Args:
        profiles: At least one; the first is shown first.
        version: That of pytest-memory.
    """
    frames: dict[StackFrame, int] = {}
    documents = [_sampled(profile, frames) for profile in profiles]
    return json.dumps(
        {
            "$schema": _SCHEMA,
            "exporter": f"pytest-memory {version}",
            "name": profiles[0].name if len(profiles) == 1 else f"{len(profiles)} tests",
            "activeProfileIndex": 0,
            "shared": {
                "frames": [{"name": frame.function, "file": frame.filename, "line": frame.lineno} for frame in frames]
            },
            "profiles": documents,
        }
    )


def render_collapsed(profiles: Sequence[StackProfile]) -> str:
    """Write tests as collapsed stacks for flamegraph.pl, inferno and their relatives.

    One line per stack: frames from the outermost in, joined by semicolons, then the bytes. With several tests each
    stack starts at its test.
    """
    lines = []
    for profile in profiles:
        root = [profile.name] if len(profiles) > 1 else []
        for site in profile.sites:
            names = [*root, *(_frame_text(frame) for frame in reversed(site.frames))]
            stack = ";".join(name.translate(_SEPARATORS) for name in names) or "[unknown]"
            lines.append(f"{stack} {site.bytes}\n")
    return "".join(lines)


def _sampled(profile: StackProfile, frames: dict[StackFrame, int]) -> dict[str, Any]:
    samples = [[frames.setdefault(frame, len(frames)) for frame in reversed(site.frames)] for site in profile.sites]
    return {
        "type": "sampled",
        "name": profile.name,
        "unit": "bytes",
        "startValue": 0,
        "endValue": profile.total,
        "samples": samples,
        "weights": [site.bytes for site in profile.sites],
    }


def _frame_text(frame: StackFrame) -> str:
    return f"{frame.function} ({frame.filename}:{frame.lineno})"
