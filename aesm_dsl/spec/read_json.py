"""JSON -> the same tree that a text in the language gives, so that reading, defaults, `--set` and checks are shared.

The keys are those of `Spec.model_dump(mode="json", by_alias=True)`; a key that is left out has its default. This module
reports what only JSON can get wrong: types, and unknown, missing and repeated keys. A unit is implied if the language
has only one.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace

from aesm_dsl.findings.diagnostic import Findings, did_you_mean, guess_word, quoted
from aesm_dsl.findings.source import Source, Span
from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import BlockModel, child_model
from aesm_dsl.spec.json_tune import tune_block_from_json
from aesm_dsl.spec.json_values import JsonValueConverter, json_keys
from aesm_dsl.spec.kinds import Kind
from aesm_dsl.spec.model import EDITION, Spec
from aesm_dsl.spec.places import NAMELESS
from aesm_dsl.spec.search_space import TUNE
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.bidi import report_bidi
from aesm_dsl.syntax.format import is_word
from aesm_dsl.syntax.json import JsonValue, Member, parse_json


def tree_from_json(source: Source, findings: Findings) -> tree.File:
    """Returns the tree of a spec in JSON. What cannot be used is reported and left out (`damaged`)."""
    report_bidi(source, findings)
    whole = parse_json(source, findings)
    if whole is None:
        return tree.File(source, (), (), (source.span(0, len(source.text)),))
    return _Converter(source, findings).file(whole)


def add_json_paths(findings: Findings) -> None:
    """Adds to every finding in a JSON text the path of the value that it points at."""
    values: dict[Source, JsonValue | None] = {}
    for position, item in enumerate(findings.items):
        if item.span is None or not item.span.source.path.endswith(".json"):
            continue
        source = item.span.source
        if source not in values:
            values[source] = parse_json(source, Findings())
        whole = values[source]
        path = _path_at(whole, item.span.start) if whole is not None else ""
        line = f"this is `{path}`"
        if path and line not in item.help:
            findings.items[position] = replace(item, help=(*item.help, line))


def _path_at(value: JsonValue, offset: int) -> str:
    """The path of the innermost value, or member, that covers an offset."""
    if isinstance(value.value, tuple):
        at = bisect_right(value.value, offset, key=lambda member: member.key_span.start) - 1
        inner = value.value[at].value if at >= 0 else None
    elif isinstance(value.value, list):
        at = bisect_right(value.value, offset, key=lambda item: item.span.start) - 1
        inner = value.value[at] if at >= 0 else None
    else:
        return value.path
    return value.path if inner is None or offset >= inner.span.end else _path_at(inner, offset)


class _Converter(JsonValueConverter):
    """Turns objects into blocks, and their members into settings."""

    def file(self, json_value: JsonValue) -> tree.File:
        statements: list[tree.Statement] = []
        if isinstance(json_value.value, tuple):
            edition = next((member for member in json_value.value if member.key == "edition"), None)
            statements += self.edition(edition, json_value)
            statements.append(self.block("model", Spec, json_value, json_value.span))
        else:
            self.wrong("a spec", "an object", json_value)
        return tree.File(self.source, tuple(statements), (), tuple(self.damaged))

    def edition(self, member: Member | None, whole: JsonValue) -> list[tree.Setting]:
        start = self.source.span(whole.span.start, whole.span.start)
        if member is None:
            help = f'write `"edition": {EDITION}`'
            message, label = "the language edition is not stated", f"edition {EDITION} is assumed"
            self.findings.add("W101", message, start, label=label, help=help)
            value: tree.Value | None = tree.Number(EDITION, False, None, start)
        else:
            value = self.value(kinds.IntegerKind(1), member.value, "edition")
        key = tree.Word("aesm", member.key_span if member else start)
        # An edition that cannot be read has been reported; the rest is read as if it were the newest.
        value = value or tree.Number(EDITION, False, None, key.span)
        return [tree.Setting(key, value, key.span)]

    def block(self, word: str, model: type[BlockModel], json_value: JsonValue, key: Span) -> tree.Block:
        """Returns the block that an object stands for; `key` is its place in the file if it has no name."""
        members, meant = self.members(model, json_value, word)
        name, label, before = self.head(model, members, json_value, word)
        opening = self.source.span(json_value.span.start, json_value.span.start + 1)
        head_span = name.span if name else key if word != "model" else opening
        statements: list[tree.Statement] = []
        for inner, kind in model.kinds().items():
            field = model.field_of(inner)
            member = members.get(field)
            if member is None and field in meant and not isinstance(kind, kinds.BlockKind | kinds.MembersKind):
                statements.append(_broken(inner, meant[field]))
            if member is None or model.model_fields[field].exclude:
                continue
            if member.value.value is None and model.model_fields[field].default is None:
                if isinstance(kind, kinds.OptionalKind):
                    none = tree.Word("none", member.value.span)
                    statements.append(tree.Setting(tree.Word(inner, member.key_span), none, member.key_span))
            elif isinstance(kind, kinds.BlockKind):
                statements += self.children(inner, kind, child_model(model, field), member)
            elif isinstance(kind, kinds.MembersKind):
                statements += self.features(kind, member)
            else:
                statements.append(self.setting(inner, kind, member))
        if model is Spec:
            assert isinstance(json_value.value, tuple)
            spaces = [member for member in json_value.value if member.key == TUNE]
            statements += filter(None, (tune_block_from_json(self.source, space, self.findings) for space in spaces))
        kind_word = tree.Word(word, head_span)
        return tree.Block(kind_word, name, label, True, tuple(statements), json_value.span, before)

    def members(
        self, model: type[BlockModel], json_value: JsonValue, word: str
    ) -> tuple[dict[str, Member], dict[str, Member]]:
        """Returns the members of an object by field, and the unknown ones by the field that was probably meant."""
        keys, members, meant = json_keys(model), dict[str, Member](), dict[str, Member]()
        assert isinstance(json_value.value, tuple)
        for member in json_value.value:
            field = keys.get(member.key)
            if member.key in ("$schema", TUNE) and model is Spec:
                continue  # `$schema` is for editors; `tune` is no part of the model
            if field is None:
                help = [did_you_mean(member.key, keys), f"keys here are {quoted(keys, 14)}"]
                message = f"`{word}` has no key `{member.key}`"
                self.findings.add("E202", message, member.key_span, label="not known", help=help)
                self.damaged.append(member.key_span.to(member.value.span))
                if (guess := guess_word(member.key, keys)) is not None:
                    meant[keys[guess]] = member
            elif not self.twice(members.get(field), member):
                members[field] = member
        return members, meant

    def head(
        self, model: type[BlockModel], members: dict[str, Member], json_value: JsonValue, word: str
    ) -> tuple[tree.Word | None, tree.Text | None, tuple[tree.Comment, ...]]:
        """Returns name, title and documentation, as far as this kind of block has them."""
        name: tree.Word | None = None
        label: tree.Text | None = None
        before: tuple[tree.Comment, ...] = ()
        if "name" in model.model_fields:
            text = self.string(members.get("name"))
            name = self.name(text, word) if text else None
            if name is None:
                brace = self.source.span(json_value.span.start, json_value.span.start + 1)
                if "name" not in members:
                    self.findings.add("E307", f"`{word}` needs `name`", brace, label="missing in this object")
                self.damaged.append(brace)
        if (title := self.string(members.get("title"))) is not None and isinstance(title.value, str):
            label = tree.Text(title.value, name.span if name else title.span)
        if (doc := self.string(members.get("doc"))) is not None and isinstance(doc.value, str):
            before = tuple(tree.Comment(f"## {line}", doc.span) for line in doc.value.splitlines())
        return name, label, before

    def string(self, member: Member | None) -> JsonValue | None:
        if member is None or (member.value.value is None and member.key == "title"):
            return None
        if not isinstance(member.value.value, str):
            self.wrong(f"`{member.key}`", "`null` or a string" if member.key == "title" else "a string", member.value)
            return None
        return member.value

    def name(self, json_value: JsonValue, word: str) -> tree.Word | None:
        text = str(json_value.value)
        if is_word(text) and "." not in text:
            return tree.Word(text, json_value.span)
        help = "a name starts with a letter, and has only letters, digits and `_`"
        self.findings.add("E206", f"`{text}` is not a name", json_value.span, label=f"the name of a {word}", help=help)
        return None

    def children(self, word: str, kind: kinds.BlockKind, model: type[BlockModel], member: Member) -> list[tree.Block]:
        if not kind.many:
            if isinstance(member.value.value, tuple):
                return [self.block(word, model, member.value, member.key_span)]
            self.wrong(f"`{member.key}`", "an object", member.value)
            return []
        if not isinstance(member.value.value, list):
            self.wrong(f"`{member.key}`", f"an array: each an object, a {word}", member.value)
            return []
        blocks = []
        for item in member.value.value:
            if isinstance(item.value, tuple):
                blocks.append(self.block(word, model, item, item.span))
            else:
                self.wrong(f"a {word}", "an object", item)
        return blocks

    def features(self, kind: kinds.MembersKind, member: Member) -> list[tree.Setting]:
        if not isinstance(member.value.value, tuple):
            self.wrong(f"`{member.key}`", "an object", member.value)
            return []
        settings: list[tree.Setting] = []
        for inner in member.value.value:
            name = self.name(JsonValue(inner.key, inner.key_span, inner.value.path), "feature")
            setting = self.setting(inner.key, kind.of, inner)
            settings += [setting] if name else []
        return settings

    def setting(self, word: str, kind: Kind, member: Member) -> tree.Setting:
        value = self.value(kind, member.value, member.key)
        if value is None:
            return _broken(word, member)
        return tree.Setting(tree.Word(word, member.key_span), value, member.value.span)


def _broken(word: str, member: Member) -> tree.Setting:
    """A setting with a value that no kind accepts: it is known that it was meant, and its fault has been reported."""
    return tree.Setting(
        tree.Word(word, member.key_span),
        tree.Call(tree.Word(NAMELESS, member.value.span), (), member.value.span),
        member.value.span,
    )
