"""Our layers and optimizers against numbers that others published: the checks of Stanford's CS231n, assignment 2.

The course (cs231n.github.io) gives inputs and prints what to expect, mostly to eight decimals; for other gradients it
compares with central differences on given inputs, and so do these tests. All in float64, all to 1e-7 or better.
`RandomState(231)` is the course's random generator and seed.
"""

import numpy as np
import pytest

from dlbook_utils.checks import assert_gradients_agree
from dlbook_utils.scratch.layers import Dense, ReLU, Sequential
from dlbook_utils.scratch.losses import softmax_cross_entropy
from dlbook_utils.scratch.normalization import BatchNorm, LayerNorm
from dlbook_utils.scratch.optimizers import Adam, Momentum, RMSprop
from dlbook_utils.scratch.regularization import Dropout

TOL = 1e-7


def assert_published(ours, published):
    np.testing.assert_allclose(ours, published, rtol=0, atol=TOL)


def grid(start, stop, *shape):
    return np.linspace(start, stop, np.prod(shape)).reshape(shape)


def assert_backward(layer, X, dout):
    """The gradients of X and of the layer's parameters, against central differences of sum(output * dout)."""
    layer.forward(X)
    dX = layer.backward(dout)
    assert_gradients_agree(lambda: (layer.forward(X) * dout).sum(), [X, *layer.params], [dX, *layer.grads], tol=TOL)


def dense(W, b):
    layer = Dense(*W.shape, np.random.default_rng(0))
    layer.W[...], layer.b[...] = W, b
    return layer


def test_affine():
    layer = dense(grid(-0.2, 0.3, 120, 3), grid(-0.3, 0.1, 3))
    assert_published(
        layer.forward(grid(-0.1, 0.5, 2, 120)),
        [[1.49834967, 1.70660132, 1.91485297], [3.25553199, 3.5141327, 3.77273342]],
    )


def test_affine_backward():
    random = np.random.RandomState(231)
    X, W, b = random.randn(10, 6), random.randn(6, 5), random.randn(5)
    assert_backward(dense(W, b), X, random.randn(10, 5))


def test_relu():
    published = [
        [0, 0, 0, 0],
        [0, 0, 0.04545455, 0.13636364],
        [0.22727273, 0.31818182, 0.40909091, 0.5],
    ]
    assert_published(ReLU().forward(grid(-0.5, 0.5, 3, 4)), published)


def test_relu_backward():
    random = np.random.RandomState(231)
    assert_backward(ReLU(), random.randn(10, 10), random.randn(10, 10))


def test_softmax_loss():
    random = np.random.RandomState(231)
    z, y = 0.001 * random.randn(50, 10), random.randint(10, size=50)
    loss, dz = softmax_cross_entropy(z, y)
    assert loss == pytest.approx(2.302545844500738, abs=1e-12)
    assert_gradients_agree(lambda: softmax_cross_entropy(z, y)[0], [z], [dz], tol=TOL)


def test_two_layer_net():
    D, H, C, N = 5, 50, 7, 3
    net = Sequential(
        dense(grid(-0.7, 0.3, D, H), grid(-0.1, 0.9, H)), ReLU(), dense(grid(-0.3, 0.4, H, C), grid(-0.9, 0.1, C))
    )
    X, y = grid(-5.5, 4.5, D, N).T, np.array([0, 5, 1])
    scores = net.forward(X)
    published = [
        [11.53165108, 12.2917344, 13.05181771, 13.81190102, 14.57198434, 15.33206765, 16.09215096],
        [12.05769098, 12.74614105, 13.43459113, 14.1230412, 14.81149128, 15.49994135, 16.18839143],
        [12.58373087, 13.20054771, 13.81736455, 14.43418138, 15.05099822, 15.66781506, 16.2846319],
    ]
    assert_published(scores, published)
    loss, dz = softmax_cross_entropy(scores, y)
    assert loss == pytest.approx(3.4702243556, abs=1e-10)
    penalty = 0.5 * sum((W**2).sum() for W in net.params[::2])  # the course's L2 term with strength 1
    assert loss + penalty == pytest.approx(26.5948426952, abs=1e-10)
    net.backward(dz)
    assert_gradients_agree(
        lambda: softmax_cross_entropy(net.forward(X), y)[0], net.params, net.grads, tol=TOL, eps=1e-5
    )


