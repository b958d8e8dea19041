"""`no_compile`: what torch.compile is to leave as it is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

Given = ParamSpec("Given")
Found = TypeVar("Found")


def no_compile(function: Callable[Given, Found]) -> Callable[Given, Found]:
    """The function, which in a network that is compiled runs between two graphs and not in one.

    torch.compiler.disable says the same, but loads the compiler at once, for those too that compile nothing.
    """

    @functools.wraps(function)
    def run(*given: Given.args, **named: Given.kwargs) -> Found:
        if torch.compiler.is_dynamo_compiling():
            found: Found = torch.compiler.disable(function)(*given, **named)  # type: ignore[no-untyped-call]
            return found
        return function(*given, **named)

    return run
