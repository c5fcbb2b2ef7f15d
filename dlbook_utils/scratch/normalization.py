"""Layers that rescale the middle of a net: over the batch (BatchNorm), or within each example (LayerNorm).

Both take (N, D) and give (N, D), with the interface of `layers.Dense`. Taught in *Batch normalization*
(chapters/learning/batch_normalization.ipynb).
"""

import numpy as np


def normalize_backward(dx_hat: np.ndarray, x_hat: np.ndarray, std: np.ndarray, axis: int) -> np.ndarray:
    """Return dloss/dX for `x_hat = (X - mean) / std`, where mean and std were taken of X itself, along `axis`.

    All arrays are (N, D), but for `std`, which broadcasts. It is what the line that fits `dx_hat` best over `x_hat`
    leaves, divided by `std`.
    """
    along_x_hat = x_hat * (dx_hat * x_hat).mean(axis=axis, keepdims=True)
    return (dx_hat - dx_hat.mean(axis=axis, keepdims=True) - along_x_hat) / std


class Normalization:
    """Base of the layers that end with `gamma * x_hat + beta`, one gain and one shift a feature."""

    def __init__(self, num_features: int, eps: float = 1e-5, dtype: type = np.float64):
        self.gamma = np.ones(num_features, dtype)
        self.beta = np.zeros(num_features, dtype)
        self.eps = eps

    @property
    def params(self) -> list[np.ndarray]:
        """The arrays that training changes, in place: `[gamma, beta]`."""
        return [self.gamma, self.beta]

    @property
    def grads(self) -> list[np.ndarray]:
        """Their gradients after `backward`, in the same order: `[dgamma, dbeta]`."""
        return [self.dgamma, self.dbeta]


class BatchNorm(Normalization):
    """Each feature to mean `beta` and spread `gamma` over the batch (Ioffe and Szegedy 2015, arXiv:1502.03167).

    In training (`training = True`, as the class starts) mean and variance are those of the batch, and `backward` knows
    that they depend on the input. Otherwise they are the running ones, constants. The conventions are PyTorch's:
    `momentum` is the share of the *new* value, the batch is divided by its biased spread (over N), and the running
    variance averages the unbiased one (over N - 1).
    """

    training = True

    def __init__(self, num_features: int, momentum: float = 0.1, eps: float = 1e-5, dtype: type = np.float64):
        super().__init__(num_features, eps, dtype)
        self.momentum = momentum
        self.running_mean = np.zeros(num_features, dtype)
        self.running_var = np.ones(num_features, dtype)

    def forward(self, X: np.ndarray) -> np.ndarray:
        """Return `gamma * x_hat + beta`, (N, D). In training the running statistics move; N = 1 is a ValueError."""
        mean, var = self.running_mean, self.running_var
        if self.training:
            N = len(X)
            if N < 2:
                raise ValueError("a batch of one has no spread: set training to False")
            mean = X.mean(axis=0)
            var = ((X - mean) ** 2).mean(axis=0)
            self.running_mean += self.momentum * (mean - self.running_mean)
            unbiased = var * N / (N - 1)
            self.running_var += self.momentum * (unbiased - self.running_var)
        self.std = np.sqrt(var + self.eps)
        self.x_hat = (X - mean) / self.std
        return self.gamma * self.x_hat + self.beta

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Take dloss/dout (N, D), set `dgamma` and `dbeta` (D,), return dloss/dX (N, D)."""
        self.dgamma = (dout * self.x_hat).sum(axis=0)
        self.dbeta = dout.sum(axis=0)
        dx_hat = dout * self.gamma
        if self.training:
            return normalize_backward(dx_hat, self.x_hat, self.std, axis=0)
        return dx_hat / self.std


class LayerNorm(Normalization):
    """Each example to mean 0 and spread 1 over its features, then `gamma`, `beta` (Ba et al. 2016, arXiv:1607.06450).

    No example knows of any other, so nothing is remembered, and training and use are the same.
    """

    def forward(self, X: np.ndarray) -> np.ndarray:
        """Return `gamma * x_hat + beta`, (N, D)."""
        self.std = np.sqrt(X.var(axis=1, keepdims=True) + self.eps)
        self.x_hat = (X - X.mean(axis=1, keepdims=True)) / self.std
        return self.gamma * self.x_hat + self.beta

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """Take dloss/dout (N, D), set `dgamma` and `dbeta` (D,), return dloss/dX (N, D)."""
        self.dgamma = (dout * self.x_hat).sum(axis=0)
        self.dbeta = dout.sum(axis=0)
        dx_hat = dout * self.gamma
        return normalize_backward(dx_hat, self.x_hat, self.std, axis=1)
