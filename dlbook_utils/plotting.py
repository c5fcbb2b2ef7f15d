"""The book's look, how its figures become pictures, and the figures that recur.

Drawing functions take `ax` and data, read no global and never call `show()`.
"""

import base64
import io
import os
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

# The palette of Okabe and Ito, whose colours stay apart for colour-blind readers; here neighbours differ in grey, too.
COLORS = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "yellow": "#E69F00",
    "sky": "#56B4E9",
    "black": "#1B1B1B",
}

CSS_DPI = 100  # a figure of 6.4 inches is 640 CSS pixels wide
PICTURE_MIME = "application/vnd.dlbook.picture+json"

STYLE = {
    "axes.prop_cycle": mpl.cycler(color=list(COLORS.values())),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.labelsize": 12.5,
    "figure.dpi": CSS_DPI,
    "figure.figsize": (6.0, 3.5),
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",  # ships with Matplotlib, so that every machine draws the same picture
    "font.size": 12.5,
    "legend.frameon": False,
    "legend.fontsize": 12,
    "lines.linewidth": 2,
    "xtick.labelsize": 11.5,
    "ytick.labelsize": 11.5,
}


def use_book_style() -> None:
    """Set the style; in a notebook also sharp pictures, in the book's build small ones that know their size."""
    plt.rcParams.update(STYLE)
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    if building_book():
        set_matplotlib_formats()  # no PNG: the formatter below makes the only picture
        shell.display_formatter.mimebundle_formatter.for_type(Figure, _picture_bundle)
    else:
        set_matplotlib_formats("retina")


def building_book() -> bool:
    """True in a kernel that the book's build started."""
    return os.environ.get("DLBOOK_EXPLORE") == "static"


def _picture_bundle(fig: Figure, include=None, exclude=None) -> dict:
    picture = to_image(fig)
    width, height = css_size(fig)
    webp = min(webp_base64(picture), webp_base64(picture, quality=85), key=len)
    content = {"webp": webp, "width": width, "height": height, "photo": holds_photo(fig)}
    return {PICTURE_MIME: content, "text/plain": repr(fig)}


def to_image(fig: Figure, scale: float = 2) -> Image.Image:
    """Render `fig` as an RGB image with `scale` device pixels per CSS pixel."""
    dpi, fig.dpi = fig.dpi, CSS_DPI * scale
    try:
        canvas = FigureCanvasAgg(fig)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    finally:
        fig.dpi = dpi


def css_size(fig: Figure) -> tuple[int, int]:
    """Width and height of `fig` on the page, in CSS pixels."""
    width, height = fig.get_size_inches() * CSS_DPI
    return round(width), round(height)


def holds_photo(fig: Figure) -> bool:
    """True if an axes of `fig` shows an image whose colours must not be turned around on a dark page."""
    return any(ax.images for ax in fig.axes)


def webp_base64(image: Image.Image, quality: int | None = None) -> str:
    """Encode `image` as WebP in base64: lossless, which suits line drawings, or lossy if `quality` (0-100) is given."""
    buffer = io.BytesIO()
    # methods 1 and 2 take a fraction of the time of the best one, for a few bytes more
    options = {"lossless": True, "quality": 40, "method": 1} if quality is None else {"quality": quality, "method": 2}
    image.save(buffer, "WEBP", **options)
    return base64.b64encode(buffer.getbuffer()).decode()


def draw_graph(ax: mpl.axes.Axes, root, names: dict) -> None:
    """Draw the computation graph that ends in `root`: a box a node, its value above, its gradient below.

    A node has `.value` and `.grad` (scalars), `.parents` and `.op`, as `scratch.autograd.Tensor` does. `names` maps
    nodes to the letters that the text calls them by.
    """
    column, todo = {root: 0}, [root]
    while todo:  # the column of a node, counted from the right, is its longest way to the root
        node = todo.pop()
        for parent in node.parents:
            if column.get(parent, -1) < column[node] + 1:
                column[parent] = column[node] + 1
                todo.append(parent)
    depth = max(column.values())
    place = {}
    for c in range(depth + 1):
        nodes = sorted((n for n in column if column[n] == c), key=lambda n: not n.parents)
        heights = (0, -1.15, 1.15) if nodes[0].parents else (0.6, -0.6, 1.8)
        place |= {n: (depth - c, height) for n, height in zip(nodes, heights, strict=False)}
    boxes = {}
    for node, (x, y) in place.items():
        box = {"boxstyle": "round,pad=0.35" if node.parents else "square,pad=0.35", "fc": "white", "ec": "0.25"}
        op = {"*": "×", "-": "−", "**2": "square"}.get(node.op, node.op)
        title = "\n".join(part for part in (names.get(node, ""), op) if part)
        boxes[node] = ax.text(x, y, title, ha="center", va="center", bbox=box, fontsize=12).get_bbox_patch()
        value, grad = (f"{float(number):.3f}".replace("-", "−") for number in (node.value, node.grad))
        ax.text(x, y + 0.3, value, ha="center", va="bottom", color=COLORS["blue"])
        ax.text(x, y - 0.3, grad, ha="center", va="top", color=COLORS["orange"], weight="bold")
    for node, (x, y) in place.items():
        for parent in node.parents:  # from side to side of the boxes, past the numbers above and below them
            ends = {"patchA": boxes[parent], "patchB": boxes[node], "shrinkA": 3, "shrinkB": 3}
            arrow = {"arrowstyle": "-|>", "color": "0.45", "lw": 1.2} | ends
            left, height = place[parent]
            ax.annotate("", xy=(x - 0.12, y), xytext=(left + 0.1, height), arrowprops=arrow)
    heights = [y for _, y in place.values()]
    ax.set(xlim=(-0.5, depth + 0.5), ylim=(min(heights) - 0.65, max(heights) + 0.6))
    ax.axis("off")


