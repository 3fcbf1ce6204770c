"""The only thing that pyproject.toml cannot say: the C extensions are optional.

An install on a machine without a compiler succeeds without them: ``--memory-engine=auto`` says why it fell back,
resident memory is read in Python, and breadcrumbs are written and records kept in it.
"""

import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

PACKAGE = Path("src/pytest_memory")


def extension(name, folder, pattern, **options):
    """One extension, or none where its sources are not there."""
    sources = sorted(str(path) for path in (PACKAGE / folder).glob(pattern))
    if not sources:
        return []
    headers = sorted(str(path) for place in (PACKAGE / folder, PACKAGE) for path in place.glob("*.h"))
    return [
        Extension(
            ".".join(("pytest_memory", *Path(folder).parts, name)),
            sources=sources,
            depends=headers,
            extra_compile_args=["-std=c11", "-O2", "-fvisibility=hidden"],
            optional=True,
            **options,
        )
    ]


def extensions():
    """The heap engine and what helps to cost little beside it, where they are supported."""
    if not sys.platform.startswith("linux"):
        return []
    if sysconfig.get_config_var("Py_GIL_DISABLED"):  # to load one would switch the lock on for all that is tested
        return []
    return [
        *extension("_native", "engines/native", "*.c", libraries=["m"]),
        *extension("_garbage", "", "_garbage.c"),
        *extension("_stacked", "", "_stacked.c"),
        *extension("_phase_ends", "plugin", "_phase_ends*.c"),
        *extension("_keeping", "plugin", "_keeping.c"),
        *extension("_kernel", "instruments", "_kernel.c"),
        *extension("_cells", "recorder", "_*.c"),
    ]


setup(ext_modules=extensions())
