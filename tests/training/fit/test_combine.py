"""Combining the tasks' gradients: against the algorithm of PCGrad (Yu et al., NeurIPS 2020), written out in loops."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from aesm_dsl.api.simulate import world_spec
from aesm_dsl.api.train import train
from aesm_dsl.data.simulate.fund_search import write_world
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source
from aesm_dsl.layers.aes import Noise
from aesm_dsl.layers.build import AnyNetwork, build_network
from aesm_dsl.training.fit.combine import backward, gradients
from aesm_dsl.training.fit.gradient_weighting import GradientWeighting, gradient_weighting
from aesm_dsl.training.fit.loop import fit
from aesm_dsl.training.fit.loss import Loss, loss
from tests.layers.baselines.plans import BASELINES, make_baseline, visit
from tests.layers.plans import LAYER, make_batch, make_plan, stir
from tests.pages import without

ARCHITECTURES = ("aes", *BASELINES)


def weigher(name: str) -> GradientWeighting:
    findings = Findings()
    found = gradient_weighting(name, findings, lambda path: None)
    assert not findings.items
    assert found is not None
    return found


def network_of(architecture: str) -> AnyNetwork:
    plan = make_baseline("mmoe" if architecture == "aes" else architecture)
    if architecture == "aes":
        aes = make_plan(tuple((level.name, len(level.nodes)) for level in plan.levels))
        levels = tuple(replace(level, layers=one.layers) for level, one in zip(plan.levels, aes.levels, strict=True))
        plan = replace(plan, levels=levels, tasks=aes.tasks, baseline=None)
    torch.manual_seed(0)
    network = build_network(plan)
    stir(network)
    return network


def losses(network: AnyNetwork, rows: int = 60) -> Loss:
    batch = visit(network.plan, rows)
    return loss(network(batch, Noise(0.0)), batch, network.plan)


def flat(parts: Iterable[Tensor | None], network: nn.Module) -> Tensor:
    pairs = zip(parts, network.parameters(), strict=True)
    return torch.cat([(torch.zeros_like(one) if part is None else part.to_dense()).flatten() for part, one in pairs])


def pcgrad(of_task: list[Tensor], seed: int) -> Tensor:
    """Algorithm 1: a gradient is projected onto the normal plane of each that it conflicts with, in random order."""
    torch.manual_seed(seed)
    changed = []
    for i, own in enumerate(of_task):
        g = own.clone()
        for j in torch.randperm(len(of_task)).tolist():
            if j != i and torch.dot(g, of_task[j]) < 0:
                g = g - torch.dot(g, of_task[j]) / of_task[j].square().sum() * of_task[j]
        changed.append(g)
    return torch.stack(changed).sum(dim=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pcgrad_is_its_algorithm_on_what_tasks_share(architecture: str) -> None:
    network = network_of(architecture).double()
    parameters = list(network.parameters())
    found = losses(network)
    of_task = [flat(gradients(one, parameters), network) for one in found.weighted.values()]
    shared = torch.stack([one != 0 for one in of_task]).sum(dim=0) > 1
    assert 0 < shared.sum() < len(shared), "some parameters are shared, and each task has some of its own"
    expected = torch.where(shared, pcgrad([one * shared for one in of_task], 5), torch.stack(of_task).sum(dim=0))
    expected = expected + flat(gradients(found.auxiliary, parameters), network)
    torch.manual_seed(5)
    backward(found, parameters, weigher("pcgrad"))
    torch.testing.assert_close(flat([one.grad for one in parameters], network), expected)


@pytest.mark.parametrize("name", ["pcgrad", "aligned_mtl"])
def test_sparse_gradients_of_tables_are_combined_like_dense_ones(name: str) -> None:
    """Two tasks that look up different rows of one table, and some of the same; a third looks up none."""

    def grads(sparse: bool) -> list[Tensor]:
        torch.manual_seed(1)
        table, weight = nn.Embedding(9, 3, sparse=sparse), nn.Parameter(torch.randn(3, 3))
        nobody = nn.Embedding(2, 2, sparse=sparse)
        rows = torch.tensor([[1, 4, 4], [4, 7, 1]])
        values = [(table(rows[t]) @ weight[t]).sigmoid().sum() for t in (0, 1)]
        tasks = {"click": values[0], "buy": -values[1], "stay": weight[2].sum() ** 2 + weight[0].sum()}
        nothing = torch.zeros(())
        found = Loss(tasks, tasks, weight.sum() / 7, nothing, nothing, nothing)
        backward(found, [table.weight, weight, nobody.weight], weigher(name))
        assert nobody.weight.grad is None
        return [table.weight.grad, weight.grad]

    dense, sparse = grads(False), grads(True)
    assert sparse[0].is_sparse
    assert sparse[0].indices().tolist() == [[1, 4, 7]]
    for one, other in zip(dense, sparse, strict=True):
        torch.testing.assert_close(one, other.to_dense())


class Lines(nn.Module):
    """Two tasks whose losses are linear in what they share, and in a scalar of their own."""

    def __init__(self, first: list[float], second: list[float]) -> None:
        super().__init__()
        self.shared, self.own = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
        self.slopes = torch.tensor([first, second])

    def forward(self) -> Loss:
        values = self.slopes @ self.shared + self.own
        nothing = torch.zeros(())
        tasks = {"click": values[0], "buy": values[1]}
        return Loss(tasks, tasks, 10 * self.shared[0], nothing, nothing, nothing)


def test_conflicting_gradients_are_projected() -> None:
    lines = Lines([2.0, 1.0], [-1.0, 1.0])
    backward(lines(), list(lines.parameters()), weigher("pcgrad"))
    # g1 + g2 / 2 = (1.5, 1.5) is normal to g2, and g2 + g1 / 5 = (-0.6, 1.2) to g1; the auxiliary loss comes on top.
    torch.testing.assert_close(lines.shared.grad, torch.tensor([1.5 - 0.6 + 10.0, 1.5 + 1.2]))
    assert lines.own.grad.tolist() == [1.0, 1.0], "what one task alone reaches is left as it is"
    settled = lines.shared.grad - torch.tensor([10.0, 0.0])
    assert (lines.slopes @ settled >= 0).all(), "the step is against neither task"


def test_without_a_conflict_pcgrad_is_the_sum() -> None:
    for lines in (Lines([1.0, 0.5], [0.2, 1.0]), Lines([1.0, 2.0], [2.0, -1.0])):
        backward(lines(), list(lines.parameters()), weigher("pcgrad"))
        found = [one.grad.clone() for one in lines.parameters()]
        lines.zero_grad()
        backward(lines(), list(lines.parameters()))
        for one, expected in zip(found, lines.parameters(), strict=True):
            torch.testing.assert_close(one, expected.grad)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_one_task_alone_has_no_conflict(architecture: str) -> None:
    network = network_of(architecture).eval()  # STAR's running statistics would not be the same twice
    batch = visit(network.plan, 40)
    label_BT = batch.label_BT.clone()
    label_BT[:, 1:] = float("nan")
    batch, parameters = replace(batch, label_BT=label_BT), list(network.parameters())
    results = []
    for weighting in (None, weigher("pcgrad")):
        network.zero_grad()
        backward(loss(network(batch), batch, network.plan), parameters, weighting)
        results.append([torch.zeros_like(one) if one.grad is None else one.grad.clone() for one in parameters])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_aligned_mtl_makes_all_directions_count_alike() -> None:
    """Orthogonal gradients become as long as the shortest of them (Senushkin et al., CVPR 2023)."""
    lines = Lines([3.0, 3.0], [0.5, -0.5])
    backward(lines(), list(lines.parameters()), weigher("aligned_mtl"))
    torch.testing.assert_close(lines.shared.grad - torch.tensor([10.0, 0.0]), torch.tensor([1.0, 0.0]))
    assert lines.own.grad.tolist() == [1.0, 1.0]


def test_a_method_that_is_not_installed_is_told_where_it_is_asked_for() -> None:
    findings, span = Findings(), Source("spec.aesm", "combine = pcgrad").span(0, 7)
    with without("torchjd"):
        assert gradient_weighting("pcgrad", findings, {"train.combine": span}.get) is None
        assert gradient_weighting("sum", Findings(), lambda path: None) is None
    (told,) = findings
    assert (told.code, told.span) == ("E607", span)
    assert "aesm-dsl[gradients]" in told.help[0]


def test_a_plan_is_not_trained_another_way_than_it_says() -> None:
    network = network_of("mmoe")
    network.plan = replace(network.plan, training=replace(network.plan.training, combine="pcgrad"))
    with pytest.raises(ValueError, match="pcgrad"):
        fit(network, None)


def test_large_tables_with_sparse_steps_are_trained_by_a_method_too(tmp_path: Path) -> None:
    write_world(tmp_path, 2000, 3)
    (tmp_path / "spec.aesm").write_text(world_spec(), encoding="utf-8")
    overrides = ["train.embeddings=sparse", "train.combine=pcgrad", "train.length=4 steps", "train.batch=64 rows"]
    made = train(tmp_path / "spec.aesm", tmp_path / "run", device="cpu", overrides=overrides)
    assert any(isinstance(one, nn.Embedding) and one.sparse for one in made.network.modules())
    assert all(one.isfinite().all() for one in made.network.parameters())


def test_it_does_not_matter_how_the_experts_run() -> None:
    """Every task walks one graph again, also through backward passes of the experts' own."""
    found = []
    for execution in ("dense", "loop", "grouped"):
        plan = make_plan(layer=replace(LAYER, execution=execution))
        torch.manual_seed(0)
        network = build_network(plan).double()
        stir(network)
        batch = make_batch(plan, 50)
        torch.manual_seed(3)
        backward(loss(network(batch), batch, plan), list(network.parameters()), weigher("pcgrad"))
        found.append(flat([one.grad for one in network.parameters()], network))
    for one in found[1:]:
        torch.testing.assert_close(one, found[0])
