"""Declares everything to pytest, and registers the plugin proper only if it is wanted.

An idle session (no option, ini key or marker of ours) loads this module and its door, :mod:`pytest_memory.entry`, so it
imports nothing but pytest.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Container, Generator, Iterable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Literal

    Kind = Literal["flag", "value", "optional", "list"]


NATIVE: dict[str, Any] = {}
"""What a TOML file may hold in place of text (pytest 9.2), by the placeholder of a value or the kind of its flag."""

if pytest.version_tuple >= (9, 2):
    NATIVE = {"N": str | int, "SECONDS": str | int | float, "optional": str | bool}


class Option:
    """One command-line flag and its ini twin.

    Args:
        flag: The flag as written, ``--memory-top``.
        help: One sentence for ``--help``.
        kind: ``flag`` takes no value, ``value`` one, ``optional`` may take one, ``list`` may be repeated.
        metavar: Placeholder of the value.
        const: What an ``optional`` flag means without its value.
        engages: Its ini key makes the plugin load. The flag always does, so that what was written is checked.
        group: Heading in ``--help``.
        ini: Names of the ini keys, the first in use wins; by default the flag's name with underscores.
        late: A name so general that another plugin may own it: added after all others, and not if it is taken.
            The same holds for its ini keys.
        ini_help: What the ini key says where that is more than the flag does.
        ini_type: Type of the ini key, if it is not what the kind suggests.
        blank: An empty value of the flag means what no flag means; of all others it is a mistake.

    Attributes:
        dest: Its name among pytest's options.
    """

    # No dataclass: that compiles its methods from text, in every session that has us installed.
    __slots__ = (
        "blank",
        "const",
        "dest",
        "engages",
        "flag",
        "group",
        "help",
        "ini",
        "ini_help",
        "ini_type",
        "kind",
        "late",
        "metavar",
    )

    def __init__(
        self,
        flag: str,
        help: str,  # as in pytest
        *,
        kind: Kind = "value",
        metavar: str | None = None,
        const: str | None = None,
        engages: bool = True,
        group: str = "memory",
        ini: tuple[str, ...] = (),
        late: bool = False,
        ini_help: str = "",
        ini_type: Literal["bool", "string", "linelist"] | None = None,
        blank: bool = False,
    ) -> None:
        dest = flag.lstrip("-").replace("-", "_")
        self.flag = flag
        self.help = help
        self.kind = kind
        self.metavar = metavar
        self.const = const
        self.engages = engages
        self.group = group
        self.ini = ini or (dest,)
        self.late = late
        self.ini_help = ini_help
        self.ini_type = ini_type
        self.blank = blank
        # A general name is somebody else's destination too: theirs must not be read as ours.
        self.dest = f"pytest_memory_{dest}" if late else dest

    def declare(self, group: Any) -> None:
        """Add the flag; its default is always None, so that an ini value counts."""
        keywords: dict[str, Any] = {"help": self.help.replace("%", "%%"), "dest": self.dest, "default": None}
        if self.kind == "flag":
            keywords["action"] = "store_true"
        else:
            keywords["metavar"] = self.metavar
        if self.kind == "optional":
            keywords.update(nargs="?", const=self.const)
        if self.kind == "list":
            keywords["action"] = "append"
        group.addoption(self.flag, **keywords)

    def declare_ini(self, parser: pytest.Parser, taken: Container[str] = ()) -> None:
        """Add the ini keys, but for those taken; unset is None."""
        by_kind = {"flag": "bool", "list": "linelist"}
        kind: Any = self.ini_type or (by_kind | NATIVE).get(self.kind) or NATIVE.get(self.metavar or "", "string")
        for name in self.ini:
            if name not in taken:
                parser.addini(name, self.ini_help or self.help, type=kind, default=None)


OPTIONS: tuple[Option, ...] = (
    Option("--memory", "measure the memory of every test and report the top tests", kind="flag"),
    Option(
        "--memory-engine",
        "heap engine: auto (the cheapest exact one that works), native, memray, tracemalloc, or none "
        "(resident memory only)",
        metavar="NAME",
        engages=False,
    ),
    Option(
        "--memory-granularity",
        "what counts as an allocation: python (every object, repeatable) or malloc (what reaches malloc and mmap)",
        metavar="KIND",
        engages=False,
    ),
    Option(
        "--memory-detail",
        "how much attribution: counters, sampled (call stacks of a sample) or stacks (every call stack)",
        metavar="KIND",
        engages=False,
    ),
    Option("--memory-top", "how many tests the report shows (default: 10; 0: all)", metavar="N", engages=False),
    Option(
        "--memory-limit",
        "default limit for the call of every test, such as 200MB",
        metavar="SIZE",
        ini_type="linelist",
        ini_help="default limits: lines PATH-GLOB = SIZE matched against node ids (the last match wins), or a SIZE",
    ),
    Option(
        "--memory-limit-metric",
        "what a positional limit binds: heap (peak of the test's allocations), rss (resident memory of the "
        "process), or auto (rss with --memlog alone, else heap)",
        metavar="METRIC",
        engages=False,
    ),
    Option(
        "--memory-unmeasured",
        "what a limit on something that could not be measured does: pass (default; counted in the summary) or fail",
        metavar="ACTION",
        engages=False,
    ),
    Option(
        "--memory-resident",
        "resident memory: exact (resets the kernel's high-water mark, and ru_maxrss with it), sampled or off",
        metavar="MODE",
        engages=False,
    ),
    Option("--memory-report", "write the run to PATH (.json); may be repeated", kind="list", metavar="PATH"),
    Option(
        "--memory-growth",
        "report each test after which the process holds more memory than before by more than SIZE (default: 10MB)",
        kind="optional",
        metavar="SIZE",
        const="10MB",
    ),
    Option(
        "--memory-guard",
        "stop and fail the running test when its process and their children hold more than SIZE, such as 2GB or 80% "
        "(of the memory that this machine or cgroup has)",
        metavar="SIZE",
    ),
    Option(
        "--memory-guard-kill",
        "end the process at this percentage of --memory-guard, if the test cannot be stopped (default: 125%)",
        metavar="PERCENT",
        engages=False,
    ),
    Option("--memlog", "record the session's memory over time, in a process of its own", kind="flag", group="memlog"),
    Option(
        "--memlog-path",
        "where the log goes (default: memlog.json)",
        metavar="PATH",
        engages=False,
        group="memlog",
    ),
    Option(
        "--memlog-interval",
        "seconds between two samples (default: 0.1)",
        metavar="SECONDS",
        engages=False,
        group="memlog",
    ),
    Option(
        "--memlog-warmup",
        "seconds of samples before the first test (default: 0)",
        metavar="SECONDS",
        engages=False,
        group="memlog",
    ),
    Option(
        "--memray",
        "measure the call of every test and print the MEMRAY REPORT, counting as memray does (granularity malloc)",
        kind="flag",
        group="memray",
    ),
    Option(
        "--most-allocations",
        "how many tests the MEMRAY REPORT shows (default: 5; 0: all)",
        metavar="N",
        engages=False,
        group="memray",
    ),
    Option("--hide-memray-summary", "leave out the MEMRAY REPORT", kind="flag", engages=False, group="memray"),
    Option(
        "--memray-bin-path",
        "write a capture of each measured test, for the memray command line, to this directory (selects the memray "
        "engine)",
        metavar="DIRECTORY",
        group="memray",
    ),
    Option(
        "--memray-bin-prefix",
        "how the file names of the captures begin (default: a random one for each run; selects the memray engine)",
        metavar="PREFIX",
        engages=False,
        group="memray",
    ),
    Option(
        "--stacks",
        "how many frames of each call stack the lists of allocations show (default: 1)",
        metavar="N",
        engages=False,
        group="memray",
        late=True,
    ),
    Option(
        "--native",
        "show native frames in call stacks (selects the memray engine; slower)",
        kind="flag",
        engages=False,
        group="memray",
        late=True,
    ),
    Option(
        "--trace-python-allocators",
        "count every Python object, as --memory-granularity=python does",
        kind="flag",
        engages=False,
        group="memray",
    ),
    Option(
        "--fail-on-increase",
        "fail a test with a limit on its peak if it uses more memory than its last successful run",
        kind="flag",
        engages=False,
        group="memray",
        ini=("fail_on_increase", "fail-on-increase"),
    ),
    Option("--benchmark-memory", "measure the memory of every benchmark() too", kind="flag", group="benchmark-memory"),
    Option(
        "--benchmark-memory-repeats",
        "memory passes per benchmark (default: 1), or auto to go on until the peak has settled",
        metavar="N",
        engages=False,
        group="benchmark-memory",
    ),
    Option(
        "--benchmark-memory-warmup",
        "unmeasured runs between the timings and the first memory pass (default: 0)",
        metavar="N",
        engages=False,
        group="benchmark-memory",
    ),
    Option(
        "--benchmark-memory-max-time",
        "seconds after which no further memory pass is begun; implies --benchmark-memory-repeats=auto",
        metavar="SECONDS",
        engages=False,
        group="benchmark-memory",
    ),
    Option(
        "--benchmark-memory-columns",
        "memory columns of the table, in order: peak, allocated, allocs, rss (default: peak)",
        metavar="LIST",
        blank=True,
        engages=False,
        group="benchmark-memory",
    ),
    Option(
        "--benchmark-memory-stats",
        "what each memory column is spread into where there are several passes: min, max, mean, median, stddev "
        "(default: min,mean,max)",
        metavar="LIST",
        blank=True,
        engages=False,
        group="benchmark-memory",
    ),
    Option(
        "--benchmark-memory-table",
        "combined (default: memory beside the timings) or split (a table of its own)",
        metavar="KIND",
        engages=False,
        group="benchmark-memory",
    ),
    Option(
        "--benchmark-memory-compare",
        "compare peaks with a stored run of pytest-benchmark: the latest with memory, or the latest that matches REF",
        kind="optional",
        metavar="REF",
        const="latest",
        group="benchmark-memory",
    ),
    Option(
        "--benchmark-memory-compare-fail",
        "fail if a metric has grown by more than this: peak:10%, allocated:5MiB, allocations:100, peak:20%+8MiB; may "
        "be repeated; implies --benchmark-memory-compare",
        kind="list",
        metavar="FIELD:THRESHOLD",
        group="benchmark-memory",
    ),
    Option(
        "--benchmark-memory-compare-strict",
        "having no stored run to compare with fails the gate too",
        kind="flag",
        engages=False,
        group="benchmark-memory",
    ),
    Option(
        "--benchmark-memory-profile",
        "keep a memray capture of each measured benchmark in DIR; with a gate only of those that broke it",
        metavar="DIR",
        engages=False,
        group="benchmark-memory",
    ),
    Option(
        "--benchmark-memory-profile-native",
        "native frames in those captures",
        kind="flag",
        engages=False,
        group="benchmark-memory",
    ),
)

MARKERS: dict[str, str] = {
    "limit_memory": (
        "limit_memory(limit, *, rss=None, allocated=None, allocations=None, retained=None, phase='call', "
        "current_thread_only=False, collect=False): fail the test if it uses more memory than this, such as '24 MB'"
    ),
    "limit_leaks": (
        "limit_leaks(location_limit, *, filter_fn=None, current_thread_only=False): fail the test if any call stack "
        "leaks more memory than this, such as '1 MB'"
    ),
    "benchmem": (
        "benchmem(*, repeats=1, warmup=0, calls=1, isolate=False, max_peak=None, max_allocated=None, "
        "max_allocations=None, profile_native=False): how the memory of a benchmark is measured, and what it may use"
    ),
}

#: Plugins whose flags we define too: their entry point's name, their module and their distribution.
REPLACED = (
    ("memray", "pytest_memray", "pytest-memray"),
    ("memlog", "pytest_memlog", "pytest-memlog"),
    ("benchmem", "pytest_benchmem", "pytest-benchmem"),
)

FOREIGN_KEYS: pytest.StashKey[frozenset[str]] = pytest.StashKey()
"""Ini keys of ours that another plugin has declared too, and that are therefore its own."""

REPORT_KEY = "pytest_memory"
"""Attribute of a test report under which its measurements travel."""

LET_GO_KEY = "pytest_memory_let_go"
"""Attribute of a worker's report: what became of tests before it when pytest had let go of their fixtures' values."""

BROKEN_KEY = "pytest_memory_limit_broken"
"""Attribute of the report of a phase that failed for a limit, and for nothing else."""

BENCHMARK_KEY = "pytest_memory_benchmark"
"""Attribute of a test report under which the memory of its benchmark travels."""

SESSION_PLUGIN = "pytest-memory"
"""Name under which the plugin proper is registered."""

MARKER_WATCH = f"{SESSION_PLUGIN}-markers"
"""Name under which :class:`MarkerWatch` is registered until the plugin proper is."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the flags and ini keys."""
    refuse_replaced_plugins(pluginmanager)
    for option in OPTIONS:
        if not option.late:
            option.declare(parser.getgroup(option.group))
            option.declare_ini(parser)
    parser.addini(
        "verbosity_memray",
        "how much the list of allocations of a broken limit shows: below 0 nothing, up to 1 the ten largest, from 2 "
        "all (default: pytest's own -v and -q)",
        type=NATIVE.get("N", "string"),
        default="auto",
    )
    parser.getgroup("memory").addoption(
        "--no-memory",
        action="store_const",
        const=False,
        dest="memory",
        default=None,
        help="do not measure every test, whatever the ini file says (limits of markers still hold)",
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser
) -> Generator[None, object, object]:
    """Declare the flags and ini keys with general names, now that everybody else has declared theirs."""
    result = yield
    groups = (*parser._groups, parser._anonymous)
    flags = {name for group in groups for option in group.options for name in option.names()}
    late = [option for option in OPTIONS if option.late]
    keys = frozenset(name for option in late for name in option.ini if name in parser._inidict)
    for option in late:
        if option.flag not in flags:  # else somebody else owns the name: theirs it stays
            option.declare(parser.getgroup(option.group))
        option.declare_ini(parser, keys)
    early_config.stash[FOREIGN_KEYS] = keys
    return result


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers; load the plugin if an option or ini key of ours is in use."""
    for text in MARKERS.values():
        config.addinivalue_line("markers", text)
    given = given_options(config)
    wanted = any(value is not False and (option.engages or from_flag) for option, value, from_flag in given)
    if wanted and any(option.group != "memlog" for option, *_ in given):
        load(config)
        return
    config.pluginmanager.register(MarkerWatch(), MARKER_WATCH)
    if wanted:  # nothing but --memlog and its like: then nothing that measures is loaded
        with _loading(config):
            from pytest_memory.plugin.recorder_alone import register_recording_alone

            register_recording_alone(config)
    elif not is_worker(config) and is_to_be_checked(config, given):
        with _loading(config):
            from pytest_memory.plugin.checking import check_settings

            check_settings(config)
    if is_controller(config):
        config.pluginmanager.register(WorkerWatch(config), f"{SESSION_PLUGIN}-workers")


if importlib.util.find_spec("pytest_benchmark") is not None:

    @pytest.fixture
    def benchmark_memory(request: pytest.FixtureRequest, benchmark: Any) -> Any:
        """Time a call as ``benchmark`` does, and measure its memory in passes of its own.

        ``benchmark_memory(f, *args, **kwargs)`` or ``benchmark_memory.pedantic(f, ...)``; afterwards ``peak_bytes``
        and ``result`` hold what was measured.
        """
        load(request.config)
        from pytest_memory.plugin.benchmark import benchmark_memory as make

        return make(request, benchmark)

else:

    @pytest.fixture
    def benchmark_memory() -> None:
        """Time a call and measure its memory; needs pytest-benchmark."""
        pytest.fail("benchmark_memory needs pytest-benchmark: pip install 'pytest-memory[benchmark]'", pytrace=False)


@pytest.fixture
def memory_scaling() -> Any:
    """Measure a call over several sizes, and check how its memory grows: ``memory_scaling(f, sizes, peak="O(n)")``."""
    from pytest_memory.plugin.scaling import MemoryScaling

    return MemoryScaling()


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")


def is_controller(config: pytest.Config) -> bool:
    """Whether this process only hands out tests to workers."""
    return not is_worker(config) and getattr(config.option, "dist", "no") != "no"


def written(config: pytest.Config, option: Option) -> tuple[object, str]:
    """What somebody wrote for an option, or None, and the ini key that says it; empty if the command line does."""
    value: object = getattr(config.option, option.dest, None)
    if value is None:
        foreign = config.stash.get(FOREIGN_KEYS, frozenset())
        for name in option.ini:
            if name not in foreign and (value := ini_value(config, name)) is not None:
                return value, name
    return value, ""


def given_options(config: pytest.Config) -> list[tuple[Option, object, bool]]:
    """The options that somebody wrote, each with its value and whether it stands on the command line."""
    found = [(option, *written(config, option)) for option in OPTIONS]
    return [(option, value, not name) for option, value, name in found if value is not None]


def is_to_be_checked(config: pytest.Config, given: list[tuple[Option, object, bool]]) -> bool:
    """Whether anything that can be wrong was written for a session that is to do nothing of ours."""
    if any(option.kind != "flag" for option, *_ in given):
        return True
    return ini_value(config, "verbosity_memray") not in (None, "auto")


def ini_value(config: pytest.Config, name: str) -> object:
    """What an ini key says; None if it is not there or left empty, which both mean the default.

    Raises:
        pytest.UsageError: Something that is not what the key takes.
    """
    try:
        value = config.getini(name)
    except (TypeError, ValueError, pytest.UsageError) as error:
        problem = str(error)
        if f"option '{name}'" not in problem:  # pytest names it in TOML files only
            problem = f"ini key {name}: {problem}; write true or false"
        raise pytest.UsageError(problem) from error
    return None if value == [] or (isinstance(value, str) and not value.strip()) else value


def _loading(config: pytest.Config) -> AbstractContextManager[None]:
    """Around the loading of what a session wants: past pytest's import hook, and out of the collector's way."""
    from pytest_memory.entry import OwnModules

    OwnModules.come_first(config)
    from pytest_memory.garbage import loading

    return loading("pytest_memory", config.add_cleanup)


def load(config: pytest.Config) -> None:
    """Register the plugin proper, once."""
    manager = config.pluginmanager
    if not manager.has_plugin(SESSION_PLUGIN):
        with _loading(config):
            from pytest_memory.plugin.registration import register

            register(config)
        if manager.has_plugin(MARKER_WATCH):  # it has done its work, and would cost every test a hook
            manager.unregister(name=MARKER_WATCH)


def refuse_replaced_plugins(pluginmanager: pytest.PytestPluginManager) -> None:
    """Stop if a plugin that we replace would be loaded too: both define the same flags.

    Raises:
        pytest.UsageError: It is installed and not blocked.
    """
    autoload = "PYTEST_DISABLE_PLUGIN_AUTOLOAD" not in os.environ
    for name, module, distribution in REPLACED:
        loaded = pluginmanager.has_plugin(name)
        if pluginmanager.is_blocked(name) or not (loaded or autoload):
            continue
        if loaded or importlib.util.find_spec(module) is not None:
            raise pytest.UsageError(
                f"pytest-memory replaces {distribution} and defines the same flags, so the two cannot be loaded "
                f"together: uninstall {distribution}, or block one with '-p no:{name}' or '-p no:memory'"
            )


class Hooks:
    """A plugin that shows nothing but its hooks: pytest looks at each attribute of a plugin four times, if not more."""

    __slots__ = ()

    def __dir__(self) -> list[str]:
        return [name for name in dir(type(self)) if name.startswith("pytest_")]


class MarkerWatch(Hooks):
    """Loads the plugin when a marker of ours turns up in a session that did not ask for anything else.

    Markers work without any flag; a session without them pays a look at each node's own markers.
    """

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Look at the markers of every item and of its parents, each node once."""
        seen: set[pytest.Collector] = set()
        for item in items:
            wanted = "benchmark_memory" in getattr(item, "fixturenames", ())
            if wanted or self._marked(item) or any(self._marked(node) for node in self._new_parents(item, seen)):
                load(config)
                check: Any = config.pluginmanager.get_plugin(f"{SESSION_PLUGIN}-marker-check")
                check.pytest_collection_modifyitems(items)  # registered too late for this call of the hook
                return

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Catch a marker that a fixture has just added: what measures the call is registered before it begins."""
        if item.own_markers and self._marked(item):
            load(item.config)

    @staticmethod
    def _marked(node: pytest.Collector | pytest.Item) -> bool:
        return any(mark.name in MARKERS for mark in node.own_markers)

    @staticmethod
    def _new_parents(item: pytest.Item, seen: set[pytest.Collector]) -> Iterable[pytest.Collector]:
        parent = item.parent
        while parent is not None and parent not in seen:
            seen.add(parent)
            yield parent
            parent = parent.parent


class WorkerWatch(Hooks):
    """Loads the plugin in the controller of pytest-xdist, which sees no markers, when a worker sends measurements."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Load at the first report that carries something, and hand that report over."""
        carries = hasattr(report, REPORT_KEY) or hasattr(report, BENCHMARK_KEY)
        if carries and not self._config.pluginmanager.has_plugin(SESSION_PLUGIN):
            load(self._config)
            session: Any = self._config.pluginmanager.get_plugin(SESSION_PLUGIN)
            session.collector.pytest_runtest_logreport(report)
            benchmarks: Any = self._config.pluginmanager.get_plugin(f"{SESSION_PLUGIN}-benchmarks")
            if benchmarks is not None:
                benchmarks.pytest_runtest_logreport(report)
