"""Tree value -> Python value, by the kind of its setting; every way it can be wrong has its sentence here.

Numbers are in number.py, calls in call.py.
"""

from __future__ import annotations

from typing import Any

from aesm_dsl.findings.diagnostic import normalize, suggest
from aesm_dsl.findings.fix import replacement
from aesm_dsl.spec import kinds
from aesm_dsl.spec.call_reader import Calls
from aesm_dsl.spec.kinds import NOTHING, Kind, describe
from aesm_dsl.spec.numbers import finite, number, quantity
from aesm_dsl.spec.places import Places
from aesm_dsl.spec.value_errors import Asked, Teller, Wrong
from aesm_dsl.syntax import tree


class Values:
    """Reads values; remembers their places, tells what is wrong with them."""

    def __init__(self, teller: Teller, places: Places) -> None:
        self.teller = teller
        self.places = places
        self.calls = Calls(teller, places, self.read)

    def read(self, kind: Kind, value: tree.Value, asked: Asked) -> Any:
        """The Python value, or Wrong. `kind` is the part of what is asked for that is left to look at."""
        match kind:
            case kinds.Optional(of):
                nothing = isinstance(value, tree.Word) and value.text.casefold() in NOTHING
                if nothing and not isinstance(of, kinds.Name):
                    raise self.teller.wrong_type(value, asked, help=replacement("none", value.span))
                return None if _is_word(value, "none") else self.read(of, value, asked)
            case kinds.Auto(of):
                return "auto" if _is_word(value, "auto") else self.read(of, value, asked)
            case kinds.Either(options):
                calls = isinstance(value, tree.Call)
                fitting = [each for each in options if isinstance(each, kinds.Call) == calls]
                return self.read((fitting or options)[0], value, asked)
            case kinds.Many():
                return self._many(kind, value, asked)
            case kinds.Call():
                return self.calls.read(kind, value, asked)
            case kinds.Choice(words):
                return self._choice(words, value, asked)
            case kinds.Quantity(units):
                return quantity(self.teller, units, value, asked)
            case kinds.Integer() | kinds.Real() | kinds.Share():
                return number(self.teller, kind, value, asked)
            case kinds.Name():
                if isinstance(value, tree.Word):
                    return normalize(value.text)
                if isinstance(value, tree.Text):
                    return value.text
            case kinds.Reference():
                if isinstance(value, tree.Word):
                    return normalize(value.text)
                if isinstance(value, tree.Text):
                    help = replacement(value.text, value.span, f"refer by name, without quotes: `{value.text}`")
                    raise self.teller.wrong_type(value, asked, help=help)
            case kinds.Text():
                if isinstance(value, tree.Text):
                    return value.text
                if isinstance(value, tree.Word):
                    raise self._unquoted(value, asked)
            case kinds.Literal():
                if isinstance(value, tree.Text):
                    return value.text
                if isinstance(value, tree.Number) and not value.unit:
                    return finite(self.teller, value, asked)
                if isinstance(value, tree.Word):
                    raise self._unquoted(value, asked)
        raise self.teller.wrong_type(value, asked)

    def _unquoted(self, value: tree.Word, asked: Asked) -> Wrong:
        help = replacement(f'"{value.text}"', value.span, f'write it in quotes: `"{value.text}"`')
        return self.teller.wrong_type(value, asked, help=help)

    def _many(self, kind: kinds.Many, value: tree.Value, asked: Asked) -> tuple[Any, ...]:
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
            except Wrong:
                sound = False
        if not sound:
            raise Wrong
        if len(items) < kind.least:
            values = f"{kind.least} value{'s' * (kind.least > 1)}"
            help = f"for example `{asked.example}`" if asked.example else "write one"
            raise self.teller.wrong(
                "E302", f"{asked.name} needs at least {values}", value.span, label="empty", help=help
            )
        return tuple(items)

    def _choice(self, words: tuple[str, ...], value: tree.Value, asked: Asked) -> str:
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
