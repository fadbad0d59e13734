"""Reads everything on a site as strictly as there are parsers for it, and prints what is wrong as JSON.

    strict.py BASE_URL TEMPLATES ATOM_RNG PATH...

Follows every link of every page from / and from each PATH. Pages are parsed as HTML (html5lib), badges as XML (lxml), feeds by
a schema of RFC 4287 and as feed readers do (feedparser), the rest by what it says it is. Whatever the log says, elements and
attributes are those of the templates, links lead where templates lead, and nothing that hides or reorders text is in any of it.
"""

import http.client
import json
import re
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

import feedparser
import html5lib
from lxml import etree

ATOM = "{http://www.w3.org/2005/Atom}"
SVG = "{http://www.w3.org/2000/svg}"
XHTML = "{http://www.w3.org/1999/xhtml}"
# Pages that one run reads at most: more is a loop of links.
MOST = 5_000
# Controls, what turns text around, what has no width, and what is no character (attest-core/src/escape.rs).
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\U000e0000-\U000e007f]"
)
LINKS = ("href", "src", "action", "formaction", "data", "poster", "srcset", "ping", "cite", "background", "manifest")
# Bytes as they were signed or logged: nobody may change them, so nobody may run them.
RAW = ("/pae", "/signature.sig", "/envelope.json", "/entry.bin", "/entry.tlog-proof", "/certificate.asc", "/checkpoint")


