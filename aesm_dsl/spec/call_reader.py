"""Calls: `name(argument: value, ...)` -> the fields of its model, and what is wrong with its arguments in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from aesm_dsl.findings.diagnostic import Related, quoted, suggest
from aesm_dsl.findings.fix import deletion, replacement, replacements
from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import BlockModel
from aesm_dsl.spec.example import setting_example
from aesm_dsl.spec.kinds import Kind, describe
from aesm_dsl.spec.places import Places
from aesm_dsl.spec.synonyms import synonym_help
from aesm_dsl.spec.value_errors import ExpectedValue, InvalidValue, SpecReporter, accepts
from aesm_dsl.spec.where_words_live import location_help
from aesm_dsl.syntax import tree

_COMMA = r"[,，、]\s*"
"""What separates arguments, or is taken for it."""

_GROUPS_OF_DIGITS = re.compile(rf"\d{{1,3}}((?:{_COMMA}\d{{3}})+)(?!\d|{_COMMA}\d)")

ReadValue = Callable[[Kind, tree.Value, ExpectedValue], Any]


class CallReader:
    """Reads calls; `read_value` reads their arguments' values."""

    def __init__(self, teller: SpecReporter, places: Places, read_value: ReadValue) -> None:
        self.teller = teller
        self.places = places
        self.read_value = read_value

    def read(self, kind: kinds.CallKind, value: tree.Value, asked: ExpectedValue) -> dict[str, Any]:
        """The call's name as `call` and the arguments that are given, or Wrong."""
        models = {model.call_name(): model for model in kind.models}
        given: tuple[tree.Argument, ...] = ()
        if isinstance(value, tree.Word):
            name = value
        elif isinstance(value, tree.Call):
            name, given = value.name, value.arguments
        else:
            raise self.teller.wrong_type(
                value, asked, [_about(one) for one in kind.models] if not asked.example else ""
            )
        model = models.get(name.text)
        if model is None:
            guess = suggest(name.text, models, name.span) or synonym_help(name.text, models)
            raise self.teller.wrong(
                "E210",
                f"{asked.name} cannot be `{name.text}`",
                name.span,
                label=f"expected {describe(kind if guess else asked.kind)}",
                help=guess or [_about(one) for one in models.values()],
            )
        return {"call": name.text, **self._arguments(model, name, given, value, asked.path)}

    def _arguments(
        self, model: type[BlockModel], name: tree.Word, given: tuple[tree.Argument, ...], value: tree.Value, path: str
    ) -> dict[str, Any]:
        known, found, sound = model.kinds(), {}, True
        first: dict[str, tree.Word] = {}
        digits, taken = 0, {one.name.text for one in given if one.name}
        for position, argument in enumerate(given):
            word = argument.name
            if digits:
                digits -= 1
            elif digits := self._in_groups(given[position:]):
                first |= {word.text: word} if word else {}
            elif word is None:
                self._nameless(argument, name, model, taken)
            elif word.text not in known:
                self._unknown(word, name, list(known))
            elif word.text in first:
                second = Related(first[word.text].span, "first given here")
                message, help = f"`{word.text}` is given twice", "delete one of them"
                self.teller.tell("E205", message, word.span, label="again", help=help, second=second)
            else:
                first[word.text] = word
                argument_path = f"{path}.{word.text}"
                self.places.values[argument_path] = argument.value.span
                self.places.keys[argument_path] = word.span
                kind = known[word.text]
                assert not isinstance(kind, kinds.BlockKind | kinds.MembersKind)
                asked = ExpectedValue(f"`{word.text}`", argument_path, kind, setting_example(model, word.text))
                try:
                    found[model.field_of(word.text)] = self.read_value(kind, argument.value, asked)
                    continue
                except InvalidValue:
                    pass
            sound = False
        missing = [w for w in known if w not in first and model.model_fields[model.field_of(w)].is_required()]
        if missing and sound:
            self.teller.tell(
                "E307",
                f"`{name.text}` needs {quoted(missing)}",
                value.span,
                label="missing here",
                help=[f"write `{word}: ...`: {model.help_of(word)}" for word in missing],
            )
            sound = False
        if not sound:
            raise InvalidValue
        return found

    def _nameless(self, argument: tree.Argument, name: tree.Word, model: type[BlockModel], taken: set[str]) -> None:
        """Tells an argument without its name; the one it must be, if there is one, joins those that are `taken`."""
        shown, known = argument.span.text, model.kinds()
        fitting = [word for word, kind in known.items() if word not in taken and accepts(kind, argument.value)]
        taken.update(fitting if len(fitting) == 1 else ())
        self.teller.tell(
            "E211",
            f"the arguments of `{name.text}` have names" if known else f"`{name.text}` has no arguments",
            argument.span,
            label="without a name" if known else "not needed",
            help=replacements([f"{word}: {shown}" for word in fitting], argument.span)
            if fitting
            else f"its arguments are {quoted(known)}"
            if known
            else deletion(argument.span),
        )

    def _in_groups(self, arguments: tuple[tree.Argument, ...]) -> int:
        """How many arguments are groups of three digits of the number in the first, as in `1,000,000`; tells it."""
        first = arguments[0].value
        if not isinstance(first, tree.Number):
            return 0
        text, start = first.span.source.text, first.span.start
        match = _GROUPS_OF_DIGITS.match(text, start)
        if match is None:
            return 0
        place = first.span.source.span(start, match.end())
        help = replacement(re.sub(_COMMA, "_", place.text), place)
        message = f"a `,` inside the number `{place.text}`"
        self.teller.tell("E211", message, place, label="these are several arguments", help=help)
        return len(re.findall(_COMMA, match.group(1)))

    def _unknown(self, word: tree.Word, name: tree.Word, known: list[str]) -> None:
        self.teller.tell(
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


def _about(model: type[BlockModel]) -> str:
    """What a call is for, as a line of help."""
    sentence = (model.__doc__ or "").partition(". ")[0].partition("\n")[0].rstrip(".")
    call = f"{model.call_name()}{'(...)' if model.kinds() else ''}"
    return f"`{call}`: {sentence[:1].lower()}{sentence[1:]}"
