"""What an editor shows of imported files: definitions, help, words, names, findings, with what is not saved yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from aesm_dsl.editor.analysis import Analysis, analyse
from aesm_dsl.editor.code_actions import quick_fixes
from aesm_dsl.editor.complete import complete
from aesm_dsl.editor.definition import definition
from aesm_dsl.editor.hover import hover
from aesm_dsl.editor.outline import outline_of
from aesm_dsl.editor.rename import CannotRenameError, rename
from aesm_dsl.findings.fix import apply_edits
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.import_file import resolve_path

FUND = """\
aesm = 1

## What is sold.
features product "产品" {
  fee  = number(quantiles: 8)
  risk = category
}
features user { assets = number }
"""
SHOP = """\
aesm = 1

import fund "shared/fund.aesm"

model shop {
  use = [fund.product, fund.user]
  features page { hour = category }
  tasks { task click }
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "fund.aesm").write_text(FUND, encoding="utf-8")
    (tmp_path / "other.aesm").write_text("aesm = 1\nfeatures other { x = number }\n", encoding="utf-8")
    return tmp_path


def at(folder: Path, text: str, name: str = "shop.aesm", **texts: str) -> tuple[Analysis, int]:
    """The text without its mark `|`, looked at, and where the mark stood; `texts` are open and not saved."""
    before, _, after = text.partition("|")
    opened = {resolve_path(folder / "shared" / f"{one}.aesm"): other for one, other in texts.items()}
    return analyse(Source(str(folder / name), before + after), opened), len(before)


def marked(old: str, new: str, text: str = SHOP) -> str:
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the text"
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "file", "words", "line"),
    [
        ("fund.product", "fund.pro|duct", "shared/fund.aesm", "product", 4),
        ("fund.user", "fund.user|", "shared/fund.aesm", "user", 8),
        ("fund.product", "fu|nd.product", "shop.aesm", "fund", 3),
        ('"shared/fund.aesm"', '"shared/fu|nd.aesm"', "shared/fund.aesm", "", 1),
        ("import fund", "import fu|nd", "shop.aesm", "fund", 3),
    ],
)
def test_definition(folder: Path, old: str, new: str, file: str, words: str, line: int) -> None:
    span = definition(*at(folder, marked(old, new)))
    assert span is not None
    assert (span.source.path, span.text, span.line) == (str(folder / file), words, line)


@pytest.mark.parametrize(
    ("old", "new"), [("fund.product", "fund.no|thing"), ("fund.product", "no|thing.product"), ("tasks", "ta|sks")]
)
def test_nothing_is_defined(folder: Path, old: str, new: str) -> None:
    assert definition(*at(folder, marked(old, new))) is None


def test_hover_shows_what_is_taken(folder: Path) -> None:
    found = hover(*at(folder, marked("fund.product", "fund.pro|duct")))
    assert found is not None
    assert found.text == (
        f"feature group **product** — 产品, {folder}/shared/fund.aesm:4\n\nWhat is sold.\n\n`fee`, `risk`"
    )
    assert SHOP[found.start : found.end] == "product"
    of_import = hover(*at(folder, marked("import fund", "import fu|nd")))
    assert of_import is not None
    assert "- `fund.product`: `fee`, `risk`\n\n- `fund.user`: `assets`" in of_import.text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[fund.product, fund.user]", "|", ["fund", "fund.product", "fund.user"]),
        ("[fund.product, fund.user]", "[fund.|]", ["fund", "fund.product", "fund.user"]),
        ("fund.user", "fund.us|", ["fund", "fund.product", "fund.user"]),
        ('"shared/fund.aesm"', '"|"', ["other.aesm", "shared/fund.aesm"]),
        ('"shared/fund.aesm"', '"sha|', ["other.aesm", "shared/fund.aesm"]),
        ('fund "shared/fund.aesm"', '"|"', ["other.aesm", "shared/fund.aesm"]),
        ("model shop", 'model shop "|"', []),
    ],
)
def test_what_is_offered(folder: Path, old: str, new: str, expected: list[str]) -> None:
    assert [item.label for item in complete(*at(folder, marked(old, new)))] == expected


