"""What the collector is kept from, and what is kept from it."""

import gc
import subprocess
import sys
import threading
import weakref
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from pytest_memory.garbage import hide_code, loading, without_collections

garbage = pytest.importorskip("pytest_memory._garbage", reason="the extension was not built")

PACKAGE = {
    "__init__": """
        def at_home(): ...
    """,
    "parts": """
        import contextlib, functools, json
        from json import JSONDecoder
        STATE = {"list": []}
        INSTANCE = JSONDecoder()

        def function(argument=(STATE,)):
            return argument

        @contextlib.contextmanager
        def decorated():
            yield

        def enclosing():
            state, function = {"list": []}, lambda: None
            return lambda: (state, function)

        closure = enclosing()

        class Plain:
            __slots__ = ("slot",)
            shared = {"list": []}

            @property
            def value(self): ...

            @staticmethod
            def static(): ...

            @classmethod
            def of(cls): ...

        class Derived(Plain, JSONDecoder):
            pass
    """,
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package, loaded."""
    folder = tmp_path / "hidden_package"
    folder.mkdir()
    for name, source in PACKAGE.items():
        lines = [line.removeprefix(" " * 8) for line in source.strip("\n").splitlines()]
        (folder / f"{name}.py").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    import hidden_package.parts

    yield hidden_package.parts
    for name in list(sys.modules):
        if name.startswith("hidden_package"):
            del sys.modules[name]


def hidden_of(*objects):
    return [not gc.is_tracked(one) for one in objects]


class TestWhatIsHidden:
    """What belongs to a package, and what does not."""

    def test_functions_classes_and_what_they_consist_of(self, package):
        """With their modules, and nested in classes."""
        members = dict(package.Plain.__dict__)
        nested = [members[name] for name in ("slot", "value", "static", "of")]
        functions = [package.function, package.decorated, nested[1].fget, nested[2].__func__]
        classes = [package.Plain, package.Plain.__mro__, package.Derived]
        inner, state = package.closure.__closure__
        functions += [package.closure, package.closure.__closure__, state, inner, inner.cell_contents]
        home = sys.modules["hidden_package"]
        modules = [home, home.at_home, package, vars(package), package.__spec__, package.__loader__]
        everything = [*nested, *functions, *classes, *modules]
        assert not any(hidden_of(*everything))
        hidden = hide_code("hidden_package")
        assert all(hidden_of(*everything))
        hidden.show()
        assert not any(hidden_of(*everything))

    def test_nothing_of_anybody_else(self, package):
        """Neither what a module imports, nor what its classes derive from, nor what it keeps in the course of time."""
        import contextlib
        import json

        builtins = sys.modules["builtins"]
        foreign = [json, vars(json), json.JSONDecoder, json.dumps, contextlib.contextmanager, vars(contextlib)]
        foreign += [sys, vars(sys), builtins, vars(builtins), package.STATE, package.STATE["list"], package.INSTANCE]
        foreign += [package.Plain.shared, package.closure.__closure__[1].cell_contents]
        before = hidden_of(*foreign)
        hidden = hide_code("hidden_package")
        assert hidden_of(*foreign) == before
        hidden.show()

    def test_what_only_looks_like_it(self, package):
        """Another package whose name begins alike, imported by this one."""
        other = ModuleType("hidden_packages")
        exec("def function(): ...\nclass Class: ...", vars(other))
        package.function_of_another, package.Class = other.function, other.Class
        hidden = hide_code("hidden_package")
        assert not any(hidden_of(other.function, other.Class))
        hidden.show()

    def test_modules_made_by_hand(self, monkeypatch):
        """Without a spec, with somebody else's loader or with nonsense, as tests have them; and one that is blocked."""

        class Loader:
            pass

        bare, foreign, odd = (ModuleType(f"by_hand.{name}") for name in ("bare", "foreign", "odd"))
        foreign.__loader__ = loader = Loader()
        foreign.__spec__ = ModuleSpec(foreign.__name__, loader)
        odd.__spec__ = int
        for module in (bare, foreign, odd):
            monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(sys.modules, "by_hand.blocked", None)
        hidden = hide_code("by_hand")
        assert all(hidden_of(bare, vars(bare), foreign, foreign.__spec__, odd))
        assert not any(hidden_of(loader, Loader))
        hidden.show()

    @pytest.mark.parametrize("wrong", [("name", (), []), (7, [], []), ("name", [None], []), ("name", [], None), ()])
    def test_modules_are_wanted(self, wrong):
        """As its documentation says."""
        with pytest.raises(TypeError):
            garbage.Hidden(*wrong)


class TestUntilItIsShown:
    """Out of the collector's sight, and back."""

    def test_once(self, package):
        """A second call changes nothing, and who hides the same again hides nothing."""
        hidden = hide_code("hidden_package")
        assert len(hidden) > 20
        assert len(hide_code("hidden_package")) == 0
        assert not gc.is_tracked(package.function)
        hidden.show()
        assert len(hidden) == 0
        hidden.show()
        assert gc.is_tracked(package.function)

    def test_it_lives_as_long(self, package):
        """Nobody can free what is out of sight, which most deallocators would not survive."""
        functions = weakref.ref(package.function), weakref.ref(package.Derived)
        hidden = hide_code("hidden_package")
        del package.function, package.Derived
        gc.collect()
        assert all(reference() is not None for reference in functions)
        hidden.show()
        gc.collect()
        assert all(reference() is None for reference in functions)

    def test_what_is_forgotten_is_shown(self, package):
        """The last reference to what hides it is as good as show()."""
        hide_code("hidden_package")
        assert gc.is_tracked(package.function)

    def test_one_that_comes_back_by_itself(self, package):
        """A dict is tracked again when something is put into it, until CPython 3.13."""
        hidden = hide_code("hidden_package")
        package.new = []
        assert gc.is_tracked(vars(package)) == (sys.version_info < (3, 14))
        hidden.show()
        assert gc.is_tracked(vars(package))

    def test_collections_between(self, package):
        """Garbage that refers to hidden objects goes, and what only they refer to stays."""

        class Node:
            pass

        package.function.node = kept = Node()
        lost = Node()
        lost.itself, lost.function = lost, package.function
        stays, goes = weakref.ref(kept), weakref.ref(lost)
        hidden = hide_code("hidden_package")
        del kept, lost
        gc.collect()
        assert stays() is package.function.node
        assert goes() is None
        hidden.show()


def test_loading_hides_what_it_loads(package):
    """From the end of the block until the end of the session; collections are as before."""
    at_end = []
    with loading("hidden_package", at_end.append):
        assert not gc.isenabled()
        assert gc.is_tracked(package.function)
    assert gc.isenabled()
    assert not gc.is_tracked(package.function)
    (show,) = at_end
    show()
    assert gc.is_tracked(package.function)


def test_loading_that_fails_hides_nothing(package):
    """A usage error leaves everything as it was."""
    at_end = []
    with pytest.raises(ZeroDivisionError), loading("hidden_package", at_end.append):
        raise ZeroDivisionError
    assert gc.isenabled()
    assert not at_end


def test_other_threads_may_import(package):
    """What is loaded is looked at while somebody else loads more."""
    done = threading.Event()

    def load():
        number = 0
        while not done.is_set():
            number += 1
            sys.modules[f"other_{number % 5000}"] = ModuleType("other")
            sys.modules.pop(f"other_{(number + 2500) % 5000}", None)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(200):
            hide_code("hidden_package").show()
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)
        for name in [name for name in sys.modules if name.startswith("other_")]:
            del sys.modules[name]


