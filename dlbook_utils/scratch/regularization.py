"""Fitting less, on purpose: layers and losses that behave otherwise in training than in use.

A layer that does so carries a flag `training`, which `set_training` turns for a whole net. Taught in *Regularization*
(chapters/learning/regularization.ipynb).
"""

import numpy as np

from .layers import Activation
from .losses import log_softmax


def set_training(net, flag: bool) -> None:
    """Set `training` of `net` and of all layers within it: True before training steps, False before predictions."""
    net.training = flag
    for part in getattr(net, "layers", []):
        set_training(part, flag)


class Dropout(Activation):
    """Inverted dropout (Srivastava et al. 2014): any shape, `p` is the probability that an entry is *dropped*.

    In training each entry is set to zero with probability `p`, and those that stay are divided by `1 - p`; the mask is
    new in every `forward`. With `training = False` the layer passes everything on unchanged. A `p` outside [0, 1)
    raises `ValueError`.
    """

    training = True

    def __init__(self, p: float, rng: np.random.Generator):
        if not 0 <= p < 1:
            raise ValueError(f"the share of dropped units must be in [0, 1), got {p}")
        self.p, self.rng, self.mask = p, rng, None

    def draw_mask(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return an array of zeros, each with probability `p`, and of `1 / (1 - p)`."""
        return (self.rng.random(shape) >= self.p) / (1 - self.p)

    def forward(self, h: np.ndarray) -> np.ndarray:
        """Return `h` times a new mask in training, else `h` itself."""
        if not self.training:
            self.mask = None
            return h
        self.mask = self.draw_mask(h.shape).astype(h.dtype)
        return h * self.mask

    def backward(self, dh: np.ndarray) -> np.ndarray:
        """Return dloss/d(input): the gradient passes where, and as much as, the last `forward` let values pass."""
        return dh if self.mask is None else dh * self.mask


def smoothed_cross_entropy(z: np.ndarray, y: np.ndarray, smoothing: float) -> tuple[float, np.ndarray]:
    """Mean cross-entropy in nats of logits `z` (N, K) with smoothed labels, and dloss/dz (Szegedy et al. 2016).

    The target of each class is `smoothing / K`, that of the true class `y` (N,) has `1 - smoothing` more, as in
    PyTorch's `label_smoothing`. With `smoothing = 0` this is `softmax_cross_entropy`.
    """
    N, K = z.shape
    target = np.full_like(z, smoothing / K)
    target[np.arange(N), y] += 1 - smoothing
    log_p = log_softmax(z)
    loss = -(target * log_p).sum() / N
    return loss, (np.exp(log_p) - target) / N
