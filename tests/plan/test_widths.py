"""Automatic widths of embeddings: filled from the spec where it decides, else from the training rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aesm_dsl import predict, train
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.compiled import Compiled, compile_loaded
from aesm_dsl.plan.features import auto_width
from aesm_dsl.plan.plan import Plan
from aesm_dsl.spec.model import Spec

SPEC = """aesm = 1
model m {
  embed = auto
  features f {
    user  = id(buckets: 1M)
    item  = id(buckets: 10k, embed: 6)
    seen  = sequence(of: city, last: 3, pool: attention)
    city  = category(limit: 5k)
    home  = same(of: city)
    words = list(of: category(), separator: "|")
    age   = number(quantiles: 300)
    price = number(scale: log)
    when  = date(parts: [hour, weekday])
    both  = cross(of: [city, age])
  }
  level page { node a; node b }
  tasks { task y }
  train { batch = 64 rows; length = 5 steps }
  data { train = "t.parquet" }
}
"""
WIDTHS = {"user": 32, "item": 6, "seen": 12, "city": 12, "home": 12, "words": 12, "age": 8, "price": 4, "when": 8}


def compiled(text: str) -> Compiled:
    found = compile_loaded(Spec.parse(text), Findings())
    assert found is not None
    return found


@pytest.mark.parametrize("rows", [0, 1, 256, 257, 4096, 10_001, 1_000_001, 4_000_000_000])
def test_the_least_multiple_of_four_from_the_fourth_root_on(rows: int) -> None:
    width = auto_width(rows)
    assert width % 4 == 0
    assert width**4 >= rows
    assert width == 4 or (width - 4) ** 4 < rows


def test_what_the_spec_decides_is_filled_and_says_why() -> None:
    one = compiled(SPEC)
    assert {feature.name: feature.width for feature in one.plan.features} == WIDTHS | {"both": 20}
    assert {feature.name for feature in one.plan.features if feature.auto} == {"seen", "city", "home", "words"}
    assert (one.plan.levels[0].width, one.plan.tasks.width) == (4, 4)
    said = " ".join(one.resolved(origins=True).split())
    assert "user = id(embed: 32, buckets: 1000000) # `embed` auto: by its table's rows, 1,000,001" in said
    assert "words = list(of: category(embed: auto), " in said
    assert "# `embed` auto: by its table's rows, known after fitting" in said
    again = compiled(one.resolved())
    assert again.plan == one.plan
    assert again.resolved() == one.resolved()


def test_a_feature_alone() -> None:
    text = SPEC.replace("embed = auto", "embed = 10").replace("buckets: 1M", "buckets: 1M, embed: auto")
    assert {one.name: one.embed for one in compiled(text).plan.features if one.embed != 10} == {"user": 32, "item": 6}


@pytest.mark.parametrize("architecture", ["aes", "mmoe"])
def test_vocabularies_decide_the_rest(architecture: str, tmp_path: Path) -> None:
    chance, rows = np.random.default_rng(0), 300
    city = chance.integers(0, 290, rows)
    table = pl.DataFrame(
        {
            **dict.fromkeys(("user", "item", "city", "home", "age", "price"), city),
            "seen": [[one, one + 1] for one in city],
            "words": [f"w{one % 7}|w1" for one in city],
            "when": ["2024-01-31 10:00"] * rows,
            "page": chance.choice(["a", "b"], rows),
            "y": chance.integers(0, 2, rows),
        }
    )
    table.write_parquet(tmp_path / "t.parquet")
    spec = tmp_path / "s.aesm"
    spec.write_text(SPEC.replace("limit: 5k", "min_count: 1"), encoding="utf-8")
    run = train(spec, tmp_path / "run", device="cpu", overrides=[f"architecture={architecture}"])
    fitted = {one.name: (one.rows, one.width) for one in run.plan.features if one.auto}
    assert fitted["words"] == (9, 4)
    assert len({fitted[name] for name in ("seen", "city", "home")}) == 1
    assert fitted["city"][1] == auto_width(fitted["city"][0]) < 12
    if architecture == "aes":
        assert run.plan.levels[0].layers[0].input == run.plan.width
    assert Plan.from_json(run.plan.to_json()) == run.plan
    assert predict(run, table, device="cpu")["y"].is_finite().all()
