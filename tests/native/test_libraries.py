"""Libraries that come, go, and bring their own allocators."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import subprocess
import sys

import pytest

from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.native.bypass import bypassing

from .helper import Helper, compile_library

COUNTERS = WindowRequest(granularity="malloc", detail="counters")


def run_python(code, **environment):
    """Standard output of a script in a process of its own."""
    import os

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_library_loaded_inside_a_window_is_seen_at_once(engine, library_path, tmp_path):
    """Its import table is patched as soon as it is loaded."""
    copy = shutil.copy(library_path, tmp_path / "late.so")
    window = engine.open(COUNTERS)
    late = Helper(copy)
    block = late.library.hold(5_000_000)
    usage = window.close().usage
    late.library.release(block)
    assert 5_000_000 <= usage.retained < 5_100_000


def test_a_library_found_by_the_loader_is_seen_from_the_next_window_on(engine, library_path, tmp_path):
    """Without a slash in its name a library is searched for on behalf of the caller, which must stay the caller."""
    code = f"""
import ctypes
from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.native import NativeEngine
engine = NativeEngine()
outer = engine.open(WindowRequest(granularity="malloc", detail="counters"))
library = ctypes.CDLL({library_path.name!r})
window = engine.open(WindowRequest(granularity="malloc", detail="counters"))
library.hold(ctypes.c_size_t(7_000_000))
print(window.close().usage.peak, outer.close().usage.peak >= 7_000_000)
"""
    assert run_python(code, LD_LIBRARY_PATH=str(library_path.parent)) == "7000000 True"


def test_a_thousand_libraries(engine, library_path, tmp_path):
    """Patching walks each library once; all of them are seen."""
    small = compile_library(tmp_path, "small", "#include <stdlib.h>\nvoid *hold(size_t n) { return malloc(n); }\n")
    code = f"""
import ctypes, shutil
from pytest_memory.engines.base import WindowRequest
from pytest_memory.engines.native import NativeEngine
libraries = []
for number in range(1000):
    path = "{tmp_path}/copy%d.so" % number
    shutil.copy({str(small)!r}, path)
    libraries.append(ctypes.CDLL(path))
engine = NativeEngine()
size = ctypes.c_size_t(10_000)
holds = [library.hold for library in libraries]
for hold in holds: hold(size)
window = engine.open(WindowRequest(granularity="malloc", detail="counters"))
for hold in holds: hold(size)
print(window.close().usage.peak)
"""
    assert run_python(code) == "10000000"


FOREIGN = """
#define _GNU_SOURCE
#include <stddef.h>
void *__libc_malloc(size_t);
void *__libc_realloc(void *, size_t);
void *__libc_calloc(size_t, size_t);
void __libc_free(void *);
void *malloc(size_t size) { return __libc_malloc(size); }
void *realloc(void *block, size_t size) { return __libc_realloc(block, size); }
void *calloc(size_t count, size_t size) { return __libc_calloc(count, size); }
void free(void *block) { __libc_free(block); }
"""

ATTEMPT = """
from pytest_memory.engines.native import NativeEngine
try:
    NativeEngine()
except RuntimeError as error:
    print(error)
else:
    print("runs")
"""


def test_a_preloaded_allocator_is_declined(engine, tmp_path):
    """The engine knows the C library's allocator and no other."""
    path = compile_library(tmp_path, "foreign", FOREIGN, "-fno-builtin")
    assert "another allocator stands in for the C library's" in run_python(ATTEMPT, LD_PRELOAD=str(path))


def test_address_sanitizer_is_declined(engine):
    """A sanitizer owns the allocators; the engine leaves before it has patched anything."""
    compiler = shutil.which("gcc")
    path = (
        compiler
        and subprocess.run(
            [compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    if not path or "/" not in path:
        pytest.skip("there is no libasan")
    seen = run_python(ATTEMPT, LD_PRELOAD=path, ASAN_OPTIONS="detect_leaks=0")
    assert seen == "the process runs under AddressSanitizer, which owns the allocators"


def test_a_library_with_an_allocator_of_its_own_keeps_it(engine, tmp_path):
    """A table that is not bound to the C library's malloc is not ours to change."""
    source = FOREIGN + "void *hold(size_t n) { return malloc(n); }\nvoid release(void *p) { free(p); }\n"
    path = compile_library(tmp_path, "bundled", source, "-fno-builtin", "-Wl,-Bsymbolic")
    library = ctypes.CDLL(str(path))
    library.hold.restype = ctypes.c_void_p
    library.release.argtypes = [ctypes.c_void_p]
    library.release(library.hold(10))
    window = engine.open(COUNTERS)
    library.release(library.hold(9_000_000))
    assert window.close().usage.peak < 9_000_000


@pytest.mark.parametrize(
    ("libraries", "named"),
    [
        ([], ()),
        (["/usr/lib/libc.so.6", "/x/numpy/_core.so"], ()),
        (["/x/pyarrow/libarrow.so.2100"], ("pyarrow (mimalloc or jemalloc pools)",)),
        (["/x/_polars_runtime_32/_polars_runtime.abi3.so"], ("polars (jemalloc)",)),
        (["/x/polars.abi3.so", "/usr/lib/libjemalloc.so.2"], ("polars (jemalloc)", "jemalloc")),
    ],
)
def test_libraries_that_bypass_malloc_are_named(libraries, named):
    """What no hook can see, the report says."""
    assert bypassing(libraries) == named


@pytest.mark.parametrize(("package", "named"), [("polars", "polars (jemalloc)"), ("pyarrow", "pyarrow (mimalloc")])
def test_an_installed_package_that_bypasses_malloc_is_named(engine, package, named):
    """The names of files are those of the real packages, and they are loaded when the package is."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    code = "from pytest_memory.engines.native import NativeEngine; print(NativeEngine().notes())"
    assert run_python(code) == "()"
    assert named in run_python(f"import {package}; {code}")


def test_the_engine_knows_what_it_holds(engine):
    """Its own tables are part of what rss figures show; they grow with what was counted, and are not nothing."""
    window = engine.open(WindowRequest(granularity="malloc", detail="stacks"))
    blocks = [bytearray(600) for _ in range(20_000)]
    window.close()
    held = engine.held_bytes()
    assert 500_000 < held < 500_000_000
    assert len(blocks) == 20_000
