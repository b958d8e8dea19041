"""A warm start carries over what means the same: by name, wherever it stands in either network."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from aesm_dsl.api.compile import compile_spec
from aesm_dsl.cli.main import app
from aesm_dsl.data.batch import Batch
from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.feature_encoders import CategoryEncoder
from aesm_dsl.layers.network import Network
from aesm_dsl.plan.anatomy import anatomy
from aesm_dsl.plan.bottom import BottomPlan
from aesm_dsl.plan.evolution import fates
from aesm_dsl.plan.plan import Plan
from aesm_dsl.spec.model import Spec
from aesm_dsl.training.run.warm_start import warm_start
from tests.conftest import PROJECT
from tests.worlds import THREE_LEVELS, write

OLD = """\
aesm = 1

model shop {
  embed = 4
  features item {
    price = number(quantiles: 4)
    brand = category(limit: 6)
    size = number(scale: log, embed: 3)
    height = number(encoding: piecewise(bins: 3))
    length = number(encoding: periodic(frequencies: 3))
    seller = id(buckets: 9, embed: 6)
  }
  features past {
    seen = list(of: category(limit: 5), most: 3, separator: "|")
    bought = sequence(of: seller, last: 4, pool: attention, separator: "|")
    kept = sequence(of: seller, last: 3, pool: transformer, separator: "|")
    day = date(parts: [weekday, month])
    kept_how = sequence(of: category(limit: 5, embed: 2), with: kept, separator: "|")
    kept_at = sequence(of: elapsed(), with: kept, separator: "|")
  }
  features more {
    text = vectors(file: "v.npy", weights: trained, embed: 5)
    again = same(of: brand)
    both = cross(of: [brand, seller], buckets: 20)
  }
  level page { node home; node search; unknown = shared }
  level card { under = page; node ad { under = search }; node organic }
  tasks { task click; task buy { after = click } }
}
"""

ELSEWHERE = """\
aesm = 1

