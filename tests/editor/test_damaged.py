"""No text is so broken that a question about it has no answer: pieces are put into and cut out of specs at random."""

from __future__ import annotations

import random

import pytest

from aesm_dsl.editor import lsp_types
from aesm_dsl.editor.analysis import analyse
from aesm_dsl.editor.code_actions import quick_fixes
from aesm_dsl.editor.complete import complete
from aesm_dsl.editor.hover import hover
from aesm_dsl.editor.outline import outline_of
from aesm_dsl.editor.rename import CannotRenameError, renamable, rename
from aesm_dsl.findings.fix import apply_edits
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.format_text import format_edits
from tests.editor.texts import SHOP

PIECES = (
    *'{}()[]=:,;"#\n.：｛“🙂',
    "",
    "auto",
    "use = ",
    'import a "b"\n',
    "level ",
    "node x",
    "features f {",
    "x = y",
)


def damaged(chance: random.Random) -> str:
    text = SHOP
    for _ in range(chance.randint(1, 5)):
        start = chance.randrange(len(text) + 1)
        text = text[:start] + chance.choice(PIECES) + text[start + chance.randint(0, 12) :]
    return text


@pytest.mark.parametrize("seed", range(4))
def test_every_question_has_an_answer(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        analysis = analyse(Source("shop.aesm", damaged(chance)))
        text = analysis.source.text
        assert all(
            one.range.start <= one.range.end
            for one in lsp_types.diagnostics(analysis.source, analysis.findings, "utf-16")
        )
        assert all(one.whole.start <= one.head.start for one in outline_of(analysis.file))
        assert bool(format_edits(analysis.source)) <= (not any(one.code.startswith("E1") for one in analysis.findings))
        for offset in chance.sample(range(len(text) + 1), 8):
            shown = hover(analysis, offset)
            assert shown is None or (shown.text and shown.start <= offset <= shown.end)
            assert all(item.start <= offset <= item.end for item in complete(analysis, offset))
            assert all(fix.edits for fix in quick_fixes(analysis, offset, offset))
            if renamable(analysis, offset):
                try:
                    renamed = apply_edits(text, rename(analysis, offset, "another"))
                except CannotRenameError:
                    continue
                again = analyse(Source("shop.aesm", renamed))
                assert len(again.findings) <= len(analysis.findings), renamed
