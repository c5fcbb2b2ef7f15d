"""Activation functions against PyTorch (float64, 1e-12), finite differences (1e-7), and where exp overflows."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dlbook_utils import checks
from dlbook_utils.scratch.activations import (
    BENDS,
    Bend,
    elu,
    elu_slope,
    leaky_relu,
    leaky_relu_slope,
    normal_cdf,
    sigmoid,
    sigmoid_slope,
    softmax,
    softmax_backward,
    softplus,
)
from dlbook_utils.scratch.layers import Dense, ReLU, Sequential, Tanh
from dlbook_utils.scratch.losses import log_softmax, softmax_cross_entropy

TORCH = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "ReLU": F.relu,
    "leaky ReLU": F.leaky_relu,
    "ELU": F.elu,
    "softplus": lambda t: F.softplus(t, threshold=40),  # the default jumps at 20
    "GELU": F.gelu,
    "SiLU": F.silu,
}
EVERYWHERE = np.concatenate([np.linspace(-12, 12, 193), [-1e4, -800, -50, 50, 800, 1e4]])


@pytest.mark.parametrize("name", BENDS)
def test_value_and_slope_agree_with_pytorch_also_at_the_kink_and_far_out(name):
    value, slope = BENDS[name]
    t = torch.tensor(EVERYWHERE, requires_grad=True)
    out = TORCH[name](t)
    out.sum().backward()
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert np.abs(value(EVERYWHERE) - out.detach().numpy()).max() < 1e-12
        assert np.abs(slope(EVERYWHERE) - t.grad.numpy()).max() < 1e-12


@pytest.mark.parametrize("name", BENDS)
def test_slope_agrees_with_finite_differences(name):
    value, slope = BENDS[name]
    z = np.linspace(-6.03, 6.03, 68).reshape(4, 17)
    assert np.abs(slope(z) - checks.numerical_gradient(lambda: value(z).sum(), z)).max() < 1e-7


@pytest.mark.parametrize("name", BENDS)
def test_shape_and_type_are_kept(name):
    for function in BENDS[name]:
        single = EVERYWHERE.astype(np.float32)[:198].reshape(2, 9, 11)
        out = function(single)
        assert out.shape == single.shape and out.dtype == np.float32
        assert np.isfinite(out).all()
        assert np.allclose(out, function(single.astype(np.float64)), rtol=1e-5, atol=1e-6)


def test_tails_keep_their_digits():
    """Where 1 / (1 + exp(-z)), 1 - s and 1 + erf lose all digits, these do not."""
    assert np.isclose(sigmoid(-700.0), np.exp(-700.0), rtol=1e-12)
    assert np.isclose(sigmoid_slope(40.0), np.exp(-40.0), rtol=1e-12)
    assert np.isclose(softplus(-40.0), np.exp(-40.0), rtol=1e-12)
    assert np.isclose(elu(np.array([-1e-12]))[0], -1e-12, rtol=1e-9)
    assert np.isclose(normal_cdf(np.array([-10.0]))[0], 7.619853024160527e-24, rtol=1e-9)


def test_options():
    z = np.array([-2.0, 0.5])
    t = torch.tensor(z, requires_grad=True)
    F.leaky_relu(t, 0.3).sum().backward()
    assert np.allclose(leaky_relu(z, 0.3), [-0.6, 0.5]) and np.allclose(leaky_relu_slope(z, 0.3), t.grad)
    t.grad = None
    out = F.elu(t, alpha=1.7)
    out.sum().backward()
    assert np.allclose(elu(z, 1.7), out.detach(), rtol=1e-14) and np.allclose(elu_slope(z, 1.7), t.grad, rtol=1e-14)


@pytest.mark.parametrize("name", BENDS)
def test_a_net_with_the_layer_agrees_with_finite_differences(name):
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(7, 5)), rng.integers(0, 3, 7)
    net = Sequential(Dense(5, 6, rng), Bend(*BENDS[name]), Dense(6, 3, rng))
    dX = net.backward(softmax_cross_entropy(net.forward(X), y)[1])
    checks.assert_gradients_agree(
        lambda: softmax_cross_entropy(net.forward(X), y)[0], [X, *net.params], [dX, *net.grads], tol=1e-6
    )


@pytest.mark.parametrize("name, other", [("ReLU", ReLU), ("tanh", Tanh)])
def test_the_layer_does_what_the_layers_of_backpropagation_do(name, other):
    bend, other = Bend(*BENDS[name]), other()
    dh = np.random.default_rng(2).normal(size=EVERYWHERE.shape)
    assert np.array_equal(bend.forward(EVERYWHERE), other.forward(EVERYWHERE))
    assert np.array_equal(bend.backward(dh), other.backward(dh))
    assert bend.params == bend.grads == []


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_softmax_agrees_with_pytorch_and_finite_differences(temperature):
    rng = np.random.default_rng(3)
    z, R = rng.normal(0, 3, (2, 5, 4)), rng.normal(size=(2, 5, 4))
    p = softmax(z, temperature)
    dz = softmax_backward(R, p, temperature)
    t = torch.tensor(z, requires_grad=True)
    q = F.softmax(t / temperature, dim=-1)
    (q * torch.tensor(R)).sum().backward()
    assert np.abs(p - q.detach().numpy()).max() < 1e-12 and np.abs(dz - t.grad.numpy()).max() < 1e-12
    checks.assert_gradients_agree(lambda: (softmax(z, temperature) * R).sum(), [z], [dz], tol=1e-7)
    assert np.abs(dz.sum(axis=-1)).max() < 1e-14  # a constant added to a row changes nothing


def test_softmax_survives_huge_logits_and_leaves_its_input_alone():
    z = np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -1e4]])
    before = z.copy()
    with np.errstate(over="raise", invalid="raise"):
        p = softmax(z)
    assert np.allclose(p, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]]) and np.array_equal(z, before)
    assert np.allclose(np.log(softmax(np.array([[1.0, 2.0]]))), log_softmax(np.array([[1.0, 2.0]])))
