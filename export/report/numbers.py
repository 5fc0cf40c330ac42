"""Numbers as people read them: rounded, with their units."""

import math

MIB = 2**20
UNITS = (("G", 10**9), ("M", 10**6), ("k", 10**3))


def figure(value: float) -> str:
    """A number in three significant digits, without an exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(digits, 6)}f}" if digits > 0 else f"{value:.0f}"


def count(value: float) -> str:
    """A number of things: three significant digits and a prefix."""
    return next((f"{figure(value / size)} {unit}" for unit, size in UNITS if value >= size), f"{value:.0f}")


def milliseconds(value: float) -> str:
    """A time in milliseconds."""
    return f"{figure(value)} ms"


def mebibytes(size: float) -> str:
    """A number of mebibytes."""
    return f"{figure(size)} MiB"


def percent(value: float) -> str:
    """A percentage."""
    return f"{value:.2f} %"


def interval(low: float, high: float) -> str:
    """The ends of a confidence interval, in percent."""
    return f"{low:.1f} to {high:.1f}"


def points(value: float) -> str:
    """A difference of percentages."""
    return f"{value:+.2f} points"


def times(before: float, after: float, less: str, more: str) -> str:
    """A ratio in words.

    Args:
        before: What it was.
        after: What it is.
        less: What to call it where it fell, as in ``2.00× faster``.
        more: What to call it where it rose.
    """
    if after <= 0 or before <= 0:
        return ""
    ratio = max(before / after, after / before)
    return f"{ratio:.2f}× {less if before >= after else more}"


def of_unit(value: float, unit: str) -> str:
    """A cost as a document counts it: ``macs``, ``ns`` or ``bytes``."""
    if unit == "ns":
        return milliseconds(value / 1e6)
    return mebibytes(value / MIB) if unit == "bytes" else count(value)


def exponent(value: float) -> str:
    """An error of any size: three digits, with an exponent where it is very small."""
    return f"{value:.1e}" if 0 < value < 1e-4 else f"{value:.4f}"
