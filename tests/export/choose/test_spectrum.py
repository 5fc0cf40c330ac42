"""The energy of responses against an SVD of the responses themselves."""

from dataclasses import replace

import numpy as np
import pytest

from export.choose.spectrum import SHOWN_RANKS, spectrum
from tests.export.small_networks import Geometry, convolution, images_for, sample_layers


def test_the_energy_is_that_of_the_singular_values() -> None:
    network = convolution(Geometry(3, 40, (3, 3)))
    (data,) = sample_layers(network, images_for(network, 12)).values()
    energy = spectrum(data)
    assert len(energy) <= SHOWN_RANKS
    assert (energy[0].rank, energy[-1].rank) == (1, 40)
    assert energy[-1].share == pytest.approx(1)
    values = np.linalg.svd(data.fit.yy, compute_uv=False)
    for each in energy:
        assert each.share == pytest.approx(values[: each.rank].sum() / values.sum(), abs=1e-9)


def test_where_there_is_none() -> None:
    network = convolution(Geometry(3, 4, (3, 3)))
    (data,) = sample_layers(network, images_for(network, 12)).values()
    still = replace(data.fit, yy=np.zeros_like(data.fit.yy))
    assert spectrum(replace(data, fit=still)) == ()
    assert spectrum(replace(data, parts=(data, data))) == ()
