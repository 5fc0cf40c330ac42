"""The possibilities of one layer, with what each costs for every share of its outputs that may be read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.choose.cost import Cost
from export.choose.offers import Offer
from export.fit.moments import Matrix, Vector
from export.layer import ConvolutionShape
from export.methods.base import Candidate

# Nothing behind the last layers repairs their errors: with equal weights the heads of yolov5n were cut first,
# and of its mAP 0.125 was lost instead of 0.02.
LAST_WEIGHT = 20.0


@dataclass(frozen=True)
class Choices:
    """The possibilities of one layer in figures; the first choice is the layer as it is.

    Costs need not be in proportion to the outputs that are read: a table tells them for each number that the
    layer's reader, where it has a single one, may read.

    Attributes:
        candidates: The replacements; None for the layer as it is.
        outputs: (s,) numbers of outputs that may be read, rising; the last is all of them.
        costs: (n, s) what each choice costs, for each of these numbers of outputs.
        inputs: (n,) how many input channels each choice reads.
        errors: (n,) held-out error of each choice over the variance of the response, weighed by what follows
            the layer: times ``LAST_WEIGHT`` where nothing does.
    """

    candidates: tuple[Candidate | None, ...]
    outputs: NDArray[np.intp]
    costs: Matrix
    inputs: NDArray[np.intp]
    errors: Vector


def choices_of(offer: Offer, outputs: Sequence[int], cost: Cost) -> Choices:
    """The layer as it is, and the cheaper candidates that no other beats in every cost and in error.

    Of equal ones the first stays.

    Args:
        offer: What the layer may become.
        outputs: Numbers of outputs that may be read.
        cost: What is to become less.
    """
    read = sorted({*outputs, offer.layer.out_channels})
    whole = _costs((offer.layer.shape,), read, cost)
    cheaper = [
        (candidate, costs)
        for candidate in offer.candidates
        if (costs := _costs(candidate.convolutions, read, cost))[-1] < whole[-1]
    ]
    candidates = [candidate for candidate, _ in cheaper]
    table = np.array([whole, *(costs for _, costs in cheaper)])
    inputs = np.array([offer.layer.in_channels, *(inputs_read(offer, each) for each in candidates)])
    weight = LAST_WEIGHT if offer.last else 1.0
    errors = np.array([0.0, *(weight * each.relative_error for each in candidates)])
    # The layer as it is stays, whatever equals it: it is what there is to fall back on.
    rows = [0, *(1 + _front(np.column_stack([table, inputs, errors])[1:]))]
    kept = (None, *(candidates[row - 1] for row in rows[1:]))
    return Choices(kept, np.array(read), table[rows], inputs[rows], errors[rows])


def inputs_read(offer: Offer, candidate: Candidate) -> int:
    """How many input channels a candidate reads: fewer than all only where its source can be narrowed."""
    whole = offer.layer.in_channels
    return candidate.inputs_read if offer.layer.source and candidate.inputs_read is not None else whole


def _costs(convolutions: Sequence[ConvolutionShape], outputs: Sequence[int], cost: Cost) -> Vector:
    """What convolutions in a row cost, for each number of outputs of the last that may be read: (s,)."""
    *before, last = convolutions
    return np.array([cost((*before, last.with_outputs(count))) for count in outputs], np.float64)


def _front(table: Matrix) -> NDArray[np.intp]:
    """The rows that no other equals or beats in every column; of equal ones the first."""
    front = []
    for row in range(len(table)):
        as_good = np.all(table <= table[row], axis=1)
        better = as_good & np.any(table < table[row], axis=1)
        if not better.any() and not as_good[:row].any():
            front.append(row)
    return np.array(front, np.intp)
