"""Which heap engine measures, and the reasons why the others do not."""

import pytest

from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.choose import ENGINE_NAMES, FACTORIES, choose_engine
from pytest_memory.engines.none import NoEngine
from pytest_memory.errors import EngineUnavailable, InvalidValue, WindowRefused
from pytest_memory.model import EngineChoice


def refuses(reason):
    def factory():
        raise EngineUnavailable(reason, "install it")

    return factory


def works():
    return NoEngine()


def test_auto_takes_the_first_that_works():
    """The cheapest exact engine is asked first."""
    _, choice = choose_engine("auto", {"native": works, "memray": works, "tracemalloc": works, "none": works})
    assert choice == EngineChoice("native")


def test_auto_keeps_the_reasons():
    """The report can say why each better engine was not used."""
    factories = {
        "native": refuses("no C engine"),
        "memray": refuses("not installed"),
        "tracemalloc": works,
        "none": works,
    }
    _, choice = choose_engine("auto", factories)
    assert choice == EngineChoice("tracemalloc", (("native", "no C engine"), ("memray", "not installed")))


def test_auto_never_fails():
    """Where nothing works the tests still run, and resident memory is all there is."""
    factories = {name: refuses(f"{name} is missing") for name in ("native", "memray", "tracemalloc")}
    engine, choice = choose_engine("auto", {**factories, "none": works})
    assert choice.name == engine.name == "none"
    assert [name for name, _ in choice.refused] == ["native", "memray", "tracemalloc"]


def test_an_engine_asked_for_by_name_must_be_had():
    """Somebody who names an engine wants no other."""
    with pytest.raises(EngineUnavailable, match=r"^not installed; install it$"):
        choose_engine("memray", {"native": works, "memray": refuses("not installed")})


def test_unknown_name():
    """The message lists the names there are."""
    with pytest.raises(InvalidValue) as caught:
        choose_engine("valgrind")
    assert str(caught.value) == ("unknown engine 'valgrind'; choose from auto, native, memray, tracemalloc, none")


def test_every_name_has_a_factory():
    """What the option offers can be made."""
    assert {"auto", *FACTORIES} == set(ENGINE_NAMES)


def test_the_real_choice():
    """On this machine one engine is chosen, and every engine before it in line has a reason."""
    engine, choice = choose_engine()
    assert engine.name == choice.name
    assert all(reason for _, reason in choice.refused)


def test_none_refuses_every_window():
    """The engine that measures nothing says so and tells what to write."""
    with pytest.raises(WindowRefused, match=r"^no heap engine is active; choose one with --memory-engine$"):
        NoEngine().open(WindowRequest())
