"""The witnesses themselves: they must agree with known derivatives, and must refuse to agree with wrong ones."""

import numpy as np
import pytest
import torch

from dlbook_utils import checks
from dlbook_utils.scratch.layers import Dense, ReLU, Sequential


def test_numerical_gradient_of_known_functions():
    x = np.random.default_rng(0).normal(size=(2, 3))
    before = x.copy()
    assert np.allclose(checks.numerical_gradient(lambda: (x**3).sum(), x), 3 * x**2, rtol=0, atol=1e-8)
    assert np.array_equal(x, before)  # restored to the last bit
    scalar = np.array(0.5)
    assert np.isclose(checks.numerical_gradient(lambda: np.exp(scalar), scalar), np.exp(0.5))


def test_numerical_gradient_works_on_views_and_restores_after_an_error():
    x = np.arange(6.0).reshape(2, 3)
    view = x.T[::2]
    assert np.allclose(checks.numerical_gradient(lambda: (x * x).sum(), view), 2 * view, atol=1e-8)

    def fails():
        raise RuntimeError("no loss today")

    before = x.copy()
    with pytest.raises(RuntimeError, match="no loss"):
        checks.numerical_gradient(fails, x)
    assert np.array_equal(x, before)


@pytest.mark.parametrize("x", [np.ones(2, np.float32), np.ones(2, int), [1.0, 2.0], 1.0])
def test_numerical_gradient_wants_float64(x):
    with pytest.raises(TypeError, match="float64"):
        checks.numerical_gradient(lambda: 0.0, x)


def test_relative_error():
    assert checks.relative_error([1.0, 2.0], [1.0, 2.0]) == 0
    assert checks.relative_error([1.0, 2.0], [1.0, 2.2]) == pytest.approx(0.2 / 2.2)
    assert checks.relative_error([1.0], [-1.0]) == 2
    assert checks.relative_error([0.0], [1e-12]) == pytest.approx(1e-8)  # zero but for rounding
    assert checks.relative_error([1.0], [np.nan]) == checks.relative_error([np.inf], [np.inf]) == np.inf
    assert checks.relative_error(np.zeros(0), np.zeros(0)) == 0
    with pytest.raises(ValueError, match=r"\(2, 1\).*\(2,\)"):
        checks.relative_error(np.ones((2, 1)), np.ones(2))


def cubes(x):
    return lambda: (x**3).sum()


def test_assert_gradients_agree_returns_the_worst_error():
    x = np.array([1.0, 2.0])
    assert 0 <= checks.assert_gradients_agree(cubes(x), {"x": x}, {"x": 3 * x**2}) < 1e-8
    assert checks.assert_gradients_agree(cubes(x), [x], [3 * x**2], sample=1) < 1e-8


@pytest.mark.parametrize(
    "wrong",
    [lambda x: -3 * x**2, lambda x: 3.001 * x**2, lambda x: 0 * x, lambda x: x * np.nan, lambda x: 3 * x[::-1] ** 2],
)
def test_assert_gradients_agree_refuses_a_wrong_gradient_and_names_it(wrong):
    x = np.array([1.0, 2.0])
    with pytest.raises(AssertionError, match="gradient of W1 is wrong"):
        checks.assert_gradients_agree(cubes(x), {"W1": x}, {"W1": wrong(x)})


def test_assert_gradients_agree_refuses_wrong_shapes_names_and_types():
    x = np.array([1.0, 2.0])
    with pytest.raises(AssertionError, match="shape"):
        checks.assert_gradients_agree(cubes(x), {"x": x}, {"x": np.ones((2, 1))})
    with pytest.raises(ValueError, match="do not go together"):
        checks.assert_gradients_agree(cubes(x), {"x": x}, {"y": x})
    with pytest.raises(ValueError, match="no parameter"):
        checks.assert_gradients_agree(cubes(x), {}, {})
    with pytest.raises(TypeError, match="x is float32"):
        checks.assert_gradients_agree(cubes(x), {"x": x.astype(np.float32)}, {"x": x})


def test_agreement_report():
    a = {"loss": 2.0, "dW": np.ones((2, 3))}
    b = {"loss": 2.0 + 1e-13, "dW": np.ones((2, 3))}
    table = checks.agreement_report({"by hand": a, "PyTorch": b, "nudging": b}, tol={"PyTorch": 1e-10, "nudging": 1e-6})
    assert "by hand" in table and "(2, 3)" in table
    assert table.count("agrees to 1e-10") == 2 and table.count("agrees to 1e-06") == 2
    assert len(table.splitlines()) == 4


def test_agreement_report_lists_every_disagreement():
    a = {"loss": 2.0, "dW": np.ones(3), "db": np.ones(3)}
    b = {"loss": 2.1, "dW": np.ones(3), "db": -np.ones(3)}
    with pytest.raises(AssertionError) as error:
        checks.agreement_report({"by hand": a, "PyTorch": b})
    assert "loss" in str(error.value) and "db" in str(error.value) and "dW" not in str(error.value)
    with pytest.raises(ValueError, match="two ways"):
        checks.agreement_report({"by hand": a})
    with pytest.raises(ValueError, match="by hand has"):
        checks.agreement_report({"by hand": a, "PyTorch": {"loss": 2.0}})


def test_count_parameters_of_both_kinds_of_net():
    rng = np.random.default_rng(0)
    assert checks.count_parameters(Sequential(Dense(64, 128, rng), ReLU(), Dense(128, 10, rng))) == 9_610
    assert checks.count_parameters(torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.Linear(128, 10))) == 9_610
