"""The dense layers against finite differences (float64, 1e-6) and PyTorch (float64, 1e-10; after ten steps 1e-12)."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dlbook_utils import checks
from dlbook_utils.scratch.layers import Dense, ReLU, Sequential, Tanh
from dlbook_utils.scratch.losses import softmax_cross_entropy
from dlbook_utils.scratch.optimizers import SGD


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return rng.normal(size=(7, 5)), rng.integers(0, 4, 7)


def make_net(dtype=np.float64):
    rng = np.random.default_rng(1)
    net = Sequential(Dense(5, 6, rng, dtype), ReLU(), Dense(6, 3, rng, dtype), Tanh(), Dense(3, 4, rng, dtype))
    for b in net.params[1::2]:
        b += rng.normal(0, 0.1, b.shape)  # so that a forgotten bias shows
    return net


def make_torch_twin(net):
    linear = [torch.nn.Linear(*W.shape).double() for W in net.params[::2]]
    with torch.no_grad():
        for module, W, b in zip(linear, net.params[::2], net.params[1::2]):
            module.weight.copy_(torch.tensor(W.T))
            module.bias.copy_(torch.tensor(b))
    return torch.nn.Sequential(linear[0], torch.nn.ReLU(), linear[1], torch.nn.Tanh(), linear[2])


@pytest.mark.parametrize(
    "layer", [ReLU(), Tanh(), Dense(5, 3, np.random.default_rng(2))], ids=["ReLU", "Tanh", "Dense"]
)
def test_each_layer_agrees_with_finite_differences(layer, batch):
    X = batch[0]
    weights = np.random.default_rng(3).normal(size=layer.forward(X).shape)  # an arbitrary loss: sum(weights * output)
    layer.forward(X)
    dX = layer.backward(weights)
    checks.assert_gradients_agree(
        lambda: (weights * layer.forward(X)).sum(), [X, *layer.params], [dX, *layer.grads], tol=1e-6
    )


def test_net_agrees_with_finite_differences(batch):
    X, y = batch
    net = make_net()
    dX = net.backward(softmax_cross_entropy(net.forward(X), y)[1])
    checks.assert_gradients_agree(
        lambda: softmax_cross_entropy(net.forward(X), y)[0], [X, *net.params], [dX, *net.grads], tol=1e-6
    )


def test_the_first_layer_may_keep_the_gradient_of_the_data_to_itself(batch):
    X, y = batch
    net, lean = make_net(), make_net()
    lean.layers[0].wants_dX = False
    dz = softmax_cross_entropy(net.forward(X), y)[1]
    lean.forward(X)
    assert net.backward(dz).shape == X.shape and lean.backward(dz) is None
    for ours, same in zip(net.grads, lean.grads):
        assert np.array_equal(ours, same)


def test_net_agrees_with_pytorch(batch):
    X, y = batch
    net = make_net()
    twin = make_torch_twin(net)
    loss, dz = softmax_cross_entropy(net.forward(X), y)
    dX = net.backward(dz)

    inputs = torch.tensor(X, requires_grad=True)
    torch_loss = F.cross_entropy(twin(inputs), torch.tensor(y))
    torch_loss.backward()
    assert abs(loss - torch_loss.item()) < 1e-12
    assert checks.relative_error(dX, inputs.grad.numpy()) < 1e-10
    for ours, theirs in zip(net.grads, twin.parameters(), strict=True):
        assert checks.relative_error(ours, theirs.grad.numpy().T) < 1e-10


def test_ten_steps_of_sgd_agree_with_pytorch(batch):
    X, y = batch
    net = make_net()
    twin = make_torch_twin(net)
    ours, theirs = SGD(net.params, lr=0.3), torch.optim.SGD(twin.parameters(), lr=0.3)
    start = net.params[0].copy()
    for _ in range(10):
        net.backward(softmax_cross_entropy(net.forward(X), y)[1])
        ours.step(net.grads)
        theirs.zero_grad()
        F.cross_entropy(twin(torch.tensor(X)), torch.tensor(y)).backward()
        theirs.step()
    assert np.abs(net.params[0] - start).max() > 0.01
    for p, q in zip(net.params, twin.parameters(), strict=True):
        assert checks.relative_error(p, q.detach().numpy().T) < 1e-12


def test_relu_has_slope_zero_at_the_kink_as_in_pytorch():
    z = np.array([-1.0, 0.0, 2.0])
    relu = ReLU()
    assert relu.forward(z).tolist() == [0, 0, 2]
    assert relu.backward(np.ones(3)).tolist() == [0, 0, 1]
    t = torch.tensor(z, requires_grad=True)
    torch.relu(t).sum().backward()
    assert t.grad.tolist() == [0, 0, 1]


def test_float32_stays_float32(batch):
    X, y = batch[0].astype(np.float32), batch[1]
    net = make_net(np.float32)
    z = net.forward(X)
    loss, dz = softmax_cross_entropy(z, y)
    dX = net.backward(dz)
    SGD(net.params, lr=0.1).step(net.grads)
    assert {a.dtype for a in (z, dz, dX, *net.params, *net.grads)} == {np.dtype(np.float32)}


def test_shapes_start_and_order():
    rng = np.random.default_rng(4)
    layer = Dense(400, 300, rng)
    assert layer.W.shape == (400, 300) and layer.b.shape == (300,)
    assert abs(layer.W.var() * 400 / 2 - 1) < 0.05 and not layer.b.any()
    net = make_net()
    assert [p.shape for p in net.params] == [(5, 6), (6,), (6, 3), (3,), (3, 4), (4,)]
    net.backward(softmax_cross_entropy(net.forward(np.ones((2, 5))), np.array([0, 1]))[1])
    assert [g.shape for g in net.grads] == [p.shape for p in net.params]


def test_backward_changes_no_parameter(batch):
    X, y = batch
    net = make_net()
    before = [p.copy() for p in net.params]
    net.backward(softmax_cross_entropy(net.forward(X), y)[1])
    assert all(np.array_equal(p, q) for p, q in zip(net.params, before, strict=True))


def test_sgd_steps_in_place_and_wants_one_gradient_a_parameter():
    p = np.array([1.0, 2.0])
    SGD([p], lr=0.5).step([np.array([2.0, -2.0])])
    assert p.tolist() == [0, 3]
    with pytest.raises(ValueError):
        SGD([p], lr=0.5).step([])
