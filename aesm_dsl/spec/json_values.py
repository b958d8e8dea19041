"""Values in JSON -> values as the language writes them, by the kind of their setting; wrong types are reported."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from aesm_dsl.findings.diagnostic import Findings, Related, did_you_mean, quoted
from aesm_dsl.findings.source import Source, Span
from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import BlockModel
from aesm_dsl.spec.kinds import Kind
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.json import JsonValue, Member


def json_key(model: type[BlockModel], field: str) -> str:
    """Returns the key of a field in JSON."""
    return model.model_fields[field].alias or field


def json_keys(model: type[BlockModel]) -> dict[str, str]:
    """Returns all keys that an object of the model may have, with the fields they fill."""
    return {json_key(model, name): name for name, field in model.model_fields.items() if not field.exclude}


def describe_json_kind(kind: Kind) -> str:
    """Returns the kind in the words of JSON, as it completes "expected ..."."""
    match kind:
        case kinds.IntegerKind():
            return "a whole number"
        case kinds.RealKind():
            return "a number"
        case kinds.ShareKind():
            return "a number from 0 to 1"
        case kinds.ChoiceKind(words):
            return " or ".join(f'`"{word}"`' for word in words)
        case kinds.SwitchKind():
            return "`true` or `false`"
        case kinds.NameKind() | kinds.TextKind():
            return "a string"
        case kinds.ReferenceKind(to):
            return f"a string, the name of a {to}"
        case kinds.LiteralKind():
            return "a string or a number"
        case kinds.QuantityKind(units):
            return f"an object with `value` and `unit`, {' or '.join(units)}"
        case kinds.ListKind(of):
            return f"an array: each {describe_json_kind(of)}"
        case kinds.AutoKind(of):
            return f'`"auto"` or {describe_json_kind(of)}'
        case kinds.OptionalKind(of):
            return f"`null` or {describe_json_kind(of)}"
        case kinds.CallKind(models):
            return "an object with `call`: " + " or ".join(f'`"{model.call_name()}"`' for model in models)
        case kinds.EitherKind(options):
            return " or ".join(describe_json_kind(option) for option in options)


@dataclass(frozen=True, slots=True)
class ChoiceMember:
    """The member of an object that says what the object is: `call` or `unit`."""

    key: str
    names: tuple[str, ...]
    """What it may say."""
    code: str
    """Code of the finding for another name."""


class JsonValueConverter:
    """Converts values. What cannot be used is reported, and its place kept in `damaged`."""

    def __init__(self, source: Source, findings: Findings) -> None:
        self.source = source
        self.findings = findings
        self.damaged: list[Span] = []

    def value(self, kind: Kind, json_value: JsonValue, subject: str) -> tree.Value | None:
        """Returns the value as the language would have it; None after adding why it has the wrong type."""
        value, span = json_value.value, json_value.span
        match kind:
            case kinds.OptionalKind(of):
                reserved = value == "none" and isinstance(of, kinds.ReferenceKind)
                if value is None:
                    return tree.Word("none", span)
                inner = None if reserved or not _fits(of, value) else self.value(of, json_value, subject)
                return inner or self.refuse(kind, json_value, subject, _fits(of, value) and not reserved)
            case kinds.AutoKind(of):
                if value == "auto":
                    return tree.Word("auto", span)
                inner = self.value(of, json_value, subject) if _fits(of, value) else None
                return inner or self.refuse(kind, json_value, subject, _fits(of, value))
            case kinds.EitherKind(options):
                fitting = next((option for option in options if _fits(option, value)), None)
                return (
                    self.value(fitting, json_value, subject)
                    if fitting is not None
                    else self.refuse(kind, json_value, subject)
                )
            case kinds.ListKind(of) if isinstance(value, list):
                items = [self.value(of, item, subject) for item in value]
                sound = [item for item in items if item is not None]
                return tree.List(tuple(sound), span) if len(sound) == len(items) else None
            case kinds.CallKind(models) if isinstance(value, tuple):
                return self.call({model.call_name(): model for model in models}, json_value, value, subject)
            case kinds.QuantityKind(units) if isinstance(value, tuple):
                return self.quantity(tuple(units), json_value, value, subject)
            case kinds.IntegerKind() | kinds.RealKind() | kinds.ShareKind() if isinstance(value, int | float) and _fits(
                kind, value
            ):
                unit = kind.unit if isinstance(kind, kinds.IntegerKind) else None
                return self.number(value, span, unit) if self.is_share(kind, value, span, subject) else None
            case kinds.LiteralKind() if isinstance(value, int | float) and _fits(kind, value):
                return self.number(value, span, None)
            case kinds.SwitchKind() if isinstance(value, bool):
                return tree.Word("true" if value else "false", span)
            case kinds.ChoiceKind() | kinds.ReferenceKind() if isinstance(value, str):
                return tree.Word(value, span)
            case kinds.NameKind() | kinds.TextKind() | kinds.LiteralKind() if isinstance(value, str):
                return tree.Text(value, span)
        return self.refuse(kind, json_value, subject)

    def is_share(self, kind: Kind, value: float, span: Span, subject: str) -> bool:
        """Returns whether a share is in its range, which JSON words differently; other kinds are checked later."""
        if not isinstance(kind, kinds.ShareKind) or kinds.in_range(kind, value):
            return True
        range_ = "between 0 and 1, both excluded" if kind.open else "from 0 to 1"
        help = f"did you mean `{value / 100:g}`?" if 1 < value <= 100 else ""
        self.findings.add("E302", f"`{subject}` must be {range_}", span, label="out of range", help=help)
        self.damaged.append(span)
        return False

    def number(self, value: int | float, span: Span, unit: str | None) -> tree.Number:
        """Returns a number. Its unit is not written, so that the unit's place is the end of the number."""
        word = tree.Word(unit, self.source.span(span.end, span.end)) if unit else None
        return tree.Number(value, False, word, span)

    def call(
        self, models: dict[str, type[BlockModel]], json_value: JsonValue, members: tuple[Member, ...], subject: str
    ) -> tree.Value | None:
        chosen = self.choice(members, ChoiceMember("call", tuple(models), "E210"), json_value, subject)
        if chosen is None:
            return None
        model = models[str(chosen.value.value)]
        keys, known, sound = json_keys(model), dict[str, Member](), True
        for member in members:
            if member.key not in keys:
                help = [did_you_mean(member.key, keys), f"its keys are {quoted(keys)}"]
                message = f"`{model.call_name()}` has no key `{member.key}`"
                self.findings.add("E211", message, member.key_span, label="not known", help=help)
                sound = False
            elif self.twice(known.get(member.key), member):
                sound = False
            else:
                known[member.key] = member
        arguments = []
        for word, kind in model.kinds().items():
            argument = known.get(json_key(model, model.field_of(word)))
            assert not isinstance(kind, kinds.BlockKind | kinds.MembersKind)
            default = model.model_fields[model.field_of(word)].default
            is_null = argument is not None and argument.value.value is None and default is None
            if is_null and not isinstance(kind, kinds.OptionalKind):
                continue  # as if it were left out: the language has no word for it
            if argument is not None and (value := self.value(kind, argument.value, argument.key)) is not None:
                arguments.append(tree.Argument(tree.Word(word, argument.key_span), value, argument.value.span))
            sound = sound and (argument is None or value is not None)
        name = tree.Word(model.call_name(), chosen.value.span)
        if not sound:
            self.damaged.append(json_value.span)
            return None
        return tree.Call(name, tuple(arguments), json_value.span)

    def quantity(
        self, units: Collection[str], json_value: JsonValue, members: tuple[Member, ...], subject: str
    ) -> tree.Value | None:
        unit = self.choice(members, ChoiceMember("unit", tuple(units), "E303"), json_value, subject)
        values = [member for member in members if member.key == "value"]
        for member in members:
            if member.key not in ("value", "unit"):
                message, help = f"`{subject}` has no key `{member.key}`", "its keys are `value` and `unit`"
                self.findings.add("E202", message, member.key_span, label="not known", help=help)
        if not values:
            self.findings.add("E307", f"`{subject}` needs `value`", json_value.span, label="missing in this object")
        if unit is None or len(values) != 1 or len(members) != 2:
            self.damaged.append(json_value.span)
            return None
        number = self.value(kinds.RealKind(), values[0].value, "value")
        if not isinstance(number, tree.Number):
            return None
        return replace(
            number, unit=tree.Word(str(unit.value.value), self.source.span(number.span.end, number.span.end))
        )

    def choice(
        self, members: tuple[Member, ...], chooser: ChoiceMember, json_value: JsonValue, subject: str
    ) -> Member | None:
        """Returns the member that says which of several things an object is; None after adding why it does not."""
        key, names = chooser.key, chooser.names
        choosing = [member for member in members if member.key == key]
        expected = " or ".join(f'`"{name}"`' for name in names)
        if not choosing:
            self.findings.add("E307", f"`{subject}` needs `{key}`", json_value.span, label=f"write {expected}")
        elif len(choosing) > 1:
            self.twice(*choosing[:2])
        elif not isinstance(value := choosing[0].value.value, str):
            self.wrong(f"`{key}`", expected, choosing[0].value)
        elif value not in names:
            help = did_you_mean(value, names)
            message = (
                f"`{subject}` cannot be `{value}`" if key == "call" else f"`{subject}` is not measured in `{value}`"
            )
            label = f"expected {expected}"
            self.findings.add(chooser.code, message, choosing[0].value.span, label=label, help=help)
        else:
            return choosing[0]
        self.damaged.append(json_value.span)
        return None

    def refuse(self, kind: Kind, json_value: JsonValue, subject: str, already: bool = False) -> tree.Value | None:
        """Returns None, after adding what was expected, unless that has been reported already."""
        if not already:
            self.wrong(f"`{subject}`", describe_json_kind(kind), json_value)
        return None

    def wrong(self, subject: str, expected: str, json_value: JsonValue) -> None:
        self.findings.add(
            "E301", f"{subject} must be {expected}", json_value.span, label=f"this is {_json_type(json_value)}"
        )
        self.damaged.append(json_value.span)

    def twice(self, first: Member | None, again: Member) -> bool:
        if first is not None:
            second = Related(first.key_span, "first set here")
            self.findings.add("E205", f"`{again.key}` is set twice", again.key_span, label="again", second=second)
        return first is not None


def _fits(kind: Kind, value: Any) -> bool:
    """Whether a value has the JSON type of a kind; what is inside it is not looked at."""
    match kind:
        case kinds.IntegerKind() | kinds.RealKind() | kinds.ShareKind():
            return isinstance(value, int | float) and not isinstance(value, bool)
        case kinds.ChoiceKind() | kinds.NameKind() | kinds.ReferenceKind() | kinds.TextKind():
            return isinstance(value, str)
        case kinds.SwitchKind():
            return isinstance(value, bool)
        case kinds.LiteralKind():
            return isinstance(value, str | int | float) and not isinstance(value, bool)
        case kinds.ListKind():
            return isinstance(value, list)
        case kinds.QuantityKind() | kinds.CallKind():
            return isinstance(value, tuple)
        case kinds.EitherKind(options):
            return any(_fits(option, value) for option in options)
        case kinds.OptionalKind(of):
            return value is None or _fits(of, value)
        case kinds.AutoKind(of):
            return value == "auto" or _fits(of, value)


def _json_type(value: JsonValue) -> str:
    match value.value:
        case None:
            return "`null`"
        case bool():
            return "`true`" if value.value else "`false`"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"