@pytest.mark.parametrize("new", ['"sh|are"', '"|"', '"shared/|'])
def test_a_path_takes_the_place_of_what_is_between_the_quotes(folder: Path, new: str) -> None:
    analysis, offset = at(folder, marked('"shared/fund.aesm"', new))
    item = complete(analysis, offset)[-1]
    text = analysis.source.text
    written = text[: item.start] + item.insert + text[item.end :]
    closed = written if new.endswith('"') else written.replace("fund.aesm\n", 'fund.aesm"\n')
    assert closed == SHOP


def test_paths_in_a_file_of_groups_count_from_it(folder: Path) -> None:
    (folder / "shared" / "more.aesm").write_text(FUND, encoding="utf-8")
    text = 'aesm = 1\nimport fund "|"\nuse = fund\n'
    assert [item.label for item in complete(*at(folder, text, "shared/all.aesm"))] == ["fund.aesm", "more.aesm"]


def test_a_file_of_groups_is_served_like_a_spec(folder: Path) -> None:
    offered = [item.label for item in complete(*at(folder, marked("quantiles: 8", "|", FUND), "shared/fund.aesm"))]
    assert offered[:4] == ["column", "embed", "quantiles", "scale"]
    found = hover(*at(folder, marked("fee ", "f|ee ", FUND), "shared/fund.aesm"))
    assert found is not None
    assert found.text.startswith("feature **fee** of group `product`")
    analysis, _ = at(folder, FUND + "|", "shared/fund.aesm")
    assert not analysis.findings
    assert [(one.kind, one.name, len(one.inside)) for one in outline_of(analysis.file)] == [
        ("features", "product", 2),
        ("features", "user", 1),
    ]
    taking = 'aesm = 1\n\nimport fund "fund.aesm"\n\nuse = fund.|\n'
    offered = [item.label for item in complete(*at(folder, taking, "shared/all.aesm"))]
    assert offered == ["fund", "fund.product", "fund.user"]


def test_renaming_an_import_and_what_is_not_renamed(folder: Path) -> None:
    analysis, offset = at(folder, marked("fund.product", "fu|nd.product"))
    text = apply_edits(analysis.source.text, rename(analysis, offset, "shared"))
    assert 'import shared "shared/fund.aesm"' in text
    assert "use = [shared.product, shared.user]" in text
    assert not analyse(Source(analysis.source.path, text)).findings
    with pytest.raises(CannotRenameError, match="nothing here has a name"):
        rename(*at(folder, marked("fund.product", "fund.pro|duct")), "goods")
    with pytest.raises(CannotRenameError, match="files that import this one"):
        rename(*at(folder, marked("features product", "features pro|duct", FUND), "shared/fund.aesm"), "goods")
    analysis, offset = at(folder, marked("fee ", "f|ee ", FUND), "shared/fund.aesm")
    assert "price  = number(column: fee, quantiles: 8)" in apply_edits(
        analysis.source.text, rename(analysis, offset, "price")
    )


def test_what_is_not_saved_counts(folder: Path) -> None:
    wrong = FUND.replace("number(quantiles: 8)", "nubmer()")
    analysis, _ = at(folder, SHOP + "|", fund=wrong)
    (finding,) = analysis.findings
    assert finding.code == "E210"
    assert finding.span
    assert finding.span.source.path == str(folder / "shared" / "fund.aesm")
    assert [one.source for one in finding.span.source.inclusions] == [analysis.source]
    renamed = FUND.replace("features product", "features goods")
    analysis, offset = at(folder, marked("fund.product", "fund.|"), fund=renamed)
    assert [item.label for item in complete(analysis, offset)] == ["fund", "fund.goods", "fund.user"]


@pytest.mark.parametrize(
    ("old", "new", "title"),
    [
        ('"shared/fund.aesm"', '"shared/|fnud.aesm"', 'write `"shared/fund.aesm"`'),
        ("fund.product", "fund.|prodcut", "write `fund.product`"),
        ("[fund.product, fund.user]", "|product", "write `fund.product`"),
        ("import fund ", "import |", 'write `import fund "shared/fund.aesm"`'),
    ],
)
def test_fixes(folder: Path, old: str, new: str, title: str) -> None:
    analysis, offset = at(folder, marked(old, new))
    (fix,) = quick_fixes(analysis, offset, offset)
    assert fix.title == title
    mended = analyse(Source(analysis.source.path, apply_edits(analysis.source.text, fix.edits)))
    assert not [one for one in mended.findings if one.severity == "error"]
