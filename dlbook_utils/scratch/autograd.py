"""Reverse-mode automatic differentiation on arrays: a `Tensor` remembers how it was made, and `backward` walks back.

Every operation is a function that returns a new `Tensor` with its value, its parents, and a function `shares` that
takes dloss/d(result) and returns dloss/d(parent), one for each parent. Values and gradients are float64.
Taught in *Backpropagation* (chapters/learning/backprop.ipynb).
"""

from collections.abc import Callable

import numpy as np


def tensor(x) -> "Tensor":
    """Return `x` itself if it is a `Tensor`, else a new leaf that holds it."""
    return x if isinstance(x, Tensor) else Tensor(x)


def add(a, b) -> "Tensor":
    """`a + b`, elementwise with broadcasting."""
    a, b = tensor(a), tensor(b)
    return Tensor(a.value + b.value, (a, b), lambda d: (d, d), "+")


def sub(a, b) -> "Tensor":
    """`a - b`, elementwise with broadcasting."""
    a, b = tensor(a), tensor(b)
    return Tensor(a.value - b.value, (a, b), lambda d: (d, -d), "-")


def mul(a, b) -> "Tensor":
    """`a * b`, elementwise with broadcasting."""
    a, b = tensor(a), tensor(b)
    return Tensor(a.value * b.value, (a, b), lambda d: (d * b.value, d * a.value), "*")


def matmul(a, b) -> "Tensor":
    """`a @ b` of two matrices, (N, D) and (D, K) -> (N, K); `ValueError` for vectors and stacks."""
    a, b = tensor(a), tensor(b)
    if a.value.ndim != 2 or b.value.ndim != 2:
        raise ValueError("@ takes two matrices, (N, D) and (D, K)")
    return Tensor(a.value @ b.value, (a, b), lambda d: (d @ b.value.T, a.value.T @ d), "@")


def power(a: "Tensor", k: float) -> "Tensor":
    """`a ** k` for a constant number `k`, elementwise."""
    return Tensor(a.value**k, (a,), lambda d: (d * k * a.value ** (k - 1),), f"**{k}")


def exp(a: "Tensor") -> "Tensor":
    """`e ** a`, elementwise."""
    e = np.exp(a.value)
    return Tensor(e, (a,), lambda d: (d * e,), "exp")


def log(a: "Tensor") -> "Tensor":
    """Natural logarithm, elementwise."""
    return Tensor(np.log(a.value), (a,), lambda d: (d / a.value,), "log")


def tanh(a: "Tensor") -> "Tensor":
    """`tanh(a)`, elementwise."""
    h = np.tanh(a.value)
    return Tensor(h, (a,), lambda d: (d * (1 - h**2),), "tanh")


def relu(a: "Tensor") -> "Tensor":
    """`max(a, 0)`, elementwise; the slope at 0 is taken as 0."""
    return Tensor(np.maximum(a.value, 0), (a,), lambda d: (d * (a.value > 0),), "relu")


def total(a: "Tensor", axis: int | None = None, keepdims: bool = False) -> "Tensor":
    """Sum over one axis, or over all: every summand gets the whole gradient of the sum."""

    def shares(d):
        d = d if keepdims or axis is None else np.expand_dims(d, axis)
        return (np.broadcast_to(d, a.value.shape),)

    return Tensor(a.value.sum(axis=axis, keepdims=keepdims), (a,), shares, "sum")


def pick(a: "Tensor", index) -> "Tensor":
    """`a[index]`, any NumPy index; an entry picked twice gets both gradients."""

    def shares(d):
        da = np.zeros_like(a.value)
        np.add.at(da, index, d)
        return (da,)

    return Tensor(a.value[index], (a,), shares, "pick")


class Tensor:
    """An array that remembers how it was made: from which `parents`, and how to hand its gradient on to them.

    After `loss.backward()`, `t.grad` is dloss/dt, with the shape of `t.value`, for every `t` that `loss` was made from.
    """

    __array_ufunc__ = None
    __add__ = __radd__ = add
    __mul__ = __rmul__ = mul
    __sub__, __matmul__, __pow__, __getitem__ = sub, matmul, power, pick
    exp, log, tanh, relu, sum = exp, log, tanh, relu, total

    def __init__(self, value, parents: tuple = (), shares: Callable[[np.ndarray], tuple] = lambda d: (), op: str = ""):
        self.value = np.asarray(value, dtype=np.float64)
        self.grad = np.zeros_like(self.value)
        self.parents, self.shares, self.op = parents, shares, op

    def __rsub__(self, other) -> "Tensor":
        return sub(other, self)

    def __neg__(self) -> "Tensor":
        return sub(0, self)

    def __truediv__(self, other) -> "Tensor":
        return self * tensor(other) ** -1

    def backward(self) -> None:
        """Set `grad` of everything that this scalar was made from; starts afresh at each call."""
        order = topological_order(self)
        for node in order:
            node.grad = np.zeros_like(node.value)
        self.grad = np.ones_like(self.value)
        for node in reversed(order):
            for parent, share in zip(node.parents, node.shares(node.grad)):
                parent.grad += unbroadcast(share, parent.value.shape)


def topological_order(root: Tensor) -> list[Tensor]:
    """Return everything that `root` was made from, each after all its parents; `root` is last."""
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return order


def unbroadcast(grad: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum `grad` over the axes along which NumPy stretched an array of this `shape`."""
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and grad.shape[i] > 1)
    return grad.sum(axis=stretched, keepdims=True)
