"""Losses: each returns the mean over the batch and its gradient at the network's output.

Taught in *Backpropagation* (chapters/learning/backprop.ipynb).
"""

import numpy as np


def log_softmax(z: np.ndarray) -> np.ndarray:
    """Return log softmax of each row of the logits `z` (N, K), safe for logits of any size."""
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def softmax_cross_entropy(z: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean cross-entropy in nats of logits `z` (N, K) against classes `y` (N,), and dloss/dz = (p - onehot(y)) / N."""
    N = len(y)
    log_p = log_softmax(z)
    loss = -log_p[np.arange(N), y].mean()
    dz = np.exp(log_p)
    dz[np.arange(N), y] -= 1
    return loss, dz / N
