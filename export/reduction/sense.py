"""Whether what is asked of a reduction makes sense: the command's parser says the same of its texts."""

import math
from collections.abc import Sequence

from edge_runtime.base.errors import InputError
from export.choose.ranks import RULES
from export.methods import NAMES
from export.reduction.defaults import ENGINE_FOR, FASTEST, PRECISIONS


def require_ratio(name: str, value: float | None) -> None:
    """Raise ``InputError`` unless a ratio that was asked for is a finite number from 1."""
    if value is not None and not 1 <= value < math.inf:
        raise InputError(f"{name} must be a number from 1, such as 2.5, not {value!r}")


def require_percent(name: str, value: float | None) -> None:
    """Raise ``InputError`` unless a percentage that was given lies between 0 and 100."""
    if value is not None and not 0 <= value <= 100:
        raise InputError(f"{name} must be a number from 0 to 100, not {value!r}")


def require_count(name: str, value: int | None, least: int = 1) -> None:
    """Raise ``InputError`` unless a number that was given is whole and large enough."""
    if value is not None and (not isinstance(value, int) or value < least):
        raise InputError(f"{name} must be a whole number from {least}, not {value!r}")


def require_precision(precision: str, engine: str) -> None:
    """Raise ``InputError`` unless there is such a precision, and under this engine."""
    if precision not in (*PRECISIONS, FASTEST):
        raise InputError(f"precision must be {', '.join(PRECISIONS)} or {FASTEST}, not {precision!r}")
    wanted = ENGINE_FOR.get(precision, engine)
    if engine != wanted:
        raise InputError(f"{precision} runs under {wanted}, not under {engine}: give --engine {wanted}")


def require_choices(methods: Sequence[str], ranks: str) -> None:
    """Raise ``InputError`` unless there are such methods, one at least, and such a rule."""
    unknown = next((name for name in methods if name not in NAMES), None)
    if isinstance(methods, str) or unknown is not None or not methods:
        raise InputError(f"methods must be some of {', '.join(NAMES)}, not {methods!r}")
    if ranks not in RULES:
        raise InputError(f"ranks must be {' or '.join(sorted(RULES))}, not {ranks!r}")
