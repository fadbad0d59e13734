"""Looks at a site as people do, in a real browser, and prints what is wrong with it as JSON.

    look.py CHROMIUM BASE_URL FOLDER NAME=PATH...

Every page that the home page leads to (at most PAGES of them), and those named, at two widths, light and dark: no message on
the console, no request to anywhere else, nothing that axe-core finds serious, nothing wider than the window, every focus
visible. Screenshots of the named pages are left in FOLDER.
"""

import json
import sys
from pathlib import Path
from urllib.parse import urldefrag, urljoin

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

PAGES = 60
WIDTHS = {"desktop": (1280, 900), "phone": (360, 740)}
SCHEMES = ("light", "dark")
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


class Look:
    """One browser, and what it found."""

    def __init__(self, browser, base, folder):
        self.browser, self.base, self.folder = browser, base, folder
        self.found, self.links, self.axe = [], [], Axe()

    def wrong(self, page, what):
        self.found.append({"page": page, "what": what})

    def window(self, width, scheme, **more):
        size = {"width": WIDTHS[width][0], "height": WIDTHS[width][1]}
        return self.browser.new_context(viewport=size, color_scheme=scheme, **more)

    def listen(self, page, path, refused=400):
        """Whatever the browser complains about belongs to the page that is open; so does an answer from `refused` up."""
        page.on("console", lambda message: self.wrong(path, f"console: {message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.wrong(path, f"script error: {error}"))
        page.on("dialog", lambda dialog: (self.wrong(path, "a dialog: a script ran"), dialog.dismiss()))
        page.on("request", lambda request: self.check_request(path, request.url))
        page.on("response", lambda answer: self.check_answer(path, answer, refused))

    def check_request(self, path, url):
        if not url.startswith((self.base, "data:")):
            self.wrong(path, f"a request to {url}")

    def check_answer(self, path, answer, refused):
        if answer.status >= refused:
            self.wrong(path, f"{answer.status} for {answer.url}")

    def crawl(self, start):
        """Paths of the pages that `start` leads to, breadth first."""
        context = self.window("desktop", "light")
        page = context.new_page()
        queue, seen = [start], {start}
        for path in queue:
            if len(queue) >= PAGES:
                break
            page.goto(urljoin(self.base, path))
            for href in page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)"):
                url = urldefrag(href).url
                path = url[len(self.base) - 1 :]
                # Downloads have a name with a dot; folders are pages.
                if url.startswith(self.base) and path.endswith("/") and path not in seen:
                    seen.add(path)
                    queue.append(path)
        context.close()
        return queue[:PAGES]

    def look(self, name, path, width, scheme):
        context = self.window(width, scheme)
        page = context.new_page()
        self.listen(page, path)
        page.goto(urljoin(self.base, path))
        where = f"{path} ({width}, {scheme})"
        if page.evaluate("document.querySelectorAll('script, [style], style').length"):
            self.wrong(where, "has a script or a style of its own")
        if wide := page.evaluate(OVERFLOW):
            self.wrong(where, wide)
        for violation in self.axe.run(page).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                nodes = [node["html"][:160] for node in violation["nodes"][:3]]
                self.wrong(where, f"axe: {violation['id']}: {violation['help']}: {nodes}")
        if name:
            page.screenshot(path=self.folder / f"{name.replace(' ', '-')}-{width}-{scheme}.png", full_page=True)
        context.close()

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

    def read_without_scripts(self, path):
        context = self.window("desktop", "light", java_script_enabled=False)
        page = context.new_page()
        page.goto(urljoin(self.base, path))
        if len(page.locator("main").inner_text().strip()) < 40:
            self.wrong(path, "nothing to read without scripts")
        context.close()

    def search(self, text, refused=400):
        """Types into the field for searching, as a person would."""
        context = self.window("desktop", "light")
        page = context.new_page()
        self.listen(page, f"the search for {text[:20]!r}", refused)
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


def main():
    chromium, base, folder, *named = sys.argv[1:]
    sights = dict(sight.split("=", 1) for sight in named)
    with sync_playwright() as playwright:
        # No sandbox of its own: tests run as root, and the only site is ours on loopback.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        look = Look(browser, base, Path(folder))
        pages = {path: None for path in look.crawl("/")}
        pages.update({path: name for name, path in sights.items()})
        for path, name in pages.items():
            # The other two combinations differ in nothing but colour or width.
            for width, scheme in [("desktop", "light"), ("phone", "dark")]:
                look.look(name, path, width, scheme)
        for name, path in sights.items():
            for width, scheme in [("desktop", "dark"), ("phone", "light")]:
                look.look(name, path, width, scheme)
            look.walk_by_keyboard(path)
            look.read_without_scripts(path)
        said = look.search("requests")
        if "requests" not in said:
            look.wrong("/search", f"no result for a project that is there: {said[:200]}")
        # More than a line of a request may have: refused, and politely.
        look.search("<script>alert(1)</script>\u202e" + "x" * 10_000, refused=500)
        browser.close()
    print(json.dumps({"pages": list(pages), "found": look.found}))


main()
