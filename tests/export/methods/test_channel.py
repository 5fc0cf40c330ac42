"""The channel method's three fits: which is better where, and which can be asked for at all."""

from dataclasses import replace

import numpy as np
import pytest

from export.fit.data import LayerData
from export.methods.channel import Channel
from export.network.layers import ReducibleNetwork
from tests.export.methods.ways import SQUARE, WAYS, enough_images, layer_of, samples_of
from tests.export.small_networks import (
    Geometry,
    assert_equal_outputs,
    convolution,
    images_for,
    with_replacement,
)


def on_a_changed_input(found: ReducibleNetwork) -> LayerData:
    """The responses of a layer, and the patches of an input that has lost much of one channel."""
    layer = layer_of(found)
    damage = np.eye(layer.patch_length)
    damage[: layer.patch_length // 2, : layer.patch_length // 2] *= 0.2
    data = samples_of(found, enough_images(found))
    moved = [replace(part, xx=damage @ part.xx @ damage.T, yx=part.yx @ damage.T, mean_x=damage @ part.mean_x)
             for part in (data.fit, data.held_out)]  # fmt: skip
    return replace(data, fit=moved[0], held_out=moved[1])


def test_fits_that_know_the_reduced_input_repair_what_it_lost() -> None:
    data = on_a_changed_input(convolution(SQUARE))
    errors = {}
    for name in ("channel, linear", "channel, asymmetric", "channel, refit", "channel"):
        candidate = WAYS[name].candidate(data.layer, (9,), 0.0)
        errors[name] = WAYS[name].fit(data, candidate).relative_error
    assert errors["channel, refit"] < 0.9 * errors["channel, asymmetric"] < 0.9 * errors["channel, linear"]
    assert errors["channel"] == min(errors.values())


def test_candidates_foretell_the_held_out_error_of_a_projection() -> None:
    """On a changed input the responses stay, so projecting them on directions of the fit costs the same."""
    data = on_a_changed_input(convolution(SQUARE))
    candidates = Channel().candidates(data)
    assert len(candidates) > 3
    values, vectors = np.linalg.eigh(data.fit.yy)
    assert (np.diff(values) > 0).all()
    for candidate in candidates:
        leading = vectors[:, len(vectors) - candidate.ranks[0] :]
        missed = np.eye(len(vectors)) - leading @ leading.T
        lost = np.trace(missed @ data.held_out.yy @ missed) / np.trace(data.held_out.yy)
        assert candidate.relative_error == pytest.approx(lost, rel=1e-6, abs=1e-9)


def test_candidates_cost_less_than_the_layer() -> None:
    """Two 1x1 convolutions of rank 2 take as much as one of 4 to 4 channels."""
    found = convolution(Geometry(4, 4, (1, 1), size=(6, 6)))
    data = samples_of(found, enough_images(found))
    assert [candidate.ranks for candidate in Channel().candidates(data)] == [(1,)]


def test_refit_needs_more_samples_than_unknowns() -> None:
    found = convolution(Geometry(6, 4, (5, 5), pads=(2, 2, 2, 2), size=(2, 2)))
    data = samples_of(found, images_for(found, 10))
    assert data.fit.count < data.layer.patch_length
    method = Channel()
    replacement = method.fit(data, method.candidate(data.layer, (4,), 0.0))
    assert not replacement.solver.startswith("refit")
    assert_equal_outputs(
        found.model, with_replacement(found.model, data.layer, replacement), images_for(found, 3)
    )
