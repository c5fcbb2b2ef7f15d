"""Optimizers: they know parameters and gradients, and nothing of the net.

All have one interface: `Rule(params, ...)` keeps the list of arrays `params`, and `step(grads)` changes them in place,
with the gradients in the same order and of the same shapes. Two lists of different lengths raise `ValueError`.

`SGD` is taught in *Backpropagation* (chapters/learning/backprop.ipynb), all others and the schedules in *Optimizers*
(chapters/learning/optimizers.ipynb).
"""

from collections.abc import Callable

import numpy as np


class SGD:
    """Plain (stochastic) gradient descent: `p <- p - lr * dp`, all parameters together, in place."""

    def __init__(self, params: list[np.ndarray], lr: float):
        self.params, self.lr = params, lr

    def step(self, grads: list[np.ndarray]) -> None:
        """Update every parameter with its gradient; `grads` is in the order of `params`."""
        for p, dp in zip(self.params, grads, strict=True):
            p -= self.lr * dp


class Momentum:
    """The heavy ball (Polyak 1964): `v <- momentum * v + dp`, then `p <- p - lr * v`. `v` starts at zero.

    The learning rate stands outside `v`, as in PyTorch: a rate that changes during training acts at once.
    """

    def __init__(self, params: list[np.ndarray], lr: float, momentum: float = 0.9):
        self.params, self.lr, self.momentum = params, lr, momentum
        self.v = [np.zeros_like(p) for p in params]

    def step(self, grads: list[np.ndarray]) -> None:
        """Update every parameter with its gradient; `grads` is in the order of `params`."""
        for p, dp, v in zip(self.params, grads, self.v, strict=True):
            v *= self.momentum
            v += dp
            p -= self.lr * v


class Nesterov:
    """Nesterov's accelerated gradient (1983) with a fixed momentum; `params` are the points looked ahead to.

    `v <- momentum * v + dp`, then `p <- p - lr * (dp + momentum * v)`, as in PyTorch. The points of the textbook form
    are `p + lr * momentum * v`.
    """

    def __init__(self, params: list[np.ndarray], lr: float, momentum: float = 0.9):
        self.params, self.lr, self.momentum = params, lr, momentum
        self.v = [np.zeros_like(p) for p in params]

    def step(self, grads: list[np.ndarray]) -> None:
        """Update every parameter with its gradient; `grads` is in the order of `params`."""
        for p, dp, v in zip(self.params, grads, self.v, strict=True):
            v *= self.momentum
            v += dp
            p -= self.lr * (dp + self.momentum * v)


class AdaGrad:
    """A rate for each parameter, from the sum of all its squared gradients (Duchi, Hazan and Singer 2011)."""

    def __init__(self, params: list[np.ndarray], lr: float = 0.01, eps: float = 1e-10):
        self.params, self.lr, self.eps = params, lr, eps
        self.s = [np.zeros_like(p) for p in params]

    def step(self, grads: list[np.ndarray]) -> None:
        """Update every parameter with its gradient; `grads` is in the order of `params`."""
        for p, dp, s in zip(self.params, grads, self.s, strict=True):
            s += dp**2
            p -= self.lr * dp / (np.sqrt(s) + self.eps)


class RMSprop:
    """AdaGrad that forgets: a moving average of the squared gradients (Tieleman and Hinton 2012, lecture 6.5)."""

    def __init__(self, params: list[np.ndarray], lr: float = 0.01, decay: float = 0.9, eps: float = 1e-8):
        self.params, self.lr, self.decay, self.eps = params, lr, decay, eps
        self.s = [np.zeros_like(p) for p in params]

    def step(self, grads: list[np.ndarray]) -> None:
        """Update every parameter with its gradient; `grads` is in the order of `params`."""
        for p, dp, s in zip(self.params, grads, self.s, strict=True):
            s *= self.decay
            s += (1 - self.decay) * dp**2
            p -= self.lr * dp / (np.sqrt(s) + self.eps)


class Adadelta:
    """Steps in the parameter's own units: the size of recent steps over that of recent gradients (Zeiler 2012).

    The paper has no learning rate, that is `lr=1`.
    """

    def __init__(self, params: list[np.ndarray], lr: float = 1.0, decay: float = 0.9, eps: float = 1e-6):
        self.params, self.lr, self.decay, self.eps = params, lr, decay, eps
        self.s = [np.zeros_like(p) for p in params]
        self.u = [np.zeros_like(p) for p in params]

    def step(self, grads: list[np.ndarray]) -> None:
        """Update every parameter with its gradient; `grads` is in the order of `params`."""
        for p, dp, s, u in zip(self.params, grads, self.s, self.u, strict=True):
            s *= self.decay
            s += (1 - self.decay) * dp**2
            change = np.sqrt(u + self.eps) / np.sqrt(s + self.eps) * dp
            u *= self.decay
            u += (1 - self.decay) * change**2
            p -= self.lr * change


