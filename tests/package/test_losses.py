"""Softmax and cross-entropy against PyTorch (float64, 1e-12) and finite differences (1e-7), and where exp overflows."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dlbook_utils import checks
from dlbook_utils.scratch.losses import log_softmax, softmax_cross_entropy


@pytest.fixture
def logits():
    rng = np.random.default_rng(0)
    return rng.normal(0, 3, (6, 4)), rng.integers(0, 4, 6)


def test_agrees_with_pytorch(logits):
    z, y = logits
    loss, dz = softmax_cross_entropy(z, y)
    t = torch.tensor(z, requires_grad=True)
    torch_loss = F.cross_entropy(t, torch.tensor(y))
    torch_loss.backward()
    assert abs(loss - torch_loss.item()) < 1e-12
    assert checks.relative_error(dz, t.grad.numpy()) < 1e-12
    assert checks.relative_error(log_softmax(z), F.log_softmax(t, dim=1).detach().numpy()) < 1e-12


def test_agrees_with_finite_differences(logits):
    z, y = logits
    checks.assert_gradients_agree(
        lambda: softmax_cross_entropy(z, y)[0], {"z": z}, {"z": softmax_cross_entropy(z, y)[1]}, tol=1e-7
    )


def test_blame_of_a_sample_sums_to_zero_and_the_input_is_left_alone(logits):
    z, y = logits
    before = z.copy()
    dz = softmax_cross_entropy(z, y)[1]
    assert np.abs(dz.sum(axis=1)).max() < 1e-15 and (dz[np.arange(6), y] < 0).all()
    assert np.array_equal(z, before)


def test_huge_logits_stay_finite():
    z = np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -1e4]])
    with np.errstate(over="raise", invalid="raise"):
        loss, dz = softmax_cross_entropy(z, np.array([1, 2]))
    assert np.isclose(loss, (1e4 + np.log(3)) / 2) and np.isfinite(dz).all()


def test_uniform_logits_cost_log_k():
    assert np.isclose(softmax_cross_entropy(np.zeros((3, 10)), np.array([0, 5, 9]))[0], np.log(10))