def decision_regions(ax: mpl.axes.Axes, scores, X: np.ndarray, y: np.ndarray, resolution: int = 70) -> None:
    """Shade the plane by the class with the larger score and draw the points `X` (N, 2) of classes `y` (0 or 1) on it.

    `scores` takes points (M, 2) and returns (M, 2), one score a class.
    """
    reach = np.linspace(X.min() * 1.1, X.max() * 1.1, resolution, dtype=X.dtype)
    grid = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 2)
    s = scores(grid)
    margin = np.nan_to_num(s[:, 1] - s[:, 0]).reshape(resolution, resolution)
    ax.contourf(reach, reach, np.sign(margin), levels=[-2, 0, 2], colors=["#CFE3F1", "#FBE3D3"])
    for k, (color, marker) in enumerate(((COLORS["blue"], "o"), (COLORS["orange"], "^"))):
        ax.plot(*X[y == k].T, marker, ms=3.5, color=color, ls="none")
    ax.set(xticks=[], yticks=[], aspect="equal")


def show_images(axes, images: np.ndarray, titles: list[str]) -> None:
    """Draw grey images (n, H, W) with values in [0, 1], dark on light, one in each of `axes`, framed, titled above."""
    for ax, image, title in zip(np.ravel(axes), images, titles, strict=True):
        ax.imshow(1 - image, cmap="gray", vmin=0, vmax=1)
        ax.set_title(title, loc="center", fontsize=12.5)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(visible=True, color="0.7")  # the frame: where the picture ends


def two_sided() -> mpl.colors.Colormap:
    """Orange below, white at the middle, blue above: for signed numbers with limits of one size."""
    return mpl.colors.LinearSegmentedColormap.from_list("two sides", [COLORS["orange"], "white", COLORS["blue"]])


def show_numbers(ax: mpl.axes.Axes, numbers: np.ndarray, title: str, window: tuple | None = None) -> None:
    """Print a small matrix as a grid of numbers; `window = (row, column, height, width)` frames a part of it."""
    limit = max(np.abs(numbers).max(), 1)
    ax.imshow(numbers, cmap=two_sided(), vmin=-2.5 * limit, vmax=2.5 * limit)
    for (i, j), number in np.ndenumerate(numbers):
        ax.text(j, i, f"{number:g}".replace("-", "\N{MINUS SIGN}"), ha="center", va="center")
    ax.set_xticks(np.arange(-0.5, numbers.shape[1]), labels=[])
    ax.set_yticks(np.arange(-0.5, numbers.shape[0]), labels=[])
    ax.grid(color="0.8", lw=0.8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if window:
        corner, (height, width) = (window[1] - 0.5, window[0] - 0.5), window[2:]
        frame = {"fill": False, "ec": COLORS["black"], "lw": 2.5, "zorder": 3, "clip_on": False}
        ax.add_patch(mpl.patches.Rectangle(corner, width, height, **frame))
    ax.set_title(title, loc="center", fontsize=12.5)


def draw_architecture(ax: mpl.axes.Axes, rows: list, input_shape: tuple[int, ...]) -> None:
    """Draw a net from its layer table (`models.summary.layer_table`): maps as stacked squares, vectors as bars.

    A square's side is proportional to the map's side; at most sixteen maps of a layer are drawn.
    """
    shapes = [("input", input_shape)] + [(row.name, row.shape) for row in rows]
    tallest = max(shape[-1] for _, shape in shapes if len(shape) == 3)
    longest = max((shape[0] for _, shape in shapes if shape[1:] in ((), (1, 1))), default=1)
    x, palette = 0.0, {"conv": "#CFE3F1", "vector": "#FBE3D3"}
    for name, shape in shapes:
        if len(shape) == 3 and shape[-1] > 1:
            side, count = shape[-1] / tallest, min(shape[0], 16)
            for k in range(count):
                corner = (x + 0.05 * k, -side / 2 + 0.025 * (count - 1 - 2 * k))
                ax.add_patch(mpl.patches.Rectangle(corner, side, side, fc=palette["conv"], ec="0.25", lw=0.7))
            width, label = side + 0.05 * (count - 1), f"{shape[0]} of\n{shape[1]}×{shape[2]}"
        else:
            width, height = 0.14, 0.35 + 1.1 * shape[0] / longest
            box = mpl.patches.Rectangle((x, -height / 2), width, height, fc=palette["vector"], ec="0.25", lw=0.9)
            ax.add_patch(box)
            label = f"{shape[0]}"
        ax.text(x + width / 2, 1.0, name, ha="center", va="bottom", fontsize=12, weight="bold")
        ax.text(x + width / 2, -1.0, label, ha="center", va="top", fontsize=11.5)
        x += max(width, 0.42) + 0.3
    ax.set(xlim=(-0.35, x - 0.1), ylim=(-1.6, 1.3), aspect="equal")
    ax.axis("off")