class Adam:
    """Moving averages of the gradient and of its square, both corrected for their start at zero (Kingma and Ba 2015).

    `t` counts the steps. One work array a parameter is kept, so that a step allocates nothing.
    """

    def __init__(
        self,
        params: list[np.ndarray],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        self.params, self.lr, self.betas, self.eps, self.t = params, lr, betas, eps, 0
        self.m = [np.zeros_like(p) for p in params]
        self.v = [np.zeros_like(p) for p in params]
        self.work = [np.zeros_like(p) for p in params]

    def step(self, grads: list[np.ndarray]) -> None:
        """Update every parameter with its gradient; `grads` is in the order of `params`."""
        self.t += 1
        beta1, beta2 = self.betas
        rate, root = self.lr / (1 - beta1**self.t), (1 - beta2**self.t) ** 0.5
        for p, dp, m, v, w in zip(self.params, grads, self.m, self.v, self.work, strict=True):
            m *= beta1
            m += np.multiply(dp, 1 - beta1, out=w)
            v *= beta2
            np.multiply(dp, dp, out=w)
            w *= 1 - beta2
            v += w
            np.sqrt(v, out=w)
            w /= root
            w += self.eps
            np.divide(m, w, out=w)
            w *= rate
            p -= w


class AdamW(Adam):
    """Adam whose weight decay does not pass through the gradient (Loshchilov and Hutter 2019).

    Each step first shrinks the parameters by the factor `1 - lr * weight_decay`, as PyTorch does.
    """

    def __init__(
        self,
        params: list[np.ndarray],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        super().__init__(params, lr, betas, eps)
        self.weight_decay = weight_decay

    def step(self, grads: list[np.ndarray]) -> None:
        """Update every parameter with its gradient; `grads` is in the order of `params`."""
        for p in self.params:
            p *= 1 - self.lr * self.weight_decay
        super().step(grads)


def soft_threshold(w: np.ndarray, threshold: float) -> np.ndarray:
    """Move every entry of `w` towards zero by `threshold`, and those that are nearer to exactly zero."""
    return np.sign(w) * np.maximum(np.abs(w) - threshold, 0)


class ISTA:
    """Proximal gradient for a smooth loss plus `penalty * sum(|p|)`: a gradient step, then the soft threshold.

    `step` takes the gradients of the smooth part alone (Beck and Teboulle 2009).
    """

    def __init__(self, params: list[np.ndarray], lr: float, penalty: float):
        self.params, self.lr, self.penalty = params, lr, penalty

    def step(self, grads: list[np.ndarray]) -> None:
        """Update every parameter with its gradient; `grads` is in the order of `params`."""
        for p, dp in zip(self.params, grads, strict=True):
            p[...] = soft_threshold(p - self.lr * dp, self.lr * self.penalty)


class FISTA:
    """ISTA with Nesterov's look-ahead and a momentum that grows (Beck and Teboulle 2009).

    `params` are the points looked ahead to, where the gradient is wanted; the solutions are in `x`.
    """

    def __init__(self, params: list[np.ndarray], lr: float, penalty: float):
        self.params, self.lr, self.penalty, self.t = params, lr, penalty, 1
        self.x = [p.copy() for p in params]

    def step(self, grads: list[np.ndarray]) -> None:
        """Update every parameter with its gradient; `grads` is in the order of `params`."""
        t, self.t = self.t, (1 + np.sqrt(1 + 4 * self.t**2)) / 2
        for p, dp, x in zip(self.params, grads, self.x, strict=True):
            new = soft_threshold(p - self.lr * dp, self.lr * self.penalty)
            p[...] = new + (t - 1) / self.t * (new - x)
            x[...] = new


def inner(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    """Inner product of two lists of arrays, as if each list were one long vector."""
    return sum((x * y).sum() for x, y in zip(a, b, strict=True))


class ConjugateGradient:
    """Conjugate gradients for a quadratic loss (Hestenes and Stiefel 1952), with the exact length of every step.

    `curvature(d)` takes a list of arrays and returns the Hessian times that list, which must be positive definite.
    """

    def __init__(self, params: list[np.ndarray], curvature: Callable[[list[np.ndarray]], list[np.ndarray]]):
        self.params, self.curvature, self.rr = params, curvature, np.inf
        self.d = [np.zeros_like(p) for p in params]

    def step(self, grads: list[np.ndarray]) -> None:
        """Update every parameter with its gradient; `grads` is in the order of `params`. Stays at a minimum."""
        rr = inner(grads, grads)
        if rr == 0:
            return
        self.d = [rr / self.rr * d - dp for d, dp in zip(self.d, grads, strict=True)]
        length = rr / inner(self.d, self.curvature(self.d))
        for p, d in zip(self.params, self.d, strict=True):
            p += length * d
        self.rr = rr


def step_decay(t: int, every: int, factor: float = 0.1) -> float:
    """The share of the learning rate at step `t` (from 0) if it is multiplied by `factor` once `every` steps."""
    return factor ** (t // every)


def cosine(t: int, total: int) -> float:
    """The share of the learning rate at step `t` of `total`: half a cosine from 1 to 0 (Loshchilov and Hutter 2017)."""
    return (1 + np.cos(np.pi * t / total)) / 2


def warm_up(t: int, steps: int) -> float:
    """The share of the learning rate at step `t` (from 0): a ramp that reaches 1 at the `steps`-th, and stays there."""
    return min(1.0, (t + 1) / steps)
