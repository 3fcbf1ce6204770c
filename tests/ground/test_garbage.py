"""What the collector is kept from, and what is kept from it."""

import gc
import subprocess
import sys
import weakref
from types import ModuleType

import pytest

from pytest_memory.garbage import loading, without_collections

garbage = pytest.importorskip("pytest_memory._garbage", reason="the extension was not built")

PACKAGE = {
    "__init__": "",
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


def hide(package):
    below = f"{package}."
    modules = [module for name, module in sys.modules.items() if name == package or name.startswith(below)]
    return garbage.Hidden(package, modules)


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
        modules = [sys.modules["hidden_package"], package, vars(package), package.__spec__]
        everything = [*nested, *functions, *classes, *modules]
        assert not any(hidden_of(*everything))
        hidden = hide("hidden_package")
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
        before = hidden_of(*foreign)
        hidden = hide("hidden_package")
        assert hidden_of(*foreign) == before
        hidden.show()

    def test_what_only_looks_like_it(self, package):
        """Another package whose name begins alike, imported by this one."""
        other = ModuleType("hidden_packages")
        exec("def function(): ...\nclass Class: ...", vars(other))
        package.function_of_another, package.Class = other.function, other.Class
        hidden = hide("hidden_package")
        assert not any(hidden_of(other.function, other.Class))
        hidden.show()

    def test_a_module_without_a_spec(self):
        """Made by hand, as tests do."""
        bare = ModuleType("bare")
        hidden = garbage.Hidden("bare", [bare])
        assert all(hidden_of(bare, vars(bare)))
        hidden.show()

    @pytest.mark.parametrize("wrong", [("name", ()), (7, []), ("name", [None]), ()])
    def test_modules_are_wanted(self, wrong):
        """As its documentation says."""
        with pytest.raises(TypeError):
            garbage.Hidden(*wrong)


class TestUntilItIsShown:
    """Out of the collector's sight, and back."""

    def test_once(self, package):
        """A second call changes nothing, and who hides the same again hides nothing."""
        hidden = hide("hidden_package")
        assert len(hidden) > 20
        assert len(hide("hidden_package")) == 0
        assert not gc.is_tracked(package.function)
        hidden.show()
        assert len(hidden) == 0
        hidden.show()
        assert gc.is_tracked(package.function)

    def test_it_lives_as_long(self, package):
        """Nobody can free what is out of sight, which most deallocators would not survive."""
        functions = weakref.ref(package.function), weakref.ref(package.Derived)
        hidden = hide("hidden_package")
        del package.function, package.Derived
        gc.collect()
        assert all(reference() is not None for reference in functions)
        hidden.show()
        gc.collect()
        assert all(reference() is None for reference in functions)

    def test_what_is_forgotten_is_shown(self, package):
        """The last reference to what hides it is as good as show()."""
        hide("hidden_package")
        assert gc.is_tracked(package.function)

    def test_one_that_comes_back_by_itself(self, package):
        """A dict is tracked again when something is put into it, until CPython 3.13."""
        hidden = hide("hidden_package")
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
        hidden = hide("hidden_package")
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
