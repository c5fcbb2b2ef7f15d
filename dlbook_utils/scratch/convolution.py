"""Convolution and subsampling for images (N, C, H, W), with the interface of `scratch.layers`.

`N` images, `C` input channels, `F` feature maps out, `k` the side of the square kernel. What deep learning calls
convolution is a cross-correlation: the kernel is not flipped. Taught in *LeNet* (chapters/imagenet/lenet.ipynb).
"""

import numpy as np

from dlbook_utils.scratch.layers import Activation


def window_rows(X: np.ndarray, k: int) -> np.ndarray:
    """Lay every k x k window of `X` (N, C, H, W), all channels, in a row: (N, H-k+1, W-k+1, C k k)."""
    windows = np.lib.stride_tricks.sliding_window_view(X, (k, k), axis=(2, 3))
    N, C, H, W = windows.shape[:4]
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(N, H, W, C * k * k)


def correlate(X: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Slide the kernels `K` (F, C, k, k) over `X` (N, C, H, W): (N, F, H-k+1, W-k+1), as one matrix product."""
    rows = window_rows(X, K.shape[-1])
    return (rows @ K.reshape(len(K), -1).T).transpose(0, 3, 1, 2)


def pad(X: np.ndarray, p: int) -> np.ndarray:
    """Put a frame of `p` zeros around every map of `X` (N, C, H, W)."""
    return np.pad(X, ((0, 0), (0, 0), (p, p), (p, p)))


class Conv2d:
    """Convolution with square kernels, stride 1 and a frame of `padding` zeros.

    (N, C, H, W) -> (N, F, H+2p-k+1, W+2p-k+1). `W` is (F, C, k, k), normal with variance 2 / (C k k) at the start; `b`
    is (F,), zero at the start. `dtype` is float64 for proofs, float32 for speed. Set `wants_dX = False` on
    the layer next to the data: `backward` then returns None and saves a correlation.
    """

    wants_dX = True  # the layer next to the data may say False

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        k: int,
        rng: np.random.Generator,
        padding: int = 0,
        dtype: type = np.float64,
    ):
        shape = (num_outputs, num_inputs, k, k)
        spread = np.sqrt(2 / (num_inputs * k * k))
        self.W = rng.normal(0, spread, shape).astype(dtype)
        self.b = np.zeros(num_outputs, dtype)
        self.padding = padding

    def forward(self, X: np.ndarray) -> np.ndarray:
        """Return the feature maps before the activation."""
        self.X = pad(X, self.padding)
        return correlate(self.X, self.W) + self.b[:, None, None]

    def backward(self, dZ: np.ndarray) -> np.ndarray | None:
        """Take dloss/dZ (N, F, H', W'), set `dW` and `db`, return dloss/dX with the input's shape, if wanted."""
        F, C, k, _ = self.W.shape
        p = self.padding
        self.db = dZ.sum(axis=(0, 2, 3))
        rows = window_rows(self.X, k).reshape(-1, C * k * k)
        self.dW = (dZ.transpose(1, 0, 2, 3).reshape(F, -1) @ rows).reshape(self.W.shape)
        if not self.wants_dX:
            return None
        flipped = self.W[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
        dX = correlate(pad(dZ, k - 1), flipped)
        return dX[:, :, p : dX.shape[2] - p, p : dX.shape[3] - p]

    @property
    def params(self) -> list[np.ndarray]:
        """The arrays that training changes, in place: `[W, b]`."""
        return [self.W, self.b]

    @property
    def grads(self) -> list[np.ndarray]:
        """Their gradients after `backward`, in the same order: `[dW, db]`."""
        return [self.dW, self.db]


def block_sum(X: np.ndarray, s: int) -> np.ndarray:
    """Add up each s x s block of `X` (N, C, H, W): (N, C, H/s, W/s). `s` must divide `H` and `W`, else ValueError."""
    N, C, H, W = X.shape
    return X.reshape(N, C, H // s, s, W // s, s).sum(axis=(3, 5))


def block_copy(X: np.ndarray, s: int) -> np.ndarray:
    """Copy each number of `X` (N, C, H, W) into an s x s block: (N, C, s H, s W)."""
    return X.repeat(s, axis=2).repeat(s, axis=3)


class AveragePool2d(Activation):
    """Mean of each s x s block, without parameters: (N, C, H, W) -> (N, C, H/s, W/s)."""

    def __init__(self, s: int = 2):
        self.s = s

    def forward(self, X: np.ndarray) -> np.ndarray:
        """Return the block means."""
        return block_sum(X, self.s) / self.s**2

    def backward(self, dh: np.ndarray) -> np.ndarray:
        """Return dloss/dX: every pixel of a block gets the same share of the block's gradient."""
        return block_copy(dh, self.s) / self.s**2


class Subsampling:
    """The layer S of LeNet-5 before its squashing: `gain * (sum of each s x s block) + bias`, one of each per map.

    (N, C, H, W) -> (N, C, H/s, W/s); `gain` and `bias` are (C,) and start as the block's mean.
    """

    def __init__(self, num_maps: int, s: int = 2):
        self.gain = np.full(num_maps, 1 / s**2)
        self.bias = np.zeros(num_maps)
        self.s = s

    def forward(self, X: np.ndarray) -> np.ndarray:
        """Return the scaled and shifted block sums."""
        self.sums = block_sum(X, self.s)
        return self.gain[:, None, None] * self.sums + self.bias[:, None, None]

    def backward(self, dZ: np.ndarray) -> np.ndarray:
        """Take dloss/dZ, set `dgain` and `dbias`, return dloss/dX."""
        self.dbias = dZ.sum(axis=(0, 2, 3))
        self.dgain = (dZ * self.sums).sum(axis=(0, 2, 3))
        return block_copy(dZ * self.gain[:, None, None], self.s)

    @property
    def params(self) -> list[np.ndarray]:
        """The arrays that training changes, in place: `[gain, bias]`."""
        return [self.gain, self.bias]

    @property
    def grads(self) -> list[np.ndarray]:
        """Their gradients after `backward`, in the same order: `[dgain, dbias]`."""
        return [self.dgain, self.dbias]


class Flatten(Activation):
    """Lay each image in a row, so that dense layers can follow: (N, C, H, W) -> (N, C H W)."""

    def forward(self, X: np.ndarray) -> np.ndarray:
        """Return the rows."""
        self.shape = X.shape
        return X.reshape(len(X), -1)

    def backward(self, dh: np.ndarray) -> np.ndarray:
        """Return dloss/dX: the same numbers in the old shape."""
        return dh.reshape(self.shape)
