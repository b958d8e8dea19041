"""Valid specs made up at random: any depth, names in two scripts, one-line and many-line blocks, comments between."""

from __future__ import annotations

from random import Random

_NAMES = (
    "home",
    "cart",
    "search",
    "feed",
    "page",
    "slot",
    "fund",
    "bond",
    "card",
    "deal",
    "首页",
    "基金",
    "券",
    "x1",
    "市",
)
_KINDS = ("number(quantiles: 16, embed: 8)", "category(min_count: 5)", "id(buckets: 5k)", "category", "number()")


class Invent:
    """Draws one spec; `lines` are what it wrote."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.step = random.choice(("  ", "    ", "\t"))
        self.lines: list[str] = []
        self.depth = 0
        self.spec()

    def write(self, text: str) -> None:
        if self.random.random() < 0.1:
            self.lines.append(f"{self.step * self.depth}# a note")
        self.lines.append(f"{self.step * self.depth}{text}")

    def block(self, head: str, *statements: str) -> None:
        """On one line or on many, as chance has it."""
        if self.random.random() < 0.4 and len(statements) < 4:
            self.write(f"{head} {{ {'; '.join(statements)} }}")
            return
        self.write(f"{head} {{")
        self.depth += 1
        for one in statements:
            self.write(one)
        self.depth -= 1
        self.write("}")

    def some(self, *statements: str) -> list[str]:
        return [one for one in statements if self.random.random() < 0.6]

    def names(self, least: int, most: int, prefix: str) -> list[str]:
        drawn = self.random.sample(_NAMES, self.random.randint(least, most))
        return [f"{prefix}_{name}" for name in drawn]

    def label(self) -> str:
        return self.random.choice(("", "", ' "标签"', ' "A label"'))

    def spec(self) -> None:
        self.lines += ["aesm = 1", ""]
        self.write(f"model shop{self.label()} {{")
        self.depth = 1
        for statement in self.some("embed = 8", "budget = 2M parameters"):
            self.write(statement)
        for group in self.names(1, 3, "g"):
            kinds = (
                "number(quantiles: 16, embed: 8)",
                "category(min_count: 5)",
                "id(buckets: 5k)",
                "category",
                "number()",
            )
            members = [f"{name} = {self.random.choice(kinds)}" for name in self.names(1, 4, f"f_{group}")]
            self.block(f"features {group}", *members)
        above: list[str] = []
        upper = ""
        for level in self.names(0, 3, "l"):
            nodes = self.names(1, 4, "n")
            self.write(f"level {level}{self.label()} {{")
            self.depth += 1
            for statement in [f"under = {upper}"] * bool(upper) + self.some("column = kind", "embed = 4"):
                self.write(statement)
            for place, node in enumerate(nodes):
                # The first lies under all, so that none above is left without a child.
                parents = self.random.sample(above, self.random.randint(1, len(above))) if above and place else []
                inside = [f"under = [{', '.join(parents)}]"] * bool(parents) + self.some(f'value = "v{place}"')
                if inside:
                    self.block(f"node {node}{self.label()}", *inside)
                else:
                    self.write(f"node {node}{self.label()}")
            if experts := self.some("count = 8", "hidden = [64, 32]", "specific = 2"):
                self.block("experts", *experts)
            self.depth -= 1
            self.write("}")
            above, upper = nodes, level
        tasks = self.names(1, 4, "t")
        self.write("tasks {")
        self.depth += 1
        for place, task in enumerate(tasks):
            after = [f"after = {tasks[place - 1]}"] * (place > 0 and self.random.random() < 0.5)
            label = self.random.choice(("is_it", "above(column: n, value: 0)", 'equals(column: n, value: "yes")'))
            self.block(f"task {task}{self.label()}", f"label = {label}", *after)
        self.depth -= 1
        self.write("}")
        rate = self.random.choice(("adam(rate: 1e-3)", "adamw(rate: 0.01, weight_decay: 0.1)"))
        train = self.some(f"optimizer = {rate}", "batch = 512 rows", "length = 5 epochs", "seed = 7")
        if train:
            self.block("train", *train)
        if self.random.random() < 0.5:
            self.block("data", 'train = "a.csv"', *self.some("valid = split(random: 10%)", 'test = "b.csv"'))
        self.depth = 0
        self.write("}")
