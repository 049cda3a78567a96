"""The review page before anything is decided: found, looked at closely, harmless, named and readable."""

import pytest
from playwright.sync_api import Page
from tests.e2e.review.reviewed_library import NAMES, PAYLOADS


def test_search_by_name_shows_what_has_it(reading, open_audit):
    audit = open_audit(f"{reading.address}?list=all&status=&text=onerror")
    assert audit.page.locator("#photo-path").inner_text().startswith(PAYLOADS[0])
    audit.press("ArrowRight")
    audit.page.get_by_role("heading", name="No photo left with this filter").wait_for()
    assert not audit.page.locator("#alike, #zoom-in").filter(visible=True).count()
    audit.press("s")
    assert "blind" not in audit.said


def test_scripts_in_names_and_notes_are_text(reading, open_audit):
    audit = open_audit(f"{reading.address}?list=all&status=")
    page = audit.page
    seen = set()
    for _ in NAMES:
        seen.add(page.locator("#photo-path").get_attribute("title"))
        check_nothing_was_injected(page)
        audit.press("ArrowRight")
        page.wait_for_timeout(20)
    for address in ("mistakes?list=all", "photos"):
        page.goto(reading.address + address)
        page.locator(".tile").first.wait_for()
        check_nothing_was_injected(page)
    page.locator(".tile", has_text="onerror").dblclick()
    page.locator("#viewport .picture").wait_for()
    assert "<img src=x onerror=alert(1)>.jpg" in page.locator("#photo-path").inner_text()
    check_nothing_was_injected(page)


def check_nothing_was_injected(page: Page) -> None:
    details = "#main details:not(#narrow, #more-labels)"
    elements = f"img[src=x], svg, iframe, style, script:not([src]), #main b, {details}"
    injected = f"{elements}, [ontoggle], [onclick], [onerror], [onload]"
    assert page.locator(injected).count() == 0


def test_my_photos_are_browsed_by_final_label(reading, context):
    page = context.new_page()
    page.goto(f"{reading.address}photos")
    page.locator("#narrow summary").click()
    page.get_by_label("Final label").select_option("scene.document")
    page.get_by_role("button", name="Remove: Final: Document").wait_for()
    assert page.locator("#count").inner_text() == "8 photos"
    assert {text.split()[-1] for text in page.locator(".tile .says").all_inner_texts()} == {"Document"}
    page.route("**/api/undo", lambda route: route.fulfill(body="no JSON"))
    with page.expect_event("pageerror"):
        page.keyboard.press("u")
    page.unroute("**/api/undo")
    page.keyboard.press("u")
    page.locator("#announcement", has_text="nothing to undo").wait_for(state="attached")
    page.locator("body:not([aria-busy])").wait_for()
    page.locator(".tile").first.focus()
    page.keyboard.press("Enter")
    page.locator("#viewport .picture").wait_for()
    assert page.locator("#scenes [aria-pressed=true]").get_attribute("data-scene") == "scene.document"


def test_a_photo_is_looked_at_closely_by_wheel_keys_and_fingers(reading, open_audit):
    audit = open_audit(reading.address)
    page, scale = audit.page, audit.page.locator("#zoom-scale")
    with page.expect_request(lambda request: "size=full" in request.url):
        audit.press("+")
    assert scale.inner_text() == "140 %"
    audit.press("z")
    assert scale.inner_text() == "100 %"
    page.locator("#viewport").hover()
    page.mouse.wheel(0, -400)
    page.locator("#viewport.is-zoomed").wait_for()
    audit.go_on("ArrowRight")
    assert scale.inner_text() == "100 %"


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_every_control_is_named_seen_and_readable(scheme, width, reading, browser):
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    for address in ("", "mistakes?list=all", "photos"):
        page.goto(reading.address + address)
        page.locator("#main .picture, .tile").first.wait_for()
        if address == "":
            page.keyboard.press("s")
            page.locator("#labels section .is-student").first.wait_for()
        assert page.evaluate(UNNAMED) == [], address
        assert page.evaluate(UNREADABLE) == [], address
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for _ in range(6):
            page.keyboard.press("Tab")
            assert page.evaluate(OUTLINE) == ["solid", "3px"], page.evaluate(
                "document.activeElement.outerHTML"
            )
    page.locator("#help-button").click()
    page.locator("#help").wait_for()
    assert page.evaluate(UNREADABLE) == []
    context.close()


OUTLINE = """() => {
  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  return [outlineStyle, outlineWidth];
}"""

UNNAMED = """() => [...document.querySelectorAll("button, a, input, select")]
  .filter((control) => control.checkVisibility())
  .filter((control) => !(control.getAttribute("aria-label") || control.textContent.trim() ||
    [...(control.labels ?? [])].some((label) => label.textContent.trim())))
  .map((control) => control.outerHTML)"""

# WCAG 2.2, 1.4.3: text against the nearest opaque background, 4.5 to 1, or 3 to 1 where it is large.
UNREADABLE = """() => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ opacityProperty: true })) continue;
    if (element.closest(":disabled, .unseen, .announcement, option")) continue;
    const style = getComputedStyle(element);
    const [one, two] = [light(parse(style.color)), light(ground(element))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < (isLarge ? 3 : 4.5)) found.push([walker.currentNode.data.trim(), ratio.toFixed(2)]);
  }
  return found;
}"""
