"""Scores against plain loops, and against the loss that training minimises."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from aesm_dsl.training.fit.loss import cross_entropy
from aesm_dsl.training.metrics import streamed_scores
from aesm_dsl.training.metrics.score_histogram import ScoreHistogram, TaskRows
from aesm_dsl.training.metrics.scores import ALL, PredictedRows, Score, mean, score, scores
from tests.layers.plans import make_plan, task

PLAN = make_plan(levels=(("entry", 2),), tasks=(task("click"), task("buy")))


def score_of(leaf: str, task: str, *rows: np.ndarray) -> Score:
    return score(leaf, task, ScoreHistogram.of(TaskRows(*rows)))


def rows(number: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """log p, log(1 - p), labels with gaps, nodes, weights."""
    draw = np.random.default_rng(seed)
    p_RT = draw.random((number, 2)) * 0.9 + 0.05
    label_RT = (draw.random((number, 2)) < p_RT).astype(float)
    label_RT[draw.random((number, 2)) < 0.1] = np.nan
    weight_R = draw.integers(0, 3, number).astype(float)
    return np.log(p_RT), np.log1p(-p_RT), label_RT, draw.integers(0, 2, (number, 1)), weight_R


def test_equals_plain_loops() -> None:
    yes_RT, no_RT, label_RT, node_RL, weight_R = rows(120)
    found = {
        (one.leaf, one.task): one for one in scores(PLAN, PredictedRows(yes_RT, no_RT, label_RT, node_RL, weight_R))
    }
    assert set(found) == {(leaf, name) for leaf in ("entry0", "entry1", ALL) for name in ("click", "buy")}
    for (leaf, name), one in found.items():
        t = ("click", "buy").index(name)
        count = positives = weight = seen = foretold = lost = 0.0
        for r in range(120):
            inside = leaf == ALL or leaf == f"entry{node_RL[r, 0]}"
            if not inside or math.isnan(label_RT[r, t]) or weight_R[r] == 0:
                continue
            y, p, w = label_RT[r, t], math.exp(yes_RT[r, t]), weight_R[r]
            count, positives, weight = count + 1, positives + y, weight + w
            seen, foretold = seen + w * y, foretold + w * p
            lost -= w * (y * math.log(p) + (1 - y) * math.log(1 - p))
        rate = seen / weight
        assert (one.rows, one.positives) == (count, positives)
        assert one.rate == pytest.approx(rate)
        assert one.log_loss == pytest.approx(lost / weight)
        entropy = -rate * math.log(rate) - (1 - rate) * math.log(1 - rate)
        assert one.normalised_entropy == pytest.approx(lost / weight / entropy)
        assert one.calibration == pytest.approx(foretold / seen)
        assert one.auc_low < one.auc < one.auc_high


def test_log_loss_is_the_loss_of_training() -> None:
    yes_RT, no_RT, label_RT, node_RL, weight_R = rows(200, 1)
    found = [one for one in scores(PLAN, PredictedRows(yes_RT, no_RT, label_RT, node_RL, weight_R)) if one.leaf == ALL]
    for t, one in enumerate(found):
        parts = (torch.tensor(part[:, t]) for part in (yes_RT, no_RT, label_RT))
        assert one.log_loss == pytest.approx(cross_entropy(*parts, torch.tensor(weight_R)).item())


def test_always_saying_the_rate_has_normalised_entropy_and_calibration_one() -> None:
    label_R, weight_R = np.array([1.0, 0.0, 0.0, 1.0, 0.0]), np.array([1.0, 2.0, 0.5, 0.5, 1.0])
    rate = 1.5 / 5
    one = score_of("(all)", "click", np.full(5, math.log(rate)), np.full(5, math.log(1 - rate)), label_R, weight_R)
    assert (one.normalised_entropy, one.calibration, one.auc) == (pytest.approx(1), pytest.approx(1), 0.5)


def test_what_is_undefined_is_none() -> None:
    half = np.log([0.5, 0.5])
    assert score_of("a", "t", half[:0], half[:0], half[:0], half[:0]) == Score("a", "t", 0, 0, *[None] * 7)
    ones = score_of("a", "t", half, half, np.ones(2), np.ones(2))
    assert (ones.auc, ones.auc_low, ones.normalised_entropy) == (None, None, None)
    assert (ones.log_loss, ones.calibration) == (pytest.approx(math.log(2)), pytest.approx(0.5))
    zeros = score_of("a", "t", half, half, np.zeros(2), np.ones(2))
    assert (zeros.calibration, zeros.rate) == (None, 0)
    mixed = score_of("a", "t", half, half, np.array([1.0, 0.0]), np.ones(2))
    assert (mixed.auc, mixed.auc_low, mixed.auc_high) == (0.5, None, None)


def test_mean_auc_is_over_tasks_on_all_rows() -> None:
    found = scores(PLAN, PredictedRows(*rows(100)))
    expected = np.mean([one.auc for one in found if one.leaf == ALL])
    assert mean(found, "mean_auc") == pytest.approx(expected)


def test_calibration_error_is_that_of_twenty_groups() -> None:
    yes_R, no_R, label_R = (part[:, 0] for part in rows(500, 3)[:3])
    keep = np.flatnonzero(~np.isnan(label_R))[:360]
    yes_R, no_R, label_R = yes_R[keep], no_R[keep], label_R[keep]
    one = score_of("a", "t", yes_R, no_R, label_R, np.ones(360))
    order = np.argsort(yes_R)
    groups = [order[start : start + 18] for start in range(0, 360, 18)]
    off = sum(abs(float(np.exp(yes_R[group]).sum() - label_R[group].sum())) for group in groups)
    assert one.calibration_error == pytest.approx(off / 360)


def test_gauc_is_the_mean_over_users_that_have_both_classes() -> None:
    yes_RT, no_RT, label_RT, node_RL, weight_R = rows(300, 5)
    user_R = np.random.default_rng(1).integers(0, 40, 300)  # NOBODY is one of them
    found = [
        one
        for one in scores(PLAN, PredictedRows(yes_RT, no_RT, label_RT, node_RL, weight_R, user_R))
        if one.leaf == ALL
    ]
    for t, one in enumerate(found):
        areas, weights = [], []
        for user in range(1, 40):
            own = [r for r in range(300) if user_R[r] == user and not math.isnan(label_RT[r, t]) and weight_R[r]]
            ones, zeros = ([r for r in own if label_RT[r, t] == y] for y in (1, 0))
            if ones and zeros:
                pairs = [(weight_R[i] * weight_R[j], yes_RT[i, t] > yes_RT[j, t]) for i in ones for j in zeros]
                areas.append(sum(w for w, right in pairs if right) / sum(w for w, _ in pairs))
                weights.append(sum(weight_R[r] for r in own))
        assert one.users == len(areas) > 20
        assert one.gauc == pytest.approx(np.average(areas, weights=weights))
        assert one.gauc_low < one.gauc < one.gauc_high


def test_streamed_scores_are_those_of_the_rows_within_their_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed_scores, "CELLS", 256)  # so coarse that it shows
    parts = (*rows(3000, 7), np.random.default_rng(1).integers(1, 200, 3000))
    exact, meter = scores(PLAN, PredictedRows(*parts)), streamed_scores.StreamedScores(PLAN)
    for start in range(0, 3000, 700):
        meter.add(PredictedRows(*(part[start : start + 700] for part in parts)))
    for one, other in zip(meter.scores(), exact, strict=True):
        assert 0 < one.auc_off < 0.03
        assert 0 < abs(one.auc - other.auc) <= one.auc_off
        assert one.auc_high - one.auc_low == pytest.approx(other.auc_high - other.auc_low, rel=0.05)
        assert one.calibration_error == pytest.approx(other.calibration_error, abs=0.02)
        same = ("leaf", "task", "rows", "positives", "users")
        assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]
        close = ("rate", "log_loss", "normalised_entropy", "calibration", "gauc", "gauc_low", "gauc_high")
        assert [getattr(one, name) for name in close] == pytest.approx([getattr(other, name) for name in close])


def test_streamed_users_are_a_sample_once_there_are_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed_scores, "KEPT_ROWS", 1000)
    draw, parts = np.random.default_rng(1), rows(4000, 7)
    user_R = draw.integers(1, 2**60, 400)[draw.integers(0, 400, 4000)]
    meter = streamed_scores.StreamedScores(PLAN)
    for start in range(0, 4000, 500):
        meter.add(PredictedRows(*(part[start : start + 500] for part in (*parts, user_R))))
        assert len(meter._users.rows(PLAN).weight_R) <= 1000
    found, exact = meter.scores()[-1], scores(PLAN, PredictedRows(*parts, user_R))[-1]
    assert 40 < found.users < exact.users / 2
    chosen_R = np.isin(user_R, meter._users.rows(PLAN).user_R)
    of_them = scores(PLAN, PredictedRows(*(part[chosen_R] for part in (*parts, user_R))))[-1]
    assert (found.gauc, found.users) == (pytest.approx(of_them.gauc), of_them.users)


def test_streamed_without_rows() -> None:
    none = np.zeros(0)
    empty = np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 1), np.int64), none
    assert streamed_scores.StreamedScores(PLAN).scores() == scores(PLAN, PredictedRows(*empty))
