"""`OutputMeter`: which output units of the experts never say anything. Axes: R rows, G gates, E experts, F outputs."""

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
"""An output unit is dead when its values over all rows lie this close together: it tells no two rows apart."""


class OutputMeter:
    """Within its `with` block, watches what every expert of a network puts out on the rows that run it.

    Keeps the lowest and the highest value of every unit, on the network's device, and no rows. Each (row, expert) pair
    is computed a second time for it, whatever way the experts are run: meant for a last look, not for training.
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
        """By level and layer, per expert the share of its output units that are dead; None without two rows.

        processes  processes that each have looked at rows: it is that of all
        """
        found = {}
        for key, layer in self._layers.items():
            rows_E, low_EF, high_EF = self._ranges.get(key) or _nothing(layer.experts)
            rows_E, low_EF, high_EF = processes.sum(rows_E), processes.minimum(low_EF), -processes.minimum(-high_EF)
            share_E = ((high_EF - low_EF) <= DEAD_UNIT).double().mean(dim=1).tolist()
            found[key] = tuple(
                share if rows > 1 else None for share, rows in zip(share_E, rows_E.tolist(), strict=True)
            )
        return found

    def _hook(self, key: tuple[str, int]) -> Any:
        def look(experts: Experts, given: tuple[Tensor, Tensor], _: Tensor) -> None:
            with torch.no_grad():
                self._look(key, experts, *given)

        return look

    def _look(self, key: tuple[str, int], experts: Experts, x_RD: Tensor, weight_RGE: Tensor) -> None:
        blocks = [block for block in experts.blocks if isinstance(block, ExpertBlock)]
        runs_RE = (weight_RGE != 0).any(dim=1)
        rows_E = runs_RE.sum(dim=0)
        if key not in self._ranges:
            self._ranges[key] = _nothing(experts)
        seen_E, low_EF, high_EF = self._ranges[key]
        seen_E += rows_E
        for expert in rows_E.nonzero().flatten().tolist():
            h = x_RD[runs_RE[:, expert]]
            for block in blocks:
                h = _one(block, expert, h)
            low_EF[expert] = torch.minimum(low_EF[expert], h.amin(dim=0))
            high_EF[expert] = torch.maximum(high_EF[expert], h.amax(dim=0))


def _nothing(experts: Experts) -> tuple[Tensor, Tensor, Tensor]:
    """Of experts that no row has run: rows_E, low_EF, high_EF."""
    last = experts.blocks[-1]
    assert isinstance(last, ExpertBlock)
    empty_EF = torch.full_like(last.bias_EH.detach(), torch.inf)
    return torch.zeros(len(empty_EF), dtype=torch.int64, device=empty_EF.device), empty_EF, -empty_EF


def _one(block: ExpertBlock, expert: int, h_RD: Tensor) -> Tensor:
    """h_RH of one expert: everything in a block is stacked by expert, so a stack of one is that expert."""
    stacks = {**dict(block.named_parameters()), **dict(block.named_buffers())}
    own = {name: stack[expert : expert + 1] for name, stack in stacks.items()}
    everything_1R = torch.ones(1, h_RD.shape[0], dtype=torch.bool, device=h_RD.device)
    h_1RH: Tensor = functional_call(block, own, (h_RD.unsqueeze(0), everything_1R))
    return h_1RH.squeeze(0)
