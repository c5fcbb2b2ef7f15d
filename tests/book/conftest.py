"""The built book, from the disk, in a real browser without a network."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
# keeps Chromium from calling home, which a closed network would answer with a burst of errors
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
WIDE, NARROW = {"width": 1300, "height": 900}, {"width": 390, "height": 844}


def pages():
    """Every page of the book, as a path below the build's folder."""
    return sorted(p.relative_to(HTML).as_posix() for p in HTML.rglob("*.html") if "_static" not in p.parts)


def pages_with_widgets():
    """The pages on which explore stands."""
    return [page for page in pages() if '<figure class="explore"' in (HTML / page).read_text()]


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, driven by Playwright."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        message = "no Chromium: install it (on Debian and Ubuntu: apt-get install chromium) to test the pages"
        if "CI" in os.environ:
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Open a page from the disk; a complaint of the browser, or a request that leaves the disk, fails the test."""
    contexts, complaints = [], []

    def open_(page: str, viewport=WIDE, theme="light", **options):
        context = browser.new_context(viewport=viewport, color_scheme=theme, offline=True, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda m: m.type in ("error", "warning") and complaints.append(f"{m.type}: {m.text}"))
        tab.on("pageerror", lambda e: complaints.append(f"exception: {e}"))
        tab.on("request", lambda r: r.url.startswith(("file:", "data:")) or complaints.append(f"request: {r.url}"))
        tab.on("requestfailed", lambda r: complaints.append(f"failed: {r.url}"))
        tab.goto((HTML / page).as_uri())
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert not complaints, complaints
