"""Formulas, typeset by KaTeX while the book is built, so that a page needs no script for them."""

import atexit
import functools
import html
import re
from typing import Any

from docutils import nodes

from .run import ROOT

KATEX = ROOT / "third_party" / "katex"


@functools.cache
def _katex() -> Any:
    from py_mini_racer import MiniRacer

    context = MiniRacer()
    atexit.register(context.close)  # left open, its thread now and then keeps the process from ending
    context.eval((KATEX / "katex.min.js").read_text())
    return context


@functools.cache
def render_formula(tex: str, display: bool) -> str:
    """Typeset LaTeX as HTML for the eye and MathML for screen readers.

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
    formula = f'<span class="math">{_formula_or_warning(translator, node, display=False)}</span>'
    before, after = node.get("before", ""), node.get("after", "")
    if before or after:
        formula = f'<span class="unbroken">{before}{formula}{after}</span>'
    translator.body.append(formula)
    raise nodes.SkipNode


def _bind_punctuation(app: Any, doctree: nodes.document, page: str) -> None:
    """Keep a formula on one line with the bracket before it and the comma after it."""
    for formula in list(doctree.findall(nodes.math)):
        index, parent = formula.parent.index(formula), formula.parent
        if index + 1 < len(parent) and isinstance(parent[index + 1], nodes.Text):
            formula["after"] = re.match(r"[.,;:!?)”’]*", parent[index + 1])[0]
            parent[index + 1] = nodes.Text(parent[index + 1][len(formula["after"]) :])
        if index and isinstance(parent[index - 1], nodes.Text) and parent[index - 1].endswith(("(", "“")):
            formula["before"] = parent[index - 1][-1]
            parent[index - 1] = nodes.Text(parent[index - 1][:-1])


def _visit_block_formula(translator: Any, node: nodes.Element) -> None:
    translator.body.append(f'<div class="math scrolls">{_formula_or_warning(translator, node, display=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Make KaTeX a renderer that `html_math_renderer` can name."""
    app.connect("doctree-resolved", _bind_punctuation)
    app.add_html_math_renderer("katex", (_visit_inline_formula, None), (_visit_block_formula, None))
