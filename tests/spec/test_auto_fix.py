"""What `aesm fmt --fix` mends, and what it leaves to a person."""

from __future__ import annotations

import pytest

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.auto_fix import apply_certain_fixes
from aesm_dsl.spec.load import load
from tests.findings.test_mistakes import CORPUS, split

SHOP = """\
aesm = 1
model shop {
  features user { age = number(quantiles: 8) }
  level page { node home "首页"; node cart { value = "cart" } }
  level card { under = page; node fund { under = home }; node bond { under = cart } }
  tasks { task click; task buy { after = click } }
  train { batch = 512 rows; length = 3 epochs }
}
"""


def told(text: str) -> list[str]:
    findings = Findings()
    load(Source("x.aesm", text), findings)
    return [item.code for item in findings]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("batch = 512 rows", "bach = 512"),
        ("number(quantiles: 8)", "nubmer（quantile： 8）"),
        ("level page", "levle page"),
        ("after = click", "after: klick"),
        ("under = home", "under = 首页"),
        ('value = "cart"', "value = 'cart'"),
        ('value = "cart"', "value = cart"),
        ("length = 3 epochs", 'length = 3 epoch; seed = "7"'),
        ("aesm = 1\n", ""),
        ("aesm = 1", 'aesm = "1"'),
        ("batch = 512 rows; ", "batch = 512 rows, "),
        ("number(quantiles: 8)", "number(quantiles=8]"),
    ],
)
def test_what_is_certain_is_mended(old: str, new: str) -> None:
    assert SHOP.count(old) == 1
    wrong = SHOP.replace(old, new)
    assert told(SHOP) == []
    assert told(wrong)
    source, done = apply_certain_fixes(Source("x.aesm", wrong))
    assert done
    assert told(source.text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("length = 3 epochs", "length = 3"),
        ("age = number", "user-age = number"),
        ("level page {", "level page"),
        ("batch = 512 rows", "batch = 0 rows"),
        ("task click;", ""),
    ],
)
def test_what_a_person_has_to_decide_is_left_alone(old: str, new: str) -> None:
    wrong = SHOP.replace(old, new)
    assert told(wrong)
    assert apply_certain_fixes(Source("x.aesm", wrong)) == (Source("x.aesm", wrong), [])


def test_full_width_keys_are_mended_outside_strings_and_comments() -> None:
    text = "aesm ＝ 1\nmodel m “基金：搜索” ｛ # 注释（：）\n  tasks { tower ＝ ［64， 32］；embed=8 ｝\n}\n"
    source, done = apply_certain_fixes(Source("x.aesm", text))
    assert [finding.code for finding, _ in done] == ["E102"] * 3
    assert source.text == 'aesm = 1\nmodel m "基金：搜索" { # 注释（：）\n  tasks { tower = [64, 32];embed=8 }\n}\n'


def test_the_edition_goes_above_the_comments_of_the_first_statement() -> None:
    source, _ = apply_certain_fixes(Source("x.aesm", SHOP.replace("aesm = 1\n", "## A shop.\n")))
    assert source.text.startswith("aesm = 1\n\n## A shop.\nmodel shop {")


def test_nothing_new_is_ever_found_in_what_was_mended() -> None:
    changed = 0
    for path in CORPUS:
        text = split(path.read_bytes().decode("utf-8"))[0]
        if "import" in text:
            continue
        source, done = apply_certain_fixes(Source(path.name, text))
        changed += bool(done)
        assert len(told(source.text)) <= len(told(text)) - len(done)
    assert changed > 40
