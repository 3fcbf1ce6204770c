"""``--fail-on``: the first run against the last."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_memory.cli.errors import GateTripped, WrongUsage
from pytest_memory.cli.streams import announce, remark
from pytest_memory.policy.regressions import Regression, judge_regressions
from pytest_memory.policy.thresholds import parse_threshold
from pytest_memory.store.benchmark_json import Metric, resolve_metric
from pytest_memory.store.lineup import Lineup


class Gate:
    """Thresholds for the growth from the first run to the last.

    Args:
        expressions: ``FIELD:THRESHOLD``, as written.
        alpha: A difference is real if its p is below this.
        significant: Whether only real differences count.

    Raises:
        InvalidThreshold: An expression cannot be read.
        WrongUsage: ``alpha`` is no probability, or there is nothing that ``significant`` could be asked of.
    """

    def __init__(self, expressions: Sequence[str], *, alpha: float, significant: bool) -> None:
        if not 0 < alpha < 1:
            raise WrongUsage(f"bad --alpha {alpha!r}", "write a probability between 0 and 1, like 0.05")
        if significant and not expressions:
            raise WrongUsage("--significant is about --fail-on, which is missing", "add --fail-on FIELD:THRESHOLD")
        self.thresholds = tuple(parse_threshold(expression) for expression in expressions)
        self._alpha = alpha
        self.significant = significant

    def metrics(self, *shown: Metric) -> tuple[Metric, ...]:
        """The metrics shown and those that are judged, each once."""
        return tuple(dict.fromkeys((*shown, *(resolve_metric(threshold.field) for threshold in self.thresholds))))

    def refuse_single(self, lineup: Lineup, pivot: str | None) -> None:
        """Refuse to judge one series.

        Raises:
            WrongUsage: There is only one.
        """
        if self.thresholds and len(lineup.labels) < 2:
            if pivot is not None:
                raise WrongUsage(f"--fail-on needs two distinct values of {pivot}", "this run has one")
            raise WrongUsage("--fail-on needs at least two runs", "give the older one first")

    def judge(self, lineup: Lineup) -> None:
        """Hold the last run against the first.

        Raises:
            GateTripped: A threshold is broken, or could be held against nothing.
        """
        if not self.thresholds:
            return
        result = judge_regressions(self._headlines(lineup, 0), self._headlines(lineup, -1), self.thresholds)
        counted = [one for one in result.regressions if not self.significant or self._real(lineup, one)]
        spared = len(result.regressions) - len(counted)
        if spared:
            remark(f"{spared} growth(s) over threshold not counted: they could be noise")
        if counted:
            lines = [f"{len(counted)} regression(s) over threshold:", *(one.line() for one in counted)]
            raise GateTripped("\n".join([*lines, *result.unjudged]))
        if result.unjudged:
            raise GateTripped(" ".join(result.unjudged))
        announce("no regressions over thresholds")

    def _headlines(self, lineup: Lineup, label: int) -> dict[str, dict[str, float]]:
        headlines: dict[str, dict[str, float]] = {key: {} for key in lineup.present[label]}
        for threshold in self.thresholds:
            numbers = lineup.metrics[resolve_metric(threshold.field)][label].column(None)
            for key, headline in zip(numbers.ids.keys, numbers.numbers, strict=True):
                headlines[key][threshold.field] = headline
        return headlines

    def _real(self, lineup: Lineup, regression: Regression) -> bool:
        metric = resolve_metric(regression.threshold.field)
        columns = lineup.metrics[metric]
        base, head = columns[0][regression.benchmark], columns[-1][regression.benchmark]
        return base.compare(head, metric, self._alpha).real is True
