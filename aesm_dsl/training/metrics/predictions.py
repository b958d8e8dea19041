"""Network + table -> what it predicts, how good that is, and which experts it used. Axes: R rows, T tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from aesm_dsl.data.encoded_stream import EncodedStream
from aesm_dsl.data.store.encoded_table import EncodedTable
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from aesm_dsl.training.distributed.shards import join_lookups
from aesm_dsl.training.metrics.broken_scores import BrokenScores
from aesm_dsl.training.metrics.calibration import Calibration, calibrations
from aesm_dsl.training.metrics.scores import Floats, PredictedRows, Score, scores
from aesm_dsl.training.metrics.streamed_scores import StreamedScores
from aesm_dsl.training.sharing.segments import Segments
from aesm_dsl.training.sharing.usage import Usage, UsageMeter

BATCH_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a network predicted for rows, what was observed, and the usage of experts on the way."""

    rows: PredictedRows
    usage: Usage

    def calibrations(self, plan: Plan) -> tuple[Calibration, ...]:
        """Predicted probability against observed frequency, of every leaf and task."""
        return calibrations(plan, self.rows)


@torch.no_grad()
def predict_table(
    network: AnyNetwork,
    table: EncodedTable | EncodedStream,
    device: torch.device,
    processes: ProcessGroup = SINGLE_PROCESS,
    by: Segments | None = None,
) -> Predictions:
    """Predicts every row of a table, in the table's order. The network is left in evaluation mode.

    One batch of the table is in memory at a time; of the result all rows are.

    Args:
        network: the network, on `device`.
        table: encoded rows.
        device: where the batches go.
        processes: processes that have the same table, of which each predicts its share. The first one gets the rows of
            all, share by share, the others none; the usage is that of all rows in every one of them.
        by: what the usage distinguishes in place of the nodes of the levels.
    """
    network.eval()
    missed = 0
    if isinstance(table, EncodedTable) and processes.world_size > 1:
        table = replace(table.share(processes.rank, processes.world_size), pad=0)
        missed = processes.maximum(math.ceil(len(table) / BATCH_ROWS)) - math.ceil(len(table) / BATCH_ROWS)
    meter = UsageMeter(network.plan, by.names if by is not None else ())
    names = [task.name for task in network.plan.tasks.tasks]
    yes: list[torch.Tensor] = []
    no: list[torch.Tensor] = []
    known: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    users: list[torch.Tensor] = []
    queries: list[torch.Tensor] = []
    for batch in table.batches(BATCH_ROWS):
        batch_there = batch.to(device)
        prediction = network(batch_there)
        meter.add(prediction.selection, None if by is None else by.of(batch_there))
        yes.append(torch.stack([prediction.log_probability[name] for name in names], dim=1))
        no.append(torch.stack([prediction.log_complement[name] for name in names], dim=1))
        users += [] if batch.user_B is None else [batch.user_B]
        queries += [] if batch.query_B is None else [batch.query_B]
        known.append((batch.label_BT, batch.node_BL, batch.weight_B))
    join_lookups(network, missed)
    label, node, weight = zip(*known, strict=True) if known else ((), (), ())
    own = (
        _host(yes, len(names)),
        _host(no, len(names)),
        _host(label, len(names)),
        torch.cat(list(node)).numpy() if node else np.zeros((0, len(network.plan.levels)), np.int64),
        torch.cat(list(weight)).double().numpy() if weight else np.zeros(0),
        *(torch.cat(whose).numpy() if whose else np.zeros(0, np.int64) for whose in (users, queries)),
    )
    of_all = processes.gather_objects(own) or [tuple(part[:0] for part in own)]
    yes_RT, no_RT, label_RT, node_RL, weight_R, user_R, query_R = map(np.concatenate, zip(*of_all, strict=True))
    whose = user_R if users else None, query_R if queries else None
    rows = PredictedRows(yes_RT, no_RT, label_RT, node_RL, weight_R, *whose)
    return Predictions(rows, meter.result(processes))


@torch.no_grad()
def measure_streamed(
    network: AnyNetwork, table: EncodedStream, device: torch.device, broken: BrokenScores
) -> tuple[Score, ...]:
    """Predicts and scores all rows, in memory that does not grow with them (streamed_scores.py).

    Rows without a finite score are left out, and counted in `broken`.
    """
    network.eval()
    streamed, names = StreamedScores(network.plan), [task.name for task in network.plan.tasks.tasks]
    for batch in table.batches(BATCH_ROWS):
        prediction = network(batch.to(device))
        yes_RT = _host([torch.stack([prediction.log_probability[name] for name in names], dim=1)], len(names))
        broken.add(yes_RT)
        streamed.add(
            PredictedRows(
                yes_RT,
                _host([torch.stack([prediction.log_complement[name] for name in names], dim=1)], len(names)),
                _host([batch.label_BT], len(names)),
                batch.node_BL.numpy(),
                batch.weight_B.double().numpy(),
                *(None if whose is None else whose.numpy() for whose in (batch.user_B, batch.query_B)),
            )
        )
    return streamed.scores()


def measure(
    network: AnyNetwork, predictions: Predictions, processes: ProcessGroup = SINGLE_PROCESS
) -> tuple[Score, ...]:
    """Scores predictions. The first process computes the scores, and all return them."""
    measured: tuple[Score, ...] = processes.broadcast_object(
        scores(network.plan, predictions.rows) if processes.is_first else None
    )
    return measured


def _host(parts: Sequence[torch.Tensor], tasks: int) -> Floats:
    return torch.cat(list(parts)).double().cpu().numpy() if parts else np.zeros((0, tasks))
