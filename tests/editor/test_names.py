"""What is declared where, what refers to it, and renaming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aesm_dsl.editor.analysis import analyse
from aesm_dsl.editor.names import NODE, collect_names
from aesm_dsl.editor.rename import CannotRenameError, renamable, rename
from aesm_dsl.findings.fix import apply_edits
from aesm_dsl.findings.source import Source
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan
from tests.conftest import PROJECT
from tests.editor.texts import SHOP, at, changed

SPECS = sorted((PROJECT / "specs").glob("*.aesm"))


def test_what_a_spec_declares() -> None:
    found = collect_names(at(SHOP + "|")[0].file)
    assert [(one.noun, one.name, one.path) for one in found.declared] == [
        ("feature group", "user", "features.user"),
        ("feature", "age", "features.user.age"),
        ("feature", "city", "features.user.city"),
        ("level", "page", "level.page"),
        ("node", "home", "level.page.node.home"),
        ("node", "cart", "level.page.node.cart"),
        ("level", "card", "level.card"),
        ("node", "fund", "level.card.node.fund"),
        ("node", "bond", "level.card.node.bond"),
        ("node", "note", "level.card.node.note"),
        ("task", "click", "tasks.task.click"),
        ("task", "buy", "tasks.task.buy"),
    ]
    assert [(one.noun, one.name, one.within) for one in found.referred] == [
        ("level", "page", "card"),
        ("node", "home", "page"),
        ("node", "cart", "page"),
        ("node", "home", "page"),
        ("level", "card", ""),
        ("task", "click", "buy"),
    ]


def test_a_name_leads_to_its_declaration_and_back() -> None:
    analysis, offset = at(changed("under = home }", "under = ho|me }"))
    found = collect_names(analysis.file)
    name = found.at(offset)
    assert name is not None
    declared = found.declaration_of(name)
    assert declared is not None
    assert declared.span.line == SHOP[: SHOP.index("node home")].count("\n") + 1
    assert len(found.uses_of(declared)) == 2


def test_a_node_is_that_of_the_level_above() -> None:
    """Two levels may have nodes of one name; a level may say behind its nodes what it lies under."""
    text = """\
model m {
  level a { node x; node y }
  level b { node x { under = x }; under = a }
  tasks { task t }
}
"""
    found = collect_names(analyse(Source("m.aesm", text)).file)
    (use,) = (one for one in found.referred if one.noun == NODE)
    declared = found.declaration_of(use)
    assert declared is not None
    assert declared.within == "a"


def test_the_nodes_of_a_feature_are_renamed_with_them() -> None:
    text = """\
