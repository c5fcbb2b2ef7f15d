"""explore: its three faces, and one clear error for every wrong use."""

import json
import os
import subprocess
import sys

import matplotlib.pyplot as plt
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from dlbook_utils import explore as module
from dlbook_utils.explore import EXPLORE_MIME, explore

calls = []


def draw(lr, depth=1, kind="tanh", noise=False):
    """A picture that depends on every knob."""
    calls.append((lr, depth, kind, noise))
    fig, ax = plt.subplots(figsize=(3, 2))
    ax.plot([0, lr], [0, depth])
    ax.set_title(f"{kind} {noise}")
    fig.set_label(f"slope {depth / lr:g}")
    return fig


@pytest.fixture(autouse=True)
def _clean():
    calls.clear()
    yield
    assert plt.get_fignums() == [], "explore left figures open"


def use(monkeypatch, mode):
    monkeypatch.setenv("DLBOOK_EXPLORE", mode)


# -- wrong use ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["check", "static", "live"])
@pytest.mark.parametrize(
    ("kind", "words", "use_it"),
    [
        (ValueError, "at least one knob", lambda: explore(draw)),
        (ValueError, "'lr' has no values", lambda: explore(draw, lr=[])),
        (TypeError, "did you mean 'depth'", lambda: explore(draw, lr=[1], dept=[1, 2])),
        (TypeError, "also needs lr", lambda: explore(draw, depth=[1, 2])),
        (TypeError, "list of values", lambda: explore(draw, lr=0.1)),
        (TypeError, "list of values", lambda: explore(draw, lr=[1], kind="tanh")),
        (TypeError, "all numbers, all strings", lambda: explore(draw, lr=[1, "two"])),
        (TypeError, "all numbers, all strings", lambda: explore(draw, lr=[1, None])),
        (ValueError, "twice", lambda: explore(draw, lr=[1, 2, 1])),
        (ValueError, "not among", lambda: explore(draw, lr=[1, 2], start={"lr": 3})),
        (ValueError, "start names 'rl'", lambda: explore(draw, lr=[1, 2], start={"rl": 1})),
        (TypeError, "start is no knob", lambda: explore(draw, lr=[1, 2], start=[1, 2])),
        (ValueError, "use fewer values", lambda: explore(draw, lr=range(1, 20), depth=range(20))),
        (TypeError, "a function that returns a figure", lambda: explore("draw", lr=[1])),
        (TypeError, "return fig", lambda: explore(lambda lr: plt.subplots()[0] and None, lr=[1])),
        (RuntimeError, "draw(lr=0) raised ZeroDivisionError", lambda: explore(draw, lr=[0, 1])),
    ],
)
def test_wrong_use_is_one_clear_error(monkeypatch, mode, kind, words, use_it):
    use(monkeypatch, mode)
    with pytest.raises(kind) as caught:
        use_it()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_mode_names_the_known_ones(monkeypatch):
    use(monkeypatch, "statik")
    with pytest.raises(ValueError, match="live, static, check"):
        explore(draw, lr=[1])


# -- check ----------------------------------------------------------------------------------------------------------


def test_check_draws_start_and_every_corner_once(monkeypatch):
    use(monkeypatch, "check")
    explore(draw, lr=[1, 2, 3], depth=[4, 5, 6], start={"lr": 2, "depth": 5})
    assert [c[:2] for c in calls][0] == (2, 5)
    assert sorted(c[:2] for c in calls[1:]) == [(1, 4), (1, 6), (3, 4), (3, 6)]


def test_check_fails_at_a_bad_corner(monkeypatch):
    use(monkeypatch, "check")
    with pytest.raises(RuntimeError, match="lr=0"):
        explore(draw, lr=[2, 1, 0])


# -- the static page ------------------------------------------------------------------------------------------------


def static_content(*args, **knobs):
    InteractiveShell.instance()
    with capture_output() as captured:
        explore(*args, **knobs)
    (output,) = captured.outputs
    return json.loads(json.dumps(output.data[EXPLORE_MIME]))


def test_static_holds_the_whole_grid_last_knob_fastest(monkeypatch):
    use(monkeypatch, "static")
    content = static_content(draw, lr=[1, 2], depth=[3, 6, 9], start={"depth": 6})
    assert [p["caption"] for p in content["pictures"]] == [f"slope {d / lr:g}" for lr in (1, 2) for d in (3, 6, 9)]
    assert (content["width"], content["height"]) == (300, 200)
    assert [(k["label"], k["kind"], k["texts"], k["start"]) for k in content["knobs"]] == [
        ("learning rate", "number", ["1", "2"], 0),
        ("depth", "number", ["3", "6", "9"], 1),
    ]


