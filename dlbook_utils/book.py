"""The Sphinx extension: pictures, widgets, formulas, the map of the book; and the command that runs the chapters.

`python -m dlbook_utils.book` executes every chapter whose code, or the package under it, has changed, two at a time,
and stores the outputs where the build finds them.
"""

import atexit
import base64
import functools
import hashlib
import html
import json
import os
import re
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import nbformat
import yaml
from docutils import nodes
from docutils.parsers.rst import Directive

from dlbook_utils.explore import EXPLORE_MIME
from dlbook_utils.plotting import PICTURE_MIME

ROOT = Path(__file__).resolve().parents[1]
PAGE_ONLY = {"book.py"}  # changes to these modules change no output of a chapter


# -- running the chapters -------------------------------------------------------------------------------------------


def package_fingerprint(root: Path = ROOT) -> str:
    """Hash of all that a chapter's outputs may depend on besides its own code: the package and the pinned versions."""
    files = sorted(p for p in (root / "dlbook_utils").rglob("*.py") if p.name not in PAGE_ONLY)
    digest = hashlib.sha256()
    for path in [*files, root / "requirements.txt"]:
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def cache_folder(root: Path = ROOT) -> Path:
    """Where executed chapters are kept: a new place for every state of the package."""
    return root / "_build" / ".jupyter_cache" / package_fingerprint(root)


def chapter_paths(root: Path = ROOT) -> list[Path]:
    """The notebooks of the table of contents, in its order."""
    listed = re.findall(r"^\s*-?\s*file:\s*(\S+)", (root / "_toc.yml").read_text(), flags=re.M)
    return [path for name in listed if (path := (root / name).with_suffix(".ipynb")).exists()]


def run_chapters(root: Path = ROOT, workers: int = 2) -> None:
    """Execute the chapters that the cache does not hold, `workers` at a time, with a progress bar.

    Raises:
        SystemExit: if a chapter fails; its name and its traceback are printed.
    """
    from jupyter_cache import get_cache
    from tqdm import tqdm

    cache = get_cache(cache_folder(root))
    due = [path for path in chapter_paths(root) if not _is_cached(cache, path)]
    fresh = len(chapter_paths(root)) - len(due)
    if not due:
        print(f"Chapters: all {fresh} are up to date, nothing to run.")
        return
    # two chapters share the cores: without this each would start a thread a core
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 2) // workers))
    os.environ["DLBOOK_EXPLORE"] = "static"
    print(f"Chapters: running {len(due)}, {fresh} are up to date.", flush=True)
    failures = []
    with ProcessPoolExecutor(workers) as pool, tqdm(total=len(due), unit="chapter", file=sys.stdout) as bar:
        jobs = {pool.submit(_execute, path): path for path in due}
        for job in as_completed(jobs):
            path, (notebook, seconds, error) = jobs[job], job.result()
            if error:
                failures.append((path, error))
            else:
                _store(cache, path, notebook, seconds)
            bar.write(f"  {path.relative_to(root)}: {'FAILED' if error else 'ran'} in {seconds:.1f} s")
            bar.update()
    for path, error in failures:
        print(f"\n{path.relative_to(root)} failed:\n{error}")
    if failures:
        raise SystemExit(f"{len(failures)} of {len(due)} chapters failed.")


def _is_cached(cache: Any, path: Path) -> bool:
    try:
        cache.match_cache_notebook(nbformat.read(path, as_version=4))
    except KeyError:
        return False
    return True


def _execute(path: Path) -> tuple[nbformat.NotebookNode, float, str | None]:
    """Run one chapter in its own folder; runs in a worker process."""
    from jupyter_cache.executors.utils import single_nb_execution

    notebook = nbformat.read(path, as_version=4)
    quiet = {"extra_arguments": ["--log-level=ERROR"]}
    result = single_nb_execution(notebook, cwd=str(path.parent), timeout=120, allow_errors=False, **quiet)
    return notebook, result.time, result.exc_string


def _store(cache: Any, path: Path, notebook: nbformat.NotebookNode, seconds: float) -> None:
    from jupyter_cache.base import CacheBundleIn

    bundle = CacheBundleIn(notebook, str(path), data={"execution_seconds": seconds})
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


