"""Rows of sequences that do not fit each other, when they are scored."""

from __future__ import annotations

import polars as pl
import pytest

from aesm_dsl import AesmError, predict
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.serving.predict import open_scores
from aesm_dsl.training.run.folder import Run
from tests.serving.conftest import table_of


def test_a_row_of_uneven_sequences_is_no_row(kinds: Run) -> None:
    rows = table_of(4, 3)
    uneven = rows.with_columns(how=pl.Series([*rows["how"][:2], "a|b|a|b|a|b|a", rows["how"][3]]))
    with pytest.raises(AesmError, match=r"E536.*`moved` and `how` differ in length in 1 row"):
        predict(kinds, uneven)
    findings = Findings()
    scores = open_scores(kinds, uneven, "cpu", findings, on_bad_row="null")
    assert scores is not None
    scored = pl.concat(scores.frames())
    assert [item.code for item in findings] == ["W631"]
    assert scored["click"].is_null().to_list() == [False, False, True, False]
    assert scored.filter(pl.col("click").is_not_null()).equals(predict(kinds, rows[[0, 1, 3]]))
