"""Pictures and widgets: what `plotting` and `explore` send while the book is built, turned into HTML."""

import base64
import hashlib
import html
import json
import re
from typing import Any

from docutils import nodes

from dlbook_utils.explore import EXPLORE_MIME
from dlbook_utils.plotting import PICTURE_MIME


class Picture(nodes.image):
    """A picture that knows its size and whether its colours may be turned around on a dark page."""


class Explore(nodes.General, nodes.Element):
    """A widget: its children are the pictures of the grid, `content` is what the kernel sent."""


class PictureRenderer:
    """Renders what `plotting` and `explore` send while the book is built (an entry point of MyST-NB)."""

    mime_priority_overrides = [("*", EXPLORE_MIME, 1), ("*", PICTURE_MIME, 2)]

    @staticmethod
    def handle_mime(renderer: Any, data: Any, inline: bool) -> list[nodes.Element] | None:
        """Turn an output of the two MIME types into nodes; return None for every other."""
        if inline or data.mime_type not in (EXPLORE_MIME, PICTURE_MIME):
            return None
        content = data.content if isinstance(data.content, dict) else json.loads(data.content)
        if data.mime_type == PICTURE_MIME:
            image = data.cell_metadata.get("mystnb", {}).get("image", {})
            return [_picture(renderer, content["webp"], image.get("alt", ""), content)]
        pictures = content.pop("pictures")
        widget = Explore("", *(_picture(renderer, p["webp"], p["caption"], content) for p in pictures))
        widget["content"] = content
        return [widget]


def _picture(renderer: Any, webp: str, alt: str, content: dict) -> Picture:
    data = base64.b64decode(webp)
    name = f"picture-{hashlib.sha256(data).hexdigest()[:16]}.webp"
    uri = renderer.write_file([name], data, overwrite=False, exists_ok=True)
    # not `width` and `height`: an image node with these would be wrapped into a link to itself
    return Picture("", uri=uri, alt=alt, size=(content["width"], content["height"]), photo=content["photo"])


def _picture_html(translator: Any, node: Picture) -> str:
    source = f"{translator.builder.imgpath}/{translator.builder.images[node['uri']]}"
    kind, (width, height) = "photo" if node["photo"] else "ink", node["size"]
    return (
        f'<img class="{kind}" src="{html.escape(source)}" alt="{html.escape(node["alt"])}" '
        f'width="{width}" height="{height}" loading="lazy" decoding="async">'
    )


def _visit_picture(translator: Any, node: Picture) -> None:
    translator.body.append(f'<div class="picture">{_picture_html(translator, node)}</div>\n')
    raise nodes.SkipNode


def _visit_explore(translator: Any, node: Explore) -> None:
    translator.body.append(_widget_html(node["content"], [_picture_html(translator, child) for child in node.children]))
    raise nodes.SkipNode


def _widget_html(content: dict, images: list[str]) -> str:
    """The static face of `explore`: native controls, the start picture, and the others as data for `explore.js`."""
    start = 0
    for knob in content["knobs"]:
        start = start * len(knob["texts"]) + knob["start"]
    captions = [re.search(r'alt="([^"]*)"', image).group(1) for image in images]
    sources = [re.search(r'src="([^"]*)"', image).group(1) for image in images]
    identity = "explore-" + hashlib.sha256("".join(sources).encode()).hexdigest()[:8]
    controls = "".join(_control_html(knob, f"{identity}-{knob['name']}") for knob in content["knobs"])
    # every caption, unseen and in the same place, so that the longest keeps room for all
    room = "".join(
        f'<span class="explore-room" aria-hidden="true">{caption}</span>' for caption in dict.fromkeys(captions)
    )
    frames = json.dumps([{"src": html.unescape(s), "caption": html.unescape(c)} for s, c in zip(sources, captions)])
    frames = frames.replace("</", "<\\/")  # a caption must not end the script element
    return f"""<figure class="explore" id="{identity}">
<div class="explore-controls">{controls}<button type="button" class="explore-play" hidden>Play</button></div>
<div class="explore-stage" style="max-width:{content["width"]}px">{images[start]}</div>
<figcaption><span class="explore-caption" aria-live="polite">{captions[start]}</span>\
{room}</figcaption>
<noscript><p>The picture shows the start values; with JavaScript switched on, the knobs change it.</p></noscript>
<script type="application/json">{frames}</script>
</figure>
"""


def _control_html(knob: dict, identity: str) -> str:
    """One knob: a labelled range, drop-down or check box, and its value in words."""
    label, texts, start = html.escape(knob["label"]), [html.escape(t) for t in knob["texts"]], knob["start"]
    if knob["kind"] == "number":
        control = (
            f'<input type="range" id="{identity}" min="0" max="{len(texts) - 1}" step="1" value="{start}" '
            f'aria-valuetext="{texts[start]}" data-texts="{html.escape(json.dumps(knob["texts"]))}" autocomplete="off">'
        )
    elif knob["kind"] == "switch":
        on = texts.index("on") if "on" in texts else -1
        control = (
            f'<input type="checkbox" id="{identity}" data-on="{on}" autocomplete="off" '
            f'data-texts="{html.escape(json.dumps(knob["texts"]))}"{" checked" if start == on else ""}>'
        )
    else:
        chosen = ["" if i != start else " selected" for i in range(len(texts))]
        options = "".join(f"<option{c}>{text}</option>" for c, text in zip(chosen, texts))
        control = f'<select id="{identity}" autocomplete="off">{options}</select>'
    return (
        f'<div class="explore-knob explore-{knob["kind"]}"><label for="{identity}">{label}</label>{control}'
        f'<output for="{identity}">{texts[start]}</output></div>'
    )


def _mark_live_cells(app: Any, doctree: nodes.document, page: str) -> None:
    """Tell cells with a widget apart: the page lays the others out late."""
    for widget in doctree.findall(Explore):
        cell = widget.parent
        while cell is not None and "cell" not in cell.get("classes", []):
            cell = cell.parent
        if cell is not None:
            cell["classes"].append("cell-alive")


def setup(app: Any) -> None:
    """Teach Sphinx the two kinds of nodes."""
    app.connect("doctree-resolved", _mark_live_cells)
    app.add_node(Picture, html=(_visit_picture, None))
    app.add_node(Explore, html=(_visit_explore, None))
