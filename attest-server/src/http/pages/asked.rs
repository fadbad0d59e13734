//! What a request for a page names. Paths are taken as they were sent and have one spelling each: whoever uses another is
//! sent to it, by a path below the site's own root and never to anything that the request says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use attest_core::{
    api::record::EntryView,
    artifact::{ArtifactDigest, ProjectName, Version},
    merkle::LeafIndex,
};
use axum::{
    extract::Request,
    http::{HeaderMap, header},
};

use super::wrong::Wrong;

/// Bytes of a search that are looked at: its text, percent-encoded in every byte.
const MAX_QUERY: usize = 4 * attest_core::api::record::MAX_QUERY;
/// Entries that answers share: a page has its downloads beside it, and some pages are made at a time.
const SHARED: usize = 32;

/// The parts of a request that pages look at.
#[derive(Clone, Debug)]
pub(in crate::http) struct Asked {
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    /// The page becomes a file: there is no server behind it.
    pub(super) is_static: bool,
    shared: Option<Static>,
}

/// Marks a request, as an extension, whose answer is kept as a file, and has what such answers share: the log stands still
/// between them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Static {
    entries: Arc<Mutex<VecDeque<Arc<EntryView>>>>,
}

impl Static {
    fn kept(&self, index: LeafIndex) -> Option<Arc<EntryView>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().find(|view| view.row.index == index.get()).cloned()
    }

    fn keep(&self, view: Arc<EntryView>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.truncate(SHARED - 1);
        entries.push_front(view);
    }
}

impl Asked {
    pub(in crate::http) fn of(request: &Request) -> Self {
        Self {
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            headers: request.headers().clone(),
            is_static: request.extensions().get::<Static>().is_some(),
            shared: request.extensions().get().cloned(),
        }
    }

    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// An entry, worked out by `view`: once for all the files that show a part of it.
    pub(super) fn entry<E>(
        &self,
        index: LeafIndex,
        view: impl FnOnce() -> Result<Option<EntryView>, E>,
    ) -> Result<Option<Arc<EntryView>>, E> {
        let Some(shared) = &self.shared else { return Ok(view()?.map(Arc::new)) };
        if let Some(kept) = shared.kept(index) {
            return Ok(Some(kept));
        }
        let view = view()?.map(Arc::new);
        view.iter().cloned().for_each(|view| shared.keep(view));
        Ok(view)
    }

    /// Whether tools ask there, whatever they say they take.
    pub(super) fn is_api(&self) -> bool {
        self.path.starts_with("/api/v1/")
    }

    /// The way from the page to the site's root: one step for every folder that it is in.
    pub(super) fn root(&self) -> String {
        match self.path.matches('/').count() {
            0 | 1 => "./".to_owned(),
            slashes => "../".repeat(slashes - 1),
        }
    }

    /// Whether a person's browser asks: a page is what it wants most.
    pub(super) fn wants_page(&self) -> bool {
        let accepts = |value: &str| {
            value.split(',').any(|range| {
                let mut parts = range.split(';').map(str::trim);
                let is_html = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("text/html"));
                // RFC 9110 section 12.4.2: weight 0 means "not acceptable".
                let refused = |part: &str| matches!(part, "q=0" | "q=0." | "q=0.0" | "q=0.00" | "q=0.000");
                is_html && !parts.any(refused)
            })
        };
        self.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(accepts)
    }

    /// Leads to `path`, from the root on, whoever spelled it otherwise.
    pub(super) fn must_be(&self, path: &str) -> Result<(), Wrong> {
        if self.path.strip_prefix('/') == Some(path) { Ok(()) } else { Err(Wrong::Moved { to: path.to_owned() }) }
    }

    /// As [`Asked::must_be`], for the page of the list in `folder` that begins below `before`; without, its first one.
    pub(super) fn must_be_page(&self, folder: &str, before: Option<LeafIndex>) -> Result<(), Wrong> {
        match before {
            None => self.must_be(&format!("{folder}/")),
            Some(index) => self.must_be(&format!("{folder}/before/{index}/")),
        }
    }

    /// The project of a segment.
    pub(super) fn project(&self, segment: usize) -> Result<ProjectName, Wrong> {
        let name = self.segment(segment)?;
        ProjectName::new(&name)
            .map_err(|_| Wrong::NotFound { what: "No project can have that name.", near: Vec::new() })
    }

    /// The version of a segment, as it is spelled there.
    pub(super) fn version(&self, segment: usize) -> Result<Version, Wrong> {
        let version = self.segment(segment)?;
        Version::new(&version).map_err(|_| Wrong::NotFound { what: "That is no version.", near: Vec::new() })
    }

    /// The digest of a segment.
    pub(super) fn digest(&self, segment: usize) -> Result<ArtifactDigest, Wrong> {
        let digest = self.segment(segment)?.to_ascii_lowercase();
        let wrong = "Expected the SHA-256 of a file: 64 hexadecimal digits.";
        digest.parse().map_err(|_| Wrong::Malformed { what: wrong })
    }

    /// The index of a segment; none where the path has no such segment.
    pub(super) fn index(&self, segment: usize) -> Result<Option<LeafIndex>, Wrong> {
        let Some(text) = self.segments().nth(segment) else { return Ok(None) };
        let wrong = Wrong::Malformed { what: "Expected the index of an entry: a number without a sign." };
        if text.len() > 20 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong);
        }
        text.parse().map(|index| Some(LeafIndex::new(index))).map_err(|_| wrong)
    }

    /// A segment in words; empty where the path has none.
    pub(super) fn segment(&self, segment: usize) -> Result<String, Wrong> {
        let text = self.segments().nth(segment).unwrap_or_default();
        percent_decoded(text, false).ok_or(Wrong::Malformed { what: "The address has a broken percent-encoding." })
    }

    /// The value of `q`, cut where nobody's search is longer.
    pub(super) fn searched(&self) -> Result<String, Wrong> {
        let mut pairs = self.query.iter().flat_map(|query| query.split('&'));
        let Some(value) = pairs.find_map(|pair| pair.strip_prefix("q=")) else { return Ok(String::new()) };
        if value.len() > MAX_QUERY {
            return Err(Wrong::Malformed { what: "That is longer than anything there is to find." });
        }
        percent_decoded(value, true).ok_or(Wrong::Malformed { what: "The search has a broken percent-encoding." })
    }

    fn segments(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').skip(1).filter(|segment| !segment.is_empty())
    }
}

