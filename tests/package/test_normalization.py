"""Batch and layer norm against PyTorch (float64, 1e-10) in both modes, and finite differences (1e-9)."""

import numpy as np
import pytest
import torch

from dlbook_utils import checks
from dlbook_utils.scratch.layers import Dense, ReLU, Sequential
from dlbook_utils.scratch.losses import softmax_cross_entropy
from dlbook_utils.scratch.normalization import BatchNorm, LayerNorm, normalize_backward
from dlbook_utils.scratch.optimizers import SGD
from dlbook_utils.scratch.regularization import set_training

TWINS = {BatchNorm: torch.nn.BatchNorm1d, LayerNorm: torch.nn.LayerNorm}


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return rng.normal(3, 2, (7, 5)), rng.normal(size=(7, 5))


def make_layer(kind, **options):
    rng, layer = np.random.default_rng(1), kind(5, **options)
    layer.gamma += rng.normal(0, 0.4, 5)  # so that a forgotten gain or shift shows
    layer.beta += rng.normal(0, 0.4, 5)
    return layer


def make_twin(layer, **options):
    twin = TWINS[type(layer)](5, dtype=torch.float64, **options)
    with torch.no_grad():
        twin.weight.copy_(torch.tensor(layer.gamma))
        twin.bias.copy_(torch.tensor(layer.beta))
    return twin


def assert_equal_to_torch(layer, twin, X, dout):
    inputs = torch.tensor(X, requires_grad=True)
    twin.zero_grad()
    output = twin(inputs)
    output.backward(torch.tensor(dout))
    ours = [layer.forward(X), layer.backward(dout), layer.dgamma, layer.dbeta]
    theirs = [output.detach(), inputs.grad, twin.weight.grad, twin.bias.grad]
    for a, b in zip(ours, theirs, strict=True):
        assert checks.relative_error(a, b.numpy()) < 1e-10


@pytest.mark.parametrize("mode", [True, False], ids=["training", "in use"])
@pytest.mark.parametrize("kind", [BatchNorm, LayerNorm])
def test_gradients_agree_with_finite_differences(kind, mode, batch):
    X, dout = batch
    layer = make_layer(kind)
    layer.forward(2 * X)  # running statistics other than 0 and 1
    set_training(layer, mode)
    layer.forward(X)
    arrays, claimed = [X, *layer.params], [layer.backward(dout), *layer.grads]
    checks.assert_gradients_agree(lambda: (dout * layer.forward(X)).sum(), arrays, claimed, tol=1e-9, eps=1e-5)


@pytest.mark.parametrize("options", [{}, {"momentum": 0.3, "eps": 0.1}])
def test_batch_norm_is_pytorchs_in_both_modes(options, batch):
    X, dout = batch
    layer = make_layer(BatchNorm, **options)
    twin = make_twin(layer, **options)
    for shift in (0, 1, 5):
        assert_equal_to_torch(layer, twin, X + shift, dout)
        assert checks.relative_error(layer.running_mean, twin.running_mean.numpy()) < 1e-10
        assert checks.relative_error(layer.running_var, twin.running_var.numpy()) < 1e-10
    set_training(layer, False)
    twin.eval()
    kept = layer.running_mean.copy(), layer.running_var.copy()
    assert_equal_to_torch(layer, twin, X, dout)
    assert_equal_to_torch(layer, twin, X[:1], dout[:1])
    assert np.array_equal(layer.running_mean, kept[0]) and np.array_equal(layer.running_var, kept[1])


@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_layer_norm_is_pytorchs(eps, batch):
    X, dout = batch
    layer = make_layer(LayerNorm, eps=eps)
    for rows in (slice(None), slice(1)):
        assert_equal_to_torch(layer, make_twin(layer, eps=eps), X[rows], dout[rows])


def test_layer_norm_of_a_row_does_not_depend_on_the_others(batch):
    layer = make_layer(LayerNorm)
    assert np.allclose(layer.forward(batch[0])[2:3], layer.forward(batch[0][2:3]), rtol=0, atol=1e-14)


