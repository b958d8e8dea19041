"""What a file has outside of all blocks: the edition of the language, and the one model."""

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
    """Checks the edition that a file states; returns whether this version can read it."""
    settings = [statement for statement in file.statements if isinstance(statement, tree.Setting)]
    first = next((setting for setting in settings if setting.key.text == "aesm"), None)
    for setting in settings:
        if setting.key.text != "aesm":
            _report_outside(reporter, setting.key, first is None)
        elif first is not None and setting is not first:
            report_setting_twice(reporter, first.key, setting.key)
    if first is None:
        if any(_means_edition(setting.key) for setting in settings) or _is_damaged(file, "aesm"):
            return True
        if not file.statements:
            return True  # an empty file is reported elsewhere
        start = file.statements[0].span
        span = Span(start.source, start.start, start.start)
        help = replacement(f"aesm = {EDITION}\n\n", edition_span(file), f"write `aesm = {EDITION}` on the first line")
        label = f"edition {EDITION} is assumed"
        reporter.report("W101", "the language edition is not stated", span, label=label, help=help)
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
    """Returns where the edition goes in a file without one: above the comments of the first statement."""
    first, text = file.statements[0], file.source.text
    at = first.span.start
    for comment in reversed(first.before):
        hashbang = comment.span.start == 0 and comment.text.startswith("#!")
        if hashbang or (text.count("\n", comment.span.end, at) > 1 and not comment.text.startswith("##")):
            break
        at = comment.span.start
    return file.source.span(at, at)


def _report_outside(reporter: SpecReporter, key: tree.Word, maybe_edition: bool) -> None:
    """Adds E202 for a setting outside the model."""
    help: str | HelpWithFix = location_help(key.text) or "settings belong inside `model NAME { ... }`"
    if maybe_edition and _means_edition(key):
        help = replacement("aesm", key.span, "did you mean `aesm`?")
    label = f"only `aesm = {EDITION}` may stand here"
    reporter.report("E202", f"`{key.text}` stands outside the model", key.span, label=label, help=help)


def _means_edition(key: tree.Word) -> bool:
    """Whether a setting was probably meant as `aesm`."""
    return key.text in ("edition", "version") or guess_word(key.text, ["aesm"]) is not None


def _is_damaged(file: tree.File, word: str) -> bool:
    """Whether the word is in a part of the file that could not be read."""
    return any(word in span.text.split() for span in file.damaged)


def _is_part(block: tree.Block) -> bool:
    """Whether a block belongs in a model."""
    return isinstance(Spec.kinds().get(block.kind.text), BlockKind)


def find_model_block(file: tree.File, reporter: SpecReporter) -> tree.Block | None:
    """Returns the file's one model, or what was probably meant as one; None after adding that there is none."""
    blocks = [statement for statement in file.statements if isinstance(statement, tree.Block)]
    models = [block for block in blocks if block.kind.text == "model"]
    misspelt = [
        block for block in blocks if block.kind.text not in Spec.kinds() and guess_word(block.kind.text, ["model"])
    ]
    parts = [block for block in blocks if _is_part(block)]
    if parts and not models and not misspelt and not file.damaged:
        # One finding for all blocks: what they lack is the model around them.
        reporter.report(
            "E307",
            "there is no model in this file",
            parts[0].head,
            label=f"`{parts[0].kind.text}` is a part of a model",
            help="write `model NAME {` above it, and `}` at the end",
        )
        return None
    for block in blocks:
        if _is_part(block):
            label, help = "a part of a model", "move it inside `model NAME { ... }`"
            reporter.report("E201", f"`{block.kind.text}` stands outside the model", block.head, label=label, help=help)
        elif block.kind.text in Spec.kinds():
            label, help = "a setting of a model", f"write `{block.kind.text} = ...` inside `model NAME {{ ... }}`"
            reporter.report("E201", f"`{block.kind.text}` stands outside the model", block.head, label=label, help=help)
        elif block.kind.text != "model":
            report_unknown_block(reporter, block, _TOP, "a file")
    models = models or misspelt
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
