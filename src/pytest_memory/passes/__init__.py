"""Memory passes: an action run again and again for its memory alone, untimed, in this process or in fresh ones."""

from pytest_memory.passes.action import Action, PassPlan
from pytest_memory.passes.capture import keep_capture
from pytest_memory.passes.run import Clock, measure_passes

__all__ = ["Action", "Clock", "PassPlan", "keep_capture", "measure_passes"]
