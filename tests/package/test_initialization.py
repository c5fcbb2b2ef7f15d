"""Starting weights and clipping against PyTorch (scales and clipped gradients to 1e-12), and fifty layers."""

from functools import partial

import numpy as np
import pytest
import torch

from dlbook_utils.scratch.initialization import (
    clip_by_norm,
    clip_by_value,
    glorot_normal,
    glorot_std,
    glorot_uniform,
    he_normal,
    he_std,
    he_uniform,
    orthogonal,
)

D, K = 300, 120
INIT = torch.nn.init


def torch_scale(fill, plain):
    """The factor that `fill` puts on plain numbers from the same dice; PyTorch's shape is (outputs, inputs)."""
    draws = []
    for init in (fill, plain):
        torch.manual_seed(0)
        draws.append(init(torch.empty(K, D, dtype=torch.float64)))
    ratio = (draws[0] / draws[1]).numpy()
    assert np.ptp(ratio) < 1e-12
    return ratio.mean()


@pytest.mark.parametrize(
    ("scale", "fill", "uniform"),
    [
        (glorot_std(D, K), INIT.xavier_normal_, False),
        (np.sqrt(3) * glorot_std(D, K), INIT.xavier_uniform_, True),
        (he_std(D), partial(INIT.kaiming_normal_, nonlinearity="relu"), False),
        (np.sqrt(3) * he_std(D), partial(INIT.kaiming_uniform_, nonlinearity="relu"), True),
    ],
    ids=["glorot_normal", "glorot_uniform", "he_normal", "he_uniform"],
)
def test_scales_are_those_of_pytorch(scale, fill, uniform):
    plain = partial(INIT.uniform_, a=-1, b=1) if uniform else INIT.normal_
    assert abs(torch_scale(fill, plain) / scale - 1) < 1e-12


@pytest.mark.parametrize(
    ("draw", "std"),
    [
        (glorot_normal, glorot_std(D, K)),
        (glorot_uniform, glorot_std(D, K)),
        (he_normal, he_std(D)),
        (he_uniform, he_std(D)),
    ],
)
def test_draws_have_the_promised_shape_spread_and_bound(draw, std):
    W = draw(D, K, np.random.default_rng(0))
    assert W.shape == (D, K) and W.dtype == np.float64
    assert abs(W.std() / std - 1) < 0.02 and abs(W.mean()) < 0.02 * std
    largest = np.abs(W).max() / std
    assert (0.99 * np.sqrt(3) < largest <= np.sqrt(3)) if "uniform" in draw.__name__ else largest > 3
    assert np.array_equal(W, draw(D, K, np.random.default_rng(0)))
    assert not np.array_equal(W, draw(D, K, np.random.default_rng(1)))


def test_he_counts_inputs_only_and_glorot_both():
    assert he_std(50) == np.sqrt(2 / 50) and glorot_std(50, 150) == np.sqrt(2 / 200)
    assert abs(he_std(D) * np.sqrt(D) - INIT.calculate_gain("relu")) < 1e-15


def test_fifty_relu_layers_keep_the_signal_only_with_he():
    def last_spread(gain):
        rng = np.random.default_rng(0)
        h = rng.normal(size=(50, 256))
        for _ in range(50):
            z = h @ (gain * he_normal(256, 256, rng))
            h = np.maximum(z, 0)
        return z.std()

    assert 0.1 < last_spread(1.0) < 10
    assert last_spread(0.5) < 1e-13 and last_spread(2.0) > 1e13


@pytest.mark.parametrize("shape", [(40, 40), (40, 15), (15, 40)])
def test_orthogonal_has_singular_values_one_and_no_preferred_sign(shape):
    W = orthogonal(*shape, np.random.default_rng(0))
    assert W.shape == shape
    assert np.abs(np.linalg.svd(W, compute_uv=False) - 1).max() < 1e-12
    # without the sign correction LAPACK's factor prefers one sign on the diagonal
    diagonals = [np.diag(orthogonal(*shape, np.random.default_rng(s)))[0] for s in range(200)]
    assert 60 < sum(d > 0 for d in diagonals) < 140


@pytest.fixture
def grads():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(5, 3)), 40 * rng.normal(size=3), np.zeros(2)]


def in_torch(grads):
    parameters = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in grads]
    for parameter, g in zip(parameters, grads):
        parameter.grad = torch.tensor(g)
    return parameters


@pytest.mark.parametrize("max_norm", [1e-3, 1.0, 10.0, 1e6])
def test_clip_by_norm_is_clip_grad_norm(grads, max_norm):
    before = [g.copy() for g in grads]
    clipped, norm = clip_by_norm(grads, max_norm)
    parameters = in_torch(grads)
    torch_norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    assert abs(norm / torch_norm.item() - 1) < 1e-12
    for ours, theirs in zip(clipped, parameters):
        assert np.allclose(ours, theirs.grad.numpy(), rtol=1e-12, atol=0)
    assert all(np.array_equal(g, old) for g, old in zip(grads, before)), "the input is left alone"
    length = np.sqrt(sum((c**2).sum() for c in clipped))
    assert length <= max_norm and np.isclose(length, min(max_norm, norm), rtol=1e-6)


@pytest.mark.parametrize("limit", [1e-3, 0.5, 1e6])
def test_clip_by_value_is_clip_grad_value(grads, limit):
    before = [g.copy() for g in grads]
    clipped, parameters = clip_by_value(grads, limit), in_torch(grads)
    torch.nn.utils.clip_grad_value_(parameters, limit)
    assert all(np.array_equal(c, p.grad.numpy()) for c, p in zip(clipped, parameters))
    assert all(np.array_equal(g, old) for g, old in zip(grads, before))


def test_zero_gradients_stay_zero():
    clipped, norm = clip_by_norm([np.zeros(3)], 1.0)
    assert norm == 0 and np.array_equal(clipped[0], np.zeros(3))
    assert np.allclose(clip_by_norm([np.array([300.0, 400.0, 0.0])], 5.0)[0][0], [3, 4, 0], atol=1e-6)
