"""The words for training."""

from __future__ import annotations

import typing
from typing import Annotated

from pydantic import Field

from aesm_dsl.spec.block_model import BlockModel, setting
from aesm_dsl.spec.kinds import (
    AutoKind,
    CallKind,
    ChoiceKind,
    IntegerKind,
    OptionalKind,
    QuantityKind,
    RealKind,
    ShareKind,
)


class Adam(BlockModel):
    """The optimiser Adam, with weight decay added to the gradient."""

    call: typing.Literal["adam"]
    rate: Annotated[float, RealKind(open=True)] = setting("learning rate, the highest of the schedule", 1e-3)
    weight_decay: Annotated[float, RealKind()] = setting("weight decay", 0.0)
    embeddings_decay: Annotated[float | typing.Literal["auto"], AutoKind(RealKind())] = setting(
        "weight decay of the embedding tables; `auto` is `weight_decay`", "auto"
    )


class AdamW(BlockModel):
    """The optimiser Adam, with decoupled weight decay."""

    call: typing.Literal["adamw"]
    rate: Annotated[float, RealKind(open=True)] = setting("learning rate, the highest of the schedule", 1e-3)
    weight_decay: Annotated[float, RealKind()] = setting("weight decay", 1e-2)
    embeddings_decay: Annotated[float | typing.Literal["auto"], AutoKind(RealKind())] = setting(
        "weight decay of the embedding tables; `auto` is `weight_decay`", "auto"
    )


class SGD(BlockModel):
    """Stochastic gradient descent; sparse embedding tables have neither momentum nor weight decay."""

    call: typing.Literal["sgd"]
    rate: Annotated[float, RealKind(open=True)] = setting("learning rate, the highest of the schedule", 1e-2)
    weight_decay: Annotated[float, RealKind()] = setting("weight decay", 0.0)
    embeddings_decay: Annotated[float | typing.Literal["auto"], AutoKind(RealKind())] = setting(
        "weight decay of the embedding tables; `auto` is `weight_decay`", "auto"
    )
    momentum: Annotated[float, RealKind(0, 1)] = setting("share of the last move that is made again", 0.9)


class Adagrad(BlockModel):
    """The optimiser Adagrad; sparse embedding tables have no weight decay."""

    call: typing.Literal["adagrad"]
    rate: Annotated[float, RealKind(open=True)] = setting("learning rate, the highest of the schedule", 1e-2)
    weight_decay: Annotated[float, RealKind()] = setting("weight decay", 0.0)
    embeddings_decay: Annotated[float | typing.Literal["auto"], AutoKind(RealKind())] = setting(
        "weight decay of the embedding tables; `auto` is `weight_decay`", "auto"
    )


class OneCycle(BlockModel):
    """The learning rate rises to its highest, and falls to nothing, both along a cosine."""

    call: typing.Literal["one_cycle"]
    warmup: Annotated[float, ShareKind(open=True)] = setting("share of training in which it rises", 0.3)


class Steady(BlockModel):
    """One learning rate."""

    call: typing.Literal["constant"]
    warmup: Annotated[float, ShareKind()] = setting(
        "share of training in which it rises from 0 in a straight line", 0.0
    )


class Cosine(BlockModel):
    """The learning rate falls to 0 along half a cosine."""

    call: typing.Literal["cosine"]
    warmup: Annotated[float, ShareKind()] = setting(
        "share of training in which it rises from 0 in a straight line", 0.05
    )


class Plateau(BlockModel):
    """The learning rate is lowered whenever the metric of `stop` has not improved for some epochs."""

    call: typing.Literal["plateau"]
    factor: Annotated[float, ShareKind(open=True)] = setting("what it is multiplied with", 0.5)
    patience: Annotated[int, IntegerKind(0)] = setting("epochs without a better value that are let pass", 1)
    warmup: Annotated[float, ShareKind()] = setting(
        "share of training in which it rises from 0 in a straight line", 0.0
    )


class Ema(BlockModel):
    """Exponential moving average of the weights: what is measured and kept is the average, not the last step's."""

    call: typing.Literal["ema"]
    decay: Annotated[float, ShareKind(open=True)] = setting("share of the old average that a step keeps", 0.999)


class Length(BlockModel):
    """How long to train: a number of `epochs`, of `steps` or of `hours`."""

    value: float
    unit: typing.Literal["epochs", "steps", "hours"]


class Every(BlockModel):
    """How often: after so many `minutes` or `steps`."""

    value: float
    unit: typing.Literal["minutes", "steps"]


METRICS = ("mean_auc", "mean_gauc", "log_loss", "normalised_entropy")


class Early(BlockModel):
    """Stop when a metric of the validation rows has not improved for some epochs, and keep the best weights."""

    call: typing.Literal["early"]
    patience: Annotated[int, IntegerKind(1)] = setting("epochs without a better value before training stops", 2)
    on: Annotated[typing.Literal["mean_auc", "mean_gauc", "log_loss", "normalised_entropy"], ChoiceKind(METRICS)] = (
        setting(
            "the metric, its mean over the tasks; `mean_gauc`, the AUC within users, needs `user` in `data`", "mean_auc"
        )
    )


