"""What memcheck says is held against the engine where it may be the engine's doing."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from .memcheck import is_ours


@pytest.mark.parametrize(
    ("kind", "library", "ours"),
    [
        ("UninitCondition", "/usr/lib/libpython3.11.so.1.0", False),
        ("UninitCondition", "/x/pytest_memory/engines/native/_native.cpython-311-x86_64-linux-gnu.so", True),
        ("InvalidRead", "/usr/lib/libpython3.11.so.1.0", True),
        ("InvalidFree", "/usr/lib/libc.so.6", True),
        ("MismatchedFree", "/usr/lib/libstdc++.so.6", True),
    ],
)
def test_an_error_is_held_against_the_engine(kind, library, ours):
    """Any invalid access, because the engine may have caused it; of the rest only what happened in its code."""
    where = f"<stack><frame><obj>{library}</obj><fn>f</fn></frame></stack>"
    elsewhere = "<stack><frame><obj>/x/_native.so</obj></frame></stack>"  # who had allocated the block
    assert is_ours(ET.fromstring(f"<error><kind>{kind}</kind>{where}{elsewhere}</error>")) is ours
