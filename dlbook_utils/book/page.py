"""The page around the text: its description, its scripts, and one small style sheet with its fonts inside.

The theme's style sheets weigh half a megabyte and its icon and formula fonts as much again, of which a page uses a
twentieth. After the build the sheets are joined, rules for things that stand on no page are dropped, and fonts are cut
down to the characters that the book uses and put into a sheet of their own: from a disk some browsers refuse to load
them otherwise.
"""

import base64
import html
import io
import logging
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tinycss2
from docutils import nodes

from .formulas import KATEX

# scripts and styles that Jupyter Book's extensions put on every page, and that this book has no use for
UNUSED = ("thebe", "toggle", "design-tabs", "DOCUMENTATION_OPTIONS.")
# the theme's own, which it would load last, too
THEME_SCRIPTS = ["_static/scripts/bootstrap.js", "_static/scripts/pydata-sphinx-theme.js"]
# style sheets in the order in which the theme loads them, the book's own last
SHEETS = ["basic.css", "styles/theme.css", "styles/pydata-sphinx-theme.css", "pygments.css"]
SHEETS += ["styles/sphinx-book-theme.css", "copybutton.css", "mystnb.*.css", "katex.css", "book.css"]
# names, operators, punctuation and spaces: coloured like the text around them, they make half of a page's elements
PLAIN_TOKEN = re.compile(r'<span class="(?:n|nn|o|p|w)">([^<]*)</span>')
BUNDLE = "page.css"  # rules and icons, loaded first
FONTS = "fonts.css"  # the formulas' fonts, loaded without holding the page up
FONT_FACE = r"@font-face\s*\{[^}]*\}"


def _describe(app: Any, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Give every page a description for search engines: its first sentences."""
    first = next((p for p in doctree.findall(nodes.paragraph) if len(p.astext()) > 60), None) if doctree else None
    text = " ".join(first.astext().split()) if first else f"{context.get('title', page)} - {app.config.html_title}"
    context["page_description"] = text if len(text) <= 160 else text[:157].rsplit(" ", 1)[0] + " …"


def _lighten(app: Any, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Drop unused scripts, let the page be painted before the others run, and leave the style to the bundle."""
    scripts = [(str(script.filename or ""), script.attributes.get("body")) for script in context["script_files"]]
    used = [name for name, body in scripts if not any(word in f"{name} {body}" for word in UNUSED)]
    # the search page's own script runs while the page is read, and needs Sphinx's before it
    early = [name for name in used if page == "search" and re.search("doctools|documentation_opt|sphinx_hi", name)]
    context["script_files"], context["css_files"] = early, []
    context["late_scripts"] = [name for name in used if name not in early] + THEME_SCRIPTS
    context["body"] = PLAIN_TOKEN.sub(r"\1", context.get("body", ""))


def _box_tables(app: Any, doctree: nodes.document, page: str) -> None:
    """Put every table into a box of its own that scrolls sideways."""
    for table in list(doctree.findall(nodes.table)):
        table.replace_self(nodes.container("", table.deepcopy(), classes=["scrolls"], is_div=True))


# -- the style sheet ------------------------------------------------------------------------------------------------


def _bundle(app: Any, error: Exception | None) -> None:
    """Write the one style sheet, from the sheets and pages of the finished build."""
    if error or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    (static / "katex.css").write_text((KATEX / "katex.min.css").read_text())
    pages = [path.read_text() for path in Path(app.outdir).rglob("*.html") if "_static" not in path.parts]
    scripts = [path.read_text() for path in static.rglob("*.js")]
    names = set(re.findall(r"[\w-]+", " ".join(pages + scripts)))
    characters = set(html.unescape("".join(pages)))
    rules = []
    for pattern in SHEETS:
        for path in sorted(static.glob(pattern)):
            folder = KATEX if path.name == "katex.css" else path.parent
            rules += _kept_rules(_without_imports(path.read_text()), names, folder, static)
    text = "\n".join(rules)
    characters |= set(text)  # icons are characters that rules insert
    used = " ".join(re.findall(r"font(?:-family)?:[^;}]*", re.sub(FONT_FACE, "", text)))
    faces = [_embedded(face, used, characters) for face in re.findall(FONT_FACE, text)]
    icons = [face for face in faces if "Awesome" in face]
    (static / BUNDLE).write_text("\n".join([*icons, re.sub(FONT_FACE, "", text)]))
    (static / FONTS).write_text("\n".join(face for face in faces if face and face not in icons))


def _without_imports(css: str) -> str:
    return re.sub(r"@import[^;]*;", "", css)


def _kept_rules(css: str, names: set[str], folder: Path, static: Path) -> Iterable[str]:
    """Yield the rules whose every class and identifier occurs on some page or in some script."""
    for rule in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        if rule.type == "qualified-rule":
            selectors = tinycss2.serialize(rule.prelude)
            kept = [s for s in _split_selectors(selectors) if _may_match(s, names)]
            if kept:
                yield f"{','.join(kept)}{{{_absolute(tinycss2.serialize(rule.content), folder, static)}}}"
        elif rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports") and rule.content:
            inner = "".join(_kept_rules(tinycss2.serialize(rule.content), names, folder, static))
            if inner:
                yield f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inner}}}"
        elif rule.type == "at-rule":
            yield _absolute(tinycss2.serialize([rule]), folder, static)


