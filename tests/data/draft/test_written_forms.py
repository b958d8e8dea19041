"""How the numbers and dates of a text column are written, as guessed from its cells."""

from __future__ import annotations

import polars as pl
import pytest

from aesm_dsl.data.draft.written_forms import date_format, number_form
from aesm_dsl.plan.number_form import NumberForm


@pytest.mark.parametrize(
    ("cells", "form"),
    [
        (["17,93 €", "1.234,50 €"], NumberForm(decimal=",", thousands=".", strip="€")),
        (["17.93", "1,234.50"], NumberForm(thousands=",")),
        (["1 234,5", "3,2"], NumberForm(decimal=",", thousands=" ")),
        (["0,125", "0,5"], NumberForm(decimal=",")),
        (["1.234", "12,5"], NumberForm(decimal=",", thousands=".")),
        (["1.234.567", "12"], NumberForm(decimal=",", thousands=".")),
        (["1'234", "20"], NumberForm(thousands="'")),
        (["$5", "$1,000.25", "-$3"], NumberForm(thousands=",", strip="$")),
        (["5%", "12.5 %"], NumberForm(percent=True)),
        (["12 kg", "3 kg"], NumberForm(strip="kg")),
        (["5元", "8.5元"], NumberForm(strip="元")),
    ],
)
def test_numbers(cells: list[str], form: NumberForm) -> None:
    guess = number_form(pl.Series(cells))
    assert guess is not None
    assert guess.form == form


@pytest.mark.parametrize(
    "cells",
    [
        ["5", "6.5"],  # plain numbers need no form
        ["A12", "B13"],
        ["v1.2", "v1.3"],
        ["10-20", "30-40"],
        ["€ 5,00", "$ 3,00"],  # two currencies cannot be compared
        ["5 kg", "500 g"],
        ["5%", "0.05"],  # a hundredth of what?
        ["3万", "5万"],  # the word changes the number
        ["12k", "3k"],
        ["5 €", "free"],
    ],
)
def test_what_is_no_number_of_one_form(cells: list[str]) -> None:
    assert number_form(pl.Series(cells)) is None


def test_a_sign_that_may_be_either_is_told() -> None:
    guess = number_form(pl.Series(["1,234", "5"]))
    assert guess is not None
    assert guess.doubt == "`1,234` is read as 1234, not as 1.234"


@pytest.mark.parametrize(
    ("cells", "form", "doubtful"),
    [
        (["12/03/2024", "31/03/2024"], "%d/%m/%Y", False),
        (["12/03/2024", "03/31/2024"], "%m/%d/%Y", False),
        (["01/02/2024", "03/04/2024"], "%d/%m/%Y", True),
        (["2024/01/02 10:30", "2024/1/3 9:05"], "%Y/%m/%d %H:%M", False),
        (["3 Jan 2024", "14 Feb 2024"], "%d %b %Y", False),
        (["2024年1月3日", "2024年11月13日"], "%Y年%m月%d日", False),
        (["31.12.24 05:06", "1.2.24 23:59"], "%d.%m.%y %H:%M", False),
        (["13/2/2024 3:04 PM", "1/2/2024 11:04 AM"], "%d/%m/%Y %I:%M %p", False),
    ],
)
def test_dates(cells: list[str], form: str, doubtful: bool) -> None:
    guess = date_format(pl.Series(cells))
    assert guess is not None
    assert (guess.form, bool(guess.doubt)) == (form, doubtful)


@pytest.mark.parametrize("cells", [["12/13/2024", "13/12/2024"], ["32/01/2024"], ["1/2", "3/4"], ["Monday"], ["3.14"]])
def test_what_is_no_date_of_one_format(cells: list[str]) -> None:
    assert date_format(pl.Series(cells)) is None
