"""Mistakes to plant into valid specs: each changes one line, or adds or takes one, and says what must be told of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Planted:
    """A mistake in a text of lines.

    touched  the lines, from 0, that it changes or depends on; no other mistake may touch them
    line     the line it takes the place of
    lines    what stands there instead
    told     the line it must be told at: an index into `lines`, or the opener's line when it is negative
    """

    code: str
    what: str
    touched: frozenset[int]
    line: int
    lines: tuple[str, ...]
    told: int = 0
    opener: int = -1

    @property
    def braces(self) -> bool:
        return "}" in self.what

    @property
    def nameless(self) -> bool:
        return self.what.startswith(r"^(\s+") and self.code == "E206"


def plants(lines: Sequence[str]) -> list[Planted]:
    """Every mistake that can be planted into a spec in the one layout."""
    found: list[Planted] = []
    for number, line in enumerate(lines):
        if line.strip() and not line.lstrip().startswith("#"):
            if " # " not in line:
                for code, pattern, instead in _WITHIN_A_LINE:
                    found += _within(lines, number, code, pattern, instead)
            for plant in _AROUND_A_LINE:
                found += plant(lines, number)
    return found


def independent(one: Planted, other: Planted) -> bool:
    """Whether neither mistake changes what the other one is: two that do are not two mistakes."""
    codes = sorted((one.code, other.code))
    if codes == ["E105", "E105"]:
        return False  # `<<<<<<<` and `>>>>>>>` together are one conflict
    if codes == ["E103", "E104"] and one.braces and other.braces:
        return False  # one brace too few and one too many are as many as there must be
    if codes == ["E203", "E206"] and (one.nameless or other.nameless):
        return False  # the nameless thing may be the one that is referred to
    return not one.touched & other.touched


def plant(lines: Sequence[str], chosen: Iterable[Planted]) -> tuple[str, list[tuple[str, int]]]:
    """The text with the mistakes in it, and the code and line (from 1) of each."""
    instead = {one.line: one for one in chosen}
    written: list[str] = []
    starts: list[int] = []
    for number, line in enumerate(lines):
        starts.append(len(written))
        written += instead[number].lines if number in instead else (line,)
    told = [
        (one.code, (starts[one.opener] if one.opener >= 0 else starts[one.line] + one.told) + 1)
        for one in instead.values()
    ]
    return "\n".join(written) + "\n", sorted(told, key=lambda item: (item[1], item[0]))


_WITHIN_A_LINE: tuple[tuple[str, str, str], ...] = (
    ("E101", r'("[^"]+)"', r"\1"),
    ("E102", r" = ", " ＝ "),
    ("E102", r"\{$", "｛"),
    ("E102", r'"([^"]+)"', r"“\1”"),
    ("E102", r": ", "： "),
    ("E102", r"\((.*)\)", r"（\1）"),
    ("E102", r", ", "，"),
    ("E103", r"(\(.*)\)", r"\1"),
    ("E103", r"(\[.*)\]", r"\1"),
    ("E103", r"(\{ .*) \}$", r"\1"),
    ("E104", r"\)", "))"),
    ("E104", r"\]", "]]"),
    ("E104", r"\)", "]"),
    ("E104", r"\]", ")"),
    ("E106", r"^(\s+\w+ = \w+)$", r"\1 @"),
    ("E106", r"^(\s+\w+ = .*)$", r"\1  // why"),
    ("E106", r'^(\s+node \w+)( "|$)', r"\1-page\2"),
    ("E106", r'"([^"]+)"', r"'\1'"),
    ("E106", r"= (\d\w*)$", r"= $X"),
    ("E107", r"^(\s+\w+) = ", r"\1: "),
    ("E107", r" = ", " == "),
    ("E107", r"(\w|\)|\])$", r"\1,"),
    ("E107", r"(\(\w+): ", r"\1 = "),
    ("E107", r"(\d), (\d)", r"\1 \2"),
    ("E107", r"(\d), (\d)", r"\1,, \2"),
    ("E107", r"^(\s+)(\w+ = )", r'\1"key" \2'),
    ("E108", r"^(\s+\w+ =) [^{]*[^{\[]$", r"\1"),
    ("E108", r"(\(\w+:) [^,()\[\]]+(?=[,)])", r"\1"),
    ("E201", r"^import (\w)", r"improt \1"),
    ("E201", r"^(\s+)level (\w)", r"\1levle \2"),
    ("E201", r"^(\s+)node (\w)", r"\1nod \2"),
    ("E201", r"^(\s+)task (\w)", r"\1tusk \2"),
    ("E201", r"^(\s+)experts \{", r"\1expert {"),
    ("E201", r"^(\s+)train \{", r"\1trian {"),
    ("E201", r"^(\s+)features (\w)", r"\1feature \2"),
    ("E202", r"\bcolumn = ", "colum = "),
    ("E202", r"\boptimizer = ", "optimiser = "),
    ("E202", r"\btower = ", "towers = "),
    ("E202", r"\bcount = ", "cout = "),
    ("E202", r"\blabel = ", "lable = "),
    ("E202", r"\bseed( *)= ", r"sede\1= "),
    ("E203", r"\bafter( *)= \w+", r"after\1= zzzz"),
    ("E203", r"\bunder( *)= \w+", r"under\1= zzzz"),
    ("E206", r"^(\s+)train \{", r"\1train fast {"),
    ("E206", r"^(import) \w+", r"\1"),
    ("E206", r'^(import \w+) ".*"', r"\1"),
    ("E206", r"^(\s+)data \{", r'\1data "rows" {'),
    ("E206", r'^(\s+node) \w+( "|$)', r"\1\2"),
    ("E206", r"^(\s+task) \w+( \"| \{|$)", r"\1\2"),
    ("E206", r"^(\s+level) \w+( \"| \{)", r"\1\2"),
    ("E210", r"= number", "= nubmer"),
    ("E210", r"= category", "= categroy"),
    ("E210", r"= adam", "= rprop"),
    ("E211", r"quantiles:", "quantile:"),
    ("E211", r"\(quantiles: ", "("),
    ("E211", r"\(rate: ", "(speed: "),
    ("E212", r'^(import \w+) "', r'\1 "not/'),
    ("E216", r"\buse = (\w+)$", r"use = zzzz"),
    ("E216", r"\buse = \[(\w+\.)\w+", r"use = [\1zzzz"),
    ("E301", r"\bseed( *)= \d+", r'seed\1= "7"'),
    ("E301", r"\bcount = (\d+|auto)", "count = many"),
    ("E301", r"(hidden|tower) = \[.*?\]", r"\1 = 64"),
    ("E301", r"= category[^};]*$", "= 16"),
    ("E302", r"\bcount = (\d+|auto)", "count = 0"),
    ("E302", r"quantiles: \d+", "quantiles: 1"),
    ("E302", r"rate: [^),]+", "rate: 0"),
    ("E302", r"hidden = \[.*?\]", "hidden = []"),
    ("E303", r"(\d) rows", r"\1 samples"),
    ("E303", r"(\d) epochs", r"\1 epoch"),
    ("E304", r"(\d) rows", r"\1"),
    ("E304", r"(\d) epochs", r"\1"),
    ("E305", r"\bseed( *)= (\d+)", r"seed\1= \2 times"),
    ("E305", r"quantiles: (\d+)", r"quantiles: \1 buckets"),
    ("E306", r"on: mean_auc", "on: auc"),
    ("E307", r"above\(column: (\w+), value: 0\)", r"above(column: \1)"),
)
"""Code, what a line must hold, and what stands there instead."""


def _within(lines: Sequence[str], number: int, code: str, pattern: str, instead: str) -> Iterator[Planted]:
    line = lines[number]
    if (match := re.search(pattern, line)) and not _in_string(line, match.start(), pattern):
        changed = line[: match.start()] + match.expand(instead) + line[match.end() :]
        # Without the level above, a node's `under` cannot be looked at: both are one mistake's.
        unders = [i for i, other in enumerate(lines) if re.match(r"\s+under\b", other)] if "under" in instead else []
        yield Planted(
            code, f"{pattern} -> {instead}", frozenset({number, *unders, *_uses(lines, number)}), number, (changed,)
        )


def _uses(lines: Sequence[str], number: int) -> list[int]:
    """The lines that take something from an import: without it, it is not looked at what."""
    return [i for i, other in enumerate(lines) if re.match(r"\s+use\b", other) and lines[number].startswith("import ")]


def _in_string(line: str, offset: int, pattern: str) -> bool:
    return '"' not in pattern and line[:offset].count('"') % 2 == 1


_TWICE = (
    ("E204", r"^\s+(node|task) \w"),
    ("E204", r"^\s+(train|data) \{ "),
    ("E205", r"^\s+\w+ +="),
    ("E217", r"^import \w"),
)


def _twice(lines: Sequence[str], number: int) -> Iterator[Planted]:
    """A statement that stands on one line, written again on the next."""
    line = lines[number]
    if line.endswith("{") or line.strip() == "}" or ";" in line or _depth(line):
        return
    for code, pattern in _TWICE:
        if re.match(pattern, line):
            feature = (
                re.search(r"= (category|number|id|list|date|cross|sequence|same|vectors)\b", line)
                and " label = " not in line
            )
            told = "E204" if feature else code
            touched = frozenset({number, *_uses(lines, number)})
            yield Planted(told, "twice", touched, number, (line, line), 1)


def _line_before(lines: Sequence[str], number: int) -> Iterator[Planted]:
    """A line that does not belong, before one inside the model."""
    blanks = re.match(r"\s*", lines[number])
    assert blanks
    if not blanks.group() or (number and _goes_on(lines[number - 1])):
        return
    inside = _block_around(lines, number)
    for code, added in (
        ("E105", "======="),
        ("E105", ">>>>>>> theirs"),
        ("E105", "<<<<<<< HEAD"),
        ("E106", f"{blanks.group()}@override"),
        ("E106", f"{blanks.group()}x = a & b"),
        ("E107", f"{blanks.group()}[64, 32]"),
        ("E107", f"{blanks.group()}, "),
        ("E107", f"{blanks.group()}1st = 2"),
        ("E108", f"{blanks.group()}seed ="),
        ("E201", f"{blanks.group()}serving {{ port = 80 }}"),
        ("E201", f"{blanks.group()}serving {{\n{blanks.group()}  port = 80\n{blanks.group()}}}"),
        ("E202" if inside != "features" else "E301", f"{blanks.group()}zzz{number} = 80"),
        ("E104", f"{blanks.group()[2:]}}}"),
    ):
        if code == "E104" and (not blanks.group()[2:] or lines[number].strip() == "}"):
            continue
        what = f"line {added.strip()}".replace(str(number), "")
        yield Planted(code, what, frozenset({number}), number, (*added.split("\n"), lines[number]))


def _brace_gone(lines: Sequence[str], number: int) -> Iterator[Planted]:
    """The line that closes a block is missing."""
    if lines[number].strip() != "}":
        return
    opener = _opener(lines, number)
    yield Planted("E103", "no }", frozenset({number, opener}), number, (), opener=opener)


_AROUND_A_LINE: tuple[Callable[[Sequence[str], int], Iterator[Planted]], ...] = (_twice, _line_before, _brace_gone)


def _depth(line: str) -> int:
    bare = re.sub(r'"[^"]*"|#.*', "", line)
    return sum(bare.count(one) for one in "{[(") - sum(bare.count(one) for one in ")]}")


def _goes_on(line: str) -> bool:
    """Whether a list or call goes on in the next line."""
    return line.rstrip().endswith(("[", "(", ","))


def _opener(lines: Sequence[str], closer: int) -> int:
    depth, number = -1, closer
    while depth < 0:
        number -= 1
        depth += _depth(lines[number])
    return number


def _block_around(lines: Sequence[str], number: int) -> str:
    depth = 0
    while number > 0:
        number -= 1
        depth += _depth(lines[number])
        if depth > 0:
            return lines[number].split()[0]
    return ""
