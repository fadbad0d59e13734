//! The forms of a statement's texts. Each function says yes to one spelling of what it names.

use super::limits::is_plain;
use super::{MAX_DIFFERENCE_PATH, MAX_TEXT, StatementError};
use crate::artifact::{MAX_NAME, excerpt};

pub(super) fn check_text(member: &'static str, text: &str) -> Result<(), StatementError> {
    if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(char::is_control) {
        return Err(StatementError::Text { member, max: MAX_TEXT, found: excerpt(text) });
    }
    Ok(())
}

pub(super) fn check_form(
    member: &'static str,
    expected: &'static str,
    text: &str,
    is_form: impl FnOnce(&str) -> bool,
) -> Result<(), StatementError> {
    if text.len() > MAX_TEXT || !is_form(text) {
        return Err(StatementError::Form { member, expected, found: excerpt(text) });
    }
    Ok(())
}

pub(super) fn is_uri(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
    };
    text.bytes().all(|b| b.is_ascii_graphic())
        && text.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
}

pub(super) fn is_purl(text: &str) -> bool {
    text.strip_prefix("pkg:").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic()))
}

/// `git+https://HOST/PATH` in the one spelling per repository of docs/TRUST.md 3.6, so that a policy's pin can be
/// compared as text.
pub fn is_repository(text: &str) -> bool {
    let Some((host, path)) = text.strip_prefix("git+https://").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+'))
    };
    host.split('.').all(is_label) && path.split('/').all(is_segment) && !has_git_suffix(path)
}

fn has_git_suffix(path: &str) -> bool {
    path.len() >= 4 && path.as_bytes()[path.len() - 4..].eq_ignore_ascii_case(b".git")
}

/// `refs/tags/NAME` or `refs/heads/NAME` as
/// [git-check-ref-format](https://git-scm.com/docs/git-check-ref-format) has it, over printable ASCII.
pub fn is_ref(text: &str) -> bool {
    let Some(name) = text.strip_prefix("refs/tags/").or_else(|| text.strip_prefix("refs/heads/")) else {
        return false;
    };
    let is_component = |part: &str| !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none();
    name.bytes().all(|b| b.is_ascii_graphic() && !b"~^:?*[\\".contains(&b))
        && name.split('/').all(is_component)
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
}

pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

pub(crate) fn is_file_name(text: &str) -> bool {
    text.len() <= MAX_NAME
        && !matches!(text, "" | "." | "..")
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b'\\'))
}

pub(super) fn is_platform(text: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    text.split_once('/').is_some_and(|(os, architecture)| is_word(os) && is_word(architecture))
}

pub(crate) fn is_variable(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

pub(super) fn is_umask(text: &str) -> bool {
    matches!(text.as_bytes(), [b'0', rest @ ..] if rest.len() == 3 && rest.iter().all(|b| matches!(b, b'0'..=b'7')))
}

pub(super) fn is_utc_time(text: &str) -> bool {
    text.parse::<crate::time::Timestamp>().is_ok()
}

/// The closed list of docs/TRUST.md 3.4: what no interpreter imports or runs. RECORD is on it for the rows of the
/// others.
pub fn may_differ(path: &str) -> bool {
    const NEVER: [&str; 6] = [".py", ".pyc", ".so", ".pyd", ".dll", ".pth"];
    let plain = path.len() <= MAX_DIFFERENCE_PATH && path.chars().all(is_plain);
    let Some((top, rest)) = path.split_once('/') else {
        return false;
    };
    let in_sboms = rest.strip_prefix("sboms/").is_some_and(|file| file.split('/').all(is_path_segment));
    let lower = rest.to_ascii_lowercase();
    plain
        && top.len() > ".dist-info".len()
        && top.ends_with(".dist-info")
        && (rest == "RECORD" || in_sboms)
        && !NEVER.iter().any(|suffix| lower.ends_with(suffix))
}

fn is_path_segment(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..") && !segment.contains('\\')
}
