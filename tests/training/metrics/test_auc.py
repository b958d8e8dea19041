"""AUC and its standard error against plain loops over pairs of rows."""

from __future__ import annotations

import numpy as np
import pytest

from aesm_dsl.training.metrics.auc import auc, auc_interval, auc_within, difference, right_sides
from aesm_dsl.training.metrics.score_histogram import ScoreHistogram, TaskRows


def delong(score: np.ndarray, label: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, float | None] | None:
    weight = np.ones(len(label)) if weight is None else np.asarray(weight, float)
    seen = weight > 0
    score = score[seen].astype(float)
    return ScoreHistogram.of(TaskRows(score, score, label[seen], weight[seen])).auc()


def test_within_users_is_each_users_own() -> None:
    draw = np.random.default_rng(4)
    user, label = draw.integers(0, 30, 300), draw.integers(0, 2, 300)
    score, weight = draw.integers(0, 9, 300).astype(float), draw.integers(0, 3, 300).astype(float)
    area, total = auc_within(user, score, label, weight)
    own = [(auc(score[user == u], label[user == u], weight[user == u]), weight[user == u].sum()) for u in range(30)]
    both = [(one, count) for one, count in own if one is not None]
    assert area.tolist() == pytest.approx([one for one, _ in both])
    assert total.tolist() == [count for _, count in both]
    assert len(auc_within(user[:0], score[:0], label[:0])[0]) == 0


def twin(score: list[float], label: list[float], weight: list[float]) -> tuple[float, float]:
    """AUC and standard error as DeLong (1988) has them, by pairs; with weights instead of counts."""
    rows = [row for row in zip(score, label, weight, strict=True) if row[2] > 0]
    ones, zeros = [row for row in rows if row[1] == 1], [row for row in rows if row[1] == 0]

    def right(one: tuple, zero: tuple) -> float:
        return 1.0 if one[0] > zero[0] else 0.5 if one[0] == zero[0] else 0.0

    of_ones = [sum(w * right(one, (s, 0, w)) for s, _, w in zeros) / sum(w for *_, w in zeros) for one in ones]
    of_zeros = [sum(w * right((s, 1, w), zero) for s, _, w in ones) / sum(w for *_, w in ones) for zero in zeros]
    area = sum(one[2] * v for one, v in zip(ones, of_ones, strict=True)) / sum(one[2] for one in ones)
    variance = 0.0
    for group, placed in ((ones, of_ones), (zeros, of_zeros)):
        total, squares = sum(w for *_, w in group), sum(w * w for *_, w in group)
        number = total * total / squares
        spread = sum((w * (v - area)) ** 2 for (*_, w), v in zip(group, placed, strict=True))
        variance += spread / total**2 * number / (number - 1)
    return area, variance**0.5


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("weighted", [False, True], ids=["even", "weighted"])
def test_equals_its_twin(seed: int, weighted: bool) -> None:
    draw = np.random.default_rng(seed)
    score = draw.integers(0, 12, 70) / 4  # many ties
    label = (draw.random(70) < 0.4).astype(float)
    weight = draw.integers(0, 4, 70).astype(float) if weighted else np.ones(70)
    expected = twin(score.tolist(), label.tolist(), weight.tolist())
    assert delong(score, label, weight) == pytest.approx(expected, abs=1e-12)
    assert delong(score, label, 7 * weight) == pytest.approx(expected, abs=1e-12)
    assert auc(score, label, weight) == pytest.approx(expected[0], abs=1e-12)


def test_without_weights_it_is_the_textbook_variance() -> None:
    """S10 / m + S01 / n with sample variances of the placements."""
    score, label = np.array([0.9, 0.4, 0.6, 0.3, 0.5, 0.1, 0.4]), np.array([1, 1, 1, 0, 0, 0, 0])
    ones, zeros = [1.0, 0.625, 1.0], [1.0, 2 / 3, 1.0, 2.5 / 3]
    expected = np.var(ones, ddof=1) / 3 + np.var(zeros, ddof=1) / 4
    area, error = delong(score, label) or (0.0, None)
    assert area == np.mean(ones) == pytest.approx(np.mean(zeros))
    assert error == pytest.approx(expected**0.5)


def test_the_interval_covers_what_it_should() -> None:
    """Scores of positives lie a standard deviation above the others: the AUC is Phi(1 / sqrt 2) = 0.760."""
    draw, inside = np.random.default_rng(0), 0
    for _ in range(400):
        label = np.repeat([1.0, 0.0], [40, 80])
        area, error = delong(draw.normal(label), label) or (0.0, None)
        inside += abs(area - 0.7602) < 1.96 * (error or 0.0)
    assert 0.92 < inside / 400 < 0.98


def test_what_is_undefined() -> None:
    score = np.array([0.1, 0.2, 0.3])
    assert delong(score, np.ones(3)) is None
    assert delong(score, np.zeros(3)) is None
    assert delong(score[:0], score[:0]) is None
    assert delong(score, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 1.0])) is None
    assert delong(score, np.array([0.0, 0.0, 1.0])) == (1.0, None), "one positive has no spread"
    assert delong(score, np.array([0.0, 1.0, 1.0])) == (1.0, None), "nor has one negative"


def test_a_difference_on_the_same_rows_is_what_a_loop_finds() -> None:
    chance = np.random.default_rng(5)
    label = chance.random(60) < 0.4
    one = label + chance.normal(size=60)
    other = one + 0.5 * chance.normal(size=60)
    weight = np.ones(60)
    sides = {}
    for name, score in (("one", one), ("other", other)):
        area, right = right_sides(score, label, weight)
        assert area == auc(score, label)
        for row in range(60):
            rest = score[label != label[row]]
            ahead = (score[row] > rest) if label[row] else (score[row] < rest)
            assert right[row] == pytest.approx((ahead + 0.5 * (score[row] == rest)).mean())
        sides[name] = right
    less, error = difference(sides["one"], sides["other"], label, weight)
    assert less == pytest.approx(auc(one, label) - auc(other, label))
    apart = sides["one"] - sides["other"]
    assert error == pytest.approx(
        (apart[label].var(ddof=1) / label.sum() + apart[~label].var(ddof=1) / (~label).sum()) ** 0.5
    )
    assert difference(sides["one"], sides["one"], label, weight) == (0.0, 0.0)
    assert difference(sides["one"][:3], sides["other"][:3], np.array([1, 0, 0]), weight[:3])[1] is None


def test_the_error_of_a_difference_is_that_of_other_rows() -> None:
    chance = np.random.default_rng(6)
    found, told = [], []
    for _ in range(300):
        label = chance.random(200) < 0.5
        one = label + chance.normal(size=200)
        other = one + 0.7 * chance.normal(size=200)
        weight = np.ones(200)
        less, error = difference(
            right_sides(one, label, weight)[1], right_sides(other, label, weight)[1], label, weight
        )
        found.append(less)
        told.append(error)
    assert np.mean(told) == pytest.approx(np.std(found), rel=0.15)


def test_separated_classes_have_no_interval() -> None:
    assert auc_interval(1.0, 0.0) == (None, None)
    assert auc_interval(0.9, 0.05) != (None, None)
