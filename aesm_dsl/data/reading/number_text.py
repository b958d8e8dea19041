"""Numbers that are written as text in a form of their own (`NumberForm`), such as "1.234,50 €" or "5 %"."""

from __future__ import annotations

import polars as pl

from aesm_dsl.plan.number_form import NumberForm

_BLANKS = " \u00a0\u202f\u2009"
"""What may stand between groups of digits if a blank does: the plain, unbreakable, narrow and thin blank."""


def read_number_text(text: pl.Series, form: NumberForm) -> pl.Series:
    """Returns the numbers, Float64; null for what is no number of the form, such as a number of another form.

    Groups of digits must be whole: with the thousands sign "." the text "12.34" is no number.
    """
    ends = f"[\\s{_escaped(form.strip + '%' * form.percent)}]*"
    mark, decimal = form.thousands, _one_of(form.decimal)
    group = _one_of(_BLANKS if mark.isspace() else mark) if mark else ""
    whole = f"[0-9]{{1,3}}(?:{group}[0-9]{{2,3}})*{group}[0-9]{{3}}|[0-9]+" if group else "[0-9]+"
    number = f"(?:(?:{whole})(?:{decimal}[0-9]*)?|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    parts = text.str.extract_groups(f"^{ends}(?P<sign>[+-]?){ends}(?P<number>{number}){ends}$").struct
    digits = parts.field("number")
    if group:
        digits = digits.str.replace_all(group, "")
    digits = digits.str.replace(decimal, ".")
    sign = parts.field("sign").replace_strict("-", -1.0, default=1.0, return_dtype=pl.Float64)
    return digits.cast(pl.Float64, strict=False) * sign


def _escaped(signs: str) -> str:
    return "".join(f"\\x{{{ord(sign):x}}}" for sign in signs)


def _one_of(signs: str) -> str:
    return f"[{_escaped(signs)}]"
