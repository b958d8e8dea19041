"""Batches: every row once, shuffled as a whole, gathered at once."""

from __future__ import annotations

import pytest
import torch

from aesm_dsl.data.encoded import EncodedTable


def table(rows: int) -> EncodedTable:
    """Row r holds r in all its parts."""
    r = torch.arange(rows)
    return EncodedTable(
        torch.stack([r, r], 1).int(), r[:, None].float() / 2, r[:, None], torch.stack([r, r, r], 1).float(), r.float()
    )


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize(("rows", "batch"), [(10, 3), (9, 3), (2, 5), (0, 4)])
def test_every_row_comes_once_and_stays_whole(rows: int, batch: int, seed: int | None) -> None:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    seen = list(table(rows).batches(batch, generator))
    assert [one.rows for one in seen] == [batch] * (rows // batch) + ([rows % batch] if rows % batch else [])
    for one in seen:
        assert one.ids_BS.dtype == torch.int64
        assert one.node_BL.dtype == torch.int64
        assert torch.equal(one.ids_BS[:, 1], one.node_BL[:, 0])
        assert torch.equal(one.value_BV[:, 0] * 2, one.weight_B)
        assert torch.equal(one.label_BT[:, 2], one.weight_B)
        assert torch.equal(one.weight_B.long(), one.ids_BS[:, 0])
    order = [int(r) for one in seen for r in one.weight_B]
    assert sorted(order) == list(range(rows))
    assert (order == list(range(rows))) == (seed is None or rows < 2) or rows == 2


def test_the_generator_decides_the_order_and_moves_on() -> None:
    def order(generator: torch.Generator) -> list[float]:
        return [float(r) for one in table(100).batches(7, generator) for r in one.weight_B]

    generator = torch.Generator().manual_seed(3)
    first, second = order(generator), order(generator)
    assert first != second
    assert first == order(torch.Generator().manual_seed(3))


def test_a_batch_needs_a_row() -> None:
    with pytest.raises(ValueError, match="at least 1 row"):
        list(table(3).batches(0))


def test_a_table_moves_as_a_whole() -> None:
    moved = table(4).to("cpu")
    assert len(moved) == 4
    assert moved.ids_RS.dtype == torch.int32
