"""The vocabulary of training."""

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
from aesm_dsl.spec.task_weights import COMBINE, DWA, FAMO, Combine, Fixed, GradNorm, Uncertainty


class Adam(BlockModel):
    """The optimizer Adam, with weight decay added to the gradient."""

    call: typing.Literal["adam"]
    rate: Annotated[float, RealKind(open=True)] = setting("learning rate at the peak of the schedule", 1e-3)
    weight_decay: Annotated[float, RealKind()] = setting("weight decay", 0.0)
    embeddings_decay: Annotated[float | typing.Literal["auto"], AutoKind(RealKind())] = setting(
        "weight decay of the embedding tables; `auto` is `weight_decay`, or if that is 0, 10 over the rows of a batch "
        "and at most 0.02",
        "auto",
    )


class AdamW(BlockModel):
    """The optimizer Adam, with decoupled weight decay."""

    call: typing.Literal["adamw"]
    rate: Annotated[float, RealKind(open=True)] = setting("learning rate at the peak of the schedule", 1e-3)
    weight_decay: Annotated[float, RealKind()] = setting("weight decay", 1e-2)
    embeddings_decay: Annotated[float | typing.Literal["auto"], AutoKind(RealKind())] = setting(
        "weight decay of the embedding tables; `auto` is `weight_decay`", "auto"
    )


class SGD(BlockModel):
    """Stochastic gradient descent; there is no momentum or weight decay for sparse embedding tables."""

    call: typing.Literal["sgd"]
    rate: Annotated[float, RealKind(open=True)] = setting("learning rate at the peak of the schedule", 1e-2)
    weight_decay: Annotated[float, RealKind()] = setting("weight decay", 0.0)
    embeddings_decay: Annotated[float | typing.Literal["auto"], AutoKind(RealKind())] = setting(
        "weight decay of the embedding tables; `auto` is `weight_decay`", "auto"
    )
    momentum: Annotated[float, RealKind(0, 1)] = setting(
        "momentum: share of the previous update that is added to the next", 0.9
    )


class Adagrad(BlockModel):
    """The optimizer Adagrad; there is no weight decay for sparse embedding tables."""

    call: typing.Literal["adagrad"]
    rate: Annotated[float, RealKind(open=True)] = setting("learning rate at the peak of the schedule", 1e-2)
    weight_decay: Annotated[float, RealKind()] = setting("weight decay", 0.0)
    embeddings_decay: Annotated[float | typing.Literal["auto"], AutoKind(RealKind())] = setting(
        "weight decay of the embedding tables; `auto` is `weight_decay`", "auto"
    )


class OneCycle(BlockModel):
    """The learning rate rises to its maximum and then falls to almost 0, both along a cosine."""

    call: typing.Literal["one_cycle"]
    warmup: Annotated[float, ShareKind(open=True)] = setting("share of training in which the learning rate rises", 0.3)


class Steady(BlockModel):
    """A constant learning rate."""

    call: typing.Literal["constant"]
    warmup: Annotated[float, ShareKind()] = setting(
        "share of training in which the learning rate rises linearly from 0", 0.0
    )


class Cosine(BlockModel):
    """The learning rate falls to 0 along half a cosine."""

    call: typing.Literal["cosine"]
    warmup: Annotated[float, ShareKind()] = setting(
        "share of training in which the learning rate rises linearly from 0", 0.05
    )


class Plateau(BlockModel):
    """The learning rate is reduced whenever the metric of `stop` has not improved for some epochs."""

    call: typing.Literal["plateau"]
    factor: Annotated[float, ShareKind(open=True)] = setting("factor by which the learning rate is multiplied", 0.5)
    patience: Annotated[int, IntegerKind(0)] = setting(
        "epochs without a better value that are tolerated before a reduction", 1
    )
    warmup: Annotated[float, ShareKind()] = setting(
        "share of training in which the learning rate rises linearly from 0", 0.0
    )


class Ema(BlockModel):
    """An exponential moving average of the weights; the average is evaluated and saved instead of the last weights."""

    call: typing.Literal["ema"]
    decay: Annotated[float, ShareKind(open=True)] = setting(
        "share of the old average that remains after a step; after n steps at most (1 + n) / (10 + n)", 0.999
    )


class Length(BlockModel):
    """The length of a training: a number of `epochs`, `steps` or `hours`."""

    value: float
    unit: typing.Literal["epochs", "steps", "hours"]


class Every(BlockModel):
    """An interval in `minutes` or `steps`."""

    value: float
    unit: typing.Literal["minutes", "steps"]


METRICS = ("mean_auc", "mean_gauc", "mean_ndcg", "log_loss", "normalised_entropy")


class Early(BlockModel):
    """Stop if a metric of the validation rows has not improved for some epochs, and keep the best weights."""

    call: typing.Literal["early"]
    patience: Annotated[int, IntegerKind(1)] = setting("epochs without a better value before training stops", 2)
    on: Annotated[
        typing.Literal["mean_auc", "mean_gauc", "mean_ndcg", "log_loss", "normalised_entropy"], ChoiceKind(METRICS)
    ] = setting(
        "the metric, averaged over the tasks; `mean_gauc`, the AUC within users, needs `user` in `data`, and "
        "`mean_ndcg` needs `query`",
        "mean_auc",
    )


