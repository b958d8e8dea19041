"""aesm: one ranking model for many scenarios and many tasks, from a small spec.

A name is loaded when it is first asked for: asking for help, or checking a spec, does not load what training needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aesm_dsl.api.check import check
    from aesm_dsl.api.compare import compare
    from aesm_dsl.api.compile import build_from_spec, compile_spec
    from aesm_dsl.api.diff import diff
    from aesm_dsl.api.evaluate import evaluate
    from aesm_dsl.api.export import export
    from aesm_dsl.api.load_run import load_run
    from aesm_dsl.api.predict import predict
    from aesm_dsl.api.prepare import prepare
    from aesm_dsl.api.train import train
    from aesm_dsl.api.tune import tune
    from aesm_dsl.api.usage import usage
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
    "AesmError": "findings.error",
    "Spec": "spec.model",
    "build_from_spec": "api.compile",
    "check": "api.check",
    "compare": "api.compare",
    "compile_spec": "api.compile",
    "diff": "api.diff",
    "evaluate": "api.evaluate",
    "export": "api.export",
    "load_run": "api.load_run",
    "predict": "api.predict",
    "prepare": "api.prepare",
    "train": "api.train",
    "tune": "api.tune",
    "usage": "api.usage",
    "visualize": "api.visualize",
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
