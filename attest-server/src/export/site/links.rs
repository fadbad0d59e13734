//! The links of a page that this server rendered.
//!
//! Our templates write attributes in double quotes, and what others wrote has its quotes and angle brackets escaped, so tags
//! and attributes can be told from text without an HTML parser.

use std::collections::BTreeSet;

/// A link that a folder of files cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    /// The copy may lie below any path.
    #[error("expected a relative link, found {found:?}")]
    NotRelative { found: String },
    /// It leads out of the site.
    #[error("expected a link inside the site, found {found:?}")]
    Outside { found: String },
    /// Files answer no questions.
    #[error("expected a link without a query, found {found:?}")]
    Query { found: String },
    /// Percent-encoding, empty parts and dots: names that a file system or a server would take for another.
    #[error("expected a link whose parts are plain names, found {found:?}")]
    Name { found: String },
}

/// The places on the site that a page leads to, from the site's root; its own fragments and other sites left out.
pub(super) fn links(page: &str, html: &str) -> Vec<Result<String, LinkError>> {
    let mut found = BTreeSet::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let end = tag_end(after);
        let (tag, behind) = after.split_at(end);
        rest = behind;
        for name in [" href=\"", " src=\"", " action=\""] {
            found.extend(tag.split(name).skip(1).filter_map(|value| value.split('"').next()).map(unescape));
        }
    }
    found.iter().filter_map(|link| resolve(page, link).transpose()).collect()
}

/// Where a tag ends: at the first `>` that is in no quotes.
fn tag_end(tag: &str) -> usize {
    let mut quoted = false;
    for (at, byte) in tag.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'>' if !quoted => return at,
            _ => {}
        }
    }
    tag.len()
}

/// The references that templates write into attributes.
fn unescape(value: &str) -> String {
    [("&#34;", "\""), ("&quot;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&lt;", "<"), ("&#62;", ">"), ("&gt;", ">")]
        .iter()
        .fold(value.to_owned(), |text, (reference, character)| text.replace(reference, character))
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

/// Where a link leads, from the site's root; `None` where it stays on the page or leaves the site.
fn resolve(page: &str, link: &str) -> Result<Option<String>, LinkError> {
    let found = || link.to_owned();
    let (link, _) = link.split_once('#').unwrap_or((link, ""));
    let scheme = link.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'));
    if link.is_empty() || scheme {
        return Ok(None);
    }
    if link.starts_with('/') {
        return Err(LinkError::NotRelative { found: found() });
    }
    if link.contains('?') {
        return Err(LinkError::Query { found: found() });
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    // What is behind the last slash: a file, or nothing for a page.
    let (folders, file) = link.rsplit_once('/').map_or((None, link), |(folders, file)| (Some(folders), file));
    for part in folders.map(|folders| folders.split('/')).into_iter().flatten() {
        match part {
            "." => {}
            ".." => {
                parts.pop().ok_or_else(|| LinkError::Outside { found: found() })?;
            }
            part => parts.push(part),
        }
    }
    let file = match file {
        "." => "",
        ".." => {
            parts.pop().ok_or_else(|| LinkError::Outside { found: found() })?;
            ""
        }
        file => file,
    };
    let plain = |part: &&str| !part.is_empty() && !part.starts_with('.') && !part.contains(['%', '\\', '\0']);
    if !parts.iter().all(plain) || !(file.is_empty() || plain(&file)) {
        return Err(LinkError::Name { found: found() });
    }
    let folders: String = parts.iter().flat_map(|part| [part, "/"]).collect();
    Ok(Some(folders + file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_resolved_as_browsers_do() {
        for (page, link, expected) in [
            ("", "project/six/", Some("project/six/")),
            ("", "./", Some("")),
            ("", ".", Some("")),
            ("entry/5/", "../../", Some("")),
            ("entry/5/", "../..", Some("")),
            ("entry/5/", "pae", Some("entry/5/pae")),
            ("entry/5/", "../7/#path", Some("entry/7/")),
            ("entry/5/", "#path", None),
            ("entry/5/", "", None),
            ("entry/5/", "https://other.example/x", None),
            ("entry/5/", "mailto:a@b.example", None),
            ("project/x/1!2.0+l/", "./", Some("project/x/1!2.0+l/")),
        ] {
            assert_eq!(resolve(page, link), Ok(expected.map(str::to_owned)), "{page} {link}");
        }
    }

    #[test]
    fn what_no_file_can_stand_for_is_refused() {
        let error = |page, link| resolve(page, link).unwrap_err();
        assert!(matches!(error("", "/log/"), LinkError::NotRelative { .. }));
        assert!(matches!(error("", "//other.example/"), LinkError::NotRelative { .. }));
        assert!(matches!(error("entry/5/", "../../../etc/passwd"), LinkError::Outside { .. }));
        assert!(matches!(error("", "../"), LinkError::Outside { .. }));
        assert!(matches!(error("", "search/?q=six"), LinkError::Query { .. }));
        for link in ["a//b", "a/.git/b", "%2e%2e/b", "a\\b", ".attest-site"] {
            assert!(matches!(error("", link), LinkError::Name { .. }), "{link}");
        }
    }

    #[test]
    fn only_attributes_of_tags_are_links() {
        let html = "<a class=\"x > y\" href=\"a/?#b\">href=\"no/\"</a>\n<link rel=\"x\" href=\"style.css\"><p title=\"t\">\
                    &lt;a href=&#34;evil/&#34;&gt;</p><img alt=\"\" src=\"b&amp;c\"/>";
        let found: Vec<_> = links("", html).into_iter().map(|link| link.map_err(|_| ())).collect();
        assert_eq!(found, [Err(()), Ok("b&c".to_owned()), Ok("style.css".to_owned())]);
    }
}
