//! The project page of [PEP 503](https://peps.python.org/pep-0503/): its anchors, and nothing that could be read in two ways.
//!
//! Clients never see an upstream page: what they get is written anew from the files that passed. This parser therefore does
//! not have to agree with theirs about broken markup; it has to refuse it, so that no file is missed in silence.

use std::collections::BTreeMap;

/// More is no attribute of an anchor of an index.
const MAX_ATTRIBUTES: usize = 32;
/// Elements whose content is not markup, or not ours to read.
const OPAQUE: [&str; 8] = ["script", "style", "title", "textarea", "template", "noscript", "svg", "math"];

/// What of a page matters.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Markup {
    /// Of `<base href>`, which every relative URL is relative to.
    pub(super) base: Option<String>,
    /// Of `<meta name="pypi:repository-version">` ([PEP 629](https://peps.python.org/pep-0629/)).
    pub(super) version: Option<String>,
    pub(super) anchors: Vec<Anchor>,
}

/// One anchor: names of attributes in lower case, everything decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) text: String,
}

/// Why a page cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HtmlError {
    #[error("expected the end of {what} that begins at byte {at}")]
    Endless { what: &'static str, at: usize },
    #[error("expected a tag at byte {at}")]
    Tag { at: usize },
    #[error("expected an attribute at byte {at}")]
    Attribute { at: usize },
    #[error("the attribute {name:?} stands twice at byte {at}")]
    Twice { name: String, at: usize },
    #[error("an anchor within an anchor at byte {at}")]
    Nested { at: usize },
    #[error("expected a character reference, found {found:?}")]
    Reference { found: String },
    #[error("two <base> elements")]
    Bases,
}

pub(super) fn anchors(page: &str) -> Result<Markup, HtmlError> {
    let mut reader = Reader { page, at: 0 };
    let mut found = Markup::default();
    let mut open: Option<(usize, Anchor)> = None;
    while let Some(piece) = reader.next()? {
        match piece {
            Piece::Text(text) => {
                if let Some((_, anchor)) = &mut open {
                    anchor.text.push_str(&decoded(text)?);
                }
            }
            Piece::Open { name, attributes, at } if name == "a" => {
                if open.replace((at, Anchor { attributes, text: String::new() })).is_some() {
                    return Err(HtmlError::Nested { at });
                }
            }
            Piece::Open { name, mut attributes, .. } => match name.as_str() {
                "base" => {
                    if let Some(href) = attributes.remove("href")
                        && found.base.replace(href).is_some()
                    {
                        return Err(HtmlError::Bases);
                    }
                }
                "meta" if attributes.get("name").is_some_and(|name| name == "pypi:repository-version") => {
                    found.version = attributes.remove("content");
                }
                _ => {}
            },
            Piece::Close(name) => {
                if name == "a"
                    && let Some((_, anchor)) = open.take()
                {
                    found.anchors.push(Anchor { text: anchor.text.trim().to_owned(), ..anchor });
                }
            }
        }
    }
    match open {
        Some((at, _)) => Err(HtmlError::Endless { what: "the anchor", at }),
        None => Ok(found),
    }
}

enum Piece<'a> {
    Text(&'a str),
    Open { name: String, attributes: BTreeMap<String, String>, at: usize },
    Close(String),
}

