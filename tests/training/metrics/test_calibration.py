"""Calibration against a plain loop, and what becomes of rows that do not count."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np

from aesm_dsl.plan.strict_json import read_json
from aesm_dsl.training.metrics.calibration import BINS, Calibration, calibrations
from aesm_dsl.training.metrics.scores import PredictedRows
from tests.report.cases import make_plan


def test_bins_are_what_a_plain_loop_finds() -> None:
    plan = make_plan({"entry": {"a": "a", "b": "b"}})
    chance = np.random.default_rng(1)
    rows = 1000
    p_RT = chance.uniform(0.01, 0.99, (rows, 2))
    label_RT = (chance.random((rows, 2)) < p_RT).astype(float)
    label_RT[:50, 1] = np.nan
    weight_R = chance.integers(0, 3, rows).astype(float)
    node_RL = (chance.random((rows, 1)) < 0.02).astype(np.int64)
    found = calibrations(plan, PredictedRows(np.log(p_RT), np.log1p(-p_RT), label_RT, node_RL, weight_R))
    assert [(one.leaf, one.task) for one in found] == [
        (leaf, task) for leaf in ("a", "b", "(all)") for task in ("click", "purchase")
    ]
    assert [len(one.bins) for one in found[2:4]] == [1, 1]  # too few rows for more
    for one, task in ((found[4], 0), (found[5], 1)):
        counted = sorted(
            (p_RT[row, task], label_RT[row, task], weight_R[row])
            for row in range(rows)
            if weight_R[row] > 0 and not np.isnan(label_RT[row, task])
        )
        assert len(one.bins) == BINS
        assert sum(part.rows for part in one.bins) == len(counted)
        at = 0
        for part in one.bins:
            own = counted[at : at + part.rows]
            at += part.rows
            total = sum(weight for _, _, weight in own)
            assert np.isclose(part.foretold, sum(p * weight for p, _, weight in own) / total)
            assert np.isclose(part.seen, sum(label * weight for _, label, weight in own) / total)
    restored = [read_json(Calibration, json.dumps(asdict(one))) for one in found]
    assert tuple(restored) == found


def test_no_rows_no_bins() -> None:
    plan = make_plan({"entry": {"a": "a"}})
    none = np.zeros((0, 2))
    assert all(
        not one.bins
        for one in calibrations(plan, PredictedRows(none, none, none, np.zeros((0, 1), np.int64), np.zeros(0)))
    )


def test_rows_of_equal_probability_are_in_one_bin() -> None:
    """As in the calibration error: a cut through ties would show two frequencies for one probability."""
    plan = make_plan({"entry": {"a": "a"}})
    p_RT = np.repeat([0.1, 0.4, 0.9], [150, 600, 250])[:, None].repeat(2, axis=1)
    label_RT = (np.arange(1000)[:, None] % 3 == 0).astype(float).repeat(2, axis=1)
    rows = PredictedRows(np.log(p_RT), np.log1p(-p_RT), label_RT, np.zeros((1000, 1), np.int64), np.ones(1000))
    for one in calibrations(plan, rows):
        assert [(part.rows, round(part.foretold, 9)) for part in one.bins] == [(150, 0.1), (600, 0.4), (250, 0.9)]
