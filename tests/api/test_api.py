"""The whole way on small simulated rows, from Python: train, run folder, evaluate, predict, visualize."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

import aesm_dsl
from aesm_dsl import AesmError, Spec, build_from_spec, evaluate, load_run, predict, train, usage, visualize
from aesm_dsl.api.check import profile
from aesm_dsl.api.simulate import world_spec
from aesm_dsl.data.encoded_stream import EncodedStream
from aesm_dsl.data.open_tables import open_table
from aesm_dsl.data.prepare import ROWS, prepare
from aesm_dsl.data.reading.frames import open_frames as held
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.training.metrics.auc import auc
from aesm_dsl.training.run.folder import FILES, Run
from tests.worlds import fund_world

SMALL = [
    "train.length=3 epochs",
    "train.batch=256 rows",
    "train.noise=none",
    "train.optimizer=adam(rate: 1e-2)",
    "experts.repeat=1",
    "features.user.user_id=id(buckets: 100, embed: 4)",
    "features.item.fund_id=id(buckets: 50, embed: 4)",
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fund_world(tmp_path_factory.mktemp("world"), 6000).parent


@pytest.fixture(scope="module")
def run(world: Path) -> Run:
    return train(world / "fund_search.aesm", world / "run", device="cpu", overrides=SMALL)


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Path:
    shutil.copytree(run.folder, tmp_path / "copy")
    return tmp_path / "copy"


def test_training_learns_something(run: Run) -> None:
    overall = run.metrics.filter(pl.col("leaf") == "(all)")
    assert overall["auc"].max() > 0.55  # type: ignore[operator]
    first, last = run.history[0].train_losses, run.history[-1].train_losses
    assert all(last[task] < first[task] for task in ("click", "purchase"))


def test_metrics_have_every_leaf_and_task(run: Run) -> None:
    metrics = run.metrics
    counts, areas = ["leaf", "task", "rows", "positives", "rate"], ["auc", "auc_low", "auc_high"]
    users = ["gauc", "gauc_low", "gauc_high", "users"]
    losses = ["log_loss", "normalised_entropy", "calibration", "calibration_error"]
    within = [f"{name}{end}" for name in ("ndcg", "mrr", "hit_rate", "map") for end in ("", "_low", "_high")]
    assert metrics.columns == [*counts, *areas, *losses, *users, "auc_off", "queries", *within]
    assert metrics["leaf"].unique(maintain_order=True).to_list() == [
        "search > hot_funds",
        "search > fund_product",
        "search > theme",
        "search > article",
        "wealth > hot_funds",
        "wealth > fund_product",
        "wealth > theme",
        "(all)",
    ]
    assert metrics.height == 16
    leaves = metrics.filter(pl.col("leaf") != "(all)").group_by("task").agg(pl.col("rows", "positives").sum())
    whole = metrics.filter(pl.col("leaf") == "(all)").select("task", "rows", "positives")
    assert leaves.sort("task").equals(whole.sort("task"))


def test_the_same_seed_gives_the_same_weights_bit_for_bit(world: Path, run: Run) -> None:
    torch.manual_seed(1234)  # somebody else's seed must not matter
    state = torch.random.get_rng_state()
    again = train(world / "fund_search.aesm", world / "again", device="cpu", overrides=SMALL)
    assert torch.equal(torch.random.get_rng_state(), state), "training moved the global generator"
    for name, tensor in run.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name
    assert again.scores == run.scores
    assert [epoch.train_losses for epoch in again.history] == [epoch.train_losses for epoch in run.history]
    other = train(world / "fund_search.aesm", world / "other", device="cpu", overrides=[*SMALL, "train.seed=8"])
    assert other.scores != run.scores


def test_a_run_comes_back_from_its_folder(run: Run) -> None:
    back = load_run(run.folder)
    assert back.plan == run.plan
    assert back.scores == run.scores
    assert back.usage == run.usage
    assert back.history == run.history
    assert back.profile == run.profile
    assert Spec.parse(back.spec).name == "fund_search"
    assert {path.name for path in run.folder.iterdir()} - {"events"} == {*FILES, "run.json", "log.jsonl"}
    assert not list(run.folder.parent.glob(".run*")), "temporary folders are left"


def test_a_run_keeps_the_profile_of_its_rows(world: Path, run: Run) -> None:
    assert (found := profile(world / "fund_search.aesm", SMALL)[1]) is not None
    # What `evaluate` compares other rows with is kept beside it.
    assert {key: value for key, value in run.profile.items() if key != ROWS} == found
    assert run.profile[ROWS]["hashes"]
    assert run.profile["rows"] == run.info["rows"]


def test_a_run_needs_no_file_that_its_spec_imported(world: Path, run: Run, tmp_path: Path) -> None:
    """The same weights as with the features written in the spec, and all that a run does once the file is gone."""
    spec = world_spec()
    start, end = spec.index("  features item {"), spec.index("  features query {")
    shared = world / "shared_features.aesm"
    shared.write_text(f"aesm = 1\n\n{spec[start:end]}", encoding="utf-8")
    importing = f"{spec[:start]}  use = fund.item\n{spec[end:]}".replace(
        "aesm = 1\n", 'aesm = 1\n\nimport fund "shared_features.aesm"\n', 1
    )
    (world / "importing.aesm").write_text(importing, encoding="utf-8")
    again = train(world / "importing.aesm", tmp_path / "run", device="cpu", overrides=SMALL)
    shared.unlink()
    assert again.plan == run.plan
    for name, tensor in run.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name
    back = load_run(again.folder)
    assert back.spec == run.spec
    assert evaluate(back).equals(run.metrics)
    table = pl.read_parquet(world / "test.parquet")
    assert predict(back, table).equals(predict(run, table))


def test_evaluate_repeats_the_metrics_and_takes_another_table(run: Run, world: Path) -> None:
    assert evaluate(run).equals(run.metrics)
    assert evaluate(run.folder, world / "test.parquet").equals(run.metrics)
    half = pl.read_parquet(world / "test.parquet").head(500)
    assert evaluate(run, half).filter(pl.col("leaf") == "(all)")["rows"].to_list() == [500, 500]


def test_evaluate_looks_within_users_and_in_fixed_memory(run: Run, world: Path) -> None:
    assert run.plan.data is not None
    grouped = replace(run, plan=replace(run.plan, data=replace(run.plan.data, user="user_id")))
    found, streamed = (evaluate(grouped, world / "test.parquet", streamed=one) for one in (False, True))
    gone = ["gauc", "gauc_low", "gauc_high", "users", "auc_off"]
    assert found.drop(gone).equals(run.metrics.drop(gone))
    table = pl.read_parquet(world / "test.parquet").with_columns(predict(run, world / "test.parquet")["click"])
    areas = [
        (auc(one["click"].to_numpy(), one["is_click"].to_numpy()), len(one)) for one in table.partition_by("user_id")
    ]
    both = [(area, rows) for area, rows in areas if area is not None]
    click = found.filter((pl.col("leaf") == "(all)") & (pl.col("task") == "click")).row(0, named=True)
    assert click["users"] == len(both)
    assert click["gauc"] == pytest.approx(sum(area * rows for area, rows in both) / sum(rows for _, rows in both))
    off = (streamed["auc"] - found["auc"]).abs()
    assert (off <= streamed["auc_off"] + 1e-12).all()
    assert streamed.filter(pl.col("leaf") == "(all)")["auc_off"].max() < 2e-3
    same = ["leaf", "task", "rows", "gauc", "log_loss"]
    assert_frame_equal(streamed[same], found[same])


def test_predict_gives_the_probabilities_that_were_measured(run: Run, world: Path) -> None:
    table = pl.read_parquet(world / "test.parquet")
    found = predict(run, table)
    assert found.columns == ["click", "purchase"]
    assert found.height == table.height
    assert ((found["purchase"] <= found["click"]) & (found["purchase"] > 0)).all()
    loss = -np.where(table["is_click"] == 1, np.log(found["click"]), np.log1p(-found["click"])).mean()
    expected = run.metrics.filter((pl.col("leaf") == "(all)") & (pl.col("task") == "click"))["log_loss"].item()
    assert loss == pytest.approx(expected, rel=1e-5)
    unlabelled = predict(run, table.drop("is_click", "is_buy"))
    assert unlabelled.equals(found)
    shuffled = table.sample(fraction=1, shuffle=True, seed=1)
    again = predict(run, shuffled.with_columns(table.row(0, named=True)["age"] * pl.lit(0) + pl.col("age")))
    assert again.height == found.height


def test_sharing_is_read_by_name(run: Run) -> None:
    sharing = run.sharing("card")
    assert sharing.matrix.nodes == ("hot_funds", "fund_product", "theme", "article")
    assert sharing.matrix.matrix.shape == (4, 4)
    assert run.sharing("tasks").matrix.nodes == ("click", "purchase")
    with pytest.raises(KeyError):
        run.sharing("nothing")


def test_pictures_of_a_spec_and_of_a_run(run: Run, world: Path, tmp_path: Path) -> None:
    structure = visualize(world / "fund_search.aesm", tmp_path / "structure.svg").read_text(encoding="utf-8")
    assert "理财TAB" in structure
    learnt = visualize(run, tmp_path / "sharing.svg").read_text(encoding="utf-8")
    assert "热门基金" in learnt
    assert learnt != structure
    assert visualize(run.folder, tmp_path / "all.dot", layers="all").stat().st_size > 0
    assert visualize(run, tmp_path / "sharing.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(AesmError, match=r"E605.*\.gif"):
        visualize(run, tmp_path / "sharing.gif")


def test_build_from_spec_takes_a_path_a_spec_and_text(world: Path) -> None:
    path = world / "fund_search.aesm"
    state = torch.random.get_rng_state()
    networks = [build_from_spec(path), build_from_spec(str(path)), build_from_spec(Spec.parse(world_spec()))]
    assert torch.equal(torch.random.get_rng_state(), state)
    first = networks[0].state_dict()
    for network in networks[1:]:
        assert all(torch.equal(first[name], tensor) for name, tensor in network.state_dict().items())
    assert "scenario" in repr(networks[0])


def test_a_network_built_from_a_spec_takes_encoded_rows(world: Path) -> None:
    network = build_from_spec(world / "fund_search.aesm")
    findings = Findings()
    prepared = prepare(network.plan, [world], findings, lambda path: None)
    assert prepared is not None
    batch = next(prepared.tables.train.batches(64))
    prediction = network(batch)
    assert prediction.probability["purchase"].shape == (64,)
    assert len(prediction.selection["card"]) == 1
    assert prediction.selection["card"][0].weight.shape == (64, 8)


def test_the_output_folder_is_looked_at_before_the_first_step(run: Run, world: Path, tmp_path: Path) -> None:
    steps: list[int] = []
    with pytest.raises(AesmError, match="E601"):
        train(world / "fund_search.aesm", run.folder, overrides=SMALL, watch=lambda now: steps.append(now.step))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(AesmError, match=r"E601.*not a run"):
        train(world / "fund_search.aesm", tmp_path / "mine", overwrite=True, overrides=SMALL)
    assert (tmp_path / "mine" / "thesis.txt").exists()
    assert not steps


def test_overwriting_keeps_the_old_run_until_the_new_one_is_complete(copy: Path, world: Path) -> None:
    before = (copy / "weights.safetensors").read_bytes()

    def fail(now: object) -> None:
        raise RuntimeError("the machine dies here")

    with pytest.raises(RuntimeError, match="dies"):
        train(world / "fund_search.aesm", copy, overwrite=True, overrides=SMALL, watch=fail)
    assert (copy / "weights.safetensors").read_bytes() == before
    train(world / "fund_search.aesm", copy, overwrite=True, overrides=[*SMALL, "train.seed=9"])
    assert (copy / "weights.safetensors").read_bytes() != before


def test_a_damaged_run_is_refused(copy: Path, tmp_path: Path) -> None:
    weights = copy / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(AesmError, match=r"E602.*weights.safetensors.*changed"):
        load_run(copy)
    weights.unlink()
    with pytest.raises(AesmError, match=r"E602.*weights.safetensors.*missing"):
        load_run(copy)
    with pytest.raises(AesmError, match="there is no run"):
        load_run(tmp_path / "nowhere")
    (copy / "run.json").write_text("{")
    weights.write_bytes(data)
    with pytest.raises(AesmError, match=r"run.json` is no manifest"):
        load_run(copy)


def test_another_format_of_run_is_refused(copy: Path) -> None:
    info = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**info, "format": 99}))
    with pytest.raises(AesmError, match="format 99"):
        load_run(copy)


def test_mistakes_in_the_data_are_told_together(world: Path, tmp_path: Path) -> None:
    table = pl.read_parquet(world / "train.parquet")
    bad = table.drop("fee").with_columns(
        pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("popup")).otherwise("entry").alias("entry"),
        pl.when(pl.int_range(pl.len()) == 7).then(2).otherwise("is_click").alias("is_click"),
    )
    bad.write_parquet(tmp_path / "train.parquet")
    shutil.copy(world / "test.parquet", tmp_path)
    (tmp_path / "fund_search.aesm").write_text(world_spec(), encoding="utf-8")
    with pytest.raises(AesmError) as caught:
        train(tmp_path / "fund_search.aesm", tmp_path / "run")
    assert sorted(item.code for item in caught.value.findings.errors) == ["E503", "E506", "E508"]
    text = str(caught.value)
    assert "fee" in text
    assert "popup" in text
    assert "fund_search.aesm:" in text
    assert not (tmp_path / "run").exists()


def test_an_absent_device_is_told(world: Path, tmp_path: Path) -> None:
    with pytest.raises(AesmError, match="E604"):
        train(world / "fund_search.aesm", tmp_path / "run", device="cuda:77", overrides=SMALL)


def test_a_loss_that_is_no_number_stops_training(world: Path, tmp_path: Path) -> None:
    with pytest.raises(AesmError, match=r"E603.*not finite at step"):
        train(
            world / "fund_search.aesm",
            tmp_path / "run",
            overrides=[*SMALL, "train.optimizer=adam(rate: 1e30)", "experts.mixture_norm=none", "experts.norm=none"],
        )
    assert not (tmp_path / "run").exists()


def test_steps_noise_and_early_stop(world: Path, tmp_path: Path) -> None:
    overrides = [*SMALL[1:], "train.length=7 steps", "train.noise=constant(sigma: 0.3, into: mixture)"]
    run = train(world / "fund_search.aesm", tmp_path / "steps", overrides=overrides)
    assert run.info["steps"] == 7
    stopped = train(
        world / "fund_search.aesm",
        tmp_path / "stopped",
        overrides=[*SMALL[1:], "train.length=40 epochs", "train.stop=early(patience: 1)", "train.schedule=constant"],
    )
    assert stopped.info["stopped early"]
    values = [epoch.valid_mean_auc for epoch in stopped.history]
    best = max(range(len(values)), key=lambda i: values[i] or 0)
    assert stopped.info["best step"] == stopped.history[best].step
    assert best == len(values) - 2


def test_rows_of_unknown_nodes_from_training_to_prediction(world: Path, tmp_path: Path) -> None:
    lenient = [*SMALL[1:], "train.length=12 steps"]
    lenient += ["level.scenario.unknown=shared(hide: 20%)", "level.card.unknown=shared"]
    run = train(world / "fund_search.aesm", tmp_path / "run", device="cpu", overrides=lenient)
    start = build_from_spec(world / "fund_search.aesm", overrides=lenient)
    for learnt, drawn in zip(run.network.context.nodes, start.context.nodes, strict=True):
        assert not torch.equal(learnt.weight[-1], drawn.weight[-1]), "nothing was hidden"

    table = pl.read_parquet(world / "test.parquet").head(300)
    strange = table.with_columns(
        pl.when(pl.int_range(pl.len()) < 40).then(pl.lit("popup")).otherwise("entry").alias("entry"),
        pl.when(pl.int_range(pl.len()).is_between(30, 99)).then(None).otherwise("card").alias("card"),
    )
    expected, found = predict(run, table), predict(load_run(run.folder), strange)
    # Known rows do not notice, whatever order their leaves are scored in.
    assert_frame_equal(found.tail(200), expected.tail(200), abs_tol=1e-6)
    lost = found.head(100).to_numpy()
    assert ((lost > 0) & (lost < 1)).all()
    assert (lost != expected.head(100).to_numpy()).all()

    metrics = evaluate(run, strange)
    rows = {leaf: n for leaf, task, n in metrics.select("leaf", "task", "rows").iter_rows() if task == "click"}
    assert rows["(unknown) > (unknown)"] == 10
    assert sum(n for leaf, n in rows.items() if leaf.startswith("(unknown)")) == 40
    assert sum(n for leaf, n in rows.items() if leaf.endswith("(unknown)")) == 70
    assert sum(n for leaf, n in rows.items() if leaf != "(all)") == rows["(all)"] == 300

    strict = train(world / "fund_search.aesm", tmp_path / "strict", device="cpu", overrides=lenient[:-2])
    with pytest.raises(AesmError, match=r"E506.*names no node of level `scenario` in 40 rows"):
        predict(strict, strange)


def test_public_names() -> None:
    assert sorted(aesm_dsl.__all__) == aesm_dsl.__all__


def test_a_sample_space_counts_in_losses_and_metrics(world: Path, tmp_path: Path) -> None:
    """Purchases of clicked rows: what the loss averages over, what the metrics count, and nothing else."""
    overrides = [*SMALL, "train.length=1 epochs", "tasks.task.purchase.joint=direct", "tasks.task.purchase.where=click"]
    run = train(world / "fund_search.aesm", tmp_path / "run", device="cpu", overrides=overrides)
    test = pl.read_parquet(world / "test.parquet")
    for found in (run.metrics, evaluate(run, device="cpu")):
        by_task = {row["task"]: row for row in found.filter(pl.col("leaf") == "(all)").to_dicts()}
        assert by_task["click"]["rows"] == len(test)
        assert by_task["purchase"]["rows"] == by_task["click"]["positives"] == test["is_click"].sum()
        assert by_task["purchase"]["positives"] == test["is_buy"].sum()
    # Half of the clicked rows are bought or so, of all rows far fewer: the tower has learnt the former.
    clicked = test.filter(pl.col("is_click") == 1)
    share, mean = clicked["is_buy"].mean(), predict(run, test)["purchase"].mean()
    assert abs(mean - share) < abs(mean - test["is_buy"].mean())  # type: ignore[operator, arg-type]


def test_factors_of_losses_are_kept_with_the_run(world: Path, tmp_path: Path) -> None:
    overrides = [*SMALL, "train.weights=famo(rate: 0.1)", "train.combine=upgrad"]
    run = train(world / "fund_search.aesm", tmp_path / "run", arch="mmoe", device="cpu", overrides=overrides)
    found = load_run(run.folder)
    best = next(epoch for epoch in found.history if epoch.step == found.info["best step"])
    assert found.info["loss factors"] == best.loss_factors
    assert sum(best.loss_factors.values()) == pytest.approx(2)
    assert abs(best.loss_factors["purchase"] - 1) > 0.1
    assert all(epoch.log_variances == {} for epoch in found.history)


def test_learnt_weights_of_tasks_are_kept_with_the_run(world: Path, tmp_path: Path) -> None:
    overrides = [*SMALL, "train.weights=uncertainty"]
    run = train(world / "fund_search.aesm", tmp_path / "run", device="cpu", overrides=overrides)
    found = load_run(run.folder)
    best = next(epoch for epoch in found.history if epoch.step == found.info["best step"])
    assert found.info["log variances"] == best.log_variances
    assert set(best.log_variances) == {"click", "purchase"}
    first, last = found.history[0].log_variances, found.history[-1].log_variances
    # The rarer task has the smaller loss, far below 1/2: its s falls, and it comes to count more.
    assert last["purchase"] < first["purchase"] < 0
    assert last["purchase"] < last["click"]


def test_fixed_weights_have_no_variances(run: Run) -> None:
    assert "log variances" not in run.info
    assert all(epoch.log_variances == {} for epoch in run.history)


def test_row_weights_count_in_every_metric(world: Path, tmp_path: Path) -> None:
    """Rows of weight 0 are not there, and one scale of all weights is as good as another."""
    for part in ("train", "test"):
        table = pl.read_parquet(world / f"{part}.parquet")
        light = pl.int_range(len(table)) % 3
        table.with_columns(w=light.cast(pl.Float64)).write_parquet(tmp_path / f"{part}.parquet")
    shutil.copy(world / "fund_search.aesm", tmp_path)
    overrides = [*SMALL, "train.length=1 epochs", "data.weight=w"]
    run = train(tmp_path / "fund_search.aesm", tmp_path / "run", device="cpu", overrides=overrides)
    test = pl.read_parquet(tmp_path / "test.parquet")
    assert run.metrics.filter(pl.col("leaf") == "(all)")["rows"].to_list() == [test.filter(pl.col("w") > 0).height] * 2
    heavy = evaluate(run, test.filter(pl.col("w") > 0).with_columns(pl.col("w") * 10), device="cpu")
    numbers = [name for name in heavy.columns if name not in ("leaf", "task")]
    np.testing.assert_allclose(run.metrics[numbers].to_numpy(), heavy[numbers].to_numpy(), rtol=1e-5)
    even = evaluate(run, test.with_columns(w=1.0), device="cpu")
    assert not np.allclose(run.metrics["log_loss"].to_numpy(), even["log_loss"].to_numpy(), rtol=1e-3)


@pytest.mark.parametrize(("arch", "combine"), [("aes", "pcgrad"), ("ple", "aligned_mtl")])
def test_methods_for_gradients_train_every_architecture_and_repeat(
    world: Path, tmp_path: Path, arch: str, combine: str
) -> None:
    def weights(name: str, combine: str) -> dict[str, torch.Tensor]:
        overrides = [*SMALL, "train.length=6 steps", f"train.combine={combine}", "train.weights=uncertainty"]
        made = train(world / "fund_search.aesm", tmp_path / name, arch=arch, device="cpu", overrides=overrides)
        return made.network.state_dict()

    first, again, plain = weights("first", combine), weights("again", combine), weights("plain", "sum")
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not all(torch.equal(value, plain[name]) for name, value in first.items())
    assert all(value.isfinite().all() for value in first.values())


def test_usage_over_any_table_is_counted_row_by_row(run: Run, world: Path) -> None:
    """Against the selections of the network, counted in loops; the table has no labels."""
    table = pl.read_parquet(world / "test.parquet").head(90).drop("is_click", "is_buy")
    found = usage(run, table, device="cpu")
    findings = Findings()
    reading = open_table(run.plan, held(table, "the table", findings), findings, lambda path: None, labels=False)
    (batch,) = EncodedStream(reading, run.encoders, "test").batches(90)
    with torch.no_grad():
        selection = run.network.eval()(batch).selection
    for layer in found:
        seen = selection[layer.level][layer.layer]
        node, weight = seen.node.flatten().tolist(), seen.weight.flatten(0, -2).tolist()
        specific, shared = seen.specific.flatten(0, -2).tolist(), seen.shared.flatten(0, -2).tolist()
        for n in range(len(layer.nodes)):
            rows = [row for row, of in enumerate(node) if of == n]
            assert layer.rows_N[n] == len(rows)
            for e in range(len(weight[0])):
                counted = [sum(part[row][e] for row in rows) / max(len(rows), 1) for part in (specific, shared, weight)]
                given = [layer.specific_NE[n][e], layer.shared_NE[n][e], layer.weight_NE[n][e]]
                assert given == pytest.approx(counted, abs=1e-6)
        assert len(layer.dead_units_E) == len(weight[0])
    assert found.sharing("card").level == "card"
    assert usage(run) == run.usage
    assert usage(run.folder, world / "test.parquet", device="cpu").layers[0].rows_N == run.usage.layers[0].rows_N


def test_a_baseline_has_no_usage(world: Path, tmp_path: Path) -> None:
    overrides = [*SMALL, "train.length=1 steps"]
    made = train(world / "fund_search.aesm", tmp_path / "run", arch="mmoe", device="cpu", overrides=overrides)
    with pytest.raises(AesmError, match="E606"):
        usage(made, world / "test.parquet")
