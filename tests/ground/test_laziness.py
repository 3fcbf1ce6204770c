"""Who does not use a thing does not load it: proved in processes of their own."""

import subprocess
import sys

import pytest

from pytest_memory.entry import OwnModules

HEAVY = {
    "memray",
    "psutil",
    "rich",
    "typer",
    "click",
    "plotly",
    "pandas",
    "numpy",
    "platformdirs",
    "packaging.version",
    "msgspec",
}

COMPILED = {"_garbage", "_stacked"}
"""There where it was built."""

SESSION = """
import sys
import pytest
code = pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]])
print("exit", int(code))
print("loaded", *sorted(sys.modules))
"""


def loaded_by(code, *arguments, cwd):
    """The modules that a fresh interpreter has loaded after running some code."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    return set(lines[-1].split()[1:]), done.stdout


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """A suite of one test, with no plugin but ours."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    (tmp_path / "test_one.py").write_text("import pytest\n\ndef test_one():\n    pass\n")
    return tmp_path


def of_ours(modules):
    return {module for module in modules if module.split(".")[0] == "pytest_memory"}


def test_an_idle_session_loads_the_entry_and_the_declaration_alone(suite):
    """No option, no ini key, no marker of ours: these two are loaded and nothing else, neither ours nor heavy."""
    modules, output = loaded_by(SESSION, "-p", "pytest_memory.entry", cwd=suite)
    assert "exit 0" in output
    assert of_ours(modules) == {"pytest_memory", "pytest_memory.entry", "pytest_memory.declaration"}
    assert not HEAVY & modules - loaded_by(SESSION, cwd=suite)[0]


def test_who_only_checks_loads_nothing_that_measures(suite):
    """An ini key that does nothing alone is read where it is written, and what it is for stays away."""
    modules, output = loaded_by(SESSION, "-p", "pytest_memory.entry", "-o", "memory_top=5", cwd=suite)
    assert "exit 0" in output
    floors = {module.split(".")[1] for module in of_ours(modules) if "." in module} - COMPILED
    checking = {"declaration", "engines", "entry", "garbage", "model", "plugin", "values"}
    assert floors == checking
    assert not {"pytest_memory.plugin.session", "pytest_memory.engines.native"} & modules
    assert not HEAVY & modules - loaded_by(SESSION, cwd=suite)[0]


