"""What findings offer to mend, tried on the whole corpus of mistakes."""

from __future__ import annotations

import pytest

from aesm_dsl.editor.analysis import Analysis, analyse
from aesm_dsl.editor.code_actions import quick_fixes
from aesm_dsl.findings.fix import apply_edits
from aesm_dsl.findings.source import Source
from tests.editor.texts import at, changed
from tests.findings.test_mistakes import CORPUS, split


def look(text: str) -> Analysis:
    return analyse(Source("x.aesm", text))


def told(analysis: Analysis) -> list[tuple[str, str]]:
    return sorted((one.code, one.message) for one in analysis.findings)


def test_every_fix_of_the_corpus_mends_its_mistake() -> None:
    mended = set()
    for path in CORPUS:
        analysis = look(split(path.read_bytes().decode("utf-8"))[0])
        for fix in quick_fixes(analysis, 0, len(analysis.source.text)):
            after = told(look(apply_edits(analysis.source.text, fix.edits)))
            before = told(analysis)
            assert (fix.finding.code, fix.finding.message) in before
            before.remove((fix.finding.code, fix.finding.message))
            assert set(after) <= set(before), f"{path.name}: {fix.title}"
            mended.add(fix.finding.code)
    assert mended >= {"E102", "E104", "E201", "E202", "E203", "E210", "E211", "E303", "E304", "E305", "E306", "W101"}


@pytest.mark.parametrize(
    ("old", "new", "titles", "expected"),
    [
        ("under = home }", "under = hme }", ["write `home`"], "under = home }"),
        ("512 rows", "512", ["write `512 rows`"], "batch  = 512 rows\n"),
        ("3 epochs", "3", ["write `3 epochs`", "write `3 steps`", "write `3 hours`"], "length = 3 epochs\n"),
        ("count = 4", "count = 4 experts", ["write `4`"], "experts { count = 4 }"),
        ("under = page", "under = 卡片", [], ""),
        ("count = 4", "count ＝ 4；", ["write `= ;` on this line"], "count = 4;"),
        ("aesm = 1\n\n", "", ["write `aesm = 1`"], "aesm = 1\n\n## Everything"),
        ("    length = 3 epochs", "    }\n    length = 3 epochs", ["delete `}`"], "rows\n    \n    length"),
    ],
)
def test_a_fix_and_what_it_writes(old: str, new: str, titles: list[str], expected: str) -> None:
    analysis, _ = at(changed(old, new) + "|")
    found = quick_fixes(analysis, 0, len(analysis.source.text))
    assert [one.title for one in found] == titles
    assert all(one.only == (len(titles) == 1 and not one.title.startswith("delete")) for one in found)
    if found:
        assert expected in apply_edits(analysis.source.text, found[0].edits)


def test_full_width_keys_are_mended_line_by_line_or_everywhere() -> None:
    text = changed("count = 4", "count ＝ 4", changed("512 rows", "512 rows；"))
    first, everywhere, *rest = quick_fixes(look(text), 0, len(text))
    assert (first.title, everywhere.title) == ("write `=` on this line", "write the keys that are meant everywhere")
    assert "512 rows；" in apply_edits(text, first.edits)
    assert told(look(apply_edits(text, everywhere.edits))) == []
    assert rest, "the other line has its own"


def test_only_what_is_pointed_at_is_offered() -> None:
    text = changed("under = home }", "under = hme }", changed("512 rows", "512"))
    place = text.index("512")
    assert [one.title for one in quick_fixes(look(text), place, place)] == ["write `512 rows`"]
    assert quick_fixes(look(text), 0, 3) == []
