"""The engine against finite differences (float64, 1e-6) and PyTorch (float64, 1e-10), operation by operation."""

import inspect

import numpy as np
import pytest
import torch

from dlbook_utils import checks
from dlbook_utils.scratch import autograd
from dlbook_utils.scratch.autograd import Tensor, topological_order, unbroadcast

# a is (3, 4), b is (4,), c is (3, 1), m is (4, 2); each expression is read by our engine and by PyTorch alike
EXPRESSIONS = {
    "add": lambda a, b, c, m: (a + b + c) ** 2,
    "add a number": lambda a, b, c, m: (1.5 + a + 2) ** 2,
    "sub": lambda a, b, c, m: (a - b - c) ** 2,
    "sub from a number": lambda a, b, c, m: (1 - a) ** 3,
    "mul": lambda a, b, c, m: a * b * c * a,
    "mul a number": lambda a, b, c, m: 3 * a * 2,
    "div": lambda a, b, c, m: a / b / c,
    "neg": lambda a, b, c, m: -a * b,
    "power": lambda a, b, c, m: b**-0.5 + a**3,
    "matmul": lambda a, b, c, m: ((a * b) @ m) ** 2,
    "exp": lambda a, b, c, m: (a * b).exp(),
    "log": lambda a, b, c, m: (b * c).log(),
    "tanh": lambda a, b, c, m: (a + c).tanh(),
    "relu": lambda a, b, c, m: (a - 0.1).relu() * b,
    "sum all": lambda a, b, c, m: a.sum() * b,
    "sum axis 0": lambda a, b, c, m: a.sum(0) * b,
    "sum axis 1": lambda a, b, c, m: a.sum(1) ** 2,
    "pick twice": lambda a, b, c, m: a[[0, 0, 2], [1, 1, 3]] ** 2,
    "pick rows": lambda a, b, c, m: a[1:] * b,
}


def make_arrays():
    rng = np.random.default_rng(0)
    return {
        "a": rng.normal(size=(3, 4)),
        "b": rng.uniform(0.5, 2, 4),
        "c": rng.uniform(0.5, 2, (3, 1)),
        "m": rng.normal(size=(4, 2)),
    }


def gradients(expression, arrays):
    leaves = {name: Tensor(a) for name, a in arrays.items()}
    loss = expression(**leaves).sum()
    loss.backward()
    return float(loss.value), {name: t.grad for name, t in leaves.items()}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_agrees_with_finite_differences_and_pytorch(name):
    expression, arrays = EXPRESSIONS[name], make_arrays()
    value, grads = gradients(expression, arrays)
    assert any(g.any() for g in grads.values())
    checks.assert_gradients_agree(lambda: gradients(expression, arrays)[0], arrays, grads, tol=1e-6)

    leaves = {key: torch.tensor(a, requires_grad=True) for key, a in arrays.items()}
    loss = expression(**leaves).sum()
    loss.backward()
    assert np.isclose(value, loss.item(), rtol=1e-12)
    for key, t in leaves.items():
        theirs = np.zeros_like(arrays[key]) if t.grad is None else t.grad.numpy()
        assert checks.relative_error(grads[key], theirs) < 1e-10, key


def test_sum_keeps_dimensions_on_request():
    t = Tensor(np.arange(6.0).reshape(2, 3))
    s = t.sum(axis=1, keepdims=True)
    assert s.value.shape == (2, 1)
    (s * np.array([[1.0], [10.0]])).sum().backward()
    assert t.grad.tolist() == [[1, 1, 1], [10, 10, 10]]


def test_a_value_used_twice_gets_both_shares():
    a, b = Tensor(3.0), Tensor(4.0)
    (a * b + a).backward()
    assert (a.grad, b.grad) == (5, 3)
    a = Tensor(2.0)
    (a * a * a).backward()
    assert a.grad == 12


def test_a_node_waits_for_all_its_blame():
    """A ladder of diamonds: visited in the wrong order, or once a road, the gradient 2**20 comes out wrong or late."""
    x = top = Tensor(1.0)
    for _ in range(20):
        top = top + top
    top.backward()
    assert x.grad == 2**20
    assert len(topological_order(top)) == 21


def test_topological_order_lists_parents_first():
    a, b = Tensor(1.0), Tensor(2.0)
    root = (a * b + a).tanh() * b
    order = topological_order(root)
    place = {node: i for i, node in enumerate(order)}
    assert order[-1] is root and len(place) == len(order)
    assert all(place[p] < place[node] for node in order for p in node.parents)


def test_a_long_chain_needs_no_recursion():
    x = t = Tensor(1.0)
    for _ in range(5_000):
        t = t + 1
    t.backward()
    assert x.grad == 1 and t.value == 5_001


def test_backward_starts_afresh():
    x = Tensor(3.0)
    y = x**2
    y.backward()
    y.backward()
    assert x.grad == 6


def test_numpy_on_the_left_gives_a_tensor():
    t = Tensor(np.ones(3))
    for result in (np.arange(3.0) + t, np.arange(3.0) * t, np.arange(3.0) - t):
        assert isinstance(result, Tensor) and result.value.shape == (3,)


@pytest.mark.parametrize(
    "shape, to", [((5, 3), (3,)), ((5, 3), (5, 1)), ((5, 3), ()), ((2, 5, 3), (1, 3)), ((4,), (1,)), ((5, 3), (5, 3))]
)
def test_unbroadcast_undoes_what_broadcasting_does(shape, to):
    small, grad = np.zeros(to), np.random.default_rng(0).normal(size=shape)
    got = unbroadcast(grad, to)
    assert got.shape == small.shape and np.isclose(got.sum(), grad.sum())
    expected = checks.numerical_gradient(lambda: (np.broadcast_to(small, shape) * grad).sum(), small)
    assert np.allclose(got, expected, atol=1e-8)


def test_matmul_refuses_vectors():
    with pytest.raises(ValueError, match="two matrices"):
        Tensor(np.ones((3, 3))) @ Tensor(np.ones(3))


def test_the_engine_has_less_than_100_lines_of_code():
    lines = inspect.getsource(autograd).splitlines()
    code = [line for line in lines if line.strip() and not line.strip().startswith(("#", '"""'))]
    assert len(code) < 100
