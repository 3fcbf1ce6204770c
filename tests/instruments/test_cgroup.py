"""Bounds of memory are read from either version of cgroups, inside containers and out."""

import pytest

from pytest_memory.instruments.cgroup import memory_bounds
from pytest_memory.model import MemoryBounds

GIB = 1024**3
MEMINFO = "MemTotal:       16777216 kB\nMemFree: 1 kB\nMemAvailable:    8388608 kB\n"


class Machine:
    """A file system with what the kernel would show of process 7."""

    def __init__(self, root):
        self.root = root
        self.write("proc/meminfo", MEMINFO)
        self.write("proc/vmstat", "nr_free_pages 1\noom_kill 4\n")
        self.write("proc/pressure/memory", "some avg10=12.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.00\n")

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def bounds(self):
        return memory_bounds(7, self.root)


@pytest.fixture()
def machine(tmp_path):
    return Machine(tmp_path)


def mounted(kind, where, source_root="/", options="rw"):
    return f"30 24 0:26 {source_root} {where} rw,nosuid - {kind} cgroup {options}\n"


def test_the_machine_without_cgroups(machine):
    """Where no group can be seen the machine's memory is the bound."""
    bounds = machine.bounds()
    assert bounds == MemoryBounds(16 * GIB, 8 * GIB, machine_kills=4, pressure=12.5)
    assert bounds.limit == 16 * GIB


def test_version_2_takes_the_tightest_group_on_the_way_up(machine):
    """A limit of a parent binds its children."""
    machine.write("proc/7/mountinfo", mounted("cgroup2", "/sys/fs/cgroup"))
    machine.write("proc/7/cgroup", "0::/job/step\n")
    for group, limit, usage in [("job/step", "max", 100), ("job", str(2 * GIB), 200)]:
        machine.write(f"sys/fs/cgroup/{group}/memory.max", f"{limit}\n")
        machine.write(f"sys/fs/cgroup/{group}/memory.current", f"{usage}\n")
        machine.write(f"sys/fs/cgroup/{group}/memory.events", "low 0\nmax 9\noom 1\noom_kill 1\n")
    bounds = machine.bounds()
    assert bounds.group.endswith("sys/fs/cgroup/job")
    assert (bounds.group_limit, bounds.group_usage, bounds.group_kills) == (2 * GIB, 200, 1)
    assert bounds.limit == 2 * GIB


def test_version_1_knows_no_limit_as_a_huge_one(machine):
    """9223372036854771712 means that there is no limit."""
    machine.write("proc/7/mountinfo", mounted("cgroup", "/sys/fs/cgroup/memory", options="rw,memory"))
    machine.write("proc/7/cgroup", "5:cpu,cpuacct:/x\n4:memory:/job\n")
    machine.write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n")
    machine.write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "300\n")
    machine.write("sys/fs/cgroup/memory/job/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    bounds = machine.bounds()
    assert (bounds.group_limit, bounds.group_usage, bounds.group_kills) == (None, 300, 2)


def test_version_1_with_a_limit(machine):
    """The limit of the group itself."""
    machine.write("proc/7/mountinfo", mounted("cgroup", "/sys/fs/cgroup/memory", options="rw,memory"))
    machine.write("proc/7/cgroup", "4:memory:/job\n")
    machine.write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", f"{GIB}\n")
    assert machine.bounds().group_limit == GIB


def test_inside_a_container_the_mounted_group_is_the_root(machine):
    """The path in /proc/PID/cgroup is the host's; what is mounted is the container's own group."""
    machine.write("proc/7/mountinfo", mounted("cgroup", "/sys/fs/cgroup/memory", "/docker/abc", "rw,memory"))
    machine.write("proc/7/cgroup", "4:memory:/docker/abc\n")
    machine.write("sys/fs/cgroup/memory/memory.limit_in_bytes", f"{GIB}\n")
    assert machine.bounds().group_limit == GIB


def test_a_group_of_another_namespace_is_replaced_by_what_is_mounted(machine):
    """``/../other`` names a group that cannot be seen from here."""
    machine.write("proc/7/mountinfo", mounted("cgroup2", "/sys/fs/cgroup"))
    machine.write("proc/7/cgroup", "0::/../other\n")
    machine.write("sys/fs/cgroup/memory.max", f"{GIB}\n")
    assert machine.bounds().group_limit == GIB


@pytest.mark.parametrize("text", ["", "garbage", "a:b", "0::", "\x00\n:::"])
def test_what_cannot_be_understood_is_unknown(machine, text):
    """Nothing that the kernel might write one day raises."""
    for path in ("proc/7/mountinfo", "proc/7/cgroup", "proc/pressure/memory", "proc/vmstat"):
        machine.write(path, text)
    bounds = machine.bounds()
    assert (bounds.group_limit, bounds.machine_kills, bounds.pressure) == (None, None, None)


def test_this_machine_has_memory():
    """Read for real: there is memory, and less available than there is."""
    bounds = memory_bounds()
    assert bounds.machine_total is None or 0 < (bounds.machine_available or 1) <= bounds.machine_total