SHORT_OF_MEMORY = """
import sys
from types import ModuleType
import _testcapi
from pytest_memory._garbage import Hidden

large = ModuleType("large")
exec("\\n".join(f"def f{n}(): ..." for n in range(3000)), vars(large))
import gc
for number in range(int(sys.argv[1])):
    _testcapi.set_nomemory(number, number + 1)
    try:
        hidden = Hidden("large", [large], [])
    except MemoryError:
        hidden = None
    _testcapi.remove_mem_hooks()
    assert hidden is None or len(hidden) > 3000
    hidden = None
    assert gc.is_tracked(large.f0) and gc.is_tracked(large.f2999) and gc.is_tracked(large)
print("ok")
"""


def test_short_of_memory():
    """Everything is hidden, or nothing is."""
    pytest.importorskip("_testcapi", reason="this CPython was built without its tests")
    command = [sys.executable, "-c", SHORT_OF_MEMORY, "40"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "ok\n", done.stderr


def test_no_memory_to_hide_with(package, monkeypatch):
    """It only makes things cheaper: a session goes on without."""

    def fail(*arguments):
        raise MemoryError

    monkeypatch.setattr(garbage, "Hidden", fail)
    at_end = []
    with loading("hidden_package", at_end.append):
        pass
    assert not at_end
    assert gc.is_tracked(package.function)


def test_without_collections_leaves_them_off():
    """Whoever has switched them off finds them so."""
    gc.disable()
    try:
        with without_collections():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


SESSION = """
import gc
import sys
import pytest

def in_sight():
    code = [one for one in gc.get_objects() if isinstance(one, (type(in_sight), type))]
    return [str(one.__module__) for one in code if str(one.__module__).startswith("pytest_memory.")]

class Look:
    def pytest_runtest_call(self):
        gc.collect()
        print("\\ninside", *in_sight())

print("exit", int(pytest.main(["-q", "-s", *sys.argv[1:]], plugins=[Look()])))
print("afterwards", *in_sight())
"""


@pytest.mark.parametrize("options", [["--memory"], ["--memlog"], []])
def test_a_session(tmp_path, options):
    """Tests that count the objects there are do not find what was loaded before them; afterwards everybody does.

    But for a few functions and classes that no module or class holds, and what comes with the first limit.
    """
    marker = "" if options else "@pytest.mark.limit_memory('1 GB')\n"
    (tmp_path / "test_it.py").write_text(f"import gc, pytest\n\n{marker}def test():\n    gc.collect()\n")
    done = subprocess.run(
        [sys.executable, "-c", SESSION, *options], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert "exit 0" in done.stdout, done.stdout + done.stderr
    told = {key: homes for key, *homes in map(str.split, filter(None, done.stdout.splitlines()))}
    loaded_first = {"pytest_memory.plugin.recorder", "pytest_memory.plugin.options", "pytest_memory.recorder.channel"}
    assert loaded_first <= set(told["afterwards"])
    assert not loaded_first & set(told["inside"])
    if options == ["--memory"]:
        assert len(told["inside"]) < 0.1 * len(told["afterwards"])
