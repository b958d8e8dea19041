"""Spec -> text in the language: every setting written out, so that nothing is left to defaults; or only those given.

What `write` returns reads back to an equal spec.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.printable import INVISIBLE
from aesm_dsl.findings.source import Source
from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import BlockModel
from aesm_dsl.spec.kinds import WORDS_FOR_NONE, Kind
from aesm_dsl.spec.levels import ExpertsBlock
from aesm_dsl.spec.model import Spec
from aesm_dsl.syntax.format import format_file, is_word
from aesm_dsl.syntax.parse import parse


def write(
    spec: Spec,
    note: Callable[[str], str] | None = None,
    *,
    given: bool = False,
    below: Callable[[str], Sequence[str]] | None = None,
) -> str:
    """Returns the spec in the language, formatted.

    Args:
        spec: the spec.
        note: dotted path of a setting (`level.card.experts.count`) -> comment behind it; empty for none.
        given: write only the settings that were given when the spec was made.
        below: dotted path of a block -> lines of comment at its end.
    """
    writer = _Writer(note or (lambda path: ""), given, below or (lambda path: ()), spec.experts)
    lines = [f"aesm = {spec.edition}", "", *writer.block("model", spec, "")]
    findings = Findings()
    file = parse(Source("<written>", "\n".join(lines) + "\n"), findings)
    assert not findings.items, findings.items
    return format_file(file)


def settings(model: BlockModel, path: str = "") -> Iterator[tuple[str, str]]:
    """Yields the dotted path of every setting with its value in the language, and of every block with its title."""
    for word, kind in type(model).kinds().items():
        value = getattr(model, type(model).field_of(word))
        inner = f"{path}.{word}" if path else word
        if isinstance(kind, kinds.MembersKind):
            yield from ((f"{path}.{member}", value_text(kind.of, definition)) for member, definition in value.items())
        elif isinstance(kind, kinds.BlockKind):
            for child in value if kind.many else [value] * (value is not None):
                child_path = f"{inner}.{child.name}" if kind.many else inner
                yield child_path, getattr(child, "title", None) or ""
                yield from settings(child, child_path)
        elif value is not None or isinstance(kind, kinds.OptionalKind):
            yield inner, value_text(kind, value)


@dataclass(frozen=True, slots=True)
class _Writer:
    note: Callable[[str], str]
    given: bool
    below: Callable[[str], Sequence[str]]
    inherited: ExpertsBlock
    """The model's own `experts`, whose settings the levels inherit."""

    def block(self, kind: str, model: BlockModel, path: str) -> Iterator[str]:
        yield from (f"## {line}".rstrip() for line in getattr(model, "doc", "").splitlines())
        name, title = getattr(model, "name", None), getattr(model, "title", None)
        head = " ".join([kind, *([name] if name else []), *([_quoted(title)] if title is not None else [])])
        inside = [*self._statements(model, path), *(f"# {line}".rstrip() for line in self.below(path))]
        if kind == "node" and self.given:
            yield f"{head} {{ {'; '.join(inside)} }}" if inside else head
        else:
            yield from [head + " {", *inside, "}"]

    def _statements(self, model: BlockModel, path: str) -> Iterator[str]:
        for word, kind in type(model).kinds().items():
            field = type(model).field_of(word)
            value, inner = getattr(model, field), f"{path}.{word}" if path else word
            if not self._is_written(model, field, path):
                continue
            if isinstance(kind, kinds.MembersKind):
                for member, definition in value.items():
                    yield self._setting(member, kind.of, definition, f"{path}.{member}")
            elif isinstance(kind, kinds.BlockKind):
                for child in value if kind.many else [value] * (value is not None):
                    if not kind.many and not any(
                        self._is_written(child, name, inner) for name in type(child).model_fields
                    ):
                        continue
                    yield from [""] * (not self.given or word not in ("node", "task"))
                    yield from self.block(word, child, f"{inner}.{child.name}" if kind.many else inner)
            elif value is not None or isinstance(kind, kinds.OptionalKind):
                yield self._setting(word, kind, value, inner)

    def _is_written(self, model: BlockModel, field: str, path: str) -> bool:
        """Whether a setting is written: with `given`, if it was given in this block, not only in the model's own."""
        if not self.given:
            return True
        if field not in model.model_fields_set:
            return False
        inherits = isinstance(model, ExpertsBlock) and path != "experts" and field in self.inherited.model_fields_set
        return not inherits or getattr(model, field) != getattr(self.inherited, field)

    def _setting(self, word: str, kind: Kind, value: Any, path: str) -> str:
        note = self.note(path)
        return f"{word} = {value_text(kind, value)}" + (f"  # {note}" if note else "")


