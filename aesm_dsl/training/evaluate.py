"""Network + table -> what it predicts, how good that is, and which experts it used. Axes: R rows, T tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from aesm_dsl.data.encoded import EncodedTable
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.training.metric import Floats, Score, scores
from aesm_dsl.training.usage import Usage, UsageMeter

BATCH_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Forecast:
    """Log of the probability of 1 and of 0, per row and task, and the usage of experts on the way."""

    yes_RT: Floats
    no_RT: Floats
    usage: Usage


@torch.no_grad()
def forecast(network: AnyNetwork, table: EncodedTable, device: torch.device) -> Forecast:
    """What the network says about every row, in the table's order; the network is left in evaluation mode."""
    network.eval()
    meter = UsageMeter(network.plan)
    names = [task.name for task in network.plan.tasks.tasks]
    yes: list[torch.Tensor] = []
    no: list[torch.Tensor] = []
    for batch in table.batches(BATCH_ROWS):
        prediction = network(batch.to(device))
        meter.add(prediction.selection)
        yes.append(torch.stack([prediction.log_probability[name] for name in names], dim=1))
        no.append(torch.stack([prediction.log_complement[name] for name in names], dim=1))
    return Forecast(_host(yes, len(names)), _host(no, len(names)), meter.result())


def judge(network: AnyNetwork, found: Forecast, table: EncodedTable) -> tuple[Score, ...]:
    """The scores of a forecast of this table."""
    label_RT = table.label_RT.double().cpu().numpy()
    weight_R = table.weight_R.double().cpu().numpy()
    return scores(network.plan, found.yes_RT, found.no_RT, label_RT, table.node_RL.cpu().numpy(), weight_R)


def _host(parts: list[torch.Tensor], tasks: int) -> Floats:
    return torch.cat(parts).double().cpu().numpy() if parts else np.zeros((0, tasks))