# -- pictures and widgets -------------------------------------------------------------------------------------------


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
    frames = json.dumps([{"src": html.unescape(s), "caption": html.unescape(c)} for s, c in zip(sources, captions)])
    frames = frames.replace("</", "<\\/")  # a caption must not end the script element
    return f"""<figure class="explore" id="{identity}">
<div class="explore-controls">{controls}<button type="button" class="explore-play" hidden>Play</button></div>
<div class="explore-stage" style="max-width:{content["width"]}px">{images[start]}</div>
<figcaption><span class="explore-caption" aria-live="polite">{captions[start]}</span>\
<span class="explore-room" aria-hidden="true">{max(captions, key=len)}</span></figcaption>
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


# -- formulas -------------------------------------------------------------------------------------------------------


@functools.cache
def _katex() -> Any:
    from py_mini_racer import MiniRacer

    context = MiniRacer()
    atexit.register(context.close)  # left open, its thread now and then keeps the process from ending
    context.eval((ROOT / "third_party" / "katex" / "katex.min.js").read_text())
    return context


@functools.cache
def render_formula(tex: str, display: bool) -> str:
    """Typeset LaTeX as HTML and MathML, while the book is built, so that a page needs no script for it.

    Raises:
        ValueError: if KaTeX does not understand the formula.
    """
    try:
        return _katex().call("katex.renderToString", tex, {"displayMode": display, "throwOnError": True})
    except Exception as error:
        raise ValueError(f"KaTeX cannot read the formula {tex!r}: {str(error).splitlines()[0]}") from None


def _formula_or_warning(translator: Any, node: nodes.Element, display: bool) -> str:
    try:
        return render_formula(node.astext(), display)
    except ValueError as error:
        from sphinx.util import logging

        logging.getLogger(__name__).warning(str(error), location=node)
        return html.escape(node.astext())


def _visit_inline_formula(translator: Any, node: nodes.Element) -> None:
    translator.body.append(f'<span class="math">{_formula_or_warning(translator, node, display=False)}</span>')
    raise nodes.SkipNode


def _visit_block_formula(translator: Any, node: nodes.Element) -> None:
    translator.body.append(f'<div class="math scrolls">{_formula_or_warning(translator, node, display=True)}</div>\n')
    raise nodes.SkipNode


# -- the map of the book --------------------------------------------------------------------------------------------


class BookMap(nodes.General, nodes.Element):
    """Stands where the map is drawn once the titles of all pages are known."""


class BookMapDirective(Directive):
    """`{book-map}`: the parts and chapters, with each chapter's question and what it builds on."""

    def run(self) -> list[nodes.Node]:
        """Leave a placeholder, and make the page depend on every chapter."""
        settings = self.state.document.settings
        for path in chapter_paths(Path(settings.env.srcdir)):
            settings.env.note_dependency(str(path))
        return [BookMap()]


def read_opening(path: Path) -> dict[str, Any]:
    """Title, question and prerequisites of a chapter, read from its first cell.

    Raises:
        ValueError: if the cell does not begin with a title and a question.
    """
    cell = nbformat.read(path, as_version=4).cells[0].source
    found = re.match(r"# (?P<title>.+?)\n+[>*_\s]*(?P<question>[^\n]+?\?)[*_]*\n", cell)
    if not found:
        raise ValueError(
            f"{path}: the first cell must begin with '# Title' and the chapter's question on a line of its own."
        )
    needs = [(path.parent / link).resolve() for link in re.findall(r"\]\(([^)#]+\.ipynb)", cell)]
    return {"title": found["title"].strip(), "question": found["question"].strip(), "needs": needs}


def _draw_map(app: Any, doctree: nodes.document, page: str) -> None:
    for placeholder in list(doctree.findall(BookMap)):
        root = Path(app.srcdir)
        chapters = {path: read_opening(path) for path in chapter_paths(root)}
        parts = yaml.safe_load((root / "_toc.yml").read_text())["parts"]
        drawn = "".join(_part_html(app, page, root, part, chapters) for part in parts)
        placeholder.replace_self(
            nodes.raw("", f'<nav class="book-map" aria-label="Map of the book">{drawn}</nav>', format="html")
        )


