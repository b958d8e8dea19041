"""What is offered, by where the cursor stands."""

from __future__ import annotations

import pytest

from aesm_dsl.editor.complete import Completion, complete
from aesm_dsl.findings.fix import Edit, apply_edits
from aesm_dsl.spec import kinds
from aesm_dsl.spec.training import METRICS, Train
from tests.editor.texts import SHOP, at, changed


def offered(text: str) -> list[Completion]:
    return complete(*at(text))


def labels(old: str, new: str) -> list[str]:
    return [item.label for item in offered(changed(old, new))]


FORM = ("decimal", "thousands", "strip", "percent")
"""Arguments of `number` that say how its cells are written."""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("512 rows", "512 |", ["rows"]),
        ("512 rows", "512 r|", ["rows"]),
        ("3 epochs", "3 |", ["epochs", "steps", "hours"]),
        ("3 epochs", "|", ["5 epochs"]),
        ("after = click", "after = |", ["none", "click"]),
        ("[home, cart]", "[|]", ["home", "cart"]),
        ("[home, cart]", "[home, c|]", ["home", "cart"]),
        ("under = page", "under = |", ["page"]),
        ("under = card", "under = |", ["page", "card"]),
        ("count = 4", "count = |", ["auto"]),
        ("= category", "= |", ["category", "id", "number", "date", "list", "sequence", "same", "cross", "vectors"]),
        ("quantiles: 8", "quantiles: 8, |", ["column", "embed", "scale", "encoding", *FORM, "only", "training_only"]),
        ("quantiles: 8", "|", ["column", "embed", "quantiles", "scale", "encoding", *FORM, "only", "training_only"]),
        ("batch  = 512 rows", "optimizer = ad|", ["adam", "adamw", "sgd", "adagrad"]),
        (
            "batch  = 512 rows",
            "stop = early(on: |)",
            ["mean_auc", "mean_gauc", "mean_ndcg", "log_loss", "normalised_entropy"],
        ),
        ('"首页"', '"首|页"', []),
        ("## Everything", "## Every|thing", []),
        ("node home", "node |home", []),
        ("number(quantiles: 8)", "number(quantiles: 8) |", []),
    ],
)
def test_values_units_and_names(old: str, new: str, expected: list[str]) -> None:
    assert labels(old, new) == expected


def test_a_block_offers_what_it_does_not_have() -> None:
    words = labels("batch  = 512 rows", "|")
    assert words == [word for word in Train.kinds() if word != "length"]
    inside = labels("    under = page", "    |")
    assert {"under", "column", "node"} <= set(inside)
    assert "experts" not in inside, "there is one"


def test_the_top_of_a_file() -> None:
    assert [item.label for item in offered("|")] == ["aesm", "import", "model"]
    assert [item.label for item in offered("|" + SHOP)] == ["import"]


def test_every_setting_of_the_vocabulary_is_offered_with_its_help() -> None:
    items = {item.label: item for item in offered("model m { train { | } }")}
    assert list(items) == list(Train.kinds())
    for word, kind in Train.kinds().items():
        assert items[word].help == Train.help_of(word)
        assert items[word].insert.startswith(f"{word} = ")
        assert isinstance(kind, kinds.BlockKind) or items[word].detail


@pytest.mark.parametrize(
    ("old", "new", "word", "expected"),
    [
        ("batch  = 512 rows", "ba|", "batch", "batch = "),
        ("batch  = 512 rows", "ba|tch = 1", "batch", "batch = 1"),
        ("512 rows", "512|", "rows", "512 rows"),
        ("512 rows", "512 ro|", "rows", "512 rows"),
        ("[home, cart]", "[home, ca|]", "cart", "[home, cart]"),
        ("= category", "= cat|", "category", "= category()"),
        ("number(quantiles", "num|(quantiles", "number", "number(quantiles"),
        ("quantiles: 8", "qu|", "quantiles", "quantiles: "),
        ("quantiles: 8", "qu|: 8", "quantiles", "quantiles: 8"),
    ],
)
def test_what_choosing_an_item_writes(old: str, new: str, word: str, expected: str) -> None:
    analysis, offset = at(changed(old, new))
    item = next(one for one in complete(analysis, offset) if one.label == word)
    edit = Edit(analysis.source.span(item.start, item.end), item.insert.replace("$0", ""))
    assert expected in apply_edits(analysis.source.text, [edit])


def test_half_typed_text_is_no_hindrance() -> None:
    for cut in range(0, len(SHOP), 3):
        complete(*at(SHOP[:cut] + "|"))
    half = SHOP[: SHOP.index("[home, cart]")] + "["
    assert [item.label for item in offered(half + "|")] == ["home", "cart"]


SEARCH = """  tune {
    level.card.experts.count = choice(2, 4)
    |
  }
  train {"""


def test_a_search_offers_paths_and_what_their_settings_take() -> None:
    paths = labels("  train {", SEARCH)
    assert {"train.batch", "level.page.experts.hidden", "features.user.age", "embed"} <= set(paths)
    assert not {"level.card.experts.count", "level.page", "train", "tune"} & set(paths)
    values = labels("  train {", SEARCH.replace("    |", "    train.optimizer = |"))
    assert values == ["choice", "int", "float", "log", "adam", "adamw", "sgd", "adagrad"]
    assert labels("  train {", SEARCH.replace("    |", "    train.optimizer = adam(|)"))[:2] == ["rate", "weight_decay"]
    assert labels("  train {", SEARCH.replace("    |", "    train.stop = early(on: choice(|))")) == list(METRICS)
    assert labels("  train {", SEARCH.replace("    |", "    train.batch = choice(64 |)")) == ["rows"]
    assert labels("  train {", SEARCH.replace("    |", "    nothing.at.all = |")) == ["choice", "int", "float", "log"]


def test_a_model_offers_its_search_once() -> None:
    assert "tune" in labels("  train {", "  |\n  train {")
    assert "tune" not in labels("  train {", SEARCH.replace("    |", "").replace("  train {", "  |\n  train {"))
