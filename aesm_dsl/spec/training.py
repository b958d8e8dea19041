"""The words for training."""

from __future__ import annotations

import typing
from typing import Annotated

from pydantic import Field

from aesm_dsl.spec.block_model import Model, setting
from aesm_dsl.spec.kinds import Auto, Call, Choice, Integer, Optional, Quantity, Real, Share


class Adam(Model):
    """The optimiser Adam, with weight decay added to the gradient."""

    call: typing.Literal["adam"]
    rate: Annotated[float, Real(open=True)] = setting("learning rate, the highest of the schedule", 1e-3)
    weight_decay: Annotated[float, Real()] = setting("weight decay", 0.0)
    embeddings_decay: Annotated[float | typing.Literal["auto"], Auto(Real())] = setting(
        "weight decay of the embedding tables; `auto` is `weight_decay`", "auto"
    )


class AdamW(Model):
    """The optimiser Adam, with decoupled weight decay."""

    call: typing.Literal["adamw"]
    rate: Annotated[float, Real(open=True)] = setting("learning rate, the highest of the schedule", 1e-3)
    weight_decay: Annotated[float, Real()] = setting("weight decay", 1e-2)
    embeddings_decay: Annotated[float | typing.Literal["auto"], Auto(Real())] = setting(
        "weight decay of the embedding tables; `auto` is `weight_decay`", "auto"
    )


class SGD(Model):
    """Stochastic gradient descent; sparse embedding tables have neither momentum nor weight decay."""

    call: typing.Literal["sgd"]
    rate: Annotated[float, Real(open=True)] = setting("learning rate, the highest of the schedule", 1e-2)
    weight_decay: Annotated[float, Real()] = setting("weight decay", 0.0)
    embeddings_decay: Annotated[float | typing.Literal["auto"], Auto(Real())] = setting(
        "weight decay of the embedding tables; `auto` is `weight_decay`", "auto"
    )
    momentum: Annotated[float, Real(0, 1)] = setting("share of the last move that is made again", 0.9)


class Adagrad(Model):
    """The optimiser Adagrad; sparse embedding tables have no weight decay."""

    call: typing.Literal["adagrad"]
    rate: Annotated[float, Real(open=True)] = setting("learning rate, the highest of the schedule", 1e-2)
    weight_decay: Annotated[float, Real()] = setting("weight decay", 0.0)
    embeddings_decay: Annotated[float | typing.Literal["auto"], Auto(Real())] = setting(
        "weight decay of the embedding tables; `auto` is `weight_decay`", "auto"
    )


class OneCycle(Model):
    """The learning rate rises to its highest, and falls to nothing, both along a cosine."""

    call: typing.Literal["one_cycle"]
    warmup: Annotated[float, Share(open=True)] = setting("share of training in which it rises", 0.3)


class Steady(Model):
    """One learning rate."""

    call: typing.Literal["constant"]
    warmup: Annotated[float, Share()] = setting("share of training in which it rises from 0 in a straight line", 0.0)


class Cosine(Model):
    """The learning rate falls to 0 along half a cosine."""

    call: typing.Literal["cosine"]
    warmup: Annotated[float, Share()] = setting("share of training in which it rises from 0 in a straight line", 0.05)


class Plateau(Model):
    """The learning rate is lowered whenever the metric of `stop` has not improved for some epochs."""

    call: typing.Literal["plateau"]
    factor: Annotated[float, Share(open=True)] = setting("what it is multiplied with", 0.5)
    patience: Annotated[int, Integer(0)] = setting("epochs without a better value that are let pass", 1)
    warmup: Annotated[float, Share()] = setting("share of training in which it rises from 0 in a straight line", 0.0)


class Ema(Model):
    """Exponential moving average of the weights: what is measured and kept is the average, not the last step's."""

    call: typing.Literal["ema"]
    decay: Annotated[float, Share(open=True)] = setting("share of the old average that a step keeps", 0.999)


class Length(Model):
    """How long to train: a number of `epochs`, of `steps` or of `hours`."""

    value: float
    unit: typing.Literal["epochs", "steps", "hours"]


class Every(Model):
    """How often: after so many `minutes` or `steps`."""

    value: float
    unit: typing.Literal["minutes", "steps"]


METRICS = ("mean_auc", "mean_gauc", "log_loss", "normalised_entropy")


class Early(Model):
    """Stop when a metric of the validation rows has not improved for some epochs, and keep the best weights."""

    call: typing.Literal["early"]
    patience: Annotated[int, Integer(1)] = setting("epochs without a better value before training stops", 2)
    on: Annotated[typing.Literal["mean_auc", "mean_gauc", "log_loss", "normalised_entropy"], Choice(METRICS)] = setting(
        "the metric, its mean over the tasks; `mean_gauc`, the AUC within users, needs `user` in `data`", "mean_auc"
    )


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

    optimizer: Annotated[
        Adam | AdamW | SGD | Adagrad, Call((Adam, AdamW, SGD, Adagrad)), Field(discriminator="call")
    ] = setting("the optimiser and its learning rate", Adam(call="adam"))
    schedule: Annotated[
        OneCycle | Steady | Cosine | Plateau,
        Call((OneCycle, Steady, Cosine, Plateau)),
        Field(discriminator="call"),
    ] = setting("the learning rate through training", OneCycle(call="one_cycle"))
    clip: Annotated[float | None, Optional(Real(open=True))] = setting(
        "the largest norm of a step's gradient, all parameters taken together; a larger one is scaled down", None
    )
    average: Annotated[Ema | None, Optional(Call((Ema,)))] = setting("an average of the weights over the steps", None)
    batch: Annotated[int, Integer(1, unit="rows")] = setting("rows in a step", 4096)
    length: Annotated[Length, Quantity({"epochs": Real(open=True), "steps": Integer(1), "hours": Real(open=True)})] = (
        setting("how long to train", Length(value=5, unit="epochs"))
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
    tables: Annotated[typing.Literal["local", "sharded"], Choice(("local", "sharded"))] = setting(
        "where the tables live of which a step moves some rows only: `local`, whole in every process of torchrun, or "
        "`sharded`, a part of the rows in each (extra `torchrec`)",
        "local",
    )
    combine: Annotated[typing.Literal["sum", "pcgrad", "aligned_mtl"], Choice(COMBINE)] = setting(
        "how the tasks' gradients become one: their `sum`, or a method that settles conflicts (extra `gradients`)",
        "sum",
    )
    precision: Annotated[typing.Literal["float32", "bf16"], Choice(("float32", "bf16"))] = setting(
        "type of a training step's large products: with `bf16` that is bfloat16; weights, gates, probabilities and "
        "losses stay in float32, and so does all that is measured",
        "float32",
    )
    compile: Annotated[typing.Literal["inductor"] | None, Optional(Choice(("inductor",)))] = setting(
        "what compiles the network for its training steps: torch.compile with `inductor`, or `none`", None
    )
    checkpoint: Annotated[Every | None, Optional(Quantity({"minutes": Real(open=True), "steps": Integer(1)}))] = (
        setting(
            "how often to write down where training stands, so that `--resume` can go on from there",
            Every(value=10, unit="minutes"),
        )
    )
    seed: Annotated[int, Integer(0, 2**32 - 1)] = setting("seed of everything that is drawn", 7)
