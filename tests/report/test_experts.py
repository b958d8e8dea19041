"""What is told of a layer's experts: the table, the sentences, the values."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from aesm_dsl.plan.plan import Plan
from aesm_dsl.report.experts import experts_data, experts_sentences, experts_table
from aesm_dsl.report.sharing_words import role_tables, sharing_sentences
from aesm_dsl.training.sharing.layer_usage import LayerUsage
from aesm_dsl.training.sharing.sharing_matrix import sharing
from aesm_dsl.training.sharing.usage import Usage
from tests.report.cases import make_layer, make_plan

WEIGHT = [[0.6, 0.4, 0.0, 0.0], [0.0, 0.4, 0.6, 0.0]]


EVEN = ((0.0, 1.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0))
"""Expert 1 is picked as shared by all rows of both nodes."""


def of(**changes: object) -> Usage:
    layer = replace(make_layer(WEIGHT, rows=[30, 10], nodes=("home", "cart")), level="page", shared_NE=EVEN)
    return Usage((replace(layer, **changes),))


def lines(usage: Usage) -> list[list[str]]:
    console = Console(record=True, width=160, file=StringIO())
    console.print(experts_table(usage, "shop"))
    rows = [line for line in console.export_text().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in rows]


def test_a_line_per_layer() -> None:
    seen = sharing(of().level("page")[0])
    expected = [
        "page",
        "1",
        "40",
        "3 of 4",
        "2",
        "0",
        "1",
        "1",
        f"{seen.evenness:.0%}",
        f"{seen.mutual_information:.3f}",
    ]
    assert lines(of()) == [expected]


def test_what_is_worth_a_look_is_said_in_words() -> None:
    assert experts_sentences(of()) == ["`page`: expert 3 is hardly used by any node"]
    shared = ((0.0, 1.0, 0.0, 0.0), (0.9, 1.0, 0.0, 0.0))
    assert experts_sentences(of(shared_NE=shared, dead_units_E=(0.25, 0.5, None, None))) == [
        "`page`: expert 3 is hardly used by any node",
        "`page`: expert 0 is selected as shared, but only by `cart`",
        "`page`: 50% of the output units of expert 1 are the same for all rows",
    ]
    two_dead = make_layer([[1.0, 0.0, 0.0]], nodes=("home",))
    both = Usage((replace(two_dead, level="page"), replace(two_dead, level="page", layer=1)))
    assert experts_sentences(both) == [
        "`page`, layer 1: experts 1, 2 are hardly used by any node",
        "`page`, layer 2: experts 1, 2 are hardly used by any node",
    ]


def test_nothing_is_said_where_all_is_well_or_nothing_was_seen() -> None:
    assert experts_sentences(Usage((make_layer([[0.5, 0.5], [0.5, 0.5]]),))) == []
    assert experts_sentences(Usage((make_layer([[0.0, 0.0]], rows=[0]),))) == []


def test_values_are_json_and_all_that_is_known() -> None:
    (found,) = json.loads(json.dumps(experts_data(of())))
    assert (found["level"], found["layer"], found["nodes"], found["rows"]) == ("page", 1, ["home", "cart"], [30, 10])
    assert found["sharing"] == [[1.0, pytest.approx(0.25)], [pytest.approx(0.25), 1.0]]
    assert found["weight"] == WEIGHT
    assert [one["role"] for one in found["experts"]] == ["specific", "shared", "specific", "dead"]
    assert found["entropy"] == pytest.approx(sharing(of().level("page")[0]).entropy)
    assert {"in_use", "evenness", "mutual_information", "specific", "shared"} <= set(found)


def layer_of(weight: list[list[float]], nodes: tuple[str, ...], level: str = "page") -> LayerUsage:
    layer = make_layer(weight, rows=[30] * len(nodes), nodes=nodes)
    table = tuple(tuple(row) for row in weight)
    return replace(layer, level=level, specific_NE=table, shared_NE=table)


def plan_of(experts: int) -> Plan:
    return make_plan({"page": {"home": "Home", "cart": "Cart", "feed": "Feed"}}, experts=experts)


def test_who_shares_with_whom_and_who_with_nobody() -> None:
    weight = [[0.5, 0.4, 0.1, 0.0], [0.4, 0.5, 0.1, 0.0], [0.0, 0.0, 0.1, 0.9]]
    usage = Usage((layer_of(weight, ("home", "cart", "feed")),))
    assert sharing_sentences(plan_of(4), usage) == [
        "`page`: these share most: `home` with `cart` (82%)",
        "`page`: hardly sharing with any other: `feed` (at most 5%, with `home`)",
    ]


def test_what_to_try() -> None:
    weight = [[0.5, 0.5, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5, 0.0, 0.0]]
    assert sharing_sentences(plan_of(6), Usage((layer_of(weight, ("home", "cart")),))) == [
        "`page`: hardly sharing with any other: `home` (at most 0%, with `cart`), `cart` (at most 0%, with `home`)",
        "`page`: 4 of 6 experts carry 95 % of all mixtures, so try `count = 4` in the `experts` of `level page`: about "
        "as good, and smaller",
        "`page`: nodes hardly share: try `shared = 3` in the `experts` of `level page` if they should",
    ]
    same = [[0.5, 0.25, 0.25, 0.0]] * 2
    assert sharing_sentences(plan_of(3), Usage((layer_of(same, ("home", "cart")),)))[0] == (
        "`page`: all 2 nodes use the same experts: every two share at least 100%"
    )


def test_roles_and_shares_of_every_expert() -> None:
    weight = [[0.6, 0.4, 0.0], [0.0, 0.4, 0.6]]
    (table,) = role_tables(Usage((layer_of(weight, ("home", "cart")),)))
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns["role"] == ["specific to home", "shared by all", "specific to cart"]
    assert columns["of all"] == ["30.0%", "40.0%", "30.0%"]
    assert columns["home"] == ["60% / 60%", "40% / 40%", "0% / 0%"]
    assert str(table.title) == "`page`, layer 1: experts"