def test_training_output_has_mean_beta_and_spread_gamma():
    layer = make_layer(BatchNorm)
    output = layer.forward(np.random.default_rng(2).normal(-4, 3, (500, 5)))
    assert np.allclose(output.mean(axis=0), layer.beta, atol=1e-12)
    assert np.allclose(output.std(axis=0), np.abs(layer.gamma), rtol=1e-5)


def test_batch_of_one_is_refused_in_training_only():
    layer = BatchNorm(3)
    with pytest.raises(ValueError, match="batch of one"):
        layer.forward(np.ones((1, 3)))
    assert np.array_equal(layer.running_mean, np.zeros(3)), "a refused batch leaves no trace"
    set_training(layer, False)
    assert layer.forward(np.ones((1, 3))).shape == (1, 3)


def test_a_unit_that_says_the_same_to_all_is_no_accident():
    layer = BatchNorm(2)
    output = layer.forward(np.full((4, 2), 7.0))
    assert np.array_equal(output, np.zeros((4, 2)))
    assert np.isfinite(layer.backward(np.ones((4, 2)))).all()


def test_what_passes_back_is_orthogonal_to_ones_and_to_x_hat():
    rng = np.random.default_rng(3)
    x = rng.normal(2, 3, (9, 4))
    std = x.std(axis=0)
    x_hat = (x - x.mean(axis=0)) / std
    d = rng.normal(size=(9, 4))
    dx = normalize_backward(d, x_hat, std, axis=0)
    assert np.abs(dx.sum(axis=0)).max() < 1e-12 and np.abs((dx * x_hat).sum(axis=0)).max() < 1e-12
    assert np.allclose(normalize_backward(d + 2 - 3 * x_hat, x_hat, std, axis=0), dx, atol=1e-12)
    across = normalize_backward(d.T, x_hat.T, std[:, None], axis=1)
    assert np.allclose(across, dx.T, atol=1e-14)


def test_set_training_reaches_every_layer_of_a_net():
    rng = np.random.default_rng(4)
    net = Sequential(Dense(4, 5, rng), BatchNorm(5), Sequential(BatchNorm(5), ReLU()))
    set_training(net, False)
    assert not net.layers[1].training and not net.layers[2].layers[0].training
    assert BatchNorm(5).training, "other layers are left alone"


def test_ten_steps_and_the_net_in_use_agree_with_pytorch():
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(12, 4)), rng.integers(0, 3, 12)
    net = Sequential(Dense(4, 5, rng), BatchNorm(5), ReLU(), Dense(5, 3, rng))
    first, last = torch.nn.Linear(4, 5).double(), torch.nn.Linear(5, 3).double()
    with torch.no_grad():
        for linear, dense in ((first, net.layers[0]), (last, net.layers[3])):
            linear.weight.copy_(torch.tensor(dense.W.T))
            linear.bias.copy_(torch.tensor(dense.b))
    twin = torch.nn.Sequential(first, torch.nn.BatchNorm1d(5, dtype=torch.float64), torch.nn.ReLU(), last)
    ours, theirs = SGD(net.params, 0.3), torch.optim.SGD(twin.parameters(), 0.3)
    for _ in range(10):
        net.backward(softmax_cross_entropy(net.forward(X), y)[1])
        ours.step(net.grads)
        theirs.zero_grad()
        torch.nn.functional.cross_entropy(twin(torch.tensor(X)), torch.tensor(y)).backward()
        theirs.step()
    assert np.abs(net.layers[0].db).max() < 1e-12, "a bias in front of a normalization does nothing"
    set_training(net, False)
    twin.eval()
    assert checks.relative_error(net.forward(X), twin(torch.tensor(X)).detach().numpy()) < 1e-10


def test_dtype_is_kept():
    for layer in (BatchNorm(3, dtype=np.float32), LayerNorm(3, dtype=np.float32)):
        X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
        assert layer.forward(X).dtype == np.float32 == layer.backward(X).dtype
        assert all(a.dtype == np.float32 for a in layer.params + layer.grads)
