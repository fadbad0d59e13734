//! Environment markers ([PEP 508](https://packaging.python.org/specifications/dependency-specifiers/#environment-markers)),
//! only as far as this machine alone decides them.
//!
//! Which Python will install is not known here, so `python_version` and the like are unknown, and so is whatever does
//! not parse. What is not surely false is asked about: a wrong "not for this machine" would be a file that nobody checked.

/// Whether a marker is false whatever Python runs on this machine.
pub(super) fn is_false_here(marker: &str) -> bool {
    let Some(tokens) = tokens(marker) else {
        return false;
    };
    let mut rest = tokens.as_slice();
    match disjunction(&mut rest, 0) {
        Some(truth) if rest.is_empty() => truth == Truth::No,
        _ => false,
    }
}

/// Parentheses deeper than this are not understood.
const MAX_DEPTH: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    Yes,
    No,
    Unknown,
}

impl Truth {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Unknown,
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::No, Self::No) => Self::No,
            _ => Self::Unknown,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Literal(&'a str),
    Operator(&'a str),
    Open,
    Close,
}

fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '\'' | '"' => {
                let end = rest[1..].find(first)?;
                (Token::Literal(&rest[1..=end]), end + 2)
            }
            '<' | '>' | '=' | '!' | '~' => {
                let length = rest.find(|c| !"<>=!~".contains(c)).unwrap_or(rest.len());
                (Token::Operator(&rest[..length]), length)
            }
            c if c.is_ascii_alphanumeric() => {
                let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
                let length = rest.find(|c| !word(c)).unwrap_or(rest.len());
                (Token::Word(&rest[..length]), length)
            }
            _ => return None,
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

fn disjunction(rest: &mut &[Token<'_>], depth: usize) -> Option<Truth> {
    let mut truth = conjunction(rest, depth)?;
    while rest.first() == Some(&Token::Word("or")) {
        *rest = &rest[1..];
        truth = truth.or(conjunction(rest, depth)?);
    }
    Some(truth)
}

fn conjunction(rest: &mut &[Token<'_>], depth: usize) -> Option<Truth> {
    let mut truth = comparison(rest, depth)?;
    while rest.first() == Some(&Token::Word("and")) {
        *rest = &rest[1..];
        truth = truth.and(comparison(rest, depth)?);
    }
    Some(truth)
}

fn comparison(rest: &mut &[Token<'_>], depth: usize) -> Option<Truth> {
    if rest.first() == Some(&Token::Open) {
        if depth == MAX_DEPTH {
            return None;
        }
        *rest = &rest[1..];
        let truth = disjunction(rest, depth + 1)?;
        return (take(rest)? == Token::Close).then_some(truth);
    }
    let left = take(rest)?;
    let operator = match take(rest)? {
        Token::Operator(operator) => operator,
        Token::Word("in") => "in",
        Token::Word("not") => (take(rest)? == Token::Word("in")).then_some("not in")?,
        _ => return None,
    };
    let right = take(rest)?;
    Some(match (side(left)?, side(right)?) {
        (Side::Known(left), Side::Known(right)) => compare(left, operator, right),
        _ => Truth::Unknown,
    })
}

fn take<'a>(rest: &mut &[Token<'a>]) -> Option<Token<'a>> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(*first)
}

/// A side of a comparison, as far as this machine decides it.
enum Side<'a> {
    Known(&'a str),
    /// It depends on the Python.
    Unknown,
}

fn side(token: Token<'_>) -> Option<Side<'_>> {
    Some(match token {
        Token::Literal(text) => Side::Known(text),
        Token::Word("os_name" | "os.name") => Side::Known(if cfg!(windows) { "nt" } else { "posix" }),
        Token::Word("sys_platform" | "sys.platform") => match std::env::consts::OS {
            "linux" => Side::Known("linux"),
            "macos" => Side::Known("darwin"),
            "windows" => Side::Known("win32"),
            _ => Side::Unknown,
        },
        Token::Word("platform_system") => match std::env::consts::OS {
            "linux" => Side::Known("Linux"),
            "macos" => Side::Known("Darwin"),
            "windows" => Side::Known("Windows"),
            _ => Side::Unknown,
        },
        Token::Word(_) => Side::Unknown,
        Token::Operator(_) | Token::Open | Token::Close => return None,
    })
}

/// Only what is the same for text and for versions.
fn compare(left: &str, operator: &str, right: &str) -> Truth {
    let truth = |holds| if holds { Truth::Yes } else { Truth::No };
    // Where both sides are versions, `1.0 == 1.0.0`.
    let versions = |text: &str| text.starts_with(|c: char| c.is_ascii_digit() || c == 'v');
    match operator {
        "==" | "!=" if versions(left) || versions(right) => Truth::Unknown,
        "==" => truth(left == right),
        "!=" => truth(left != right),
        "in" => truth(right.contains(left)),
        "not in" => truth(!right.contains(left)),
        _ => Truth::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_python_here_can_select_is_left_out() {
        let here = std::env::consts::OS == "linux";
        for (marker, is_false) in [
            ("sys_platform == 'win32'", here),
            ("sys_platform == \"win32\" and python_version >= '3.8'", here),
            ("python_version >= '3.8' and (os_name == 'nt' or sys_platform == 'darwin')", here),
            ("'linux' not in sys_platform", here),
            ("platform_system == 'Windows'", here),
            ("sys_platform == 'linux'", false),
            ("sys_platform != 'win32'", false),
            ("sys_platform == 'win32' or python_version < '4'", false),
            ("python_version < '3'", false),
            ("platform_machine == 'no such'", false),
            ("extra == 'test'", false),
            ("sys_platform = 'win32'", false),
            ("sys_platform == 'win32' garbage", false),
            ("sys_platform == 'win32", false),
            ("(sys_platform == 'win32'", false),
            ("", false),
        ] {
            assert_eq!(is_false_here(marker), is_false, "{marker}");
        }
        let deep = format!("{}sys_platform == 'win32'{}", "(".repeat(10_000), ")".repeat(10_000));
        assert!(!is_false_here(&deep));
    }
}
