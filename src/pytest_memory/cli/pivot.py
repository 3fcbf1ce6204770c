"""One run seen as several: the values of a parameter become the series that are compared."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_memory.cli.errors import WrongUsage
from pytest_memory.cli.streams import remark
from pytest_memory.store.benchmarks import Benchmark
from pytest_memory.store.dims import without_token
from pytest_memory.store.lineup import LabelledRun, Lineup, Selection, line_up_split


def pivoted(runs: Sequence[LabelledRun], selection: Selection, dim: str) -> Lineup:
    """Read a run and lay its benchmarks side by side by the values of one dim.

    The value's token is taken out of the id (``test_a[fast-10]`` and ``test_a[slow-10]`` become ``test_a[10]``), so
    that what differs in nothing else is compared.

    Raises:
        WrongUsage: There are several runs, or no benchmark has the dim.
        UnreadableFile: The file is not a run.
    """
    if len(runs) != 1:
        raise WrongUsage(f"--pivot folds a single run, and {len(runs)} were given", "give one")
    name = dim.removeprefix("param:")

    def split(benchmark: Benchmark) -> tuple[str, str] | None:
        value = benchmark.dims.get(name)
        return None if value is None else (str(value), without_token(benchmark.id, str(value)))

    lineup = line_up_split(runs[0].path, selection, split)
    if not lineup.labels:
        raise WrongUsage(f"{dim!r} is not a dim of any benchmark in {runs[0].path}", "name one of its parameters")
    if len(lineup.labels) > 1 and not _pairs(lineup):
        remark(f"no benchmark differs in {dim} alone, so that nothing can be compared")
    return lineup


def _pairs(lineup: Lineup) -> bool:
    return any(key in column for columns in lineup.metrics.values() for key in columns[0] for column in columns[1:])
