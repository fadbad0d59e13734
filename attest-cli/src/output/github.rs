//! [Workflow commands](https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions) of GitHub Actions.
//!
//! In scope: annotations, and keeping words of strangers (package names, answers of logs) from being commands: the runner
//! takes a line that begins with `::`, and `##[` anywhere in a line, for one. Out of scope: the job summary's content.

use std::fmt;

/// How loud an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Warning,
}

/// Words beside a line of a file, in a run's overview and in pull requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Annotation {
    pub(crate) kind: Kind,
    /// Relative to the repository, and a line of it.
    pub(crate) place: Option<(String, Option<usize>)>,
    pub(crate) title: String,
    pub(crate) message: String,
}

impl Annotation {
    /// Of a run that ended without an answer.
    pub(crate) fn of_error(error: &str, hint: Option<&str>) -> Self {
        let hint = hint.map_or_else(String::new, |hint| format!("\nhint: {hint}"));
        Self { kind: Kind::Error, place: None, title: "attest".to_owned(), message: format!("{error}{hint}") }
    }
}

/// `::error file=uv.lock,line=3,title=attest::message`
impl fmt::Display for Annotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Error => "::error ",
            Kind::Warning => "::warning ",
        })?;
        if let Some((file, line)) = &self.place {
            write!(f, "file={},", property(file))?;
            if let Some(line) = line {
                write!(f, "line={line},")?;
            }
        }
        write!(f, "title={}::{}", property(&self.title), data(&self.message))
    }
}

/// What the runner's `unescapeData` turns back.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What the runner's `unescapeProperty` turns back.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text that the runner takes for no command: neither one of today (`::error::`, the first thing in a line after blanks)
/// nor one of yesterday (`##[error]`, anywhere).
pub(crate) fn harmless(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| {
            let line = line.replace("##[", "## [");
            let words = line.trim_start();
            let blanks = &line[..line.len() - words.len()];
            words.strip_prefix("::").map_or_else(|| line.clone(), |rest| format!("{blanks}: :{rest}"))
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_cannot_end_its_annotation_or_begin_a_command() {
        let annotation = Annotation {
            kind: Kind::Error,
            place: Some(("a,line=1::x\n::stop-commands::y/uv.lock".to_owned(), Some(3))),
            title: "evil,file=b::\r\n::add-mask::x".to_owned(),
            message: "50% of\n::error::them\r##[add-mask]".to_owned(),
        };
        assert_eq!(
            annotation.to_string(),
            "::error file=a%2Cline=1%3A%3Ax%0A%3A%3Astop-commands%3A%3Ay/uv.lock,line=3,\
             title=evil%2Cfile=b%3A%3A%0D%0A%3A%3Aadd-mask%3A%3Ax::50%25 of%0A::error::them%0D##[add-mask]"
        );
        assert_eq!(annotation.to_string().lines().count(), 1);
    }

    #[test]
    fn plain_output_holds_no_command_of_today_or_yesterday() {
        for (text, expected) in [
            ("::error::x", ": :error::x"),
            ("ok\n \t::stop-commands::t\n", "ok\n \t: :stop-commands::t\n"),
            ("name ##[add-mask]x", "name ## [add-mask]x"),
            ("std::fmt is no command", "std::fmt is no command"),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }
}
