//! What an index says about a project, file by file: [PEP 691](https://peps.python.org/pep-0691/) JSON with the fields of
//! [PEP 700](https://peps.python.org/pep-0700/), or [PEP 503](https://peps.python.org/pep-0503/) HTML, by the same rules.
//!
//! A file that cannot be judged is left out and counted; a page that makes no sense is an error as a whole.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use attest_core::artifact::{ArtifactDigest, ProjectName, Version, WheelName};
use reqwest::Url;
use serde::Deserialize;

use super::html::{self, Anchor, HtmlError};
use crate::item::Unattestable;

/// Files of one project; the busiest have some ten thousand.
const MAX_FILES: usize = 100_000;
/// Bytes of one file.
pub(super) const MAX_FILE: u64 = 16 << 30;
/// Characters of a file's name, its Python versions, its time.
const MAX_FIELD: usize = 512;
/// Characters of the reason of a yank that are handed on.
const MAX_REASON: usize = 200;
const SDIST_ENDS: [&str; 7] = [".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz", ".tbz", ".tar"];

/// A project page.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) files: Vec<Listed>,
    pub(super) left_out: Vec<LeftOut>,
}

/// A file that can be judged.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Where it is, without credentials.
    pub(super) url: Url,
    pub(super) digest: ArtifactDigest,
    pub(super) size: Option<u64>,
    pub(super) uploaded: Option<String>,
    pub(super) requires_python: Option<String>,
    /// The reason, perhaps empty, where it was yanked (PEP 592).
    pub(super) yanked: Option<String>,
    /// Of the metadata beside the file (PEP 658), where the index serves it and says its digest.
    pub(super) metadata: Option<ArtifactDigest>,
}

/// What an installer would do with it.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Wheel(WheelName),
    /// Builds it.
    Sdist(Version),
}

impl Listed {
    pub(super) fn version(&self) -> &Version {
        match &self.kind {
            Kind::Wheel(name) => &name.version,
            Kind::Sdist(version) => version,
        }
    }

    pub(super) fn is_wheel(&self) -> bool {
        matches!(self.kind, Kind::Wheel(_))
    }
}

/// A file that nobody is shown, whatever the policy says.
#[derive(Clone, Debug)]
pub(super) struct LeftOut {
    pub(super) name: String,
    pub(super) why: Unlisted,
}

/// Why a file cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unlisted {
    #[error("neither a wheel nor a source distribution")]
    NotInstallable,
    #[error("not a file name of this project")]
    Name,
    #[error("the index gives no sha256 of it")]
    NoSha256,
    #[error("the index gives a sha256 that is none")]
    Digest,
    #[error("the index lists it twice, with different contents")]
    Twice,
    #[error("it is not over https, although the index is")]
    LedAway,
    #[error("the index says something about it that no index says: {0}")]
    Malformed(String),
}

impl Unlisted {
    /// Eggs and installers of another time are on many pages: nobody misses them.
    pub(super) fn is_expected(&self) -> bool {
        *self == Self::NotInstallable
    }
}

/// Why a page is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListingError {
    #[error("expected JSON of the Simple repository API")]
    Json(#[from] serde_json::Error),
    #[error("expected HTML of the Simple repository API")]
    Html(#[from] HtmlError),
    #[error("expected API version 1, found {found:?}")]
    ApiVersion { found: String },
    #[error("expected project {expected}, found {found:?}")]
    Project { expected: ProjectName, found: String },
    #[error("expected at most {MAX_FILES} files, found {found}")]
    Files { found: usize },
    #[error("expected a base URL")]
    Base,
}

/// What a page says about one file, in either form.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Claim {
    filename: String,
    url: String,
    hashes: BTreeMap<String, String>,
    size: Option<u64>,
    upload_time: Option<String>,
    requires_python: Option<String>,
    yanked: Option<Flag>,
    core_metadata: Option<Metadata>,
    #[serde(alias = "data-dist-info-metadata")]
    dist_info_metadata: Option<Metadata>,
}

/// PEP 592: a flag, or the reason for it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Flag {
    Is(bool),
    Because(String),
}

/// PEP 658 and PEP 714.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Metadata {
    #[expect(dead_code, reason = "without a digest nothing vouches for it")]
    Is(bool),
    Hashed(BTreeMap<String, String>),
}

