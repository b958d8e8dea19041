"""Features made of others: crosses, and what shares another's rules and table."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from aesm_dsl.layers.embedding import Embedding
from tests.data.encoding.test_kinds import encode, plan_of
from tests.data.reading.test_hashing import splitmix64

PARTS = ("city = category()", "hour = date(column: when, parts: [hour, weekday])", "fund = id(buckets: 50)")
ROWS = pl.DataFrame(
    {
        "city": ["a", "b", "a", None, "zzz", "a"],
        "when": ["2024-02-05 22:30", "2024-02-05 22:30", None, "2024-02-05 22:30", "2024-02-06 00:30", "nonsense"],
        "fund": [1, 1, 1, 1, 2**62, 1],
        "price": [1.0, 2.0, 3.0, None, 5.0, 6.0],
        "seen": [1, 2, 7, None, 1, 3],
    }
)
TRAIN = ROWS.with_columns(city=pl.Series(["a", "b", "a", "b", "a", "b"]))


def twin(ids: list[int], buckets: int) -> int:
    found = 0
    for one in ids:
        found = splitmix64(found ^ one)
    return found % buckets + 1


def test_a_cross_is_a_hash_of_all_ids_and_missing_where_one_is() -> None:
    plan = plan_of("both = cross(of: [hour, city, fund], buckets: 1k)", *PARTS)
    assert [(one.name, one.kind, one.rows, one.width, one.column) for one in plan.features[:1]] == [
        ("both", "cross", 1001, 16, "")
    ]
    found, _ = encode(plan, TRAIN, ROWS)
    expected = [
        0 if 0 in (city, hour, fund) else twin([hour, weekday, city, fund], 1000)
        for _, city, hour, weekday, fund in found
    ]
    assert [row[0] for row in found] == expected
    assert [bool(row[0]) for row in found] == [True, True, False, False, True, False]
    assert len({row[0] for row in found}) == 4


def test_the_hash_of_a_cross_never_changes() -> None:
    """What stored runs were trained with: a change here breaks them all."""
    plan = plan_of("both = cross(of: [city, fund])", *PARTS)
    assert [row[0] for row in encode(plan, TRAIN, ROWS)[0][:2]] == GOLDEN


GOLDEN = [41238, 53614]


def test_numbers_in_buckets_are_crossed_and_shared() -> None:
    plan = plan_of(
        "price = number(quantiles: 2)", "seen = same(of: price)", "both = cross(of: [price, seen], buckets: 1M)"
    )
    found, _ = encode(plan, ROWS, ROWS)
    assert [row[:2] for row in found] == [[1, 1], [1, 1], [1, 2], [0, 0], [2, 1], [2, 1]]
    assert len({row[2] for row in found}) == 4
    assert found[3][2] == 0


@pytest.mark.parametrize("owner", ["category()", "id(buckets: 50)", "number()"])
def test_the_same_value_has_the_same_vector(owner: str) -> None:
    plan = plan_of("seen = same(of: price)", f"price = {owner}")
    train = ROWS.with_columns(price=pl.Series([1, 2, 3, 4, 5, 6]))
    later = pl.DataFrame({"price": [3, None, 1], "seen": [3, None, 2]})
    found, _ = encode(plan, train, later)
    assert [seen == price for seen, price in found] == [True, True, False]
    embedding = Embedding(plan.features)
    x_BD = embedding(torch.tensor(found), torch.empty(3, 0))
    assert torch.equal(x_BD[:2, :16], x_BD[:2, 16:])
    assert sum(one.numel() for one in embedding.parameters()) == plan.features[1].rows * 16


def test_a_list_of_numbers_is_pooled_by_their_buckets() -> None:
    plan = plan_of('x = list(of: number(quantiles: 3), most: 3, separator: "|")')
    train = pl.DataFrame({"x": ["1|2|3", "4|5|6", "7|8|9|nan", None]})
    later = pl.DataFrame({"x": ["9|1", "|5|", "", "nan", None, "-1e9|1e9|0|0"]})
    found, _ = encode(plan, train, later)
    assert found == [[3, 1, -1], [2, -1, -1], [-1] * 3, [-1] * 3, [-1] * 3, [1, 3, 1]]
    assert encode(plan, pl.DataFrame({"x": [[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]}), later)[0] == found
