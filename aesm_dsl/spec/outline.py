"""What stands in a file outside all blocks: the edition of the language, and the one model."""

from __future__ import annotations

from aesm_dsl.diagnostic import Related, closest
from aesm_dsl.source import Span
from aesm_dsl.spec.model import EDITION
from aesm_dsl.spec.stray import unknown_block
from aesm_dsl.spec.teller import Teller
from aesm_dsl.syntax import tree


def edition(file: tree.File, teller: Teller) -> bool:
    """Whether the file's edition of the language is one this version reads."""
    settings = [one for one in file.statements if isinstance(one, tree.Setting)]
    first = next((one for one in settings if one.key.text == "aesm"), None)
    for one in settings:
        if one.key.text != "aesm":
            teller.tell(
                "E202",
                f"`{one.key.text}` stands outside the model",
                one.key.span,
                label="only `aesm = 1` may stand here",
                help="did you mean `aesm`?"
                if first is None and closest(one.key.text, ["aesm"])
                else "settings belong inside `model NAME { ... }`",
            )
        elif one is not first:
            assert first is not None
            teller.tell(
                "E205", "`aesm` is set twice", one.key.span, label="again", second=Related(first.span, "first here")
            )
    if first is None:
        if any(closest(one.key.text, ["aesm"]) for one in settings) or _stands_damaged(file, "aesm"):
            return True
        if not file.statements:
            return True  # that there is nothing at all is told elsewhere
        start = file.statements[0].span
        teller.tell(
            "W101",
            "the language edition is not stated",
            Span(start.source, start.start, start.start),
            label=f"edition {EDITION} is assumed",
            help=f"write `aesm = {EDITION}` on the first line",
        )
        return True
    value = first.value
    whole = isinstance(value, tree.Number) and isinstance(value.value, int) and not value.unit
    if not isinstance(value, tree.Number) or not whole or value.value < 1:
        teller.tell("E310", "the edition is a whole number", value.span, label=f"write `{EDITION}`")
    elif value.value > EDITION:
        teller.tell(
            "E310",
            f"this spec is written in edition {value.value} of the language",
            value.span,
            label=f"this version of aesm reads editions up to {EDITION}",
            help="install a newer aesm",
        )
        return False
    return True


def _stands_damaged(file: tree.File, word: str) -> bool:
    return any(word in span.text.split() for span in file.damaged)


def model_block(file: tree.File, teller: Teller) -> tree.Block | None:
    """The file's one model, or what was probably meant as one; None after telling that there is none."""
    models: list[tree.Block] = []
    meant: list[tree.Block] = []
    for one in file.statements:
        if isinstance(one, tree.Block) and one.kind.text == "model":
            models.append(one)
        elif isinstance(one, tree.Block):
            unknown_block(teller, one, {"import", "model"}, {"aesm"}, "a file")
            meant += [one] * (closest(one.kind.text, ["model"]) is not None)
    models = models or meant
    for extra in models[1:]:
        second = Related(models[0].head, "the first model")
        teller.tell("E204", "a file holds one model", extra.head, label="a second one", second=second)
    if not models and not file.damaged and not teller.findings.errors:
        teller.findings.add(
            "E307", "there is no model in this file", file.source.span(0, 0), help="write `model NAME { ... }`"
        )
    return models[0] if models else None
