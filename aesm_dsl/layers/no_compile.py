"""`no_compile`: marks functions that torch.compile leaves as they are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def no_compile(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Returns the function, which in a compiled network runs between two graphs, not inside one.

    torch.compiler.disable as a decorator does the same, but it loads the compiler on import, also for users who compile
    nothing. So it is applied here only once something compiles.
    """

    @functools.wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if torch.compiler.is_dynamo_compiling():
            result: Result = torch.compiler.disable(function)(*args, **kwargs)  # type: ignore[no-untyped-call]
            return result
        return function(*args, **kwargs)

    return run
