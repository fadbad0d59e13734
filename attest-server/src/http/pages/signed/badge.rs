//! Badges: one line about a release, as an image that others put into their pages.
//!
//! A badge promises no trust: it says how many groups on this log's list reproduced *every* file that anything is said
//! about, and which of them count is for each reader's policy. Its width comes from a table, so that it looks the same
//! whatever fonts there are.

use askama::Template;
use attest_core::api::record::{Counts, ReleaseRow};

use super::visible;

/// What is left of the line.
const LABEL: &str = "attest";
/// Between a text and the edge of its box, in pixels.
const MARGIN: u32 = 6;
/// Pixels of an em.
const SIZE: u32 = 11;
/// Characters of a version that are shown; a longer one is left out.
const MAX_VERSION: usize = 24;

/// Advance widths of DejaVu Sans, in thousandths of an em, from the space to the tilde. Other fonts are squeezed or
/// stretched to the same length (`textLength`).
const WIDTHS: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636,
    636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863,
    748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635,
    615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636,
    337, 636, 838,
];
/// What a character outside of that table is taken for.
const WIDEST: u16 = 1000;

/// What is said of a release, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Somebody proves something against a file of it.
    Contradicted,
    /// Every file, by the votes of at least so many groups, from one source each.
    Reproduced { groups: u64 },
    /// Every file, but the votes for some mean different sources.
    SourcesDiffer,
    /// Some of the files.
    InPart { reproduced: u64, files: u64 },
    /// Every file is the same but for what only describes it.
    Equivalent,
    /// It was tried.
    NotReproduced,
    /// Nobody on the list said anything.
    NotRebuilt,
}

impl Verdict {
    /// Of a release; `None` where nothing is said about it.
    pub(super) fn of(release: Option<&ReleaseRow>) -> Self {
        let Some(release) = release else { return Self::NotRebuilt };
        let Counts { reproduced, no_votes, equivalent, abstained, contradicted, .. } = release.counts;
        match release {
            ReleaseRow { accused: true, .. } => Self::Contradicted,
            // What nobody on the list signed, or stands by.
            _ if reproduced + no_votes + equivalent + abstained + contradicted == 0 => Self::NotRebuilt,
            ReleaseRow { reproduced, files, agree: false, .. } if reproduced == files => Self::SourcesDiffer,
            ReleaseRow { reproduced, files, groups, .. } if reproduced == files => Self::Reproduced { groups: *groups },
            ReleaseRow { reproduced: 0, files, equivalent, .. } if equivalent == files => Self::Equivalent,
            ReleaseRow { reproduced: 0, .. } => Self::NotReproduced,
            ReleaseRow { reproduced, files, .. } => Self::InPart { reproduced: *reproduced, files: *files },
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Contradicted => "contradicted".to_owned(),
            Self::Reproduced { groups: 1 } => "reproduced by 1 group".to_owned(),
            Self::Reproduced { groups } => format!("reproduced by {groups} groups"),
            Self::SourcesDiffer => "reproduced, sources differ".to_owned(),
            Self::InPart { reproduced, files } => format!("{reproduced} of {files} files reproduced"),
            Self::Equivalent => "equivalent".to_owned(),
            Self::NotReproduced => "not reproduced".to_owned(),
            Self::NotRebuilt => "not rebuilt".to_owned(),
        }
    }

    /// White text on it has a contrast of at least 4.5.
    const fn colour(&self) -> &'static str {
        match self {
            Self::Contradicted => "#b42318",
            Self::Reproduced { .. } => "#1a7f37",
            Self::SourcesDiffer | Self::InPart { .. } | Self::Equivalent => "#8a5a00",
            Self::NotReproduced | Self::NotRebuilt => "#57606a",
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "signed/badge.svg")]
struct Badge {
    title: String,
    label: Text,
    message: Text,
    width: u32,
    message_at: u32,
    colour: &'static str,
}

/// A text in its box.
#[derive(Debug)]
struct Text {
    words: String,
    /// Of the box, in pixels.
    box_width: u32,
    /// Of the text, in pixels.
    width: u32,
    /// Where the text begins.
    at: u32,
}

impl Text {
    fn new(words: String, box_at: u32) -> Self {
        let width = width(&words);
        Self { words, width, box_width: width + 2 * MARGIN, at: box_at + MARGIN }
    }
}

/// The image for a project: of its newest release, which it names.
pub(super) fn of_project(project: &str, newest: Option<&str>, verdict: &Verdict) -> askama::Result<String> {
    let Some(version) = newest else {
        return draw(&visible(project), verdict.words(), verdict);
    };
    let (about, version) = (visible(&format!("{project} {version}")), visible(version));
    let words =
        if version.chars().count() <= MAX_VERSION { format!("{version} {}", verdict.words()) } else { verdict.words() };
    draw(&about, words, verdict)
}

/// The image for one release.
pub(super) fn of_release(project: &str, version: &str, verdict: &Verdict) -> askama::Result<String> {
    draw(&visible(&format!("{project} {version}")), verdict.words(), verdict)
}

fn draw(about: &str, words: String, verdict: &Verdict) -> askama::Result<String> {
    let label = Text::new(LABEL.to_owned(), 0);
    let message = Text::new(words, label.box_width);
    let badge = Badge {
        title: format!("{LABEL}: {about}: {}", verdict.words()),
        width: label.box_width + message.box_width,
        message_at: label.box_width,
        label,
        message,
        colour: verdict.colour(),
    };
    badge.render()
}

/// Pixels that a text takes, rounded up.
fn width(text: &str) -> u32 {
    let thousandths: u32 = text
        .chars()
        .map(|c| {
            let place = u32::from(c).checked_sub(u32::from(' ')).and_then(|place| usize::try_from(place).ok());
            u32::from(place.and_then(|place| WIDTHS.get(place)).copied().unwrap_or(WIDEST))
        })
        .sum();
    (thousandths * SIZE).div_ceil(1000)
}

#[cfg(test)]
mod tests;
