//! What a difference between the published and the rebuilt wheel means for an accusation (docs/TRUST.md 4.2). A list that
//! is cut keeps the weightiest, so that nobody hides code among forty harmless files.

use super::limits::escape_path;
use super::{Difference, DifferenceKind, MAX_DIFFERENCE_PATH};

/// What Python imports or runs at start-up, and what systems execute. Compared in lower case.
const CODE_SUFFIXES: [&str; 20] = [
    ".bat", ".cmd", ".com", ".dll", ".dylib", ".egg", ".exe", ".pth", ".ps1", ".py", ".pyc", ".pyd", ".pyo", ".pyw",
    ".pyz", ".sh", ".so", ".start", ".whl", ".zip",
];

/// Ordered: the weightiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// The content does not otherwise match: this is another build, not the same one with something added.
    OtherContent,
    /// Importable or executable, and only in the published file.
    ForeignCode,
    /// Anything else.
    Other,
}

/// The weight of a difference whose path is escaped and cut.
pub(crate) fn weight(difference: &Difference) -> Weight {
    match difference.kind {
        DifferenceKind::OnlyInPublished if is_code(&difference.path) => Weight::ForeignCode,
        DifferenceKind::Content if !is_label(&difference.path) => Weight::OtherContent,
        DifferenceKind::OnlyInRebuilt if is_code(&difference.path) => Weight::OtherContent,
        DifferenceKind::OnlyInPublished
        | DifferenceKind::OnlyInRebuilt
        | DifferenceKind::Content
        | DifferenceKind::ZipMetadata
        | DifferenceKind::Order
        | DifferenceKind::Compression => Weight::Other,
    }
}

/// Members that describe the wheel and run nowhere. Whoever adds code could change a byte of them too, and so a
/// difference in them must not make it look like another build. entry_points.txt is not one of them: it makes commands.
fn is_label(path: &str) -> bool {
    const LABELS: [&str; 4] = ["METADATA", "RECORD", "WHEEL", "top_level.txt"];
    const LICENCES: [&str; 5] = ["authors", "copying", "licence", "license", "notice"];
    let Some((folder, rest)) = path.split_once('/') else {
        return false;
    };
    let lower = rest.to_ascii_lowercase();
    let licence = lower.starts_with("licenses/")
        || (!rest.contains('/') && LICENCES.iter().any(|start| lower.starts_with(start)));
    folder.ends_with(".dist-info") && (LABELS.contains(&rest) || (licence && !is_code(path)))
}

/// Whether a member of a wheel is what Python imports or runs, what a system executes, or what an installer makes
/// commands of: the one definition of docs/TRUST.md 4.2. The path is as archived or as a statement has it.
pub fn is_code(path: &str) -> bool {
    // Escaping a path again changes nothing.
    is_code_escaped(&escape_path(path))
}

fn is_code_escaped(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default();
    // Installers put these into the environment's folder of programs, whatever their suffix.
    let program = [".data/scripts/", ".data/data/bin/", ".data/data/scripts/"]
        .iter()
        .filter_map(|folder| path.split_once(folder))
        .any(|(wheel, _)| !wheel.contains('/'));
    // Installers make commands of it.
    let entry_points =
        path.split_once('/').is_some_and(|(folder, rest)| folder.ends_with(".dist-info") && rest == "entry_points.txt");
    // A path that was cut when it was signed could end in anything: the last escape sequence that did not fit has at
    // most ten bytes.
    let cut = path.len() + 10 > MAX_DIFFERENCE_PATH;
    cut || program
        || entry_points
        || CODE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        // Versioned shared objects: libfoo.so.1.2
        || name.contains(".so.")
}
