"""Plan -> `BaselineNetwork`: the whole network of an architecture other than AES.

Axes: B rows, F features, D width of x, T tasks.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.aes import Noise
from aesm_dsl.layers.baselines.adatt import AdaTT
from aesm_dsl.layers.baselines.aitm import AITM
from aesm_dsl.layers.baselines.cross_stitch import CrossStitch
from aesm_dsl.layers.baselines.esmm import ESMM
from aesm_dsl.layers.baselines.hinet import HiNet
from aesm_dsl.layers.baselines.m3oe import M3oE
from aesm_dsl.layers.baselines.mmoe import MMoE
from aesm_dsl.layers.baselines.pepnet import PEPNet
from aesm_dsl.layers.baselines.ple import PLE
from aesm_dsl.layers.baselines.shared_bottom import SharedBottom
from aesm_dsl.layers.baselines.single import Single
from aesm_dsl.layers.baselines.star import STAR
from aesm_dsl.layers.bottom import bottom_of
from aesm_dsl.layers.embedding import START_STD, Embedding
from aesm_dsl.layers.leaf_rows import LeafSorter, SortedRows
from aesm_dsl.layers.node_features import node_features
from aesm_dsl.layers.precision import full_precision
from aesm_dsl.layers.prediction import Prediction
from aesm_dsl.layers.shallow_tower import ShallowTower, served_inputs
from aesm_dsl.layers.tower import funnel
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.tables import sparse_table_keys

BODIES: dict[str, Callable[[Plan, BaselinePlan], nn.Module]] = {
    "shared_bottom": SharedBottom,
    "mmoe": MMoE,
    "ple": PLE,
    "star": STAR,
    "esmm": ESMM,
    "single": Single,
    "pepnet": PEPNet,
    "adatt": AdaTT,
    "aitm": AITM,
    "hinet": HiNet,
    "m3oe": M3oE,
    "cross_stitch": CrossStitch,
}
"""Architecture -> its module, which turns x_BD and `SortedRows` into logit_TB."""


class LeafEmbeddings(nn.ModuleList):
    """An `Embedding` for each leaf, or one for all leaves."""

    def forward(self, ids_BS: Tensor, value_BV: Tensor, rows: SortedRows) -> Tensor:
        """Returns x_BD; the ids and values are those of rows sorted by leaf."""
        sizes = rows.sizes if len(self) > 1 else [ids_BS.shape[0]]
        parts = zip(self, ids_BS.split_with_sizes(sizes), value_BV.split_with_sizes(sizes), strict=True)
        return torch.cat([embedding(ids, values) for embedding, ids, values in parts])


class LeafBottoms(nn.ModuleList):
    """A `Bottom` for each leaf, or one for all leaves."""

    def forward(self, x_BD: Tensor, node_BL: Tensor, rows: SortedRows) -> Tensor:
        """Returns x_BD after the bottoms; the vectors and nodes are those of rows sorted by leaf."""
        sizes = rows.sizes if len(self) > 1 else [x_BD.shape[0]]
        parts = zip(self, x_BD.split_with_sizes(sizes), node_BL.split_with_sizes(sizes), strict=True)
        return torch.cat([bottom(x, nodes) for bottom, x, nodes in parts])


class BaselineNetwork(nn.Module):
    """Computes a `Prediction` for a `Batch`: embedding, bottom, the architecture's body on rows sorted by leaf, funnel.

    Parameters and dropout are drawn from torch's default generator.
    """

    def __init__(self, plan: Plan) -> None:
        """Builds the network of a plan.

        Raises:
            ValueError: the plan has the architecture AES.
        """
        super().__init__()
        if plan.baseline is None:
            raise ValueError(f"the plan of {plan.name} is one of AES")
        self.plan = plan
        self.leaves = LeafSorter(plan)
        single = plan.baseline.architecture == "single"
        copies, sparse = plan.baseline.leaves if single else 1, sparse_table_keys(plan)
        self.embeddings = LeafEmbeddings(Embedding(plan.features, sparse) for _ in range(copies))
        self.node_features = node_features(plan.levels, plan.features)
        bottoms = [bottom for bottom in (bottom_of(plan) for _ in range(copies)) if bottom is not None]
        self.bottoms = LeafBottoms(bottoms) if bottoms else None
        self.leaf: nn.Embedding | None = None
        if plan.baseline.leaf_feature:
            self.leaf = nn.Embedding(plan.baseline.leaves, plan.baseline.embed)
            nn.init.normal_(self.leaf.weight, std=START_STD)
        self.body = BODIES[plan.baseline.architecture](plan, plan.baseline)
        self.shallow_tower = ShallowTower(plan) if plan.training_features else None

    def forward(self, batch: Batch, noise: Noise | None = None) -> Prediction:
        """Predicts all tasks for the rows of a batch. `noise` is ignored: no gate selects.

        Raises:
            ValueError: an id is outside its table (as in `Embedding`), or a row is on no path of the hierarchy.
        """
        rows = self.leaves(batch.node_BL)
        ids_BS, value_BV = served_inputs(self.plan, batch)
        node_BL = batch.node_BL[rows.order_B]
        x_BD = self.embeddings(ids_BS[rows.order_B], value_BV[rows.order_B], rows)
        if self.node_features is not None:
            x_BD = self.node_features(x_BD, node_BL)
        if self.bottoms is not None:
            x_BD = self.bottoms(x_BD, node_BL, rows)
        if self.leaf is not None:
            x_BD = torch.cat([x_BD, self.leaf(rows.leaf_B)], dim=1)
        logit_TB: Tensor = self.body(x_BD, rows)
        logit_TB = full_precision(logit_TB).index_select(1, rows.back_B)
        if self.shallow_tower is not None and self.training:
            logit_TB = logit_TB + self.shallow_tower(batch, logit_TB.detach().T).T
        logits = logit_TB.unbind(0)
        tasks = self.plan.tasks.tasks
        yes, no = funnel(logits, [task.factor for task in tasks])
        names = [task.name for task in tasks]
        return Prediction(
            logit=dict(zip(names, logits, strict=True)),
            log_probability=dict(zip(names, yes, strict=True)),
            log_complement=dict(zip(names, no, strict=True)),
            selection={},
            loss_sums=(),
        )

    def __repr__(self) -> str:
        assert self.plan.baseline is not None
        parameters = sum(parameter.numel() for parameter in self.parameters())
        costs = cost(self.plan)
        lines = [f"Baseline {self.plan.baseline.architecture} of {self.plan.name}: {parameters:,} parameters"]
        lines += [f"  {len(self.plan.features)} features -> {self.plan.width}"]
        for name, part in {**costs.levels, "towers": costs.towers}.items():
            lines.append(f"  {name}: {part.parameters:,} parameters, {part.selected:,} FLOPs a row")
        return "\n".join(lines)
