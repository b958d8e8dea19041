"""Every kind of feature from a table to scores, in AES and in a baseline with tables of its own per leaf."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aesm_dsl import load_run, predict, train
from tests.conftest import PROJECT

SPEC = """aesm = 1
model m {
  embed = 4
  features f {
    fund  = id(buckets: 100)
    seen  = sequence(of: fund, last: 4, pool: attention)
    tags  = list(of: category(), separator: "|")
    price = number(scale: log)
    when  = date(parts: [hour, weekday])
    last  = same(of: fund)
    both  = cross(of: [fund, when], buckets: 1k)
    paid  = list(of: number(quantiles: 4), separator: "|")
  }
  level page { node a; node b }
  tasks { task y }
  train { batch = 64 rows; length = 1 epochs }
  data { train = "t.parquet"; test = split(random: 20%) }
}
"""


@pytest.mark.parametrize("architecture", ["aes", "single"])
def test_from_a_table_to_scores(architecture: str, tmp_path: Path) -> None:
    chance, rows = np.random.default_rng(0), 400
    table = pl.DataFrame(
        {
            "fund": chance.integers(0, 40, rows),
            "seen": [chance.integers(0, 40, count).tolist() for count in chance.integers(0, 6, rows)],
            "tags": ["|".join(map(str, chance.integers(0, 5, count))) for count in chance.integers(0, 4, rows)],
            "price": np.where(chance.random(rows) < 0.1, np.nan, chance.lognormal(size=rows)),
            "when": chance.integers(1_600_000_000, 1_700_000_000, rows),
            "last": chance.integers(0, 40, rows),
            "paid": ["|".join(map(str, chance.integers(0, 50, count))) for count in chance.integers(0, 4, rows)],
            "page": chance.choice(["a", "b"], rows),
            "y": chance.integers(0, 2, rows),
        }
    )
    table.write_parquet(tmp_path / "t.parquet")
    spec = tmp_path / "s.aesm"
    spec.write_text(SPEC, encoding="utf-8")
    run = train(spec, tmp_path / "run", overrides=[f"architecture={architecture}"])
    scores = predict(run, table)
    assert predict(load_run(tmp_path / "run"), table).equals(scores)
    assert scores["y"].is_finite().all()
    nothing = table.select(pl.lit(None, dtype).alias(name) for name, dtype in table.schema.items()).with_columns(
        page=pl.lit("a")
    )
    blank = predict(run, nothing.filter(page="a").head(3))["y"]
    assert blank.is_finite().all()
    assert blank.n_unique() == 1


def test_a_spec_of_the_project_on_real_bookings(real_data: Path, tmp_path: Path) -> None:
    """hotel_guests.aesm: a logarithm, parts of dates of automatic width, and a cross."""
    small = ["train.length=2 steps", f'data.cache="{tmp_path}"', "level.guests.experts.hidden=[8]"]
    small.append(f'data.train="{real_data / "hotel-bookings.parquet"}"')
    run = train(PROJECT / "specs" / "hotel_guests.aesm", tmp_path / "run", device="cpu", overrides=small)
    widths = {one.name: (one.kind, one.width) for one in run.plan.features if one.group == "journey"}
    assert widths == {"notice": ("value", 8), "arrival": ("date", 8), "offer": ("cross", 8)}
    assert run.metrics["auc"].is_not_null().any()
