"""Calls: `name(argument: value, ...)` -> the fields of its model, and what is wrong with its arguments in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aesm_dsl.diagnostic import Related, did_you_mean, quoted
from aesm_dsl.spec import kind as kinds
from aesm_dsl.spec.block import Model
from aesm_dsl.spec.kind import Kind, describe
from aesm_dsl.spec.places import Places
from aesm_dsl.spec.teller import Teller, Wrong
from aesm_dsl.syntax import tree

ReadValue = Callable[[Kind, tree.Value, str, str], Any]
"""Reads a value by its kind; its setting's word and its path come with it."""


class Calls:
    """Reads calls; `read_value` reads their arguments' values."""

    def __init__(self, teller: Teller, places: Places, read_value: ReadValue) -> None:
        self.teller = teller
        self.places = places
        self.read_value = read_value

    def read(self, kind: kinds.Call, value: tree.Value, what: str, path: str) -> dict[str, Any]:
        """The call's name as `call` and the arguments that are given, or Wrong."""
        models = {model.call_name(): model for model in kind.models}
        given: tuple[tree.Argument, ...] = ()
        if isinstance(value, tree.Word):
            name = value
        elif isinstance(value, tree.Call):
            name, given = value.name, value.arguments
        else:
            raise self.teller.wrong_type(kind, value, what)
        model = models.get(name.text)
        if model is None:
            raise self.teller.wrong(
                "E210",
                f"`{what}` cannot be `{name.text}`",
                name.span,
                label=f"expected {describe(kind)}",
                help=did_you_mean(name.text, models),
            )
        return {"call": name.text, **self._arguments(model, name, given, value, path)}

    def _arguments(
        self, model: type[Model], name: tree.Word, given: tuple[tree.Argument, ...], value: tree.Value, path: str
    ) -> dict[str, Any]:
        known, found, sound = model.kinds(), {}, True
        first: dict[str, tree.Word] = {}
        for argument in given:
            word = argument.name
            if word is None:
                names = list(known)
                self.teller.tell(
                    "E211",
                    f"the arguments of `{name.text}` are named",
                    argument.span,
                    label="without a name",
                    help=f"write `{names[0]}: {argument.span.text}`"
                    if len(names) == 1
                    else f"its arguments are {quoted(names)}",
                )
            elif word.text not in known:
                self.teller.tell(
                    "E211",
                    f"`{name.text}` has no argument `{word.text}`",
                    word.span,
                    label="not known",
                    help=[
                        did_you_mean(word.text, known),
                        f"its arguments are {quoted(known)}" if known else "it has none",
                    ],
                )
            elif word.text in first:
                second = Related(first[word.text].span, "first given here")
                self.teller.tell("E205", f"`{word.text}` is given twice", word.span, label="again", second=second)
            else:
                first[word.text] = word
                argument_path = f"{path}.{word.text}"
                self.places.values[argument_path] = argument.value.span
                self.places.keys[argument_path] = word.span
                kind = known[word.text]
                assert not isinstance(kind, kinds.Child | kinds.Members)
                try:
                    found[model.field_of(word.text)] = self.read_value(kind, argument.value, word.text, argument_path)
                    continue
                except Wrong:
                    pass
            sound = False
        missing = [w for w in known if w not in first and model.model_fields[model.field_of(w)].is_required()]
        if missing and sound:
            self.teller.tell(
                "E307",
                f"`{name.text}` needs {quoted(missing)}",
                value.span,
                label="missing here",
                help=[f"`{word}`: {model.help_of(word)}" for word in missing],
            )
            sound = False
        if not sound:
            raise Wrong
        return found
