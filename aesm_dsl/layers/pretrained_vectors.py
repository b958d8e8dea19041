"""`PretrainedVectors`: ids -> vectors that were learnt elsewhere.

Axes: K known keys, W width of the feature, G width of the file's vectors.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import OTHER


class PretrainedVectors(nn.Module):
    """The vector of each id.

    Ids from 2 on are rows of the file's table; if its vectors have another width than the feature, a trained matrix
    projects them. The ids 0 (missing) and 1 (not in the file) each have a trained vector of their own. The table is
    trained too if the plan says so, else it is a buffer that is saved with the weights. It is zero until `fill_vectors`
    puts the file's vectors in.
    """

    def __init__(self, feature: FeaturePlan, start_std: float, *, sparse: bool) -> None:
        """Makes the module.

        Args:
            feature: the feature of vectors.
            start_std: standard deviation of the vectors of the ids 0 and 1 at the start.
            sparse: whether a trained table has sparse gradients.
        """
        super().__init__()
        self.name = feature.name
        width, file_width = feature.embed, feature.given or feature.embed
        # Before the file is read the number of its rows is not known: one row stands for them.
        known = max(feature.rows - OTHER - 1, 1)
        self.trained = nn.Embedding(known, file_width, sparse=sparse) if feature.trained else None
        if self.trained is None:
            self.register_buffer("frozen_KG", torch.zeros(known, file_width))
        else:
            nn.init.zeros_(self.trained.weight)
        self.turn = nn.Linear(file_width, width, bias=False) if file_width != width else None
        self.absent_2W = nn.Parameter(torch.randn(OTHER + 1, width) * start_std)

    @property
    def table_KG(self) -> Tensor:
        """The vectors of the file, in its order."""
        table: Tensor = self.trained.weight if self.trained is not None else self.get_buffer("frozen_KG")
        return table

    def forward(self, id: Tensor) -> Tensor:
        """Returns the vectors of ids (int64, any shape), with W as one more axis."""
        row = (id - OTHER - 1).clamp(min=0)
        vector = self.trained(row) if self.trained is not None else functional.embedding(row, self.table_KG)
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
