"""The deep engine: memray's Tracker, with native frames and capture files.

The only package of the house that imports memray. Facts it rests on (memray 1.15 to 1.20):

- One Tracker may be active in a process, and memray does not say whose it is.
- An aggregated capture has the peak and the blocks live at the end, but not what was allocated in all: its
  ``total_allocations`` counts records. A full capture has everything and grows with each allocation; there the same
  field counts the frees too, so the number of calls comes from the statistics.
- A Tracker hides the frames of the thread that starts it; see :mod:`.window`.
"""

from pytest_memory.engines.memray.engine import MemrayEngine

__all__ = ["MemrayEngine"]
