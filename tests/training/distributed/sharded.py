"""What two processes do with sharded tables, beside what is done with whole ones: run from test_sharded.py.

`torchrun --nproc-per-node 2 -m tests.training.distributed.sharded FOLDER`: the first process writes FOLDER/found.json.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from aesm_dsl import train
from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.aes import AESLayer
from aesm_dsl.layers.embedding import Embedding
from aesm_dsl.layers.sharded_embedding import ShardedTable, sharded_tables
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.tables import sparse_table_keys
from aesm_dsl.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup, join_group
from aesm_dsl.training.distributed.shards import (
    join_lookups,
    own_optimizer_state,
    own_state,
    shard_tables,
    unshard_tables,
    whole_optimizer_state,
    whole_state,
)
from aesm_dsl.training.fit.gradient_weighting import GradientWeighting
from aesm_dsl.training.fit.step import Stepper
from aesm_dsl.training.metrics import predictions
from aesm_dsl.training.run.stop_signals import StoppedError
from aesm_dsl.training.train import new_network
from tests.layers.plans import LAYER, TRAINING, feature, make_plan, stir
from tests.layers.test_pretrained_vectors import features
from tests.training.distributed import together as whole
from tests.training.run.test_resume import SMALL

CPU = torch.device("cpu")
STEPS = 5
SHARED = [*SMALL, "train.average=ema(decay: 0.9)", "train.clip=1", "train.length=2 epochs", "train.tables=sharded"]


def plans() -> dict[str, tuple[Plan, GradientWeighting | None]]:
    """Every optimiser, and whatever looks at the tables beside it."""
    quiet = replace(TRAINING, noise=replace(TRAINING.noise, start=0.0), sparse_from=0.0, sharded=True, rate=1e-2)
    # The third table has one row: the second process has none of it.
    plan = make_plan(layer=replace(LAYER, execution="loop", input=12))
    plan = replace(plan, features=(*plan.features, feature("one", 1, 1)))
    plan = replace(plan, levels=(_wider(plan), *plan.levels[1:]))
    many = {
        "sgd": (replace(quiet, optimizer="sgd", rate=1e-1, clip=0.1), None),
        "adagrad": (replace(quiet, optimizer="adagrad", clip=0.1), None),
        "adam": (replace(quiet, weights="uncertainty", ema_decay=0.9, weight_decay=1e-2), None),
        "adamw": (replace(quiet, optimizer="adamw", weight_decay=1e-2, clip=0.1), None),
        "combined": (replace(quiet, combine="aligned_mtl"), whole._by_size),
        "compiled": (replace(quiet, compile="eager"), None),  # traced as for inductor, and sooner done
    }
    return {name: (replace(plan, training=training), weighting) for name, (training, weighting) in many.items()}


class Halves(torch.autograd.Function):
    """Numbers of 64 bits as twice as many of 32."""

    @staticmethod
    def forward(ctx: Any, number: Tensor) -> Tensor:
        return number.contiguous().view(torch.float32)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.contiguous().view(torch.float64)


class Wholes(torch.autograd.Function):
    """The way back from `Halves`."""

    @staticmethod
    def forward(ctx: Any, half: Tensor) -> Tensor:
        return half.contiguous().view(torch.float64)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.contiguous().view(torch.float32)


def carry_doubles(network: nn.Module) -> None:
    """Makes the vectors of sharded tables travel in float64, which fbgemm itself does not carry."""

    def doubled(back: Any, found: Tensor, way: Any) -> SimpleNamespace:
        waiting, width = back(Halves.apply(found), way), 2 * found.shape[1]
        return SimpleNamespace(wait=lambda: Wholes.apply(waiting.wait().view(-1, width)))

    for shard in sharded_tables(network).values():
        shard._exchange.send_vectors = partial(doubled, shard._exchange.send_vectors)


def _wider(plan: Plan) -> Any:
    first = plan.levels[0]
    return replace(first, layers=(replace(first.layers[0], input=plan.width), *first.layers[1:]))


def learn(
    plan: Plan, weighting: GradientWeighting | None, given: Sequence[Batch], processes: ProcessGroup
) -> tuple[list[Any], Stepper]:
    network = new_network(plan).double()  # where sums in another order do not end in another selection
    stir(network)
    for layer in network.modules():
        if isinstance(layer, AESLayer):
            layer.gate.weight.data.mul_(3)
    shard_tables(network, processes, CPU)
    carry_doubles(network)
    stepper = Stepper(network, CPU, weighting, processes)
    losses = [stepper.step(batch, place / STEPS).tolist() for place, batch in enumerate(given)]
    return losses, stepper


def steps(processes: ProcessGroup) -> dict[str, Any]:
    """By plan: the losses of both processes and of one that has whole tables, and how far weights and moments are apart
    in the end. The first process takes 40 rows of 60."""
    found = {}
    for name, (plan, weighting) in plans().items():
        given = whole.batches(plan)
        mine = slice(0, 40) if processes.is_first else slice(40, 60)
        losses, stepper = learn(plan, weighting, [whole.cut(one, mine) for one in given], processes)
        alone, other = learn(plan, weighting, given, SINGLE_PROCESS)
        network, state, expected = stepper.network, stepper.state_dict(), other.state_dict()
        rows = processes.gather_objects(
            [[one.num_embeddings, one.whole_rows] for one in sharded_tables(network).values()]
        )
        copies = processes.gather_objects(
            {key: one for key, one in network.state_dict().items() if key not in sharded_tables(network)}
        )
        kept = ("network", "optimizers", "average")
        found[name] = {
            "together": losses,
            "alone": alone,
            "apart": {key: _apart(state[key], expected[key]) for key in kept},
            "rows": rows,
            "the same weights": all(bool((copies[0][key] == copy[key]).all()) for copy in copies for key in copy),
            "comes back": _comes_back(stepper, processes),
        }
    return found


def _apart(one: Any, other: Any) -> float:
    """The largest difference between tensors in the same places; infinite where the places differ."""
    match one:
        case Tensor():
            same = one.shape == other.shape
            return float((one.double() - other.double()).abs().max()) if same and one.numel() else 0.0 if same else 1e9
        case dict():
            return (
                max((_apart(one[key], other[key]) for key in one), default=0.0) if one.keys() == other.keys() else 1e9
            )
        case list():
            return max((_apart(*pair) for pair in zip(one, other, strict=True)), default=0.0)
    return 0.0


def _comes_back(stepper: Stepper, processes: ProcessGroup) -> bool:
    """Whether each process finds its own part in what the first gathered."""
    network, before = stepper.network, deepcopy(stepper.network.state_dict())
    again = own_state(processes.broadcast_object(whole_state(before, network, processes)), network)
    same = [again.keys() == before.keys(), all(torch.equal(again[key], before[key]) for key in before)]
    for one in stepper.optimizers:
        moments = own_optimizer_state(
            processes.broadcast_object(whole_optimizer_state(one, network, processes)), one, network
        )
        same.append(_apart(moments["state"], one.state_dict()["state"]) == 0)
    return int(processes.sum(torch.tensor(all(same)).long())) == processes.world_size


def lookups(processes: ProcessGroup) -> list[Any]:
    """By process: vectors of a file, lists, ids that one process has none of, and whole tables in the end."""
    plan = replace(make_plan(), features=features(3, trained=True))
    plan = replace(plan, training=replace(plan.training, sparse_from=0.0))
    embedding = Embedding(plan.features, sparse_table_keys(plan))
    for one in embedding.parameters():
        processes.broadcast(one.data)
    own = deepcopy(embedding)
    shard_tables(own, processes, CPU)
    ids = torch.tensor([[2, 5, -1, 1, 4, 3], [-1, -1, -1, 2, 1, 0], [0, 1, 2, 0, 0, 5]])[1 + processes.rank :]
    empty = torch.empty(len(ids), 0)
    same = torch.equal(own(ids, empty), embedding(ids, empty))
    if processes.is_first:
        none = own(ids[:0], empty[:0]).shape == (0, 12)
    else:
        none = torch.equal(own(ids, empty), embedding(ids, empty))
    join_lookups(own, 2)
    try:
        ShardedTable(nn.Embedding(4, 2, sparse=True), processes.rank, processes.world_size, CPU)(torch.tensor([4]))
        refused = ""
    except ValueError as error:
        refused = str(error)
    kinds = [type(one).__name__ for one in own.modules() if isinstance(one, nn.Embedding)]
    unshard_tables(own, processes)
    back = all(torch.equal(one, embedding.state_dict()[name]) for name, one in own.state_dict().items())
    plain = not sharded_tables(own) and all(type(one) is nn.Parameter for one in own.parameters())
    said = {"same": same, "none": none, "refused": refused, "kinds": kinds, "back": back, "plain": plain}
    return processes.gather_objects(said)


def runs(spec: Path, folder: Path, processes: ProcessGroup) -> dict[str, Any]:
    """Whole trainings, with sharded tables and with whole ones, and one that was stopped on the way."""
    missed: list[int] = []

    def look(network: nn.Module, lookups: int) -> None:
        missed.append(lookups)
        join_lookups(network, lookups)

    # So few rows at once that one process has a batch more to look at than the other.
    with patch.object(predictions, "BATCH_ROWS", 30), patch.object(predictions, "join_lookups", look):
        train(spec, folder / "sharded", device="cpu", overrides=SHARED)
    train(spec, folder / "local", device="cpu", overrides=[*SHARED, "train.tables=local"])
    step, left = Stepper.step, [9]

    def count(self: Stepper, *given: Any) -> Any:
        left[0] -= 1
        if not left[0] and processes.rank == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *given)

    at = 0
    with patch.object(predictions, "BATCH_ROWS", 30):
        with patch.object(Stepper, "step", count):
            try:
                train(spec, folder / "again", device="cpu", overrides=SHARED)
            except StoppedError as stopped:
                at = stopped.step
        run = train(spec, folder / "again", device="cpu", overrides=SHARED, resume=True)
    held = {key: one.sum().item() for key, one in run.network.state_dict().items()}
    return {"stopped at": at, "missed": processes.gather_objects(missed), "held": processes.gather_objects(held)}


def main(folder: Path) -> None:
    processes = join_group(CPU)
    found = {"steps": steps(processes), "lookups": lookups(processes)}
    found |= runs(folder / "fund_search.aesm", folder, processes)
    if processes.is_first:
        (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
