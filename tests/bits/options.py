"""A spec with every kind of feature, its table, and the options by which it is trained.

A batch of 2,000 rows is large enough: torch divides its work among threads from 32,768 numbers on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from tests.layers.baselines.plans import BASELINES

ROWS = 10_000

SPEC = """aesm = 1
model bits {
  embed = 8
  features item {
    fund  = id(buckets: 2k)
    brand = category(min_count: 2)
    price = number(quantiles: 32)
    fee   = number(scale: standard)
    when  = date(parts: [hour, weekday])
    both  = cross(of: [fund, brand], buckets: 1k)
    text  = vectors(file: "vectors.parquet", weights: trained)
  }
  features user {
    user_id = id(buckets: 500)
    last    = same(of: fund)
    seen    = sequence(of: fund, last: 4, pool: attention)
    how     = sequence(of: category(), with: seen)
    at      = sequence(of: elapsed(until: when), with: seen)
    tags    = list(of: category(), separator: "|")
    paid    = list(of: number(quantiles: 8), separator: "|", pool: max)
    words   = list(of: brand, separator: "|", pool: sum)
  }
  level page { node a; node b; node c }
  level card {
    under   = page
    unknown = shared(hide: 10%)
    node v { under = [a, b] }
    node w
    node x
    node y { under = c }
    node z
  }
  experts { count = 8; hidden = [32, 16]; specific = 2; shared = 1; repeat = 1; dropout = 10% }
  tasks { task click; task cart { after = click }; task buy { after = cart } }
  train { batch = 4k rows; length = 2 epochs; optimizer = adam(rate: 1e-2) }
  data {
    train = "train.parquet"
    valid = split(random: 10%)
    test  = split(random: 10%)
    user  = user_id
    cache = "cache"
  }
}
"""

OPTIONS: dict[str, tuple[str, ...]] = {
    "defaults": (),
    **{
        f"norm {norm}, {execution}": (f"experts.norm={norm}", f"experts.execution={execution}")
        for norm in ("layer", "batch", "none")
        for execution in ("dense", "loop", "grouped")
    },
    **{
        f"bf16, {execution}": ("train.precision=bf16", f"experts.execution={execution}")
        for execution in ("dense", "loop", "grouped")
    },
    "bf16, norm batch": ("train.precision=bf16", "experts.norm=batch", "experts.execution=grouped"),
    "siblings": ("level.card.experts.compare=siblings",),
    "a tower for each leaf": ("tasks.tower_per=leaf", "tasks.tower_dropout=10%", "tasks.budget=4 experts"),
    "dense tables": ("train.embeddings=dense", "train.clip=1"),
    "sparse tables": ("train.embeddings=sparse", "train.clip=1"),
    "sparse, adagrad": ("train.embeddings=sparse", "train.optimizer=adagrad"),
    "sparse, sgd": ("train.embeddings=sparse", "train.optimizer=sgd"),
    "adamw, average": ("train.optimizer=adamw(rate: 1e-2)", "train.average=ema", "train.schedule=plateau"),
    "pcgrad": ("train.combine=pcgrad", "train.weights=uncertainty"),
    "aligned_mtl": ("train.combine=aligned_mtl", "train.embeddings=sparse"),
    "gradnorm, gradvac": ("train.combine=gradvac", "train.weights=gradnorm"),
    "famo, graddrop": ("train.combine=graddrop", "train.weights=famo"),
    "dwa, upgrad": ("train.combine=upgrad", "train.weights=dwa"),
    "a gate of nodes, cross layers": ("bottom.gate=scenario", "bottom.interaction=dcn_v2"),
    "a gate of fields, products of pairs": ("bottom.gate=senet", "bottom.interaction=fm"),
    "numbers by bins": ("features.item.fee=number(encoding: piecewise)",),
    "numbers by waves": ("features.item.fee=number(encoding: periodic)",),
    "steps by a transformer": ("features.user.seen=sequence(of: fund, last: 4, pool: transformer)",),
    "balance": ("train.balance=0.1", "train.noise=constant(sigma: 1, into: mixture)"),
    **{
        name: (f"architecture={name}", "baseline.hidden=[32, 16]", "experts.dropout=10%", "tasks.tower_dropout=10%")
        for name in BASELINES
    },
}
"""Options by name: what `--set` takes."""

TOGETHER = {
    "two processes": ("train.embeddings=sparse", "train.clip=1"),
    "two processes, sharded tables": ("train.embeddings=sparse", "train.tables=sharded"),
}
"""Options of two processes that train together."""

COMPILED = {
    "inductor": ("train.compile=inductor", "experts.execution=dense", "experts.hidden=[16]"),
}
"""Options that take minutes: the training steps are compiled."""

ALL = OPTIONS | TOGETHER | COMPILED


def write_world(folder: Path) -> Path:
    """Writes the table, the vectors and the spec into a folder; returns the path of the spec."""
    chance = np.random.default_rng(0)

    def texts(below: int) -> list[str]:
        return ["|".join(map(str, chance.integers(0, below, count))) for count in chance.integers(0, 5, ROWS)]

    seen = [chance.integers(0, 3000, count).tolist() for count in chance.integers(0, 6, ROWS)]
    when = chance.integers(1_600_000_000, 1_700_000_000, ROWS)
    page = chance.choice(["a", "b", "c"], ROWS)
    click = chance.random(ROWS) < 0.4
    cart = click & (chance.random(ROWS) < 0.5)
    columns = {
        "fund": chance.integers(0, 3000, ROWS),
        "brand": [f"brand {number}" for number in chance.zipf(1.5, ROWS) % 300],
        "price": chance.lognormal(size=ROWS),
        "fee": np.where(chance.random(ROWS) < 0.1, np.nan, chance.normal(size=ROWS)),
        "when": when,
        "text": chance.integers(0, 400, ROWS),
        "user_id": chance.integers(0, 900, ROWS),
        "last": chance.integers(0, 3000, ROWS),
        "seen": seen,
        "how": [chance.choice(["click", "buy"], len(one)).tolist() for one in seen],
        "at": [(own - chance.integers(0, 10**6, len(one))).tolist() for own, one in zip(when, seen, strict=True)],
        "tags": texts(20),
        "paid": texts(50),
        "words": texts(9),
        "page": page,
        "card": np.where(page == "c", chance.choice(list("wxyz"), ROWS), chance.choice(list("vwxz"), ROWS)),
        "click": click.astype(int),
        "cart": cart.astype(int),
        "buy": (cart & (chance.random(ROWS) < 0.5)).astype(int),
    }
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(columns).write_parquet(folder / "train.parquet")
    vectors = chance.normal(size=(300, 6)).astype(np.float32)
    pl.DataFrame({"text": np.arange(300), "vector": vectors}).write_parquet(folder / "vectors.parquet")
    spec = folder / "bits.aesm"
    spec.write_text(SPEC, encoding="utf-8")
    return spec
