from __future__ import annotations

import pytest
import torch

from aesm_dsl.layers.leaf_rows import LeafSorter
from tests.layers.baselines.plans import make_baseline


def test_rows_are_sorted_by_leaf_and_find_their_way_back() -> None:
    plan = make_baseline("mmoe")
    paths = torch.tensor([plan.leaves[leaf] for leaf in (4, 0, 4, 2, 0)])
    rows = LeafSorter(plan)(paths)
    assert rows.leaf_B.tolist() == [0, 0, 2, 4, 4]
    assert rows.order_B.tolist() == [1, 4, 3, 0, 2]
    assert rows.sizes == [2, 0, 1, 0, 2, *[0] * (len(plan.leaves) - 5)]
    assert rows.order_B[rows.back_B].tolist() == [0, 1, 2, 3, 4]
    assert rows.leaf_B[rows.back_B].tolist() == [4, 0, 4, 2, 0]


def test_leaves_are_the_paths_that_the_hierarchy_has() -> None:
    plan = make_baseline("mmoe")
    assert len(plan.leaves) == (3 + 2) * 2
    assert (0, 2, 1) in plan.leaves
    assert (1, 2, 1) not in plan.leaves
    everything = LeafSorter(plan)(torch.tensor(plan.leaves))
    assert everything.leaf_B.tolist() == list(range(10))


def test_without_levels_all_rows_share_one_leaf() -> None:
    rows = LeafSorter(make_baseline("mmoe", ()))(torch.zeros(4, 0, dtype=torch.int64))
    assert rows.sizes == [4]
    assert rows.order_B.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("path", [(1, 2, 0), (2, 0, 0), (-1, 0, 0), (0, 0, 2)], ids=str)
def test_a_row_on_no_path_is_named(path: tuple[int, ...]) -> None:
    words = "row 1 is on no path of the hierarchy: node of country {}, entry {}, card {}".format(*path)
    with pytest.raises(ValueError, match=words):
        LeafSorter(make_baseline("mmoe"))(torch.tensor([(0, 0, 0), path]))
    with pytest.raises(ValueError, match="2 columns of nodes, expected 3"):
        LeafSorter(make_baseline("mmoe"))(torch.zeros(1, 2, dtype=torch.int64))
