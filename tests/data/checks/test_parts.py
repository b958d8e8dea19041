"""Every check of rows looks at the rows of the parts that it is about, whichever way rows come to their part.

Defects are planted in one part. What is said of the training rows is said if they have the defect, and only then; what
is said of any rows names the file and the row. A check or a code for which nobody has planted a defect fails here.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aesm_dsl.data import checks as checks_room
from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.checks.id_collisions import IdCollisions
from aesm_dsl.data.checks.profile import Profile
from aesm_dsl.data.checks.unmatched_keys import UnmatchedKeys
from aesm_dsl.data.encoding import fitting, statistics
from aesm_dsl.data.encoding.fitting import EncoderFitting, FittingPass
from aesm_dsl.data.encoding.learners import VocabularyCounts
from aesm_dsl.data.encoding.statistics import UnmatchedStatistics
from aesm_dsl.data.open_tables import TableReader
from aesm_dsl.data.reading.checked_rows import EVERY_PART, TRAINING, TableCheck
from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.reading.frames import open_frames
from aesm_dsl.findings.diagnostic import Diagnostic, Findings
from aesm_dsl.findings.source import Source
from aesm_dsl.plan.compiled import compile_loaded
from aesm_dsl.plan.data import SplitPlan
from aesm_dsl.plan.plan import Plan
from aesm_dsl.spec.load import load

Plant = Callable[[pl.DataFrame], pl.DataFrame]
"""Rows -> the same rows with a defect."""

Wanted = Callable[[TableCheck], bool]

SPEC = """aesm = 1

