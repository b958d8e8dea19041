"""`Spec`: a whole model, as the classes of the vocabulary.

Every word of the language is declared once, with its kind, range, unit, default and line of help: here and in
features.py, bottom.py, levels.py, tasks.py, training.py, baseline.py and data.py. A block is a `BlockModel`
(block_model.py) whose fields are its settings and inner blocks. Validation, "did you mean", the resolved spec, JSON and
its schema, and the reference in docs/language.md are derived from these classes.
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
from aesm_dsl.spec.bottom import BottomBlock
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
"""The newest edition of the language that this version reads."""


class Budget(BlockModel):
    """An upper bound for the network without its embedding tables: `2M parameters`, or `20M flops` per row."""

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
        "the network: `aes`, or a baseline of the same size", "aes"
    )
    budget: Annotated[
        Budget | None, OptionalKind(QuantityKind({"parameters": IntegerKind(1), "flops": IntegerKind(1)}))
    ] = setting("upper bound for automatic sizes", None)
    embed: Annotated[int | typing.Literal["auto"], AutoKind(IntegerKind(1, 4096))] = setting(
        "default width of embeddings, or `auto` for each by the rows of its table", 16
    )
    # Always None: imports.py replaces `use` by the groups that it takes, so that a Spec needs no other file.
    use: Annotated[None, ListKind(ReferenceKind("feature group"), single=True)] = Field(
        None,
        description="feature groups taken from imports: `fund.product`, or `fund` for all groups of the file",
        exclude=True,
    )
    features: Annotated[tuple[FeatureGroup, ...], BlockKind("features", many=True)] = setting("a group of features", ())
    bottom: Annotated[BottomBlock | None, BlockKind("bottom")] = setting("what lies below the experts", None)
    baseline: Annotated[BaselineBlock | None, BlockKind("baseline")] = setting("sizes of baselines", None)
    experts: Annotated[ExpertsBlock, BlockKind("experts")] = setting(
        "defaults for the experts of all levels", ExpertsBlock()
    )
    levels: Annotated[tuple[Level, ...], BlockKind("level", many=True)] = setting("a level of the hierarchy", ())
    tasks: Annotated[Tasks, BlockKind("tasks")] = setting("what is predicted", Tasks())
    train: Annotated[Train, BlockKind("train")] = setting("how the network is trained", Train())
    data: Annotated[Data | None, BlockKind("data")] = setting("the tables", None)

    _places: Places = PrivateAttr(default_factory=Places)
    _space: tuple[Dimension, ...] = PrivateAttr(default=())

    @property
    def places(self) -> Places:
        """Where each value was written, by its dotted path; empty for a spec that was not read from text."""
        return self._places

    @property
    def space(self) -> tuple[Dimension, ...]:
        """The search space: the settings of the block `tune`; empty for a spec that was not read from text."""
        return self._space

    @classmethod
    def parse(cls, text: str, path: str = "<text>") -> Spec:
        """Reads a spec from a text in the language.

        Args:
            text: the text.
            path: the file name in messages; imports are looked up in its folder, by default the working folder.
        Raises:
            AesmError: the text has errors; its findings also hold the warnings.
        """
        from aesm_dsl.spec.load import load

        findings = Findings()
        spec = load(Source(path, text), findings)
        if spec is None or findings.errors:
            raise AesmError(findings)
        return spec

    @pydantic.model_validator(mode="after")
    def _inherit_experts(self) -> Self:
        """Fills settings of experts that a level leaves out from the model's own `experts`."""
        defaults = {name: getattr(self.experts, name) for name in self.experts.model_fields_set}

        def inherit(experts: ExpertsBlock) -> ExpertsBlock:
            return experts.model_copy(update={k: v for k, v in defaults.items() if k not in experts.model_fields_set})

        levels = tuple(level.model_copy(update={"experts": inherit(level.experts)}) for level in self.levels)
        tasks = self.tasks.model_copy(update={"experts": inherit(self.tasks.experts)})
        # The model is frozen, so that attributes cannot be assigned; a validator still builds it.
        self.__dict__.update(levels=levels, tasks=tasks)
        return self
