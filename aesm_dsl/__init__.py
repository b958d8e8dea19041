"""aesm: one ranking model for many scenarios and many tasks, from a small spec."""

from aesm_dsl.comparing import compare
from aesm_dsl.drawing import visualize
from aesm_dsl.error import AesmError
from aesm_dsl.evolving import diff
from aesm_dsl.exporting import export
from aesm_dsl.pipeline import (
    build_from_spec,
    check,
    compile_spec,
    evaluate,
    load_run,
    predict,
    train,
    usage,
)
from aesm_dsl.preparing import prepare
from aesm_dsl.spec.model import Spec

__all__ = [
    "AesmError",
    "Spec",
    "build_from_spec",
    "check",
    "compare",
    "compile_spec",
    "diff",
    "evaluate",
    "export",
    "load_run",
    "predict",
    "prepare",
    "train",
    "usage",
    "visualize",
]
