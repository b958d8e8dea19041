"""`OutputMeter`: which output units of the experts are the same for every row. Axes: R rows, E experts, F outputs."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.func import functional_call

from aesm_dsl.layers.experts import ExpertBlock, Experts
from aesm_dsl.layers.network import aes_layers
from aesm_dsl.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup

DEAD_UNIT = 1e-6
"""An output unit is dead if its values over all rows lie this close together: it tells no two rows apart."""


class OutputMeter:
    """Watches, within its `with` block, the output of every expert of a network on the rows that run it.

    It keeps the lowest and the highest value of every unit, on the network's device, and no rows. Each (row, expert)
    pair is computed a second time for it, whatever way the experts are run: it is meant for a measurement after
    training, not for training steps.
    """

    def __init__(self, network: nn.Module) -> None:
        self._layers = aes_layers(network)
        self._ranges: dict[tuple[str, int], tuple[Tensor, Tensor, Tensor]] = {}
        self._handles: list[Any] = []

    def __enter__(self) -> Self:
        for key, layer in self._layers.items():
            self._handles.append(layer.experts.register_forward_hook(self._hook(key)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def dead_units(self, processes: ProcessGroup = SINGLE_PROCESS) -> dict[tuple[str, int], tuple[float | None, ...]]:
        """Returns for every level and layer, per expert, the share of its output units that are dead.

        Args:
            processes: processes that each have watched rows: the result is that of all of them.

        Returns:
            (level, layer) -> shares; None for an expert that fewer than two rows ran.
        """
        shares = {}
        for key, layer in self._layers.items():
            rows_E, low_EF, high_EF = self._ranges.get(key) or _nothing(layer.experts)
            rows_E, low_EF, high_EF = processes.sum(rows_E), processes.minimum(low_EF), -processes.minimum(-high_EF)
            share_E = ((high_EF - low_EF) <= DEAD_UNIT).double().mean(dim=1).tolist()
            shares[key] = tuple(
                share if rows > 1 else None for share, rows in zip(share_E, rows_E.tolist(), strict=True)
            )
        return shares

    def _hook(self, key: tuple[str, int]) -> Any:
        def hook(experts: Experts, inputs: tuple[Tensor, Tensor], _: Tensor) -> None:
            with torch.no_grad():
                self._look(key, experts, *inputs)

        return hook

    def _look(self, key: tuple[str, int], experts: Experts, x_RD: Tensor, weight_RGE: Tensor) -> None:
        blocks = [block for block in experts.blocks if isinstance(block, ExpertBlock)]
        runs_RE = (weight_RGE != 0).any(dim=1)
        rows_E = runs_RE.sum(dim=0)
        if key not in self._ranges:
            self._ranges[key] = _nothing(experts)
        count_E, low_EF, high_EF = self._ranges[key]
        count_E += rows_E
        for expert in rows_E.nonzero().flatten().tolist():
            h = x_RD[runs_RE[:, expert]]
            for block in blocks:
                h = _run_one(block, expert, h)
            low_EF[expert] = torch.minimum(low_EF[expert], h.amin(dim=0))
            high_EF[expert] = torch.maximum(high_EF[expert], h.amax(dim=0))


def _nothing(experts: Experts) -> tuple[Tensor, Tensor, Tensor]:
    """rows_E, low_EF and high_EF of experts that no row has run."""
    last = experts.blocks[-1]
    assert isinstance(last, ExpertBlock)
    empty_EF = torch.full_like(last.bias_EH.detach(), torch.inf)
    return torch.zeros(len(empty_EF), dtype=torch.int64, device=empty_EF.device), empty_EF, -empty_EF


def _run_one(block: ExpertBlock, expert: int, h_RD: Tensor) -> Tensor:
    """Runs one expert of a block. Everything in a block is stacked by expert, so that a stack of one is that expert."""
    stacks = {**dict(block.named_parameters()), **dict(block.named_buffers())}
    own = {name: stack[expert : expert + 1] for name, stack in stacks.items()}
    everything_1R = torch.ones(1, h_RD.shape[0], dtype=torch.bool, device=h_RD.device)
    h_1RH: Tensor = functional_call(block, own, (h_RD.unsqueeze(0), everything_1R))
    return h_1RH.squeeze(0)
