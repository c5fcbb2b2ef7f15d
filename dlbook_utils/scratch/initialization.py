"""Starting weights that keep fifty layers alive, and clipping for gradients that grow all the same.

Weights are (D, K): D inputs, K outputs. Every function is pure: it returns new arrays and changes none. Taught in
*Initialization* (chapters/learning/initialization.ipynb).
"""

import numpy as np


def glorot_std(num_inputs: int, num_outputs: int) -> float:
    """Spread `sqrt(2 / (D + K))` for units whose slope at zero is one (Glorot and Bengio, AISTATS 2010)."""
    return np.sqrt(2 / (num_inputs + num_outputs))


def he_std(num_inputs: int) -> float:
    """Spread `sqrt(2 / D)` in front of a ReLU (He et al. 2015, arXiv:1502.01852, section 2.2)."""
    return np.sqrt(2 / num_inputs)


def glorot_normal(num_inputs: int, num_outputs: int, rng: np.random.Generator) -> np.ndarray:
    """Normal weights (D, K) with standard deviation `glorot_std`; PyTorch's `xavier_normal_`."""
    return rng.normal(0, glorot_std(num_inputs, num_outputs), (num_inputs, num_outputs))


def glorot_uniform(num_inputs: int, num_outputs: int, rng: np.random.Generator) -> np.ndarray:
    """Weights (D, K), uniform on both sides of zero, with standard deviation `glorot_std`; `xavier_uniform_`."""
    bound = np.sqrt(3) * glorot_std(num_inputs, num_outputs)
    return rng.uniform(-bound, bound, (num_inputs, num_outputs))


def he_normal(num_inputs: int, num_outputs: int, rng: np.random.Generator) -> np.ndarray:
    """Normal weights (D, K) with standard deviation `he_std`; `kaiming_normal_(w, nonlinearity="relu")`."""
    return rng.normal(0, he_std(num_inputs), (num_inputs, num_outputs))


def he_uniform(num_inputs: int, num_outputs: int, rng: np.random.Generator) -> np.ndarray:
    """Weights (D, K), uniform on both sides of zero, with standard deviation `he_std`; `kaiming_uniform_`."""
    bound = np.sqrt(3) * he_std(num_inputs)
    return rng.uniform(-bound, bound, (num_inputs, num_outputs))


def orthogonal(num_inputs: int, num_outputs: int, rng: np.random.Generator) -> np.ndarray:
    """Random (D, K) matrix whose singular values are all one (Saxe et al. 2013, arXiv:1312.6120); `orthogonal_`."""
    tall, wide = max(num_inputs, num_outputs), min(num_inputs, num_outputs)
    Q, R = np.linalg.qr(rng.normal(size=(tall, wide)))
    Q = Q * np.sign(np.diag(R))
    return Q if num_inputs >= num_outputs else Q.T


def clip_by_norm(grads: list[np.ndarray], max_norm: float) -> tuple[list[np.ndarray], float]:
    """Shorten all gradients by one factor, so that together their norm is at most `max_norm`.

    Returns the clipped list and the norm before clipping (Pascanu et al. 2013, arXiv:1211.5063). As in PyTorch's
    `clip_grad_norm_` the norm is enlarged by 1e-6 in the division, which saves gradients that are all zero.
    """
    norm = np.sqrt(sum((g**2).sum() for g in grads))
    factor = min(1.0, max_norm / (norm + 1e-6))
    return [factor * g for g in grads], norm


def clip_by_value(grads: list[np.ndarray], limit: float) -> list[np.ndarray]:
    """Cut every entry of every gradient to the interval from `-limit` to `limit`; `clip_grad_value_`."""
    return [np.clip(g, -limit, limit) for g in grads]
