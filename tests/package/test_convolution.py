"""`scratch.convolution` against finite differences and PyTorch, in float64.

Tolerances: 1e-6 relative for finite differences (their own error is near 1e-9, a wrong sign or a forgotten flip is off
by about 1), 1e-12 absolute against PyTorch (both round at about 1e-16 an operation, in another order).
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dlbook_utils import checks
from dlbook_utils.scratch import convolution
from dlbook_utils.scratch.convolution import AveragePool2d, Conv2d, Flatten, Subsampling
from dlbook_utils.scratch.layers import Dense, Sequential, Tanh
from dlbook_utils.scratch.losses import softmax_cross_entropy

EXACT = {"rtol": 0, "atol": 1e-12}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def tensor(array):
    return torch.tensor(array, requires_grad=True)


def assert_layer_right(layer, X, rng):
    """Compare dX and the layer's own gradients with finite differences of sum(output * R)."""
    R = rng.normal(size=layer.forward(X).shape)
    dX = layer.backward(R)
    assert dX.shape == X.shape
    checks.assert_gradients_agree(
        lambda: (layer.forward(X) * R).sum(), [X, *layer.params], [dX, *layer.grads], tol=1e-6
    )


@pytest.mark.parametrize(("k", "padding"), [(1, 0), (2, 0), (3, 1), (5, 0), (5, 2), (3, 2)])
def test_conv2d_gradients_by_finite_differences(rng, k, padding):
    assert_layer_right(Conv2d(2, 3, k, rng, padding=padding), rng.normal(size=(2, 2, 6, 5)), rng)


@pytest.mark.parametrize(("k", "padding"), [(1, 0), (2, 0), (3, 1), (5, 0), (5, 2), (3, 2)])
def test_conv2d_agrees_with_pytorch(rng, k, padding):
    layer = Conv2d(3, 4, k, rng, padding=padding)
    layer.b[:] = rng.normal(size=4)
    X = rng.normal(size=(2, 3, 8, 6))
    Z = layer.forward(X)
    dZ = rng.normal(size=Z.shape)
    dX = layer.backward(dZ)
    Xt, Wt, bt = tensor(X), tensor(layer.W), tensor(layer.b)
    Zt = F.conv2d(Xt, Wt, bt, padding=padding)
    Zt.backward(torch.from_numpy(dZ))
    for ours, theirs in ((Z, Zt.detach()), (dX, Xt.grad), (layer.dW, Wt.grad), (layer.db, bt.grad)):
        np.testing.assert_allclose(ours, theirs, **EXACT)


def test_conv2d_next_to_the_data_keeps_its_gradient_to_itself(rng):
    X, layer = rng.normal(size=(2, 1, 5, 5)), Conv2d(1, 3, 3, rng)
    dZ = rng.normal(size=layer.forward(X).shape)
    assert layer.backward(dZ).shape == X.shape
    dW, db = layer.grads
    layer.wants_dX = False
    assert layer.backward(dZ) is None
    assert np.array_equal(layer.dW, dW) and np.array_equal(layer.db, db)


def test_conv2d_starts_with_the_promised_variance_and_keeps_float32(rng):
    layer = Conv2d(8, 64, 5, rng)
    assert layer.W.var() == pytest.approx(2 / (8 * 25), rel=0.05)
    assert not layer.b.any()
    layer.W, layer.b = layer.W.astype(np.float32), layer.b.astype(np.float32)
    Z = layer.forward(np.ones((1, 8, 6, 6), dtype=np.float32))
    assert Z.dtype == np.float32 and layer.backward(Z).dtype == np.float32


def test_correlate_does_not_flip(rng):
    X = np.zeros((1, 1, 3, 3))
    X[0, 0, 0, 1] = 1
    K = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert np.array_equal(convolution.correlate(X, K)[0, 0], [[2, 1], [0, 0]])


@pytest.mark.parametrize("s", [2, 3])
def test_pooling_gradients_by_finite_differences(rng, s):
    layer = Subsampling(3, s)
    layer.gain[:], layer.bias[:] = rng.normal(size=(2, 3))
    assert_layer_right(layer, rng.normal(size=(2, 3, 6, 12)), rng)
    assert_layer_right(AveragePool2d(s), rng.normal(size=(2, 3, 6, 12)), rng)
    assert_layer_right(Flatten(), rng.normal(size=(2, 3, 2, 2)), rng)


def test_pooling_agrees_with_pytorch(rng):
    X = rng.normal(size=(2, 3, 4, 6))
    pooled = F.avg_pool2d(torch.from_numpy(X), 2)
    np.testing.assert_allclose(AveragePool2d(2).forward(X), pooled, **EXACT)
    np.testing.assert_allclose(Subsampling(3).forward(X), pooled, **EXACT)  # as it starts


def test_pooling_refuses_a_size_that_it_cannot_divide():
    with pytest.raises(ValueError, match="reshape"):
        AveragePool2d(2).forward(np.zeros((1, 1, 5, 4)))


def test_a_whole_net_agrees_with_pytorch(rng):
    net = Sequential(
        Conv2d(1, 4, 3, rng, padding=1), Tanh(), AveragePool2d(2), Conv2d(4, 5, 3, rng), Tanh(), Subsampling(5),
        Flatten(), Dense(20, 3, rng),
    )  # fmt: skip
    X, y = rng.normal(size=(6, 1, 12, 12)), rng.integers(0, 3, 6)
    loss, dz = softmax_cross_entropy(net.forward(X), y)
    dX = net.backward(dz)
    W1, b1, W2, b2, gain, bias, W3, b3 = map(tensor, net.params)
    Xt = tensor(X)
    h = F.avg_pool2d(torch.tanh(F.conv2d(Xt, W1, b1, padding=1)), 2)
    h = 4 * F.avg_pool2d(torch.tanh(F.conv2d(h, W2, b2)), 2)
    h = gain[:, None, None] * h + bias[:, None, None]
    torch_loss = F.cross_entropy(h.flatten(1) @ W3 + b3, torch.from_numpy(y))
    torch_loss.backward()
    assert loss == pytest.approx(torch_loss.item(), abs=1e-12)
    for ours, theirs in zip([dX, *net.grads], [Xt, W1, b1, W2, b2, gain, bias, W3, b3], strict=True):
        np.testing.assert_allclose(ours, theirs.grad, **EXACT)
    assert checks.count_parameters(net) == 40 + 185 + 10 + 63
