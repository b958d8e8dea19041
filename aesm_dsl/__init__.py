"""aesm: one ranking model for many scenarios and many tasks, from a small spec.

A name is loaded when it is first asked for: asking for help, or checking a spec, does not load what training needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aesm_dsl.api.compare import compare
    from aesm_dsl.api.diff import diff
    from aesm_dsl.api.export import export
    from aesm_dsl.api.prepare import prepare
    from aesm_dsl.api.train import (
        build_from_spec,
        check,
        compile_spec,
        evaluate,
        load_run,
        predict,
        train,
        usage,
    )
    from aesm_dsl.api.tune import tune
    from aesm_dsl.api.visualize import visualize
    from aesm_dsl.findings.error import AesmError
    from aesm_dsl.spec.model import Spec
else:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _HOMES:
            raise AttributeError(f"module 'aesm_dsl' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"aesm_dsl.{_HOMES[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


_HOMES = {
    "AesmError": "error",
    "Spec": "spec.model",
    "build_from_spec": "pipeline",
    "check": "pipeline",
    "compare": "comparing",
    "compile_spec": "pipeline",
    "diff": "evolving",
    "evaluate": "pipeline",
    "export": "exporting",
    "load_run": "pipeline",
    "predict": "pipeline",
    "prepare": "preparing",
    "train": "pipeline",
    "tune": "tuning",
    "usage": "pipeline",
    "visualize": "drawing",
}
"""The module of every name."""

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
    "tune",
    "usage",
    "visualize",
]
