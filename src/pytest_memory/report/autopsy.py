"""The text of an autopsy: what a test process died in, and which tests had raised memory before it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

from pytest_memory.model import CONTROLLER, Death, MemoryBounds, Timeline
from pytest_memory.recorder.explain import Autopsy, explain
from pytest_memory.units import format_seconds, human_bytes

_WIDTH = 80
_INDENT = "    "


def render_autopsies(timeline: Timeline, places: Iterable[int], source: str) -> str:
    """Explain some deaths of a session.

    Args:
        timeline: The session.
        places: Which of its deaths.
        source: Path of its journal or folder, to be named.

    Returns:
        Whole lines, beginning with an empty one: they may be printed into the middle of pytest's own.
    """
    autopsies = [explain(timeline, timeline.deaths[place]) for place in places]
    lines = ["", " memory autopsy ".center(_WIDTH, "=")]
    for autopsy in autopsies:
        lines += [*_autopsy_lines(autopsy), ""]
    incomplete = "The results of this run are incomplete"
    if any(autopsy.death.worker not in (None, CONTROLLER) for autopsy in autopsies) and len(autopsies) == 1:
        incomplete = "This worker's results are incomplete"
    finished = max((autopsy.finished for autopsy in autopsies if autopsy.finished is not None), default=None)
    counted = "" if finished is None else f": {finished} test{'' if finished == 1 else 's'} had ended before"
    lines.append(f"{incomplete}{counted}.")
    lines.append(f"recorded in {source}")
    lines.append("=" * _WIDTH)
    return "\n".join(lines) + "\n"


def one_line(timeline: Timeline, death: Death) -> str:
    """A death in one sentence, for the run that comes after it."""
    where = f"in {death.nodeid} ({death.activity})" if death.nodeid else "between tests"
    worker = f"worker {death.worker} " if death.worker else ""
    cause = f", {_cause(death)}" if death.status is not None or death.guard is not None else ""
    return f"the last run died: {worker}process {death.pid} {where}{cause}"


def _autopsy_lines(autopsy: Autopsy) -> list[str]:
    death = autopsy.death
    who = "The test process" if death.worker is None else f"Worker {death.worker}"
    if death.worker == CONTROLLER:
        who = "The controller of pytest-xdist"
    lines = [f"{who} (process {death.pid}) {_cause(death)}"]
    if death.nodeid:
        lines[0] += " while running" if death.activity != "collection" else " while collecting"
        lines.append(f"{_INDENT}{death.nodeid}")
        lines.append(f"{_INDENT}{_duration(autopsy)}")
    else:
        lines[0] += " while no test was running"
    lines += _level_lines(autopsy)
    lines += _bounds_lines(death)
    lines += _raised_lines(autopsy)
    return lines


def _cause(death: Death) -> str:
    if death.guard is not None:
        return f"was ended by the memory guard at its second threshold, {human_bytes(death.guard)},"
    status = death.status
    if status is None:
        return "ended without a word"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return f"was killed by {name}"
    return f"left with status {os.waitstatus_to_exitcode(status)}, past pytest (os._exit)"


def _duration(autopsy: Autopsy) -> str:
    activity = autopsy.death.activity
    if autopsy.activity_seconds is None:
        began = f"begun {format_seconds(autopsy.test_offset or 0.0)} after the session"
        return f"in its {activity}; {began}" if activity != "collection" else began
    text = f"in its {activity} for {format_seconds(autopsy.activity_seconds)}"
    if activity in ("setup", "collection") or autopsy.test_seconds is None:
        return text if activity != "collection" else f"for {format_seconds(autopsy.activity_seconds)}"
    return f"{text}, {format_seconds(autopsy.test_seconds)} after the test began"


def _level_lines(autopsy: Autopsy) -> list[str]:
    if autopsy.resident is None:
        return ["Resident memory: not sampled (run with --memlog to have it)"]
    text = f"Resident memory: {human_bytes(autopsy.resident)}"
    if autopsy.slope is not None:
        text += f", {_slope(autopsy.slope)} in the last seconds"
    if autopsy.children:
        text += f"; {human_bytes(autopsy.children)} more in child processes"
    lines = [text]
    if autopsy.before is not None and autopsy.own is not None and autopsy.death.activity != "collection":
        verb = "raised it by" if autopsy.own >= 0 else "lowered it by"
        own = human_bytes(abs(autopsy.own))
        lines.append(f"When the test began: {human_bytes(autopsy.before)}; the test itself {verb} {own}")
    return lines


def _slope(slope: float) -> str:
    if abs(slope) < 1024**2:
        return "steady"
    return f"{'growing' if slope > 0 else 'shrinking'} by {human_bytes(abs(slope))}/s"


def _bounds_lines(death: Death) -> list[str]:
    bounds = death.bounds
    if bounds is None:
        return []
    lines = []
    if bounds.group_limit is not None:
        used = f", {human_bytes(bounds.group_usage)} in use now" if bounds.group_usage is not None else ""
        lines.append(f"Limit of the cgroup: {human_bytes(bounds.group_limit)}{used} ({bounds.group})")
    else:
        lines.append("Limit of the cgroup: none that can be seen")
    if bounds.machine_total is not None:
        left = bounds.machine_available
        available = f", {human_bytes(left)} available now" if left is not None else ""
        lines.append(f"Memory of the machine: {human_bytes(bounds.machine_total)}{available}")
    if bounds.pressure is not None:
        lines.append(f"Memory pressure: some task waited for memory in {bounds.pressure:.0f}% of the last 10 s")
    lines += _kill_lines(death, bounds)
    return lines


def _kill_lines(death: Death, bounds: MemoryBounds) -> list[str]:
    before = death.bounds_before or MemoryBounds()
    in_group = _rise(before.group_kills, bounds.group_kills)
    in_machine = _rise(before.machine_kills, bounds.machine_kills)
    if in_group:
        return [f"The kernel killed for memory: {_processes(in_group)} of this cgroup since the run began"]
    if in_machine:
        return [f"The kernel killed for memory: {_processes(in_machine)} of this machine since the run began"]
    killed = death.status is not None and os.WIFSIGNALED(death.status) and os.WTERMSIG(death.status) == 9
    if killed and death.guard is None and in_machine is not None:
        return ["The kernel counted no kill for memory: somebody else sent the signal (a time limit, kill -9)"]
    return []


def _rise(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _processes(count: int) -> str:
    return f"{count} process{'' if count == 1 else 'es'}"


def _raised_lines(autopsy: Autopsy) -> list[str]:
    if not autopsy.raised:
        return []
    lines = ["Raised the resident level most before it:"]
    for one in autopsy.raised:
        worker = f"[{one.worker}] " if one.worker else ""
        lines.append(f"{_INDENT}{'+' + human_bytes(one.size):>9}  {worker}{one.nodeid}")
    if autopsy.own is not None and autopsy.raised[0].size > max(autopsy.own, 0):
        lines.append("These raised it by more than the test that was running: look at them first.")
    return lines
