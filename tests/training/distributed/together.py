"""What two processes do together, beside what one does alone: run by torchrun from test_together.py, which looks at it.

`torchrun --nproc-per-node 2 -m tests.training.distributed.together FOLDER`: the first process writes FOLDER/found.json.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from aesm_dsl import AesmError, train
from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.aes import AESLayer
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup, join_group
from aesm_dsl.training.fit.gradient_weighting import GradientWeighting, SignDrop
from aesm_dsl.training.fit.step import Stepper
from aesm_dsl.training.run.stop_signals import StoppedError
from aesm_dsl.training.train import new_network
from tests.layers.plans import LAYER, TRAINING, feature, make_batch, make_plan, stir
from tests.training.run.test_resume import SMALL

CPU = torch.device("cpu")
STEPS = 5


def plans() -> dict[str, tuple[Plan, GradientWeighting | None]]:
    """Every way of learning that looks at more than one row, or keeps a state."""
    quiet = replace(TRAINING, noise=replace(TRAINING.noise, start=0.0), balance=0.5, rate=1e-2)
    plan = make_plan(layer=replace(LAYER, execution="loop"))
    many = {
        "sgd": (replace(quiet, optimizer="sgd", momentum=0.9, rate=1e-1), None),
        "sparse": (replace(quiet, sparse_from=0.0, optimizer="sgd", clip=0.1), None),
        "lazy adam": (replace(quiet, sparse_from=0.0, weights="uncertainty", ema_decay=0.9), None),
        "combined": (replace(quiet, sparse_from=0.0, combine="aligned_mtl"), _by_size),
        "gradnorm": (replace(quiet, weights="gradnorm", combine="graddrop"), SignDrop(_smaller)),
        "famo": (replace(quiet, weights="famo"), None),
    }
    found = {name: (replace(plan, training=training), weighting) for name, (training, weighting) in many.items()}
    shown = replace(plan, training=many["sgd"][0], training_features=(feature("position", 5, 3),))
    return found | {"known in training only": (shown, None)}


def _by_size(gram_TT: torch.Tensor) -> torch.Tensor:
    """Weighs gradients by their lengths, as no sum does."""
    return 1 / (1 + gram_TT.diagonal().sqrt())


def _smaller(gradient_TP: torch.Tensor) -> torch.Tensor:
    """As GradDrop draws: from the seed that it is given."""
    return gradient_TP.sum(dim=0) * torch.rand(gradient_TP.shape[1])


def batches(plan: Plan) -> list[Batch]:
    """With missing labels, rows of weight 0, and once a task without any label."""
    found = []
    for step in range(STEPS):
        batch = make_batch(plan, 60, seed=step)
        gone_BT = torch.rand(batch.label_BT.shape, generator=torch.Generator().manual_seed(step)) < 0.4
        gone_BT[:, 1] |= step == 2
        gone_BT[:40, 2] = True  # the first process has no label of it
        weight_B = torch.where(torch.arange(60) % 7 == 0, 0.0, batch.weight_B)
        label_BT = batch.label_BT.masked_fill(gone_BT, torch.nan)
        found.append(replace(batch, label_BT=label_BT, value_BV=batch.value_BV.double(), weight_B=weight_B))
    return found


def learn(
    plan: Plan, weighting: GradientWeighting | None, given: Sequence[Batch], processes: ProcessGroup
) -> tuple[list[Any], AnyNetwork]:
    network = new_network(plan).double()  # where sums in another order do not end in another selection
    stir(network)
    for layer in network.modules():
        if isinstance(layer, AESLayer):
            layer.gate.weight.data.mul_(3)
    torch.manual_seed(processes.rank)
    stepper = Stepper(network, CPU, weighting, processes)
    losses = [stepper.step(batch, place / STEPS).tolist() for place, batch in enumerate(given)]
    return losses, stepper.measured


def cut(batch: Batch, rows: slice) -> Batch:
    return Batch(*(part[rows] for part in batch.parts))


def steps(processes: ProcessGroup) -> dict[str, Any]:
    """By plan: the losses of both, and how far the weights are apart in the end. The first takes 40 rows of 60."""
    found = {}
    for name, (plan, weighting) in plans().items():
        given = batches(plan)
        mine = slice(0, 40) if processes.is_first else slice(40, 60)
        together_, network = learn(plan, weighting, [cut(one, mine) for one in given], processes)
        alone, other = learn(plan, weighting, given, SINGLE_PROCESS)
        pairs = zip(network.state_dict().values(), other.state_dict().values(), strict=True)
        apart = max(float((one - two).abs().max()) for one, two in pairs)
        copies = processes.gather_objects({key: value.numpy() for key, value in network.state_dict().items()})
        same = all((copies[0][key] == copy[key]).all() for copy in copies for key in copy)
        found[name] = {"together": together_, "alone": alone, "apart": apart, "the same weights": bool(same)}
    return found


def runs(spec: Path, folder: Path, rank: int) -> dict[str, Any]:
    """A whole training, one that was stopped on the way, and what is refused."""
    more = [*SMALL, "train.average=ema(decay: 0.9)", "train.length=3 epochs", "data.user=user_id"]
    whole = train(spec, folder / "whole", device="cpu", overrides=more)
    step, left = Stepper.step, [9]

    def count(self: Stepper, *given: Any) -> Any:
        left[0] -= 1
        if not left[0] and rank == 1:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, *given)

    with patch.object(Stepper, "step", count):
        try:
            train(spec, folder / "run", device="cpu", overrides=more)
        except StoppedError as stopped:
            at = stopped.step
    train(spec, folder / "run", device="cpu", overrides=more, resume=True)
    refused = []
    for odd in (["train.batch=63 rows"], ["experts.norm=batch"], ["architecture=star"]):
        try:
            train(spec, folder / "odd", device="cpu", overrides=[*SMALL, *odd])
        except AesmError as error:
            refused += [[item.code, item.message, item.span is not None] for item in error.findings]
    try:
        # Stopped, so that the test can go on with it alone.
        left[0] = 9
        with patch.object(Stepper, "step", count):
            train(spec, folder / "left", device="cpu", overrides=more)
    except StoppedError:
        pass
    return {"stopped at": at, "refused": refused, "metrics": whole.metrics.to_dicts(), "overrides": more}


def main(folder: Path) -> None:
    processes = join_group(CPU)
    found = {"steps": steps(processes)}
    found |= runs(folder / "fund_search.aesm", folder, processes.rank)
    if processes.is_first:
        (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
