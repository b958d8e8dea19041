"""Every table in terminals of many widths: no line is too long, no number is cut, every row keeps its name."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from aesm_dsl.api.compile import compile_spec
from aesm_dsl.plan.changes import Change
from aesm_dsl.plan.evolution import Fate
from aesm_dsl.report.comparison import comparison_tables
from aesm_dsl.report.difference import fates_table, settings_table
from aesm_dsl.report.experts import experts_table
from aesm_dsl.report.fitted_table import fitted, natural_width
from aesm_dsl.report.metrics_table import MOST_LEAVES, metrics_table
from aesm_dsl.report.profile import profile_tables
from aesm_dsl.report.tables import layer_table
from aesm_dsl.training.metrics.scores import ALL, Score
from aesm_dsl.training.run.folder import metrics_frame
from tests.report.cases import fund_usage
from tests.report.comparisons import large_comparison
from tests.report.test_page import PROFILE
from tests.worlds import THREE_LEVELS, write

LONG = "非常长的入口页面名称一二三四五六七八九十 > 热门基金推荐卡片一二三四五六七八"
LEAVES = (LONG, "search > hot_funds > organic", ALL)


def score(leaf: str, task: str, rows: int = 1_234_567, ne: float = 0.987) -> Score:
    users = {"gauc": 0.6543, "gauc_low": 0.611, "gauc_high": 0.697, "users": 54_321}
    return Score(leaf, task, rows, 12_345, 0.123, 0.7654, 0.751, 0.779, 0.4321, ne, 1.023, 0.0123, **users)  # type: ignore[arg-type]


def tables(tmp_path_factory: pytest.TempPathFactory) -> list[Table]:
    folder = tmp_path_factory.mktemp("tables")
    scores = [score(leaf, task) for leaf in LEAVES for task in ("click", "purchase", "一个很长的任务名称")]
    three = compile_spec(write(folder, THREE_LEVELS))
    mmoe = compile_spec(write(folder, THREE_LEVELS), arch="mmoe")
    return [
        metrics_table(metrics_frame(scores), "标题" * 60, "runs/a b"),
        layer_table(three.plan),
        layer_table(mmoe.plan),
        experts_table(fund_usage()[1], "experts"),
        settings_table([Change("level.card.experts.hidden", "[64, 32]", "[128, 64]")]),
        fates_table([Fate(LONG, "resized", ("96 units become 32",) * 3, 1_234_567, 765_432)]),
        *profile_tables(PROFILE),
    ]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[Table]:
    return tables(tmp_path_factory)


def shown(table: Table, width: int | None) -> str:
    file = StringIO()
    console = Console(file=file, width=width or max(160, natural_width(table)), highlight=False)
    for part in fitted(table, width):
        console.print(part)
    return file.getvalue()


def cells(text: str) -> list[str]:
    """Words that hold a digit, within the borders."""
    return [word for word in re.split(r"[\s│┃]+", text) if re.search(r"\d", word)]


@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 200])
def test_no_number_is_cut_and_no_line_is_too_long(printed: list[Table], width: int) -> None:
    for table in printed:
        text = shown(table, width)
        assert "…" not in text
        assert max(cell_len(line) for line in text.splitlines()) <= width
        numbers = [column for column in table.columns if column.justify == "right"]
        for column in numbers:
            for cell in column.cells:
                assert set(str(cell).split()) <= set(re.split(r"[\s│┃]+", text)), (table.title, cell)


def test_a_stacked_table_names_its_rows_in_every_part(printed: list[Table]) -> None:
    text = shown(printed[0], 80)
    parts = text.count("┏")
    assert 2 < parts < 5
    assert text.count("search >") == parts
    assert text.count("purchase") == parts * len(LEAVES)
    assert shown(printed[0], 200).count("┏") == 1
    assert shown(printed[0], None).count("┏") == 1


def test_words_in_brackets_are_no_markup() -> None:
    table = Table(title="[/b] a [red]title[/red]", caption="[/x]")
    table.add_column("a")
    assert "[/b] a [red]title[/red]" in shown(table, 80)
    assert "[/x]" in shown(table, 80)


def test_a_table_of_many_leaves_ends_with_the_largest_and_the_worst() -> None:
    many = [score(f"leaf{at}", task, rows=1000 - at, ne=0.5 + at / 1000) for at in range(300) for task in ("a", "b")]
    table = metrics_table(metrics_frame([*many, score(ALL, "a"), score(ALL, "b")]), "", "runs/x y")
    names = [str(cell) for cell in table.columns[0].cells if cell]
    assert names == [f"leaf{at}" for at in (*range(MOST_LEAVES), *range(300 - MOST_LEAVES, 300))] + [ALL]
    assert "260 more: `aesm evaluate 'runs/x y' --format json`" in str(table.caption)
    few = metrics_table(metrics_frame([*many[: 4 * MOST_LEAVES], score(ALL, "a")]), "", "runs/x")
    assert len([cell for cell in few.columns[0].cells if cell]) == 2 * MOST_LEAVES + 1
    assert "more:" not in str(few.caption)


def test_comparisons_fit_too() -> None:
    for table in comparison_tables(large_comparison(LEAVES)):
        text = shown(table, 80)
        assert "…" not in text
        assert max(cell_len(line) for line in text.splitlines()) <= 80
        for column in table.columns:
            for cell in column.cells if column.justify == "right" else ():
                plain = str(cell).replace("[bold]", "").replace("[/bold]", "").split()
                assert set(plain) <= set(re.split(r"[\s│┃]+", text)), cell