class Constant(BlockModel):
    """Gate noise of one size through all of training."""

    call: typing.Literal["constant"]
    sigma: Annotated[float, RealKind()] = setting("standard deviation of the noise on the gate logits")
    into: Annotated[typing.Literal["selection", "mixture"], ChoiceKind(("selection", "mixture"))] = setting(
        "whether the noise moves the selection alone or the mixture too", "selection"
    )


class Anneal(BlockModel):
    """Gate noise that falls in a straight line to nothing."""

    call: typing.Literal["anneal"]
    start: Annotated[float, RealKind()] = setting("standard deviation at the first step", 1.0, alias="from")
    over: Annotated[float, RealKind(0, 1, open=True)] = setting("share of training after which there is no noise", 0.3)
    into: Annotated[typing.Literal["selection", "mixture"], ChoiceKind(("selection", "mixture"))] = setting(
        "whether the noise moves the selection alone or the mixture too", "selection"
    )


Noise = Annotated[Anneal | Constant, Field(discriminator="call")]


class Dense(BlockModel):
    """A step moves all rows of the embedding tables."""

    call: typing.Literal["dense"]


class Sparse(BlockModel):
    """A step moves only those rows of the embedding tables that its batch looks up."""

    call: typing.Literal["sparse"]
    least: Annotated[float, RealKind()] = setting(
        "rows of a table for every id that a batch looks up in it, from which on this holds", 0.0, alias="from"
    )


COMBINE = ("sum", "pcgrad", "aligned_mtl")


class Train(BlockModel):
    """How the network learns."""

    optimizer: Annotated[
        Adam | AdamW | SGD | Adagrad, CallKind((Adam, AdamW, SGD, Adagrad)), Field(discriminator="call")
    ] = setting("the optimiser and its learning rate", Adam(call="adam"))
    schedule: Annotated[
        OneCycle | Steady | Cosine | Plateau,
        CallKind((OneCycle, Steady, Cosine, Plateau)),
        Field(discriminator="call"),
    ] = setting("the learning rate through training", OneCycle(call="one_cycle"))
    clip: Annotated[float | None, OptionalKind(RealKind(open=True))] = setting(
        "the largest norm of a step's gradient, all parameters taken together; a larger one is scaled down", None
    )
    average: Annotated[Ema | None, OptionalKind(CallKind((Ema,)))] = setting(
        "an average of the weights over the steps", None
    )
    batch: Annotated[int, IntegerKind(1, unit="rows")] = setting("rows in a step", 4096)
    length: Annotated[
        Length, QuantityKind({"epochs": RealKind(open=True), "steps": IntegerKind(1), "hours": RealKind(open=True)})
    ] = setting("how long to train", Length(value=5, unit="epochs"))
    stop: Annotated[Early | None, OptionalKind(CallKind((Early,)))] = setting(
        "when to stop early; needs validation rows", Early(call="early")
    )
    noise: Annotated[Noise | None, OptionalKind(CallKind((Anneal, Constant)))] = setting(
        "exploration: noise on the gate logits in training", Anneal(call="anneal")
    )
    specific_loss: Annotated[float, RealKind()] = setting("weight of the specificity loss L_sp", 0.01)
    shared_loss: Annotated[float, RealKind()] = setting("weight of the sharedness loss L_sh", 0.01)
    balance: Annotated[float, RealKind()] = setting(
        "weight of the balance loss, which keeps all experts of a layer in use, all its gates taken together", 0.0
    )
    weights: Annotated[typing.Literal["fixed", "uncertainty"], ChoiceKind(("fixed", "uncertainty"))] = setting(
        "what the tasks' losses count: each task's `weight`, or with `uncertainty` that times a factor which is learnt",
        "fixed",
    )
    embeddings: Annotated[
        Annotated[Dense | Sparse, Field(discriminator="call")] | typing.Literal["auto"],
        AutoKind(CallKind((Dense, Sparse))),
    ] = setting("which rows of the embedding tables a step moves: all, or those that its batch looks up", "auto")
    tables: Annotated[typing.Literal["local", "sharded"], ChoiceKind(("local", "sharded"))] = setting(
        "where the tables live of which a step moves some rows only: `local`, whole in every process of torchrun, or "
        "`sharded`, a part of the rows in each (extra `torchrec`)",
        "local",
    )
    combine: Annotated[typing.Literal["sum", "pcgrad", "aligned_mtl"], ChoiceKind(COMBINE)] = setting(
        "how the tasks' gradients become one: their `sum`, or a method that settles conflicts (extra `gradients`)",
        "sum",
    )
    precision: Annotated[typing.Literal["float32", "bf16"], ChoiceKind(("float32", "bf16"))] = setting(
        "type of a training step's large products: with `bf16` that is bfloat16; weights, gates, probabilities and "
        "losses stay in float32, and so does all that is measured",
        "float32",
    )
    compile: Annotated[typing.Literal["inductor"] | None, OptionalKind(ChoiceKind(("inductor",)))] = setting(
        "what compiles the network for its training steps: torch.compile with `inductor`, or `none`", None
    )
    checkpoint: Annotated[
        Every | None, OptionalKind(QuantityKind({"minutes": RealKind(open=True), "steps": IntegerKind(1)}))
    ] = setting(
        "how often to write down where training stands, so that `--resume` can go on from there",
        Every(value=10, unit="minutes"),
    )
    seed: Annotated[int, IntegerKind(0, 2**32 - 1)] = setting("seed of everything that is drawn", 7)
