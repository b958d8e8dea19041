"""Feature groups of other files: what a spec takes is what it would have with the groups written in it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from aesm_dsl import AesmError, Spec, check, compile_spec
from aesm_dsl.cli.main import app
from aesm_dsl.findings.diagnostic import Diagnostic, Findings
from aesm_dsl.findings.render import render
from aesm_dsl.findings.source import Source
from aesm_dsl.plan.compiled import compile_loaded
from aesm_dsl.spec.import_file import resolve_path
from aesm_dsl.spec.load import load
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.bracket_pairs import MOST_NESTED
from aesm_dsl.syntax.parse import parse
from tests.conftest import PROJECT, examples
from tests.invented import Invent
from tests.worlds import clean, write

FUND = "aesm = 1\n\nfeatures product { fee = number(quantiles: 8) }\nfeatures user { assets = number() }\n"
SHOP = """\
aesm = 1

import fund "shared/fund.aesm"

model shop {
  features page { hour = category() }
  use = fund.product
  tasks { task click }
}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shared").mkdir()
    write(tmp_path, SHOP, "shop.aesm")
    write(tmp_path, FUND, "shared/fund.aesm")
    return tmp_path


def aesm(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def codes(findings: Iterable[Diagnostic]) -> list[str]:
    return sorted(item.code for item in findings)


def test_what_is_taken_stands_where_use_stood(folder: Path) -> None:
    spec = load(Source("shop.aesm", SHOP), Findings())
    assert spec is not None
    written = SHOP.replace('import fund "shared/fund.aesm"\n\n', "").replace(
        "use = fund.product", "features product { fee = number(quantiles: 8) }"
    )
    assert spec == Spec.parse(written)
    assert [group.name for group in spec.features] == ["page", "product"]


@given(st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=examples(30))
def test_a_spec_whose_groups_are_moved_to_files_stays_the_same(random: Random, whole: bool) -> None:
    """Any spec; each of its groups goes to one of two files, and is taken one by one or with its file."""
    text = "\n".join(Invent(random).lines) + "\n"
    file = parse(Source("<text>", text), Findings())
    model = next(one for one in file.statements if isinstance(one, tree.Block))
    groups = [one for one in model.statements if isinstance(one, tree.Block) and one.kind.text == "features"]
    texts = {"one": "aesm = 1\n", "other": "aesm = 1\n"}
    taken: list[str] = []
    order: list[str] = []
    for group in groups:
        assert group.name is not None
        home = random.choice(sorted(texts))
        texts[home] += f"{group.span.text}\n"
        order.append(home)
        taken.append(f"{home}.{group.name.text}")
    if whole and order == sorted(order):
        taken = list(dict.fromkeys(order))
    imports = "".join(f'import {name} "{name}.aesm"\n' for name in sorted(set(order)))
    left = text
    for group in reversed(groups):
        left = left[: group.span.start] + left[group.span.end :]
    head, brace, rest = left[: model.span.start], left.index("{", model.span.start) + 1, left
    moved = f"{head}{imports}{rest[model.span.start : brace]}\n use = [{', '.join(taken)}]\n{rest[brace:]}"

    findings = Findings()
    files = {resolve_path(f"{name}.aesm"): body for name, body in texts.items()}
    spec = load(Source("<text>", moved), findings, texts=files)
    assert spec is not None
    clean(findings)
    assert spec == Spec.parse(text)
    compiled, original = compile_loaded(spec, Findings()), compile_loaded(Spec.parse(text), Findings())
    assert (compiled and compiled.plan) == (original and original.plan)


def test_a_spec_of_the_project_takes_its_groups_from_a_file() -> None:
    hotel = compile_spec(PROJECT / "specs" / "hotel.aesm").spec
    guests = compile_spec(PROJECT / "specs" / "hotel_guests.aesm").spec
    assert [group.name for group in hotel.features] == ["stay", "guest", "sale"]
    assert [group.name for group in guests.features] == ["stay", "sale", "guest", "journey"]
    assert hotel.features[0] == guests.features[0]
    assert hotel.features[2] == guests.features[1]


def test_the_resolved_spec_needs_the_file_no_more(folder: Path) -> None:
    compiled = compile_spec("shop.aesm", "out")
    (folder / "shared" / "fund.aesm").unlink()
    again = compile_spec(folder / "out" / "spec.aesm")
    assert "import" not in (folder / "out" / "spec.aesm").read_text()
    assert again.plan == compiled.plan
    with pytest.raises(AesmError, match="E212"):
        compile_spec("shop.aesm")


def test_every_value_knows_the_file_it_came_from(folder: Path) -> None:
    shown = aesm("show", "shop.aesm").stdout
    assert "fee = number(quantiles: 8)  # shared/fund.aesm:3\n" in shown
    assert "hour = category  # line 6\n" in shown
    (folder / "elsewhere").mkdir()
    os.chdir(folder / "elsewhere")
    assert "# ../shared/fund.aesm:3\n" in aesm("show", "../shop.aesm").stdout


def test_set_reaches_into_what_is_taken(folder: Path) -> None:
    compiled = compile_spec("shop.aesm", overrides=["features.product.fee=category(embed: 4)"])
    assert compiled.spec.features[1].members["fee"].embed == 4
    wider = compile_spec("shop.aesm", overrides=["use=fund"])
    assert [group.name for group in wider.spec.features] == ["page", "product", "user"]
    assert "# --set" in aesm("show", "shop.aesm", "--set", "features.product.fee=category").stdout
    (item,) = check("shop.aesm", ["features.user.assets=category"])
    assert item.code == "E209", "a group that is not taken has no settings here"


def test_a_file_of_groups_is_checked_formatted_and_shown_alone(folder: Path) -> None:
    assert aesm("check", "shared/fund.aesm").stderr == "1 spec checked, no findings\n"
    assert aesm("show", "--stage", "tree", "shared/fund.aesm").exit_code == 0
    for command in ("show", "compile", "train"):
        done = aesm(command, "shared/fund.aesm")
        assert isinstance(done.exception, AesmError)
        assert codes(done.exception.findings) == ["E307"]
    ugly = 'aesm=1\nimport  b   "bond.aesm"  # bonds\nimport long_name "x.aesm"\nuse=b\n'
    write(folder, ugly, "shared/ugly.aesm")
    aesm("fmt", "shared/ugly.aesm")
    assert (folder / "shared" / "ugly.aesm").read_text() == (
        'aesm = 1\nimport b         "bond.aesm"  # bonds\nimport long_name "x.aesm"\nuse = b\n'
    )


def test_a_faulty_file_is_told_once_however_many_ask_for_it(folder: Path) -> None:
    write(folder, "aesm = 1\nfeatures product { fee = nubmer(); }\n", "shared/fund.aesm")
    write(folder, 'aesm = 1\nimport fund "fund.aesm"\nuse = fund.product\n', "shared/more.aesm")
    more = SHOP.replace("\nmodel", 'import more "shared/more.aesm"\n\nmodel').replace("= fund.product", "= more")
    write(folder, more.replace('import fund "shared/fund.aesm"\n', ""), "more.aesm")
    (item,) = check("more.aesm")
    assert (item.code, item.span and item.span.source.path) == ("E210", "shared/fund.aesm")
    assert "::: included from shared/more.aesm:2:13\n" in render(Findings([item]))
    assert "::: included from more.aesm:3:13\n" in render(Findings([item]))
    assert aesm("check", "shop.aesm", "more.aesm").stdout.count("error[E210]") == 1


def test_links_lead_nowhere_outside(folder: Path) -> None:
    (folder / "specs").mkdir()
    write(folder, SHOP.replace("shared/", ""), "specs/shop.aesm")
    (folder / "specs" / "fund.aesm").symlink_to(folder / "shared" / "fund.aesm")
    (item,) = check("specs/shop.aesm")
    assert (item.code, item.message) == ("E214", "`specs/fund.aesm` lies outside the folder of the spec")
    (folder / "specs" / "fund.aesm").unlink()
    (folder / "specs" / "mine.aesm").write_text(FUND)
    (folder / "specs" / "fund.aesm").symlink_to(folder / "specs" / "mine.aesm")
    clean(check("specs/shop.aesm"))
    (folder / "link").symlink_to(folder / "specs")
    clean(check("link/shop.aesm"))
    (folder / "specs" / "fund.aesm").unlink()
    (folder / "specs" / "fund.aesm").symlink_to(folder / "specs" / "fund.aesm")
    assert codes(check("specs/shop.aesm")) == ["E213"]


def test_what_is_no_file_is_told(folder: Path) -> None:
    fund = folder / "shared" / "fund.aesm"
    fund.unlink()
    os.mkfifo(fund)
    (item,) = check("shop.aesm")
    assert (item.code, item.message) == ("E213", "`shared/fund.aesm` is no ordinary file")
    for odd in ("\0", "a" * 5000):
        write(folder, SHOP.replace("fund.aesm", odd), "odd.aesm")
        assert codes(check("odd.aesm")) == ["E213"]


def test_a_file_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    text = Source("shop.aesm", SHOP)
    monkeypatch.setattr(Path, "open", refuse)
    findings = Findings()
    load(text, findings)
    (item,) = findings
    assert (item.code, item.message) == ("E213", "`shared/fund.aesm` cannot be read: Permission denied")


def test_imports_are_not_followed_for_ever(folder: Path) -> None:
    for step in range(MOST_NESTED + 20):
        text = f'aesm = 1\nimport next "{step + 1}.aesm"\nuse = next\n'
        write(folder, text, f"shared/{step}.aesm")
    write(folder, SHOP.replace("fund.aesm", "0.aesm").replace("fund.product", "fund"), "deep.aesm")
    (item,) = check("deep.aesm")
    assert (item.code, item.message) == ("E213", f"more than {MOST_NESTED} imports inside each other")


def test_unsaved_texts_count_instead_of_files(folder: Path) -> None:
    findings = Findings()
    unsaved = {resolve_path("shared/fund.aesm"): "aesm = 1\nfeatures product { fee = category() }\n"}
    spec = load(Source("shop.aesm", SHOP), findings, texts=unsaved)
    clean(findings)
    assert spec is not None
    assert spec.features[1].members["fee"].call == "category"


def test_json_says_what_it_takes_in_full(folder: Path) -> None:
    spec = load(Source("shop.aesm", SHOP), Findings())
    assert spec is not None
    text = spec.model_dump_json(by_alias=True)
    assert '"use"' not in text
    write(folder, text, "shop.json")
    assert compile_spec("shop.json").plan == compile_spec("shop.aesm").plan
    assert codes(check("shop.json", ["use=fund"])) == ["E216"]
