"""What a check answers."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check of the doctor's ended."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Finding:
    """The answer of one check.

    Attributes:
        verdict: How the check ended.
        detail: What the machine is like, in one line.
        remedy: What to do about it, in one line; empty unless it is a warning or a problem.
    """

    verdict: Verdict
    detail: str
    remedy: str = ""


def ok(detail: str) -> Finding:
    """A finding that all is well."""
    return Finding(Verdict.OK, detail)


def warning(detail: str, remedy: str) -> Finding:
    """A finding that something works, but worse than it could, or not for long."""
    return Finding(Verdict.WARNING, detail, remedy)


def problem(detail: str, remedy: str) -> Finding:
    """A finding that something will not work."""
    return Finding(Verdict.PROBLEM, detail, remedy)


def not_applicable(reason: str) -> Finding:
    """A finding that this machine cannot have that pain, or that it cannot be told from here."""
    return Finding(Verdict.NOT_APPLICABLE, reason)
