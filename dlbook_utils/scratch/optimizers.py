"""Optimizers: they know parameters and gradients, and nothing of the net.

`SGD` is taught in *Backpropagation* (chapters/learning/backprop.ipynb).
"""

import numpy as np


class SGD:
    """Plain (stochastic) gradient descent: `p <- p - lr * dp`, all parameters together, in place."""

    def __init__(self, params: list[np.ndarray], lr: float):
        self.params, self.lr = params, lr

    def step(self, grads: list[np.ndarray]) -> None:
        """Update every parameter with its gradient; `grads` is in the order of `params`."""
        for p, dp in zip(self.params, grads, strict=True):
            p -= self.lr * dp
