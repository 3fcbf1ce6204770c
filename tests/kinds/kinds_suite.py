"""One test of every kind that pytest can run, written into a folder and measured once.

Each kind has three tests: one that takes 4 MB, one that does nothing, and one that takes 4 MB where 1 MB is the limit.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

TAKES = 4_000_000
LIMIT = "1MB"


@dataclass(frozen=True)
class Kind:
    """One kind of item.

    Attributes:
        name: Its row in the table of the documentation.
        files: What to write, by name.
        nodeid: Node id of its tests, with ``{}`` for ``large``, ``nothing`` and ``over``.
        needs: Modules without which it cannot run.
    """

    name: str
    files: dict[str, str]
    nodeid: str
    needs: tuple[str, ...] = ()

    def node(self, test):
        return self.nodeid.format(test)


FUNCTIONS = """
    def test_large():
        bytearray(4_000_000)

    def test_nothing():
        pass

    def test_over():
        bytearray(4_000_000)
"""

KINDS = [
    Kind("function", {"test_function.py": FUNCTIONS}, "test_function.py::test_{}"),
    Kind(
        "method",
        {
            "test_method.py": """
            class TestThings:
                def test_large(self):
                    bytearray(4_000_000)

                def test_nothing(self):
                    pass

                def test_over(self):
                    bytearray(4_000_000)
            """
        },
        "test_method.py::TestThings::test_{}",
    ),
    Kind(
        "parametrised function",
        {
            "test_parametrised.py": """
            import pytest

            @pytest.mark.parametrize("size", [4_000_000, 0, 4_000_000], ids=["large", "nothing", "over"])
            def test_it(size):
                if size:
                    bytearray(size)
            """
        },
        "test_parametrised.py::test_it[{}]",
    ),
    Kind(
        "`unittest.TestCase` method",
        {
            "test_unittest.py": """
            import unittest

            class Case(unittest.TestCase):
                def test_large(self):
                    bytearray(4_000_000)

                def test_nothing(self):
                    pass

                def test_over(self):
                    bytearray(4_000_000)
            """
        },
        "test_unittest.py::Case::test_{}",
    ),
    Kind(
        "`unittest.IsolatedAsyncioTestCase` method",
        {
            "test_unittest_async.py": """
            import unittest

            class Case(unittest.IsolatedAsyncioTestCase):
                async def test_large(self):
                    bytearray(4_000_000)

                async def test_nothing(self):
                    pass

                async def test_over(self):
                    bytearray(4_000_000)
            """
        },
        "test_unittest_async.py::Case::test_{}",
    ),
    Kind(
        "`self.subTest` in a `TestCase`",
        {
            "test_subtest.py": """
            import unittest

            class Case(unittest.TestCase):
                def test_large(self):
                    for size in (1_000_000, 4_000_000):
                        with self.subTest(size=size):
                            bytearray(size)

                def test_nothing(self):
                    with self.subTest():
                        pass

                def test_over(self):
                    for size in (1, 4_000_000):
                        with self.subTest(size=size):
                            bytearray(size)
            """
        },
        "test_subtest.py::Case::test_{}",
    ),
    Kind(
        "`subtests` fixture",
        {
            "test_subtests.py": """
            def test_large(subtests):
                for size in (1_000_000, 4_000_000):
                    with subtests.test(size=size):
                        bytearray(size)

            def test_nothing(subtests):
                with subtests.test():
                    pass

            def test_over(subtests):
                for size in (1, 4_000_000):
                    with subtests.test(size=size):
                        bytearray(size)
            """
        },
        "test_subtests.py::test_{}",
        needs=("_pytest.subtests",),
    ),
    Kind(
        "async function, pytest-asyncio",
        {
            "test_asyncio.py": """
            import asyncio
            import pytest

            @pytest.mark.asyncio
            async def test_large():
                await asyncio.sleep(0)
                bytearray(4_000_000)

            @pytest.mark.asyncio
            async def test_nothing():
                pass

            @pytest.mark.asyncio
            async def test_over():
                bytearray(4_000_000)
            """
        },
        "test_asyncio.py::test_{}",
        needs=("pytest_asyncio",),
    ),
    Kind(
        "async function, anyio",
        {
            "test_anyio.py": """
            import anyio
            import pytest

            pytestmark = pytest.mark.anyio

            @pytest.fixture
            def anyio_backend():
                return "asyncio"

            async def test_large():
                await anyio.sleep(0)
                bytearray(4_000_000)

            async def test_nothing():
                pass

            async def test_over():
                bytearray(4_000_000)
            """
        },
        "test_anyio.py::test_{}",
        needs=("anyio",),
    ),
    Kind(
        "doctest of a module",
        {
            "doc_module.py": '''
            def large():
                """
                >>> len(bytearray(4_000_000))
                4000000
                """

            def nothing():
                """
                >>> None
                """

            def over():
                """
                >>> len(bytearray(4_000_000))
                4000000
                """
            '''
        },
        "doc_module.py::doc_module.{}",
    ),
    Kind(
        "doctest of a text file",
        {
            f"test_{name}.txt": f"""
            A page.

            >>> {code}
            """
            for name, code in {
                "large": "_ = bytearray(4_000_000)",
                "nothing": "None",
                "over": "_ = bytearray(4_000_000)",
            }.items()
        },
        "test_{0}.txt::test_{0}.txt",
    ),
    Kind(
        "item of another plugin",
        {
            "items.sizes": """
            large 4000000
            nothing 0
            over 4000000
            """,
            "conftest.py": """
            import pytest

            def pytest_collect_file(file_path, parent):
                if file_path.suffix == ".sizes":
                    return SizesFile.from_parent(parent, path=file_path)

            class SizesFile(pytest.File):
                def collect(self):
                    for line in self.path.read_text().split("\\n"):
                        if line:
                            name, size = line.split()
                            yield SizesItem.from_parent(self, name=name, size=int(size))

            class SizesItem(pytest.Item):
                def __init__(self, *, size, **kwargs):
                    super().__init__(**kwargs)
                    self.size = size

                def runtest(self):
                    bytearray(self.size)
            """,
        },
        "items.sizes::{}",
    ),
    Kind(
        "Hypothesis `@given`",
        {
            "test_hypothesis.py": """
            from hypothesis import given, settings, strategies

            quick = settings(max_examples=5, database=None, deadline=None)

            @quick
            @given(strategies.booleans())
            def test_large(value):
                bytearray(4_000_000)

            @quick
            @given(strategies.booleans())
            def test_nothing(value):
                pass

            @quick
            @given(strategies.booleans())
            def test_over(value):
                bytearray(4_000_000)
            """
        },
        "test_hypothesis.py::test_{}",
        needs=("hypothesis",),
    ),
]


WARM_UP = """
import unittest

class Empty(unittest.IsolatedAsyncioTestCase):
    async def test(self):
        pass

def pytest_collection_finish():
    Empty("test").run()
"""
"""The first event loop in debug mode imports asyncio and reads its callers' sources: 1.04 MB on Python 3.10."""


def write(folder, kinds=KINDS):
    """Write the tests of some kinds, and the limit that binds those called ``over``.

    A plugin of the suite does in each process, before the first test, what is costly only once.
    """
    (folder / "warm_up.py").write_text(WARM_UP)
    for kind in kinds:
        for name, text in kind.files.items():
            (folder / name).write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = --doctest-modules -p no:cacheprovider -p warm_up\npythonpath = .\n"
        f"memory_limit = *over* = {LIMIT}\n"
        "asyncio_default_fixture_loop_scope = function\n"
    )
