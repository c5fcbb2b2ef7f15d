"""Activation functions as pairs, the value `f(z)` and the slope `f'(z)`, and softmax with its backward pass.

All but softmax work on each number by itself; any shape, and float32 stays float32. No value overflows:
inputs of size 10,000 are safe. Taught in *Activation functions* (chapters/learning/activations.ipynb).
"""

import math
from collections.abc import Callable

import numpy as np

from dlbook_utils.scratch.layers import Activation


def sigmoid(z: np.ndarray) -> np.ndarray:
    """`1 / (1 + exp(-z))`, with `exp` of negative numbers only; exact to the last digits also where it is tiny."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def sigmoid_slope(z: np.ndarray) -> np.ndarray:
    """`sigmoid(z) (1 - sigmoid(z))`, at most 1/4."""
    e = np.exp(-np.abs(z))
    return e / (1 + e) ** 2


def tanh(z: np.ndarray) -> np.ndarray:
    """Hyperbolic tangent, `2 sigmoid(2 z) - 1`."""
    return np.tanh(z)


def tanh_slope(z: np.ndarray) -> np.ndarray:
    """`1 - tanh(z)^2`, at most 1."""
    return 1 - np.tanh(z) ** 2


def relu(z: np.ndarray) -> np.ndarray:
    """`max(z, 0)` (Nair and Hinton 2010; Glorot, Bordes and Bengio 2011)."""
    return np.maximum(z, 0)


def relu_slope(z: np.ndarray) -> np.ndarray:
    """1 where `z > 0`, else 0; at the kink 0, as PyTorch has it."""
    return np.where(z > 0, np.ones_like(z), 0)


def leaky_relu(z: np.ndarray, leak: float = 0.01) -> np.ndarray:
    """`z` where it is positive, else `leak * z` (Maas, Hannun and Ng 2013)."""
    return np.where(z > 0, z, leak * z)


def leaky_relu_slope(z: np.ndarray, leak: float = 0.01) -> np.ndarray:
    """1 where `z > 0`, else `leak`; at the kink `leak`, as PyTorch has it."""
    return np.where(z > 0, np.ones_like(z), leak)


def elu(z: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """`z` where it is positive, else `alpha (exp(z) - 1)` (Clevert, Unterthiner and Hochreiter, arXiv:1511.07289)."""
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def elu_slope(z: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """1 where `z > 0`, else `alpha exp(z)`."""
    return np.where(z > 0, 1, alpha * np.exp(np.minimum(z, 0)))


def softplus(z: np.ndarray) -> np.ndarray:
    """`log(1 + exp(z))` (Dugas and others 2000); its slope is `sigmoid`."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def normal_cdf(z: np.ndarray) -> np.ndarray:
    """Probability that a standard normal number is below `z`. Number by number through `math.erfc`, hence slow."""
    erfc = np.vectorize(math.erfc, otypes=[z.dtype])
    return erfc(-z / math.sqrt(2)) / 2


def gelu(z: np.ndarray) -> np.ndarray:
    """`z Phi(z)` with the normal distribution function `Phi` (Hendrycks and Gimpel, arXiv:1606.08415)."""
    return z * normal_cdf(z)


def gelu_slope(z: np.ndarray) -> np.ndarray:
    """`Phi(z) + z phi(z)` with the normal density `phi`; between -0.13 and 1.13."""
    return normal_cdf(z) + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def silu(z: np.ndarray) -> np.ndarray:
    """`z sigmoid(z)`, also called swish (Hendrycks and Gimpel, arXiv:1606.08415; Elfwing and others, 1702.03118)."""
    return z * sigmoid(z)


def silu_slope(z: np.ndarray) -> np.ndarray:
    """`sigmoid(z) + z sigmoid'(z)`; between -0.10 and 1.10."""
    return sigmoid(z) + z * sigmoid_slope(z)


BENDS = {
    "sigmoid": (sigmoid, sigmoid_slope),
    "tanh": (tanh, tanh_slope),
    "ReLU": (relu, relu_slope),
    "leaky ReLU": (leaky_relu, leaky_relu_slope),
    "ELU": (elu, elu_slope),
    "softplus": (softplus, sigmoid),
    "GELU": (gelu, gelu_slope),
    "SiLU": (silu, silu_slope),
}


class Bend(Activation):
    """The layer `h = f(z)` made of a pair: `Bend(silu, silu_slope)` or `Bend(*BENDS["SiLU"])`."""

    def __init__(self, value: Callable[[np.ndarray], np.ndarray], slope: Callable[[np.ndarray], np.ndarray]):
        self.value, self.slope = value, slope

    def forward(self, z: np.ndarray) -> np.ndarray:
        """Return `f(z)`, the shape of `z`."""
        self.z = z
        return self.value(z)

    def backward(self, dh: np.ndarray) -> np.ndarray:
        """Return dloss/dz, the gradient times the slope."""
        return dh * self.slope(self.z)


def softmax(z: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """`exp(z / temperature)` along the last axis, divided by its sum: positive, together one."""
    z = z / temperature
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(dp: np.ndarray, p: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Take dloss/dp and `p = softmax(z, temperature)`, return dloss/dz, without building the Jacobian."""
    return p * (dp - (dp * p).sum(axis=-1, keepdims=True)) / temperature