def deep_features(N):
    """Inputs of the normalization checks: noise through two random layers, (N, 3)."""
    random = np.random.RandomState(231)
    X, W1, W2 = random.randn(N, 50), random.randn(50, 60), random.randn(60, 3)
    return np.maximum(0, X @ W1) @ W2


def test_batch_norm():
    features, layer = deep_features(200), BatchNorm(3)
    assert_published(features.mean(axis=0), [-2.3814598, -13.18038246, 1.91780462])
    assert_published(features.std(axis=0), [27.18502186, 34.21455511, 37.68611762])
    out = layer.forward(features)
    assert_published(out.mean(axis=0), 0)
    assert_published(out.std(axis=0), [0.99999999, 1, 1])
    layer.gamma[...], layer.beta[...] = [1, 2, 3], [11, 12, 13]
    out = layer.forward(features)
    assert_published(out.mean(axis=0), [11, 12, 13])
    assert_published(out.std(axis=0), [0.99999999, 1.99999999, 2.99999999])


def normalization_inputs(make):
    """The inputs of the backward checks: a layer with random gain and shift, X and dloss/dout, (4, 5)."""
    random = np.random.RandomState(231)
    X, layer = 5 * random.randn(4, 5) + 12, make(5)
    layer.gamma[...], layer.beta[...] = random.randn(5), random.randn(5)
    return layer, X, random.randn(4, 5)


def test_batch_norm_backward():
    layer, X, dout = normalization_inputs(BatchNorm)
    layer.forward(X)
    published = [  # the values that a participant printed beside the numerical ones
        [-0.00310319, 0.00305468, -0.00156246, 0.17251307, 0.01388029],
        [0.01147762, -0.10800884, -0.01112564, -0.02021632, -0.02098085],
        [-0.01682492, -0.01106847, -0.00384286, 0.13581055, -0.04108612],
        [0.00845049, 0.11602263, 0.01653096, -0.2881073, 0.04818669],
    ]
    assert_published(layer.backward(dout), published)
    assert_published(layer.dgamma, [2.29048278, 1.39248907, 2.93350569, 0.98234546, 2.08326113])
    assert_published(layer.dbeta, [0.08461601, 0.59073617, 1.2668311, -1.75428014, -0.80317214])
    assert_backward(layer, X, dout)


def test_layer_norm():
    features, layer = deep_features(4), LayerNorm(3)
    assert_published(features.mean(axis=1), [-59.06673243, -47.60782686, -43.31137368, -26.40991744])
    assert_published(features.std(axis=1), [10.07429373, 28.39478981, 35.28360729, 4.01831507])
    out = layer.forward(features)
    assert_published(out.mean(axis=1), 0)
    assert_published(out.std(axis=1), [0.99999995, 0.99999999, 1, 0.99999969])
    layer.gamma[...], layer.beta[...] = 3, 5
    out = layer.forward(features)
    assert_published(out.mean(axis=1), 5)
    assert_published(out.std(axis=1), [2.99999985, 2.99999998, 2.99999999, 2.99999907])


def test_layer_norm_backward():
    assert_backward(*normalization_inputs(LayerNorm))


class Recorded:
    """A generator whose only draw is given."""

    def __init__(self, draw):
        self.draw = draw

    def random(self, shape):
        assert shape == self.draw.shape
        return self.draw


def test_dropout():
    """The course's p is the probability to *keep*, where `rand < p`; ours that to drop, where `random < p`."""
    random = np.random.RandomState(231)
    X = random.randn(500, 500) + 10
    assert X.mean() == pytest.approx(10.000207878477502, abs=1e-12)
    published = {
        0.25: (10.014059116977283, 0.749784),
        0.4: (9.977917658761159, 0.600796),
        0.7: (9.987811912159426, 0.30074),
    }
    for keep, (mean, zeros) in published.items():
        layer = Dropout(1 - keep, Recorded(1 - random.rand(500, 500)))
        out = layer.forward(X)
        assert out.mean() == pytest.approx(mean, abs=1e-10)
        assert (out == 0).mean() == zeros
        layer.training = False
        assert np.array_equal(layer.forward(X), X)


def test_dropout_backward():
    random = np.random.RandomState(231)
    X, dout = random.randn(10, 10) + 10, random.randn(10, 10)
    mask = np.random.RandomState(123).rand(10, 10)
    assert_backward(Dropout(0.8, Recorded(1 - mask)), X, dout)


