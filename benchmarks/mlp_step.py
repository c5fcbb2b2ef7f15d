"""One training step of a 784-256-10 net, batch 128, float32: `scratch` against PyTorch, one thread, in one run.

    python benchmarks/mlp_step.py

A step is forward, backward and plain gradient descent. Rounds alternate, so that a busy machine slows all alike, and a
ratio is that of the medians. PyTorch skips the gradient of the pixels because nobody asks for it; so does the net whose
first layer says `wants_dX = False`. The second line shows what it costs to compute it all the same. Aim: at most 1.0.
"""

import copy
import time

import numpy as np
import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_limits

from dlbook_utils.scratch.layers import Dense, ReLU, Sequential
from dlbook_utils.scratch.losses import softmax_cross_entropy
from dlbook_utils.scratch.optimizers import SGD

BATCH, ROUNDS, CALLS, AIM = 128, 40, 5, 1.0


def seconds(f):
    """Wall-clock seconds of one call, the mean of `CALLS` in a row."""
    start = time.perf_counter()
    for _ in range(CALLS):
        f()
    return (time.perf_counter() - start) / CALLS


def main():
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    X, y = rng.random((BATCH, 784), dtype=np.float32), rng.integers(0, 10, BATCH)
    net = Sequential(Dense(784, 256, rng, np.float32), ReLU(), Dense(256, 10, rng, np.float32))
    curious = copy.deepcopy(net)  # asks for the gradient of the pixels, too
    net.layers[0].wants_dX = False

    def numpy_step(net):
        optimizer = SGD(net.params, lr=0.01)

        def step():
            loss, dz = softmax_cross_entropy(net.forward(X), y)
            net.backward(dz)
            optimizer.step(net.grads)
            return loss

        return step

    model = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    with torch.no_grad():
        for linear, W, b in zip(model[::2], net.params[::2], net.params[1::2], strict=True):
            linear.weight.copy_(torch.tensor(W.T))
            linear.bias.copy_(torch.tensor(b))
    torch_optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    images, labels = torch.tensor(X), torch.tensor(y)

    def pytorch():
        torch_optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        torch_optimizer.step()
        return loss.item()

    ways = {"scratch": numpy_step(net), "scratch, and pixels": numpy_step(curious), "PyTorch": pytorch}
    losses = [f() for f in ways.values()]
    assert max(losses) - min(losses) < 1e-4, f"they do not compute the same step: {losses}"
    times = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, f in ways.items():
            times[name].append(seconds(f))
    medians = {name: float(np.median(t[3:])) for name, t in times.items()}  # the first rounds warm up
    for name, median in medians.items():
        print(f"{name:19s} {1e3 * median:6.3f} ms a step, {median / medians['PyTorch']:.2f} times PyTorch")
    print(f"aim: at most {AIM}")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
