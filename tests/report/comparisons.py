"""A comparison of all architectures, with as many leaves as a test needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aesm_dsl.spec.baseline import ARCHITECTURES
from aesm_dsl.training.compare import Comparison, Contender, Standing, Swing
from aesm_dsl.training.metrics.paired_rows_test import RowTest
from aesm_dsl.training.metrics.t_test import mean_of_runs

TASKS = ("click", "purchase", "一个很长的任务名称")


def large_comparison(leaves: Sequence[str]) -> Comparison:
    auc, gain, by_rows = mean_of_runs([0.7123, 0.7234]), mean_of_runs([0.0123, 0.0234]), RowTest(0.01, 0.0, 0.02, 0.03)
    contenders = tuple(
        Contender(name, 1_234_567, 10, 7_654_321, 123_456.0, auc, None if name == "aes" else gain)
        for name in ARCHITECTURES
    )
    standings = tuple(
        Standing(leaf, task, name, 1_234_567, 50, auc, 0.3, None if name == "aes" else gain, by_rows)
        for leaf in leaves
        for task in TASKS
        for name in ARCHITECTURES
    )
    swings = tuple(
        Swing(leaf, task, 1_234_567, 0.7, 0.69, gain, by_rows, "gain") for leaf in leaves[:-1] for task in TASKS
    )
    runs = {name: (f"runs/{name}-7",) for name in ARCHITECTURES}
    return Comparison(Path("x"), "x", "名称", "test", (7, 8), "parameters", contenders, standings, swings, runs)