/// Reads PEP 691 JSON. `base` is the page's URL, `is_safe` says where a file may be.
pub(super) fn json(
    body: &[u8],
    project: &ProjectName,
    base: &Url,
    is_safe: impl Fn(&Url) -> bool,
) -> Result<Listing, ListingError> {
    #[derive(Deserialize)]
    struct Page {
        meta: Meta,
        name: String,
        files: Vec<serde_json::Value>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Meta {
        api_version: String,
    }
    let page: Page = serde_json::from_slice(body)?;
    check_version(&page.meta.api_version)?;
    if ProjectName::new(&page.name).as_ref() != Ok(project) {
        return Err(ListingError::Project { expected: project.clone(), found: page.name });
    }
    let claims = page.files.into_iter().map(|file| {
        let name = file.get("filename").and_then(serde_json::Value::as_str).unwrap_or("?").to_owned();
        serde_json::from_value::<Claim>(file)
            .map_err(|error| LeftOut { name: shown(&name), why: Unlisted::Malformed(error.to_string()) })
    });
    listing(claims.collect(), project, base, is_safe)
}

/// Reads PEP 503 HTML.
pub(super) fn html(
    page: &str,
    project: &ProjectName,
    base: &Url,
    is_safe: impl Fn(&Url) -> bool,
) -> Result<Listing, ListingError> {
    let page = html::anchors(page)?;
    if let Some(version) = &page.version {
        check_version(version)?;
    }
    let base = match &page.base {
        Some(href) => &base.join(href).map_err(|_| ListingError::Base)?,
        None => base,
    };
    let claims = page.anchors.into_iter().map(Claim::of_anchor).collect();
    listing(claims, project, base, is_safe)
}

fn check_version(found: &str) -> Result<(), ListingError> {
    // PEP 629: a higher minor version is read like the one we know.
    let major = found.split_once('.').map_or(found, |(major, _)| major);
    if major == "1" { Ok(()) } else { Err(ListingError::ApiVersion { found: found.to_owned() }) }
}

fn listing(
    claims: Vec<Result<Claim, LeftOut>>,
    project: &ProjectName,
    base: &Url,
    is_safe: impl Fn(&Url) -> bool,
) -> Result<Listing, ListingError> {
    if claims.len() > MAX_FILES {
        return Err(ListingError::Files { found: claims.len() });
    }
    let mut listing = Listing { files: Vec::new(), left_out: Vec::new() };
    let mut digests: HashMap<String, Option<ArtifactDigest>> = HashMap::new();
    for claim in claims {
        let accepted = claim.and_then(|claim| {
            let name = shown(&claim.filename);
            claim.accept(project, base, &is_safe).map_err(|why| LeftOut { name, why })
        });
        let name = accepted.as_ref().map_or_else(|left| left.name.clone(), |file| file.name.clone());
        let digest = accepted.as_ref().ok().map(|file| file.digest);
        match digests.get(&name) {
            None => {
                digests.insert(name, digest);
            }
            // Said again is not said twice.
            Some(known) if *known == digest => continue,
            Some(_) => {
                listing.files.retain(|file| file.name != name);
                listing.left_out.retain(|left| left.name != name);
                listing.left_out.push(LeftOut { name, why: Unlisted::Twice });
                continue;
            }
        }
        match accepted {
            Ok(file) => listing.files.push(file),
            Err(left) => listing.left_out.push(left),
        }
    }
    Ok(listing)
}

impl Claim {
    fn of_anchor(anchor: Anchor) -> Result<Self, LeftOut> {
        let Anchor { mut attributes, text } = anchor;
        let malformed = |why: &str| LeftOut { name: shown(&text), why: Unlisted::Malformed(why.to_owned()) };
        let href = attributes.remove("href").ok_or_else(|| malformed("an anchor without href"))?;
        let (url, fragment) = href.split_once('#').unwrap_or((&href, ""));
        let hashes = fragment.split('&').filter_map(|part| part.split_once('='));
        let mut known = BTreeMap::new();
        for (name, hex) in hashes.filter(|(name, _)| *name == "sha256") {
            if known.insert(name.to_owned(), hex.to_owned()).is_some() {
                return Err(malformed("two sha256 of one file"));
            }
        }
        let metadata = |value: Option<String>| {
            let (name, hex) = value.as_deref()?.split_once('=')?;
            Some(Metadata::Hashed(BTreeMap::from([(name.to_owned(), hex.to_owned())])))
        };
        Ok(Self {
            url: url.to_owned(),
            hashes: known,
            size: None,
            upload_time: None,
            requires_python: attributes.remove("data-requires-python"),
            yanked: attributes.remove("data-yanked").map(Flag::Because),
            core_metadata: metadata(attributes.remove("data-core-metadata")),
            dist_info_metadata: metadata(attributes.remove("data-dist-info-metadata")),
            filename: text,
        })
    }

    fn accept(self, project: &ProjectName, base: &Url, is_safe: impl Fn(&Url) -> bool) -> Result<Listed, Unlisted> {
        let malformed = |what: &str| Unlisted::Malformed(what.to_owned());
        let kind = kind(&self.filename, project)?;
        let digest = self.hashes.get("sha256").ok_or(Unlisted::NoSha256)?;
        let digest = digest.parse().map_err(|_| Unlisted::Digest)?;
        let mut url = base.join(&self.url).map_err(|_| malformed("its URL"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(malformed("its URL"));
        }
        url.set_fragment(None);
        // Whoever can write the page must not say as whom we ask. Neither fails on a URL with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        if !is_safe(&url) {
            return Err(Unlisted::LedAway);
        }
        if self.size.is_some_and(|size| size > MAX_FILE) {
            return Err(malformed("its size"));
        }
        let plain = |field: &Option<String>| {
            field
                .as_ref()
                .is_none_or(|text| text.len() <= MAX_FIELD && text.bytes().all(|b| (b' '..=b'~').contains(&b)))
        };
        if !plain(&self.upload_time) || !plain(&self.requires_python) {
            return Err(malformed("its upload time or Python versions"));
        }
        let yanked = match self.yanked {
            Some(Flag::Because(reason)) => Some(shown(&reason.chars().take(MAX_REASON).collect::<String>())),
            Some(Flag::Is(true)) => Some(String::new()),
            Some(Flag::Is(false)) | None => None,
        };
        // Without a digest nothing vouches for metadata, and clients then read it from the file itself, which is judged.
        let metadata =
            [self.core_metadata, self.dist_info_metadata].into_iter().flatten().find_map(|said| match said {
                Metadata::Hashed(hashes) => hashes.get("sha256").and_then(|hex| hex.parse().ok()),
                Metadata::Is(_) => None,
            });
        Ok(Listed {
            metadata: metadata.filter(|_| matches!(kind, Kind::Wheel(_))),
            name: self.filename,
            kind,
            url,
            digest,
            size: self.size,
            uploaded: self.upload_time,
            requires_python: self.requires_python.filter(|text| !text.is_empty()),
            yanked,
        })
    }
}

/// A name becomes a path of our URLs, so it must be only a name, and of this project: another project's wheel on this page
/// would be installed as this one.
fn kind(name: &str, project: &ProjectName) -> Result<Kind, Unlisted> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+' | b'!');
    if name.len() > MAX_FIELD || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(Unlisted::Name);
    }
    if crate::wheels::is_wheel(Path::new(name)) {
        return match WheelName::parse(name) {
            Ok(wheel) if wheel.project == *project => Ok(Kind::Wheel(wheel)),
            _ => Err(Unlisted::Name),
        };
    }
    if Unattestable::by_name(name) != Unattestable::Sdist {
        return Err(Unlisted::NotInstallable);
    }
    let stem = SDIST_ENDS.iter().find_map(|end| name.strip_suffix(end)).ok_or(Unlisted::NotInstallable)?;
    let split = stem.match_indices('-').find_map(|(at, _)| {
        let matches = ProjectName::new(&stem[..at]).is_ok_and(|found| found == *project);
        if matches { Version::new(&stem[at + 1..]).ok() } else { None }
    });
    split.map(Kind::Sdist).ok_or(Unlisted::Name)
}

/// What a stranger wrote, as one line that cannot move a cursor.
fn shown(text: &str) -> String {
    text.chars().take(MAX_FIELD).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests;
