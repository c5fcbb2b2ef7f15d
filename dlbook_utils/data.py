"""Data sets, offline first: ``load("digits")`` gives arrays and a card that says where they come from.

Embedded sets need no network: scikit-learn's digits and photographs, and sets of the plane that a seed makes (spirals,
moons, rings, xor, blobs). Downloaded once, then cached: fashion_mnist, mnist, cifar10.

Conventions:
    * Grey images are ``(N, H, W)``, colour images ``(N, 3, H, W)``, float32 in [0, 1]. ``X[:, None]`` gives a grey set
      its channel axis, so that a network takes it as (N, C, H, W). Only the two *photos* are as a camera gives them:
      uint8, ``(2, 427, 640, 3)``.
    * Labels are int64 from 0 to classes - 1. Points of the plane are float64 ``(N, 2)``.

Environment variables:
    * ``DLBOOK_DATA``: the folder that keeps downloads (default: the platform's cache folder).
    * ``DLBOOK_MIRROR``: the address of a server to ask first, such as a teacher's own; it holds ``<set>/<file>``.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import gzip
import hashlib
import html
import inspect
import io
import os
import shutil
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

__all__ = ["Card", "DataError", "DataSet", "RemoteFile", "cache_folder", "fetch", "load"]

Array = np.ndarray


@dataclass(frozen=True)
class Card:
    """What a careful reader wants to know of a data set before using it.

    Attributes:
        name: the name that `load` takes.
        title: one line that says what it is.
        source: where it comes from (an address, or the code that makes it).
        licence: the terms under which it is published.
        classes: the names of the classes, in the order of their labels.
        citation: the publication to cite.
        note: what to know before drawing conclusions, if anything.
        shapes: for each array, its shape and type.
    """

    name: str
    title: str
    source: str
    licence: str
    citation: str
    classes: tuple[str, ...] = ()
    note: str = ""
    shapes: dict[str, str] = field(default_factory=dict)

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("arrays", ", ".join(f"{name} {shape}" for name, shape in self.shapes.items()))]
        rows += [("classes", f"{len(self.classes)}: {', '.join(self.classes)}")] if self.classes else []
        rows += [("source", self.source), ("licence", self.licence), ("cite", self.citation)]
        return rows + ([("note", self.note)] if self.note else [])

    def __repr__(self) -> str:
        return "\n".join([f"{self.name}: {self.title}", *(f"  {key:8} {value}" for key, value in self._rows())])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{key}</th><td>{html.escape(value)}</td></tr>' for key, value in self._rows()
        )
        caption = f"<strong>{html.escape(self.name)}</strong>: {html.escape(self.title)}"
        return f'<table class="data-card"><caption>{caption}</caption><tbody>{rows}</tbody></table>'


@dataclass(frozen=True, eq=False)
class DataSet:
    """Arrays and their card.

    ``X, y`` hold the whole set; ``X_train, y_train, X_test, y_test`` its fixed split. What a set has not is None
    (the photos have no labels and no split).
    """

    card: Card
    X: Array
    y: Array | None = None
    X_train: Array | None = None
    y_train: Array | None = None
    X_test: Array | None = None
    y_test: Array | None = None

    def __post_init__(self) -> None:
        arrays = {key: value for key, value in vars(self).items() if isinstance(value, Array)}
        shapes = {key: f"{value.shape} {value.dtype}" for key, value in arrays.items()}
        object.__setattr__(self, "card", replace(self.card, shapes=shapes))

    def __repr__(self) -> str:
        arrays = ", ".join(f"{name} {shape}" for name, shape in self.card.shapes.items())
        return f"DataSet {self.card.name!r}: {arrays}"

    def _repr_html_(self) -> str:
        return self.card._repr_html_()


class DataError(RuntimeError):
    """A data set could not be had; the message names the file, what happened and what to do."""


def load(name: str, *, fallback: str | None = None, **options: object) -> DataSet:
    """Load a data set by its name.

    Args:
        name: an embedded set ("digits", "photos"), one that a seed makes ("spirals", "moons", "rings", "xor", "blobs"),
            or one that is downloaded at the first call ("fashion_mnist", "mnist", "cifar10").
        fallback: the name of a set to use where the first cannot be had. One printed line says which one it was.
        options: what the set takes. A set of the plane takes `num_samples`, `noise` (a standard deviation), `seed` and
            some of `classes` and `turns`. A download takes `timeout`: the seconds that a server may be silent (10).

    Raises:
        ValueError: no set has this name, or an option has an impossible value.
        TypeError: the set takes no such option.
        DataError: the download failed and there is no fallback. Nothing half-written stands under the file's name; what
            came through is kept beside it as `.part`, and the next call continues there.

    Example:
        >>> load("spirals", classes=3, noise=0.1, seed=1).X.shape
        (400, 2)
    """
    maker = _maker(name)
    if fallback is not None:
        _maker(fallback)
    allowed = inspect.signature(maker).parameters
    for option in options:
        if option not in allowed:
            takes = f"It takes: {_listed(allowed)}." if allowed else "It takes none."
            raise TypeError(f"load({name!r}) has no option {option!r}{_meant(option, allowed)}. {takes}")
    try:
        data, line = maker(**options), f"data: {name}"
    except DataError as error:
        if fallback is None:
            raise error.with_traceback(None) from None  # the reader is shown the message, not the way to it
        data, line = None, f"data: {fallback}, because {str(error).splitlines()[0].rstrip(':.')}"
    if data is None:
        data = load(fallback)
    if fallback is not None:
        print(line)
    return data


def _maker(name: str) -> Callable[..., DataSet]:
    if name not in _MAKERS:
        raise ValueError(f"no data set is called {name!r}{_meant(name, _MAKERS)}. There are: {_listed(_MAKERS)}.")
    return _MAKERS[name]


def _meant(word: str, words: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(word).lower(), list(words), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


# ------------------------------------------------------------------------------------------------ embedded sets
def _digits() -> DataSet:
    """1,797 scanned digits; the split into 1,437 and 360 is stratified and the same for everyone."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    X = (bunch.images / 16).astype(np.float32)  # (1797, 8, 8), sixteenths: exact
    y = bunch.target.astype(np.int64)
    train, test = _stratified(y, num_test=360)
    card = Card(
        name="digits",
        title="1,797 handwritten digits, 8x8 grey pixels",
        source="scikit-learn's load_digits: the test part of https://doi.org/10.24432/C50P49 (UCI, 1998)",
        licence="CC BY 4.0",
        citation="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, "
        "1998.",
        classes=tuple("0123456789"),
        note="Split by digit, not by writer: all 13 hands may stand in both parts, so a stranger's is harder to read.",
    )
    return DataSet(card, X, y, X[train], y[train], X[test], y[test])


