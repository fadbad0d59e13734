"""Looks at a site as people do, in a real browser, and prints what is wrong with it as JSON.

    look.py CHROMIUM BASE_URL FOLDER NAME=PATH...

Pages that the home page leads to (at most PAGES of them, and LIKE of one kind), and those named, at two widths, light and dark:
no message on the console, no request to anywhere else, nothing that axe-core finds serious, nothing wider than the window, every
focus visible. Screenshots of the named pages are left in FOLDER.

A page is loaded once and looked at in every window: width and scheme change under it, as they do for people.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urldefrag, urljoin

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

PAGES = 60
# Pages that differ in nothing but data.
LIKE = 5
WIDTHS = {"desktop": (1280, 900), "phone": (360, 740)}
# Tab stops on one page that are looked at.
STOPS = 80

FOCUS = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const style = getComputedStyle(at);
  const box = at.getBoundingClientRect();
  return {
    what: at.outerHTML.slice(0, 120),
    visible: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none',
    shown: box.width > 0 && box.height > 0 && box.right > 0 && box.bottom > 0,
  };
}"""

# What is not inside something that scrolls by itself.
OVERFLOW = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide <= 0) return null;
  const worst = [...document.body.querySelectorAll('*')].find(
    (one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1
      && !one.closest('[tabindex="0"], pre, .scroll'));
  return `${wide}px wider than the window: ${worst ? worst.outerHTML.slice(0, 160) : 'unknown element'}`;
}"""


# What depends on the window or on colours; the rest of axe-core's rules is about the document.
OF_THE_WINDOW = {"runOnly": {"type": "rule", "values": ["color-contrast", "scrollable-region-focusable", "target-size"]}}
AXE = """(options) => axe.run(document, options).then((found) => found.violations.map((one) => (
  {id: one.id, help: one.help, impact: one.impact, nodes: one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160))})))"""


class Look:
    """One browser, and what it found."""

    def __init__(self, browser, base, folder):
        self.browser, self.base, self.folder = browser, base, folder
        self.found, self.axe = [], Axe().axe_script
        self.page = self.window("desktop", "light").new_page()
        # The page that is open.
        self.at = "/"
        self.listen(self.page, lambda: self.at)

    def wrong(self, page, what):
        self.found.append({"page": page, "what": what})

    def window(self, width, scheme, **more):
        size = {"width": WIDTHS[width][0], "height": WIDTHS[width][1]}
        return self.browser.new_context(viewport=size, color_scheme=scheme, **more)

    def listen(self, page, at, refused=400):
        """Whatever the browser complains about belongs to the page that is open; so does an answer from `refused` up."""
        page.on("console", lambda message: self.wrong(at(), f"console: {message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.wrong(at(), f"script error: {error}"))
        page.on("dialog", lambda dialog: (self.wrong(at(), "a dialog: a script ran"), dialog.dismiss()))
        page.on("request", lambda request: self.check_request(at(), request.url))
        page.on("response", lambda answer: self.check_answer(at(), answer, refused))

    def check_request(self, path, url):
        if not url.startswith((self.base, "data:")):
            self.wrong(path, f"a request to {url}")

    def check_answer(self, path, answer, refused):
        if answer.status >= refused:
            self.wrong(path, f"{answer.status} for {answer.url}")

    def links(self):
        """Paths of the pages that the open page leads to."""
        for href in self.page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)"):
            url = urldefrag(href).url
            path = url[len(self.base) - 1 :]
            # Downloads have a name with a dot; folders are pages.
            if url.startswith(self.base) and path.endswith("/"):
                yield path

    def look(self, name, path):
        """The page in every window: all four where it has a name, otherwise the two that have nothing in common."""
        page, self.at = self.page, path
        page.set_viewport_size(dict(zip(("width", "height"), WIDTHS["desktop"])))
        page.emulate_media(color_scheme="light")
        page.goto(urljoin(self.base, path))
        if page.evaluate("document.querySelectorAll('script, [style], style').length"):
            self.wrong(path, "has a script or a style of its own")
        found = list(self.links())
        page.evaluate(self.axe)
        windows = [("desktop", "light"), ("phone", "dark")]
        if name:
            windows += [("desktop", "dark"), ("phone", "light")]
        for number, (width, scheme) in enumerate(windows):
            page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width])))
            page.emulate_media(color_scheme=scheme)
            where = f"{path} ({width}, {scheme})"
            if wide := page.evaluate(OVERFLOW):
                self.wrong(where, wide)
            # The last two have the colours of the one and the width of the other.
            rules = [{}, OF_THE_WINDOW, None, None][number]
            for violation in page.evaluate(AXE, rules) if rules is not None else ():
                if violation["impact"] in ("serious", "critical"):
                    self.wrong(where, f"axe: {violation['id']}: {violation['help']}: {violation['nodes']}")
            if name:
                page.screenshot(path=self.folder / f"{name.replace(' ', '-')}-{width}-{scheme}.png", full_page=True)
        return found

    def walk_by_keyboard(self, path):
        """Every stop of the Tab key shows itself, and the first leads past the navigation."""
        context = self.window("desktop", "light")
        page = context.new_page()
        page.goto(urljoin(self.base, path))
        page.keyboard.press("Tab")
        first = page.evaluate("document.activeElement.getAttribute('href')")
        if not (first or "").startswith("#"):
            self.wrong(path, f"the first stop of Tab leads to {first}, expected a link past the navigation")
        stops, links = 1, page.locator("a[href]").count()
        while stops < STOPS:
            focus = page.evaluate(FOCUS)
            if focus is None:
                break
            if not (focus["visible"] and focus["shown"]):
                self.wrong(path, f"a focus that cannot be seen: {focus['what']}")
            page.keyboard.press("Tab")
            stops += 1
        if stops < min(links, STOPS):
            self.wrong(path, f"{stops} stops of the Tab key for {links} links")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        context.close()

    def read_without_scripts(self, paths):
        context = self.window("desktop", "light", java_script_enabled=False)
        page = context.new_page()
        for path in paths:
            page.goto(urljoin(self.base, path))
            if len(page.locator("main").inner_text().strip()) < 40:
                self.wrong(path, "nothing to read without scripts")
        context.close()

    def search(self, text, refused=400):
        """Types into the field for searching, as a person would."""
        context = self.window("desktop", "light")
        page = context.new_page()
        self.listen(page, lambda: f"the search for {text[:20]!r}", refused)
        page.goto(self.base)
        field = page.locator("input[name=q]").first
        field.fill(text)
        field.press("Enter")
        page.wait_for_load_state()
        url, said = page.url, page.locator("main").inner_text()
        if not url.startswith(self.base):
            self.wrong("/search", f"leads to {url}")
        context.close()
        return said


def kind(path):
    """A path with numbers, digests and names out of the way."""
    path = re.sub(r"^/project/[^/]+/[0-9][^/]*/", "/project/*/*/", path)
    return re.sub(r"(?<=/)([0-9a-f]{16,}|[0-9]+)(?=/)|(?<=/project/)[^/]+|(?<=q=).*", "*", path)


def main():
    chromium, base, folder, *named = sys.argv[1:]
    sights = dict(sight.split("=", 1) for sight in named)
    with sync_playwright() as playwright:
        # No sandbox of its own: tests run as root, and the only site is ours on loopback.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        look = Look(browser, base, Path(folder))
        names = {path: name for name, path in sights.items()}
        pages, like = ["/", *(path for path in names if path != "/")], Counter()
        for path in pages:
            for link in look.look(names.get(path), path):
                if link not in pages and len(pages) < PAGES and like[kind(link)] < LIKE:
                    like[kind(link)] += 1
                    pages.append(link)
        # One of each kind: what a focus looks like does not depend on what the log says.
        for path in {kind(path): path for path in names}.values():
            look.walk_by_keyboard(path)
        look.read_without_scripts(names)
        said = look.search("requests")
        if "requests" not in said:
            look.wrong("/search", f"no result for a project that is there: {said[:200]}")
        # More than a line of a request may have: refused, and politely.
        look.search("<script>alert(1)</script>\u202e" + "x" * 10_000, refused=500)
        browser.close()
    print(json.dumps({"pages": pages, "found": look.found}))


main()
