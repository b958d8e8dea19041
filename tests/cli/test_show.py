"""`aesm show` and `--set`, as typed: what a spec comes to, where every value is from, and what flags change."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from aesm_dsl import AesmError, Spec, check, compile_spec
from aesm_dsl.cli.main import app
from aesm_dsl.findings.diagnostic import Diagnostic, Findings
from aesm_dsl.findings.source import Source
from aesm_dsl.plan.compiled import compile_loaded
from aesm_dsl.spec.load import load
from tests.conftest import PROJECT, examples
from tests.invented import Invent
from tests.worlds import clean, write

SHOP = """\
aesm = 1

import people "shared/people.aesm"

model shop "店" {
  experts { count = 6; norm = none }
  features item { price = number(quantiles: 8) }
  use = people.user
  level page {
    node home "首页"
    node cart { value = ["cart", "basket"] }
    experts { hidden = [16] }
  }
  tasks {
    task click
    task buy { after = click }
  }
  data { train = "rows.csv"; valid = split(random: 10%) }
}
"""
PEOPLE = "aesm = 1\n\nfeatures user {\n  age  = number\n  city = category(embed: 8)\n}\n"
FLAGS = ["--set", "train.batch=64 rows", "--set", "level.page.experts.count=3", "--set", "features.user.age=category"]

SETTING = re.compile(r"^\s+(?P<word>[\w.]+) += (?P<value>.*?)(?:  # (?P<origin>.*))?$")


def show(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["show", *map(str, arguments)])


def said(done: Result) -> list[Diagnostic]:
    """What a command that refused has told."""
    assert (done.exit_code, done.stdout) == (1, "")
    assert isinstance(done.exception, AesmError)
    return done.exception.findings.sorted()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shared").mkdir()
    write(tmp_path, SHOP, "shop.aesm")
    write(tmp_path, PEOPLE, "shared/people.aesm")
    return tmp_path


def test_every_value_with_its_origin(folder: Path, golden: Callable[[Path, str], None]) -> None:
    done = show("shop.aesm", *FLAGS)
    assert (done.exit_code, done.stderr) == (0, "")
    golden(PROJECT / "tests" / "golden" / "show" / "shop.aesm", done.stdout)
    origins = {match["word"]: match["origin"] for line in done.stdout.splitlines() if (match := SETTING.match(line))}
    assert origins["price"] == "line 7"
    assert origins["city"] == "shared/people.aesm:5"
    assert origins["age"] == "--set"
    assert origins["batch"] == "--set"
    assert origins["seed"] == "built in"


def test_what_is_shown_is_the_spec(folder: Path) -> None:
    """It reads back, and compiles to the same plan with no flag and no imported file."""
    write(folder, show("shop.aesm", *FLAGS).stdout, "shown.aesm")
    (folder / "shared" / "people.aesm").rename(folder / "shared" / "gone.aesm")
    again = compile_spec("shown.aesm")
    (folder / "shared" / "gone.aesm").rename(folder / "shared" / "people.aesm")
    assert again.plan == compile_spec("shop.aesm", overrides=FLAGS[1::2]).plan
    assert again.resolved() == compile_spec("shop.aesm", overrides=FLAGS[1::2]).resolved()


@given(st.randoms(use_true_random=False))
@settings(max_examples=examples(25))
def test_every_origin_is_true(random: Random) -> None:
    """Of any spec: no value without an origin; a line that is named holds the setting, and a value not written is not
    said to be."""
    lines = Invent(random).lines
    findings = Findings()
    spec = load(Source("spec.aesm", "\n".join(lines)), findings)
    assert spec is not None
    compiled = compile_loaded(spec, findings)
    assert compiled is not None
    named = 0
    for line in compiled.resolved(origins=True).splitlines():
        match = SETTING.match(line)
        if match is None or match["word"] == "aesm":
            continue
        assert match["origin"], line
        if found := re.search(r"line (\d+)$", match["origin"]):
            named += 1
            assert re.search(rf"(?<!\w){re.escape(match['word'])} *=", lines[int(found[1]) - 1]), line
    assert named


def test_json_has_origins_by_line_too(folder: Path) -> None:
    write(folder, Spec.parse(PEOPLE_SPEC).model_dump_json(by_alias=True, indent=2, exclude_defaults=True), "spec.json")
    shown = show("spec.json", "--set", "embed=4").stdout
    (line,) = (one for one in shown.splitlines() if one.lstrip().startswith("age"))
    number = int(line.rpartition("line ")[2])
    assert '"age"' in (folder / "spec.json").read_text().splitlines()[number - 1]
    assert re.search(r"^  embed +=  *4 +# --set$", shown, re.MULTILINE)


PEOPLE_SPEC = "aesm = 1\nmodel m {\n  features user { age = number(quantiles: 8) }\n  tasks { task click }\n}\n"


def test_the_stages(folder: Path) -> None:
    assert show("shop.aesm", "--stage", "tree").stdout.startswith('aesm = 1\n\nimport people "shared/people.aesm"\n')
    paths = show("shop.aesm", "--stage", "hierarchy").stdout
    assert paths == "home -> click -> buy\ncart -> click -> buy\n"
    plan = show("shop.aesm", "--stage", "plan").stdout
    assert "page" in plan
    several = show("shop.aesm", "--stage", "hierarchy, plan").stdout
    assert several == paths + plan
    both = show("shop.aesm", "--stage", "tree,spec").stdout
    assert both == show("shop.aesm", "--stage", "tree").stdout + show("shop.aesm").stdout


def test_the_stages_as_json(folder: Path) -> None:
    def data(stage: str) -> object:
        return json.loads(show("shop.aesm", "--stage", stage, "--format", "json").stdout)

    tree, spec = data("tree"), data("spec")
    assert isinstance(tree, dict)
    assert [one.get("block") or one["setting"] for one in tree["statements"]] == ["aesm", "import", "model"]
    write(folder, json.dumps(spec), "spec.json")
    assert compile_spec("spec.json").plan == compile_spec("shop.aesm").plan
    assert data("plan") == json.loads(compile_spec("shop.aesm").plan.to_json())
    assert data("hierarchy") == json.loads(compile_spec("shop.aesm").hierarchy.to_json())


@pytest.mark.parametrize("arguments", [("--stage", "network"), ("--format", "yaml"), ("--sett", "embed=4")])
def test_wrong_usage(folder: Path, arguments: tuple[str, ...]) -> None:
    done = show("shop.aesm", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: " in done.stderr


def test_a_spec_with_mistakes_is_not_shown(folder: Path) -> None:
    write(folder, SHOP.replace("after = click", "after = clik").replace("people.user", "people.usr"), "wrong.aesm")
    assert [one.code for one in said(show("wrong.aesm"))] == ["E216", "E203"]
    assert show("wrong.aesm", "--stage", "tree").exit_code == 0, "the text is sound"
    assert [one.code for one in said(show("nothing.aesm"))] == ["E110"]
    write(folder, Spec.parse(PEOPLE_SPEC).model_dump_json(by_alias=True), "spec.json")
    assert [one.code for one in said(show("spec.json", "--stage", "tree"))] == ["E110"]


def test_warnings_go_beside_the_result(folder: Path) -> None:
    write(folder, PEOPLE_SPEC.replace("aesm = 1\n", ""), "old.aesm")
    done = show("old.aesm")
    assert done.exit_code == 0
    assert done.stderr.startswith("warning[W101]")
    assert done.stdout.startswith("aesm = 1\n")


TRAIN = "  data {"
"""Where a block `train` is written into the file."""


@pytest.mark.parametrize(
    ("code", "path", "value", "old", "new"),
    [
        ("E203", "tasks.task.buy.after", "clik", "after = click", "after = clik"),
        ("E210", "train.optimizer", "rprop(rate: 1)", TRAIN, "  train { optimizer = rprop(rate: 1) }\n  data {"),
        ("E211", "train.optimizer", "adam(speed: 1)", TRAIN, "  train { optimizer = adam(speed: 1) }\n  data {"),
        ("E301", "train.seed", '"7"', TRAIN, '  train { seed = "7" }\n  data {'),
        ("E302", "level.page.experts.count", "0", "{ hidden", "{ count = 0; hidden"),
        ("E303", "train.batch", "64 samples", TRAIN, "  train { batch = 64 samples }\n  data {"),
        ("E304", "train.batch", "64", TRAIN, "  train { batch = 64 }\n  data {"),
        ("E305", "train.seed", "7 times", TRAIN, "  train { seed = 7 times }\n  data {"),
        ("E306", "experts.norm", "leyer", "norm = none", "norm = leyer"),
        ("E408", "level.page.experts.specific", "9", "{ hidden", "{ specific = 9; hidden"),
    ],
)
def test_a_flag_is_told_in_the_words_of_the_file(
    folder: Path, code: str, path: str, value: str, old: str, new: str
) -> None:
    assert SHOP.count(old) == 1
    write(folder, SHOP.replace(old, new), "written.aesm")
    (in_file,) = check("written.aesm")
    (by_flag,) = said(show("shop.aesm", "--set", f"{path}={value}"))
    assert in_file.code == by_flag.code == code
    assert (by_flag.message, by_flag.label, by_flag.help) == (in_file.message, in_file.label, in_file.help)
    assert in_file.span
    assert by_flag.span
    assert (by_flag.span.source.path, by_flag.span.text) == ("--set", in_file.span.text)


@pytest.mark.parametrize(
    ("flag", "help"),
    [
        ("train.bacth=64 rows", "did you mean `train.batch`?"),
        ("level.page.experts.cuont=4", "did you mean `level.page.experts.count`?"),
        ("level.pgae.experts.count=4", "did you mean `level.page.experts.count`?"),
        ("features.user.town=category", ""),
        ("train.optimizer.rate=0.1", "`train.optimizer` is one setting: write all of it"),
        ("batch=64 rows", ""),
        ("count", "for example `--set level.card.experts.count=4`"),
        ("level page { }", "for example `--set level.card.experts.count=4`"),
        ("", "for example `--set level.card.experts.count=4`"),
    ],
)
def test_a_flag_that_would_change_nothing_is_told(folder: Path, flag: str, help: str) -> None:
    (item,) = said(show("shop.aesm", "--set", flag))
    assert item.code == "E209"
    assert item.span
    assert item.span.source.path == "--set"
    assert " ".join(item.help).startswith(help)


def test_a_flag_reaches_every_kind_of_block(folder: Path) -> None:
    flags = {
        "budget": "2000000 parameters",
        "experts.repeat": "1",
        "level.page.column": "entry",
        "level.page.node.home.value": '"h"',
        "level.page.experts.shared": "1",
        "tasks.tower": "[8, 8]",
        "tasks.task.buy.weight": "2",
        "tasks.experts.dropout": "10%",
        "train.length": "3 steps",
        "data.train": '["a.csv", "b.csv"]',
        "baseline.match": "flops",
    }
    done = show("shop.aesm", *(word for path, value in flags.items() for word in ("--set", f"{path}={value}")))
    assert done.exit_code == 0
    for path, value in flags.items():
        word = path.rpartition(".")[2]
        assert re.search(rf"^\s+{word} += {re.escape(value)} +# --set$", done.stdout, re.MULTILINE), path


def test_several_flags_are_told_together_and_the_last_of_two_counts(folder: Path) -> None:
    found = said(show("shop.aesm", "--set", "train.batch=64", "--set", "train.sede=1", "--set", "embed=0"))
    assert sorted(one.code for one in found) == ["E209", "E302", "E304"]
    twice = show("shop.aesm", "--set", "embed=4", "--set", "embed=6", "--set", "use=people.usr", "--set", "use=people")
    assert re.search(r"^  embed += 6 +# --set$", twice.stdout, re.MULTILINE)
    clean(check("shop.aesm", ["use=people.usr", "use=people"]))


def test_a_flag_mends_what_it_replaces(folder: Path) -> None:
    """The value in the file does not count, so what is wrong with it is not told."""
    write(folder, SHOP.replace("count = 6", "count = many"), "wrong.aesm")
    assert [one.code for one in said(show("wrong.aesm"))] == ["E301"]
    assert show("wrong.aesm", "--set", "experts.count=4").exit_code == 0


def test_the_architecture_of_another_flag_is_its_own(folder: Path) -> None:
    shown = compile_spec("shop.aesm", arch="mmoe").resolved(origins=True)
    assert re.search(r"^  architecture += mmoe +# --arch$", shown, re.MULTILINE)
