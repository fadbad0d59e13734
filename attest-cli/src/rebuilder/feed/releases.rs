//! An index's RSS of newest releases: each item's title is `NAME VERSION`.
//!
//! Not an XML parser: the few lines of such a feed are found by their tags, and a document that declares anything of its
//! own (a DTD, entities) is refused.

use anyhow::{Context as _, ensure};
use attest_core::artifact::{ProjectName, Version};

use crate::rebuilder::job::Release;

/// Indexes list the last hundred or so.
pub(super) const MAX_FEED: u64 = 4 << 20;
const MAX_ITEMS: usize = 1000;

/// Every release; an item that names none is left out.
pub(super) fn parse(bytes: &[u8]) -> anyhow::Result<Vec<Release>> {
    let text = std::str::from_utf8(bytes).context("expected a feed in UTF-8")?;
    ensure!(!text.contains("<!DOCTYPE") && !text.contains("<!ENTITY"), "expected a feed without declarations");
    ensure!(text.contains("<rss") && text.trim_end().ends_with("</rss>"), "expected a whole RSS document");
    let items: Vec<&str> = text.split("<item>").skip(1).collect();
    ensure!(items.len() <= MAX_ITEMS, "expected at most {MAX_ITEMS} items, found {}", items.len());
    Ok(items.into_iter().filter_map(release).collect())
}

fn release(item: &str) -> Option<Release> {
    let item = item.split_once("</item>")?.0;
    let title = item.split_once("<title>")?.1.split_once("</title>")?.0;
    // Names and versions hold nothing that would have to be escaped: a title with `&` or `<` is none.
    let (project, version) = title.trim().split_once(' ')?;
    Some(Release { project: ProjectName::new(project).ok()?, version: Version::new(version).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(items: &str) -> Vec<u8> {
        format!(
            "<?xml version=\"1.0\"?>\n<rss version=\"2.0\"><channel><title>Updates</title>{items}</channel></rss>\n"
        )
        .into_bytes()
    }

    #[test]
    fn releases_are_read_and_what_names_none_is_left_out() {
        let items = "<item><title>demo 1.0</title><link>x</link></item><item><title>Other_Name 2.0rc1</title></item>\
                     <item><title>&lt;script&gt; 1</title></item><item><title>demo</title></item><item></item>";
        let found: Vec<String> = parse(&feed(items)).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["demo==1.0", "other-name==2.0rc1"]);
    }

    #[test]
    fn declarations_floods_and_halves_are_refused() {
        let whole = feed("<item><title>demo 1.0</title></item>");
        assert!(parse(&whole[..whole.len() - 3]).is_err());
        assert!(parse(b"<html>welcome</html>").is_err());
        assert!(parse(&[b"<!DOCTYPE rss [<!ENTITY a \"b\">]>", &whole[..]].concat()).is_err());
        assert!(parse(&feed(&"<item><title>a 1</title></item>".repeat(MAX_ITEMS + 1))).is_err());
    }
}
