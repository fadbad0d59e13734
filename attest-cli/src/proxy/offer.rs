//! What the proxy shows of a project: the files that passed, written anew, and why the others are not there.

use std::{collections::BTreeSet, fmt::Write as _};

use attest_core::artifact::{ProjectName, Version};
use serde_json::{Map, Value, json};

use super::{
    html::escaped,
    judges::{Blocked, Decision},
    listing::{LeftOut, Listed, Listing},
    upstream::Upstream,
};

/// A judged project page.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) project: ProjectName,
    /// Where its files come from.
    pub(super) index: Upstream,
    pub(super) files: Vec<Judged>,
    pub(super) left_out: Vec<LeftOut>,
}

/// A file and what was decided.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) listed: Listed,
    pub(super) decision: Decision,
}

impl Judged {
    pub(super) fn blocked(&self) -> Option<&Blocked> {
        match &self.decision {
            Decision::Passed => None,
            Decision::Blocked(blocked) => Some(blocked),
        }
    }
}

/// How a page is linked to its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    /// To the proxy, which checks the bytes.
    Here,
    /// To where the index has them: for clients that compare the digest themselves.
    Upstream,
}

impl Offer {
    pub(super) fn new(project: ProjectName, index: Upstream, listing: Listing, decisions: Vec<Decision>) -> Self {
        let judged = listing.files.into_iter().zip(decisions);
        let files = judged.map(|(listed, decision)| Judged { listed, decision }).collect();
        Self { project, index, files, left_out: listing.left_out }
    }

    /// The files that clients are shown.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Listed> {
        self.files.iter().filter(|file| file.blocked().is_none()).map(|file| &file.listed)
    }

    /// The files that clients are not shown because a policy says so.
    pub(super) fn hidden(&self) -> impl Iterator<Item = (&Listed, &Blocked)> {
        self.files.iter().filter_map(|file| Some((&file.listed, file.blocked()?)))
    }

    /// Whether it is worth asking again soon.
    pub(super) fn is_undecided(&self) -> bool {
        self.hidden().any(|(_, blocked)| blocked.undecided)
    }

    /// The newest release of which nothing that an installer could take is shown, with the reason of its first wheel, and
    /// the newest that is shown; nothing where that one is no older.
    pub(super) fn withheld(&self) -> Option<(&Version, &Blocked, Option<&Version>)> {
        let newest_shown = newest(self.shown().map(Listed::version));
        let is_shown = |version: &Version| self.shown().any(|file| file.version().same_as(version));
        let hidden: Vec<_> = self.hidden().filter(|(file, _)| !is_shown(file.version())).collect();
        let newest_hidden = newest(hidden.iter().map(|(file, _)| file.version()))?;
        if newest_shown.is_some_and(|shown| shown.compare_release(newest_hidden).is_gt()) {
            return None;
        }
        let of_it = || hidden.iter().filter(|(file, _)| file.version().same_as(newest_hidden));
        let (_, blocked) = of_it().find(|(file, _)| file.is_wheel()).or_else(|| of_it().next())?;
        Some((newest_hidden, blocked, newest_shown))
    }

    /// Where a file is, from the project page: relative, so that it leads here by whatever name the client calls us.
    pub(super) fn link(&self, file: &Listed, links: Links) -> String {
        match links {
            Links::Here => format!("../../files/{}/{}/{}", self.project, file.digest, file.name),
            Links::Upstream => file.url.to_string(),
        }
    }

    /// PEP 691.
    pub(super) fn json(&self, links: Links) -> String {
        let files: Vec<Value> = self.shown().map(|file| self.said(file, links)).collect();
        let versions: BTreeSet<&str> = self.shown().map(|file| file.version().as_str()).collect();
        // PEP 700: 1.1 promises a size for every file.
        let api = if self.shown().all(|file| file.size.is_some()) { "1.1" } else { "1.0" };
        json!({
            "meta": { "api-version": api },
            "name": self.project.as_str(),
            "versions": versions,
            "files": files,
        })
        .to_string()
    }

    fn said(&self, file: &Listed, links: Links) -> Value {
        let mut said = Map::new();
        let mut say = |key: &str, value: Value| said.insert(key.to_owned(), value);
        say("filename", json!(file.name));
        say("url", json!(self.link(file, links)));
        // sha256 alone: of several digests pip is content with any one.
        say("hashes", json!({ "sha256": file.digest.to_string() }));
        if let Some(size) = file.size {
            say("size", json!(size));
        }
        if let Some(uploaded) = &file.uploaded {
            say("upload-time", json!(uploaded));
        }
        if let Some(requires) = &file.requires_python {
            say("requires-python", json!(requires));
        }
        if let Some(reason) = &file.yanked {
            say("yanked", if reason.is_empty() { json!(true) } else { json!(reason) });
        }
        if let Some(digest) = &file.metadata {
            // PEP 714: under both names.
            for key in ["core-metadata", "dist-info-metadata"] {
                say(key, json!({ "sha256": digest.to_string() }));
            }
        }
        Value::Object(said)
    }

    /// PEP 503.
    pub(super) fn html(&self, links: Links) -> String {
        let name = escaped(self.project.as_str());
        let mut page = format!(
            "<!DOCTYPE html>\n<html><head><meta name=\"pypi:repository-version\" content=\"1.0\">\
             <title>Links for {name}</title></head><body>\n"
        );
        for file in self.shown() {
            let mut attributes = String::new();
            let mut say = |key: &str, value: &str| {
                // A String takes whatever memory holds.
                let _ = write!(attributes, " {key}=\"{}\"", escaped(value));
            };
            if let Some(requires) = &file.requires_python {
                say("data-requires-python", requires);
            }
            if let Some(reason) = &file.yanked {
                say("data-yanked", reason);
            }
            if let Some(digest) = &file.metadata {
                say("data-core-metadata", &format!("sha256={digest}"));
                say("data-dist-info-metadata", &format!("sha256={digest}"));
            }
            let link = escaped(&self.link(file, links));
            let _ =
                writeln!(page, "<a href=\"{link}#sha256={}\"{attributes}>{}</a><br>", file.digest, escaped(&file.name));
        }
        page + "</body></html>\n"
    }
}

fn newest<'a>(versions: impl Iterator<Item = &'a Version>) -> Option<&'a Version> {
    versions.max_by(|a, b| a.compare_release(b))
}

#[cfg(test)]
pub(super) mod tests;
