"""`Spec`: a whole model in the words of the language.

Every word stands in this room with its kind, range, unit, default and one line of help: here and in features.py,
levels.py, tasks.py, training.py and tables.py. A block is a `BlockModel` (block.py); its fields are its settings and the
blocks inside it. Validation, "did you mean", the resolved spec, JSON and its schema are made from these classes.
"""

from __future__ import annotations

import typing
from typing import Annotated, Self

import pydantic
from pydantic import Field, PrivateAttr

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.baseline import ARCHITECTURES, Architecture, BaselineBlock
from aesm_dsl.spec.block_model import BlockModel, Doc, setting
from aesm_dsl.spec.data import Data
from aesm_dsl.spec.features import FeatureGroup
from aesm_dsl.spec.kinds import (
    AutoKind,
    BlockKind,
    ChoiceKind,
    IntegerKind,
    ListKind,
    OptionalKind,
    QuantityKind,
    ReferenceKind,
)
from aesm_dsl.spec.levels import ExpertsBlock, Level
from aesm_dsl.spec.places import Places
from aesm_dsl.spec.search_space import Dimension
from aesm_dsl.spec.tasks import Tasks
from aesm_dsl.spec.training import Train

EDITION = 1
"""The newest edition of the language this version reads."""


class Budget(BlockModel):
    """An upper bound for the network without its embedding tables: `2M parameters`, or `20M flops` a row."""

    value: int
    unit: typing.Literal["parameters", "flops"]


class Spec(BlockModel):
    """A whole model.

    `Spec.parse(text)` reads one from the language; `model_validate_json` from JSON.
    """

    edition: int = EDITION
    name: str
    title: str | None = None
    doc: Doc = ""
    architecture: Annotated[Architecture, ChoiceKind(ARCHITECTURES)] = setting(
        "what is built: `aes`, or a baseline made as large as it", "aes"
    )
    budget: Annotated[
        Budget | None, OptionalKind(QuantityKind({"parameters": IntegerKind(1), "flops": IntegerKind(1)}))
    ] = setting("what automatic allocation may spend", None)
    embed: Annotated[int | typing.Literal["auto"], AutoKind(IntegerKind(1, 4096))] = setting(
        "width of embeddings that say nothing else, or of each by its rows", 16
    )
    # Always None: imports.py puts the groups that are taken where `use` stands, so a Spec needs no other file.
    use: Annotated[None, ListKind(ReferenceKind("feature group"), single=True)] = Field(
        None,
        description="feature groups taken from imports: `fund.product`, or `fund` for all of the file",
        exclude=True,
    )
    features: Annotated[tuple[FeatureGroup, ...], BlockKind("features", many=True)] = setting("a group of features", ())
    baseline: Annotated[BaselineBlock | None, BlockKind("baseline")] = setting("what baselines are made of", None)
    experts: Annotated[ExpertsBlock, BlockKind("experts")] = setting(
        "what holds for the experts of all levels", ExpertsBlock()
    )
    levels: Annotated[tuple[Level, ...], BlockKind("level", many=True)] = setting("a level of the hierarchy", ())
    tasks: Annotated[Tasks, BlockKind("tasks")] = setting("what is predicted", Tasks())
    train: Annotated[Train, BlockKind("train")] = setting("how the network learns", Train())
    data: Annotated[Data | None, BlockKind("data")] = setting("where the rows are", None)

    _places: Places = PrivateAttr(default_factory=Places)
    _space: tuple[Dimension, ...] = PrivateAttr(default=())

    @property
    def places(self) -> Places:
        """Where each value was written, by its dotted path; empty for a spec that was not read from text."""
        return self._places

    @property
    def space(self) -> tuple[Dimension, ...]:
        """What a search may change: the settings of `tune`; empty for a spec that was not read from text."""
        return self._space

    @classmethod
    def parse(cls, text: str, path: str = "<text>") -> Spec:
        """The spec that a text in the language describes. Raises AesmError with all findings.

        path  where the text counts as standing: imports are looked up beside it, in the working folder without one
        """
        from aesm_dsl.spec.load import load

        findings = Findings()
        spec = load(Source(path, text), findings)
        if spec is None or findings.errors:
            raise AesmError(findings)
        return spec

    @pydantic.model_validator(mode="after")
    def _inherit_experts(self) -> Self:
        """Defaults: built in < model < level, setting by setting."""
        given = {name: getattr(self.experts, name) for name in self.experts.model_fields_set}

        def inherit(own: ExpertsBlock) -> ExpertsBlock:
            return own.model_copy(update={k: v for k, v in given.items() if k not in own.model_fields_set})

        levels = tuple(level.model_copy(update={"experts": inherit(level.experts)}) for level in self.levels)
        tasks = self.tasks.model_copy(update={"experts": inherit(self.tasks.experts)})
        # The model is frozen for everybody else; this is still its making.
        self.__dict__.update(levels=levels, tasks=tasks)
        return self
