//! Environment markers ([dependency
//! specifiers](https://packaging.python.org/en/latest/specifications/dependency-specifiers/#environment-markers)) in three
//! values: what is not surely false is asked about, since a wrong "not for this machine" would be a file that nobody checked.

mod version;

pub(crate) use self::version::excludes;

/// What is known about a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    Yes,
    No,
    /// It depends on what is not known, or it does not parse, or two installers could read it differently.
    Unknown,
}

/// The truth of a marker where `known` gives the values of its variables.
pub(crate) fn evaluate<'k>(marker: &str, known: &dyn Fn(&str) -> Option<&'k str>) -> Truth {
    let Some(tokens) = tokens(marker) else {
        return Truth::Unknown;
    };
    let mut rest = tokens.as_slice();
    match disjunction(&mut rest, known, 0) {
        Some(truth) if rest.is_empty() => truth,
        _ => Truth::Unknown,
    }
}

/// The variables that this machine alone decides, whatever Python runs on it.
pub(crate) fn of_system(variable: &str) -> Option<&'static str> {
    match (variable, std::env::consts::OS) {
        ("os_name", "windows") => Some("nt"),
        ("os_name", _) => Some("posix"),
        ("sys_platform", "linux") => Some("linux"),
        ("sys_platform", "macos") => Some("darwin"),
        ("sys_platform", "windows") => Some("win32"),
        ("platform_system", "linux") => Some("Linux"),
        ("platform_system", "macos") => Some("Darwin"),
        ("platform_system", "windows") => Some("Windows"),
        _ => None,
    }
}

/// Parentheses deeper than this are not understood.
const MAX_DEPTH: usize = 32;

impl Truth {
    const fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Unknown,
        }
    }

    const fn negated(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
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

type Known<'a, 'k> = &'a dyn Fn(&str) -> Option<&'k str>;

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

fn disjunction(rest: &mut &[Token<'_>], known: Known<'_, '_>, depth: usize) -> Option<Truth> {
    let mut truth = conjunction(rest, known, depth)?;
    while rest.first() == Some(&Token::Word("or")) {
        *rest = &rest[1..];
        truth = truth.or(conjunction(rest, known, depth)?);
    }
    Some(truth)
}

fn conjunction(rest: &mut &[Token<'_>], known: Known<'_, '_>, depth: usize) -> Option<Truth> {
    let mut truth = comparison(rest, known, depth)?;
    while rest.first() == Some(&Token::Word("and")) {
        *rest = &rest[1..];
        truth = truth.and(comparison(rest, known, depth)?);
    }
    Some(truth)
}

fn comparison(rest: &mut &[Token<'_>], known: Known<'_, '_>, depth: usize) -> Option<Truth> {
    if rest.first() == Some(&Token::Open) {
        if depth == MAX_DEPTH {
            return None;
        }
        *rest = &rest[1..];
        let truth = disjunction(rest, known, depth + 1)?;
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
    compare(left, operator, right, known)
}

fn take<'a>(rest: &mut &[Token<'a>]) -> Option<Token<'a>> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(*first)
}

/// Exactly one side is a variable, as installers insist.
fn compare(left: Token<'_>, operator: &str, right: Token<'_>, known: Known<'_, '_>) -> Option<Truth> {
    let (variable, literal, reversed) = match (left, right) {
        (Token::Word(variable), Token::Literal(literal)) => (variable, literal, false),
        (Token::Literal(literal), Token::Word(variable)) => (variable, literal, true),
        (Token::Word(_) | Token::Literal(_), Token::Word(_) | Token::Literal(_)) => return Some(Truth::Unknown),
        _ => return None,
    };
    // The old spellings of PEP 345.
    let variable = match variable {
        "os.name" => "os_name",
        "sys.platform" => "sys_platform",
        "platform.machine" => "platform_machine",
        "platform.python_implementation" | "python_implementation" => "platform_python_implementation",
        other => other,
    };
    let Some(value) = known(variable) else {
        return Some(Truth::Unknown);
    };
    if matches!(variable, "python_version" | "python_full_version" | "implementation_version") {
        return Some(version::compare(variable, value, operator, literal, reversed));
    }
    let (left, right) = if reversed { (literal, value) } else { (value, literal) };
    Some(match operator {
        // Where both sides are versions, `1.0 == 1.0.0`.
        "==" | "!=" if literal.starts_with(|c: char| c.is_ascii_digit() || c == 'v') => Truth::Unknown,
        "==" => Truth::of(left == right),
        "!=" => Truth::of(left != right),
        "in" => Truth::of(right.contains(left)),
        "not in" => Truth::of(!right.contains(left)),
        _ => Truth::Unknown,
    })
}

#[cfg(test)]
mod tests;
