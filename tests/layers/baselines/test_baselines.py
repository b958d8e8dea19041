from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
import torch
from torch import Tensor

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.baselines.network import BODIES, BaselineNetwork
from aesm_dsl.layers.build import build_network
from aesm_dsl.layers.network import Network
from aesm_dsl.plan.plan import UNKNOWN, Plan, TaskPlan
from aesm_dsl.spec.baseline import ARCHITECTURES, LEAF_FEATURE
from aesm_dsl.training.fit.loss import loss
from tests.layers.baselines import twin
from tests.layers.baselines.plans import BASELINES, make_baseline, visit
from tests.layers.plans import FUNNEL, make_plan, task

ALONE = (task("click"),)


def make(plan: Plan, seed: int = 0) -> BaselineNetwork:
    """A network with every parameter drawn, so that no factor is still 1 and no bias still 0; in evaluation mode."""
    torch.manual_seed(seed)
    network = BaselineNetwork(plan).double().eval()
    for parameter in network.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.3)
    return network


def logit_of(network: BaselineNetwork, batch: Batch) -> Tensor:
    return torch.stack(list(network(batch).logit.values()), 1)


def leaves_of(plan: Plan, batch: Batch) -> list[int]:
    return [plan.leaves.index(tuple(nodes)) for nodes in batch.node_BL.tolist()]


def test_every_architecture_is_here() -> None:
    assert set(ARCHITECTURES) == {"aes", *BASELINES}
    assert set(BODIES) == set(BASELINES)
    assert isinstance(build_network(make_plan()), Network)
    assert isinstance(build_network(make_baseline("ple")), BaselineNetwork)
    with pytest.raises(ValueError, match="one of AES"):
        BaselineNetwork(make_plan())


@pytest.mark.parametrize("levels", [(), (("entry", 1),), (("entry", 3),), None], ids=["tasks", "one", "flat", "deep"])
@pytest.mark.parametrize("architecture", BASELINES)
def test_equals_the_plain_twin(architecture: str, levels: tuple[tuple[str, int], ...] | None) -> None:
    plan = make_baseline(architecture) if levels is None else make_baseline(architecture, levels)
    network, batch = make(plan), visit(plan, 12)
    if architecture == "star":
        network.train()(visit(plan, 200, seed=1))  # running statistics that differ from leaf to leaf
        network.eval()
    got = logit_of(network, batch)
    for row, leaf in enumerate(leaves_of(plan, batch)):
        moments = None
        if architecture == "star":
            mean_LD, variance_LD = network.body.norm._running()
            moments = (mean_LD[leaf].tolist(), variance_LD[leaf].tolist())
        expected = twin.logits(network, batch.ids_BS[row].tolist(), leaf, moments)
        torch.testing.assert_close(got[row], torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("specific", "shared", "repeat"), [(1, 4, 1), (3, 1, 2), (1, 1, 4)])
def test_ple_with_any_counts_equals_the_plain_twin(specific: int, shared: int, repeat: int) -> None:
    plan = make_baseline("ple", (("entry", 2),), specific=specific, shared=shared, repeat=repeat)
    network, batch = make(plan), visit(plan, 5)
    for row, leaf in enumerate(leaves_of(plan, batch)):
        expected = torch.tensor(twin.logits(network, batch.ids_BS[row].tolist(), leaf), dtype=torch.float64)
        torch.testing.assert_close(logit_of(network, batch)[row], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("specific", "shared", "repeat"), [(1, 1, 2), (2, 1, 1)])
