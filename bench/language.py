"""Measures the command line with a spec of one page, and the language with a spec of 10,000 lines.

    python bench/language.py [--rounds 15] [--lines 10000]

The rounds are interleaved, so that a busy machine is busy for all. It prints medians of the CPU time in seconds (user
and system, so that waiting for others does not count), and ratios to the first row.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import cpu_seconds, measure

from aesm_dsl.api.check import check
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.format_text import format_text
from aesm_dsl.syntax.parse import parse

PROJECT = Path(__file__).parent.parent
PAGE = PROJECT / "specs" / "fund_search.aesm"
AESM = [sys.executable, "-c", "from aesm_dsl.cli.main import main; main()"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--lines", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.aesm"
        text = large_spec(options.lines)
        large.write_text(text, encoding="utf-8")
        source = Source(str(large), text)
        untidy = Source(str(large), text.replace(" = ", "="))
        assert not check(large).items
        page = len(PAGE.read_text(encoding="utf-8").splitlines())
        lines = text.count("\n")
        print("| a process | seconds | ratio |\n|---|---:|---:|")
        _table(
            options.rounds,
            {
                "`python -c pass`": lambda: _run([sys.executable, "-c", "pass"]),
                "`aesm --help`": lambda: _run([*AESM, "--help"]),
                f"`aesm check` of {page} lines": lambda: _run([*AESM, "check", str(PAGE)]),
                f"`aesm fmt --check` of {page} lines": lambda: _run([*AESM, "fmt", "--check", str(PAGE)]),
                f"`aesm check` of {lines} lines": lambda: _run([*AESM, "check", str(large)]),
            },
        )
        print(f"\n| {lines} lines | seconds | ratio |\n|---|---:|---:|")
        _table(
            options.rounds,
            {
                "parse": lambda: parse(source, Findings()),
                "check": lambda: check(large),
                "fmt, of a formatted text": lambda: format_text(source, Findings()),
                "fmt, every line to change": lambda: format_text(untidy, Findings()),
            },
        )


def _table(rounds: int, calls: dict[str, Callable[[], object]]) -> None:
    """Prints a row for each call; they take turns, after one round that does not count."""
    measured = measure(calls, rounds, warm=1, clock=cpu_seconds)
    first = next(iter(measured.values())).cpu
    for name, times in measured.items():
        print(f"| {name} | {times.cpu:.3f} | {times.cpu / first:.1f} |")


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, cwd=PROJECT)


def large_spec(lines: int) -> str:
    """Returns a formatted spec without errors: a fifth of the lines are nodes of three levels, most others features."""
    nodes = lines // 5
    widths = [nodes // 100, nodes // 5, nodes - nodes // 100 - nodes // 5]
    levels: list[str] = []
    for depth, width in enumerate(widths):
        levels += [f"  level l{depth} {{", *([f"    under = l{depth - 1}"] if depth else [])]
        for node in range(width):
            under = f"; under = n{depth - 1}_{node % widths[depth - 1]}" if depth else ""
            levels.append(f'    node n{depth}_{node} "节点 {node}" {{ value = {node + 1}{under} }}')
        levels.append("  }")
    last = ["  tasks {", "    task click", "    task buy { after = click }", "  }", "}"]
    head = ["aesm = 1", "", "## Made by bench/language.py", "model large {"]
    groups: list[str] = []
    kinds = ("number(quantiles: 16, embed: 8)", "category(min_count: 5)", "id(buckets: 5k)", "category")
    left = lines - len(head) - len(levels) - len(last)
    while left > 2:
        members = min(40, left - 2)
        number = len(groups)
        groups += [f"  features g{number} {{"]
        groups += [f"    f{number}_{member} = {kinds[member % 4]}" for member in range(members)]
        groups += ["  }"]
        left -= members + 2
    whole = "\n".join([*head, *groups, *levels, *last]) + "\n"
    return format_text(Source("large.aesm", whole), Findings()) or ""


if __name__ == "__main__":
    main()