model shop {
  embed = 4
  features more {
    both = cross(of: [brand, seller], buckets: 20)
    again = same(of: brand)
    text = vectors(file: "v.npy", weights: trained, embed: 5)
  }
  features past {
    kept_at = sequence(of: elapsed(), with: kept, separator: "|")
    day = date(parts: [weekday, month])
    kept_how = sequence(of: category(limit: 5, embed: 2), with: kept, separator: "|")
    bought = sequence(of: seller, last: 4, pool: attention, separator: "|")
    kept = sequence(of: seller, last: 3, pool: transformer, separator: "|")
    seen = list(of: category(limit: 5), most: 3, separator: "|")
  }
  features item {
    seller = id(buckets: 9, embed: 6)
    size = number(scale: log, embed: 3)
    height = number(encoding: piecewise(bins: 3))
    length = number(encoding: periodic(frequencies: 3))
    brand = category(limit: 6)
    price = number(quantiles: 4)
  }
  level page { node search; node home; unknown = shared }
  level card { under = page; node organic; node ad { under = search } }
  tasks { task buy { after = click }; task click }
}
"""
"""The same model, with everything in another order."""


def plan_of(text: str) -> Plan:
    return compile_spec(Spec.parse(text)).plan


def trained(plan: Plan) -> Network:
    """A network whose every number is drawn, as no gate of an untrained one is."""
    torch.manual_seed(3)
    network = Network(plan).eval()
    for tensor in network.state_dict().values():
        tensor.copy_(torch.rand_like(tensor) + 0.1)
    return network


MORE = {"text": 3, "both": 21, "height": 0, "length": 0, "kept_how": 7, "kept_at": 33}
NONE = Encoders(())
"""No vocabulary is fitted: values are told apart by their row."""

SPECS = [OLD, THREE_LEVELS, *sorted(PROJECT.glob("specs/*.aesm"))]


SETTINGS = {
    "as it is": {},
    "leaf": {"tasks.tower_per": "leaf"},
    "a gate of fields": {"bottom.gate": "senet", "bottom.interaction": "fm"},
    "batch norm": {"experts.norm": "batch"},
    "no norms": {"experts.norm": "none", "experts.mixture_norm": "none", "experts.residual": "none"},
}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("spec", SPECS, ids=lambda one: getattr(one, "name", "text"))
def test_every_number_of_the_state_has_its_part(spec: str | Path, settings: str, tmp_path: Path) -> None:
    path = spec if isinstance(spec, Path) else write(tmp_path, spec)
    plan = compile_spec(path, overrides=[f"{key}={value}" for key, value in SETTINGS[settings].items()]).plan
    parts, state = anatomy(plan), Network(plan).state_dict()
    assert max(Counter(part.name for part in parts).values()) == 1
    covered = Counter[str]()
    for part in parts:
        covered[part.state] += part.numel
    assert covered == {name: tensor.numel() for name, tensor in state.items()}


@pytest.mark.parametrize(
    "bottom",
    [
        BottomPlan("scenario", hidden=3, interaction="dcn_v2", layers=2, rank=2),
        BottomPlan("senet", reduction=2, interaction="fm", factors=4),
    ],
    ids=["nodes, cross layers", "fields, pairs"],
)
@pytest.mark.parametrize("tower_per", ["task", "leaf"])
def test_the_same_model_in_another_order_says_the_same(tower_per: str, bottom: BottomPlan) -> None:
    plans = [plan_of(text) for text in (OLD, ELSEWHERE)]
    old, new = (
        replace(plan, tasks=replace(plan.tasks, tower_per=tower_per), bottom=bottom).with_rows(
            {one.name: one.rows for one in plan.features}
        )
        for plan in plans
    )
    before, after = trained(old), Network(new).eval()
    assert warm_start(after, NONE, before, NONE) == 1.0
    batch = _batch(old, 64)
    said, says = before(batch), after(_as_in(batch, old, new))
    for task in ("click", "buy"):
        torch.testing.assert_close(says.probability[task], said.probability[task])


def _batch(plan: Plan, rows: int) -> Batch:
    draw = torch.Generator().manual_seed(5)
    ids = []
    for one in plan.features:
        if one.kind == "date":
            ids += [torch.randint(8, (rows, 1), generator=draw), 8 + torch.randint(13, (rows, 1), generator=draw)]
        elif one.slots:
            drawn = torch.randint(-1 if one.pool else 0, one.rows, (rows, one.slots), generator=draw)
            ids.append(drawn.sort(dim=1, descending=True)[0])  # the slots behind the last value are empty
    home, ad = 0, 0
    node_BL = torch.randint(2, (rows, 2), generator=draw)
    node_BL[(node_BL[:, 0] == home) & (node_BL[:, 1] == ad), 1] = 1
    return Batch(
        torch.cat(ids, 1),
        torch.randn(rows, plan.values, generator=draw),
        node_BL,
        torch.full((rows, len(plan.tasks.tasks)), torch.nan),
        torch.ones(rows),
    )


def _as_in(batch: Batch, old: Plan, new: Plan) -> Batch:
    """The batch as the new plan has its columns and nodes."""
    places, above = {}, 0
    for one in old.features:
        places[one.name], above = range(above, above + one.slots), above + one.slots
    columns = [place for one in new.features for place in places[one.name]]
    return replace(batch, ids_BS=batch.ids_BS[:, columns], node_BL=1 - batch.node_BL)


def test_a_new_node_starts_as_unknown_ones_run() -> None:
    old = plan_of(OLD)
    new = plan_of(OLD.replace("node search; unknown", "node search; node cart; unknown"))
    before, after = trained(old), Network(new)
    share = warm_start(after, NONE, before, NONE)
    assert 0.9 < share < 1
    was, now = before.state_dict(), after.state_dict()
    home, search, unknown = was["context.nodes.0.weight"]
    torch.testing.assert_close(now["context.nodes.0.weight"], torch.stack([home, search, unknown, unknown]))
    experts = old.levels[0].layers[0].experts
    gate_NED = was["levels.0.0.gate.weight"].view(2, experts, -1)
    of_three_NED = now["levels.0.0.gate.weight"].view(3, experts, -1)
    torch.testing.assert_close(of_three_NED, torch.cat([gate_NED, gate_NED.mean(0, keepdim=True)]))


def test_values_of_a_vocabulary_are_found_by_name() -> None:
    old = plan_of(OLD).with_rows({"price": 5, "brand": 4, "size": 0, "seller": 10, "seen": 7, "day": 21, **MORE})
    new = plan_of(OLD).with_rows({"price": 5, "brand": 5, "size": 0, "seller": 10, "seen": 7, "day": 21, **MORE})
    before, after = trained(old), Network(new)
    known = Encoders((CategoryEncoder("brand", "brand", ("acme", "zenith")),))
    wanted = Encoders((CategoryEncoder("brand", "brand", ("nova", "zenith", "acme")),))
    warm_start(after, wanted, before, known)

    def table(network: Network, rows: int) -> torch.Tensor:
        part = next(one for one in anatomy(network.plan) if one.name == "feature brand, table")
        return network.state_dict()[part.state][part.first : part.first + rows]

    missing, other, acme, zenith = table(before, 4)
    torch.testing.assert_close(table(after, 5), torch.stack([missing, other, other, zenith, acme]))


def test_frozen_vectors_stay_those_of_the_file() -> None:
    plan = plan_of(OLD.replace("weights: trained, ", ""))
    before, after = trained(plan), Network(plan)
    assert warm_start(after, NONE, before, NONE) == 1.0
    was, now = before.state_dict(), after.state_dict()
    (frozen,) = (name for name in now if name.endswith("frozen_KG"))
    assert not now[frozen].any()
    assert torch.equal(now[frozen.replace("frozen_KG", "absent_2W")], was[frozen.replace("frozen_KG", "absent_2W")])


def test_buckets_of_a_cross_mean_the_same_while_its_vocabularies_do() -> None:
    plan = plan_of(OLD)
    known = Encoders((CategoryEncoder("brand", "brand", ("acme",)),))
    before, after = trained(plan), Network(plan)
    part = next(one for one in anatomy(plan) if one.name == "feature both, table")
    rows = slice(part.first + 1, part.first + 21)
    for vocabulary, same in ((Encoders((CategoryEncoder("brand", "brand", ("nova",)),)), False), (known, True)):
        warm_start(after, vocabulary, before, known)
        tables = (one.state_dict()[part.state][rows] for one in (before, after))
        assert torch.equal(*tables) == same


def test_what_grows_keeps_what_it_had() -> None:
    new = plan_of(
        OLD.replace("price = number(quantiles: 4)", "price = number(quantiles: 4, embed: 6)")
        .replace("level card {", "level card { experts { count = 9 }; ")
        .replace("seller = id(buckets: 9", "seller = id(buckets: 12")
        .replace("task click;", "task click; task share;")
        .replace("    day = date(parts: [weekday, month])\n", "")
    )
    found = {one.owner: one for one in fates(anatomy(plan_of(OLD)), anatomy(new))}
    assert found["feature brand"].state == "kept"
    assert (found["feature price"].state, found["feature price"].how) == ("resized", ("units: 4 -> 6",))
    assert found["feature price"].carried == 5 * 4
    assert found["feature seller"].how == ("buckets: + of 12 buckets, - of 9 buckets",)
    assert "tasks: + task share" in found["tasks, layer 1"].how
    assert any(line.startswith("experts: ") and line.endswith(" -> 9") for line in found["level card, layer 1"].how)
    assert "inputs: - feature day" in found["level page, layer 1"].how
    assert found["task share"].state == "new"
    assert found["feature day"].state == "lost"
    before, after = trained(plan_of(OLD)), Network(new)
    share = warm_start(after, NONE, before, NONE)
    parts = sum(part.numel for part in anatomy(new))
    assert share == pytest.approx(sum(one.carried for one in found.values()) / parts)
    assert torch.equal(before.state_dict()["towers.0.head.weight"], after.state_dict()["towers.0.head.weight"])


def test_what_a_narrower_network_leaves_behind_is_counted(tmp_path: Path) -> None:
    """All of a narrow network can come from a wide one, of which most is lost."""
    wide, narrow = plan_of(OLD), plan_of(OLD.replace("price = number(quantiles: 4)", "price = number(quantiles: 2)"))
    for old, new in ((wide, wide), (wide, narrow)):
        found = fates(anatomy(old), anatomy(new))
        assert sum(one.before for one in found) == sum(part.numel for part in anatomy(old))
        assert sum(one.left_behind for one in found) == sum(part.numel for part in anatomy(old)) - sum(
            one.carried for one in found
        )
    for name, units in (("wide", 96), ("narrow", 32)):
        (tmp_path / f"{name}.aesm").write_text(
            f"aesm = 1\nmodel m {{ features f {{ x = number() }}; experts {{ hidden = [{units}] }}; "
            "tasks { task t } }\n"
        )
    shown = CliRunner().invoke(app, ["diff", str(tmp_path / "wide.aesm"), str(tmp_path / "narrow.aesm")])
    assert shown.exit_code == 0
    (line,) = [one for one in shown.stdout.splitlines() if one.startswith("Of the ")]
    assert 50 < float(line.rpartition(", ")[2].rstrip("%.")) < 95
