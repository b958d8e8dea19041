"""`BlockModel`: the base class of every block and call of the language. `setting`: a field with its line of help."""

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
"""Documentation of a block: lines of text that `##` comments can hold. Empty lines at the ends are removed."""


class BlockModel(BaseModel):
    """A block of the language, or the arguments of a call; the first field of a call is `call`.

    The kinds of its fields' values are in their annotations; reading, completion, JSON and the reference use them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)

    @classmethod
    def call_name(cls) -> str:
        """Returns the name under which a call is written."""
        (name,) = typing.get_args(cls.model_fields["call"].annotation)
        return str(name)

    @classmethod
    @functools.cache
    def kinds(cls) -> dict[str, Kind | BlockKind | MembersKind]:
        """Maps the word of every setting, argument and inner block to its kind, in declared order."""
        by_word: dict[str, Kind | BlockKind | MembersKind] = {}
        for name, field in cls.model_fields.items():
            for part in field.metadata:
                if isinstance(part, Kind | BlockKind | MembersKind):
                    by_word[part.kind if isinstance(part, BlockKind) else field.alias or name] = part
        return by_word

    @classmethod
    def members_word(cls, word: str) -> str | None:
        """Returns the word of the members, in a block whose names the user chooses; None for its own settings."""
        known = cls.kinds()
        members = next((name for name, kind in known.items() if isinstance(kind, MembersKind)), None)
        return members if isinstance(known.get(word), MembersKind | None) else None

    @classmethod
    @functools.cache
    def field_of(cls, word: str) -> str:
        """Returns the name of the field for a word of the language.

        Raises:
            KeyError: this block has no such word.
        """
        for name, field in cls.model_fields.items():
            if (field.alias or name) == word:
                return name
            if any(isinstance(part, BlockKind) and part.kind == word for part in field.metadata):
                return name
        raise KeyError(word)

    @pydantic.model_validator(mode="after")
    def _in_range(self) -> Self:
        """Checks the ranges of all values, also if they come from JSON or Python."""
        for word, kind in self.kinds().items():
            if not isinstance(kind, BlockKind | MembersKind) and (
                error := range_error(kind, getattr(self, self.field_of(word)))
            ):
                raise ValueError(f"{word}: {error}")
        return self

    @classmethod
    def help_of(cls, word: str) -> str:
        """Returns the line of help of a setting, argument or inner block."""
        return cls.model_fields[cls.field_of(word)].description or ""


def setting(help: str, default: Any = ..., alias: str | None = None) -> Any:
    """Declares a field with its line of help; a field without a default must be written."""
    return Field(default, description=help, alias=alias)


def child_model(model: type[BlockModel], field: str) -> type[BlockModel]:
    """Returns the model of an inner block from the type of its field: `Level`, `tuple[Node, ...]` or `Data | None`.

    Raises:
        TypeError: the field holds no block.
    """
    pending: list[Any] = [model.model_fields[field].annotation]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, BlockModel):
            return annotation
        pending.extend(getattr(annotation, "__args__", ()))
    raise TypeError(field)
