//! What surrounds every page.

use super::{asked::Asked, assets::STYLE_PATH, shown};
use crate::http::{Role, Site};

/// Seen by `base.html`.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The way from the page to the site's root, with a slash at its end: what every link begins with.
    pub(super) root: String,
    /// Of the stylesheet, from the root.
    pub(super) style: &'static str,
    /// Name of the log, as it is shown.
    pub(super) origin: String,
    /// Whether this is a mirror of it.
    pub(super) mirror: bool,
    /// Published entries.
    pub(super) size: u64,
    /// Whether a server answers searches and gives JSON; a page that is a file has neither.
    pub(super) live: bool,
    /// What the page belongs to.
    pub(super) section: Section,
}

/// Parts of the site that every page links to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    None,
    Projects,
    Entries,
    Rebuilders,
    Disagreements,
    Log,
    Search,
}

impl Frame {
    pub(super) fn of(site: &Site, asked: &Asked) -> Self {
        Self {
            root: asked.root(),
            style: STYLE_PATH.as_str(),
            origin: shown::told(&site.origin),
            mirror: matches!(site.role, Role::Mirror { .. }),
            size: site.reader.published().head.size.get(),
            live: !asked.is_static,
            section: Section::None,
        }
    }

    pub(super) fn at(self, section: Section) -> Self {
        Self { section, ..self }
    }

    /// Section, path from the root, and word.
    #[expect(clippy::unused_self, reason = "templates call methods")]
    pub(super) const fn sections(&self) -> [(Section, &'static str, &'static str); 5] {
        [
            (Section::Projects, "projects/", "Projects"),
            (Section::Entries, "entries/", "Entries"),
            (Section::Rebuilders, "rebuilders/", "Rebuilders"),
            (Section::Disagreements, "disagreements/", "Disagreements"),
            (Section::Log, "log/", "Log"),
        ]
    }
}
