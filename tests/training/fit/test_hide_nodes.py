from __future__ import annotations

from dataclasses import replace

import torch

from aesm_dsl.plan.plan import UNKNOWN
from aesm_dsl.training.fit.hide_nodes import hide_nodes
from tests.layers.plans import make_batch, make_plan

PLAN = make_plan()


def test_each_level_hides_its_share_of_rows() -> None:
    entry, card = PLAN.levels
    levels = (replace(entry, hide=0.1), replace(card, hide=0.3))
    batch = make_batch(PLAN, 20_000)
    hidden = hide_nodes(batch, levels, torch.Generator().manual_seed(0))
    lost_BL = hidden.node_BL == UNKNOWN
    assert torch.equal(hidden.node_BL[~lost_BL], batch.node_BL[~lost_BL])
    shares = lost_BL.double().mean(0)
    torch.testing.assert_close(shares, torch.tensor([0.1, 0.3]).double(), atol=0.01, rtol=0)
    both = lost_BL.all(1).double().mean()
    torch.testing.assert_close(both, torch.tensor(0.03).double(), atol=0.005, rtol=0)
    assert torch.equal(hidden.ids_BS, batch.ids_BS)
    assert torch.equal(hidden.label_BT, batch.label_BT)


def test_the_generator_decides_and_only_where_something_is_hidden() -> None:
    entry, card = PLAN.levels
    batch = make_batch(PLAN, 500)
    hiding = (entry, replace(card, hide=0.5))
    one, same, other = (hide_nodes(batch, hiding, torch.Generator().manual_seed(seed)).node_BL for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(one[:, 0], batch.node_BL[:, 0])
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    assert hide_nodes(batch, PLAN.levels, generator) is batch
    assert torch.equal(generator.get_state(), before)
