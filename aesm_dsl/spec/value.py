"""Tree value -> Python value, by the kind of its setting; every way it can be wrong has its sentence here.

Numbers are in number.py, calls in call.py.
"""

from __future__ import annotations

from typing import Any

from aesm_dsl.diagnostic import did_you_mean, fold
from aesm_dsl.spec import kind as kinds
from aesm_dsl.spec.call import Calls
from aesm_dsl.spec.kind import Kind, describe
from aesm_dsl.spec.number import finite, number, quantity
from aesm_dsl.spec.places import Places
from aesm_dsl.spec.teller import Teller, Wrong
from aesm_dsl.syntax import tree

NOTHING = ("false", "no", "off", "null", "nil")
"""Words that other languages have for `none`: as bare words they are mistakes where `none` may stand."""


class Values:
    """Reads values; remembers their places, tells what is wrong with them."""

    def __init__(self, teller: Teller, places: Places) -> None:
        self.teller = teller
        self.places = places
        self.calls = Calls(teller, places, self.read)

    def read(self, kind: Kind, value: tree.Value, what: str, path: str) -> Any:
        """The Python value, or Wrong. `what` is the setting's name for the sentences."""
        match kind:
            case kinds.Optional(of):
                nothing = isinstance(value, tree.Word) and value.text.casefold() in NOTHING
                if nothing and not isinstance(of, kinds.Name):
                    raise self.teller.wrong_type(kind, value, what, help="write `none`")
                return None if _is_word(value, "none") else self.read(of, value, what, path)
            case kinds.Auto(of):
                return "auto" if _is_word(value, "auto") else self.read(of, value, what, path)
            case kinds.Either(options):
                calls = isinstance(value, tree.Call)
                fitting = [each for each in options if isinstance(each, kinds.Call) == calls]
                return self.read((fitting or options)[0], value, what, path)
            case kinds.Many(of, least, single):
                return self._many(of, least, single, value, what, path)
            case kinds.Call():
                return self.calls.read(kind, value, what, path)
            case kinds.Choice(words):
                return self._choice(words, value, what)
            case kinds.Quantity(units):
                return quantity(self.teller, units, value, what)
            case kinds.Integer() | kinds.Real() | kinds.Share():
                return number(self.teller, kind, value, what)
            case kinds.Name():
                if isinstance(value, tree.Word):
                    return fold(value.text)
                if isinstance(value, tree.Text):
                    return value.text
            case kinds.Reference():
                if isinstance(value, tree.Word):
                    return fold(value.text)
                if isinstance(value, tree.Text):
                    raise self.teller.wrong_type(
                        kind, value, what, help=f"refer by name, without quotes: `{value.text}`"
                    )
            case kinds.Text():
                if isinstance(value, tree.Text):
                    return value.text
                if isinstance(value, tree.Word):
                    raise self.teller.wrong_type(kind, value, what, help=f'write it in quotes: `"{value.text}"`')
            case kinds.Literal():
                if isinstance(value, tree.Text):
                    return value.text
                if isinstance(value, tree.Number) and not value.unit:
                    return finite(self.teller, value, what)
                if isinstance(value, tree.Word):
                    raise self.teller.wrong_type(kind, value, what, help=f'write it in quotes: `"{value.text}"`')
        raise self.teller.wrong_type(kind, value, what)

    def _many(self, of: Kind, least: int, single: bool, value: tree.Value, what: str, path: str) -> tuple[Any, ...]:
        if not isinstance(value, tree.List):
            if not single:
                shown = value.span.text if isinstance(value, tree.Number | tree.Word | tree.Text) else "..."
                raise self.teller.wrong_type(
                    kinds.Many(of), value, what, help=f"a list stands in brackets: `[{shown}]`"
                )
            return (self.read(of, value, what, path),)
        items, sound = [], True
        for position, item in enumerate(value.items):
            self.places.values[f"{path}.{position}"] = item.span
            try:
                items.append(self.read(of, item, what, path))
            except Wrong:
                sound = False
        if not sound:
            raise Wrong
        if len(items) < least:
            raise self.teller.wrong(
                "E302", f"`{what}` needs at least {least} value{'s' * (least > 1)}", value.span, label="empty"
            )
        return tuple(items)

    def _choice(self, words: tuple[str, ...], value: tree.Value, what: str) -> str:
        if isinstance(value, tree.Word) and value.text in words:
            return value.text
        if isinstance(value, tree.Word | tree.Text):
            raise self.teller.wrong(
                "E306",
                f"`{what}` cannot be `{value.text}`",
                value.span,
                label=f"expected {describe(kinds.Choice(words))}",
                help=did_you_mean(value.text, words),
            )
        raise self.teller.wrong_type(kinds.Choice(words), value, what)


def _is_word(value: tree.Value, word: str) -> bool:
    return isinstance(value, tree.Word) and value.text == word