def _part_html(app: Any, page: str, root: Path, part: dict, chapters: dict[Path, dict]) -> str:
    cards = []
    for entry in part["chapters"]:
        path = (root / entry["file"]).with_suffix(".ipynb")
        if path not in chapters:
            continue
        chapter = chapters[path]
        link = app.builder.get_relative_uri(page, entry["file"])
        titles = [chapters[need]["title"] for need in chapter["needs"] if need in chapters and need != path]
        needs = f"<small>builds on {html.escape(', '.join(titles))}</small>" if titles else ""
        cards.append(
            f'<li><a href="{html.escape(link)}"><strong>{html.escape(chapter["title"])}</strong>'
            f"<span>{html.escape(chapter['question'])}</span>{needs}</a></li>"
        )
    return f"<section><h2>{html.escape(part['caption'])}</h2><ol>{''.join(cards)}</ol></section>" if cards else ""


# -- the page -------------------------------------------------------------------------------------------------------


def _use_package_state(app: Any, config: Any) -> None:
    config.nb_execution_cache_path = str(cache_folder(Path(app.srcdir)))
    config.dlbook_fingerprint = package_fingerprint(Path(app.srcdir))


# of the scripts and styles that Jupyter Book's extensions put on every page, those that this book has no use for
UNUSED = ("thebe", "toggle", "design-tabs", "sphinx-design")


def _lighten_page(app: Any, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Drop unused scripts and styles, and let no script hold up the page but the one that others need at once."""
    for kind in ("script_files", "css_files"):
        files = [f for f in context[kind] if not any(n in f"{f.filename} {f.attributes.get('body')}" for n in UNUSED)]
        context[kind] = files
    for script in context["script_files"]:
        if script.filename and "documentation_options" not in str(script.filename):
            script.attributes["defer"] = "defer"


def _describe_page(app: Any, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Give every page a description for search engines: its first sentences."""
    first = next((p for p in doctree.findall(nodes.paragraph) if len(p.astext()) > 60), None) if doctree else None
    text = " ".join(first.astext().split()) if first else f"{context.get('title', page)} - {app.config.html_title}"
    context["page_description"] = text if len(text) <= 160 else text[:157].rsplit(" ", 1)[0] + " …"


def _wrap_tables(app: Any, doctree: nodes.document, page: str) -> None:
    for table in list(doctree.findall(nodes.table)):
        if not isinstance(table.parent, nodes.container) or "scrolls" not in table.parent["classes"]:
            table.replace_self(nodes.container("", table.deepcopy(), classes=["scrolls"], is_div=True))


def _copy_katex(app: Any, error: Exception | None) -> None:
    if error or app.builder.format != "html":
        return
    import shutil

    source, target = ROOT / "third_party" / "katex", Path(app.outdir) / "_static" / "katex"
    shutil.copytree(source / "fonts", target / "fonts", dirs_exist_ok=True)
    css = (source / "katex.min.css").read_text()
    target.joinpath("katex.css").write_text(re.sub(r',url\(fonts/[^)]*\.(woff|ttf)\) format\("[a-z]+"\)', "", css))


def setup(app: Any) -> dict[str, bool]:
    """Sphinx's entry point."""
    os.environ["DLBOOK_EXPLORE"] = "static"  # inherited by the kernels that the build starts
    app.add_config_value("dlbook_fingerprint", "", "env")
    app.connect("config-inited", _use_package_state, priority=1)
    app.add_html_math_renderer("katex", (_visit_inline_formula, None), (_visit_block_formula, None))
    app.add_node(Picture, html=(_visit_picture, None))
    app.add_node(Explore, html=(_visit_explore, None))
    app.add_node(BookMap)
    app.add_directive("book-map", BookMapDirective)
    app.connect("doctree-resolved", _draw_map)
    app.connect("doctree-resolved", _wrap_tables)
    app.connect("html-page-context", _describe_page)
    app.connect("html-page-context", _lighten_page, priority=900)  # after all those that add files
    app.connect("build-finished", _copy_katex)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    if not (ROOT / "_toc.yml").exists():
        raise SystemExit(f"{ROOT} holds no _toc.yml: run this from a checkout of the book.")
    run_chapters()