aesm = 1
model m {
  features f { a = category; b = category(only: [card.x, y]) }
  features g { only = y; c = category }
  level page { node x; node y }
  level card { under = page; node x; node z }
  tasks { task t }
}
"""
    before = analyse(Source("m.aesm", text))
    assert not before.findings
    found = {(one.noun, one.name, one.within) for one in collect_names(before.file).referred}
    assert {(NODE, "x", "card"), (NODE, "y", ""), ("level", "card", "")} <= found
    for place, expected in (
        (text.index("node x; node z") + 5, ["only: [card.new, y]", "only = y"]),
        (text.index("node y") + 5, ["only: [card.x, new]", "only = new"]),
        (text.index("level card") + 6, ["only: [new.x, y]", "only = y"]),
    ):
        renamed = apply_edits(text, rename(before, place, "new"))
        assert all(one in renamed for one in expected), renamed


def nameless(features: tuple[FeaturePlan, ...]) -> tuple[FeaturePlan, ...]:
    return tuple(replace(one, name="", group="", only=tuple(("", "") for _ in one.only)) for one in features)


def same_but_for_names(plan: Plan) -> Plan:
    """The plan with every name taken out that a rename may change."""
    return replace(
        plan,
        features=nameless(plan.features),
        training_features=nameless(plan.training_features),
        levels=tuple(
            replace(level, name="", nodes=tuple(replace(node, name="") for node in level.nodes))
            for level in plan.levels
        ),
        tasks=replace(plan.tasks, tasks=tuple(replace(task, name="") for task in plan.tasks.tasks)),
    )


@pytest.mark.parametrize("path", [None, *SPECS], ids=lambda path: path.stem if path else "shop")
def test_renaming_anything_changes_no_meaning(path: Path | None) -> None:
    """Every name of a spec, renamed where it is declared: the network, its columns and values stay what they were."""
    before = analyse(Source(str(path), path.read_text(encoding="utf-8")) if path else Source("shop.aesm", SHOP))
    assert before.compiled is not None
    for declared in collect_names(before.file).declared:
        after = apply_edits(before.source.text, rename(before, declared.span.start, "新_name"))
        again = analyse(Source(before.source.path, after))
        assert again.compiled is not None, after
        expected = same_but_for_names(before.compiled.plan)
        found = same_but_for_names(again.compiled.plan)
        # A label that was not given is the name itself.
        assert without_labels(found) == without_labels(expected), declared
        assert any(one.name == "新_name" for one in collect_names(again.file).declared)


def without_labels(plan: Plan) -> Plan:
    return replace(
        plan,
        levels=tuple(
            replace(level, label="", nodes=tuple(replace(node, label="") for node in level.nodes))
            for level in plan.levels
        ),
        tasks=replace(plan.tasks, tasks=tuple(replace(task, label="") for task in plan.tasks.tasks)),
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("node fund", "node fu|nd", 'node new { value = "fund" }\n'),
        ("node note {", "node no|te {", 'node new { value = "note"; under = home }'),
        ("node cart        {", "node ca|rt {", 'node new { value = ["cart", "basket"] }'),
        ("[home, cart]", "[home, ca|rt]", "[home, new]"),
        ("task click", "task cli|ck", "task new { label = click }"),
        ("after = click", "after = cli|ck", "after = new }"),
        ("number(quantiles", "number(|quantiles", ""),
        ("age  =", "ag|e  =", "new  = number(column: age, quantiles: 8)"),
        ("city =", "ci|ty =", "new = category(column: city)"),
        ("level page {", "level pa|ge {", "level new {\n    column = page\n"),
        ("under = page", "under = pa|ge", "under = new\n"),
        ("features user", "features us|er", "features new {"),
    ],
)
def test_renaming_writes_the_old_name_where_it_was_meant(old: str, new: str, expected: str) -> None:
    analysis, offset = at(changed(old, new))
    if not expected:
        assert renamable(analysis, offset) is None
        with pytest.raises(CannotRenameError, match="nothing here"):
            rename(analysis, offset, "new")
        return
    place = renamable(analysis, offset)
    assert place is not None
    assert place[0] <= offset <= place[1]
    assert expected in apply_edits(analysis.source.text, rename(analysis, offset, "new"))


@pytest.mark.parametrize(
    ("old", "new", "name", "why"),
    [
        ("node fund", "node fu|nd", "bond", "there is a node called `bond` in level `card` already"),
        ("task click", "task cli|ck", "buy", "there is a task called `buy` already"),
        ("age  =", "ag|e  =", "city", "there is a feature called `city` already"),
        ("level card", "level ca|rd", "tasks", "word of the language"),
        ("task click", "task cli|ck", "none", "word of the language"),
        ("node fund", "node fu|nd", "2nd", "is no name"),
        ("node fund", "node fu|nd", "a.b", "is no name"),
        ("node fund", "node fu|nd", "two words", "is no name"),
        ("node fund", "node fu|nd", "", "is no name"),
        ("budget = 2M", "budget = = 2M\n node fu|nd", "x", "nothing here"),
    ],
)
def test_a_name_that_will_not_do(old: str, new: str, name: str, why: str) -> None:
    analysis, offset = at(changed(old, new))
    with pytest.raises(CannotRenameError, match=why):
        rename(analysis, offset, name)


def test_the_same_name_in_another_level_is_free() -> None:
    analysis, offset = at(changed("node fund", "node fu|nd"))
    assert "node home {" in apply_edits(analysis.source.text, rename(analysis, offset, "home"))


@pytest.mark.parametrize(("old", "new"), [("batch  = 512 rows", "batch = = 512 rows"), ("count = 4 }", "count = 4 ｝")])
def test_a_file_that_cannot_be_read_whole_is_not_renamed(old: str, new: str) -> None:
    analysis, offset = at(changed("node fund", "node fu|nd", changed(old, new)))
    with pytest.raises(CannotRenameError, match="cannot be read"):
        rename(analysis, offset, "new")
