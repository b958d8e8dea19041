"""Modules with parameters per leaf, in a form that can be exported.

In training, rows are split by leaf into parts whose sizes depend on the rows, which a graph cannot know. Here each row
picks the parameters or results of its leaf instead.

Axes: L leaves, G Linears side by side, B rows sorted by leaf, D input width, H output width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.layers.baselines.network import LeafBottoms, LeafEmbeddings
from aesm_dsl.layers.baselines.star import PartitionNorm, StarLinears
from aesm_dsl.layers.leaf_rows import LeafSorter, SortedRows, sort_rows
from aesm_dsl.layers.stacked_linears import Linears, Norms

LinearsFactory = Callable[[Tensor, Tensor], nn.Module]
"""Makes the module that replaces `Linears` of several leaves, from weight_LGDH and bias_LGH."""


def replace_modules(network: nn.Module, replacement: Callable[[nn.Module], nn.Module | None]) -> None:
    """Replaces every module inside a network by its replacement, unless that is None."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            new = replacement(child)
            if new is not None:
                setattr(module, name, new)


def exported_leaf_module(module: nn.Module, linears: LinearsFactory) -> nn.Module | None:
    """Returns the form in which a module with parameters per leaf is exported; None for any other module.

    Args:
        module: a module of the network.
        linears: makes the replacement of `Linears`.
    """
    if isinstance(module, LeafSorter):
        return _Leaves(module)
    if isinstance(module, PartitionNorm):
        return _PartitionNorm(module)
    if isinstance(module, LeafEmbeddings) and len(module) > 1:
        return _Embeddings(module)
    if isinstance(module, LeafBottoms) and len(module) > 1:
        return _Bottoms(module)
    if isinstance(module, Norms) and len(module.scale_LGH) > 1:
        return _Norms(module)
    if isinstance(module, Linears) and len(module.weight_LGDH) > 1:
        return linears(module.weight_LGDH.detach(), module.bias_LGH.detach())
    if isinstance(module, StarLinears) and len(module.factor_LGDH) > 1:
        return linears(*(parameter.detach() for parameter in module.of_leaves()))
    return None


class _Leaves(nn.Module):
    """`LeafSorter` without the sizes of leaves.

    A row on no path of the hierarchy gets a leaf without parameters, so picking its parameters fails.
    """

    def __init__(self, leaves: LeafSorter) -> None:
        super().__init__()
        self.leaves = leaves

    def forward(self, node_BL: Tensor) -> SortedRows:
        return sort_rows(self.leaves.leaf(node_BL))


DENSE_LEAVES = 32
"""Up to this many leaves, running all of them takes less time than reading each row's own parameters from memory."""


def torch_linears(weight_LGDH: Tensor, bias_LGH: Tensor) -> nn.Module:
    """Returns a module of torch's own operations that replaces `Linears` of several leaves."""
    form = DenseLinears if len(weight_LGDH) <= DENSE_LEAVES else GatheredLinears
    return form(weight_LGDH, bias_LGH)


class DenseLinears(nn.Module):
    """`Linears` of every leaf on every row; each row picks the results of its leaf."""

    weight_LGDH: Tensor
    bias_LG1H: Tensor

    def __init__(self, weight_LGDH: Tensor, bias_LGH: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight_LGDH", weight_LGDH)
        self.register_buffer("bias_LG1H", bias_LGH.unsqueeze(2))

    def forward(self, h: Tensor, rows: SortedRows) -> Tensor:
        y_LGBH = torch.matmul(h.unsqueeze(0), self.weight_LGDH) + self.bias_LG1H
        y_BGH = y_LGBH.transpose(1, 2)[rows.leaf_B, torch.arange(rows.leaf_B.shape[0], device=h.device)]
        return y_BGH.transpose(0, 1)


class GatheredLinears(nn.Module):
    """`Linears` that each row runs with the parameters of its leaf."""

    weight_LGDH: Tensor
    bias_LGH: Tensor

    def __init__(self, weight_LGDH: Tensor, bias_LGH: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight_LGDH", weight_LGDH)
        self.register_buffer("bias_LGH", bias_LGH)

    def forward(self, h: Tensor, rows: SortedRows) -> Tensor:
        product_BG1H = torch.matmul(h.transpose(0, 1).unsqueeze(2), self.weight_LGDH[rows.leaf_B])
        return (product_BG1H.squeeze(2) + self.bias_LGH[rows.leaf_B]).transpose(0, 1)


class _Norms(nn.Module):
    """`Norms` that each row runs with the parameters of its leaf."""

    scale_LGH: Tensor
    shift_LGH: Tensor

    def __init__(self, norms: Norms) -> None:
        super().__init__()
        self.register_buffer("scale_LGH", norms.scale_LGH.detach())
        self.register_buffer("shift_LGH", norms.shift_LGH.detach())

    def forward(self, h_GBH: Tensor, rows: SortedRows) -> Tensor:
        scale_GBH, shift_GBH = (
            vector_LGH[rows.leaf_B].transpose(0, 1) for vector_LGH in (self.scale_LGH, self.shift_LGH)
        )
        return functional.layer_norm(h_GBH, h_GBH.shape[-1:]) * scale_GBH + shift_GBH


class _PartitionNorm(nn.Module):
    """`PartitionNorm` with its running statistics."""

    rate_LD: Tensor
    offset_LD: Tensor

    def __init__(self, norm: PartitionNorm) -> None:
        super().__init__()
        rate_LD, offset_LD = norm.running_affine()
        self.register_buffer("rate_LD", rate_LD.detach())
        self.register_buffer("offset_LD", offset_LD.detach())

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        return x_BD * self.rate_LD[rows.leaf_B] + self.offset_LD[rows.leaf_B]


class _Embeddings(nn.Module):
    """`LeafEmbeddings` that looks every row up in the tables of every leaf; each row picks the vectors of its leaf."""

    def __init__(self, embeddings: LeafEmbeddings) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(embeddings)

    def forward(self, ids_BS: Tensor, value_BV: Tensor, rows: SortedRows) -> Tensor:
        x_LBD = torch.stack([embedding(ids_BS, value_BV) for embedding in self.embeddings])
        return x_LBD[rows.leaf_B, torch.arange(rows.leaf_B.shape[0], device=x_LBD.device)]


class _Bottoms(nn.Module):
    """`LeafBottoms` that runs every row through the bottom of every leaf; each row picks the result of its leaf."""

    def __init__(self, bottoms: LeafBottoms) -> None:
        super().__init__()
        self.bottoms = nn.ModuleList(bottoms)

    def forward(self, x_BD: Tensor, node_BL: Tensor, rows: SortedRows) -> Tensor:
        x_LBD = torch.stack([bottom(x_BD, node_BL) for bottom in self.bottoms])
        return x_LBD[rows.leaf_B, torch.arange(rows.leaf_B.shape[0], device=x_LBD.device)]