def one_step(make, **state):
    """A step from the course's `w` and `dw`, (4, 5), with the optimizer's memory set to `state`; returns both."""
    w, dw = grid(-0.4, 0.6, 4, 5), grid(-0.6, 0.4, 4, 5)
    optimizer = make([w])
    for name, value in state.items():
        setattr(optimizer, name, [value] if isinstance(value, np.ndarray) else value)
    optimizer.step([dw])
    return w, optimizer


def test_momentum():
    """The course's velocity is the step itself, v <- 0.9 v - lr dw: that is -lr times ours."""
    lr = 1e-3
    w, optimizer = one_step(lambda params: Momentum(params, lr, 0.9), v=grid(0.6, 0.9, 4, 5) / -lr)
    published_w = [
        [0.1406, 0.20738947, 0.27417895, 0.34096842, 0.40775789],
        [0.47454737, 0.54133684, 0.60812632, 0.67491579, 0.74170526],
        [0.80849474, 0.87528421, 0.94207368, 1.00886316, 1.07565263],
        [1.14244211, 1.20923158, 1.27602105, 1.34281053, 1.4096],
    ]
    published_velocity = [
        [0.5406, 0.55475789, 0.56891579, 0.58307368, 0.59723158],
        [0.61138947, 0.62554737, 0.63970526, 0.65386316, 0.66802105],
        [0.68217895, 0.69633684, 0.71049474, 0.72465263, 0.73881053],
        [0.75296842, 0.76712632, 0.78128421, 0.79544211, 0.8096],
    ]
    assert_published(w, published_w)
    assert_published(-lr * optimizer.v[0], published_velocity)


def test_rmsprop():
    w, optimizer = one_step(lambda params: RMSprop(params, 1e-2, decay=0.99, eps=1e-8), s=grid(0.6, 0.9, 4, 5))
    published_w = [
        [-0.39223849, -0.34037513, -0.28849239, -0.23659121, -0.18467247],
        [-0.132737, -0.08078555, -0.02881884, 0.02316247, 0.07515774],
        [0.12716641, 0.17918792, 0.23122175, 0.28326742, 0.33532447],
        [0.38739248, 0.43947102, 0.49155973, 0.54365823, 0.59576619],
    ]
    published_cache = [
        [0.5976, 0.6126277, 0.6277108, 0.64284931, 0.65804321],
        [0.67329252, 0.68859723, 0.70395734, 0.71937285, 0.73484377],
        [0.75037008, 0.7659518, 0.78158892, 0.79728144, 0.81302936],
        [0.82883269, 0.84469141, 0.86060554, 0.87657507, 0.8926],
    ]
    assert_published(w, published_w)
    assert_published(optimizer.s[0], published_cache)


def test_adam():
    w, optimizer = one_step(
        lambda params: Adam(params, 1e-2, (0.9, 0.999), 1e-8), m=grid(0.6, 0.9, 4, 5), v=grid(0.7, 0.5, 4, 5), t=5
    )
    published_w = [
        [-0.40094747, -0.34836187, -0.29577703, -0.24319299, -0.19060977],
        [-0.1380274, -0.08544591, -0.03286534, 0.01971428, 0.0722929],
        [0.1248705, 0.17744702, 0.23002243, 0.28259667, 0.33516969],
        [0.38774145, 0.44031188, 0.49288093, 0.54544852, 0.59801459],
    ]
    published_v = [
        [0.69966, 0.68908382, 0.67851319, 0.66794809, 0.65738853],
        [0.64683452, 0.63628604, 0.6257431, 0.61520571, 0.60467385],
        [0.59414753, 0.58362676, 0.57311152, 0.56260183, 0.55209767],
        [0.54159906, 0.53110598, 0.52061845, 0.51013645, 0.49966],
    ]
    published_m = [
        [0.48, 0.49947368, 0.51894737, 0.53842105, 0.55789474],
        [0.57736842, 0.59684211, 0.61631579, 0.63578947, 0.65526316],
        [0.67473684, 0.69421053, 0.71368421, 0.73315789, 0.75263158],
        [0.77210526, 0.79157895, 0.81105263, 0.83052632, 0.85],
    ]
    assert_published(w, published_w)
    assert_published(optimizer.v[0], published_v)
    assert_published(optimizer.m[0], published_m)
