"""`BlockModel`, what every block and call of the language is made of, and `setting`, a field with its line of help."""

from __future__ import annotations

import functools
import typing
from typing import Annotated, Any, Self

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from aesm_dsl.spec.kinds import BlockKind, Kind, MembersKind, range_error


def _lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines()).strip("\n")


Doc = Annotated[str, pydantic.AfterValidator(_lines)]
"""Documentation: lines of text, as `##` comments can hold them, the first and last not empty."""


class BlockModel(BaseModel):
    """A block, or the arguments of a call (then its first field is `call`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)

    @classmethod
    def call_name(cls) -> str:
        """The name by which a call is written."""
        (name,) = typing.get_args(cls.model_fields["call"].annotation)
        return str(name)

    @classmethod
    @functools.cache
    def kinds(cls) -> dict[str, Kind | BlockKind | MembersKind]:
        """Every setting, argument and inner block, by the word that is written, in order."""
        found: dict[str, Kind | BlockKind | MembersKind] = {}
        for name, field in cls.model_fields.items():
            for part in field.metadata:
                if isinstance(part, Kind | BlockKind | MembersKind):
                    found[part.kind if isinstance(part, BlockKind) else field.alias or name] = part
        return found

    @classmethod
    @functools.cache
    def field_of(cls, word: str) -> str:
        """The field that a written word fills."""
        for name, field in cls.model_fields.items():
            if (field.alias or name) == word:
                return name
            if any(isinstance(part, BlockKind) and part.kind == word for part in field.metadata):
                return name
        raise KeyError(word)

    @pydantic.model_validator(mode="after")
    def _in_range(self) -> Self:
        """The ranges of the vocabulary hold however the values came."""
        for word, kind in self.kinds().items():
            if not isinstance(kind, BlockKind | MembersKind) and (
                wrong := range_error(kind, getattr(self, self.field_of(word)))
            ):
                raise ValueError(f"{word}: {wrong}")
        return self

    @classmethod
    def help_of(cls, word: str) -> str:
        """The one line of help of a setting, argument or inner block."""
        return cls.model_fields[cls.field_of(word)].description or ""


def setting(help: str, default: Any = ..., alias: str | None = None) -> Any:
    """A field with its one line of help; without a default it must be written."""
    return Field(default, description=help, alias=alias)


def child_model(model: type[BlockModel], field: str) -> type[BlockModel]:
    """The model of an inner block, from the field's type: `Experts`, `tuple[Node, ...]` or `Data | None`."""
    pending: list[Any] = [model.model_fields[field].annotation]
    while pending:
        one = pending.pop()
        if isinstance(one, type) and issubclass(one, BlockModel):
            return one
        pending.extend(getattr(one, "__args__", ()))
    raise TypeError(field)
