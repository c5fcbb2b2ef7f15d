"""The recurring figures draw what they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dlbook_utils import plotting
from dlbook_utils.scratch.autograd import Tensor


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def test_draw_graph_writes_every_value_and_gradient(ax):
    w, x = Tensor(0.5), Tensor(-2.0)
    loss = (w * x) ** 2
    loss.backward()
    plotting.draw_graph(ax, loss, {w: "w", loss: "loss"})
    texts = {text.get_text() for text in ax.texts}
    assert {"w", "loss\nsquare", "×", "0.500", "−2.000", "4.000"} <= texts  # names, operations, dloss/dw = 4
    assert "1.000" in texts and "−1.000" in texts
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    assert len(arrows) == 3


def test_decision_regions_draws_both_classes(ax):
    X, y = np.array([[-1.0, 0], [1, 0], [1, 1]]), np.array([0, 1, 1])
    plotting.decision_regions(ax, lambda points: np.stack([-points[:, 0], points[:, 0]], axis=1), X, y)
    assert [len(line.get_xdata()) for line in ax.lines] == [1, 2]
    assert ax.collections


def test_show_images_wants_one_title_an_image():
    fig, axes = plt.subplots(1, 2)
    plotting.show_images(axes, np.zeros((2, 8, 8)), ["a", "b"])
    assert [ax.get_title() for ax in axes] == ["a", "b"] and float(axes[0].images[0].get_array().max()) == 1
    with pytest.raises(ValueError):
        plotting.show_images(axes, np.zeros((2, 8, 8)), ["a"])
    plt.close(fig)


@pytest.mark.parametrize("width", [1.15, 4.6, 6.4])
@pytest.mark.parametrize("scale", [1, 1.5, 2])
def test_a_picture_is_whole_whatever_its_size(width, scale):
    """Widths in inches are seldom whole in pixels: a row of pixels too short would shear the picture."""
    fig = plt.figure(figsize=(width, 2.3))
    fig.add_axes([0, 0, 0.5, 1]).set_facecolor("black")
    dpi = fig.dpi
    image = np.asarray(plotting.to_image(fig, scale))
    plt.close(fig)
    assert fig.dpi == dpi
    assert image.shape == (pytest.approx(230 * scale, abs=1), pytest.approx(100 * width * scale, abs=1), 3)
    middle = image.shape[1] // 2
    assert (image[3:-3, 3 : middle - 3] == 0).all() and (image[:, middle + 3 :] == 255).all()
