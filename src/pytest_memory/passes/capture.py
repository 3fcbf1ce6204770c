"""A memray capture of one more run, for flame graphs; the numbers of the passes stay what they are without it."""

from __future__ import annotations

from pathlib import Path

from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.choose import choose_engine
from pytest_memory.errors import UnwritableFile
from pytest_memory.meter import Meter
from pytest_memory.model import Granularity
from pytest_memory.passes.action import Action
from pytest_memory.passes.quiet import quiet_interpreter


def keep_capture(
    meter: Meter, action: Action, path: Path, *, native_frames: bool = False, granularity: Granularity = "python"
) -> None:
    """Run the action once more under memray and keep its capture.

    Args:
        meter: Its engine stands aside meanwhile, and its open windows end.
        action: What to run.
        path: Where to; folders are made, an older file is replaced.
        native_frames: Native frames in the call stacks.
        granularity: What counts as an allocation.

    Raises:
        EngineUnavailable: memray is not installed, or not made for this platform.
        WindowRefused: Another Tracker is active.
        UnwritableFile: The folder cannot be made, or the older file not be removed.
        BaseException: Whatever the action raises.
    """
    deep = meter.engine if meter.engine.capabilities.captures else choose_engine("memray")[0]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UnwritableFile(f"cannot keep a memray capture in {str(path)!r}: {error.strerror}") from error
    request = WindowRequest(granularity=granularity, detail="stacks", capture=path, native_frames=native_frames)
    call, after = action.prepare()
    with meter.interrupted("a memray capture was made inside it"), quiet_interpreter():
        window = deep.open(request)
        try:
            call()
        finally:
            window.close()
    if after is not None:
        after()
