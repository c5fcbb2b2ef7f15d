"""Proofs by computer: finite differences, agreement of several ways, parameter counts.

A check that fails raises `AssertionError` and says which array was off and by how much; it never only prints.
Taught in *Backpropagation* (chapters/learning/backprop.ipynb).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

__all__ = ["numerical_gradient", "relative_error", "assert_gradients_agree", "agreement_report", "count_parameters"]

Arrays = Mapping[str, np.ndarray] | Sequence[np.ndarray]


def numerical_gradient(f: Callable[[], float], x: np.ndarray, eps: float = 1e-6) -> np.ndarray:
    """Central differences of `f()` with respect to every entry of `x`; the result has the shape of `x`.

    `f` takes no argument: it must *read* `x`, whose entries are nudged in place, one at a time, and restored, also
    when `f` raises. Costs two calls of `f` an entry. `x` must be float64 (`TypeError`): in float32 the rounding drowns
    the difference.
    """
    _must_be_float64(x, "x")
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        gradient[index] = _slope(f, x, index, eps)
    return gradient


def relative_error(a: np.ndarray, b: np.ndarray, floor: float = 1e-4) -> float:
    """Largest difference between two arrays of one shape, divided by the largest magnitude in either.

    The divisor is at least `floor`, which keeps two arrays that are zero but for rounding from looking different. NaN
    or infinity anywhere gives infinity. Different shapes raise `ValueError`: broadcasting would hide the mistake.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"cannot compare shape {a.shape} with shape {b.shape}")
    if a.size == 0:
        return 0.0
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    return float(np.abs(a - b).max() / max(np.abs(a).max(), np.abs(b).max(), floor))


def assert_gradients_agree(
    f: Callable[[], float],
    params: Arrays,
    grads: Arrays,
    *,
    tol: float = 1e-6,
    eps: float = 1e-6,
    sample: int | None = None,
) -> float:
    """Compare `grads` with central differences of the scalar `f()` and return the worst relative error.

    `params` and `grads` are two dictionaries with the same names, or two lists in the same order; `f` must read the
    arrays of `params` (see `numerical_gradient`) and return the loss, in float64. With `sample=k` only k entries of
    each array, drawn with a fixed seed, are nudged. Raises `AssertionError` that names the first parameter whose error
    is above `tol`, with its worst entry.
    """
    params, grads = _named(params), _named(grads)
    if list(params) != list(grads):
        raise ValueError(f"parameters {list(params)} and gradients {list(grads)} do not go together")
    if not params:
        raise ValueError("there is no parameter to check")
    worst = 0.0
    for name, x in params.items():
        _must_be_float64(x, name)
        gradient = np.asarray(grads[name])
        if gradient.shape != x.shape:
            raise AssertionError(f"gradient of {name} has shape {gradient.shape}, the parameter {x.shape}")
        indices = list(np.ndindex(x.shape))
        if sample is not None and sample < len(indices):
            chosen = np.random.default_rng(0).choice(len(indices), sample, replace=False)
            indices = [indices[i] for i in chosen]
        claimed = np.array([gradient[i] for i in indices])
        nudged = np.array([_slope(f, x, i, eps) for i in indices])
        error = relative_error(claimed, nudged)
        if not error <= tol:
            i = int(np.argmax(np.abs(claimed - nudged)))
            raise AssertionError(
                f"gradient of {name} is wrong: relative error {error:.1e} > {tol:.0e}; "
                f"at {indices[i]} it says {claimed[i]:.6g}, nudging says {nudged[i]:.6g}"
            )
        worst = max(worst, error)
    return worst


def agreement_report(ways: Mapping[str, Mapping[str, np.ndarray]], tol: float | Mapping[str, float] = 1e-10) -> str:
    """Compare named arrays computed in several ways and return a table, one line an array.

    `ways` maps the name of each way to its arrays, `{"by hand": {"dW1": ...}, "PyTorch": {"dW1": ...}}`; the first is
    the one that the others are held against. `tol` is one relative tolerance (see `relative_error`), or one for each
    other way. The table holds shapes and tolerances only, so it is the same on every machine. Raises `AssertionError`
    that lists every disagreement.
    """
    (first, reference), *others = ways.items()
    if not others or not reference:
        raise ValueError("agreement needs at least two ways and one array")
    failures = []
    lines = [["array", "shape", first] + [way for way, _ in others]]
    for way, arrays in others:
        if set(arrays) != set(reference):
            raise ValueError(f"{first} has {sorted(reference)}, {way} has {sorted(arrays)}")
    for name, a in reference.items():
        line = [name, str(np.shape(a)), "reference"]
        for way, arrays in others:
            limit = tol[way] if isinstance(tol, Mapping) else tol
            error = relative_error(a, arrays[name])
            line.append(f"agrees to {limit:.0e}")
            if not error <= limit:
                failures.append(f"{name}: {way} differs from {first} by {error:.1e}, allowed {limit:.0e}")
        lines.append(line)
    if failures:
        raise AssertionError("no agreement\n  " + "\n  ".join(failures))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join(rows[:1] + ["-" * max(map(len, rows))] + rows[1:])


def count_parameters(model) -> int:
    """Numbers that training can change, in a PyTorch module (`.parameters()`) or a net of the book (`.params`)."""
    if hasattr(model, "parameters"):
        return sum(p.numel() for p in model.parameters())
    return sum(p.size for p in model.params)


def _slope(f: Callable[[], float], x: np.ndarray, index: tuple[int, ...], eps: float) -> float:
    """Central difference of `f()` in the one entry `x[index]`."""
    kept = x[index]
    try:
        x[index] = kept + eps
        above = float(f())
        x[index] = kept - eps
        below = float(f())
    finally:
        x[index] = kept
    return (above - below) / (2 * eps)


def _must_be_float64(x: np.ndarray, name: str) -> None:
    if not isinstance(x, np.ndarray) or x.dtype != np.float64:
        kind = f"{x.dtype}" if hasattr(x, "dtype") else type(x).__name__
        raise TypeError(f"{name} is {kind}: finite differences need a float64 array, use x.astype(np.float64)")


def _named(arrays: Arrays) -> dict[str, np.ndarray]:
    if isinstance(arrays, Mapping):
        return dict(arrays)
    return {f"array {i}": a for i, a in enumerate(arrays)}
