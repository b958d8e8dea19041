"""Metrics of the order within a query: against all orders of tied rows, and against scikit-learn."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.metrics import ndcg_score

from aesm_dsl import compile_spec, evaluate, train
from aesm_dsl.report.metrics_table import queries_table
from aesm_dsl.training.metrics import streamed_scores
from aesm_dsl.training.metrics.ranking import mean_interval, query_metrics
from aesm_dsl.training.metrics.scores import PredictedRows, scores
from aesm_dsl.training.metrics.streamed_scores import StreamedScores

SPEC = """aesm = 1

model shop {
  features row { x = number; z = number }
  level place { node home; node search }
  tasks { task click; experts { count = 4; hidden = [8] } }
  train { length = 2 epochs; batch = 64 rows; stop = early(on: mean_ndcg) }
  data { train = "rows.parquet"; valid = split(random: 30%); query = request; top = 3 }
}
"""


def of_one_order(labels: list[int], top: int) -> list[float]:
    """NDCG, reciprocal rank, hit and average precision of rows in this order."""
    places = [place for place, label in enumerate(labels, 1) if label]
    gain = sum(1 / np.log2(1 + place) for place in places if place <= top)
    best = sum(1 / np.log2(1 + place) for place in range(1, min(len(places), top) + 1))
    precision = np.mean([(number + 1) / place for number, place in enumerate(places)])
    return [gain / best, 1 / places[0], float(places[0] <= top), float(precision)]


@pytest.mark.parametrize("seed", range(25))
def test_tied_rows_count_as_the_mean_over_their_orders(seed: int) -> None:
    chance = np.random.default_rng(seed)
    score, label, top = chance.integers(0, 3, 6), chance.integers(0, 2, 6), int(chance.integers(1, 7))
    label[chance.integers(6)] = 1
    orders = [sorted(order, key=lambda row: -score[row]) for order in permutations(range(6))]
    expected = np.mean([of_one_order(label[order].tolist(), top) for order in orders], axis=0)
    # Another query stands around it, whose only row is no positive: it does not count.
    query = np.array([7, 5, 5, 5, 5, 5, 5])
    found = query_metrics(query, np.append(9.0, score), np.append(0, label), top)
    values = [found.ndcg_Q, found.mrr_Q, found.hit_Q, found.map_Q]
    np.testing.assert_allclose(np.concatenate(values), expected, rtol=1e-12)


@pytest.mark.parametrize("top", [1, 3, 10])
def test_ndcg_is_that_of_scikit_learn_on_ties(top: int) -> None:
    chance = np.random.default_rng(top)
    label, score = chance.integers(0, 2, (50, 8)), chance.integers(0, 4, (50, 8)).astype(float)
    label[:, 0] = 1
    found = query_metrics(np.repeat(np.arange(50), 8), score.ravel(), label.ravel(), top)
    assert found.ndcg_Q.mean() == pytest.approx(ndcg_score(label, score, k=top), abs=1e-12)


def test_a_large_query_of_equal_scores() -> None:
    label = np.zeros(50_000, np.int64)
    label[:3] = 1
    found = query_metrics(np.zeros(50_000, np.int64), np.zeros(50_000), label, 100)
    # Three of 50,000 places at random: the first is among 100 with 1 - (1 - 100 / 50,000)^3, nearly.
    assert found.hit_Q[0] == pytest.approx(1 - (1 - 100 / 50_000) ** 3, rel=1e-3)
    assert 0 < found.mrr_Q[0] < 0.01


def test_queries_of_one_row_and_of_positives_alone() -> None:
    found = query_metrics(np.array([1, 2, 2, 3]), np.array([0.1, 0.2, 0.3, 0.4]), np.array([1, 1, 1, 0]), 1)
    assert [*found.ndcg_Q, *found.mrr_Q, *found.hit_Q, *found.map_Q] == [1.0] * 8
    assert len(query_metrics(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), 5).ndcg_Q) == 0


def test_the_interval_covers_the_truth() -> None:
    chance = np.random.default_rng(0)
    covered = [low <= 0.5 <= high for _, low, high in (mean_interval(chance.random(200)) for _ in range(400))]  # type: ignore[operator]
    assert 0.92 < np.mean(covered) < 0.98
    assert mean_interval(np.array([0.5])) == (0.5, None, None)
    assert mean_interval(np.zeros(0)) == (None, None, None)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, chance = tmp_path_factory.mktemp("queries"), np.random.default_rng(0)
    query, rows = np.repeat(np.arange(150), 5), 750
    x = chance.normal(size=rows)
    frame = {
        "request": [None if row % 50 == 0 else f"r{number}" for row, number in enumerate(query.tolist())],
        "place": chance.choice(["home", "search"], rows),
        "x": x,
        "z": chance.normal(size=rows),
        "click": (chance.random(rows) < 1 / (1 + np.exp(1 - 2 * x))).astype(np.int8),
    }
    pl.DataFrame(frame).write_parquet(folder / "rows.parquet")
    (folder / "shop.aesm").write_text(SPEC)
    return folder / "shop.aesm"


def test_a_run_is_stopped_and_measured_by_the_order_within_queries(spec: Path) -> None:
    run = train(spec, spec.parent / "run", device="cpu")
    best = max(run.history, key=lambda epoch: epoch.valid_mean_ndcg or 0)
    assert run.info["best step"] == best.step
    overall = run.metrics.filter(pl.col("leaf") == "(all)").row(0, named=True)
    assert overall["ndcg"] == pytest.approx(best.valid_mean_ndcg)
    assert 0 < overall["ndcg_low"] < overall["ndcg"] < overall["ndcg_high"] <= 1
    assert_frame_equal(evaluate(run, device="cpu"), run.metrics)
    (table,) = queries_table(run.metrics, run.plan)
    columns = {str(column.header): [str(cell) for cell in column.cells] for column in table.columns}
    assert columns["queries"][-1] == str(overall["queries"])
    assert columns["NDCG@3"][-1] == f"{overall['ndcg']:.4f}"
    assert columns["hit@3"][-1] == f"{overall['hit_rate']:.4f}"


def test_without_queries_nothing_is_measured_within_them(spec: Path) -> None:
    few = ["data.query=none", "train.stop=none", "train.length=2 steps"]
    run = train(spec, spec.parent / "without", device="cpu", overrides=few)
    assert run.metrics["queries"].null_count() == run.metrics["ndcg"].null_count() == len(run.metrics)
    assert queries_table(run.metrics, run.plan) == []


def predicted(rows: int) -> PredictedRows:
    chance = np.random.default_rng(4)
    yes_RT = np.log(chance.random((rows, 1)))
    label_RT, query_R = chance.integers(0, 2, (rows, 1)).astype(float), chance.integers(1, rows // 5, rows)
    node_RL = chance.integers(0, 2, (rows, 1))
    return PredictedRows(yes_RT, np.log1p(-np.exp(yes_RT)), label_RT, node_RL, np.ones(rows), None, query_R)


def cut(rows: PredictedRows, of_batch: slice) -> PredictedRows:
    parts = (rows.yes_RT, rows.no_RT, rows.label_RT, rows.node_RL, rows.weight_R)
    assert rows.query_R is not None
    return PredictedRows(*(part[of_batch] for part in parts), None, rows.query_R[of_batch])  # type: ignore[arg-type]


def test_streamed_scores_are_exact_or_those_of_a_sample_of_queries(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, rows = compile_spec(spec).plan, predicted(4000)
    exact = scores(plan, rows)[-1]
    for kept, off in ((4000, 0.0), (1000, 0.05)):
        monkeypatch.setattr(streamed_scores, "KEPT_ROWS", kept)
        streamed = StreamedScores(plan)
        for start in range(0, 4000, 256):
            streamed.add(cut(rows, slice(start, start + 256)))
        found = streamed.scores()[-1]
        assert found.ndcg == pytest.approx(exact.ndcg, abs=off or 1e-12)
        assert (found.queries == exact.queries) is (off == 0)
