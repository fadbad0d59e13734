//! What a command says: results on stdout, everything else on stderr, and one JSON document where a tool is reading.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

use crate::exit::{self, Exit};

mod board;
pub(crate) mod github;
pub(crate) mod sarif;
mod task;

pub(crate) use board::Board;
pub(crate) use task::Task;

/// `--output-format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One document on stdout, errors included.
    Json,
    /// SARIF 2.1.0: what failed, for code scanning.
    Sarif,
    /// Workflow commands of GitHub Actions, and a job summary.
    Github,
}

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Even into a file.
    Always,
    /// Not at all.
    Never,
}

/// What a piece of text is, as far as colour goes; nothing is told by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Good,
    Bad,
    Caution,
    Strong,
    Faint,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "1;31",
            Self::Caution => "33",
            Self::Strong => "1",
            Self::Faint => "2",
        }
    }
}

/// How a run speaks, from its flags.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    pub(crate) format: Format,
    pub(crate) color: ColorChoice,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    pub(crate) no_progress: bool,
}

/// Where a command's words go.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each stream has its own answers")]
pub(crate) struct Output {
    manner: Manner,
    color_out: bool,
    color_err: bool,
    progress: bool,
    /// A GitHub runner reads along and takes some lines for commands.
    runner: bool,
    stdout: io::Stdout,
}

impl Output {
    pub(crate) fn new(manner: Manner) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let environment = Environment::read();
        Self {
            manner,
            color_out: environment.colored(manner.color, out),
            color_err: environment.colored(manner.color, err),
            progress: err && !environment.dumb && !manner.quiet && !manner.no_progress,
            runner: manner.format == Format::Github || environment.runner,
            stdout: io::stdout(),
        }
    }

    /// How results are printed.
    pub(crate) fn format(&self) -> Format {
        self.manner.format
    }

    /// Whether the result is a JSON document.
    pub(crate) fn is_json(&self) -> bool {
        self.manner.format == Format::Json
    }

    /// Whether people read the result; otherwise stdout belongs to it alone.
    pub(crate) fn is_text(&self) -> bool {
        self.manner.format == Format::Text
    }

    /// Whether `--verbose` was given.
    pub(crate) fn is_verbose(&self) -> bool {
        self.manner.verbose
    }

    /// A line of the result.
    pub(crate) fn line(&self, text: impl Display) -> io::Result<()> {
        self.raw(&self.words(&text.to_string()))
    }

    /// A command for the runner of GitHub Actions.
    pub(crate) fn command(&self, command: &github::Annotation) -> io::Result<()> {
        self.raw(&shown(&command.to_string()))
    }

    /// Text that no terminal and no runner takes for more than words.
    fn words(&self, text: &str) -> String {
        let text = shown(text);
        if self.runner { github::harmless(&text) } else { text }
    }

    fn raw(&self, text: &str) -> io::Result<()> {
        ignore_closed_pipe(writeln!(self.stdout.lock(), "{text}"))
    }

    /// The result as a document.
    pub(crate) fn json(&self, document: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(document)?;
        self.line(text)
    }

    /// Something worth knowing that is not the result. Silent with `--quiet`.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.manner.quiet {
            self.aside(&text.to_string());
        }
    }

    /// More than most people want to know: only with `--verbose`.
    pub(crate) fn detail(&self, text: impl Display) {
        if self.manner.verbose {
            self.aside(&self.paint_err(Style::Faint, text));
        }
    }

    /// Something a person should act on, although the command goes on.
    pub(crate) fn warning(&self, text: impl Display) {
        self.aside(&format!("{} {text}", self.paint_err(Style::Caution, "warning:")));
    }

    /// The warnings among what a program said on stderr, as pip and uv mark them.
    pub(crate) fn warnings_of(&self, stderr: &[u8]) {
        for line in String::from_utf8_lossy(stderr).lines() {
            if let Some(text) = line.strip_prefix("WARNING: ").or_else(|| line.strip_prefix("warning: ")) {
                self.warning(text);
            }
        }
    }

    /// The next step.
    pub(crate) fn hint(&self, text: impl Display) {
        if !self.manner.quiet {
            self.aside(&format!("{} {text}", self.paint_err(Style::Strong, "hint:")));
        }
    }

    /// Says why a command ended, in the format that was asked for.
    pub(crate) fn error(&self, error: &anyhow::Error, exit: Exit, hint: Option<&str>) {
        let kind = exit::kind(error);
        let error = causes(error.as_ref());
        // Where stdout is gone there is nobody left to tell.
        let _gone = match self.manner.format {
            Format::Text => {
                self.aside(&format!("{} {error}", self.paint_err(Style::Bad, "error:")));
                if let Some(hint) = hint {
                    self.aside(&format!("{} {hint}", self.paint_err(Style::Strong, "hint:")));
                }
                Ok(())
            }
            Format::Json => {
                self.json(&ErrorDocument { schema: "attest.error/v1", code: kind, error, hint, exit: exit.code() })
            }
            Format::Sarif => self.json(&sarif::Log::of_error(&error, hint, exit)),
            Format::Github => self.command(&github::Annotation::of_error(&error, hint)),
        };
    }

    /// Shows on a terminal what is being waited for, once it takes longer than a second.
    pub(crate) fn task(&self, label: impl Into<String>) -> Task {
        Task::start(label.into(), self.progress)
    }

    /// Text for stdout, in the colour of its style.
    pub(crate) fn paint(&self, style: Style, text: impl Display) -> String {
        painted(self.color_out, style, text)
    }

    fn paint_err(&self, style: Style, text: impl Display) -> String {
        painted(self.color_err, style, text)
    }

    fn aside(&self, text: &str) {
        let clear = if self.progress { task::CLEAR_LINE } else { "" };
        // Where stderr is gone there is nobody left to tell.
        let _gone = io::stderr().lock().write_all(format!("{clear}{}\n", self.words(text)).as_bytes());
    }
}

