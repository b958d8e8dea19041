"""The commands that are disturbed, and the folder that each begins with."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

Words = tuple[str, ...]

SPEC = """\
aesm = 1

model shop "shop" {
  embed = 4
  experts {
    hidden = [6, 4]
    repeat = 1
  }
  data {
    train = "rows.csv"
    valid = split(random: 20%)
    user  = user
  }
  features item {
    price = number(quantiles: 4)
    user  = id(buckets: 20)
  }
  level card {
    node ad
    node organic
    experts { count = 3 }
  }
  tasks {
    tower = [4]
    task click { label = clicked }
  }
  train {
    length     = 3 epochs
    batch      = 32 rows
    checkpoint = 4 steps
    optimizer  = adam(rate: 1e-2)
  }
}
"""

SEARCH = """\
  tune {
    level.card.experts.count = choice(2, 3)
    train.optimizer          = adam(rate: log(1e-3, 3e-2))
  }
  train {"""

UNTIDY = """\
aesm=1
model {name} {{
 embed=4
 features item {{ price=number }}
 level card {{ node ad
 node organic }}
 tasks {{ task click {{ label=clicked }} }} }}
"""

MINE = (
    ".run.notes",
    ".spec.aesm.swp",
    ".scores.csv.bak",
    ".shop.onnx.1",
    "run.bak",
    ".untidy.aesm.tmp/mine",
    ".training",
)
"""Files of the user's own with names like those of temporary files."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that writes something."""

    name: str
    words: Words
    again: Words | None = None
    """What is typed after it was disturbed; None for the same."""
    before: tuple[Words, ...] = ()
    """Commands that were given before."""
    stopped: str = ""
    """If not empty, the last of these was killed once a file had this name."""
    asks: bool = False
    """Whether it refuses to replace a result, and so its own once that is complete."""


TRAIN = ("train", "spec.aesm", "-o", "run", "--device", "cpu")
OTHER = (*TRAIN, "--set=train.seed=8")
OVERWRITE = (*TRAIN, "--overwrite")
PREDICT = ("predict", "run", "rows.csv", "--device", "cpu", "-o")
PAGE = ("visualize", "run", "-o", "page.html")
COMPARE = ("compare", "spec.aesm", "-o", "comparison", "--with", "shared_bottom", "--seeds", "1", "--jobs", "1")
TUNE = ("tune", "tuned.aesm", "-o", "search", "--trials", "3", "--device", "cpu")
EXPORT = ("export", "run", "-o", "shop.onnx")
SIMULATE = ("simulate", "--world", "groups", "-o", "world", "--rows", "300")
COMPILE = ("compile", "spec.aesm", "-o", "plan")
INIT = ("init", "rows.csv", "-o", "drafted.aesm")

COMMANDS = (
    Command("init", INIT, asks=True),
    Command("init --overwrite", (*INIT, "--overwrite"), before=(("init", "few.csv", "-o", "drafted.aesm"),)),
    Command("fmt", ("fmt", "untidy.aesm", "untidy2.aesm")),
    Command("compile", COMPILE),
    Command("compile, again", COMPILE, before=((*COMPILE, "--set=embed=8"),)),
    Command("simulate", SIMULATE, asks=True),
    Command("simulate --overwrite", (*SIMULATE, "--overwrite"), before=((*SIMULATE, "--seed", "4"),)),
    Command("train", TRAIN, (*TRAIN, "--resume")),
    Command("train --resume", (*TRAIN, "--resume"), before=(TRAIN,), stopped="run.training/checkpoints/step-00000004"),
    Command("train --overwrite", OVERWRITE, (*OVERWRITE, "--resume"), before=(OTHER,)),
    Command("train --overwrite, anew", OVERWRITE, before=(OTHER,)),
    Command("predict to parquet", (*PREDICT, "scores.parquet"), before=(TRAIN,)),
    Command("predict to csv, again", (*PREDICT, "scores.csv"), before=(TRAIN, (*PREDICT, "scores.csv", "--keep=user"))),
    Command("visualize", ("visualize", "run", "-o", "sharing.svg"), before=(TRAIN,)),
    Command("visualize, a page", PAGE, before=(OTHER, PAGE, OVERWRITE)),
    Command("export", EXPORT, asks=True, before=(TRAIN,)),
    Command("export --overwrite", (*EXPORT, "--overwrite"), before=(OTHER, EXPORT, OVERWRITE)),
    Command("compare", COMPARE),
    Command("compare --seeds", (*COMPARE, "--seeds", "2"), before=(COMPARE,)),
    Command("tune", TUNE),
    Command("tune --trials", (*TUNE, "--trials", "4"), before=(TUNE,)),
)  # fmt: skip


def begin(folder: Path) -> None:
    """Fills a folder with a spec, its rows, and what a user may have beside them."""
    chance = random.Random(3)
    lines = []
    for row in range(200):
        card, price = chance.choice(("ad", "organic")), chance.randint(1, 100)
        clicked = int(chance.random() < 0.2 + 0.5 * (card == "ad") * (price > 50))
        lines.append(f"u{row % 20},{card},{price},{clicked}")
    texts = {
        "rows.csv": "\n".join(["user,card,price,clicked", *lines, ""]),
        "few.csv": "\n".join(["user,card,price,clicked", *lines[:150], ""]),
        "spec.aesm": SPEC,
        "tuned.aesm": SPEC.replace("  train {", SEARCH, 1),
        "untidy.aesm": UNTIDY.format(name="one"),
        "untidy2.aesm": UNTIDY.format(name="two"),
        **dict.fromkeys(MINE, "mine\n"),
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
