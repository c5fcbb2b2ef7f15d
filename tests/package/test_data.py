"""Data sets: the embedded ones are what their cards say, and a download survives every fault that a network can have.

The faults are real ones: a server on 127.0.0.1 cuts, flips, hangs and drips; the kernel refuses to write. After each
there is one clear error and nothing half-written under the file's name.
"""

import gzip
import hashlib
import http.server
import io
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

import numpy as np
import pytest

from dlbook_utils import data

CONTENT = np.random.default_rng(0).bytes(300_000)
HALF = len(CONTENT) // 2
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TIMEOUT = 0.3  # seconds; what a server that hangs costs a test


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.contents[name]` at /<way>/<name>; the way is the server's virtue or vice."""

    def do_GET(self):
        way, name = self.path.split("/")[1], self.path.split("/")[-1]
        content = self.server.contents.get(name)
        wanted = self.headers.get("Range")
        self.server.requests.append((way, wanted))
        if way == "missing" or content is None:
            return self.send_error(404)
        if way == "silent":
            return self.server.over.wait()
        if way == "portal":  # a hotel's log-in page instead of the file
            content, wanted = b"<html>Welcome! Please log in.</html>", None
        if way == "flipped":
            content = content[:-1] + bytes([content[-1] ^ 1])
        if way == "whole":  # a server that knows no ranges
            wanted = None
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        body = content[start:]
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if way not in ("unsized", "unsized-cut", "endless"):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.send(way, body)
        except ConnectionError:
            pass  # the client has heard enough

    def send(self, way, body):
        if way == "endless":
            while True:
                self.wfile.write(body)
        elif way in ("cut", "unsized-cut"):
            self.wfile.write(body[:HALF])
        elif way == "stuck":
            self.wfile.write(body[:HALF])
            self.server.over.wait()
        elif way == "drip":
            for k in range(100):
                self.wfile.write(body[k : k + 1])
                self.server.over.wait(0.02)
        elif way == "slow":
            for start in range(0, len(body), 1 << 14):
                self.wfile.write(body[start : start + (1 << 14)])
                self.server.over.wait(0.03)
        else:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def running_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.over = True, threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(running_server, tmp_path, monkeypatch):
    running_server.contents, running_server.requests = {"set.bin": CONTENT}, []
    running_server.base = f"http://127.0.0.1:{running_server.server_port}"
    monkeypatch.setenv("DLBOOK_DATA", str(tmp_path / "cache"))
    monkeypatch.delenv("DLBOOK_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return running_server


@pytest.fixture
def remote(server):
    """A published file; remote("cut", "good") is one whose first server cuts and whose second is good."""

    def remote(*ways):
        bases = tuple(way if "://" in way else f"{server.base}/{way}/" for way in ways)
        return data.RemoteFile("some_set", "set.bin", len(CONTENT), SHA256, bases)

    return remote


def cached(file):
    return data.cache_folder() / file.folder / file.name


def fails(file):
    """Fetch, and expect the one clear error. Returns its text."""
    began = time.monotonic()
    with pytest.raises(data.DataError) as caught:
        data.fetch(file, timeout=TIMEOUT)
    assert time.monotonic() - began < 5
    error, text = caught.value, str(caught.value)
    assert error.__cause__ is None and (error.__context__ is None or error.__suppress_context__)
    assert file.name in text and 'load("some_set", fallback="digits")' in text and str(cached(file).parent) in text
    assert len(text.splitlines()) <= 2 + len(file.urls)
    assert_nothing_half_written(file)
    return text


def assert_nothing_half_written(file):
    path = cached(file)
    assert not os.path.lexists(path)
    if path.parent.is_dir():
        assert {entry.name for entry in path.parent.iterdir()} <= {"set.bin.part", "set.bin.lock"}


def continued(server):
    """Whether the last request asked for the rest alone (old versions of urllib3 lose the last few kilobytes)."""
    way, wanted = server.requests[-1]
    return way == "good" and HALF / 2 < int(wanted.removeprefix("bytes=").removesuffix("-")) <= HALF


# ------------------------------------------------------------------------------------------------ good answers
@pytest.mark.parametrize("way", ["good", "whole", "unsized", "slow", "endless"])
def test_a_good_answer_is_cached_and_asked_for_once(way, server, remote):
    file = remote(way)
    assert data.fetch(file, timeout=TIMEOUT) == CONTENT
    assert cached(file).read_bytes() == CONTENT
    assert data.fetch(file, timeout=TIMEOUT) == CONTENT
    assert len(server.requests) == 1
    assert {entry.name for entry in cached(file).parent.iterdir()} <= {"set.bin", "set.bin.lock"}


def test_what_is_in_the_cache_needs_no_network_and_no_writing(server, remote):
    file = remote("http://127.0.0.1:9/")
    cached(file).parent.mkdir(parents=True)
    cached(file).write_bytes(CONTENT)  # by hand, as the error message proposes
    assert data.fetch(file) == CONTENT
    assert [entry.name for entry in cached(file).parent.iterdir()] == ["set.bin"]


def test_the_progress_bar_is_silent_when_nobody_watches(server, remote, monkeypatch, capfd):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("DLBOOK_EXPLORE", "static")
    data.fetch(remote("good"))
    assert capfd.readouterr() == ("", "")
    cached(remote("good")).unlink()
    monkeypatch.delenv("DLBOOK_EXPLORE")
    data.fetch(remote("good"))
    assert "some_set/set.bin" in capfd.readouterr().err


# ------------------------------------------------------------------------------------------------ faults of the network
@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("cut", "150,000 of 300,000|broke off"),
        ("unsized-cut", "stopped after 150,000 of 300,000 bytes"),
        ("flipped", "SHA-256"),
        ("portal", "36 bytes instead of 300,000"),
        ("missing", "answered 404"),
        ("silent", "silent for 0.3 s"),
        ("stuck", "silent for 0.3 s"),
        ("drip", "in 0.3 s"),
    ],
)
def test_a_fault_of_the_server_is_one_clear_error(way, told, remote):
    text = fails(remote(way))
    assert any(words in text for words in told.split("|")), text
    assert "127.0.0.1" in text


def test_no_network(remote):
    assert "cannot be reached" in fails(remote("http://127.0.0.1:9/"))


@pytest.mark.parametrize("way", ["cut", "flipped", "portal", "missing", "silent", "stuck"])
def test_the_next_mirror_is_asked(way, remote):
    file = remote(way, "good")
    assert data.fetch(file, timeout=TIMEOUT) == CONTENT == cached(file).read_bytes()


def test_every_mirror_is_told(remote):
    text = fails(remote("missing", "flipped", "http://127.0.0.1:9/"))
    assert "404" in text and "SHA-256" in text and "cannot be reached" in text


@pytest.mark.parametrize("way", ["cut", "stuck"])
def test_a_new_try_continues_where_the_last_one_broke(way, server, remote):
    assert "are kept" in fails(remote(way))
    assert data.fetch(remote("good")) == CONTENT
    assert continued(server)


def test_a_new_try_on_a_server_without_ranges_starts_again(remote):
    fails(remote("cut"))
    assert data.fetch(remote("whole")) == CONTENT


@pytest.mark.parametrize("harm", [b"x" * HALF, b"x" * len(CONTENT), CONTENT + b"x"])
def test_a_harmed_part_is_not_continued_for_ever(harm, remote):
    file = remote("good")
    cached(file).parent.mkdir(parents=True)
    (cached(file).parent / "set.bin.part").write_bytes(harm)
    assert data.fetch(file) == CONTENT


def test_a_file_harmed_in_the_cache_is_mended(server, remote):
    file = remote("good")
    data.fetch(file)
    cached(file).write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    assert data.fetch(file) == CONTENT == cached(file).read_bytes()
    assert len(server.requests) == 2


# ------------------------------------------------------------------------------------------------ faults of the disk
def test_a_full_disk(remote):
    file = remote("good")
    cached(file).parent.mkdir(parents=True)
    (cached(file).parent / "set.bin.part").symlink_to("/dev/full")  # the kernel answers: no space left on device
    text = fails(file)
    assert "No space left on device" in text and "DLBOOK_DATA" in text
    assert not os.path.lexists(cached(file).parent / "set.bin.part")


IN_CHILD = """
import resource, sys
from dlbook_utils import data
file = data.RemoteFile("some_set", "set.bin", {size}, "{sha256}", ("{base}",))
{before}
try:
    sys.exit(0 if len(data.fetch(file, timeout=30)) == {size} else 1)
except data.DataError as error:
    print(error)
    sys.exit(3)
"""


def child(base, before=""):
    code = IN_CHILD.format(size=len(CONTENT), sha256=SHA256, base=base, before=before)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_disk_that_fills_up_on_the_way(server, remote):
    process = child(f"{server.base}/good/", "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))")
    out, err = process.communicate(timeout=30)
    assert process.returncode == 3 and "set.bin of some_set cannot be kept" in out and err == ""
    assert_nothing_half_written(remote("good"))
    assert [entry.name for entry in cached(remote("good")).parent.iterdir()] == ["set.bin.lock"]


def test_a_cache_that_cannot_be_written(server, remote, monkeypatch):
    data.fetch(remote("good"))  # everything is imported while we may still read it
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        monkeypatch.setenv("DLBOOK_DATA", folder)
        if root := os.geteuid() == 0:
            os.seteuid(65534)  # root may write anywhere: be nobody for a while
        try:
            text = fails(remote("good"))
        finally:
            if root:
                os.seteuid(0)
    assert "Permission denied" in text and "DLBOOK_DATA" in text


def test_a_cache_below_a_file(tmp_path, remote, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DLBOOK_DATA", str(tmp_path / "file"))
    assert "Not a directory" in fails(remote("good"))


# ------------------------------------------------------------------------------------------------ several processes
def test_processes_that_want_the_same_file_download_it_once(server, remote):
    children = [child(f"{server.base}/slow/") for _ in range(3)]
    outcomes = [(*process.communicate(timeout=60), process.returncode) for process in children]
    assert outcomes == [("", "", 0)] * 3
    assert cached(remote("good")).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_a_killed_process_leaves_a_part_that_the_next_one_continues(server, remote):
    process, part = child(f"{server.base}/stuck/"), cached(remote("good")).parent / "set.bin.part"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > HALF / 2):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert_nothing_half_written(remote("good"))
    assert data.fetch(remote("good")) == CONTENT
    assert continued(server)


# ------------------------------------------------------------------------------------------------ load, whole
def publish(server, monkeypatch, name, contents, way="good"):
    """Let `name` be a downloaded set that consists of these small files."""
    server.contents = contents
    files = [
        data.RemoteFile(name, file, len(content), hashlib.sha256(content).hexdigest(), (f"{server.base}/{way}/",))
        for file, content in contents.items()
    ]
    monkeypatch.setitem(data._FILES, name, files)


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return gzip.compress(header + array.tobytes())


@pytest.fixture
def pixels():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (12, 28, 28), dtype=np.uint8), rng.integers(0, 10, 12, dtype=np.uint8)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_files_become_arrays(name, server, pixels, monkeypatch):
    X, y = pixels
    parts = [X[:8], y[:8], X[8:], y[8:]]
    publish(server, monkeypatch, name, {f"{k}.gz": idx(part) for k, part in enumerate(parts)})
    loaded = data.load(name)
    assert loaded.X_train.shape == (8, 28, 28) and loaded.X_test.shape == (4, 28, 28)
    assert loaded.X.dtype == np.float32 and loaded.y.dtype == np.int64
    np.testing.assert_array_equal(loaded.X, X / np.float32(255))
    np.testing.assert_array_equal(loaded.y, y)
    assert np.shares_memory(loaded.X, loaded.X_train) and len(loaded.card.classes) == 10


def test_the_cifar_archive_becomes_arrays(server, monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (6, 2, 3, 32, 32), dtype=np.uint8), rng.integers(0, 10, (6, 2, 1), dtype=np.uint8)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for k, name in enumerate(
            ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]
        ):
            raw = np.concatenate([y[k], X[k].reshape(2, -1)], axis=1).tobytes()
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    publish(server, monkeypatch, "cifar10", {"cifar.tar.gz": archive.getvalue()})
    loaded = data.load("cifar10")
    assert loaded.X_train.shape == (10, 3, 32, 32) and loaded.X_test.shape == (2, 3, 32, 32)
    np.testing.assert_array_equal(loaded.X, X.reshape(-1, 3, 32, 32) / np.float32(255))
    np.testing.assert_array_equal(loaded.y, y.ravel())


def test_a_fallback_says_in_one_line_which_set_it_used(server, pixels, monkeypatch, capsys):
    X, y = pixels
    parts = {f"{k}.gz": idx(part) for k, part in enumerate([X[:8], y[:8], X[8:], y[8:]])}
    publish(server, monkeypatch, "mnist", parts, way="missing")
    assert data.load("mnist", fallback="digits", timeout=TIMEOUT).card.name == "digits"
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and said.startswith("data: digits, because 0.gz of mnist could not be downloaded")
    publish(server, monkeypatch, "mnist", parts)
    assert data.load("mnist", fallback="digits").card.name == "mnist"
    assert capsys.readouterr().out == "data: mnist\n"
    data.load("mnist")
    assert capsys.readouterr().out == ""


def test_load_shows_the_reader_no_traceback_from_inside(server, pixels, monkeypatch):
    publish(server, monkeypatch, "mnist", {f"{k}.gz": idx(pixels[0]) for k in range(4)}, way="cut")
    monkeypatch.setattr(sys.modules[__name__], "HALF", 10)
    with pytest.raises(data.DataError) as caught:
        data.load("mnist", timeout=TIMEOUT)
    assert [entry.name for entry in caught.traceback][1:] == ["load"] and caught.value.__suppress_context__


def test_a_teachers_server_is_asked_first(server, remote, monkeypatch):
    monkeypatch.setenv("DLBOOK_MIRROR", f"{server.base}/good")
    assert data.fetch(remote("missing")) == CONTENT
    assert server.requests == [("good", None)]


def test_every_published_file_has_a_hash_a_size_and_mirrors():
    for name, files in data._FILES.items():
        assert len(files) == (1 if name == "cifar10" else 4)
        for file in files:
            assert len(bytes.fromhex(file.sha256)) == 32 and file.size > 4000 and len(file.bases) >= 2
            assert file.folder == name and all(base.endswith("/") for base in file.bases)
    assert len({file.sha256 for files in data._FILES.values() for file in files}) == 9


# ------------------------------------------------------------------------------------------------ embedded sets
def test_digits():
    digits = data.load("digits")
    assert digits.X.shape == (1797, 8, 8) and digits.X.dtype == np.float32 and digits.y.dtype == np.int64
    assert digits.X.min() == 0 and digits.X.max() == 1
    assert digits.X_train.shape == (1437, 8, 8) and digits.X_test.shape == (360, 8, 8)
    share = np.bincount(digits.y_test) / np.bincount(digits.y)
    assert np.all(abs(share - 360 / 1797) < 0.003)  # stratified
    rows = {row.tobytes() for row in digits.X}
    train, test = ({row.tobytes() for row in part} for part in (digits.X_train, digits.X_test))
    assert train | test == rows and not train & test


def test_the_split_of_digits_is_the_same_on_every_machine():
    digits = data.load("digits")
    raw = (16 * digits.X_test).astype(np.uint8).tobytes() + digits.y_test.astype(np.uint8).tobytes()
    assert hashlib.sha256(raw).hexdigest() == "7b8f7e82d164a3ab5a77426d9cf7cc0537ae0a33284cc4b539157230e7e81b05"


def test_photos():
    photos = data.load("photos")
    assert photos.X.shape == (2, 427, 640, 3) and photos.X.dtype == np.uint8 and photos.y is None


@pytest.mark.parametrize("name", ["spirals", "moons", "rings", "xor", "blobs"])
def test_sets_of_the_plane(name):
    one, same, other = data.load(name), data.load(name, seed=0), data.load(name, seed=1)
    assert one.X.shape == (400, 2) and one.X.dtype == np.float64 and one.y.dtype == np.int64
    np.testing.assert_array_equal(one.X, same.X)
    assert not np.allclose(one.X, other.X)
    assert len(one.X_train) == 300 and len(one.X_test) == 100
    classes = len(one.card.classes)
    for y in (one.y, one.y_train, one.y_test):  # balanced, whatever the slice
        counts = np.bincount(y)
        assert len(counts) == classes and np.ptp(counts) <= 1
    assert len(data.load(name, num_samples=50).X) == 50


@pytest.mark.parametrize("name", ["spirals", "rings", "blobs"])
def test_sets_of_the_plane_take_classes(name):
    assert set(data.load(name, classes=5).y) == set(range(5))


@pytest.mark.parametrize(("name", "error"), [("spirals", 0.02), ("moons", 0.05), ("rings", 0.02), ("blobs", 0.02)])
def test_sets_of_the_plane_can_be_learned(name, error):
    """A nearest neighbour tells the classes apart: the noise blurs the curves without drowning them."""
    X_train, y_train, X_test, y_test = (
        getattr(data.load(name), key) for key in ("X_train", "y_train", "X_test", "y_test")
    )
    nearest = np.linalg.norm(X_test[:, None] - X_train, axis=2).argmin(axis=1)
    assert np.mean(y_train[nearest] != y_test) <= error


def test_the_truth_table_of_xor():
    table = data.load("xor", num_samples=4, noise=0)
    assert {tuple(x): label for x, label in zip(table.X, table.y, strict=True)} == {
        (0, 0): 0,
        (1, 0): 1,
        (1, 1): 0,
        (0, 1): 1,
    }


def test_spirals_turn_as_often_as_asked():
    spirals = data.load("spirals", num_samples=2000, classes=1, noise=0, turns=3)
    x, y = spirals.X[np.argsort(np.linalg.norm(spirals.X, axis=1))].T
    angle = np.unwrap(np.arctan2(y, x))
    assert abs((angle[-1] - angle[0]) / (2 * np.pi) - 3) < 0.01


# ------------------------------------------------------------------------------------------------ cards and misuse
@pytest.mark.parametrize("name", ["digits", "photos", "spirals", "moons", "rings", "xor", "blobs"])
def test_cards(name):
    loaded = data.load(name)
    card = loaded.card
    assert card.name == name and all([card.title, card.source, card.licence, card.citation])
    assert card.shapes["X"] == f"{loaded.X.shape} {loaded.X.dtype}"
    text, page = repr(card), card._repr_html_()
    for words in (card.title, card.licence, str(loaded.X.shape)):
        assert words in text and words in page
    assert page.count("<tr>") == page.count("</tr>") >= 4
    assert len(repr(loaded)) < 300 and loaded._repr_html_() == page


@pytest.mark.parametrize("name", ["fashion_mnist", "mnist", "cifar10"])
def test_the_names_of_downloads_are_known(name, server, monkeypatch):
    files = [data.RemoteFile(name, "set.bin", 1, SHA256, ("http://127.0.0.1:9/",))] * len(data._FILES[name])
    monkeypatch.setitem(data._FILES, name, files)
    with pytest.raises(data.DataError, match=f'load\\("{name}", fallback="digits"\\)'):
        data.load(name)


def test_misuse_is_told():
    with pytest.raises(ValueError, match="'digit' .did you mean 'digits'.*spirals"):
        data.load("digit")
    with pytest.raises(ValueError, match="'digts' .did you mean 'digits'"):
        data.load("mnist", fallback="digts")
    with pytest.raises(TypeError, match="'nois' .did you mean 'noise'.*turns"):
        data.load("spirals", nois=1)
    with pytest.raises(TypeError, match="takes none"):
        data.load("photos", seed=1)
    with pytest.raises(ValueError, match="cannot be -1"):
        data.load("moons", noise=-1)
    with pytest.raises(ValueError, match="1 samples cannot fill 2 classes"):
        data.load("spirals", num_samples=1)
