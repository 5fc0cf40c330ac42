"""Adam, against torch's own formula, in steps that are shares of a tensor's size."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")

import torch

from export.recovery.adam import Adam


def test_the_first_step_is_as_long_as_the_rate_says() -> None:
    weights = {name: torch.full((3,), size).requires_grad_() for name, size in (("a", 2.0), ("b", 0.1))}
    adam = Adam(weights)
    (1e-5 * weights["a"].sum() - 7 * weights["b"].sum()).backward()
    adam.step(0.01)
    assert torch.allclose(weights["a"].detach(), torch.full((3,), 1.98), rtol=1e-4)
    assert torch.allclose(weights["b"].detach(), torch.full((3,), 0.101), rtol=1e-4)


def test_later_steps_follow_the_running_means() -> None:
    random = np.random.default_rng(0)
    weight = torch.ones(5).requires_grad_()
    adam = Adam({"w": weight})
    expected, mean, square = np.ones(5), np.zeros(5), np.zeros(5)
    for step in range(1, 20):
        gradient = random.normal(size=5)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        expected -= 0.01 * (mean / (1 - 0.9**step)) / np.sqrt(square / (1 - 0.999**step))
        weight.grad = torch.from_numpy(gradient.astype(np.float32))
        adam.step(0.01)
    assert np.allclose(weight.detach().numpy(), expected, atol=1e-5)


def test_what_nothing_depends_on_stays() -> None:
    weights = {"read": torch.ones(2).requires_grad_(), "unread": torch.ones(2).requires_grad_()}
    adam = Adam(weights)
    adam.forget_gradients()
    weights["read"].sum().backward()
    adam.step(0.1)
    assert torch.equal(weights["unread"].detach(), torch.ones(2))