def test_adatt_with_any_counts_equals_the_plain_twin(specific: int, shared: int, repeat: int) -> None:
    plan = make_baseline("adatt", (("entry", 2),), specific=specific, shared=shared, repeat=repeat)
    network, batch = make(plan), visit(plan, 5)
    for row, leaf in enumerate(leaves_of(plan, batch)):
        expected = torch.tensor(twin.logits(network, batch.ids_BS[row].tolist(), leaf), dtype=torch.float64)
        torch.testing.assert_close(logit_of(network, batch)[row], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("architecture", ["hinet", "m3oe"])
@pytest.mark.parametrize(("levels", "tasks"), [((), ALONE), ((("entry", 2),), FUNNEL)], ids=["alone", "two leaves"])
def test_experts_without_company_need_no_gate(
    architecture: str, levels: tuple[tuple[str, int], ...], tasks: tuple[TaskPlan, ...]
) -> None:
    plan = make_baseline(architecture, levels, tasks, specific=1, shared=1, norm="none")
    network, batch = make(plan), visit(plan, 4)
    for row, leaf in enumerate(leaves_of(plan, batch)):
        expected = torch.tensor(twin.logits(network, batch.ids_BS[row].tolist(), leaf), dtype=torch.float64)
        torch.testing.assert_close(logit_of(network, batch)[row], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("architecture", LEAF_FEATURE)
def test_the_leaf_as_a_feature_is_one_more_input(architecture: str) -> None:
    plan = make_baseline(architecture, (("entry", 3),), embed=2)
    network, batch = make(plan), visit(plan, 6)
    for row, leaf in enumerate(leaves_of(plan, batch)):
        expected = torch.tensor(twin.logits(network, batch.ids_BS[row].tolist(), leaf), dtype=torch.float64)
        torch.testing.assert_close(logit_of(network, batch)[row], expected, rtol=1e-10, atol=1e-10)
    logit_of(network, batch).sum().backward()
    assert network.leaf.weight.grad.abs().sum(dim=1).min() > 0


def test_aitm_passes_on_what_each_task_follows_in_any_order() -> None:
    tasks = (task("pay", after=2), task("click"), task("cart", after=1), task("like"), task("share", after=1))
    plan = make_baseline("aitm", (("entry", 2),), tasks=tasks)
    network, batch = make(plan), visit(plan, 5)
    assert sorted(network.body.transfers) == ["0", "2", "4"]
    for row, leaf in enumerate(leaves_of(plan, batch)):
        expected = torch.tensor(twin.logits(network, batch.ids_BS[row].tolist(), leaf), dtype=torch.float64)
        torch.testing.assert_close(logit_of(network, batch)[row], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("architecture", BASELINES)
def test_a_row_is_judged_alike_in_any_company(architecture: str) -> None:
    plan = make_baseline(architecture)
    network, batch = make(plan), visit(plan, 30)
    whole = logit_of(network, batch)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(logit_of(network, Batch(*(part[order] for part in batch.parts))), whole[order])
    for row in range(5):
        alone = Batch(*(part[row : row + 1] for part in batch.parts))
        torch.testing.assert_close(logit_of(network, alone)[0], whole[row])
    assert logit_of(network, Batch(*(part[:0] for part in batch.parts))).shape == (0, 3)


@pytest.mark.parametrize("architecture", BASELINES)
def test_gradients_reach_every_parameter_of_every_leaf(architecture: str) -> None:
    plan = make_baseline(architecture)
    plan = replace(plan, tasks=replace(plan.tasks, tower_activation="silu"))  # a unit of ReLU may be born dead
    torch.manual_seed(0)
    network, batch = BaselineNetwork(plan).train(), visit(plan, 400)
    loss(network(batch), batch, plan).total.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        stacked = name.rpartition("_")[2]
        parts = parameter.grad.flatten(0, 1) if stacked.startswith("LG") else parameter.grad.unsqueeze(0)
        assert all(part.abs().sum() > 0 for part in parts), name


@pytest.mark.parametrize("architecture", BASELINES)
def test_a_leaf_moves_nothing_but_what_is_its_own_or_shared(architecture: str) -> None:
    plan = make_baseline(architecture)
    network = make(plan)
    batch = visit(plan, 60)
    first = torch.tensor([leaf == 0 for leaf in leaves_of(plan, batch)])
    logit_of(network, Batch(*(part[first] for part in batch.parts))).sum().backward()
    for name, parameter in network.named_parameters():
        if "_L" in name and len(parameter) == len(plan.leaves):
            assert not parameter.grad[1:].any(), name
    if architecture == "single":
        assert len(network.embeddings) == len(plan.leaves)
        assert network.embeddings[0].tables[0].weight.grad.any()
        for other in network.embeddings[1:]:
            assert not other.tables[0].weight.grad.any()
        assert {len(one) for name, one in network.body.named_parameters()} == {len(plan.leaves)}


@pytest.mark.parametrize("architecture", BASELINES)
def test_missing_labels_and_tasks_without_any_leave_the_loss_finite(architecture: str) -> None:
    plan = make_baseline(architecture)
    network, batch = BaselineNetwork(plan).train(), visit(plan, 40)
    label_BT = batch.label_BT.clone()
    label_BT[::3, 0], label_BT[:, 2] = float("nan"), float("nan")
    found = loss(network(batch), replace(batch, label_BT=label_BT), plan)
    found.total.backward()
    assert found.task["purchase"] == 0
    assert found.total.isfinite()
    assert all(one.grad.isfinite().all() for one in network.parameters())


@pytest.mark.parametrize("architecture", BASELINES)
def test_probabilities_fall_down_the_funnel_but_for_hard_sharing(architecture: str) -> None:
    plan = make_baseline(architecture)
    prediction = make(plan)(visit(plan, 50))
    p, own = prediction.probability, {name: logit.sigmoid() for name, logit in prediction.logit.items()}
    if architecture == "shared_bottom":
        expected = own
    else:
        expected = {"click": own["click"], "cart": own["click"] * own["cart"]}
        expected["purchase"] = expected["cart"] * own["purchase"]
    for name, probability in expected.items():
        torch.testing.assert_close(p[name], probability)
        torch.testing.assert_close(prediction.log_complement[name].exp(), 1 - probability)
    assert prediction.selection == {}
    assert prediction.specific_loss == prediction.shared_loss == 0


@pytest.mark.parametrize("architecture", BASELINES)
def test_a_direct_task_has_a_tower_for_its_whole_probability(architecture: str) -> None:
    click, cart, purchase = FUNNEL
    plan = make_baseline(architecture, tasks=(click, replace(cart, joint="direct"), purchase))
    prediction = make(plan)(visit(plan, 50))
    own = {name: logit.sigmoid() for name, logit in prediction.logit.items()}
    torch.testing.assert_close(prediction.probability["cart"], own["cart"])
    if architecture != "shared_bottom":
        torch.testing.assert_close(prediction.probability["purchase"], own["cart"] * own["purchase"])


@pytest.mark.parametrize("architecture", BASELINES)
def test_no_two_experts_start_alike_and_the_same_seed_gives_the_same(architecture: str) -> None:
    plan = make_baseline(architecture)

    def draw(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed)
        return BaselineNetwork(plan).state_dict()

    one, same, other = draw(1), draw(1), draw(2)
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert not all(torch.equal(value, other[name]) for name, value in one.items())
    for name, value in one.items():
        if name.endswith("weight_LGDH"):
            for first, second in combinations(value.flatten(0, 1), 2):
                assert not torch.equal(first, second), name


@pytest.mark.parametrize("architecture", BASELINES)
def test_rows_of_unknown_nodes_are_a_leaf_of_their_own(architecture: str) -> None:
    plan = make_baseline(architecture)
    levels = tuple(replace(level, unknown=level.name == "entry") for level in plan.levels)
    assert plan.baseline is not None
    plan = replace(plan, levels=levels, baseline=replace(plan.baseline, leaves=plan.baseline.leaves + 1))
    network, batch = make(plan), visit(plan, 20)
    lost = batch.node_BL.clone()
    lost[:, 1] = UNKNOWN
    one = logit_of(network, replace(batch, node_BL=lost))
    lost[:, 0] = 1 - lost[:, 0]
    assert torch.equal(one, logit_of(network, replace(batch, node_BL=lost))), "they share one leaf"
    assert not torch.isclose(one, logit_of(network, batch)).any()
    lost[3, 2] = UNKNOWN
    with pytest.raises(
        ValueError, match=r"row 3 is on no path of the hierarchy: node of country \d, entry -1, card -1"
    ):
        network(replace(batch, node_BL=lost))


def test_dropout_acts_in_training_only() -> None:
    for architecture in BASELINES:
        plan = make_baseline(architecture, dropout=0.5)
        network, batch = make(plan), visit(plan, 20)
        assert torch.equal(logit_of(network, batch), logit_of(network, batch))
        network.train()
        assert not torch.equal(logit_of(network, batch), logit_of(network, batch))


def test_a_star_starts_as_the_shared_network_on_every_leaf() -> None:
    plan = make_baseline("star", tasks=ALONE)
    torch.manual_seed(0)
    network, batch = BaselineNetwork(plan).eval(), visit(plan, 3)
    torch.nn.init.zeros_(network.body.leaf.weight)
    batch = Batch(*(part[:1].expand(len(plan.leaves), *part.shape[1:]) for part in batch.parts))
    batch = replace(batch, node_BL=torch.tensor(plan.leaves))
    found = logit_of(network, batch)
    torch.testing.assert_close(found, found[:1].expand_as(found))


def test_no_gradient_passes_through_the_gates_of_a_pepnet() -> None:
    plan = make_baseline("pepnet")
    network, batch = make(plan), visit(plan, 20)
    rows = network.leaves(batch.node_BL)
    x_BD = torch.randn(20, plan.width, dtype=torch.float64, requires_grad=True)
    (through,) = torch.autograd.grad(network.body(x_BD, rows).sum(), x_BD)
    for gate in (network.body.embedding_gate, *network.body.gates):
        gate.register_forward_hook(lambda _module, _inputs, delta: delta.detach())
    (around,) = torch.autograd.grad(network.body(x_BD, rows).sum(), x_BD)
    assert torch.equal(through, around)


def test_it_says_what_it_is() -> None:
    text = repr(BaselineNetwork(make_baseline("ple")))
    assert "Baseline ple of fund: " in text
    assert "layer 3" in text
