"""Rows of sequences that do not fit each other, when they are scored."""

from __future__ import annotations

import polars as pl
import pytest

from aesm_dsl import AesmError, predict
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.serving.padded_steps import without_padding
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


def test_lists_in_a_request_end_where_their_steps_end(kinds: Run) -> None:
    """Nulls fill the rows of a tensor; a missing value of a step is a null too."""
    texts = ["a", "a||b", "", "|a"]
    moved = [[7, None, None, None], [None, 8, None, None], [None] * 4, [None] * 4]
    at = [[5, None, None, None], [5, 4, None, None], [None] * 4, [None, 3, 2, None]]
    rows = pl.DataFrame({"moved": moved, "how": texts, "at": at}, schema_overrides={"moved": pl.List(pl.Int64)})
    found = without_padding(kinds.plan, rows)
    assert found["moved"].to_list() == [[7], [None, 8, None], [], [None] * 3]
    assert found["at"].to_list() == [[5], [5, 4, None], [], [None, 3, 2]]
    assert found["how"].to_list() == texts
    # One list alone has no steps to fit.
    assert without_padding(kinds.plan, rows.select("moved")).equals(rows.select("moved"))


def test_lists_that_cannot_be_of_one_length_stay_uneven(kinds: Run) -> None:
    rows = pl.DataFrame({"moved": [[7, 8]], "how": ["a|b|a"], "at": [[5, 4]]})
    assert without_padding(kinds.plan, rows)["moved"].to_list() == [[7, 8]]
