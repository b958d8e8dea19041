"""Reads a value of the tree by the kind of its setting, and reports everything that can be wrong with it.

numbers.py reads numbers, call_reader.py calls.
"""

from __future__ import annotations

from typing import Any

from aesm_dsl.findings.diagnostic import suggest
from aesm_dsl.findings.fix import replacement
from aesm_dsl.findings.lookalike import normalize
from aesm_dsl.spec import kinds
from aesm_dsl.spec.call_reader import CallReader
from aesm_dsl.spec.kinds import WORDS_FOR_NONE, Kind, describe
from aesm_dsl.spec.numbers import read_finite, read_number, read_quantity
from aesm_dsl.spec.places import Places
from aesm_dsl.spec.value_errors import ExpectedValue, InvalidValue, SpecReporter
from aesm_dsl.syntax import tree


class ValueReader:
    """Reads values, records their places, and reports what is wrong with them."""

    def __init__(self, reporter: SpecReporter, places: Places) -> None:
        self.reporter = reporter
        self.places = places
        self.calls = CallReader(reporter, places, self.read)

    def read(self, kind: Kind, value: tree.Value, expected: ExpectedValue) -> Any:
        """Reads a value.

        Args:
            kind: the part of the expected kind that has not been handled yet.
            value: the value.
            expected: the whole of what is expected, for messages.
        Returns:
            The value as pydantic takes it: numbers, strings, tuples, None, and dicts for calls and quantities.
        Raises:
            InvalidValue: the value cannot be used.
        """
        match kind:
            case kinds.OptionalKind(of):
                other_word = isinstance(value, tree.Word) and value.text.casefold() in WORDS_FOR_NONE
                if other_word and not isinstance(of, kinds.NameKind):  # A column may be called `no`.
                    raise self.reporter.wrong_type(value, expected, help=replacement("none", value.span))
                return None if _is_word(value, "none") else self.read(of, value, expected)
            case kinds.AutoKind(of):
                return "auto" if _is_word(value, "auto") else self.read(of, value, expected)
            case kinds.EitherKind(options):
                is_call = isinstance(value, tree.Call)
                fitting = [option for option in options if isinstance(option, kinds.CallKind) == is_call]
                if isinstance(value, tree.List):
                    fitting.sort(key=lambda option: not isinstance(option, kinds.ListKind))
                return self.read((fitting or options)[0], value, expected)
            case kinds.ListKind():
                return self._read_list(kind, value, expected)
            case kinds.CallKind():
                return self.calls.read(kind, value, expected)
            case kinds.ChoiceKind(words):
                return self._read_choice(words, value, expected)
            case kinds.SwitchKind():
                return self._read_choice(kind.words, value, expected) == "true"
            case kinds.QuantityKind(units):
                return read_quantity(self.reporter, units, value, expected)
            case kinds.IntegerKind() | kinds.RealKind() | kinds.ShareKind():
                return read_number(self.reporter, kind, value, expected)
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
                    raise self.reporter.wrong_type(value, expected, help=help)
            case kinds.TextKind():
                if isinstance(value, tree.Text):
                    return value.text
                if isinstance(value, tree.Word):
                    raise self._unquoted(value, expected)
            case kinds.LiteralKind():
                if isinstance(value, tree.Text):
                    return value.text
                if isinstance(value, tree.Number) and not value.unit:
                    return read_finite(self.reporter, value, expected)
                if isinstance(value, tree.Word):
                    raise self._unquoted(value, expected)
        raise self.reporter.wrong_type(value, expected)

    def _unquoted(self, value: tree.Word, expected: ExpectedValue) -> InvalidValue:
        help = replacement(f'"{value.text}"', value.span, f'write it in quotes: `"{value.text}"`')
        return self.reporter.wrong_type(value, expected, help=help)

    def _read_list(self, kind: kinds.ListKind, value: tree.Value, expected: ExpectedValue) -> tuple[Any, ...]:
        if not isinstance(value, tree.List):
            if not kind.single:
                shown = value.span.text if isinstance(value, tree.Number | tree.Word | tree.Text) else "..."
                line = f"a list stands in brackets: `[{shown}]`"
                help = replacement(f"[{shown}]", value.span, line) if shown != "..." else line
                raise self.reporter.wrong_type(value, expected, help=help)
            return (self.read(kind.of, value, expected),)
        items, valid = [], True
        for position, item in enumerate(value.items):
            self.places.values[f"{expected.path}.{position}"] = item.span
            try:
                items.append(self.read(kind.of, item, expected.item(kind.of)))
            except InvalidValue:
                valid = False
        if not valid:
            raise InvalidValue
        if len(items) < kind.least:
            values = f"{kind.least} value{'s' * (kind.least > 1)}"
            help = f"for example `{expected.example}`" if expected.example else "write one"
            raise self.reporter.invalid(
                "E302", f"{expected.name} needs at least {values}", value.span, label="empty", help=help
            )
        return tuple(items)

    def _read_choice(self, words: tuple[str, ...], value: tree.Value, expected: ExpectedValue) -> str:
        if isinstance(value, tree.Word) and value.text in words:
            return value.text
        if isinstance(value, tree.Word) or (isinstance(value, tree.Text) and value.text not in words):
            raise self.reporter.invalid(
                "E306",
                f"{expected.name} cannot be `{value.text}`",
                value.span,
                label=f"expected {describe(expected.kind)}",
                help=suggest(value.text, words, value.span) or expected.hint,
            )
        raise self.reporter.wrong_type(value, expected)


def _is_word(value: tree.Value, word: str) -> bool:
    return isinstance(value, tree.Word) and value.text == word
