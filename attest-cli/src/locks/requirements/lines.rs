//! Physical lines to logical ones, as pip's `req_file.py` does it: continuations first, then comments.

/// A line after joining, without its comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logical {
    /// Of its first physical line, from 1.
    pub(super) number: usize,
    /// Not empty, no white space at its ends.
    pub(super) text: String,
}

/// Two readers could see different lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    #[error("expected UTF-8 text")]
    NotUtf8,
    #[error("line {line}: declares the encoding {found:?}: expected utf-8")]
    Encoding { line: usize, found: String },
    #[error("line {line}: a control or separator character (U+{found:04X}), at which pip may break the line")]
    Separator { line: usize, found: u32 },
    #[error("line {line}: a quotation mark or backslash, which pip reads as a shell does")]
    Shell { line: usize },
}

/// pip looks for `coding[:=]\s*([-\w.]+)` in comments of the first two lines.
const CODING_LINES: usize = 2;

pub(super) fn logical(bytes: &[u8]) -> Result<Vec<Logical>, LineError> {
    let text = std::str::from_utf8(bytes).map_err(|_| LineError::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut joined: Vec<Logical> = Vec::new();
    let mut pending: Option<Logical> = None;
    for (number, line) in (1..).zip(text.split('\n')) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        check(number, line)?;
        let comment = line.trim_start().starts_with('#');
        let mut whole = pending.take().unwrap_or(Logical { number, text: String::new() });
        if line.ends_with('\\') && !comment {
            whole.text.push_str(line.trim_matches('\\'));
            pending = Some(whole);
            continue;
        }
        if comment {
            // So that it is still a comment where it ends a continued line.
            whole.text.push(' ');
        }
        whole.text.push_str(line);
        joined.push(whole);
    }
    joined.extend(pending);
    let mut lines = Vec::new();
    for Logical { number, text } in joined {
        let text = without_comment(&text).trim();
        if text.contains(['"', '\'']) && split_options(text).1.iter().any(|token| token.contains(['"', '\''])) {
            return Err(LineError::Shell { line: number });
        }
        if split_options(text).1.iter().any(|token| token.contains('\\')) {
            return Err(LineError::Shell { line: number });
        }
        if !text.is_empty() {
            lines.push(Logical { number, text: text.to_owned() });
        }
    }
    Ok(lines)
}

fn check(number: usize, line: &str) -> Result<(), LineError> {
    // Python's splitlines() also breaks at \v, \f, \x1c-\x1e, \x85, \u2028 and \u2029.
    let separator = |c: &char| (c.is_control() && *c != '\t') || matches!(c, '\u{2028}' | '\u{2029}');
    if let Some(found) = line.chars().find(separator) {
        return Err(LineError::Separator { line: number, found: found.into() });
    }
    if number <= CODING_LINES
        && line.starts_with('#')
        && let Some(found) = coding(line).filter(|name| !name.eq_ignore_ascii_case("utf-8"))
    {
        return Err(LineError::Encoding { line: number, found: found.to_owned() });
    }
    Ok(())
}

fn coding(line: &str) -> Option<&str> {
    let mut rest = line;
    while let Some(at) = rest.find("coding") {
        rest = &rest[at + "coding".len()..];
        if let Some(value) = rest.strip_prefix([':', '=']) {
            let value = value.trim_start();
            let end =
                value.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(value.len());
            if end > 0 {
                return Some(&value[..end]);
            }
        }
    }
    None
}

/// `(^|\s+)#.*$`
fn without_comment(text: &str) -> &str {
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if c == '#' && before.is_whitespace() {
            return &text[..at];
        }
        before = c;
    }
    text
}

/// The requirement, and the tokens from the first one that begins with `-`.
pub(super) fn split_options(text: &str) -> (&str, Vec<&str>) {
    let mut start = 0;
    for token in text.split_whitespace() {
        let at = start + text[start..].find(token).unwrap_or(0);
        if token.starts_with('-') {
            return (text[..at].trim(), text[at..].split_whitespace().collect());
        }
        start = at + token.len();
    }
    (text.trim(), Vec::new())
}

/// `${NAME}`, which pip replaces.
pub(super) fn variable(text: &str) -> Option<&str> {
    let start = text.find("${")?;
    let end = text[start..].find('}').map_or(text.len(), |end| start + end + 1);
    Some(&text[start..end])
}
