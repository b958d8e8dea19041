"""What stands in a file outside all blocks: the edition of the language, and the one model."""

from __future__ import annotations

from aesm_dsl.findings.diagnostic import Related, guess_word
from aesm_dsl.findings.fix import HelpWithFix, replacement
from aesm_dsl.findings.source import Span
from aesm_dsl.spec.kinds import BlockKind
from aesm_dsl.spec.misplaced import report_setting_twice, report_unknown_block
from aesm_dsl.spec.model import EDITION, Spec
from aesm_dsl.spec.value_errors import SpecReporter, describe_value
from aesm_dsl.spec.where_words_live import location_help
from aesm_dsl.syntax import tree

_TOP = {"import": BlockKind("import", many=True), "model": BlockKind("model", many=True)}


def check_edition(file: tree.File, reporter: SpecReporter) -> bool:
    """Whether the file's edition of the language is one this version reads."""
    settings = [one for one in file.statements if isinstance(one, tree.Setting)]
    first = next((one for one in settings if one.key.text == "aesm"), None)
    for one in settings:
        if one.key.text != "aesm":
            _outside(reporter, one.key, first is None)
        elif first is not None and one is not first:
            report_setting_twice(reporter, first.key, one.key)
    if first is None:
        if any(_means_edition(one.key) for one in settings) or _stands_damaged(file, "aesm"):
            return True
        if not file.statements:
            return True  # that there is nothing at all is told elsewhere
        start = file.statements[0].span
        place = Span(start.source, start.start, start.start)
        help = replacement(f"aesm = {EDITION}\n\n", edition_span(file), f"write `aesm = {EDITION}` on the first line")
        label = f"edition {EDITION} is assumed"
        reporter.report("W101", "the language edition is not stated", place, label=label, help=help)
        return True
    value = first.value
    whole = isinstance(value, tree.Number) and isinstance(value.value, int) and not value.unit
    if not isinstance(value, tree.Number) or not whole or value.value < 1:
        fraction = isinstance(value, tree.Number) and not value.unit
        label = "out of range" if whole else "this is not whole" if fraction else f"this is {describe_value(value)}"
        help = replacement(str(EDITION), value.span)
        reporter.report("E310", "the edition must be a whole number from 1", value.span, label=label, help=help)
    elif value.value > EDITION:
        reporter.report(
            "E310",
            f"this spec is written in edition {value.value} of the language",
            value.span,
            label=f"this version of aesm reads editions up to {EDITION}",
            help="install a newer aesm",
        )
        return False
    return True


def edition_span(file: tree.File) -> Span:
    """Where the edition goes in a file without one: above the comments that belong to the first statement."""
    first, text = file.statements[0], file.source.text
    at = first.span.start
    for comment in reversed(first.before):
        hashbang = comment.span.start == 0 and comment.text.startswith("#!")
        if hashbang or (text.count("\n", comment.span.end, at) > 1 and not comment.text.startswith("##")):
            break
        at = comment.span.start
    return file.source.span(at, at)


def _outside(reporter: SpecReporter, key: tree.Word, maybe_edition: bool) -> None:
    """E202 for a setting outside the model."""
    help: str | HelpWithFix = location_help(key.text) or "settings belong inside `model NAME { ... }`"
    if maybe_edition and _means_edition(key):
        help = replacement("aesm", key.span, "did you mean `aesm`?")
    label = f"only `aesm = {EDITION}` may stand here"
    reporter.report("E202", f"`{key.text}` stands outside the model", key.span, label=label, help=help)


def _means_edition(key: tree.Word) -> bool:
    return key.text in ("edition", "version") or guess_word(key.text, ["aesm"]) is not None


def _stands_damaged(file: tree.File, word: str) -> bool:
    return any(word in span.text.split() for span in file.damaged)


def _is_part(block: tree.Block) -> bool:
    """Whether it is a block that belongs in a model."""
    return isinstance(Spec.kinds().get(block.kind.text), BlockKind)


def find_model_block(file: tree.File, reporter: SpecReporter) -> tree.Block | None:
    """The file's one model, or what was probably meant as one; None after telling that there is none."""
    blocks = [one for one in file.statements if isinstance(one, tree.Block)]
    models = [one for one in blocks if one.kind.text == "model"]
    meant = [one for one in blocks if one.kind.text not in Spec.kinds() and guess_word(one.kind.text, ["model"])]
    parts = [one for one in blocks if _is_part(one)]
    if parts and not models and not meant and not file.damaged:
        # Every block lacks the same: the model around them.
        reporter.report(
            "E307",
            "there is no model in this file",
            parts[0].head,
            label=f"`{parts[0].kind.text}` is a part of a model",
            help="write `model NAME {` above it, and `}` at the end",
        )
        return None
    for one in blocks:
        if _is_part(one):
            label, help = "a part of a model", "move it inside `model NAME { ... }`"
            reporter.report("E201", f"`{one.kind.text}` stands outside the model", one.head, label=label, help=help)
        elif one.kind.text in Spec.kinds():
            label, help = "a setting of a model", f"write `{one.kind.text} = ...` inside `model NAME {{ ... }}`"
            reporter.report("E201", f"`{one.kind.text}` stands outside the model", one.head, label=label, help=help)
        elif one.kind.text != "model":
            report_unknown_block(reporter, one, _TOP, "a file")
    models = models or meant
    for extra in models[1:]:
        second, help = Related(models[0].head, "the first model"), "give each model a file of its own"
        reporter.report("E204", "a file holds one model", extra.head, label="a second one", help=help, second=second)
    if not models and not file.damaged and not reporter.findings.errors:
        label, help = "nothing but comments" if file.source.text.strip() else "empty", "write `model NAME { ... }`"
        if file.statements:
            label = "no model follows"
        start = file.source.span(0, 0)
        reporter.findings.add("E307", "there is no model in this file", start, label=label, help=help)
    return models[0] if models else None