class Constant(BlockModel):
    """Noise on the gates of a constant size."""

    call: typing.Literal["constant"]
    sigma: Annotated[float, RealKind()] = setting("standard deviation of the noise on the gate logits")
    into: Annotated[typing.Literal["selection", "mixture"], ChoiceKind(("selection", "mixture"))] = setting(
        "whether the noise affects only the selection or the mixture too", "selection"
    )


class Anneal(BlockModel):
    """Noise on the gates that falls linearly to 0."""

    call: typing.Literal["anneal"]
    start: Annotated[float, RealKind()] = setting("standard deviation at the first step", 1.0, alias="from")
    over: Annotated[float, RealKind(0, 1, open=True)] = setting("share of training after which there is no noise", 0.3)
    into: Annotated[typing.Literal["selection", "mixture"], ChoiceKind(("selection", "mixture"))] = setting(
        "whether the noise affects only the selection or the mixture too", "selection"
    )


Noise = Annotated[Anneal | Constant, Field(discriminator="call")]


class Dense(BlockModel):
    """A training step updates all rows of the embedding tables."""

    call: typing.Literal["dense"]


class Sparse(BlockModel):
    """A training step updates only the rows of the embedding tables that its batch looks up."""

    call: typing.Literal["sparse"]
    least: Annotated[float, RealKind()] = setting(
        "only for tables with at least this many rows per id that a batch looks up in them", 0.0, alias="from"
    )


class Train(BlockModel):
    """How the network is trained."""

    optimizer: Annotated[
        Adam | AdamW | SGD | Adagrad, CallKind((Adam, AdamW, SGD, Adagrad)), Field(discriminator="call")
    ] = setting("the optimizer and its learning rate", Adam(call="adam"))
    schedule: Annotated[
        OneCycle | Steady | Cosine | Plateau,
        CallKind((OneCycle, Steady, Cosine, Plateau)),
        Field(discriminator="call"),
    ] = setting("the learning rate over the course of training", OneCycle(call="one_cycle"))
    clip: Annotated[float | None, OptionalKind(RealKind(open=True))] = setting(
        "largest norm of the gradient of all parameters together; a larger gradient is scaled down to it", None
    )
    average: Annotated[Ema | None, OptionalKind(CallKind((Ema,)))] = setting("a moving average of the weights", None)
    batch: Annotated[int, IntegerKind(1, unit="rows")] = setting("rows of a training step", 4096)
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
        "weight of the balance loss, which keeps all experts of a layer in use, over all its gates together", 0.0
    )
    weights: Annotated[
        Fixed | Uncertainty | GradNorm | DWA | FAMO,
        CallKind((Fixed, Uncertainty, GradNorm, DWA, FAMO)),
        Field(discriminator="call"),
    ] = setting(
        "weights of the tasks' losses: each task's `weight`, or with all but `fixed` that times a factor that training "
        "finds",
        Fixed(call="fixed"),
    )
    embeddings: Annotated[
        Annotated[Dense | Sparse, Field(discriminator="call")] | typing.Literal["auto"],
        AutoKind(CallKind((Dense, Sparse))),
    ] = setting(
        "which rows of the embedding tables a step updates: all (`dense`), or those that its batch looks up (`sparse`)",
        "auto",
    )
    tables: Annotated[typing.Literal["local", "sharded"], ChoiceKind(("local", "sharded"))] = setting(
        "where sparse embedding tables are stored: `local`, whole in every process of torchrun, or `sharded`, with a "
        "part of the rows in each process (extra `torchrec`)",
        "local",
    )
    combine: Annotated[Combine, ChoiceKind(COMBINE)] = setting(
        "how the tasks' gradients are combined: their `sum`, or a method against conflicts (extra `gradients`)",
        "sum",
    )
    precision: Annotated[typing.Literal["float32", "bf16"], ChoiceKind(("float32", "bf16"))] = setting(
        "type of a training step's large matrix products, where `bf16` is bfloat16; weights, gates, probabilities and "
        "losses stay in float32, and so does every evaluation",
        "float32",
    )
    compile: Annotated[typing.Literal["inductor"] | None, OptionalKind(ChoiceKind(("inductor",)))] = setting(
        "compiler of the training steps: torch.compile with `inductor`, or `none`", None
    )
    checkpoint: Annotated[
        Every | None, OptionalKind(QuantityKind({"minutes": RealKind(open=True), "steps": IntegerKind(1)}))
    ] = setting(
        "how often a checkpoint is written, from which `--resume` goes on",
        Every(value=10, unit="minutes"),
    )
    seed: Annotated[int, IntegerKind(0, 2**32 - 1)] = setting("seed of all random numbers", 7)
