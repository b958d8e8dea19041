"""Batches: every row once, shuffled as a whole, gathered at once."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from aesm_dsl.data.store import encoded_table
from aesm_dsl.data.store.encoded_table import EncodedTable
from aesm_dsl.data.store.prefetch import prefetch
from aesm_dsl.data.store.storage import Columns, FolderStorage, FolderWriter, Range


def table(rows: int) -> EncodedTable:
    """Row r holds r in all its parts."""
    r = torch.arange(rows)
    columns = Columns(
        torch.stack([r, r], 1).int(),
        r[:, None].float() / 2,
        r[:, None],
        torch.stack([r, r, r], 1).float(),
        r.float(),
        r[:, None],
        r[:, None],
    )
    return EncodedTable.in_memory(columns)


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize(("rows", "batch"), [(10, 3), (9, 3), (2, 5), (0, 4)])
def test_every_row_comes_once_and_stays_whole(rows: int, batch: int, seed: int | None) -> None:
    seen = list(table(rows).batches(batch, seed=seed))
    assert [one.rows for one in seen] == [batch] * (rows // batch) + ([rows % batch] if rows % batch else [])
    for one in seen:
        assert one.ids_BS.dtype == torch.int64
        assert one.node_BL.dtype == torch.int64
        assert torch.equal(one.ids_BS[:, 1], one.node_BL[:, 0])
        assert torch.equal(one.value_BV[:, 0] * 2, one.weight_B)
        assert torch.equal(one.label_BT[:, 2], one.weight_B)
        assert torch.equal(one.weight_B.long(), one.ids_BS[:, 0])
        assert torch.equal(one.user_B, one.node_BL[:, 0])
    order = [int(r) for one in seen for r in one.weight_B]
    assert sorted(order) == list(range(rows))
    assert (order == list(range(rows))) == (seed is None or rows < 2) or rows == 2


def order(table: EncodedTable, batch: int = 7, **how: int | None) -> list[int]:
    return [int(r) for one in table.batches(batch, **how) for r in one.weight_B]  # type: ignore[arg-type]


def test_seed_and_epoch_decide_the_order() -> None:
    first = order(table(100), seed=3, epoch=1)
    assert first == order(table(100), seed=3, epoch=1)
    assert (
        len({tuple(first), tuple(order(table(100), seed=3, epoch=2)), tuple(order(table(100), seed=4, epoch=1))}) == 3
    )


@pytest.fixture(params=["memory", "disk"])
def long(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EncodedTable:
    """1,003 rows in blocks of 20, about five blocks a window."""
    made = table(1003)
    monkeypatch.setattr(encoded_table, "BLOCK_ROWS", 20)
    monkeypatch.setattr(encoded_table, "WINDOW_BYTES", 100 * made.stored.row_bytes)
    if request.param == "memory":
        return made
    writer = FolderWriter(tmp_path / "rows")
    for start in range(0, 1003, 90):
        writer.append(made.whole().take(slice(start, start + 90)))
    writer.close()
    assert np.load(tmp_path / "rows" / "label.npy").shape == (1003, 3)
    return EncodedTable.of(FolderStorage(tmp_path / "rows"))


def test_a_table_of_many_windows_is_shuffled_block_by_block(long: EncodedTable) -> None:
    seen = order(long, 30, seed=5, epoch=2)
    assert sorted(seen) == list(range(1003))
    assert [batch.rows for batch in long.batches(30, seed=5)] == [30] * 33 + [13]
    for start in range(0, 900, 100):
        blocks = {row // 20 for row in seen[start : start + 100]}
        assert max(blocks) - min(blocks) > 5  # of a table in the order of time every window shows much
        assert seen[start : start + 100] != sorted(seen[start : start + 100])
    assert order(long, 30) == list(range(1003))


@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize("skip", [0, 1, 3, 4, 10, 33, 34, 40])
def test_skipped_batches_are_those_that_would_have_come(long: EncodedTable, seed: int | None, skip: int) -> None:
    assert order(long, 30, seed=seed, skip=skip) == order(long, 30, seed=seed)[30 * skip :]


def test_skipped_windows_are_not_read(long: EncodedTable) -> None:
    loaded: list[int] = []

    class Watched:
        rows, row_bytes, pick, digest = long.stored.rows, long.stored.row_bytes, long.stored.pick, ""

        def load(self, ranges: Sequence[Range]) -> Columns:
            loaded.append(sum(stop - start for start, stop in ranges))
            return long.stored.load(ranges)

    watched = EncodedTable(Watched(), long.ranges)
    list(watched.batches(30, seed=5, skip=30))
    assert sum(loaded) <= 1003 - 30 * 30 + 100


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("rows", [1, 5, 448, 1003])
def test_shares_are_the_table_and_take_equal_steps(long: EncodedTable, world: int, rows: int) -> None:
    whole = EncodedTable(long.stored, ((0, 1), (2, rows + 1))[:rows]) if rows < 1003 else long
    shares = [whole.share(rank, world) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    assert len({len(list(share.batches(4, seed=1))) for share in shares}) == 1
    seen, padding = [], 0
    for share in shares:
        batches = list(share.batches(4, seed=1))
        assert sum(batch.rows for batch in batches) == len(share)
        for batch in batches:
            nothing = batch.label_BT.isnan().all(dim=1)
            assert (batch.weight_B[nothing] == 0).all()
            padding += int(nothing.sum())
            seen += batch.node_BL[~nothing, 0].tolist()
    assert sorted(seen) == sorted(whole.node_RL[:, 0].tolist())
    assert padding < world


def test_a_share_lies_all_over_the_table(long: EncodedTable) -> None:
    for rank in (0, 1):
        rows = long.share(rank, 2).node_RL[:, 0]
        assert int(rows.diff().max()) <= 128
        assert rows[0] < 20
        assert int(rows.max()) > 1003 - 2 * 64


def test_the_digest_is_that_of_the_rows_and_of_nothing_else(long: EncodedTable, tmp_path: Path) -> None:
    columns = long.whole()
    assert long.stored.digest == EncodedTable.in_memory(columns).stored.digest
    for place, part in enumerate(columns.parts):
        changed = [*columns.parts]
        changed[place] = part.clone()
        changed[place].view(-1)[-1] += 1
        assert EncodedTable.in_memory(Columns(*changed)).stored.digest != long.stored.digest
    writer = FolderWriter(tmp_path / "otherwise")
    for start in (0, 500):
        writer.append(columns.take(slice(start, start + 500 + start)))
    writer.close()
    assert FolderStorage(tmp_path / "otherwise").digest == long.stored.digest


def test_rows_of_a_share_by_their_numbers(long: EncodedTable) -> None:
    share = long.share(1, 3)
    numbers = torch.tensor([200, 0, 333])
    assert torch.equal(share.take(numbers).node_RL, share.node_RL[numbers])
    drawn = share.sample(50, seed=1).node_RL[:, 0]
    assert len(set(drawn.tolist()) & set(share.node_RL[:, 0].tolist())) == 50


def test_an_error_behind_the_batches_is_raised_and_its_thread_ends() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    before = threading.active_count()
    made = prefetch(items())
    assert next(made) == 1
    with pytest.raises(OSError, match="gone"):
        next(made)
    early = prefetch(iter(range(1000)))
    next(early)
    early.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_batch_needs_a_row() -> None:
    with pytest.raises(ValueError, match="at least 1 row"):
        list(table(3).batches(0))


def read_there(path: Path, rank: int, results: multiprocessing.Queue[tuple[int, int, list[float], int]]) -> None:
    for world in (2, 3):
        if rank < world:
            batches = list(EncodedTable.of(FolderStorage(path)).share(rank, world).batches(30, seed=rank, epoch=1))
            rows = [row for one in batches for row in one.node_BL[one.weight_B > 0, 0].tolist()]
            results.put((world, rank, rows, len(batches)))


def test_processes_share_a_table(tmp_path: Path) -> None:
    made, writer = table(1003).whole(), FolderWriter(tmp_path / "rows")
    writer.append(made.take(slice(1, 1003)))  # all weights are above 0
    writer.close()
    there = multiprocessing.get_context("spawn")
    results = there.Queue()
    workers = [there.Process(target=read_there, args=(tmp_path / "rows", rank, results)) for rank in range(3)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=120) for _ in range(5)]
    for worker in workers:
        worker.join()
    for world in (2, 3):
        rows = [row for one in found if one[0] == world for row in one[2]]
        assert sorted(rows) == list(range(1, 1003))
        assert len({one[3] for one in found if one[0] == world}) == 1
