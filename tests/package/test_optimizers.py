"""The optimizers against PyTorch (float64, 100 steps, 1e-12), their schedules, and what makes each of them itself."""

from functools import partial

import numpy as np
import pytest
import torch

from dlbook_utils.scratch import optimizers
from dlbook_utils.scratch.optimizers import (
    FISTA,
    ISTA,
    SGD,
    Adadelta,
    AdaGrad,
    Adam,
    AdamW,
    ConjugateGradient,
    Momentum,
    Nesterov,
    RMSprop,
    cosine,
    inner,
    soft_threshold,
    step_decay,
    warm_up,
)

to = torch.optim
PAIRS = {
    "SGD": (partial(SGD, lr=0.1), partial(to.SGD, lr=0.1)),
    "Momentum": (partial(Momentum, lr=0.02, momentum=0.8), partial(to.SGD, lr=0.02, momentum=0.8)),
    "Nesterov": (partial(Nesterov, lr=0.02, momentum=0.8), partial(to.SGD, lr=0.02, momentum=0.8, nesterov=True)),
    "AdaGrad": (AdaGrad, to.Adagrad),
    "RMSprop": (partial(RMSprop, lr=0.003, decay=0.8), partial(to.RMSprop, lr=0.003, alpha=0.8)),
    "Adadelta": (Adadelta, to.Adadelta),
    "Adam": (Adam, to.Adam),
    "Adam, all options": (
        partial(Adam, lr=0.02, betas=(0.7, 0.9), eps=1e-3),
        partial(to.Adam, lr=0.02, betas=(0.7, 0.9), eps=1e-3),
    ),
    "AdamW": (AdamW, to.AdamW),
    "AdamW, strong": (partial(AdamW, lr=0.02, weight_decay=0.5), partial(to.AdamW, lr=0.02, weight_decay=0.5)),
}
SHAPES = [(4, 3), (3,), ()]


def starts():
    rng = np.random.default_rng(0)
    return [np.array(rng.normal(size=shape)) for shape in SHAPES]


def gradients(params, t):
    """A bowl and the noise of step `t`; `params` are arrays or tensors. The bowl keeps rounding from growing."""
    rng = np.random.default_rng(t)
    return [0.3 * p + float(rng.normal()) + rng.choice([0.1, 10.0]) for p in params]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("falling", [False, True], ids=["constant rate", "falling rate"])
def test_hundred_steps_agree_with_pytorch(name, falling):
    make, torch_make = PAIRS[name]
    params = starts()
    ours, theirs_p = make(params), [torch.tensor(p, requires_grad=True) for p in starts()]
    theirs = torch_make(theirs_p)
    for t in range(100):
        if falling and t == 50:
            ours.lr /= 10
            theirs.param_groups[0]["lr"] /= 10
        ours.step(gradients(params, t))
        for p, dp in zip(theirs_p, gradients([p.detach() for p in theirs_p], t)):
            p.grad = dp.clone()
        theirs.step()
    for p, q, start in zip(params, theirs_p, starts()):
        assert np.abs(p - q.detach().numpy()).max() <= 1e-12
        assert np.abs(p - start).max() > 1e-4  # they did move


RULES = [SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adadelta, Adam, AdamW]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_parameters_change_in_place_and_keep_their_type(rule):
    p = np.ones((2, 3), np.float32)
    same, gradient = p, np.full((2, 3), 2, np.float32)
    optimizer = rule([p], lr=0.01)
    for _ in range(3):
        optimizer.step([gradient])
    assert optimizer.params[0] is same and p.dtype == np.float32 and np.all(p < 1)
    assert np.all(gradient == 2), "the gradient belongs to the caller"


@pytest.mark.parametrize("rule", [*RULES[1:], partial(ISTA, penalty=0.1), partial(FISTA, penalty=0.1)])
def test_a_forgotten_gradient_is_an_error(rule):
    with pytest.raises(ValueError):
        rule([np.ones(2), np.ones(3)], lr=0.1).step([np.ones(2)])


def test_the_first_step_of_adam_is_one_rate_long_whatever_the_gradient():
    p = np.zeros(4)
    Adam([p], lr=0.01).step([np.array([1e-3, -1.0, 50.0, -1e4])])
    assert np.allclose(p, [-0.01, 0.01, -0.01, 0.01], rtol=1e-4)


def test_adam_allocates_no_array_of_the_size_of_a_parameter():
    import tracemalloc

    p, dp = np.zeros(1_000_000, np.float32), np.ones(1_000_000, np.float32)
    optimizer = Adam([p])
    optimizer.step([dp])
    tracemalloc.start()
    optimizer.step([dp])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < p.nbytes / 10


def test_nesterov_stores_the_point_looked_ahead_to():
    curvatures, lr, momentum = np.array([1.0, 20.0]), 0.03, 0.9
    y, w, v = np.ones(2), np.ones(2), np.zeros(2)
    optimizer = Nesterov([y], lr, momentum)
    for _ in range(50):
        optimizer.step([curvatures * y])
        v = momentum * v + curvatures * (w - lr * momentum * v)
        w = w - lr * v
        assert np.allclose(y + lr * momentum * optimizer.v[0], w, rtol=0, atol=1e-12)


