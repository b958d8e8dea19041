"""Hand-made plans for the data room: `Make` builds one around the few things that a test is about."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.fitting import EncoderFitting
from aesm_dsl.plan.data import DataPlan
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import LayerPlan, LevelPlan, NodePlan, Plan, TaskLevelPlan, TaskPlan
from aesm_dsl.plan.training import NoisePlan, TrainingPlan

LAYER = LayerPlan(8, 4, 2, 2, (4,), 1, 1, "layer", "layer", "silu", 0.0)


class Make:
    """Short constructors, so that a test says only what it is about."""

    def feature(self, name: str, kind: str, rows: int, column: str | None = None, min_count: int = 1) -> FeaturePlan:
        return FeaturePlan(name, column or name, "user", kind, rows, 4, min_count)

    def level(self, name: str, column: str, nodes: dict[str, tuple[int, ...]]) -> LevelPlan:
        """nodes: name -> parents; a node's value is its name."""
        made = tuple(NodePlan(node, node, (node,), parents) for node, parents in nodes.items())
        return LevelPlan(name, name, column, made, 4, (LAYER,))

    def task(self, name: str, column: str, rule: str = "as is", value: float | str | None = None) -> TaskPlan:
        return TaskPlan(name, name, column, rule, value, None, 1.0)

    def plan(
        self,
        features: Sequence[FeaturePlan] = (),
        levels: Sequence[LevelPlan] = (),
        tasks: Sequence[TaskPlan] = (),
        data: DataPlan | None = None,
        seed: int = 7,
    ) -> Plan:
        return Plan(
            name="m",
            label="m",
            features=tuple(features) or (self.feature("age", "number", 5),),
            levels=tuple(levels),
            tasks=TaskLevelPlan(tuple(tasks) or (self.task("click", "y"),), 4, (LAYER,), (4,), "relu", 0.0),
            training=TrainingPlan(
                "adam",
                1e-3,
                0.0,
                "constant",
                64,
                1.0,
                None,
                None,
                NoisePlan("constant", 0.0, 1.0, False),
                0.01,
                0.01,
                seed,
            ),
            data=data,
        )


def fit_encoders(plan: Plan, frame: pl.DataFrame) -> Encoders:
    """Encoders learnt from training rows that are in memory as a whole."""
    fitting = EncoderFitting(plan)
    fitting.update(frame)
    return fitting.finish()
