"""What several processes of torchrun cannot do together, and what they must agree on before the first step."""

from __future__ import annotations

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.distributed import launch
from aesm_dsl.training.distributed.process_group import Peers


def tell_unshareable(plan: Plan, findings: Findings, locate: Locate) -> None:
    """E609 for what the processes that were started cannot share: none of it where there is one."""
    world, rows = launch.world(), plan.training.batch_rows
    if world == 1:
        return
    if rows % world:
        more = rows - rows % world + world
        findings.add(
            "E609",
            f"a batch of {rows:,} rows cannot be divided among {world} processes",
            locate("train.batch") or locate("train"),
            label="every process takes as many rows of a step",
            help=f"write `batch = {more} rows`",
        )
    for setting, path in _batch_norms(plan):
        findings.add(
            "E609",
            f"`{setting}` cannot be trained by {world} processes",
            locate(path) or locate(path.partition(".")[0]),
            label="its statistics would be those of each process's own rows",
            help=["write `norm = layer`" if "norm" in setting else "another architecture", "or train with one process"],
        )


def agree(findings: Findings, peers: Peers) -> bool:
    """Whether no process has found an error; all have the findings of all then."""
    if peers.world > 1:
        for items in peers.gathered(findings.items):
            findings.extend(items)
        findings.items[:] = peers.told(findings.items)
    return not findings.errors


def _batch_norms(plan: Plan) -> list[tuple[str, str]]:
    """What normalises by a batch's own statistics: in words, and the path of its setting."""
    if plan.baseline is not None:
        found = [("norm = batch", "baseline.norm")] if plan.baseline.norm == "batch" else []
        return [*found, ("architecture = star", "architecture")] if plan.baseline.architecture == "star" else found
    stacks = {f"level.{level.name}": level.layers for level in plan.levels} | {"tasks": plan.tasks.layers}
    batch = [path for path, layers in stacks.items() if any(layer.norm == "batch" for layer in layers)]
    if len(batch) == len(stacks):
        return [("norm = batch", "experts.norm")]
    return [("norm = batch", f"{path}.experts.norm") for path in batch]