@functools.cache
def setting_example(model: type[BlockModel], word: str) -> str:
    """Returns how a setting or argument is written with its default, for help; empty if there is no default to show.

    It is `batch = 4096 rows` for a setting, and `rate: 0.001` for an argument of a call.
    """
    field, kind = model.model_fields[model.field_of(word)], model.kinds()[word]
    if field.is_required() or field.default is None or isinstance(kind, kinds.BlockKind | kinds.MembersKind):
        return ""
    sign = ":" if "call" in model.model_fields else " ="
    return f"{word}{sign} {value_text(kind, field.default)}"


def value_text(kind: Kind, value: Any) -> str:
    """Returns a setting's value in the language."""
    match kind:
        case kinds.OptionalKind(of):
            return "none" if value is None else value_text(of, value)
        case kinds.AutoKind(of):
            return "auto" if value == "auto" else value_text(of, value)
        case kinds.ListKind(of, _, single):
            items = [value_text(of, item) for item in value]
            return items[0] if single and len(items) == 1 else f"[{', '.join(items)}]"
        case kinds.EitherKind(options):
            calls = isinstance(value, BlockModel)
            fitting = [option for option in options if isinstance(option, kinds.CallKind) == calls]
            # A tuple may be a list, or the list of one value that stands without brackets.
            lists = [option for option in fitting if isinstance(option, kinds.ListKind) == isinstance(value, tuple)]
            text = value_text((lists or fitting)[0], value)
            # A bare word would be read as the name that may be written here instead of a call.
            return f"{text}()" if calls and text.isidentifier() else text
        case kinds.CallKind():
            return _call(value)
        case kinds.QuantityKind(units):
            return f"{_number(units[value.unit], value.value)} {value.unit}"
        case kinds.IntegerKind(unit=unit):
            return f"{value}" + (f" {unit}" if unit else "")
        case kinds.RealKind() | kinds.ShareKind():
            return _number(kind, value)
        case kinds.SwitchKind():
            return "true" if value else "false"
        case kinds.TextKind():
            return _quoted(value)
        case kinds.LiteralKind():
            return _quoted(value) if isinstance(value, str) else repr(value)
        case kinds.NameKind():
            return value if _is_name(value) else _quoted(value)
        case kinds.ChoiceKind() | kinds.ReferenceKind():
            return str(value)


def _call(model: BlockModel) -> str:
    """The call with the arguments that differ from their defaults."""
    arguments = []
    for word, kind in type(model).kinds().items():
        field = type(model).field_of(word)
        value = getattr(model, field)
        assert not isinstance(kind, kinds.BlockKind | kinds.MembersKind)
        if value != type(model).model_fields[field].default:
            arguments.append(f"{word}: {value_text(kind, value)}")
    name = type(model).call_name()
    return f"{name}({', '.join(arguments)})" if arguments else name


def _number(kind: kinds.IntegerKind | kinds.RealKind | kinds.ShareKind, value: float) -> str:
    """The shortest text that reads back to the same number; shares as a percentage if that is exact."""
    if isinstance(kind, kinds.ShareKind):
        percent = f"{round(value * 100, 6):g}"
        if float(percent) / 100 == value:
            return f"{percent}%"
    text = repr(int(value)) if isinstance(kind, kinds.IntegerKind) or value == int(value) else repr(value)
    return text.replace("e-0", "e-")


def _quoted(text: str) -> str:
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(character, escaped)
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    """The character; one that nobody sees, or that moves the text around it, as `\\u` and its number."""
    if character.isprintable() or ord(character) > 0xFFFF or unicodedata.category(character) not in INVISIBLE:
        return character
    return f"\\u{ord(character):04x}"


def _is_name(text: str) -> bool:
    return text not in ("none", "auto") and text.casefold() not in WORDS_FOR_NONE and is_word(text)
