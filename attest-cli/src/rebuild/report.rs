//! `report.html`: what differs, for reading in a browser.
//!
//! An attacker chooses the names and contents that are shown here. So there is no script, nothing is fetched from anywhere, a
//! Content-Security-Policy says both to the browser, and every text is escaped in [`Escaped`] alone.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::compare::{Found, Sides};
use super::explain::kind_in_words;
use super::record::{BuildRecord, Report, Verdict};

/// Differences in the page; report.json has all.
const MAX_DIFFERENCES: usize = 500;
/// Characters of one text.
const MAX_TEXT: usize = 1000;
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%}td,th{border-top:1px solid #8886;padding:.4rem;text-align:left;vertical-align:top}\
pre,code{font:13px/1.4 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;margin:0}.foreign{color:#b00}";

/// The page.
pub(crate) fn html(record: &BuildRecord, report: &Report<'_>) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write_page(&mut page, record, report);
    page
}

fn write_page(page: &mut String, record: &BuildRecord, report: &Report<'_>) -> fmt::Result {
    let (name, verdict) = (Escaped(&record.subject.name), report.verdict);
    let style = STANDARD.encode(Sha256::digest(STYLE));
    writeln!(page, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">")?;
    writeln!(
        page,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'\">"
    )?;
    writeln!(page, "<meta name=\"referrer\" content=\"no-referrer\">\n<title>{verdict} {name}</title>")?;
    writeln!(page, "<style>{STYLE}</style>\n<h1>{verdict}</h1>\n<table>")?;
    let row = |page: &mut String, what: &str, value: &str| {
        writeln!(page, "<tr><th>{what}<td><code>{}</code>", Escaped(value))
    };
    row(page, "published", &format!("{} sha256:{}", record.subject.name, record.subject.sha256))?;
    if let Some(rebuilt) = &record.rebuilt {
        row(page, "rebuilt", &format!("{} sha256:{}", rebuilt.name, rebuilt.sha256))?;
    }
    if let Some(emitted) = &record.emitted {
        row(page, "emitted by the build, before its zip metadata was set", &format!("sha256:{emitted}"))?;
    }
    row(page, "built on", &format!("{}, {}", record.environment.platform, record.environment.python.version))?;
    row(page, "at", &record.rebuilt_at)?;
    writeln!(page, "</table>")?;
    if !report.explanation.is_empty() {
        writeln!(page, "<h2>In words</h2>\n<pre>")?;
        for line in report.explanation {
            writeln!(page, "{}", Escaped(line))?;
        }
        writeln!(page, "</pre>")?;
    }
    write_differences(page, report)
}

fn write_differences(page: &mut String, report: &Report<'_>) -> fmt::Result {
    if report.differences.is_empty() {
        return Ok(());
    }
    let sides = match report.verdict {
        Verdict::Nondeterministic => Sides::FirstAndSecond,
        _ => Sides::PublishedAndRebuilt,
    };
    writeln!(page, "<h2>Differences: {}</h2>\n<table>", report.differences.len())?;
    for Found { path, kind, foreign_code, detail, .. } in report.differences.iter().take(MAX_DIFFERENCES) {
        let path = if path.is_empty() { "(all members)" } else { path };
        let class = if *foreign_code { " class=\"foreign\"" } else { "" };
        let kind = kind_in_words(*kind, sides);
        write!(page, "<tr><td{class}><code>{}</code><td>{kind}<td><pre>", Escaped(path))?;
        for line in detail {
            writeln!(page, "{}", Escaped(line))?;
        }
        writeln!(page, "</pre>")?;
    }
    writeln!(page, "</table>")?;
    if report.differences.len() > MAX_DIFFERENCES {
        writeln!(page, "<p>report.json has the others.")?;
    }
    Ok(())
}

/// A stranger's text inside an element or a quoted attribute: no markup, no control characters, no reversal of what follows.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for next in self.0.chars().take(MAX_TEXT) {
            match next {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                next if next.is_control() || is_invisible(next) => write!(f, "\\u{{{:x}}}", u32::from(next))?,
                next => f.write_char(next)?,
            }
        }
        if self.0.chars().nth(MAX_TEXT).is_some() { f.write_str("…") } else { Ok(()) }
    }
}

/// Marks of direction, joiners, and what has no width: names that look like others are made of them.
fn is_invisible(next: char) -> bool {
    matches!(next, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use attest_core::statement::DifferenceKind;

    use super::*;
    use crate::rebuild::lineage::Lineage;

    fn page(hostile: &str) -> String {
        let found = Found {
            path: hostile.to_owned(),
            kind: DifferenceKind::Content,
            foreign_code: true,
            cause: None,
            detail: vec![hostile.to_owned()],
        };
        let mut record = crate::rebuild::result::tests::any_record();
        record.subject.name = hostile.to_owned();
        let (explanation, differences) = ([hostile.to_owned()], vec![found; MAX_DIFFERENCES + 1]);
        let (lineage, verdict) = (Lineage::default(), Verdict::Different);
        let report =
            Report { verdict, explanation: &explanation, differences: &differences, lineage: &lineage, native: None };
        html(&record, &report)
    }

    #[test]
    fn hostile_names_and_contents_are_only_text() {
        // Every tag in it is one of these.
        const OURS: [&str; 21] = [
            "!doctype", "html", "meta", "title", "/title", "style", "/style", "h1", "/h1", "h2", "/h2", "table",
            "/table", "tr", "th", "td", "code", "/code", "pre", "/pre", "p",
        ];
        let hostile =
            "<script>alert(1)</script>\"'><img src=x onerror=alert(1)></pre></code><!--&lt;\0\x1b[31m\u{202e}";
        let page = page(hostile);
        for never in ["<script", "<img", "onerror=alert(1)>", "<!--", "\0", "\x1b", "\u{202e}"] {
            assert!(!page.contains(never), "{never:?}");
        }
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;"));
        let tags = page.split('<').skip(1).map(|rest| rest.split([' ', '>']).next().unwrap_or_default());
        assert_eq!(tags.filter(|tag| !OURS.contains(tag)).collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn the_page_needs_nothing_but_itself_and_its_style_is_the_one_that_is_allowed() {
        let page = page("demo/core.py");
        for never in ["http:", "https:", "//", "src=", "href=", "url(", "@import"] {
            assert!(!page.contains(never), "{never}");
        }
        let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let hash = STANDARD.encode(Sha256::digest(style));
        assert!(page.contains(&format!("default-src 'none'; style-src 'sha256-{hash}'")));
        assert!(page.contains("report.json has the others"));
    }

    #[test]
    fn an_endless_text_is_cut() {
        assert!(page(&"a".repeat(100_000)).len() < 3 << 20);
    }
}
