"""`explore(draw, lr=[0.01, 0.1], depth=[1, 2])`: one picture per setting, alive in the kernel and in the static page.

Three faces, chosen by the environment variable `DLBOOK_EXPLORE`:

- unset: ipywidgets (7 or 8) in a live kernel, recomputing when a control is released;
- `static`: the book's build; the whole grid is drawn, `book/` and `theme/static/explore.js` put it on the page;
- `check`: the tests; `draw` is called at the start value and at every corner of the grid.
"""

import base64
import difflib
import html
import inspect
import io
import itertools
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from dlbook_utils import plotting

EXPLORE_MIME = "application/vnd.dlbook.explore+json"
MAX_BYTES = 400_000  # of pictures in one static widget
MAX_PICTURES = 64
SCALE = 1.5  # device pixels per CSS pixel: sharp on a phone, half the bytes of 2
LABELS = {"lr": "learning rate", "lam": "strength λ"}


@dataclass(frozen=True)
class Knob:
    """One control: the name `draw` knows it by, its values, and the index of the value shown first."""

    name: str
    values: tuple
    start: int

    @property
    def label(self) -> str:
        """The name as a reader would say it."""
        return LABELS.get(self.name, self.name.replace("_", " "))

    @property
    def kind(self) -> str:
        """`number` becomes a slider, `text` a drop-down, `switch` a check box."""
        if all(isinstance(value, bool) for value in self.values):
            return "switch"
        return "text" if any(isinstance(value, str) for value in self.values) else "number"

    @property
    def texts(self) -> list[str]:
        """The values as the reader sees them."""
        if self.kind == "switch":
            return ["on" if value else "off" for value in self.values]
        return [value if isinstance(value, str) else f"{value:g}" for value in self.values]


def explore(
    draw: Callable[..., Figure],
    /,
    *,
    start: dict[str, Any] | None = None,
    **knobs: Iterable[float] | Iterable[str] | Iterable[bool],
) -> None:
    """Let the reader turn the knobs of `draw` and watch the picture change.

    Args:
        draw: pure function that takes one value per knob, by name, and returns a Matplotlib figure. What it sets
            with `fig.set_label(...)`, one sentence with this picture's numbers, becomes caption and alternative text.
        start: the value shown first, for some or all knobs; by default each knob's first.
        knobs: for each knob a list of numbers (a slider), of strings (a drop-down) or of booleans (a check box).

    Raises:
        TypeError: if `draw` is not a function, does not take a knob, or returns no figure.
        ValueError: if there is no knob, a knob has no values, a start value is not among them, or there are too many.
        RuntimeError: if `draw` raises; the message names the setting.
    """
    knob_list = _read_knobs(draw, knobs, start or {})
    mode = os.environ.get("DLBOOK_EXPLORE", "live")
    faces = {"live": _show_live, "static": _show_static, "check": _check}
    if mode not in faces:
        raise ValueError(f"DLBOOK_EXPLORE is {mode!r}: unset it, or set it to one of {', '.join(faces)}.")
    faces[mode](draw, knob_list)


def _read_knobs(draw: Callable, knobs: dict, start: dict) -> list[Knob]:
    """Turn the arguments of `explore` into knobs, or say what to write instead."""
    if not callable(draw):
        raise TypeError(
            f"explore needs a function that returns a figure, not {draw!r}: write explore(draw, lr=[0.01, 0.1])."
        )
    if not knobs:
        raise ValueError("explore needs at least one knob: write explore(draw, lr=[0.01, 0.1, 1.0]).")
    if not isinstance(start, dict):
        raise TypeError("start is no knob but says which values are shown first: write start={'lr': 0.1}.")
    _check_names(draw, knobs)
    for name in start:
        if name not in knobs:
            raise ValueError(
                f"start names {name!r}, which is no knob{_suggest(name, knobs)}: the knobs are {', '.join(knobs)}."
            )
    read = [_read_knob(name, values, start) for name, values in knobs.items()]
    pictures = int(np.prod([len(knob.values) for knob in read]))
    if pictures > MAX_PICTURES:
        raise ValueError(f"explore would draw {pictures} pictures, more than {MAX_PICTURES}: use fewer values.")
    return read


