"""The words for training."""

from __future__ import annotations

import typing
from typing import Annotated

from pydantic import Field

from aesm_dsl.spec.block import Model, setting
from aesm_dsl.spec.kind import Auto, Call, Choice, Integer, Optional, Quantity, Real


class Adam(Model):
    """The optimiser Adam, with weight decay added to the gradient."""

    call: typing.Literal["adam"]
    rate: Annotated[float, Real(open=True)] = setting("learning rate, the highest of the schedule", 1e-3)
    weight_decay: Annotated[float, Real()] = setting("weight decay", 0.0)


class AdamW(Model):
    """The optimiser Adam, with decoupled weight decay."""

    call: typing.Literal["adamw"]
    rate: Annotated[float, Real(open=True)] = setting("learning rate, the highest of the schedule", 1e-3)
    weight_decay: Annotated[float, Real()] = setting("weight decay", 1e-2)


class Length(Model):
    """How long to train: a number of `epochs` or of `steps`."""

    value: float
    unit: typing.Literal["epochs", "steps"]


class Every(Model):
    """How often: after so many `minutes` or `steps`."""

    value: float
    unit: typing.Literal["minutes", "steps"]


class Early(Model):
    """Stop when a metric of the validation rows has not improved for some epochs, and keep the best weights."""

    call: typing.Literal["early"]
    patience: Annotated[int, Integer(1)] = setting("epochs without a better value before training stops", 2)
    on: Annotated[typing.Literal["mean_auc"], Choice(("mean_auc",))] = setting("the metric", "mean_auc")


class Constant(Model):
    """Gate noise of one size through all of training."""

    call: typing.Literal["constant"]
    sigma: Annotated[float, Real()] = setting("standard deviation of the noise on the gate logits")
    into: Annotated[typing.Literal["selection", "mixture"], Choice(("selection", "mixture"))] = setting(
        "whether the noise moves the selection alone or the mixture too", "selection"
    )


class Anneal(Model):
    """Gate noise that falls in a straight line to nothing."""

    call: typing.Literal["anneal"]
    start: Annotated[float, Real()] = setting("standard deviation at the first step", 1.0, alias="from")
    over: Annotated[float, Real(0, 1, open=True)] = setting("share of training after which there is no noise", 0.3)
    into: Annotated[typing.Literal["selection", "mixture"], Choice(("selection", "mixture"))] = setting(
        "whether the noise moves the selection alone or the mixture too", "selection"
    )


Noise = Annotated[Anneal | Constant, Field(discriminator="call")]


class Dense(Model):
    """A step moves all rows of the embedding tables."""

    call: typing.Literal["dense"]


class Sparse(Model):
    """A step moves only those rows of the embedding tables that its batch looks up."""

    call: typing.Literal["sparse"]
    least: Annotated[float, Real()] = setting(
        "rows of a table for every id that a batch looks up in it, from which on this holds", 0.0, alias="from"
    )


COMBINE = ("sum", "pcgrad", "aligned_mtl")


class Train(Model):
    """How the network learns."""

    optimizer: Annotated[Adam | AdamW, Call((Adam, AdamW)), Field(discriminator="call")] = setting(
        "the optimiser and its learning rate", Adam(call="adam")
    )
    schedule: Annotated[typing.Literal["one_cycle", "constant"], Choice(("one_cycle", "constant"))] = setting(
        "the learning rate through training: up and down once, or constant", "one_cycle"
    )
    batch: Annotated[int, Integer(1, unit="rows")] = setting("rows in a step", 4096)
    length: Annotated[Length, Quantity({"epochs": Real(open=True), "steps": Integer(1)})] = setting(
        "how long to train", Length(value=5, unit="epochs")
    )
    stop: Annotated[Early | None, Optional(Call((Early,)))] = setting(
        "when to stop early; needs validation rows", Early(call="early")
    )
    noise: Annotated[Noise | None, Optional(Call((Anneal, Constant)))] = setting(
        "exploration: noise on the gate logits in training", Anneal(call="anneal")
    )
    specific_loss: Annotated[float, Real()] = setting("weight of the specificity loss L_sp", 0.01)
    shared_loss: Annotated[float, Real()] = setting("weight of the sharedness loss L_sh", 0.01)
    balance: Annotated[float, Real()] = setting(
        "weight of the balance loss, which keeps all experts of a layer in use, all its gates taken together", 0.0
    )
    weights: Annotated[typing.Literal["fixed", "uncertainty"], Choice(("fixed", "uncertainty"))] = setting(
        "what the tasks' losses count: each task's `weight`, or with `uncertainty` that times a factor which is learnt",
        "fixed",
    )
    embeddings: Annotated[
        Annotated[Dense | Sparse, Field(discriminator="call")] | typing.Literal["auto"], Auto(Call((Dense, Sparse)))
    ] = setting("which rows of the embedding tables a step moves: all, or those that its batch looks up", "auto")
    combine: Annotated[typing.Literal["sum", "pcgrad", "aligned_mtl"], Choice(COMBINE)] = setting(
        "how the tasks' gradients become one: their `sum`, or a method that settles conflicts (extra `gradients`)",
        "sum",
    )
    checkpoint: Annotated[Every | None, Optional(Quantity({"minutes": Real(open=True), "steps": Integer(1)}))] = (
        setting(
            "how often to write down where training stands, so that `--resume` can go on from there",
            Every(value=10, unit="minutes"),
        )
    )
    seed: Annotated[int, Integer(0, 2**32 - 1)] = setting("seed of everything that is drawn", 7)
