"""Replaying a log for one thread."""

from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.engines.replay import replay

OWN, OTHER = True, False


def test_only_blocks_of_the_thread_count_whoever_frees_them():
    """A block belongs to the thread that allocated it."""
    state = replay(
        [
            ("allocate", 1, 100, 7, OWN),
            ("allocate", 2, 5000, 8, OTHER),
            ("free", 1, 0, 0, OTHER),
            ("allocate", 1, 60, 7, OWN),
        ]
    )
    assert (state.peak, state.allocated, state.allocations, state.live) == (100, 160, 2, 60)


def test_frees_of_blocks_older_than_the_log_count_for_nothing():
    """The window starts with nothing; an unknown address was allocated before it."""
    state = replay([("free", 9, 0, 0, OWN), ("allocate", 1, 10, 7, OWN)])
    assert (state.peak, state.live) == (10, 10)


def test_a_mapping_can_go_in_parts():
    """munmap of the middle leaves both ends, and of a wider range takes all of it."""
    begun = [("map", 1000, 300, 7, OWN), ("unmap", 1100, 100, 0, OWN)]
    assert replay(begun).stacks() == {7: (200, 2)}
    assert replay([*begun, ("unmap", 0, 5000, 0, OTHER)]).live == 0


def test_the_blocks_at_the_peak_add_up_to_it():
    """Reading again up to ``peak_at`` shows who held the peak."""
    log = [
        ("allocate", 1, 100, 7, OWN),
        ("allocate", 2, 50, 8, OWN),
        ("free", 1, 0, 0, OWN),
        ("allocate", 3, 20, 7, OWN),
    ]
    at_peak = replay(log, until=replay(log).peak_at)
    assert at_peak.stacks() == {7: (100, 1), 8: (50, 1)}


@given(
    st.lists(
        st.tuples(st.sampled_from(["allocate", "free", "map"]), st.integers(0, 8), st.integers(0, 99), st.booleans())
    )
)
def test_live_bytes_are_those_of_the_live_blocks(steps):
    """Whatever happens, live = the sum over stacks, and the peak = the sum over the stacks at the peak."""
    log, taken = [], set()
    for kind, slot, size, own in steps:
        address = slot * 1000 + (500_000 if kind == "map" else 0)
        if kind != "free" and address in taken:
            continue  # an allocator does not give out what is in use
        (taken.discard if kind == "free" else taken.add)(address)
        log.append((kind, address, size, slot, own))
    state = replay(log)
    assert state.live == sum(size for size, _ in state.stacks().values())
    at_peak = replay(log, until=state.peak_at)
    assert state.peak == at_peak.live == sum(size for size, _ in at_peak.stacks().values())