def _stratified(y: Array, num_test: int) -> tuple[Array, Array]:
    """Indices of a training and a test part in which every class has its share (largest remainders), both shuffled."""
    share = np.bincount(y) * num_test / len(y)
    counts = share.astype(int)
    counts[np.argsort(counts - share, kind="stable")[: num_test - counts.sum()]] += 1
    rng = np.random.RandomState(0)  # the one generator whose stream NumPy has promised never to change
    by_class = [rng.permutation(np.flatnonzero(y == label)) for label in range(len(counts))]
    test = np.concatenate([indices[:count] for indices, count in zip(by_class, counts, strict=True)])
    train = np.concatenate([indices[count:] for indices, count in zip(by_class, counts, strict=True)])
    return rng.permutation(train), rng.permutation(test)


def _photos() -> DataSet:
    """Two photographs, uint8 (2, 427, 640, 3): a Chinese palace and a dahlia."""
    from sklearn.datasets import load_sample_image

    card = Card(
        name="photos",
        title="two colour photographs: a palace (china.jpg) and a flower (flower.jpg)",
        source="scikit-learn's load_sample_images; https://www.flickr.com/photos/danielbuechele/6061409035 and "
        "https://www.flickr.com/photos/vultilion/6056698931",
        licence="CC BY 2.0",
        citation="china.jpg: danielbuechele; flower.jpg: vultilion (Flickr, 2011).",
        classes=("china", "flower"),
    )
    return DataSet(card, np.stack([load_sample_image("china.jpg"), load_sample_image("flower.jpg")]))


