"""Every page: no error, no foreign request, accessible, whole on a phone, all links alive."""

import html.parser
import re
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from .conftest import HTML, NARROW, WIDE, pages

pytestmark = pytest.mark.skipif(not HTML.exists(), reason="no built book: `make book` builds it")
GENERATED = {"genindex.html", "search.html", "index.html"}
CHAPTERS = [page for page in pages() if page.startswith("chapters/")]


def test_the_book_is_built():
    assert "intro.html" in pages() and "run-times.html" in pages()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("page", [p for p in pages() if p != "index.html"])
def test_page_is_sound_and_accessible(open_page, page, viewport, theme):
    tab = open_page(page, viewport, theme)
    tab.wait_for_timeout(300)
    # all laid out, as page.js does in idle time: until then a long list takes less room than its words, and they seem
    # to lie over the next paragraph
    tab.add_style_tag(content=".bd-article * { content-visibility: visible !important; }")
    assert tab.evaluate("document.documentElement.dataset.theme") == theme
    assert tab.evaluate("document.documentElement.scrollWidth") <= viewport["width"], "the page itself scrolls sideways"
    # without preload: axe would fetch style sheets, which a page on a disk may not
    violations = Axe().run(tab, options={"preload": False}).response["violations"]
    told = [(v["id"], v["help"], [n["html"][:160] for n in v["nodes"][:3]]) for v in violations]
    assert not told, told


@pytest.mark.parametrize("page", [p for p in pages() if p not in GENERATED])
def test_every_picture_loads_and_says_what_it_shows(open_page, page):
    tab = open_page(page)
    tab.evaluate("document.querySelectorAll('details').forEach(folded => folded.open = true)")
    for image in tab.locator("article img").all():
        image.scroll_into_view_if_needed()
        image.evaluate("image => image.decode()")
        assert len(image.get_attribute("alt").strip()) > 15, image.get_attribute("src")
        assert image.get_attribute("width") and image.get_attribute("height"), "no size: the page would jump"


@pytest.mark.parametrize("page", [p for p in pages() if p not in GENERATED])
def test_description_and_one_heading(page):
    text = (HTML / page).read_text()
    assert len(re.search(r'<meta name="description" content="([^"]*)"', text)[1]) > 50
    assert len(re.findall(r"<h1[ >]", text.split('<article class="bd-article">')[1])) == 1


@pytest.mark.parametrize("page", CHAPTERS)
def test_what_a_cell_shows_is_meant(page):
    """Printed, drawn or a card, not the value of a last line, such as Matplotlib's `[Text(0.5, 0, ...)]`."""
    leaked = re.findall(r'<div class="output text_plain.*?</div>', (HTML / page).read_text(), re.S)
    assert not leaked, [re.sub("<[^>]*>", "", text).strip() for text in leaked]


@pytest.mark.parametrize("page", CHAPTERS)
def test_code_and_output_fit_a_wide_page(open_page, page):
    tab = open_page(page, WIDE)
    tab.evaluate("document.querySelectorAll('details').forEach(folded => folded.open = true)")
    cut = tab.evaluate("""[...document.querySelectorAll('article pre')]
        .filter(box => box.scrollWidth > box.clientWidth).map(box => box.textContent.slice(0, 200))""")
    assert not cut, cut


class _Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.targets, self.ids = [], set()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        for name in ("href", "src"):
            if attributes.get(name):
                self.targets.append(attributes[name])


def _links(page):
    parser = _Links()
    parser.feed(page.read_text())
    return parser


@pytest.mark.parametrize("page", pages())
def test_links_between_pages_lead_somewhere(page):
    here = HTML / page
    for target in _links(here).targets:
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        there = (here.parent / unquote(parts.path)).resolve() if parts.path else here
        assert there.exists(), target
        if parts.fragment and there.suffix == ".html":
            assert unquote(parts.fragment) in _links(there).ids, target


@pytest.mark.parametrize("page", pages())
def test_nothing_is_fetched_from_elsewhere(page):
    text = (HTML / page).read_text()
    fetched = re.findall(r'<(?:script|img|iframe|source)[^>]*\ssrc="(https?:[^"]*)"', text)
    fetched += re.findall(r'<link[^>]*rel="(?:stylesheet|preload|icon)"[^>]*href="(https?:[^"]*)"', text)
    assert not fetched


def test_one_search_field_that_finds(open_page):
    tab = open_page("intro.html")
    tab.wait_for_timeout(300)
    assert tab.locator(".search-button-field:visible, input[type=search]:visible").count() == 1
    tab.locator(".search-button-field:visible").click()
    tab.locator("#pst-search-dialog input[type=search]").fill("backpropagation")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#search-results li a", timeout=10_000)
    assert any("backprop" in (a.get_attribute("href") or "") for a in tab.locator("#search-results li a").all())


def test_buttons_come_from_the_one_address(open_page, root):
    import yaml

    address = yaml.safe_load((root / "_config.yml").read_text())["repository"]["url"]
    path = address.removeprefix("https://github.com/")
    tab = open_page("chapters/learning/backprop.html")
    links = [a.get_attribute("href") for a in tab.locator(".article-header-buttons a").all()]
    notebook = "chapters/learning/backprop.ipynb"
    assert f"https://colab.research.google.com/github/{path}/blob/main/{notebook}" in links
    assert f"{address}/edit/main/{notebook}" in links
    assert any(link.startswith(f"{address}/issues/new") for link in links)
    assert any(link.endswith("_sources/" + notebook) for link in links)


def test_wide_formulas_scroll_in_their_own_box(open_page):
    tab = open_page("chapters/learning/backprop.html", NARROW)
    boxes = tab.evaluate(
        """() => [...document.querySelectorAll('div.math.scrolls')].map(box => {
            const tag = box.querySelector('.katex-tag')?.getBoundingClientRect();
            const last = [...box.querySelectorAll('.katex-base')].at(-1)?.getBoundingClientRect();
            return [box.scrollWidth > box.clientWidth, box.tabIndex, tag && last ? tag.left - last.right : 1];
        })"""
    )
    assert boxes
    assert all(tab_index == 0 for wide, tab_index, _ in boxes if wide), (
        "a scrolling formula must be in reach of the keyboard"
    )
    assert all(gap >= 0 for *_, gap in boxes), "a formula runs into its number"


def test_run_times_name_every_chapter(open_page):
    from dlbook_utils.book.run import chapter_paths

    tab = open_page("run-times.html")
    text = tab.locator("article table").inner_text()
    for path in chapter_paths():
        assert path.stem in text
    assert "❌" not in text
