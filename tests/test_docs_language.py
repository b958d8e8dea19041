"""docs/language.md: what it shows is what aesm says, its reference is the vocabulary. `pytest --accept` writes both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aesm_dsl.editor.vocabulary import help_of
from aesm_dsl.spec.block_model import BlockModel, child_model
from aesm_dsl.spec.kinds import BlockKind
from aesm_dsl.spec.model import Spec
from tests.conftest import PROJECT
from tests.documents import blocks, shown_anew
from tests.reference import reference

PAGE = PROJECT / "docs" / "language.md"
MARK = "<!-- From here on made from the vocabulary; `make accept` writes it. -->\n"


def test_the_page_is_what_aesm_says_now(golden: Callable[[Path, str], None], tmp_path: Path) -> None:
    tour, mark, _ = shown_anew(PAGE, tmp_path).partition(MARK)
    assert mark
    golden(PAGE, f"{tour}{MARK}\n{reference()}")


def test_the_tour_shows_what_aesm_prints() -> None:
    shown = [block for block in blocks(PAGE) if block.language == "console"]
    assert len(shown) >= 6
    assert all(len(block.text.splitlines()) > len(block.commands) for block in shown)


def test_every_word_of_the_vocabulary_is_in_the_reference() -> None:
    text = reference()

    def walk(model: type[BlockModel]) -> None:
        assert help_of(model) in text
        for word, kind in model.kinds().items():
            assert model.help_of(word).replace("|", "\\|") in text
            if isinstance(kind, BlockKind):
                assert f"\n### `{word}`\n" in text
                walk(child_model(model, model.field_of(word)))

    walk(Spec)
    for call in ("adam", "category", "split", "anneal", "above"):
        assert f"\n### `{call}(...)`\n" in text
