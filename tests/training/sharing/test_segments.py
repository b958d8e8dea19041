"""Segments: what ids fall into which, and usage by them against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aesm_dsl.data.batch import Batch
from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.feature_encoders import (
    CategoryEncoder,
    DateEncoder,
    IdEncoder,
    NumberEncoder,
    SharedEncoder,
)
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.layers.selection import Selection
from aesm_dsl.training.sharing.segments import MOST, segments
from aesm_dsl.training.sharing.usage import Usage, UsageMeter
from tests.report.cases import make_plan

CITY = CategoryEncoder("city", "city", tuple(f"c{at}" for at in range(MOST + 5)))
ENCODERS = Encoders(
    (
        DateEncoder("when", "when", ("hour", "weekday"), ""),
        IdEncoder("user", "user", 10),
        NumberEncoder("age", "age", 5, (18.0, 30.5, 60.0)),
        CITY,
        SharedEncoder("home", "home", CITY),
    )
)
PLAN = make_plan({"entry": {"a": "a", "b": "b"}}, experts=3)


def batch(ids: list[list[int]], nodes: list[int]) -> Batch:
    rows = len(nodes)
    none = torch.zeros(rows, 0)
    return Batch(torch.tensor(ids), none, torch.tensor(nodes)[:, None], none, torch.ones(rows))


def test_values_ranges_and_nodes_have_names() -> None:
    ids = [[0, 0, 3, age, city, home] for age, city, home in ((0, 0, 2), (1, 1, 3), (4, 2, 0), (2, MOST + 2, 1))]
    rows = batch(ids, [0, 1, 1, 0])
    age = segments(PLAN, ENCODERS, "age", Findings())
    assert age is not None
    assert age.names == ("(missing)", "up to 18", "18 to 30.5", "30.5 to 60", "above 60")
    assert age.of(rows).tolist() == [0, 1, 4, 2]
    city = segments(PLAN, ENCODERS, "city", Findings())
    assert city is not None
    assert city.names == ("(missing)", "(other)", *CITY.values[:MOST])
    assert city.of(rows).tolist() == [0, 1, 2, 1]
    home = segments(PLAN, ENCODERS, "home", Findings())
    assert home is not None
    assert home.of(rows).tolist() == [2, 3, 0, 1]
    entry = segments(PLAN, ENCODERS, "entry", Findings())
    assert entry is not None
    assert entry.of(rows).tolist() == [0, 1, 1, 0]


def test_many_ranges_become_few() -> None:
    wide = Encoders((NumberEncoder("x", "x", 65, tuple(float(at) for at in range(63))),))
    found = segments(PLAN, wide, "x", Findings())
    assert found is not None
    assert len(found.names) <= MOST + 1
    assert len(found.of_I) == 65
    assert sorted(set(found.of_I.tolist())) == list(range(len(found.names)))
    assert (found.names[1], found.names[2], found.names[-1]) == ("up to 3", "3 to 7", "above 59")


@pytest.mark.parametrize(("name", "said"), [("user", "cannot be told apart"), ("cty", "did you mean `city`")])
def test_what_has_no_segments_is_told(name: str, said: str) -> None:
    findings = Findings()
    assert segments(PLAN, ENCODERS, name, findings) is None
    (finding,) = findings.items
    assert finding.code == "E640"
    assert said in f"{finding.message} {finding.help}"


def chosen(rows: int, tasks: int, experts: int, seed: int) -> Selection:
    chance = torch.Generator().manual_seed(seed)
    shape = (rows, tasks) if tasks else (rows,)
    weight = torch.rand(*shape, experts, generator=chance).softmax(dim=-1)
    return Selection(torch.randint(0, 2, shape, generator=chance), weight > 0.3, weight > 0.2, weight)


def test_usage_by_segment_and_flows_are_what_a_loop_finds() -> None:
    rows, segment = 40, torch.tensor([0, 1, 2, 1] * 10)
    selection = {"entry": (chosen(rows, 0, 3, 1),), "tasks": (chosen(rows, 2, 3, 2),)}
    by = UsageMeter(PLAN, ("x", "y", "z", "none"))
    by.add(selection, segment)
    usage = by.result().with_rows()
    assert usage.flows == ()
    for layer in usage:
        weight = selection[layer.level][0].weight.double()
        assert layer.nodes == ("x", "y", "z")
        for at in range(3):
            own = weight[segment == at].reshape(-1, 3)
            assert layer.rows_N[at] == len(own)
            assert layer.weight_NE[at] == pytest.approx(own.mean(dim=0).tolist())

    meter = UsageMeter(PLAN)
    for part in (slice(0, 15), slice(15, 40)):
        cut = {
            name: tuple(
                Selection(one.node[part], one.specific[part], one.shared[part], one.weight[part]) for one in stack
            )
            for name, stack in selection.items()
        }
        meter.add(cut)
    found = meter.result()
    (flow,) = found.flows
    assert (flow.above, flow.below) == ("entry", "tasks")
    above, below = (selection[name][0].weight.double().numpy() for name in ("entry", "tasks"))
    expected = np.einsum("be,btf->ef", above, below) / rows / 2
    np.testing.assert_allclose(flow.share, expected, atol=1e-9)
    assert Usage.from_json(found.to_json()) == found


def test_flow_to_the_nodes_of_the_next_level() -> None:
    plan = make_plan({"entry": {"a": "a", "b": "b"}, "card": {"x": "x", "y": "y"}}, experts=3)
    entry, card = chosen(30, 0, 3, 3), chosen(30, 0, 3, 4)
    meter = UsageMeter(plan)
    meter.add({"entry": (chosen(30, 0, 3, 5), entry), "card": (card,)})
    (flow,) = meter.result().flows
    for node in (0, 1):
        expected = entry.weight[card.node == node].double().sum(dim=0) / 30
        assert [row[node] for row in flow.share] == pytest.approx(expected.tolist())
