"""A contract's types and rules as Spark column expressions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction

from pyspark.sql import Column as Expression
from pyspark.sql import functions as F
from pyspark.sql import types as T

from firn_glue.contract import ContractColumn
from firn_glue.patterns import matches

DATE = r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}"
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
PATTERNS = {
    "integer": r"-?[0-9]{1,19}",
    "double": r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?",
    "date": DATE,
    "timestamp": f"{DATE}T{CLOCK}Z",
    "time": CLOCK,
}
"""The pattern of each type. The cast checks the rest, for example days of a month and 64 bits."""


def decimal_pattern(c: ContractColumn) -> str:
    """Return the pattern of a decimal. Without whole digits, the whole part is a single zero."""
    whole = c.precision - c.scale
    digits = f"[0-9]{{1,{whole}}}" if whole else "0"
    return f"-?{digits}" + (rf"(\.[0-9]{{1,{c.scale}}})?" if c.scale else "")


def anchored(pattern: str) -> str:
    """Return the pattern for the whole text. "$" would match before a last line end."""
    return rf"\A(?:{pattern})\z"


LARGEST = sys.float_info.max


def typed(text: Expression, c: ContractColumn) -> Expression:
    """Return the typed value of a text; null if the text doesn't fit the column's type."""
    match c.type:
        case "string" | "json":
            return text
        case "boolean":
            return F.when(text == "true", True).when(text == "false", False)
        case "decimal":
            cast = text.cast(T.DecimalType(c.precision, c.scale))
            return F.when(text.rlike(anchored(decimal_pattern(c))), cast)
        case "double":
            value = text.cast("double")
            return F.when(
                text.rlike(anchored(PATTERNS[c.type])),
                F.when(value.between(-LARGEST, LARGEST), value),
            )
        case "time":
            return F.when(text.rlike(anchored(PATTERNS[c.type])), microseconds(text))
        case _:
            name = {"integer": "bigint"}.get(c.type, c.type)
            return F.when(text.rlike(anchored(PATTERNS[c.type])), text.cast(name))


def microseconds(text: Expression) -> Expression:
    """Return the microseconds since midnight of a well-formed time."""
    hours, minutes = text.substr(1, 2).cast("bigint"), text.substr(4, 2).cast("bigint")
    seconds = hours * 3600 + minutes * 60 + text.substr(7, 2).cast("bigint")
    fraction = F.rpad(text.substr(10, 6), 6, "0").cast("bigint")
    return seconds * 1_000_000 + fraction


def canonical(value: Expression, c: ContractColumn) -> Expression:
    """Return the text of a value. Two values have equal texts exactly if the values are equal."""
    match c.type:
        case "date":
            return F.unix_date(value).cast("string")
        case "timestamp":
            return F.unix_micros(value).cast("string")
        case _:
            return value.cast("string")


def broken_rule(
    text: Expression, wrong: Expression, value: Expression, c: ContractColumn
) -> Expression:
    """Return the first broken rule of a column, without unique; null if no rule is broken."""

    def rule(name: str) -> Expression:
        return F.lit(f"{c.name}:{name}")

    broken = F.when(text.isNull(), rule("required") if c.required else F.lit(None))
    broken = broken.when(wrong | value.isNull(), rule(c.type))
    if c.type == "string":
        broken = broken.when(F.instr(text, "\0") > 0, rule("nul"))
    if c.min_length is not None:
        broken = broken.when(F.length(text) < c.min_length, rule("minLength"))
    if c.max_length is not None:
        broken = broken.when(F.length(text) > c.max_length, rule("maxLength"))
    if c.format_pattern:
        broken = broken.when(~matches(text, c.format_pattern), rule("format"))
    if c.pattern:
        broken = broken.when(~matches(text, c.pattern), rule("pattern"))
    if c.enum:
        broken = broken.when(~text.isin(list(c.enum)), rule("enum"))
    for name, breaks in bounds(value, c):
        broken = broken.when(breaks, rule(name))
    return broken


def bounds(value: Expression, c: ContractColumn) -> Iterator[tuple[str, Expression]]:
    """Yield the name of each bound and the expression that reports a broken bound, in order."""
    limits = (
        ("minimum", c.minimum),
        ("maximum", c.maximum),
        ("exclusiveMinimum", c.exclusive_minimum),
        ("exclusiveMaximum", c.exclusive_maximum),
    )
    for name, text in limits:
        if text and c.type == "double":
            yield name, breaks_double(value, name, float(text))
        elif text:
            yield name, breaks_exact(value, name, Fraction(text), c)


def breaks_double(value: Expression, name: str, limit: float) -> Expression:
    """Return whether a double breaks a bound, compared by IEEE 754."""
    match name:
        case "minimum":
            return value < limit
        case "maximum":
            return value > limit
        case "exclusiveMinimum":
            return value <= limit
        case _:
            return value >= limit


def breaks_exact(value: Expression, name: str, limit: Fraction, c: ContractColumn) -> Expression:
    """Return whether an integer or decimal breaks a bound.

    The bound is rounded to the smallest or largest allowed number of the column's scale.
    """
    scale = c.scale if c.type == "decimal" else 0
    scaled = limit * 10**scale
    floor = scaled.numerator // scaled.denominator
    ceiling = -(-scaled.numerator // scaled.denominator)
    allowed = {
        "minimum": ceiling,
        "exclusiveMinimum": floor + 1,
        "maximum": floor,
        "exclusiveMaximum": ceiling - 1,
    }[name]
    largest = 10**c.precision - 1 if c.type == "decimal" else 2**63 - 1
    smallest = -largest if c.type == "decimal" else -(2**63)
    is_low = name in ("minimum", "exclusiveMinimum")
    if not smallest <= allowed <= largest:
        return F.lit(allowed > largest if is_low else allowed < smallest)
    if c.type == "integer":
        exact = F.lit(allowed).cast("bigint")
    else:
        exact = F.lit(unscaled(allowed, scale)).cast(T.DecimalType(c.precision, c.scale))
    return value < exact if is_low else value > exact


def unscaled(number: int, scale: int) -> str:
    """Return number / 10^scale in decimal notation without an exponent."""
    digits = f"{abs(number):0{scale + 1}d}"
    point = len(digits) - scale
    sign = "-" if number < 0 else ""
    return f"{sign}{digits[:point]}" + (f".{digits[point:]}" if scale else "")
