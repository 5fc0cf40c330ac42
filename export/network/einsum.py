"""Multiply-adds of an Einsum: operands are multiplied one after another, as onnxruntime does it."""

import math
from collections.abc import Sequence

Shape = tuple[int, ...]


def einsum_macs(equation: str, shapes: Sequence[Shape]) -> int:
    """Multiply-adds of an Einsum.

    The first operand is multiplied by the second, the result by the third and so on; an index that neither
    the result nor a later operand has is summed over at once.

    Args:
        equation: Such as ``bhid,bhjd->bhij``; without an arrow, the indices that occur once are the result's.
        shapes: Shape of each operand.
    """
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = [_indices(term, shape) for term, shape in zip(left.split(","), shapes, strict=True)]
    result = set(_named(right)) if arrow else {i for i in left if i.isalpha() and left.count(i) == 1}
    result |= {index for term in terms for index in term if not index.isalpha()}
    lengths: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for index, length in zip(term, shape, strict=True):
            lengths[index] = max(length, lengths.get(index, 1))  # a length of 1 is repeated
    total = 0
    held = set(terms[0])
    for place, term in enumerate(terms[1:], start=2):
        held |= set(term)
        total += math.prod(lengths[index] for index in held)
        held &= result.union(*terms[place:])
    return total


def _indices(term: str, shape: Shape) -> list[str]:
    """One index for each axis; those of an ellipsis are called by their place, counted from its end."""
    before, dots, after = term.partition("...")
    unnamed = len(shape) - len(before) - len(after) if dots else 0
    return [*before, *(f"-{place}" for place in range(unnamed, 0, -1)), *after]


def _named(term: str) -> list[str]:
    return [index for index in term if index.isalpha()]
