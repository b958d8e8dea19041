"""What is shown over words, names and values."""

from __future__ import annotations

import pytest

from aesm_dsl.editor.hover import hover
from tests.editor.texts import SHOP, at, changed


def shown(old: str, new: str, text: str = SHOP) -> str:
    found = hover(*at(changed(old, new, text)))
    return found.text if found else ""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "batch ",
            "ba|tch ",
            ["**batch** — rows of a training step", "whole number of rows, at least 1", "default `4096 rows`"],
        ),
        ("512 rows", "512 ro|ws", ["**rows**", "at least 1"]),
        ("3 epochs", "3| epochs", ["**length**", "a number of epochs, above 0 or a number of steps", "`5 epochs`"]),
        ("quantiles", "quanti|les", ["number of buckets, with equally many training rows each", "from 2 to 65,536"]),
        ("= number(", "= num|ber(", ["**number(...)** — A number, cut into buckets", "- `quantiles`:"]),
        ("= category", "= categ|ory", ["**category(...)**"]),
        ("  tasks {", "  tas|ks {", ["**tasks**", "The last level", "at most one"]),
        ("level page", "lev|el page", ["a level of the hierarchy", "any number of them, each with a name"]),
        ("aesm = 1", "ae|sm = 1", ["the edition of the language"]),
        ("model shop", "mod|el shop", ["**model**"]),
        ("budget", "bud|get", ["upper bound for automatic sizes", "`none` or a number of parameters"]),
        ("[home, cart]", "[home, ca|rt]", ["node **cart** of level `page`"]),
        ("after = click", "after = cl|ick", ["task **click**", "`label` is `click`: the task's name"]),
        ("= category", "= categ|roy", ["**city** — `category(...)`, `id(...)`"]),
        ("node home", "node ho|me", ["— 首页", "Where everybody 🙂 arrives.", '`value` is `"home"`: the node\'s name']),
        ("node fund", "node fu|nd", ["lies under every node of `page`"]),
        ("age  =", "a|ge  =", ["feature **age** of group `user`", "age  = number(quantiles: 8)"]),
    ],
)
def test_a_word_is_explained(old: str, new: str, said: list[str]) -> None:
    text = shown(old, new)
    for words in said:
        assert words in text, text


def test_what_auto_came_to() -> None:
    """Left open for the whole model, a setting comes to a value in every level that says nothing else."""
    text = shown("count = auto", "co|unt = auto")
    assert "- in `level.page` `8`: twice 2 nodes" in text
    assert "- in `tasks` `8`: twice 2 nodes" in text
    assert "level.card" not in text, "the card says its own"
    own = shown("count = 4", "count = au|to")
    assert "here `8`: twice 3 nodes" in own


def test_a_spec_with_mistakes_still_explains_its_words() -> None:
    broken = changed("under = home }", "under = hme }")
    text = shown("count = auto", "co|unt = auto", broken)
    assert "number of experts" in text
    assert "in `level.page`" not in text, "what it comes to is not known"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("## Everything", "## Eve|rything"),
        ('"首页"', '"首|页"'),
        ("batch  = 512", "batsch|  = 512"),
        ("budget", "\n|\nbudget"),
        ("budget = 2M", "strange { wo|rd = 1 }\n  budget = 2M"),
    ],
)
def test_nothing_is_said_of_other_text(old: str, new: str) -> None:
    assert shown(old, new) == ""


def test_the_place_is_that_of_the_word() -> None:
    analysis, offset = at(changed("node home", "node ho|me"))
    found = hover(analysis, offset)
    assert found is not None
    assert analysis.source.text[found.start : found.end] == "home"


@pytest.mark.parametrize(
    ("marked", "said"),
    [
        ("tu|ne {", ["**tune** — what `aesm tune` may search"]),
        ("level.card.exp|erts.count", ["**count** — ", "default `auto`"]),
        ("= cho|ice(2", ["**choice(...)** — one of several values"]),
        ("= ad|am(rate", ["**adam(...)**", "- `weight_decay`"]),
        ("rate|: log", ["**rate** — learning rate"]),
        ("= choice(64 ro|ws", ["**rows**", "at least 1"]),
    ],
)
def test_over_a_search(marked: str, said: list[str]) -> None:
    search = """tune {
    level.card.experts.count = choice(2, 4)
    train.optimizer = adam(rate: log(1e-4, 1e-2))
    train.batch = choice(64 rows, 128 rows)
  }
  train {"""
    text = shown("train {", search.replace(marked.replace("|", ""), marked))
    for one in said:
        assert one in text
