"""Measures a training step by how the tasks train one network: every `combine`, and every `weights`.

    python bench/tasks.py [--tasks 2 6] [--batch 1024] [--turns 15] [--device cpu]

The network has 8 categorical features of 1,000 values, embeddings of width 16, and a level of two nodes and a task
level, each with 8 experts [128, 64] of which 2 specific and 1 shared run; towers [64], Adam, random rows. A step is
forward, losses, backward and Adam's step. All ways take turns, step by step, on the same rows. It prints the ratio of
the median time to that of the plain sum with fixed weights: on a CPU the CPU time of one thread.
"""

from __future__ import annotations

import argparse

import torch
from measure import measure
from rich.console import Console
from rich.table import Table

from aesm_dsl.api.compile import compile_spec
from aesm_dsl.data.batch import Batch
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.task_weights import COMBINE
from aesm_dsl.training.fit.gradient_weighting import gradient_weighting
from aesm_dsl.training.fit.step import Stepper
from aesm_dsl.training.train import new_network

FEATURES, VALUES = 8, 1000
WEIGHTS = ("uncertainty", "gradnorm", "dwa", "famo")

SPEC = """
aesm = 1
model bench {{
  features user {{ {features} }}
  level page {{ node home; node tab }}
  experts {{ count = 8; hidden = [128, 64]; specific = 2; shared = 1; repeat = 1 }}
  tasks {{ {tasks}; tower = [64] }}
  train {{ batch = {batch} rows; combine = {combine}; weights = {weights} }}
}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="+", default=[2, 6])
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    ways = [(combine, "fixed") for combine in COMBINE] + [("sum", weights) for weights in WEIGHTS]
    table = Table("combine", "weights", *(f"{count} tasks" for count in options.tasks))
    ratios = []
    for count in options.tasks:
        steps = {"/".join(way): step_of(way, count, options) for way in ways}
        times = measure(steps, options.turns, options.device)
        ratios.append([times["/".join(way)].cpu / times["sum/fixed"].cpu for way in ways])
    for way, *own in zip(ways, *ratios, strict=True):
        table.add_row(*way, *(f"{ratio:.2f} x" for ratio in own))
    Console().print(table)


def step_of(way: tuple[str, str], tasks: int, options: argparse.Namespace):
    """A step of a network of its own, on random rows."""
    combine, weights = way
    source = SPEC.format(
        features="; ".join(f"f{place} = id(buckets: {VALUES}, embed: 16)" for place in range(FEATURES)),
        tasks="; ".join(f"task t{place}" for place in range(tasks)),
        batch=options.batch,
        combine=combine,
        weights=weights,
    )
    plan = compile_spec(Spec.parse(source)).plan
    draw = torch.Generator().manual_seed(0)
    rows = options.batch
    batch = Batch(
        torch.randint(VALUES, (rows, FEATURES), generator=draw),
        torch.zeros(rows, 0),
        torch.randint(2, (rows, 1), generator=draw),
        torch.randint(2, (rows, tasks), generator=draw).float(),
        torch.ones(rows),
    ).to(torch.device(options.device))
    network = new_network(plan).to(options.device)
    weighting = gradient_weighting(combine, Findings(), lambda path: None)
    stepper = Stepper(network, torch.device(options.device), weighting)
    return lambda: stepper.step(batch, 0.5)


if __name__ == "__main__":
    main()