def _split_selectors(selectors: str) -> list[str]:
    """Split at the commas that stand outside brackets."""
    parts, depth = [""], 0
    for character in selectors.strip():
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _may_match(selector: str, names: set[str]) -> bool:
    # what stands inside :not(...) excludes, and inside brackets is a value: neither must occur
    plain = re.sub(r":(?:not|is|where|has)\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^]]*\]", "", selector)
    plain = re.sub(r"\\(.)", r"\1", plain)
    return all(name in names for name in re.findall(r"[.#]([\w-]+)", plain))


def _absolute(css: str, folder: Path, static: Path) -> str:
    """Name every file that a rule refers to by its place on the disk."""
    return re.sub(r"url\((['\"]?)(?!data:|#)([^)'\"]+)\1\)", lambda m: f"url({_place(folder, m[2])})", css)


def _place(folder: Path, reference: str) -> str:
    return posixpath.normpath(folder.as_posix() + "/" + re.sub(r"[?#].*", "", reference))


def _embedded(face: str, used: str, characters: set[str]) -> str:
    """Return the `@font-face` with the needed characters inside, or nothing if no rule uses its family."""
    family = re.search(r"font-family:\s*[\"']?([^;\"'}]+)", face)[1].strip()
    source = re.search(r"url\(([^)]+\.woff2)\)", face)
    if source is None or not Path(source[1]).exists() or family not in used:
        return ""
    if "Awesome" in family:  # icons stand in the private part of Unicode; their letters and digits are never shown
        characters = {c for c in characters if 0xE000 <= ord(c) <= 0xF8FF}
    data = _subset(Path(source[1]), characters)
    src = f"src:url(data:font/woff2;base64,{base64.b64encode(data).decode()}) format('woff2')" if data else ""
    return re.sub(r"src:[^;}]*", src, face, count=1) if data else ""


def _subset(path: Path, characters: set[str]) -> bytes | None:
    """Cut a font down to the characters; None if it holds none of them."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it reports every table
    font = TTFont(path)
    wanted = {ord(c) for c in characters} & set(font.getBestCmap())
    if not wanted:
        return None
    options = subset.Options(flavor="woff2", layout_features=["*"], hinting=False, notdef_outline=True)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=wanted)
    cutter.subset(font)
    buffer = io.BytesIO()
    font.flavor = "woff2"
    font.save(buffer)
    return buffer.getvalue()


def setup(app: Any) -> None:
    """Connect to the moments at which pages are written."""
    app.connect("doctree-resolved", _box_tables)
    app.connect("html-page-context", _describe)
    app.connect("html-page-context", _lighten, priority=900)  # after all those that add files
    app.connect("build-finished", _bundle, priority=900)  # after the theme has written its colours for code
