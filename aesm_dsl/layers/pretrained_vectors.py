"""`PretrainedVectors`: ids -> vectors that were learnt elsewhere. Axes: K known keys, W width, G width that the file gives."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import OTHER


class PretrainedVectors(nn.Module):
    """The vector of each id: of 2 and above a row of the file's table, turned to the feature's width by a trained
    matrix where the file's is another; of 0 (missing) and 1 (not in the file) a trained vector of its own.

    id       int64, of any shape; the result has one axis more
    trained  the table moves too, by sparse gradients where `sparse`; else it is a buffer: kept with the weights
    The table is zero until `fill_vectors` puts the file's vectors in.
    """

    def __init__(self, feature: FeaturePlan, start_std: float, *, sparse: bool) -> None:
        super().__init__()
        self.name = feature.name
        width, given = feature.embed, feature.given or feature.embed
        # Before the file is read its rows are not known: one stands for them.
        known = max(feature.rows - OTHER - 1, 1)
        self.trained = nn.Embedding(known, given, sparse=sparse) if feature.trained else None
        if self.trained is None:
            self.register_buffer("frozen_KG", torch.zeros(known, given))
        else:
            nn.init.zeros_(self.trained.weight)
        self.turn = nn.Linear(given, width, bias=False) if given != width else None
        self.absent_2W = nn.Parameter(torch.randn(OTHER + 1, width) * start_std)

    @property
    def table_KG(self) -> Tensor:
        """The vectors of the file, in its order."""
        table: Tensor = self.trained.weight if self.trained is not None else self.get_buffer("frozen_KG")
        return table

    def forward(self, id: Tensor) -> Tensor:
        place = (id - OTHER - 1).clamp(min=0)
        vector = self.trained(place) if self.trained is not None else functional.embedding(place, self.table_KG)
        if self.turn is not None:
            vector = self.turn(vector)
        absent = functional.embedding(id.clamp(max=OTHER), self.absent_2W)
        return torch.where((id > OTHER).unsqueeze(-1), vector, absent)


def fill_vectors(network: nn.Module, vectors: Mapping[str, Tensor]) -> None:
    """Puts the files' vectors (feature name -> vector_KG) into a network's tables."""
    for module in network.modules():
        if isinstance(module, PretrainedVectors):
            with torch.no_grad():
                module.table_KG.copy_(vectors[module.name])
