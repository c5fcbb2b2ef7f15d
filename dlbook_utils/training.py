"""What every training run needs and no model does: the device, the budget, the loop, the clock and the progress bar."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

T = TypeVar("T")


def find_device() -> torch.device:
    """The fastest device PyTorch sees: `cuda`, else `mps` (Apple), else `cpu`. Prints nothing."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def pick_device() -> torch.device:
    """Return `find_device()` and print one line that names it."""
    device = find_device()
    if device.type == "cuda":
        print(f"Device: {torch.cuda.get_device_name(device)} (cuda)")
    else:
        print({"mps": "Device: Apple GPU (mps)", "cpu": "Device: CPU"}[device.type])
    return device


def budget(*, cpu: T, gpu: T, device: torch.device | str | None = None) -> T:
    """Return `cpu` or `gpu`, whichever fits `device` (default: the device found).

    `epochs = budget(cpu=3, gpu=20)`
    """
    device = find_device() if device is None else torch.device(device)
    return cpu if device.type == "cpu" else gpu


def synchronize(device: torch.device | str | None = None) -> None:
    """Wait until `device` has finished: a call that asks a GPU for something returns before it is done."""
    kind = (find_device() if device is None else torch.device(device)).type
    if kind == "cuda":
        torch.cuda.synchronize(device)
    elif kind == "mps":
        torch.mps.synchronize()


@contextmanager
def timed(device: torch.device | str | None = None) -> Iterator[SimpleNamespace]:
    """`with timed(device) as clock: ...` and then `clock.seconds`; both ends wait for the device."""
    clock = SimpleNamespace(seconds=float("nan"))
    synchronize(device)
    start = time.perf_counter()
    try:
        yield clock
    finally:
        synchronize(device)
        clock.seconds = time.perf_counter() - start


def measure(
    f: Callable[[], Any], *, repeats: int = 5, device: torch.device | str | None = None, at_least: float = 0.002
) -> float:
    """Seconds that one call of `f` takes: the median of `repeats` measurements, after one call to warm up.

    A short `f` is called several times a measurement, so that each lasts `at_least` seconds. `device` is waited for.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    with timed(device) as clock:
        f()  # the first call pays for memory, caches and compiled kernels
    with timed(device) as clock:
        f()
    calls = max(1, int(np.ceil(at_least / max(clock.seconds, 1e-9))))
    seconds = []
    for _ in range(repeats):
        with timed(device) as clock:
            for _ in range(calls):
                f()
        seconds.append(clock.seconds / calls)
    return float(np.median(seconds))


def _shows_progress() -> bool:
    """True where a reader watches: a live notebook or a terminal, and not while the book is built or tested."""
    if os.environ.get("DLBOOK_EXPLORE") in ("static", "check"):
        return False
    if "ipykernel" in sys.modules:
        return True
    return sys.stderr is not None and sys.stderr.isatty()


def progress(iterable: Iterable[T], description: str | None = None, **options: Any) -> Iterable[T]:
    """`for batch in progress(batches, "epoch 1"):` draws a bar where a reader watches, else it is the bare `iterable`.

    `options` go to tqdm (`total=`, `leave=`, ...).
    """
    if not _shows_progress():
        return iterable
    from tqdm.auto import tqdm  # here, because it looks for a notebook when it is imported

    return tqdm(iterable, desc=description, **options)


def to_tensors(*arrays: Any, device: torch.device | str | None = None) -> tuple[torch.Tensor, ...]:
    """NumPy arrays or tensors as tensors on `device`: floats become float32, integers int64."""
    tensors = (torch.as_tensor(a) for a in arrays)
    return tuple(t.to(device, torch.float32 if t.is_floating_point() else torch.int64) for t in tensors)


@torch.no_grad()
def accuracy(model: nn.Module, X: torch.Tensor, y: torch.Tensor, *, batch_size: int = 1024) -> float:
    """Share (0 to 1) of the rows of `X` whose largest output is class `y`; in evaluation mode, which it undoes."""
    was_training = model.training
    model.eval()
    batches = zip(X.split(batch_size), y.split(batch_size))
    hits = [(model(X_batch).argmax(1) == y_batch).sum() for X_batch, y_batch in batches]
    model.train(was_training)
    return int(torch.stack(hits).sum()) / len(X)


def fit(
    model: nn.Module,
    X: torch.Tensor,
    y: torch.Tensor,
    *,
    epochs: int,
    batch_size: int = 64,
    lr: float | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = F.cross_entropy,
    test: tuple[torch.Tensor, torch.Tensor] | None = None,
    seed: int = 0,
    description: str = "training",
) -> dict[str, list[float]]:
    """Train `model` in place on `X`, `y` (tensors on the model's device), in shuffled mini-batches.

    Give either `optimizer` or `lr` (then plain SGD). Returns one number an epoch for each of `loss` (mean over the
    epoch's batches) and, where `test=(X_test, y_test)` is given, `test_accuracy` after the epoch (0 to 1). `seed` fixes
    the order of the batches. Raises FloatingPointError after the first epoch whose loss is not finite.
    """
    if (optimizer is None) == (lr is None):
        raise ValueError("give fit either lr=... (plain SGD) or optimizer=..., not both and not neither")
    if len(X) != len(y):
        raise ValueError(f"X has {len(X)} rows and y has {len(y)}")
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=lr)
    order = torch.Generator().manual_seed(seed)
    history: dict[str, list[float]] = {"loss": []} | ({"test_accuracy": []} if test else {})
    for _ in progress(range(epochs), description):
        model.train()
        total = torch.zeros((), device=X.device)  # stays there: reading it for every batch would make a GPU wait
        for batch in torch.randperm(len(X), generator=order).to(X.device).split(batch_size):
            optimizer.zero_grad()
            batch_loss = loss(model(X[batch]), y[batch])
            batch_loss.backward()
            optimizer.step()
            total += batch_loss.detach() * len(batch)
        history["loss"].append(float(total) / len(X))
        if not np.isfinite(history["loss"][-1]):
            raise FloatingPointError("the loss is no longer finite: try a smaller learning rate")
        if test:
            history["test_accuracy"].append(accuracy(model, *test))
    return history
