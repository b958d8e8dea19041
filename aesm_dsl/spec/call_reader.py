"""Reads calls `name(argument: value, ...)` into the fields of their models, and reports mistakes in their arguments."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from aesm_dsl.findings.diagnostic import Related, quoted, suggest
from aesm_dsl.findings.fix import deletion, replacement, replacements
from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import BlockModel
from aesm_dsl.spec.kinds import Kind, describe
from aesm_dsl.spec.places import Places
from aesm_dsl.spec.synonyms import synonym_help
from aesm_dsl.spec.value_errors import ExpectedValue, InvalidValue, SpecReporter, accepts
from aesm_dsl.spec.where_words_live import location_help
from aesm_dsl.spec.write import setting_example
from aesm_dsl.syntax import tree

_COMMA = r"[,，、]\s*"
"""Matches the comma between arguments, or its full-width form."""

_GROUPS_OF_DIGITS = re.compile(rf"\d{{1,3}}((?:{_COMMA}\d{{3}})+)(?!\d|{_COMMA}\d)")

ReadValue = Callable[[Kind, tree.Value, ExpectedValue], Any]


class CallReader:
    """Reads calls; `read_value` reads the values of their arguments."""

    def __init__(self, reporter: SpecReporter, places: Places, read_value: ReadValue) -> None:
        self.reporter = reporter
        self.places = places
        self.read_value = read_value

    def read(self, kind: kinds.CallKind, value: tree.Value, expected: ExpectedValue) -> dict[str, Any]:
        """Reads a call, or a bare name that stands for a call without arguments.

        Returns:
            The fields of the call's model: its name as `call`, and the written arguments.
        Raises:
            InvalidValue: the call cannot be used.
        """
        models = {model.call_name(): model for model in kind.models}
        arguments: tuple[tree.Argument, ...] = ()
        if isinstance(value, tree.Word):
            name = value
        elif isinstance(value, tree.Call):
            name, arguments = value.name, value.arguments
        else:
            help = [_purpose(model) for model in kind.models] if not expected.example else ""
            raise self.reporter.wrong_type(value, expected, help)
        model = models.get(name.text)
        if model is None:
            guess = suggest(name.text, models, name.span) or synonym_help(name.text, models)
            raise self.reporter.invalid(
                "E210",
                f"{expected.name} cannot be `{name.text}`",
                name.span,
                label=f"expected {describe(kind if guess else expected.kind)}",
                help=guess or [_purpose(model) for model in models.values()],
            )
        return {"call": name.text, **self._read_arguments(model, name, arguments, value, expected.path)}

    def _read_arguments(
        self,
        model: type[BlockModel],
        name: tree.Word,
        arguments: tuple[tree.Argument, ...],
        value: tree.Value,
        path: str,
    ) -> dict[str, Any]:
        known, fields, valid = model.kinds(), {}, True
        first: dict[str, tree.Word] = {}
        digit_groups, taken = 0, {argument.name.text for argument in arguments if argument.name}
        for position, argument in enumerate(arguments):
            word = argument.name
            if digit_groups:
                digit_groups -= 1
            elif digit_groups := self._report_digit_groups(arguments[position:]):
                first |= {word.text: word} if word else {}
            elif word is None:
                self._report_nameless(argument, name, model, taken)
            elif word.text not in known:
                self._report_unknown(word, name, list(known))
            elif word.text in first:
                second = Related(first[word.text].span, "first given here")
                message, help = f"`{word.text}` is given twice", "delete one of them"
                self.reporter.report("E205", message, word.span, label="again", help=help, second=second)
            else:
                first[word.text] = word
                argument_path = f"{path}.{word.text}"
                self.places.values[argument_path] = argument.value.span
                self.places.keys[argument_path] = word.span
                kind = known[word.text]
                assert not isinstance(kind, kinds.BlockKind | kinds.MembersKind)
                expected = ExpectedValue(f"`{word.text}`", argument_path, kind, setting_example(model, word.text))
                try:
                    fields[model.field_of(word.text)] = self.read_value(kind, argument.value, expected)
                    continue
                except InvalidValue:
                    pass
            valid = False
        missing = [w for w in known if w not in first and model.model_fields[model.field_of(w)].is_required()]
        if missing and valid:
            self.reporter.report(
                "E307",
                f"`{name.text}` needs {quoted(missing)}",
                value.span,
                label="missing here",
                help=[f"write `{word}: ...`: {model.help_of(word)}" for word in missing],
            )
            valid = False
        if not valid:
            raise InvalidValue
        return fields

    def _report_nameless(
        self, argument: tree.Argument, name: tree.Word, model: type[BlockModel], taken: set[str]
    ) -> None:
        """Reports an argument without a name; if only one can be meant, adds it to the names that are `taken`."""
        text, known = argument.span.text, model.kinds()
        fitting = [word for word, kind in known.items() if word not in taken and accepts(kind, argument.value)]
        taken.update(fitting if len(fitting) == 1 else ())
        self.reporter.report(
            "E211",
            f"the arguments of `{name.text}` have names" if known else f"`{name.text}` has no arguments",
            argument.span,
            label="without a name" if known else "not needed",
            help=replacements([f"{word}: {text}" for word in fitting], argument.span)
            if fitting
            else f"its arguments are {quoted(known)}"
            if known
            else deletion(argument.span),
        )

    def _report_digit_groups(self, arguments: tuple[tree.Argument, ...]) -> int:
        """Reports a number with commas, as in `1,000,000`, in the first argument.

        Returns:
            How many of the following arguments are groups of its digits; 0 if it is no such number.
        """
        first = arguments[0].value
        if not isinstance(first, tree.Number):
            return 0
        text, start = first.span.source.text, first.span.start
        match = _GROUPS_OF_DIGITS.match(text, start)
        if match is None:
            return 0
        span = first.span.source.span(start, match.end())
        help = replacement(re.sub(_COMMA, "_", span.text), span)
        message = f"a `,` inside the number `{span.text}`"
        self.reporter.report("E211", message, span, label="these are several arguments", help=help)
        return len(re.findall(_COMMA, match.group(1)))

    def _report_unknown(self, word: tree.Word, name: tree.Word, known: list[str]) -> None:
        self.reporter.report(
            "E211",
            f"`{name.text}` has no argument `{word.text}`",
            word.span,
            label="not known",
            help=[
                location_help(word.text, call=True)
                or synonym_help(word.text, known, call=True)
                or suggest(word.text, known, word.span),
                f"its arguments are {quoted(known)}" if known else "delete it: there are none",
            ],
        )


def _purpose(model: type[BlockModel]) -> str:
    """A line of help that says what a call is for: the first sentence of its docstring."""
    sentence = (model.__doc__ or "").partition(". ")[0].partition("\n")[0].rstrip(".")
    call = f"{model.call_name()}{'(...)' if model.kinds() else ''}"
    return f"`{call}`: {sentence[:1].lower()}{sentence[1:]}"
