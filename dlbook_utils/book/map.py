"""The map of the book: every part and chapter with its question, read from the table of contents and the notebooks."""

import html
import re
from pathlib import Path
from typing import Any

import nbformat
import yaml
from docutils import nodes
from docutils.parsers.rst import Directive

from .run import chapter_paths


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
        needs = dict.fromkeys(need for need in chapter["needs"] if need in chapters and need != path)
        titles = [chapters[need]["title"] for need in needs]
        needed = f"<small>builds on {html.escape(', '.join(titles))}</small>" if titles else ""
        cards.append(
            f'<li><a href="{html.escape(link)}"><strong>{html.escape(chapter["title"])}</strong>'
            f"<span>{html.escape(chapter['question'])}</span>{needed}</a></li>"
        )
    return f"<section><h3>{html.escape(part['caption'])}</h3><ol>{''.join(cards)}</ol></section>" if cards else ""


def setup(app: Any) -> None:
    """Add the directive, and draw the map once all titles are known."""
    app.add_node(BookMap)
    app.add_directive("book-map", BookMapDirective)
    app.connect("doctree-resolved", _draw_map)