#[derive(Serialize)]
struct ErrorDocument<'a> {
    schema: &'static str,
    code: &'static str,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    exit: u8,
}

/// `1 file`, `2 files`
pub(crate) fn plural(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// An error and what caused it, each said once.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

fn painted(colored: bool, style: Style, text: impl Display) -> String {
    if colored { format!("\x1b[{}m{text}\x1b[0m", style.code()) } else { text.to_string() }
}

/// Text as a terminal may have it. What strangers wrote gets here too (a build's last words, a log's answer, names in a
/// statement), and an escape sequence could rewrite the verdict above it: only our own colours stay.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(code) = OWN_CODES.iter().find(|code| rest.starts_with(**code)) {
            shown.push_str(code);
            rest = &rest[code.len()..];
            continue;
        }
        let plain = !(next.is_control() || turns(next)) || matches!(next, '\n' | '\t');
        shown.push(if plain { next } else { char::REPLACEMENT_CHARACTER });
        rest = &rest[next.len_utf8()..];
    }
    shown
}

/// Characters that change the direction of what follows: with them a name reads otherwise than it is.
fn turns(next: char) -> bool {
    matches!(next, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What [`painted`] writes.
const OWN_CODES: [&str; 6] = ["\x1b[32m", "\x1b[1;31m", "\x1b[33m", "\x1b[1m", "\x1b[2m", "\x1b[0m"];

/// `attest verify | head` still ends with the verdict's exit code.
fn ignore_closed_pipe(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// The conventions about colour: `NO_COLOR` wins over `FORCE_COLOR` and `CLICOLOR_FORCE`.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a variable of its own")]
struct Environment {
    no_color: bool,
    force_color: bool,
    dumb: bool,
    runner: bool,
}

impl Environment {
    fn read() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        Self {
            no_color: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
            force_color: set("FORCE_COLOR") || set("CLICOLOR_FORCE"),
            dumb: std::env::var_os("TERM").is_some_and(|term| term == "dumb"),
            runner: std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
        }
    }

    fn colored(self, choice: ColorChoice, terminal: bool) -> bool {
        match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => !self.no_color && (self.force_color || (terminal && !self.dumb)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_strangers_cannot_move_the_cursor_and_our_colours_stay() {
        for (text, expected) in [
            ("one\n\ttwo \u{fc}", "one\n\ttwo \u{fc}"),
            ("\x1b[2K\x1b[1A\rok", "\u{fffd}[2K\u{fffd}[1A\u{fffd}ok"),
            ("\x1b]0;title\x07", "\u{fffd}]0;title\u{fffd}"),
            ("\u{9b}2J\x7f", "\u{fffd}2J\u{fffd}"),
            ("\x1b[8mhidden", "\u{fffd}[8mhidden"),
            ("\u{202e}TCAXE\u{2066}", "\u{fffd}TCAXE\u{fffd}"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
        for style in [Style::Good, Style::Bad, Style::Caution, Style::Strong, Style::Faint] {
            let text = painted(true, style, "x");
            assert_eq!(shown(&text), text, "{style:?}");
        }
    }

    #[test]
    fn no_color_wins_over_force_color_and_a_flag_over_both() {
        let both = Environment { no_color: true, force_color: true, ..Environment::default() };
        assert!(!both.colored(ColorChoice::Auto, true));
        assert!(both.colored(ColorChoice::Always, false));
        let forced = Environment { force_color: true, ..Environment::default() };
        assert!(forced.colored(ColorChoice::Auto, false));
        assert!(!forced.colored(ColorChoice::Never, true));
        assert!(!Environment::default().colored(ColorChoice::Auto, false));
        assert!(!Environment { dumb: true, ..Environment::default() }.colored(ColorChoice::Auto, true));
    }
}
