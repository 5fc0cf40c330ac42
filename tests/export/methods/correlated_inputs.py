"""Samples of correlated inputs, for the tests of the methods that choose among inputs."""

import numpy as np

from export.fit.moments import Matrix, Moments


def moments_of(inputs: int, answers: int, seed: int, samples: int = 300) -> tuple[Moments, Matrix]:
    """Moments of correlated inputs and what random weights answer to them; and these weights."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(samples, inputs)) @ random.normal(size=(inputs, inputs)) + 1
    weights = random.normal(size=(answers, inputs))
    return Moments.of(x, x @ weights.T + 0.1 * random.normal(size=(samples, answers))), weights
