"""Dropout and label smoothing against PyTorch and finite differences (float64, 1e-10 and 1e-6), and the flag."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dlbook_utils import checks
from dlbook_utils.scratch.layers import Dense, ReLU, Sequential
from dlbook_utils.scratch.losses import softmax_cross_entropy
from dlbook_utils.scratch.regularization import Dropout, set_training, smoothed_cross_entropy


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return rng.normal(size=(9, 6)), rng.integers(0, 5, 9)


def make_net(p, dtype=np.float64):
    rng = np.random.default_rng(1)
    return Sequential(Dense(6, 7, rng, dtype), ReLU(), Dropout(p, rng), Dense(7, 5, rng, dtype))


# -- dropout --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_p_is_the_share_of_dropped_units_and_the_mean_stays(p):
    out = Dropout(p, np.random.default_rng(2)).forward(np.ones((400, 500)))
    assert abs(np.mean(out == 0) - p) < 0.006
    assert np.allclose(out[out != 0], 1 / (1 - p))
    assert abs(out.mean() - 1) < 0.02
    assert abs(out.var() / (p / (1 - p)) - 1) < 0.03


def test_every_forward_tosses_anew_and_every_sample_for_itself():
    layer = Dropout(0.5, np.random.default_rng(3))
    first, second = (layer.forward(np.ones((50, 40))) for _ in range(2))
    assert 0.4 < np.mean(first != second) < 0.6
    assert len({row.tobytes() for row in first}) == 50


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 4, 4)])
def test_any_shape_and_the_dtype_of_the_input(shape):
    for dtype in (np.float32, np.float64):
        layer = Dropout(0.3, np.random.default_rng(4))
        out = layer.forward(np.ones(shape, dtype))
        assert out.shape == shape and out.dtype == dtype
        assert layer.backward(np.ones(shape, dtype)).dtype == dtype


def test_without_training_the_layer_is_the_identity_and_draws_nothing():
    rng = np.random.default_rng(5)
    layer, h = Dropout(0.9, rng), np.ones((3, 4))
    layer.forward(h)  # leaves a mask behind
    state = rng.bit_generator.state
    layer.training = False
    assert np.array_equal(layer.forward(h), h)
    assert np.array_equal(layer.backward(2 * h), 2 * h)
    assert rng.bit_generator.state == state


def test_p_zero_drops_nothing():
    h = np.random.default_rng(6).normal(size=(5, 5))
    assert np.array_equal(Dropout(0.0, np.random.default_rng(7)).forward(h), h)


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
def test_impossible_rates_are_refused(p):
    with pytest.raises(ValueError, match="dropped"):
        Dropout(p, np.random.default_rng(0))


def test_gradients_agree_with_nudging_under_one_mask(batch):
    X, y = batch
    net = make_net(0.4)

    def loss():
        net.layers[2].rng = np.random.default_rng(8)
        value, dz = softmax_cross_entropy(net.forward(X), y)
        net.dX = net.backward(dz)
        return value

    loss()
    assert 0 < np.mean(net.layers[2].mask == 0) < 1
    checks.assert_gradients_agree(loss, [X, *net.params], [net.dX, *net.grads], tol=1e-6)


def test_equal_to_pytorch_with_the_same_mask(batch):
    X, y = batch
    net = make_net(0.4)
    twin = torch.nn.Sequential(
        torch.nn.Linear(6, 7), torch.nn.ReLU(), torch.nn.Dropout(0.4), torch.nn.Linear(7, 5)
    ).double()
    with torch.no_grad():
        for ours, theirs in ((net.layers[0], twin[0]), (net.layers[3], twin[3])):
            theirs.weight.copy_(torch.tensor(ours.W.T))
            theirs.bias.copy_(torch.tensor(ours.b))
    torch.manual_seed(0)
    mask = twin[2](torch.ones(9, 7, dtype=torch.float64)).numpy()
    net.layers[2].draw_mask = lambda shape: mask
    loss, dz = smoothed_cross_entropy(net.forward(X), y, 0.2)
    net.backward(dz)
    torch.manual_seed(0)
    torch_loss = F.cross_entropy(twin(torch.tensor(X)), torch.tensor(y), label_smoothing=0.2)
    torch_loss.backward()
    assert abs(loss - torch_loss.item()) < 1e-10
    for gradient, p in zip(net.grads, twin.parameters(), strict=True):
        assert checks.relative_error(gradient, p.grad.numpy().T) < 1e-10
    set_training(net, False)
    twin.eval()
    assert np.abs(net.forward(X) - twin(torch.tensor(X)).detach().numpy()).max() < 1e-10


# -- the flag -------------------------------------------------------------------------------------------------------


def test_set_training_reaches_every_layer_also_in_nets_within_nets():
    rng = np.random.default_rng(9)
    inner, lone = Dropout(0.5, rng), Dropout(0.5, rng)
    net = Sequential(Sequential(ReLU(), inner), lone)
    for flag in (False, True, False):
        set_training(net, flag)
        assert net.training is inner.training is lone.training is flag


def test_set_training_leaves_other_nets_alone():
    one, two = make_net(0.5), make_net(0.5)
    set_training(one, False)
    assert two.layers[2].training and not one.layers[2].training
    assert Dropout.training and Dropout(0.5, np.random.default_rng(0)).training


def test_set_training_of_a_single_layer():
    layer = Dropout(0.5, np.random.default_rng(0))
    set_training(layer, False)
    assert not layer.training


# -- label smoothing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7, 1.0])
def test_smoothing_agrees_with_pytorch_and_with_nudging(smoothing):
    rng = np.random.default_rng(10)
    z, y = rng.normal(0, 3, (6, 5)), rng.integers(0, 5, 6)
    loss, dz = smoothed_cross_entropy(z, y, smoothing)
    logits = torch.tensor(z, requires_grad=True)
    torch_loss = F.cross_entropy(logits, torch.tensor(y), label_smoothing=smoothing)
    torch_loss.backward()
    assert abs(loss - torch_loss.item()) < 1e-10
    assert checks.relative_error(dz, logits.grad.numpy()) < 1e-10
    checks.assert_gradients_agree(lambda: smoothed_cross_entropy(z, y, smoothing)[0], [z], [dz], tol=1e-6)


def test_no_smoothing_is_the_plain_loss_also_for_huge_logits_and_in_float32():
    z = np.array([[1000.0, 0.0, -1000.0], [3.0, 2.0, 1.0]], np.float32)
    y = np.array([0, 2])
    loss, dz = smoothed_cross_entropy(z, y, 0.0)
    plain, dplain = softmax_cross_entropy(z, y)
    assert np.isclose(loss, plain) and np.allclose(dz, dplain)
    assert dz.dtype == np.float32


def test_the_gradient_vanishes_at_the_promised_gap():
    K, smoothing = 7, 0.2
    z = np.zeros((1, K))
    z[0, 4] = np.log(K * (1 - smoothing) / smoothing + 1)
    assert np.abs(smoothed_cross_entropy(z, np.array([4]), smoothing)[1]).max() < 1e-12
