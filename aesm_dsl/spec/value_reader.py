"""Tree value -> Python value, by the kind of its setting; every way it can be wrong has its sentence here.

Numbers are in number.py, calls in call.py.
"""

from __future__ import annotations

from typing import Any

from aesm_dsl.findings.diagnostic import normalize, suggest
from aesm_dsl.findings.fix import replacement
from aesm_dsl.spec import kinds
from aesm_dsl.spec.call_reader import CallReader
from aesm_dsl.spec.kinds import WORDS_FOR_NONE, Kind, describe
from aesm_dsl.spec.numbers import read_finite, read_number, read_quantity
from aesm_dsl.spec.places import Places
from aesm_dsl.spec.value_errors import ExpectedValue, InvalidValue, SpecReporter
from aesm_dsl.syntax import tree


class ValueReader:
    """Reads values; remembers their places, tells what is wrong with them."""

    def __init__(self, teller: SpecReporter, places: Places) -> None:
        self.teller = teller
        self.places = places
        self.calls = CallReader(teller, places, self.read)

    def read(self, kind: Kind, value: tree.Value, asked: ExpectedValue) -> Any:
        """The Python value, or Wrong. `kind` is the part of what is asked for that is left to look at."""
        match kind:
            case kinds.OptionalKind(of):
                nothing = isinstance(value, tree.Word) and value.text.casefold() in WORDS_FOR_NONE
                if nothing and not isinstance(of, kinds.NameKind):
                    raise self.teller.wrong_type(value, asked, help=replacement("none", value.span))
                return None if _is_word(value, "none") else self.read(of, value, asked)
            case kinds.AutoKind(of):
                return "auto" if _is_word(value, "auto") else self.read(of, value, asked)
            case kinds.EitherKind(options):
                calls = isinstance(value, tree.Call)
                fitting = [each for each in options if isinstance(each, kinds.CallKind) == calls]
                return self.read((fitting or options)[0], value, asked)
            case kinds.ListKind():
                return self._many(kind, value, asked)
            case kinds.CallKind():
                return self.calls.read(kind, value, asked)
            case kinds.ChoiceKind(words):
                return self._choice(words, value, asked)
            case kinds.QuantityKind(units):
                return read_quantity(self.teller, units, value, asked)
            case kinds.IntegerKind() | kinds.RealKind() | kinds.ShareKind():
                return read_number(self.teller, kind, value, asked)
            case kinds.NameKind():
                if isinstance(value, tree.Word):
                    return normalize(value.text)
                if isinstance(value, tree.Text):
                    return value.text
            case kinds.ReferenceKind():
                if isinstance(value, tree.Word):
                    return normalize(value.text)
                if isinstance(value, tree.Text):
                    help = replacement(value.text, value.span, f"refer by name, without quotes: `{value.text}`")
                    raise self.teller.wrong_type(value, asked, help=help)
            case kinds.TextKind():
                if isinstance(value, tree.Text):
                    return value.text
                if isinstance(value, tree.Word):
                    raise self._unquoted(value, asked)
            case kinds.LiteralKind():
                if isinstance(value, tree.Text):
                    return value.text
                if isinstance(value, tree.Number) and not value.unit:
                    return read_finite(self.teller, value, asked)
                if isinstance(value, tree.Word):
                    raise self._unquoted(value, asked)
        raise self.teller.wrong_type(value, asked)

    def _unquoted(self, value: tree.Word, asked: ExpectedValue) -> InvalidValue:
        help = replacement(f'"{value.text}"', value.span, f'write it in quotes: `"{value.text}"`')
        return self.teller.wrong_type(value, asked, help=help)

    def _many(self, kind: kinds.ListKind, value: tree.Value, asked: ExpectedValue) -> tuple[Any, ...]:
        if not isinstance(value, tree.List):
            if not kind.single:
                shown = value.span.text if isinstance(value, tree.Number | tree.Word | tree.Text) else "..."
                line = f"a list stands in brackets: `[{shown}]`"
                help = replacement(f"[{shown}]", value.span, line) if shown != "..." else line
                raise self.teller.wrong_type(value, asked, help=help)
            return (self.read(kind.of, value, asked),)
        items, sound = [], True
        for position, item in enumerate(value.items):
            self.places.values[f"{asked.path}.{position}"] = item.span
            try:
                items.append(self.read(kind.of, item, asked.item(kind.of)))
            except InvalidValue:
                sound = False
        if not sound:
            raise InvalidValue
        if len(items) < kind.least:
            values = f"{kind.least} value{'s' * (kind.least > 1)}"
            help = f"for example `{asked.example}`" if asked.example else "write one"
            raise self.teller.wrong(
                "E302", f"{asked.name} needs at least {values}", value.span, label="empty", help=help
            )
        return tuple(items)

    def _choice(self, words: tuple[str, ...], value: tree.Value, asked: ExpectedValue) -> str:
        if isinstance(value, tree.Word) and value.text in words:
            return value.text
        if isinstance(value, tree.Word) or (isinstance(value, tree.Text) and value.text not in words):
            raise self.teller.wrong(
                "E306",
                f"{asked.name} cannot be `{value.text}`",
                value.span,
                label=f"expected {describe(asked.kind)}",
                help=suggest(value.text, words, value.span) or asked.hint,
            )
        raise self.teller.wrong_type(value, asked)


def _is_word(value: tree.Value, word: str) -> bool:
    return isinstance(value, tree.Word) and value.text == word