def _read_knob(name: str, values: Any, start: dict) -> Knob:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"knob {name!r} needs a list of values, not {values!r}: write {name}=[{values!r}, ...].")
    # NumPy scalars become Python's, so that draw sees plain numbers and the page can write them down
    values = tuple(value.item() if isinstance(value, np.generic) else value for value in values)
    if not values:
        raise ValueError(f"knob {name!r} has no values: write {name}=[first, second, ...].")
    kinds = {bool if isinstance(v, bool) else str if isinstance(v, str) else float for v in values}
    if len(kinds) > 1 or not all(isinstance(v, (bool, str, int, float)) for v in values):
        raise TypeError(
            f"knob {name!r} mixes kinds of values {list(values)!r}: use all numbers, all strings or all booleans."
        )
    if len(set(values)) < len(values):
        raise ValueError(f"knob {name!r} names a value twice: {list(values)!r}.")
    first = start.get(name, values[0])
    if first not in values:
        raise ValueError(f"start value {name}={first!r} is not among the knob's values {list(values)!r}.")
    return Knob(name, values, values.index(first))


def _check_names(draw: Callable, knobs: dict) -> None:
    """Raise a TypeError unless `draw` can be called with exactly these knobs."""
    parameters = inspect.signature(draw).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for name in knobs:
        if name not in parameters:
            takes = ", ".join(parameters) or "nothing"
            raise TypeError(f"draw does not take the knob {name!r}{_suggest(name, parameters)}: it takes {takes}.")
    missing = [
        n for n, p in parameters.items() if n not in knobs and p.default is p.empty and p.kind is not p.VAR_POSITIONAL
    ]
    if missing:
        raise TypeError(
            f"draw also needs {', '.join(missing)}: add {missing[0]}=[...] to explore, or give it a default."
        )


def _suggest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _call(draw: Callable, setting: dict[str, Any]) -> Figure:
    """Call `draw`, make sure that it returned a figure, and leave no figure open in pyplot."""
    call = "draw(" + ", ".join(f"{name}={value!r}" for name, value in setting.items()) + ")"
    before = set(plt.get_fignums())
    try:
        fig = draw(**setting)
    except Exception as error:
        raise RuntimeError(f"{call} raised {type(error).__name__}: {error}") from error
    finally:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)
    if not isinstance(fig, Figure):
        raise TypeError(f"{call} returned {type(fig).__name__}, not a Matplotlib figure: end it with `return fig`.")
    return fig


def _describe(fig: Figure, setting_text: str) -> str:
    """The picture in words: the figure's label, else its titles, else the setting alone."""
    titles = [fig.get_suptitle(), *(ax.get_title(loc) for ax in fig.axes for loc in ("left", "center", "right"))]
    words = fig.get_label() or "; ".join(title for title in titles if title)
    return words.replace("\n", " ") or setting_text


def _setting_text(knobs: list[Knob], indices: Iterable[int]) -> str:
    return ", ".join(f"{knob.label} {knob.texts[i]}" for knob, i in zip(knobs, indices))


def _setting(knobs: list[Knob], indices: Iterable[int]) -> dict[str, Any]:
    return {knob.name: knob.values[i] for knob, i in zip(knobs, indices)}


# -- tests -----------------------------------------------------------------------------------------------------------


def _check(draw: Callable, knobs: list[Knob]) -> None:
    """Call `draw` at the start value and at every corner of the grid."""
    corners = itertools.product(*({0, len(knob.values) - 1} for knob in knobs))
    for indices in dict.fromkeys([tuple(knob.start for knob in knobs), *corners]):
        _call(draw, _setting(knobs, indices))


# -- the static page -------------------------------------------------------------------------------------------------