model m {
  features user {
    age   = number(quantiles: 8)
    city  = category()
    price = number(scale: standard)
    who   = id(buckets: 50)
    seen  = date(parts: [hour, weekday])
    item  = vectors(file: "items.parquet", key: item)
    read    = sequence(of: category(), last: 3, separator: "|")
    read_at = sequence(of: elapsed(until: asked), with: read, separator: "|")
  }
  level page { unknown = shared; node home; node cart; node search }
  level card {
    under = page
    unknown = shared
    node fund
    node bond { under = [home, cart] }
  }
  tasks { task click; task buy { after = click } }
  data { train = "train.parquet"; weight = weight; user = who; query = request }
}
"""
ROWS = 1000
"""Of every part; the checks of leaves say nothing of fewer."""
_DAY = {"train": 0, "valid": 40, "test": 60}
"""The first day of each part; each has 30."""


@functools.cache
def plan() -> Plan:
    findings = Findings()
    spec = load(Source("m.aesm", SPEC), findings)
    assert spec is not None
    compiled = compile_loaded(spec, findings)
    assert compiled is not None
    return compiled.plan


@functools.cache
def rows(part: str) -> pl.DataFrame:
    """Rows without any defect."""
    draw = np.random.default_rng(list(_DAY).index(part))
    click = draw.random(ROWS) < 0.4
    page = draw.choice(["home", "cart", "search"], ROWS)
    return pl.DataFrame(
        {
            "age": draw.normal(size=ROWS).astype(np.float32),
            "city": draw.choice(["rome", "oslo", "bern"], ROWS),
            "price": draw.normal(size=ROWS),
            "who": draw.integers(0, 12, ROWS),
            "seen": [f"2024-01-{1 + day:02} {hour:02}:00" for day, hour in draw.integers(0, (28, 24), (ROWS, 2))],
            "item": draw.choice(["a", "b", "c"], ROWS),
            "read": draw.choice(["x|y", "y|z", "z|x"], ROWS),
            "read_at": draw.choice(["2024-01-02|2024-01-01", "2024-01-03|2024-01-01"], ROWS),
            "asked": "2024-02-01",
            "request": [f"{part} {row // 2}" for row in range(ROWS)],
            "page": page,
            "card": np.where((page != "search") & (draw.random(ROWS) < 0.5), "bond", "fund"),
            "click": click.astype(int),
            "buy": (click & (draw.random(ROWS) < 0.4)).astype(int),
            "weight": np.ones(ROWS),
            "day": _DAY[part] + np.arange(ROWS) * 30 // ROWS,
            "part": part,
        }
    )


def column(name: str, value: object, every: int = 1) -> Plant:
    """Gives a column the same value in every so-many-th row."""
    here = pl.int_range(pl.len()) % every == 0
    return lambda frame: frame.with_columns(
        pl.when(here).then(pl.lit(value)).otherwise(pl.col(name)).cast(frame.schema[name], strict=False).alias(name)
    )


def where(wanted: pl.Expr, **values: object) -> Plant:
    """Gives columns these values in the rows that are wanted."""
    return lambda frame: frame.with_columns(
        pl.when(wanted).then(pl.lit(value)).otherwise(pl.col(name)).cast(frame.schema[name]).alias(name)
        for name, value in values.items()
    )


def constant(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("age", "city", "price", "who", "seen", "item", "read", "read_at").first())


def leaking(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(price=pl.col("click") * 5 + pl.col("price") % 1)


def copied(frame: pl.DataFrame) -> pl.DataFrame:
    """Every row of the second half is the one before it again."""
    half = frame.height // 2
    same = frame[:half].select(pl.exclude("day", "part"))
    return pl.concat(
        [
            frame[:half],
            same[half - 30 :].hstack(frame[half - 30 : half].select("day", "part")),
            frame[half + 30 :].select(frame.columns),
        ]
    )


IN_TRAINING: dict[str, Plant] = {
    "W501": column("buy", 0),
    "W502": where(pl.col("page") == "cart", page="home"),
    "W503": column("page", "mars", 50),
    "W504": column("city", "rome"),
    "W505": column("city", None),
    "W506": leaking,
    "W507": where(pl.col("page") == "cart", click=0, buy=0),
    "W508": where((pl.col("page") == "cart") & (pl.col("card") == "bond"), card="fund"),
    "W513": column("item", "unheard of"),
    "W525": lambda frame: frame.with_columns(seen=pl.col("seen").str.slice(0, 10) + " 07:00"),
    "W535": lambda frame: frame.with_columns(who=pl.int_range(pl.len())),
    "W539": lambda frame: frame.with_columns(request=pl.col("part") + pl.int_range(pl.len()).cast(pl.String)),
    "E512": constant,
    "E513": column("city", "atlantis"),
    "E526": column("price", 1e200, 100),
    "E527": column("weight", 0.0),
}
"""A code that is said of training rows -> a defect that is told with it."""

ANYWHERE: dict[str, Plant] = {
    "E504": column("seen", "soon", 100),
    "E506": column("page", "mars", 100),
    "E507": where(pl.col("page") == "search", card="bond"),
    "E508": column("click", 7, 100),
    "E509": column("weight", -1.0, 100),
    "E536": column("read", "x", 100),
    "W511": copied,
    "W512": column("buy", 1),
    "W515": column("city", "NULL", 100),
    "W537": column("read_at", "2024-03-02|2024-03-01", 100),
}
"""A code that is said of any rows, with the part, the file or the row -> a defect that is told with it."""

ELSEWHERE = {
    "E503": "told of files",
    "E525": "test_surveys: rows of a file of its own, compared with the training rows",
    "W509": "test_surveys: rows of a file of its own, compared with the training rows",
    "W510": "test_surveys: whole files",
    "W538": "test_query_rows: rows of two parts together",
}
"""Codes of the same modules that no single row has, and where they are tried."""


@dataclass(frozen=True)
class Way:
    """A way in which rows come to their parts."""

    name: str
    valid: tuple[str, ...] | SplitPlan | None = None
    test: tuple[str, ...] | SplitPlan | None = None

    @property
    def files(self) -> list[str]:
        """The parts that are files of their own."""
        return ["train", *(part for part in ("valid", "test") if isinstance(getattr(self, part), tuple))]

    @property
    def others(self) -> list[str]:
        """The parts beside the training rows."""
        return [part for part in ("valid", "test") if getattr(self, part) is not None]

    def frames(self, planted: dict[str, Sequence[Plant]]) -> dict[str, pl.DataFrame]:
        """A frame for every file, with the defects of each part in the rows of this part."""
        frames = {part: self._planted(rows(part), part, planted) for part in ("train", *self.others)}
        within = [part for part in frames if part not in self.files]
        # The rows of the parts alternate, so that every chunk has rows of all.
        mixed = pl.concat(
            [frames[part].with_columns(pl.int_range(pl.len()).alias("at")) for part in ("train", *within)]
        )
        return {"train": mixed.sort("at", maintain_order=True).drop("at")} | {
            part: frames[part] for part in self.files if part != "train"
        }

    @staticmethod
    def _planted(frame: pl.DataFrame, part: str, planted: dict[str, Sequence[Plant]]) -> pl.DataFrame:
        for plant in planted.get(part, ()):
            frame = plant(frame)
        return frame


WAYS = [
    Way("files", ("valid.parquet",), ("test.parquet",)),
    Way("a test file", None, ("test.parquet",)),
    Way("equals", SplitPlan("equals", "part", "valid", None), SplitPlan("equals", "part", "test", None)),
    Way("last", None, SplitPlan("last", "day", None, 0.5)),
    Way("from", SplitPlan("from", "day", 40, None), SplitPlan("from", "day", 60, None)),
    Way("a split and a file", SplitPlan("from", "day", 40, None), ("test.parquet",)),
]


def checks_of(reader: TableReader, locate: Locate) -> list[TableCheck]:
    """Every check of rows that there is."""
    counts = VocabularyCounts(100)
    counts.learn(pl.Series(["rome", "oslo", "bern"]), np.arange(3, dtype=np.uint64))
    counts.settle()
    plan = reader.plan
    return [
        *reader.standard_checks(),
        UnmatchedKeys(plan, {"item": ("a", "b", "c")}, locate),
        UnmatchedStatistics(plan, {"city": counts}, locate),
        IdCollisions(plan, locate),
        FittingPass(EncoderFitting(plan)),
        *Profile(plan).checks,
    ]


def told(
    way: Way, locate: Locate, planted: dict[str, Sequence[Plant]], wanted: Wanted = lambda check: True, code: str = ""
) -> list[Diagnostic]:
    """What the wanted checks say of rows with these defects; with a code, under the plan in which it can be said."""
    made = plan()
    assert made.data is not None
    made = replace(made, data=replace(made.data, valid=way.valid, test=way.test))
    if code == "E506":
        made = replace(made, levels=tuple(replace(level, unknown=False) for level in made.levels))
    findings = Findings()
    files: dict[str, list[DataFile]] = {
        part: open_frames(frame, f"{part}.parquet", findings) for part, frame in way.frames(planted).items()
    }
    reader = TableReader(made, files, findings, locate)
    reader.check_all([check for check in checks_of(reader, locate) if wanted(check)])
    return [one for one in findings if code in ("", one.code)]


def of_code(code: str) -> Wanted:
    """The checks that may say a code: the others are left out, since they take their time."""
    return lambda check: f'"{code}"' in inspect.getsource(inspect.getmodule(type(check)))  # type: ignore[arg-type]


def ways(code: str) -> list[Way]:
    """Two ways for every code, another second one for the next code: all together they are tried often enough."""
    number = sorted(IN_TRAINING | ANYWHERE).index(code)
    return [WAYS[0], WAYS[1 + number % (len(WAYS) - 1)]]


def test_rows_without_a_defect_have_no_finding(locate: Locate) -> None:
    for way in WAYS:
        assert [(one.code, one.message) for one in told(way, locate, {})] == [], way.name


@pytest.mark.parametrize("code", IN_TRAINING)
def test_what_is_said_of_training_rows_is_true_of_training_rows(code: str, locate: Locate) -> None:
    plant = [IN_TRAINING[code]]
    for way in ways(code):
        assert told(way, locate, {"train": plant}, of_code(code), code), way.name
        assert told(way, locate, dict.fromkeys(way.others, plant), of_code(code), code) == [], way.name


@pytest.mark.parametrize("code", ANYWHERE)
def test_what_is_said_of_any_rows_names_them(code: str, locate: Locate) -> None:
    for way in ways(code):
        for part in ("train", *way.others):
            found = told(way, locate, {part: [ANYWHERE[code]]}, of_code(code), code)
            assert len(found) == 1, (way.name, part, found)
            file = part if part in way.files else "train"
            assert f"`{file}.parquet`" in found[0].message, (way.name, part, found)


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_the_other_parts_change_nothing_that_is_said_of_training_rows(data: st.DataObject, locate: Locate) -> None:
    """Of whatever check says that it is about the training rows, be it new."""

    def of_training(check: TableCheck) -> bool:
        return check.parts == TRAINING

    plants = st.lists(st.sampled_from(sorted(IN_TRAINING.values(), key=id)), max_size=3)
    way, mine = data.draw(st.sampled_from(WAYS)), data.draw(plants)
    others = {part: data.draw(plants) for part in way.others}
    alone = told(way, locate, {"train": mine}, of_training)
    assert told(way, locate, {"train": mine, **others}, of_training) == alone


def test_every_check_and_every_code_has_a_defect_here(locate: Locate) -> None:
    modules = [
        importlib.import_module(f"{checks_room.__name__}.{one.name}")
        for one in pkgutil.iter_modules(checks_room.__path__)
    ]
    assert len(modules) > 20
    found = {
        made
        for module in (*modules, statistics, fitting)
        for _, made in inspect.getmembers(module, inspect.isclass)
        if made.__module__ == module.__name__ and {"update", "report", "parts"} <= set(dir(made))
    }
    reader = TableReader(plan(), {"train": open_frames(rows("train"), "train.parquet", Findings())}, Findings(), locate)
    tried = {type(check): check.parts for check in checks_of(reader, locate)}
    assert set(tried) == found
    assert set(tried.values()) == {TRAINING, EVERY_PART}
    codes = {code for module in modules for code in re.findall(r'"([EW]\d{3})"', inspect.getsource(module))}
    assert codes | {"E513"} == IN_TRAINING.keys() | ANYWHERE.keys() | ELSEWHERE.keys()