/// Decoded exactly once; `None` where an escape is broken or the result is no UTF-8.
fn percent_decoded(text: &str, is_form: bool) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            b'+' if is_form => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn asked(uri: &str) -> Asked {
        Asked::of(&Request::builder().uri(uri).body(Body::empty()).unwrap())
    }

    #[test]
    fn the_root_is_found_from_any_depth() {
        for (path, root) in [
            ("/", "./"),
            ("/log", "./"),
            ("/log/", "../"),
            ("/project/six", "../"),
            ("/project/six/", "../../"),
            ("/a//b/", "../../../"),
        ] {
            assert_eq!(asked(path).root(), root, "{path}");
        }
    }

    #[test]
    fn another_spelling_leads_to_the_one_below_the_root_and_nowhere_else() {
        for path in ["/project/Zope.Interface/", "/project/zope-interface", "/project/zope%2Dinterface/"] {
            let asked = asked(path);
            let canonical = format!("project/{}/", asked.project(1).unwrap());
            assert!(matches!(asked.must_be(&canonical), Err(Wrong::Moved { to }) if to == "project/zope-interface/"));
        }
        assert!(asked("/project/zope-interface/").must_be("project/zope-interface/").is_ok());
        for path in ["/project/javascript:alert(1)", "/project/%2F%2Fevil.example/", "/project/..%2f..%2f/"] {
            assert!(matches!(asked(path).project(1), Err(Wrong::NotFound { .. })), "{path}");
        }
    }

    #[test]
    fn broken_encodings_are_told_and_decode_to_nothing() {
        for path in ["/project/%", "/project/%2", "/project/%zz/", "/project/%ff/"] {
            assert!(matches!(asked(path).project(1), Err(Wrong::Malformed { .. })), "{path}");
        }
        // Decoded once.
        assert_eq!(asked("/project/%2541/").segment(1).unwrap(), "%41");
        assert_eq!(asked("/search/?q=a+b%20c&q=d").searched().unwrap(), "a b c");
        assert!(asked(&format!("/search/?q={}", "x".repeat(10_000))).searched().is_err());
    }

    #[test]
    fn an_index_has_digits_only() {
        assert_eq!(asked("/entries/before/17/").index(2).unwrap(), Some(LeafIndex::new(17)));
        assert_eq!(asked("/entries/").index(2).unwrap(), None);
        for path in ["/entries/before/+1/", "/entries/before/-1/", "/entries/before/99999999999999999999/"] {
            assert!(asked(path).index(2).is_err(), "{path}");
        }
    }

    #[test]
    fn a_browser_gets_a_page_and_curl_gets_text() {
        let accepting = |value: &str| {
            Asked::of(&Request::builder().header("accept", value).body(Body::empty()).unwrap()).wants_page()
        };
        assert!(accepting("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(accepting("Text/HTML; q=0.5"));
        assert!(!accepting("*/*"));
        assert!(!accepting("text/plain"));
        assert!(!accepting("text/html;q=0, text/plain"));
        assert!(!asked("/").wants_page());
    }
}
