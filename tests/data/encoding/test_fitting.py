"""What is learnt from rows in chunks is what all of them at once teach."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from aesm_dsl.data.encoding import fitting as module
from aesm_dsl.data.encoding import learners
from aesm_dsl.data.encoding.fitting import EncoderFitting
from tests.data.plans import Make, fit_encoders

make = Make()

PLAN = make.plan([make.feature("city", "category", 5), make.feature("user", "id", 9), make.feature("x", "number", 7)])


def table(rows: int) -> pl.DataFrame:
    chance = np.random.default_rng(0)
    city = pl.Series(chance.geometric(0.2, rows)).cast(pl.String)
    return pl.DataFrame({"city": city, "user": chance.integers(99, size=rows), "x": chance.lognormal(size=rows)})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a few hundred rows go beyond: values are forgotten and numbers are sampled."""
    for name, value in {"BLOCK": 32, "VOCABULARY": 20}.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(learners, "SAMPLE", 50)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("size", [1, 7, 32, 100])
def test_chunks_of_any_size_teach_the_same(size: int) -> None:
    frame = table(300)
    fitting = EncoderFitting(PLAN)
    for start in range(0, 300, size):
        fitting.update(frame[start : start + size])
    assert fitting.finish() == fit_encoders(PLAN, frame)


@pytest.mark.usefixtures("small")
def test_parts_that_begin_at_a_block_merge_into_one() -> None:
    frame = table(300)
    first, second = EncoderFitting(PLAN), EncoderFitting(PLAN, first_row=160)
    first.update(frame[:160])
    second.update(frame[160:])
    first.merge(second)
    assert first.finish() == fit_encoders(PLAN, frame)


def test_a_sample_has_the_quantiles_of_its_column(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = table(20_000)
    exact = fit_encoders(PLAN, frame).encoders[2]
    monkeypatch.setattr(learners, "SAMPLE", 4_000)
    sampled = fit_encoders(PLAN, frame).encoders[2]
    assert sampled != exact
    share = [np.searchsorted(np.sort(frame["x"].to_numpy()), one.boundaries) / 20_000 for one in (exact, sampled)]
    assert np.abs(share[0] - share[1]).max() < 0.03


def test_of_too_many_values_the_frequent_ones_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 100)
    monkeypatch.setattr(module, "VOCABULARY", 30)
    plan = make.plan([make.feature("city", "category", 4)])
    rare = [f"rare{k}" for k in range(600)]
    rows = [value for k, one in enumerate(rare) for value in (one, "a", *(["b"] if k % 2 else []))]
    assert fit_encoders(plan, pl.DataFrame({"city": rows})).encoders[0].values == ("a", "b")  # type: ignore[union-attr]
