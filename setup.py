"""The only thing that pyproject.toml cannot say: the C engine is optional.

An install on a machine without a compiler succeeds without it, and ``--memory-engine=auto`` says why it fell back.
"""

import sys
from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("src/pytest_memory/engines/native")


def native_extension():
    """The C engine's sources, or nothing where its platform is not supported."""
    sources = sorted(str(path) for path in NATIVE.glob("*.c"))
    if not sources or not sys.platform.startswith("linux"):
        return []
    return [
        Extension(
            "pytest_memory.engines.native._native",
            sources=sources,
            depends=sorted(str(path) for path in NATIVE.glob("*.h")),
            extra_compile_args=["-std=c11", "-O2", "-fvisibility=hidden"],
            libraries=["m"],
            optional=True,
        )
    ]


setup(ext_modules=native_extension())
