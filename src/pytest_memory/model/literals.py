"""The words of which a value is one: for type checkers, and for whoever asks a public function for its types.

A session loads none of them: to make one takes an interpreter as long as to make a class.
"""

from __future__ import annotations

from typing import Literal

Phase = Literal["setup", "call", "teardown"]
"""The three phases of a test, in the order in which they run."""

Granularity = Literal["python", "malloc"]
"""What counts as an allocation: every Python object (repeatable), or only what reaches malloc and mmap."""

Detail = Literal["counters", "sampled", "stacks"]
"""How much attribution is made: none, a sample of the call stacks, or every one."""