def test_our_modules_are_loaded_as_they_are(suite):
    """pytest rewrites no assertions of ours, and has its import hook back when the session is over."""
    (suite / "conftest.py").write_text("import pytest\npytest.register_assert_rewrite('pytest_memory')\n")
    told = """
ours = [sys.modules[f"pytest_memory.{name}"] for name in ("declaration", "plugin.recorder")]
print("loaders", *(type(module.__spec__.loader).__name__ for module in ours))
print("first", getattr(sys.meta_path[0], "__name__", type(sys.meta_path[0]).__name__))
"""
    done = subprocess.run(
        [sys.executable, "-c", SESSION + told, "-p", "pytest_memory.entry", "--memlog"],
        cwd=suite,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "loaders SourceFileLoader SourceFileLoader" in done.stdout, done.stdout + done.stderr
    assert "first OwnModules" not in done.stdout


def test_our_modules_are_looked_for_in_their_folders_alone(monkeypatch, tmp_path):
    """A folder is named for each of them; where none is, nothing of the working directory is taken for one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".py").touch()
    assert OwnModules.find_spec("pytest_memory.nothing") is None
    assert OwnModules.find_spec("pytest_memory.nothing", [str(tmp_path)]) is None
    assert OwnModules.find_spec("another.module", [str(tmp_path)]) is None


def test_an_idle_session_says_nothing(suite):
    """Who does not ask for us does not see us."""
    _, output = loaded_by(SESSION, "-p", "pytest_memory.entry", cwd=suite)
    assert "memory" not in output.split("exit 0")[0]


def test_importing_the_package_is_light(tmp_path):
    """import pytest_memory loads what a benchmark needs only when it asks for it."""
    modules, _ = loaded_by("import sys, pytest_memory\nprint('loaded', *sys.modules)", cwd=tmp_path)
    assert of_ours(modules) == {"pytest_memory"}
    assert not HEAVY & modules
    assert "pytest" not in modules


@pytest.mark.parametrize("module", ["units", "stats", "model", "store.runs", "meter", "engines.choose"])
def test_the_lower_floors_are_light(module, tmp_path):
    """Nothing heavy hides in what every measured session loads, and no lower floor knows pytest."""
    modules, _ = loaded_by(f"import sys, pytest_memory.{module}\nprint('loaded', *sys.modules)", cwd=tmp_path)
    assert not HEAVY & modules
    assert "pytest" not in modules


def loaded_inside(suite, *options):
    """The modules that are loaded while a test runs."""
    (suite / "test_one.py").write_text("import sys\n\ndef test_one():\n    print('\\nloaded', *sys.modules)\n")
    command = [sys.executable, "-m", "pytest", "-s", "-p", "pytest_memory.entry", *options]
    done = subprocess.run(command, cwd=suite, capture_output=True, text=True, timeout=60, check=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("loaded")]
    return set(line.split()[1:])


def test_while_tests_are_measured_nothing_is_loaded_that_judges_or_tells(suite):
    """What makes records, judges, writes and tells comes when there is something to do: tests that go through all
    objects there are would pay for it."""
    modules = loaded_inside(suite, "--memory")
    floors = {module.split(".")[1] for module in of_ours(modules) if "." in module} - COMPILED
    measuring = {"declaration", "engines", "entry", "instruments", "meter", "model", "plugin", "recorder", "stacked"}
    assert floors == measuring | {"garbage", "values"}
    assert not {f"pytest_memory.model.{name}" for name in ("limit", "record", "run", "summary")} & modules
    assert not {f"pytest_memory.recorder.{name}" for name in ("journal", "frames", "crumbs")} & modules
    later = {"failing", "judging", "made_reports", "memray_face", "unpacking", "workers"}
    assert not {f"pytest_memory.plugin.{name}" for name in later} & modules
    in_python = "pytest_memory.recorder.following_python" in modules
    assert in_python is ("pytest_memory.recorder._cells" not in modules)
    assert not HEAVY & modules - loaded_by(SESSION, cwd=suite)[0]


def test_who_only_counts_loads_nothing_for_call_stacks(suite):
    """Counters have no call stacks to resolve, with or without a cache of pytest's."""
    stacks = {"pytest_memory.engines.native.sites", "pytest_memory.model.site"}
    for options in ((), ("-p", "no:cacheprovider")):
        modules = loaded_inside(suite, "--memory", "--memory-detail=counters", *options)
        assert not (stacks | HEAVY) & modules - loaded_by(SESSION, cwd=suite)[0]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's high-water mark can be reset on Linux only")
@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_one_reader_of_resident_memory_is_loaded(suite, mode):
    """Who reads both ends of a window through psutil is not there beside who reads the kernel's mark."""
    modules = loaded_inside(suite, "--memory", f"--memory-resident={mode}")
    assert ("pytest_memory.instruments.sampled" in modules) is (mode == "sampled")
    in_python = mode == "exact" and "pytest_memory.instruments._kernel" not in modules
    assert ("pytest_memory.instruments.kernel_windows" in modules) is in_python


def test_a_session_that_is_only_recorded_loads_nothing_that_measures(suite):
    """--memlog alone needs no engine, no meter, no limit and no record, no class of the model, and no reader."""
    for _ in range(2):  # the second finds the folder of the first
        modules, output = loaded_by(SESSION, "-p", "pytest_memory.entry", "--memlog", "-p", "cacheprovider", cwd=suite)
    assert "exit 0" in output
    floors = {module.split(".")[1] for module in of_ours(modules) if "." in module} - COMPILED
    expected = {"declaration", "entry", "garbage", "instruments", "model", "plugin", "recorder", "report", "units"}
    assert floors <= expected
    spared = {"instruments.children", "plugin.guard_settings", "plugin.recorder_seldom", "recorder.crumbs"}
    spared |= {"recorder.frames"} if "pytest_memory.recorder._cells" in modules else set()
    assert not {f"pytest_memory.{module}" for module in spared} & modules
    assert not {"pytest_memory.plugin.session", "pytest_memory.plugin.phases", "pytest_memory.model.usage"} & modules
    assert not HEAVY & modules - loaded_by(SESSION, "-p", "cacheprovider", cwd=suite)[0]


def test_the_recorder_starts_light(tmp_path):
    """The recorder's process loads nothing that takes longer to load than all that it needs to sample."""
    code = "import sys, pytest_memory.recorder.process\nprint('loaded', *sys.modules)"
    here, _ = loaded_by("import sys\nprint('loaded', *sys.modules)", cwd=tmp_path)
    modules, _ = loaded_by(code, cwd=tmp_path)
    slow = {"typing", "dataclasses", "inspect", "pathlib", "contextlib", "hashlib", "subprocess", "psutil"}
    assert not slow & modules - here
    assert not {module for module in of_ours(modules) if module.startswith("pytest_memory.model.")} - {
        "pytest_memory.model.activity"
    }


RUN = '{"benchmarks": [{"fullname": "t.py::a", "stats": {"min": 0.5}}]}'
READING = f"""
import pathlib
import pytest_memory

def test_reads(tmp_path):
    path = tmp_path / "run.json"
    path.write_text({RUN!r})
    assert pytest_memory.load_samples(path)[1][0].value == 0.5
"""


def test_a_session_does_not_load_msgspec(suite):
    """A test process has nobody's C extension but our own, also where a test reads a saved run."""
    (suite / "test_reading.py").write_text(READING)
    modules, output = loaded_by(SESSION, "-p", "pytest_memory.entry", "--memory", cwd=suite)
    assert "exit 0" in output
    assert "msgspec" not in modules


def test_msgspec_is_loaded_by_who_reads_runs(tmp_path):
    """The help needs none; a comparison does."""
    pytest.importorskip("msgspec", reason="msgspec is not installed (pip install 'pytest-memory[fast]')")
    code = "import sys\nfrom pytest_memory.cli.app import run\nrun(sys.argv[1:])\nprint('loaded', *sys.modules)"
    assert "msgspec" not in loaded_by(code, "--help", cwd=tmp_path)[0]
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(RUN)
    assert "msgspec" in loaded_by(code, "compare", "a.json", "b.json", cwd=tmp_path)[0]


@pytest.mark.parametrize("options", [("--memory",), ("--memory", "--memory-granularity=malloc"), ("--memlog",)])
def test_a_session_goes_when_the_interpreter_does(suite, options):
    """What a C type of ours holds unseen by the garbage collector would keep all it reaches, and so the tests' modules:
    the interpreter would set what is in them to None under whatever still runs."""

    def wiped(*arguments):
        command = [sys.executable, "-v", "-m", "pytest", "-p", "pytest_memory.entry", *arguments]
        done = subprocess.run(command, cwd=suite, capture_output=True, text=True, timeout=60, check=True)
        return {line.split()[-1] for line in done.stderr.splitlines() if "wiping" in line}

    assert not {module for module in wiped(*options) - wiped() if module.split(".")[0] in {"_pytest", "test_one"}}


def test_plugins_show_their_hooks_and_load_without_collections(suite):
    """pytest goes through all that a plugin shows, and a garbage collection through all there is."""
    (suite / "conftest.py").write_text(
        """
import gc

shown, collecting = set(), []

def pytest_plugin_registered(plugin_name):
    if plugin_name.startswith("pytest-memory"):
        collecting.append(gc.isenabled())

def pytest_sessionfinish(session):
    ours = [plugin for name, plugin in session.config.pluginmanager.list_name_plugin() if "pytest-memory" in name]
    print("\\nplugins", len(ours), "shown", *{name for plugin in ours for name in dir(plugin)})
    print("collecting", *collecting, gc.isenabled())
"""
    )
    command = [sys.executable, "-m", "pytest", "-s", "-p", "pytest_memory.entry", "--memory", "--memlog"]
    done = subprocess.run(command, cwd=suite, capture_output=True, text=True, timeout=60, check=True)
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.startswith(("plugins", "collecting")))
    count, _, *names = told["plugins"].split()
    assert int(count) >= 5
    assert names and all(name.startswith("pytest_") for name in names)
    *loading, afterwards = told["collecting"].split()
    assert set(loading) == {"False"}
    assert afterwards == "True"