struct Reader<'a> {
    page: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.page[self.at..]
    }

    fn next(&mut self) -> Result<Option<Piece<'a>>, HtmlError> {
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return Ok(None);
            }
            if !rest.starts_with('<') {
                let text = &rest[..rest.find('<').unwrap_or(rest.len())];
                self.at += text.len();
                return Ok(Some(Piece::Text(text)));
            }
            if rest.starts_with("<!--") {
                self.skip_past("-->", "the comment")?;
            } else if rest.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("<!doctype")) {
                self.skip_past(">", "the document type")?;
            } else if rest.starts_with("</") {
                let name = self.name(2)?;
                self.skip_past(">", "the tag")?;
                return Ok(Some(Piece::Close(name)));
            } else {
                return self.open().map(Some);
            }
        }
    }

    fn open(&mut self) -> Result<Piece<'a>, HtmlError> {
        let at = self.at;
        let name = self.name(1)?;
        self.at += 1 + name.len();
        let mut attributes = BTreeMap::new();
        loop {
            self.skip_space();
            let rest = self.rest();
            if rest.starts_with('>') {
                self.at += 1;
                break;
            }
            if rest.starts_with("/>") {
                self.at += 2;
                break;
            }
            if rest.is_empty() || attributes.len() >= MAX_ATTRIBUTES {
                return Err(HtmlError::Endless { what: "the tag", at });
            }
            let (name, value) = self.attribute()?;
            if attributes.contains_key(&name) {
                return Err(HtmlError::Twice { name, at });
            }
            attributes.insert(name, value);
        }
        if OPAQUE.contains(&name.as_str()) {
            self.skip_element(&name, at)?;
        }
        Ok(Piece::Open { name, attributes, at })
    }

    /// The name of the tag that begins here, in lower case.
    fn name(&self, skipped: usize) -> Result<String, HtmlError> {
        let rest = self.rest().get(skipped..).unwrap_or_default();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
        if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            Ok(rest[..end].to_ascii_lowercase())
        } else {
            Err(HtmlError::Tag { at: self.at })
        }
    }

    fn attribute(&mut self) -> Result<(String, String), HtmlError> {
        let at = self.at;
        let rest = self.rest();
        let end = rest.find(|c: char| c.is_ascii_whitespace() || "=>/\"'<".contains(c)).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        if name.is_empty() {
            return Err(HtmlError::Attribute { at });
        }
        self.at += end;
        self.skip_space();
        if !self.rest().starts_with('=') {
            return Ok((name, String::new()));
        }
        self.at += 1;
        self.skip_space();
        let rest = self.rest();
        let value = if let Some(quote @ ('"' | '\'')) = rest.chars().next() {
            let end = rest[1..].find(quote).ok_or(HtmlError::Endless { what: "the attribute", at })?;
            self.at += end + 2;
            &rest[1..=end]
        } else {
            let end = rest.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(rest.len());
            let value = &rest[..end];
            if value.is_empty() || value.contains(['"', '\'', '<', '=', '`']) {
                return Err(HtmlError::Attribute { at });
            }
            self.at += end;
            value
        };
        Ok((name, decoded(value)?))
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_whitespace()).len();
    }

    fn skip_past(&mut self, end: &str, what: &'static str) -> Result<(), HtmlError> {
        let found = self.rest().find(end).ok_or(HtmlError::Endless { what, at: self.at })?;
        self.at += found + end.len();
        Ok(())
    }

    fn skip_element(&mut self, name: &str, at: usize) -> Result<(), HtmlError> {
        let end = format!("</{name}");
        let rest = self.rest().as_bytes();
        let found = rest.windows(end.len()).position(|window| window.eq_ignore_ascii_case(end.as_bytes()));
        self.at += found.ok_or(HtmlError::Endless { what: "the element", at })?;
        Ok(())
    }
}

/// Resolves character references: those that indexes write, and numbers.
fn decoded(text: &str) -> Result<String, HtmlError> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        // `?a=1&b=2` is what people write; a name that a semicolon ends is a reference.
        let name = rest.split_once(';').map(|(name, _)| name).filter(|name| is_reference(name));
        let Some(name) = name else {
            decoded.push('&');
            continue;
        };
        decoded.push(character(name).ok_or_else(|| HtmlError::Reference { found: format!("&{name};") })?);
        rest = &rest[name.len() + 1..];
    }
    decoded.push_str(rest);
    Ok(decoded)
}

fn is_reference(name: &str) -> bool {
    let digits = name.strip_prefix('#').unwrap_or(name);
    !digits.is_empty() && digits.len() <= 31 && digits.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return code.ok().and_then(char::from_u32).filter(|c| !c.is_control());
    }
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => None,
    }
}

/// Text as content or attribute of our own pages.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(page: &str) -> Vec<String> {
        anchors(page).unwrap().anchors.into_iter().map(|anchor| anchor.text).collect()
    }

    #[test]
    fn anchors_are_found_however_they_are_written() {
        let page = "<!DOCTYPE html><html><head><title>Links <a></title><meta name=pypi:repository-version content=1.1>\
                    </head><body><!-- <a href=no>no</a> --><A HREF='a.whl#sha256=ab' Data-Requires-Python=\"&gt;=3.8\"\n>\
                    a.whl</A><br/><a data-yanked href=b?x&amp;y&z >b <b>bold</b></a>\
                    <script>if (a<b) '<a href=x>'</script></body></html>";
        let found = anchors(page).unwrap();
        assert_eq!(found.version.as_deref(), Some("1.1"));
        let [first, second] = found.anchors.as_slice() else { panic!("{found:?}") };
        assert_eq!((first.text.as_str(), first.attributes["href"].as_str()), ("a.whl", "a.whl#sha256=ab"));
        assert_eq!(first.attributes["data-requires-python"], ">=3.8");
        assert_eq!((second.text.as_str(), second.attributes["data-yanked"].as_str()), ("b bold", ""));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for page in [
            "<a href='x'>open",
            "<a href='x>y</a>",
            "<a href=x href=y>z</a>",
            "<a href=x>y<a href=z>w</a></a>",
            "<a href=x\">y</a>",
            "<a =x>y</a>",
            "<!-- <a href=x>y</a>",
            "<script><a href=x>y</a>",
            "< a href=x>y</a>",
            "<?xml?><a href=x>y</a>",
            "<base href=a><base href=b>",
            "<a href='&unknown;'>y</a>",
            "<a href='&#0;'>y</a>",
        ] {
            assert!(anchors(page).is_err(), "{page}");
        }
        assert!(texts("nothing").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_page_makes_it_fall(page in "[<>a/ ='\"&;#x!\u{e4}b-]{0,60}") {
            let _ = anchors(&page);
        }
    }

    #[test]
    fn what_strangers_wrote_cannot_become_markup() {
        assert_eq!(escaped("<script>'\"&"), "&lt;script&gt;&#39;&quot;&amp;");
    }
}