def test_static_tells_kinds_of_knobs(monkeypatch):
    use(monkeypatch, "static")
    content = static_content(draw, lr=[1], kind=["tanh", "relu"], noise=[True, False])
    assert [(k["kind"], k["texts"]) for k in content["knobs"][1:]] == [
        ("text", ["tanh", "relu"]),
        ("switch", ["on", "off"]),
    ]


def test_static_pictures_of_two_sizes_are_refused(monkeypatch):
    use(monkeypatch, "static")
    with pytest.raises(ValueError, match="use one figsize"):
        explore(lambda n: plt.figure(figsize=(n, 2)), n=[2, 3])


def test_static_widget_keeps_to_its_weight(monkeypatch):
    use(monkeypatch, "static")

    def noisy(n):
        import numpy as np

        fig, ax = plt.subplots(figsize=(4, 3))
        ax.imshow(np.random.default_rng(n).random((60, 80)), interpolation="nearest")
        return fig

    content = static_content(noisy, n=list(range(12)))
    assert sum(len(p["webp"]) * 3 // 4 for p in content["pictures"]) <= module.MAX_BYTES
    assert content["photo"]


def test_caption_falls_back_to_title_then_to_the_setting(monkeypatch):
    use(monkeypatch, "static")

    def titled(lr):
        fig, ax = plt.subplots(figsize=(2, 1))
        ax.set_title(f"rate {lr}" if lr == 1 else "")
        return fig

    assert [p["caption"] for p in static_content(titled, lr=[1, 2])["pictures"]] == ["rate 1", "learning rate 2"]


# -- the live kernel ------------------------------------------------------------------------------------------------


def test_live_recomputes_and_shows_errors_where_the_reader_looks():
    box = module._live_widget(draw, module._read_knobs(draw, {"lr": [1, 2, 0], "noise": [False, True]}, {}))
    lr, noise, picture, status = box.children
    assert "slope 1" in status.value and 'alt="slope 1"' in picture.value
    before = picture.value
    lr.value = 2
    assert "slope 0.5" in status.value and picture.value != before
    lr.value = 0
    assert "ZeroDivisionError" in status.value and 'role="alert"' in status.value
    lr.value = 1
    noise.value = True
    assert calls[-1] == (1, 1, "tanh", True) and picture.value != before


def test_live_slider_waits_for_release_and_says_that_it_computes():
    seen = []

    def watch(lr):
        seen.append(box.children[-1].value if box else None)
        return draw(lr)

    box = None
    box = module._live_widget(watch, module._read_knobs(watch, {"lr": [1, 2]}, {}))
    assert box.children[0].continuous_update is False
    box.children[0].value = 2
    assert "computing" in seen[-1]


def test_live_text_is_escaped():
    def evil(lr):
        fig = draw(lr)
        fig.set_label('<script>"x"</script>')
        return fig

    box = module._live_widget(evil, module._read_knobs(evil, {"lr": [1]}, {}))
    assert "<script>" not in box.children[-1].value + box.children[-2].value


def test_two_hundred_moves_leak_nothing():
    box = module._live_widget(draw, module._read_knobs(draw, {"lr": [1, 2]}, {}))
    for i in range(200):
        box.children[0].value = 1 + i % 2
    assert plt.get_fignums() == []
    assert len(calls) == 200  # the start and 199 changes: no move draws twice


SEVEN = """
import ipywidgets, matplotlib; matplotlib.use("agg")
assert ipywidgets.__version__.startswith("7.7"), ipywidgets.__version__
import test_explore as t
t.test_live_recomputes_and_shows_errors_where_the_reader_looks()
t.calls.clear()
t.test_live_slider_waits_for_release_and_says_that_it_computes()
print("alive in", ipywidgets.__version__)
"""


def test_alive_in_the_ipywidgets_of_colab(root):
    folder = root / ".venv" / "ipywidgets7"
    if not folder.exists() and "CI" not in os.environ:
        pytest.skip("`make test` installs ipywidgets 7.7.1 beside the pinned version for this test")
    path = os.pathsep.join([str(folder), str(root / "tests" / "package"), str(root)])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", SEVEN], env=environment, capture_output=True, text=True, timeout=120)
    assert "alive in 7.7" in done.stdout, done.stderr


def test_importing_takes_no_widgets_along():
    code = "import sys, dlbook_utils.explore; sys.exit('ipywidgets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