def test_heavy_ball_shrinks_every_direction_equally_at_its_best_setting():
    kappa = 100
    momentum = ((kappa**0.5 - 1) / (kappa**0.5 + 1)) ** 2
    w, curvatures = np.ones(3), np.array([1.0, 30.0, 100.0])
    optimizer = Momentum([w], lr=4 / (kappa**0.5 + 1) ** 2, momentum=momentum)
    for _ in range(200):
        optimizer.step([curvatures * w])
    assert np.abs(w).max() < 200 * 20 * (9 / 11) ** 200
    assert np.abs(w).max() < 1e-3 * (99 / 101) ** 200  # gradient descent's best


def test_soft_threshold_solves_its_problem():
    z, threshold = np.array([-2.0, -0.3, 0.0, 0.3, 2.0]), 0.5
    candidates = np.linspace(-3, 3, 6001)
    cost = (candidates[:, None] - z) ** 2 / 2 + threshold * np.abs(candidates[:, None])
    assert np.allclose(soft_threshold(z, threshold), candidates[cost.argmin(axis=0)], atol=2e-3)
    assert np.array_equal(soft_threshold(z, threshold) == 0, np.abs(z) <= threshold)


@pytest.mark.parametrize("rule", [ISTA, FISTA])
def test_proximal_gradients_reach_the_optimality_conditions(rule):
    rng = np.random.default_rng(1)
    A, penalty = rng.normal(size=(40, 10)), 0.3
    b = A[:, 0] - 2 * A[:, 1] + 0.1 * rng.normal(size=40)
    hessian, correlation = A.T @ A / 40, A.T @ b / 40
    w = np.zeros(10)
    optimizer = rule([w], lr=1 / np.linalg.eigvalsh(hessian)[-1], penalty=penalty)
    for _ in range(500):
        optimizer.step([hessian @ w - correlation])
    x = optimizer.x[0] if rule is FISTA else w
    slope = hessian @ x - correlation
    assert 0 < np.sum(x != 0) < 10
    assert np.allclose(slope[x != 0], -penalty * np.sign(x[x != 0]), atol=1e-8)
    assert np.all(np.abs(slope) <= penalty + 1e-8)


def test_conjugate_gradients_solve_n_equations_in_n_steps():
    rng = np.random.default_rng(2)
    root = rng.normal(size=(6, 6))
    A, b = root @ root.T + np.eye(6), rng.normal(size=6)

    def product(parts):  # the six unknowns live in two arrays
        full = A @ np.concatenate([part.ravel() for part in parts])
        return [full[:4].reshape(2, 2), full[4:]]

    params = [np.zeros((2, 2)), np.zeros(2)]
    optimizer = ConjugateGradient(params, product)
    for _ in range(6):
        optimizer.step([part - right for part, right in zip(product(params), (b[:4].reshape(2, 2), b[4:]))])
    found = np.concatenate([p.ravel() for p in params])
    assert np.allclose(found, np.linalg.solve(A, b), atol=1e-8)


def test_conjugate_gradients_stay_at_a_minimum():
    p = np.array([1.0, 2.0])
    ConjugateGradient([p], lambda d: d).step([np.zeros(2)])
    assert np.array_equal(p, [1, 2])


def test_inner_is_the_product_of_long_vectors():
    assert inner([np.array([[1.0, 2.0]]), np.array([3.0])], [np.array([[4.0, 5.0]]), np.array([6.0])]) == 32
    with pytest.raises(ValueError):
        inner([np.ones(2)], [np.ones(2), np.ones(2)])


@pytest.mark.parametrize(
    "share, make",
    [
        (partial(step_decay, every=30, factor=0.5), partial(to.lr_scheduler.StepLR, step_size=30, gamma=0.5)),
        (partial(cosine, total=100), partial(to.lr_scheduler.CosineAnnealingLR, T_max=100)),
        (partial(warm_up, steps=20), partial(to.lr_scheduler.LinearLR, start_factor=1 / 20, total_iters=19)),
    ],
    ids=["step", "cosine", "warm-up"],
)
def test_schedules_agree_with_pytorch(share, make):
    stepper = to.SGD([torch.zeros(1)], lr=1.0)
    schedule = make(stepper)
    for t in range(100):
        assert abs(share(t) - stepper.param_groups[0]["lr"]) < 1e-12
        stepper.step()
        schedule.step()


def test_adam_fails_on_the_problem_of_reddi_kale_and_kumar():
    """Section 3 of arXiv:1904.09237: every third slope is 3, the others -1; the best point of [-1, 1] is -1."""
    ends = []
    for rule in (partial(Adam, lr=0.1, betas=(0.0, 0.1)), partial(SGD, lr=0.1)):
        w = np.zeros(1)
        optimizer = rule([w])
        for t in range(1, 2001):
            optimizer.lr = 0.1 / t**0.5
            optimizer.step([np.array([3.0 if t % 3 == 1 else -1.0])])
            np.clip(w, -1, 1, out=w)
        ends.append(w[0])
    assert ends[0] > 0.95 and ends[1] < -0.95


def test_every_rule_is_documented():
    for name, thing in vars(optimizers).items():
        if getattr(thing, "__module__", "") == optimizers.__name__:
            assert thing.__doc__, name
