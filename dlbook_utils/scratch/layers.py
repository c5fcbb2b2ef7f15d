"""Layers as arrays and two methods: `forward` remembers what `backward` needs.

Batches are rows: `X` is (N, D), `W` is (D, K), `b` is (K,). Every gradient is named `d` + the name of what it belongs
to and has its shape. Taught in *Backpropagation* (chapters/learning/backprop.ipynb).
"""

import numpy as np


class Dense:
    """Fully connected layer `z = X W + b`: input (N, D), output (N, K).

    The weights start normal with variance 2 / D (He et al. 2015, arXiv:1502.01852), the biases at zero. `dtype` is
    float64 for proofs, float32 for speed; give the input in the same type, or NumPy computes in the wider one.
    Set `wants_dX = False` on the layer next to the data: `backward` then returns None and saves one product in three.
    """

    wants_dX = True  # the layer next to the data may say False

    def __init__(self, num_inputs: int, num_outputs: int, rng: np.random.Generator, dtype: type = np.float64):
        self.W = rng.normal(0, np.sqrt(2 / num_inputs), (num_inputs, num_outputs)).astype(dtype)
        self.b = np.zeros(num_outputs, dtype)

    def forward(self, X: np.ndarray) -> np.ndarray:
        """Return `X W + b`: (N, D) -> (N, K)."""
        self.X = X
        return X @ self.W + self.b

    def backward(self, dz: np.ndarray) -> np.ndarray | None:
        """Take dloss/dz (N, K), set `dW` (D, K) and `db` (K,), return dloss/dX (N, D), if wanted."""
        self.db = dz.sum(axis=0)
        self.dW = self.X.T @ dz
        return dz @ self.W.T if self.wants_dX else None

    @property
    def params(self) -> list[np.ndarray]:
        """The arrays that training changes, in place: `[W, b]`."""
        return [self.W, self.b]

    @property
    def grads(self) -> list[np.ndarray]:
        """Their gradients after `backward`, in the same order: `[dW, db]`."""
        return [self.dW, self.db]


class Activation:
    """Base of the layers without parameters."""

    params, grads = [], []


class ReLU(Activation):
    """`h = max(z, 0)`, elementwise, any shape."""

    def forward(self, z: np.ndarray) -> np.ndarray:
        """Return `max(z, 0)`, the shape of `z`."""
        self.z = z
        return np.maximum(z, 0)

    def backward(self, dh: np.ndarray) -> np.ndarray:
        """Return dloss/dz: the gradient passes where `z > 0`."""
        return dh * (self.z > 0)


class Tanh(Activation):
    """`h = tanh(z)`, elementwise, any shape."""

    def forward(self, z: np.ndarray) -> np.ndarray:
        """Return `tanh(z)`, the shape of `z`."""
        self.h = np.tanh(z)
        return self.h

    def backward(self, dh: np.ndarray) -> np.ndarray:
        """Return dloss/dz, using tanh' = 1 - tanh^2."""
        return dh * (1 - self.h**2)


class Sequential:
    """Layers in a row: the output of each is the input of the next."""

    def __init__(self, *layers):
        self.layers = layers

    def forward(self, X: np.ndarray) -> np.ndarray:
        """Run the layers first to last; (N, ...) -> (N, K)."""
        for layer in self.layers:
            X = layer.forward(X)
        return X

    def backward(self, dout: np.ndarray) -> np.ndarray | None:
        """Run the layers last to first, each one setting its gradients; return dloss/dX, if the first wants it."""
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout

    @property
    def params(self) -> list[np.ndarray]:
        """All parameters, first layer to last."""
        return [p for layer in self.layers for p in layer.params]

    @property
    def grads(self) -> list[np.ndarray]:
        """All gradients, in the order of `params`."""
        return [g for layer in self.layers for g in layer.grads]
