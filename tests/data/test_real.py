"""Real bookings from file to batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import torch

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.prepare import prepare
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.data import DataPlan, SplitPlan
from aesm_dsl.plan.plan import LevelPlan, NodePlan, Plan
from tests.data.plans import LAYER, Make, fit_encoders

SEGMENTS = ("Online TA", "Offline TA/TO", "Groups", "Direct", "Corporate", "Complementary", "Aviation", "Undefined")


def hotel_plan(make: Make, city_only: tuple[str, ...]) -> Plan:
    resort = NodePlan("resort", "Resort", ("Resort Hotel",), ())
    hotel = LevelPlan("hotel", "Hotel", "hotel", (resort, NodePlan("city", "City", ("City Hotel",), ())), 4, (LAYER,))
    segments = tuple(
        NodePlan(f"s{i}", value, (value,), (1,) if value in city_only else (0, 1)) for i, value in enumerate(SEGMENTS)
    )
    segment = LevelPlan("segment", "Segment", "market_segment", segments, 4, (LAYER,))
    return make.plan(
        [
            make.feature("lead", "number", 17, "lead_time"),
            make.feature("country", "category", 10_000, min_count=5),
            make.feature("agent", "id", 1001),
            make.feature("adr", "number", 33),
            make.feature("arrival", "number", 13, "arrival_date"),
        ],
        [hotel, segment],
        [
            make.task("cancel", "is_canceled"),
            make.task("special", "total_of_special_requests", "above", 0.0),
            make.task("changed", "booking_changes", "above", 0.0),
            make.task("no_show", "reservation_status", "equals", "No-Show"),
        ],
        DataPlan(
            ("hotel-bookings.parquet",),
            SplitPlan("from", "arrival_date", "2017-04-01", None),
            SplitPlan("from", "arrival_date", "2017-06-01", None),
            None,
        ),
    )


def test_hotel_bookings_end_to_end(real_data: Path, make: Make) -> None:
    plan = hotel_plan(make, ("Aviation", "Undefined"))
    findings = Findings()
    prepared = prepare(plan, [real_data], findings, lambda key: None)
    assert prepared is not None
    tables, encoders = prepared.tables, prepared.encoders
    assert [one.code for one in findings] == ["W507"] * 4  # a leaf of two rows
    assert tables.valid is not None
    assert tables.test is not None
    assert len(tables.train) + len(tables.valid) + len(tables.test) == 119_390
    frame = pl.read_parquet(real_data / "hotel-bookings.parquet")
    day = frame["arrival_date"].cast(pl.String)
    assert len(tables.train) == (day < "2017-04-01").sum()
    assert len(tables.valid) == day.is_between(pl.lit("2017-04-01"), pl.lit("2017-06-01"), closed="left").sum()
    assert encoders == fit_encoders(plan, frame.filter(day < "2017-04-01"))
    rows = torch.tensor(list(encoders.rows().values()))
    for part in (tables.train, tables.valid, tables.test):
        assert part is not None
        assert (part.ids_RS >= 0).all()
        assert (part.ids_RS < rows).all()
        assert not part.label_RT.isnan().any()
    labels = [part.label_RT for part in (tables.train, tables.valid, tables.test)]
    share_T = np.concatenate(labels).mean(axis=0)
    np.testing.assert_allclose(share_T[:3], [0.370, 0.411, 0.151], atol=5e-4)
    nulls = frame.filter(day < "2017-04-01")["agent"].null_count()
    assert int((tables.train.ids_RS[:, 2] == 0).sum()) == nulls
    assert sum(batch.rows for batch in tables.train.batches(4096, seed=0)) == len(tables.train)


def test_a_path_that_the_plan_forgot(real_data: Path, make: Make, locate: Locate) -> None:
    findings = Findings()
    assert prepare(hotel_plan(make, ("Aviation", "Undefined", "Groups")), [real_data], findings, locate) is None
    (one,) = findings
    frame = pl.read_parquet(real_data / "hotel-bookings.parquet", columns=["hotel", "market_segment"])
    lost = frame.with_row_index().filter(hotel="Resort Hotel", market_segment="Groups")["index"]
    assert one.message == (
        f"{len(lost):,} rows on the path `resort > s2` (columns `hotel`, `market_segment`), which the "
        f"hierarchy lacks; the first is row {lost[0] + 1} of `hotel-bookings.parquet`"
    )