# ------------------------------------------------------------------------------------------------ points of the plane
def _plane(name: str, title: str, X: Array, classes: int, noise: float, rng: np.random.Generator) -> DataSet:
    """A set of the plane. Its labels take turns, so that any slice is balanced; the last quarter is the test part."""
    if noise < 0:
        raise ValueError(f"load({name!r}): noise is a standard deviation and cannot be {noise}.")
    X = X + noise * rng.standard_normal(X.shape)
    y = np.arange(len(X), dtype=np.int64) % classes
    return _plane_set(name, title, X, y, classes)


def _plane_set(name: str, title: str, X: Array, y: Array, classes: int) -> DataSet:
    card = Card(
        name=name,
        title=title,
        source=f'made by this book from a seed: dlbook_utils.data.load("{name}")',
        licence="CC0 1.0: do as you please",
        citation="none needed",
        classes=tuple(str(label) for label in range(classes)),
    )
    cut = len(X) - len(X) // 4
    return DataSet(card, X, y, X[:cut], y[:cut], X[cut:], y[cut:])


def _steps(num_samples: int, classes: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """For each sample its class (they take turns) and its place in [0, 1] along the curve (even steps, shuffled)."""
    if classes < 1 or num_samples < classes:
        raise ValueError(f"{num_samples} samples cannot fill {classes} classes.")
    label = np.arange(num_samples) % classes
    place = np.empty(num_samples)
    for k in range(classes):
        count = np.count_nonzero(label == k)
        place[label == k] = rng.permutation((np.arange(count) + 0.5) / count)
    return label, place


def _on_circle(angle: Array, radius: Array | float = 1.0) -> Array:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _spirals(
    num_samples: int = 400, classes: int = 2, noise: float = 0.03, turns: float = 1.0, seed: int = 0
) -> DataSet:
    """Arms of a spiral that wind `turns` times around the origin, out to radius 1; `noise` is a standard deviation."""
    rng = np.random.default_rng(seed)
    label, place = _steps(num_samples, classes, rng)
    X = _on_circle(2 * np.pi * (turns * place + label / classes), radius=place)
    return _plane("spirals", f"{classes} spiral arms of {turns:g} turns", X, classes, noise, rng)


def _moons(num_samples: int = 400, noise: float = 0.1, seed: int = 0) -> DataSet:
    """Two half circles of radius 1, one reaching into the other."""
    rng = np.random.default_rng(seed)
    label, place = _steps(num_samples, 2, rng)
    upper = _on_circle(np.pi * place)
    X = np.where((label == 0)[:, None], upper, [1.0, 0.5] - upper)
    return _plane("moons", "two half moons", X, 2, noise, rng)


def _rings(num_samples: int = 400, classes: int = 2, noise: float = 0.05, seed: int = 0) -> DataSet:
    """Circles around the origin; the outermost has radius 1."""
    rng = np.random.default_rng(seed)
    label, place = _steps(num_samples, classes, rng)
    return _plane(
        "rings", f"{classes} rings", _on_circle(2 * np.pi * place, (label + 1) / classes), classes, noise, rng
    )


def _xor(num_samples: int = 400, noise: float = 0.1, seed: int = 0) -> DataSet:
    """The corners (0, 0), (1, 0), (1, 1), (0, 1) in turn; label: the exclusive or. Four without noise: its table."""
    rng = np.random.default_rng(seed)
    _steps(num_samples, 2, rng)
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    return _plane("xor", "exclusive or", corners[np.arange(num_samples) % 4], 2, noise, rng)


def _blobs(num_samples: int = 400, classes: int = 3, noise: float = 0.25, seed: int = 0) -> DataSet:
    """Gaussian clouds with standard deviation `noise`, their centres evenly spaced on the unit circle."""
    rng = np.random.default_rng(seed)
    label, _ = _steps(num_samples, classes, rng)
    return _plane("blobs", f"{classes} Gaussian clouds", _on_circle(2 * np.pi * label / classes), classes, noise, rng)


# ------------------------------------------------------------------------------------------------ downloaded sets
@dataclass(frozen=True)
class RemoteFile:
    """A published file: what it is called, how to know it, and who serves it.

    Attributes:
        folder: the sub-folder of the cache; the set's name.
        name: the file's name, in the cache and at the end of every address.
        size: bytes.
        sha256: 64 hexadecimal digits.
        bases: addresses that hold the file, each ending in a slash; they are asked in this order.
    """

    folder: str
    name: str
    size: int
    sha256: str
    bases: tuple[str, ...]

    @property
    def urls(self) -> list[str]:
        """Every address to try; the server in DLBOOK_MIRROR, if it is set, comes first."""
        own = os.environ.get("DLBOOK_MIRROR", "").rstrip("/")
        return ([f"{own}/{self.folder}/{self.name}"] if own else []) + [base + self.name for base in self.bases]


# Set, file, bytes, SHA-256, as in TensorFlow Datasets' url_checksums/{mnist,fashion_mnist,cifar10}.txt.
# The order is: training images, training labels, test images, test labels.
_PUBLISHED = """
mnist train-images-idx3-ubyte.gz 9912422 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609
mnist train-labels-idx1-ubyte.gz 28881 3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c
mnist t10k-images-idx3-ubyte.gz 1648877 8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6
mnist t10k-labels-idx1-ubyte.gz 4542 f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6
fashion_mnist train-images-idx3-ubyte.gz 26421880 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84
fashion_mnist train-labels-idx1-ubyte.gz 29515 a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845
fashion_mnist t10k-images-idx3-ubyte.gz 4422102 346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073
fashion_mnist t10k-labels-idx1-ubyte.gz 5148 67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5
cifar10 cifar-10-binary.tar.gz 170052171 c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd
"""
_BASES = {
    "mnist": (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    "fashion_mnist": (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    "cifar10": (
        "https://www.cs.toronto.edu/~kriz/",
        "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    ),
}
_FILES: dict[str, list[RemoteFile]] = {name: [] for name in _BASES}
for _set, _name, _size, _sha256 in map(str.split, _PUBLISHED.strip().splitlines()):
    _FILES[_set].append(RemoteFile(_set, _name, int(_size), _sha256, _BASES[_set]))


def _mnist(timeout: float = 10.0) -> DataSet:
    """60,000 training and 10,000 test digits, (N, 28, 28)."""
    card = Card(
        name="mnist",
        title="70,000 handwritten digits, 28x28 grey pixels",
        source="Y. LeCun, C. Cortes, C. Burges: http://yann.lecun.com/exdb/mnist/",
        licence="CC BY-SA 3.0",
        citation="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition. "
        "Proceedings of the IEEE 86(11), 1998. https://doi.org/10.1109/5.726791",
        classes=tuple("0123456789"),
    )
    return _grey_images(card, timeout)


def _fashion_mnist(timeout: float = 10.0) -> DataSet:
    """60,000 training and 10,000 test pictures of clothes, (N, 28, 28)."""
    card = Card(
        name="fashion_mnist",
        title="70,000 pictures of clothes and shoes, 28x28 grey pixels",
        source="Zalando Research: https://github.com/zalandoresearch/fashion-mnist",
        licence="MIT",
        citation="H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine "
        "Learning Algorithms. arXiv:1708.07747, 2017.",
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
    )
    return _grey_images(card, timeout)


def _grey_images(card: Card, timeout: float) -> DataSet:
    X_train, y_train, X_test, y_test = (_idx(fetch(file, timeout=timeout)) for file in _FILES[card.name])
    return _images(card, [X_train, X_test], [y_train, y_test])


def _idx(content: bytes) -> Array:
    """An array of bytes in the IDX format: two zeros, the type 8, the number of axes, their lengths, the values."""
    raw = gzip.decompress(content)
    shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def _cifar10(timeout: float = 10.0) -> DataSet:
    """50,000 training and 10,000 test photographs, (N, 3, 32, 32). Read from the binary version: no pickles."""
    card = Card(
        name="cifar10",
        title="60,000 small photographs of animals and vehicles, 32x32 colour pixels",
        source="A. Krizhevsky, V. Nair, G. Hinton: https://www.cs.toronto.edu/~kriz/cifar.html (binary version)",
        licence="none stated; the authors ask to be cited",
        citation="A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images. Technical report, University "
        "of Toronto, 2009.",
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    )
    (file,) = _FILES["cifar10"]
    parts = [f"data_batch_{k}" for k in (1, 2, 3, 4, 5)] + ["test_batch"]
    with tarfile.open(fileobj=io.BytesIO(fetch(file, timeout=timeout)), mode="r:gz") as archive:
        raws = [archive.extractfile(f"cifar-10-batches-bin/{part}.bin").read() for part in parts]
    records = [np.frombuffer(raw, np.uint8).reshape(-1, 1 + 3 * 32 * 32) for raw in raws]  # a label, then R, G, B
    train, test = np.concatenate(records[:-1]), records[-1]
    return _images(card, [part[:, 1:].reshape(-1, 3, 32, 32) for part in (train, test)], [train[:, 0], test[:, 0]])


def _images(card: Card, X_parts: list[Array], y_parts: list[Array]) -> DataSet:
    """Bytes to float32 in [0, 1]. The training and the test part are views of the whole: nothing is held twice."""
    X = np.concatenate(X_parts).astype(np.float32)
    X /= 255
    y = np.concatenate(y_parts).astype(np.int64)
    cut = len(y_parts[0])
    return DataSet(card, X, y, X[:cut], y[:cut], X[cut:], y[cut:])


# ------------------------------------------------------------------------------------------------ downloading
def cache_folder() -> Path:
    """The folder that keeps downloads: DLBOOK_DATA, else the platform's cache folder. It need not exist."""
    import pooch

    return Path(os.environ.get("DLBOOK_DATA") or pooch.os_cache("dlbook")).expanduser()


def fetch(file: RemoteFile, *, timeout: float = 10.0) -> bytes:
    """The content of a published file, from the cache or else from the first server that gives it unharmed.

    The hash is checked at every call, so a file that was harmed in the cache is fetched anew. The final name appears
    only when the whole file is there and its hash is right. Processes that want the same file wait for each other.

    Args:
        file: what to get.
        timeout: seconds that a server may be silent before the next one is asked.

    Raises:
        DataError: no server gave the file, or the cache cannot be written.
    """
    import filelock

    path = cache_folder() / file.folder / file.name
    try:
        content = _intact(path, file)
        if content is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(f"{path}.lock", timeout=_LOCK_SECONDS):
                content = _intact(path, file)  # another process may have brought it meanwhile
                if content is None:
                    _download(file, path, timeout)
                    content = path.read_bytes()
    except filelock.Timeout:
        raise DataError(
            f"{file.name} of {file.folder}: another process has been fetching it for {_LOCK_SECONDS} s.\n"
            f"End that process and try again, {_without(file)}."
        ) from None
    except (OSError, NotImplementedError) as error:
        raise _disk_error(file, path, error) from None
    return content


_LOCK_SECONDS = 600


def _intact(path: Path, file: RemoteFile) -> bytes | None:
    """The content of the file at `path`, or None if it is not there or not as published."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return content if hashlib.sha256(content).hexdigest() == file.sha256 else None


class _Broken(Exception):
    """A server's answer that is not the file; the message says in what way."""


_WRONG_HASH = "sent something that is not the published file (the SHA-256 differs)"


def _download(file: RemoteFile, path: Path, timeout: float) -> None:
    """Bring the file to `path` from the first server that has it; OSError if the disk fails, DataError if all do."""
    part = path.with_name(file.name + ".part")
    faults = []
    for url in file.urls:
        continues = part.exists()
        fault = _try(url, file, path, part, timeout)
        if fault == _WRONG_HASH and continues:  # the harm may lie in the part kept from before: once more, from byte 0
            fault = _try(url, file, path, part, timeout)
        if fault is None:
            return
        faults.append(f"  {urlsplit(url).netloc}: {fault}")
    kept = f" ({_megabytes(part.stat().st_size)} are kept and need not come again)" if part.exists() else ""
    raise DataError(
        "\n".join([f"{file.name} of {file.folder} could not be downloaded ({_megabytes(file.size)}):", *faults])
        + f"\nCheck the network and try again{kept}, or put the file into {path.parent}, {_without(file)}."
    )


def _try(url: str, file: RemoteFile, path: Path, part: Path, timeout: float) -> str | None:
    """Bring the file to `path` from one server. Returns what went wrong, or None; OSError if the disk fails."""
    import pooch
    import requests
    import urllib3

    def hand_over(_url: str, output: str, _pooch: object) -> None:
        os.replace(part, output)  # pooch's temporary name: the hash decides whether it gets the final one

    try:
        _receive(url, file, part, timeout)
        with _quiet(pooch.get_logger()):
            pooch.retrieve(url, f"sha256:{file.sha256}", file.name, path.parent, downloader=hand_over)
    except (requests.RequestException, urllib3.exceptions.HTTPError, _Broken) as error:
        return _told(error, timeout)
    except ValueError:  # pooch's word for a wrong hash; it has deleted what came
        return _WRONG_HASH
    return None


def _receive(url: str, file: RemoteFile, part: Path, timeout: float) -> None:
    """Complete `part` from where it ends. What arrived stays if the line breaks, but not if the disk is full."""
    import requests
    from tqdm.auto import tqdm

    done = part.stat().st_size if part.exists() else 0
    if done == file.size:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if 0 < done < file.size else {})
    with requests.get(url, stream=True, timeout=timeout, headers=headers) as response:
        response.raise_for_status()
        if response.status_code != 206 or not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            done = 0  # this server sends the whole file
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and done + int(length) != file.size:
            raise _Broken(f"has another file of this name ({done + int(length):,} bytes instead of {file.size:,})")
        name = f"{file.folder}/{file.name}"
        bar = tqdm(desc=name, total=file.size, initial=done, unit="B", unit_scale=True, disable=not _live())
        try:
            with bar, open(part, "ab" if done else "wb") as output:
                for chunk in _chunks(response.raw, timeout):
                    done += output.write(chunk[: file.size - done])
                    bar.update(len(chunk))
                    if done == file.size:
                        break
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
    if done < file.size:
        raise _Broken(f"stopped after {done:,} of {file.size:,} bytes")


def _chunks(raw: object, timeout: float) -> Iterator[bytes]:
    """What a server sends, as it comes. One that drips, under 1 KiB in `timeout` seconds, counts as silent."""
    read = getattr(raw, "read1", raw.read)  # read1 gives what is there; old versions of urllib3 have read alone
    deadline, received = time.monotonic() + timeout, 0
    while chunk := read(1 << 16):
        yield chunk
        received += len(chunk)
        if time.monotonic() > deadline:
            if received < 1024:
                raise _Broken(f"sent only {received} bytes in {timeout:g} s")
            deadline, received = time.monotonic() + timeout, 0


def _told(error: Exception, timeout: float) -> str:
    """A network fault in a few plain words."""
    import requests
    import urllib3

    if isinstance(error, _Broken):
        return str(error)
    if isinstance(error, requests.HTTPError):
        return f"answered {error.response.status_code} {error.response.reason}".rstrip()
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return f"was silent for {timeout:g} s"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "broke off"
    if isinstance(error, requests.exceptions.SSLError):
        return "has a certificate that is not trusted here"
    if isinstance(error, requests.ConnectionError):
        return "cannot be reached"
    return f"failed with {type(error).__name__}"


def _disk_error(file: RemoteFile, path: Path, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or "locks are not possible there"
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        with contextlib.suppress(OSError):
            reason += f", {_megabytes(shutil.disk_usage(path.parent).free)} free and {_megabytes(file.size)} needed"
    return DataError(
        f"{file.name} of {file.folder} cannot be kept in {path.parent} ({reason}).\n"
        f"Make room there or set the environment variable DLBOOK_DATA to another folder, {_without(file)}."
    )


def _without(file: RemoteFile) -> str:
    return f'or do without: load("{file.folder}", fallback="digits")'


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _live() -> bool:
    """Whether a person is watching: a kernel or a terminal, and the book is not being built or checked."""
    return os.environ.get("DLBOOK_EXPLORE") not in ("static", "check") and (
        "ipykernel" in sys.modules or sys.stderr.isatty()
    )


@contextlib.contextmanager
def _quiet(logger: object) -> Iterator[None]:
    """Silence a logger's news for a while: the progress bar tells the reader more."""
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


_MAKERS: dict[str, Callable[..., DataSet]] = {
    "digits": _digits,
    "photos": _photos,
    "spirals": _spirals,
    "moons": _moons,
    "rings": _rings,
    "xor": _xor,
    "blobs": _blobs,
    "mnist": _mnist,
    "fashion_mnist": _fashion_mnist,
    "cifar10": _cifar10,
}