class Reader:
    def __init__(self, base, templates, schema):
        self.base = base
        self.connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
        self.schema = etree.RelaxNG(etree.parse(schema))
        self.elements, self.attributes = of_templates(templates)
        self.found, self.read, self.titles = [], Counter(), {}

    def wrong(self, path, what):
        self.found.append({"page": path, "what": what})

    def get(self, path):
        self.connection.request("GET", path, headers={"Accept": "text/html, */*;q=0.5"})
        answer = self.connection.getresponse()
        return answer, answer.read()

    def visit(self, path):
        """Looks at one answer; the paths that it leads to."""
        answer, body = self.get(path)
        kind = answer.headers.get_content_type()
        if answer.status in (301, 302, 307, 308):
            to = urljoin(self.base.rstrip("/") + path, answer.headers["location"])
            if not to.startswith(self.base):
                self.wrong(path, f"leads to {to}")
                return []
            return [to[len(self.base) - 1 :]]
        if answer.status != 200:
            self.wrong(path, f"status {answer.status}")
            return []
        self.read[kind] += 1
        policy = answer.headers.get("content-security-policy", "")
        if answer.headers.get("x-content-type-options") != "nosniff":
            self.wrong(path, "a browser may take it for something else")
        if kind in ("text/html", "image/svg+xml", "application/atom+xml") and "default-src 'none'" not in policy:
            self.wrong(path, f"the policy {policy!r}")
        if path.endswith(RAW) or kind in ("text/css", "application/octet-stream"):
            return []
        text = body.decode()
        if hidden := HIDDEN.search(text):
            at = hidden.start()
            self.wrong(path, f"hidden characters: {text[max(0, at - 60) : at + 20]!a}")
        if kind == "text/html":
            return self.html(path, text)
        if kind == "image/svg+xml":
            self.svg(path, body)
        elif kind == "application/atom+xml":
            return self.atom(path, body)
        elif kind in ("application/json", "application/problem+json"):
            json.loads(text)
        elif kind != "text/plain":
            self.wrong(path, f"nobody expects {kind} here")
        return []

    def html(self, path, text):
        parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"))
        document = parser.parse(text)
        for place, code, more in parser.errors[:3]:
            self.wrong(path, f"not HTML at {place}: {code} {more}")
        ids = Counter(node.get("id") for node in document.iter() if node.get("id"))
        for name, count in ids.items():
            if count > 1:
                self.wrong(path, f"{count} elements with the id {name!r}")
        links = []
        for node in document.iter():
            if not isinstance(node.tag, str):
                self.wrong(path, f"a comment or an instruction: {node}")
                continue
            links += self.element(path, node, node.tag.replace(XHTML, "").replace(SVG, ""))
        return links

    def element(self, path, node, name):
        """The links of an element that a template has."""
        if name not in self.elements:
            self.wrong(path, f"an element of nobody's: {name!r}")
        links = []
        for attribute, value in node.attrib.items():
            if attribute not in self.attributes and attribute != "{http://www.w3.org/2000/xmlns/}xmlns":
                self.wrong(path, f"an attribute of nobody's: {attribute!r} of {name!r}")
            if attribute in LINKS:
                links += self.link(path, value)
        return links

    def link(self, path, value):
        url = urldefrag(urljoin(self.base.rstrip("/") + path, value)).url
        if url.startswith(self.base):
            return [url[len(self.base) - 1 :]]
        parts = urlsplit(url)
        # What templates link to beside the site: specifications, and what is said by the list of rebuilders.
        if parts.scheme not in ("https", "mailto") or "evil" in parts.netloc or re.search(r"[\s<>\"']", url):
            self.wrong(path, f"a link to {value!r}")
        return []

    def svg(self, path, body):
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
        for node in root.iter():
            name = str(node.tag).replace(SVG, "")
            if name not in ("svg", "title", "rect", "path", "g", "text", "circle"):
                self.wrong(path, f"a picture with {name!r}")
            for attribute in node.attrib:
                if attribute in LINKS or attribute.startswith(("on", "{", "style")):
                    self.wrong(path, f"a picture with the attribute {attribute!r}")
        if path.endswith("/badge.svg"):
            named = root.xpath("//*[@id = $id]", id=root.get("aria-labelledby", ""))
            if root.get("role") != "img" or not named or not (named[0].text or "").strip():
                self.wrong(path, "a picture without a name for those who do not see it")

    def atom(self, path, body):
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
        if not self.schema.validate(root):
            self.wrong(path, f"no feed: {self.schema.error_log.last_error}")
            return []
        entries = root.findall(f"{ATOM}entry")
        text = lambda node, name: node.findtext(ATOM + name)
        ids = [text(node, "id") for node in [root, *entries]]
        if len(set(ids)) != len(ids):
            self.wrong(path, "two entries of one id")
        if entries and text(root, "updated") < max(text(entry, "updated") for entry in entries):
            self.wrong(path, "older than its newest entry")
        links = []
        for node in [root, *entries]:
            kinds = Counter((link.get("rel"), link.get("type")) for link in node.findall(f"{ATOM}link"))
            if kinds[("alternate", "text/html")] != 1 or (node is root and kinds[("self", "application/atom+xml")] != 1):
                self.wrong(path, f"links of {text(node, 'id')}: {kinds}")
            for link in node.findall(f"{ATOM}link"):
                links += self.link(path, link.get("href"))
        # As readers see it: nothing was repaired, nothing lost, and no title has become markup.
        seen = feedparser.parse(body, sanitize_html=False, resolve_relative_uris=False)
        if seen.bozo or seen.version != "atom10" or len(seen.entries) != len(entries):
            self.wrong(path, f"feedparser: {seen.get('bozo_exception')}, {seen.version}, {len(seen.entries)} entries")
        for entry, node in zip(seen.entries, entries):
            if entry.title_detail.type != "text/plain" or entry.title != text(node, "title").strip():
                self.wrong(path, f"a title that is read as {entry.title!r}")
        return links


def of_templates(folder):
    """Names of the elements and attributes that templates have."""
    elements, attributes = set(), set()
    for file in Path(folder).rglob("*"):
        if file.suffix in (".html", ".svg"):
            # What a template works out stands for a word: that of a value, or of nothing.
            text = re.sub(r"\{#.*?#\}|\{%.*?%\}", " ", file.read_text(), flags=re.S)
            text = re.sub(r"\{\{.*?\}\}", "0", text, flags=re.S)
            for tag, rest in re.findall(r"<([a-z][a-zA-Z0-9]*)((?:\"[^\"]*\"|[^<>\"])*)>", text):
                elements.add(tag)
                attributes.update(re.findall(r"[a-zA-Z][a-zA-Z0-9-]*", re.sub(r"\"[^\"]*\"", "", rest)))
    # A parser writes them where they are left out.
    return elements | {"tbody"}, attributes


def main():
    base, templates, schema, *paths = sys.argv[1:]
    reader = Reader(base, templates, schema)
    waiting = ["/", *paths]
    seen = set(waiting)
    for path in waiting:
        if len(waiting) > MOST:
            reader.wrong(path, f"more than {MOST} pages")
            break
        for link in reader.visit(path):
            if link not in seen:
                seen.add(link)
                waiting.append(link)
    print(json.dumps({"read": reader.read, "paths": waiting, "found": reader.found}))


main()
