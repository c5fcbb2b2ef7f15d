"""Adam on a million float32 parameters: `scratch` against PyTorch on the CPU, one thread, side by side in one run.

    python benchmarks/optimizers.py

Rounds alternate between the two, so that a busy machine slows both; the ratio is that of the medians. Aim: at most 1.3.
"""

import time

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from dlbook_utils.scratch.optimizers import Adam

SIZE, ROUNDS, AIM = 1_000_000, 60, 1.3


def seconds(f):
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def main():
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    start, gradient = (rng.normal(size=(1000, SIZE // 1000)).astype(np.float32) for _ in range(2))
    ours = Adam([start.copy()])
    theirs_p = torch.tensor(start, requires_grad=True)
    theirs_p.grad = torch.tensor(gradient)
    theirs = {"default": torch.optim.Adam([theirs_p]), "fused": torch.optim.Adam([theirs_p], fused=True)}
    ways = {"scratch": lambda: ours.step([gradient])} | {f"PyTorch, {n}": o.step for n, o in theirs.items()}
    times = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, f in ways.items():
            times[name].append(seconds(f))
    medians = {name: float(np.median(t[5:])) for name, t in times.items()}  # the first rounds warm up
    for name, median in medians.items():
        print(f"{name:17s} {1e3 * median:6.2f} ms a step")
    ratio = medians["scratch"] / medians["PyTorch, default"]
    print(f"scratch / PyTorch (default): {ratio:.2f}, aim at most {AIM}")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