def _show_static(draw: Callable, knobs: list[Knob]) -> None:
    """Draw the whole grid and hand it to the page; the last knob runs fastest."""
    from IPython.display import display

    images, captions, sizes, photo = [], [], set(), False
    for indices in itertools.product(*(range(len(knob.values)) for knob in knobs)):
        fig = _call(draw, _setting(knobs, indices))
        images.append(plotting.to_image(fig, scale=SCALE))
        captions.append(_describe(fig, _setting_text(knobs, indices)))
        sizes.add(plotting.css_size(fig))
        photo = photo or plotting.holds_photo(fig)
    if len(sizes) > 1:
        raise ValueError(
            f"draw returned figures of several sizes {sorted(sizes)}: use one figsize, so that the page does not jump."
        )
    width, height = sizes.pop()
    content = {
        "knobs": [
            {"name": k.name, "label": k.label, "kind": k.kind, "texts": k.texts, "start": k.start} for k in knobs
        ],
        "pictures": [{"webp": w, "caption": c} for w, c in zip(_fit_pictures(images), captions)],
        "width": width,
        "height": height,
        "photo": photo,
    }
    display({EXPLORE_MIME: content, "text/plain": "explore: " + "; ".join(captions[:1])}, raw=True)


def _fit_pictures(images: list) -> list[str]:
    """Encode the pictures as finely as `MAX_BYTES` for all of them allows."""
    for quality in (None, 80, 60, 40):
        encoded = [plotting.webp_base64(image, quality) for image in images]
        total = sum(len(text) * 3 // 4 for text in encoded)
        if total <= MAX_BYTES:
            return encoded
    raise ValueError(
        f"{len(images)} pictures weigh {total // 1000} KB, more than {MAX_BYTES // 1000}: use fewer or plainer ones."
    )


# -- the live kernel -------------------------------------------------------------------------------------------------


def _show_live(draw: Callable, knobs: list[Knob]) -> None:
    from IPython.display import display

    display(_live_widget(draw, knobs))


def _live_widget(draw: Callable, knobs: list[Knob]) -> Any:
    """Build the ipywidgets box: one control a knob, a line that says what is going on, and the picture."""
    import ipywidgets

    controls = [_live_control(knob) for knob in knobs]
    status, picture = ipywidgets.HTML(), ipywidgets.HTML()

    def refresh() -> None:
        setting = {knob.name: control.value for knob, control in zip(knobs, controls)}
        fig = _call(draw, setting)
        indices = [knob.values.index(setting[knob.name]) for knob in knobs]
        caption = html.escape(_describe(fig, _setting_text(knobs, indices)))
        picture.value = _live_picture(fig, caption)
        status.value = f'<span role="status">{caption}</span>'

    def on_change(_change: Any) -> None:
        status.value = '<span role="status">computing …</span>'
        try:
            refresh()
        except Exception as error:
            # the reader turned a knob: the message belongs where she looks, not into a log
            status.value = f'<span role="alert" style="color:#b00020">{html.escape(str(error))}</span>'

    for control in controls:
        control.observe(on_change, names="value")
    refresh()
    return ipywidgets.VBox([*controls, picture, status])


def _live_control(knob: Knob) -> Any:
    import ipywidgets

    value, style = knob.values[knob.start], {"description_width": "initial"}
    if knob.kind == "switch":
        return ipywidgets.Checkbox(value=value, description=knob.label, style=style)
    options = list(zip(knob.texts, knob.values))
    if knob.kind == "text":
        return ipywidgets.Dropdown(options=options, value=value, description=knob.label, style=style)
    layout = ipywidgets.Layout(width="32em", max_width="100%")
    return ipywidgets.SelectionSlider(
        options=options, value=value, description=knob.label, style=style, layout=layout, continuous_update=False
    )


def _live_picture(fig: Figure, caption: str) -> str:
    buffer = io.BytesIO()
    plotting.to_image(fig).save(buffer, "PNG")
    width, height = plotting.css_size(fig)
    data = base64.b64encode(buffer.getvalue()).decode()
    size = f'width="{width}" height="{height}" style="max-width:100%;height:auto"'
    return f'<img alt="{caption}" {size} src="data:image/png;base64,{data}">'
