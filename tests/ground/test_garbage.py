"""What the collector is kept from, and what is kept from it."""

import gc
import subprocess
import sys
import weakref
from types import FunctionType, ModuleType

import pytest

from pytest_memory.garbage import code_of, loading, without_collections

garbage = pytest.importorskip("pytest_memory._garbage", reason="the extension was not built")

PACKAGE = {
    "__init__": "",
    "parts": """
        import contextlib, functools, json
        from json import JSONDecoder
        STATE = {"list": []}

        def function(argument=(STATE,)):
            return argument

        @contextlib.contextmanager
        def decorated():
            yield

        class Plain:
            __slots__ = ("slot",)

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


def among(objects, *wanted):
    ids = set(map(id, objects))
    return [id(one) in ids for one in wanted]


class TestCodeOf:
    """What belongs to a package."""

    def test_functions_classes_and_what_they_consist_of(self, package):
        """With their modules, and nested in classes."""
        plain, namespace = package.Plain, dict(package.Plain.__dict__)
        nested = [namespace[name] for name in ("slot", "value", "static", "of")]
        functions = [package.function, package.decorated, nested[1].fget, nested[2].__func__]
        wanted = [
            sys.modules["hidden_package"],
            package,
            vars(package),
            package.__spec__,
            plain,
            plain.__mro__,
            *nested,
        ]
        assert all(among(code_of("hidden_package"), *wanted, *functions, package.Derived))

    def test_nothing_of_anybody_else(self, package):
        """Neither what a module imports, nor what its classes derive from, nor what it keeps in the course of time."""
        import contextlib
        import json

        foreign = [json, vars(json), json.JSONDecoder, contextlib.contextmanager, vars(contextlib), vars(sys), object]
        builtins = sys.modules["builtins"]
        code = code_of("hidden_package")
        assert not any(among(code, *foreign, package.STATE["list"], builtins, vars(builtins)))
        homes = {one.__module__.partition(".")[0] for one in code if isinstance(one, (FunctionType, type))}
        assert homes == {"hidden_package"}

    def test_what_only_looks_like_it(self, monkeypatch):
        """A module that is blocked, one without a spec, and another package whose name begins alike."""
        monkeypatch.setitem(sys.modules, "hidden_package.blocked", None)
        bare, other = ModuleType("hidden_package.bare"), ModuleType("hidden_packages")
        monkeypatch.setitem(sys.modules, bare.__name__, bare)
        monkeypatch.setitem(sys.modules, other.__name__, other)
        assert among(code_of("hidden_package"), bare, other) == [True, False]


class TestHidden:
    """Out of the collector's sight, and back."""

    def test_until_they_are_shown(self):
        """What was not tracked before is not afterwards; a second call changes nothing."""
        function, atoms = (lambda: None), ()
        hidden = garbage.Hidden([function, function, atoms, 7, "text"])
        assert len(hidden) == 1
        assert not gc.is_tracked(function)
        assert not any(one is function for one in gc.get_objects())
        hidden.show()
        assert gc.is_tracked(function)
        assert not gc.is_tracked(atoms)
        hidden.show()
        assert len(hidden) == 0

    def test_they_live_as_long(self):
        """Nobody can free what is out of sight, which most deallocators would not survive."""

        class Kept:
            pass

        reference, hidden = weakref.ref(Kept), garbage.Hidden([Kept])
        del Kept
        gc.collect()
        assert reference() is not None
        hidden.show()
        gc.collect()
        assert reference() is None

    def test_what_is_forgotten_is_shown(self):
        """The last reference to what hides them is as good as show()."""
        function = lambda: None  # noqa: E731
        garbage.Hidden([function])
        assert gc.is_tracked(function)

    def test_one_that_comes_back_by_itself(self):
        """A dict is tracked again when something is put into it."""
        members = {"one": []}
        hidden = garbage.Hidden([members])
        members["two"] = []
        assert gc.is_tracked(members)
        hidden.show()
        assert gc.is_tracked(members)

    def test_collections_between(self):
        """Garbage that refers to hidden objects goes, and what only they refer to stays."""

        class Node:
            pass

        def function():
            return function

        function.node = node = Node()
        garbage_of_ours, seen = Node(), weakref.ref(node)
        garbage_of_ours.itself, garbage_of_ours.function = garbage_of_ours, function
        gone = weakref.ref(garbage_of_ours)
        hidden = garbage.Hidden([function, function.__dict__, *function.__closure__])
        del node, garbage_of_ours
        gc.collect()
        assert seen() is function.node
        assert gone() is None
        hidden.show()

    @pytest.mark.parametrize("wrong", [(), 7, None])
    def test_a_list_is_wanted(self, wrong):
        """As its documentation says."""
        with pytest.raises(TypeError):
            garbage.Hidden(wrong)


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
    ours = [one for one in gc.get_objects() if isinstance(one, (type(in_sight), type))]
    return [one for one in ours if str(one.__module__) == "pytest_memory.plugin.recorder"]

class Look:
    def pytest_runtest_call(self):
        gc.collect()
        print("inside", len(in_sight()))

print("exit", int(pytest.main(["-q", "-s", *sys.argv[1:]], plugins=[Look()])))
print("afterwards", len(in_sight()))
"""


@pytest.mark.parametrize("options", [["--memory"], ["--memlog"], []])
def test_a_session(tmp_path, options):
    """Tests that count the objects there are do not find the plugin; when the session is over, everybody does."""
    marker = "" if options else "@pytest.mark.limit_memory('1 GB')\n"
    (tmp_path / "test_it.py").write_text(f"import gc, pytest\n\n{marker}def test():\n    gc.collect()\n")
    done = subprocess.run(
        [sys.executable, "-c", SESSION, *options], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert "exit 0" in done.stdout, done.stdout + done.stderr
    assert "inside 0\n" in done.stdout
    assert int(done.stdout.rpartition("afterwards ")[2]) > 10
