"""The widgets of the built pages: every one moved, by hand, by keyboard and by its button."""

import pytest

from .conftest import HTML, NARROW, WIDE, pages_with_widgets

pytestmark = pytest.mark.skipif(not HTML.exists(), reason="no built book: `make book` builds it")
MAX_BYTES = 400_000


def widgets(tab):
    """The widgets of a page, their pictures fetched."""
    found = tab.locator("figure.explore").all()
    for widget in found:
        widget.scroll_into_view_if_needed()
        widget.evaluate("figure => figure.scrollIntoView({block: 'center'})")
        tab.wait_for_timeout(100)
    tab.wait_for_load_state("networkidle")
    return found


def state(widget):
    """What the reader sees: picture, alternative text, caption, value of each knob."""
    return widget.evaluate(
        """f => ({src: f.querySelector('img').src, alt: f.querySelector('img').alt,
                 caption: f.querySelector('.explore-caption').textContent,
                 texts: [...f.querySelectorAll('output')].map(o => o.value)})"""
    )


def move(control):
    """Set a control to another value than it has, as a reader would."""
    control.evaluate(
        """c => { if (c.type === 'range') c.value = c.value === c.max ? c.min : c.max;
                  else if (c.type === 'checkbox') c.checked = !c.checked;
                  else c.selectedIndex = (c.selectedIndex + 1) % c.options.length;
                  c.dispatchEvent(new Event('input', {bubbles: true})); }"""
    )


def test_there_are_widgets():
    assert len(pages_with_widgets()) >= 2


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("page", pages_with_widgets())
def test_every_knob_changes_picture_and_text_at_once(open_page, page, viewport):
    tab = open_page(page, viewport)
    for widget in widgets(tab):
        for control in widget.locator("input, select").all():
            label = widget.locator(f"label[for='{control.get_attribute('id')}']")
            assert label.text_content().strip()
            before = state(widget)
            move(control)
            after = state(widget)  # no waiting: the change is there when the handler returns
            assert after["src"] != before["src"], label.text_content()
            assert after["texts"] != before["texts"]
            assert after["alt"] == after["caption"] and len(after["alt"]) > 15
            assert widget.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 200


@pytest.mark.parametrize("page", pages_with_widgets())
def test_nothing_jumps_while_knobs_move(open_page, page):
    tab = open_page(page, NARROW)
    for widget in widgets(tab):
        heights = set()
        for control in widget.locator("input, select").all():
            for _ in range(3):
                move(control)
                heights.add(round(widget.evaluate("f => f.getBoundingClientRect().height")))
        assert max(heights) - min(heights) <= 1, heights


@pytest.mark.parametrize("page", pages_with_widgets())
def test_all_captions_of_a_widget_differ_from_the_setting_alone(open_page, page):
    """Who cannot see the picture learns what it shows: the caption is a sentence, and changes with the picture."""
    tab = open_page(page)
    for widget in widgets(tab):
        frames = widget.evaluate("f => JSON.parse(f.querySelector('script').textContent)")
        captions = [frame["caption"] for frame in frames]
        assert len(set(captions)) >= len({frame["src"] for frame in frames}) * 0.9
        assert all(len(caption.split()) >= 6 for caption in captions)


def test_keyboard_moves_a_slider(open_page):
    tab = open_page(pages_with_widgets()[0])
    widget = widgets(tab)[0]
    slider = widget.locator("input[type=range]").first
    slider.evaluate("s => { s.value = s.min; s.dispatchEvent(new Event('input')); }")
    before = state(widget)
    slider.focus()
    tab.keyboard.press("ArrowRight")
    after = state(widget)
    assert after["src"] != before["src"]
    value = widget.locator(f"output[for='{slider.get_attribute('id')}']").text_content()
    assert slider.get_attribute("aria-valuetext") == value != ""


def test_play_steps_the_first_knob_and_pauses(open_page):
    tab = open_page(next(page for page in pages_with_widgets() if "backprop" in page))
    widget = widgets(tab)[0]
    assert int(widget.locator("input[type=range]").first.get_attribute("max")) >= 2, "three values, to see it step"
    button = widget.locator(".explore-play")
    seen = {state(widget)["texts"][0]}
    button.click()
    assert button.inner_text() == "Pause"
    for _ in range(3):
        tab.wait_for_timeout(750)
        seen.add(state(widget)["texts"][0])
    assert len(seen) >= 3
    button.click()
    assert button.inner_text() == "Play"
    still = state(widget)
    tab.wait_for_timeout(900)
    assert state(widget) == still


def test_less_motion_means_one_step_a_press(open_page):
    tab = open_page(pages_with_widgets()[0], reduced_motion="reduce")
    widget = widgets(tab)[0]
    before = state(widget)
    widget.locator(".explore-play").click()
    once = state(widget)
    tab.wait_for_timeout(1000)
    assert once != before and state(widget) == once


@pytest.mark.parametrize("page", pages_with_widgets())
def test_two_hundred_moves_leak_nothing(open_page, page):
    tab = open_page(page)
    found = widgets(tab)
    for widget in found:  # every picture once, so that what is kept is there
        for control in widget.locator("input, select").all():
            move(control)
    session = tab.context.new_cdp_session(tab)

    def counts():
        session.send("HeapProfiler.collectGarbage")
        return session.send("Memory.getDOMCounters")

    before = counts()
    for i in range(200):
        widget = found[i % len(found)]
        controls = widget.locator("input, select")
        move(controls.nth(i // len(found) % controls.count()))
    after = counts()
    assert after["nodes"] <= before["nodes"] + 50, (before, after)
    assert after["jsEventListeners"] <= before["jsEventListeners"] + 5, (before, after)


@pytest.mark.parametrize("page", pages_with_widgets())
def test_pictures_keep_to_their_weight_and_wait_until_the_reader_is_near(open_page, page):
    tab = open_page(page)
    fetched = []
    tab.on("request", lambda r: fetched.append(r.url))
    for widget in tab.locator("figure.explore").all():
        sources = widget.evaluate(
            "f => JSON.parse(f.querySelector('script').textContent).map(p => new URL(p.src, document.baseURI).pathname)"
        )
        assert sum((HTML / s.split("/html/", 1)[1]).stat().st_size for s in set(sources)) <= MAX_BYTES
    tab.reload()
    tab.wait_for_timeout(500)
    pictures = {url for url in fetched if url.endswith(".webp")}
    frames = tab.locator("figure.explore script").all()
    total = sum(script.evaluate("s => JSON.parse(s.textContent).length") for script in frames)
    assert len(pictures) < total / 2, "the widgets' pictures were fetched while the page was loading"
