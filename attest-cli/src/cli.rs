//! The command line: flags that every command has, and the commands in the groups that `--help` shows.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use attest_core::verify::Connection;
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum as _};

use crate::{
    cmd::Command,
    exit::{Exit, Failure},
    output::{ColorChoice, Format, Manner, Output},
    run::{Pinned, Run},
};

mod examples;

/// Rebuild wheels, sign what comes out, install only what enough others reproduced
#[derive(Debug, Parser)]
#[command(name = "attest", version, disable_help_subcommand = true, subcommand_required = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags are what a command line has")]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// A policy that judges too; all have to pass.
    ///
    /// Beside the system's and yours. May be given more than once.
    #[arg(long, value_name = "FILE", global = true)]
    policy: Vec<PathBuf>,
    /// Where attest keeps what it remembers.
    ///
    /// Your own statements, what was seen of logs and policies, kept answers [default: ~/.local/share/attest of the account].
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// Ask nobody: judge by what is at hand.
    ///
    /// The policy's `offline-max-age` then says how old evidence may be.
    #[arg(long, global = true)]
    offline: bool,
    /// Ask no log again within this time: 30s, 10m, 2h.
    ///
    /// It must have answered the same question; what fails is asked again all the same [default: every log is asked at
    /// least whether anything was added].
    #[arg(long, value_name = "TIME", value_parser = spell, global = true)]
    asked_within: Option<Duration>,
    /// Judge by the evidence in attest.lock alone.
    #[arg(long, global = true)]
    frozen: bool,
    /// Refuse whatever would change attest.lock.
    ///
    /// The logs are asked. A lost attestation, for example, or a file that it does not cover.
    #[arg(long, global = true, conflicts_with = "frozen")]
    locked: bool,
    /// How results are printed.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t, global = true)]
    output_format: Format,
    /// Only results, warnings and errors.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// More about what is done.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Colour; `auto` honours NO_COLOR.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t, global = true)]
    color: ColorChoice,
    /// No progress on the terminal.
    #[arg(long, global = true)]
    no_progress: bool,
}

/// Headings of `--help`, and the commands under each.
pub(crate) const GROUPS: [(&str, &[&str]); 5] = [
    ("Use", &["verify", "lock", "install", "proxy", "explain", "policy"]),
    ("Maintain", &["check", "snapshot", "normalize"]),
    ("Rebuild", &["rebuild", "rebuilder", "sign", "submit", "withdraw"]),
    ("Log", &["log", "key"]),
    ("This machine", &["doctor", "completions", "man"]),
];

/// Reads the arguments, or says what is wrong with them.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<(Command, Run), Exit> {
    let arguments: Vec<OsString> = arguments.collect();
    let parsed = command().try_get_matches_from(&arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(Cli { global, command }) => {
            let manner = Manner {
                format: global.output_format,
                color: global.color,
                quiet: global.quiet,
                verbose: global.verbose,
                no_progress: global.no_progress,
            };
            let connection = if global.offline { Connection::Offline } else { Connection::Online };
            let mut run = Run::new(Output::new(manner), connection, global.policy, global.data_dir);
            run.asked_within = global.asked_within.unwrap_or_default();
            run.pinned = match (global.frozen, global.locked) {
                (true, _) => Pinned::Frozen,
                (false, true) => Pinned::Locked,
                (false, false) => Pinned::Free,
            };
            run.statements = command.statements().to_vec();
            refuse_format(&command, &run.out)?;
            Ok((command, run))
        }
        Err(error) => Err(usage(&error, &arguments)),
    }
}

/// How late dissent may be noticed is up to whoever types it, within a day.
fn spell(text: &str) -> Result<Duration, String> {
    let unit = |unit: char| text.strip_suffix(unit).and_then(|count| count.parse::<u64>().ok());
    let seconds =
        [('s', 1), ('m', 60), ('h', 3_600)].into_iter().find_map(|(name, each)| unit(name)?.checked_mul(each));
    let spell = seconds.map(Duration::from_secs).filter(|spell| *spell <= Duration::from_secs(24 * 3_600));
    spell.ok_or_else(|| "expected a time of at most a day, such as 30s, 10m, 2h".to_owned())
}

/// The whole command line, as completions need it too.
pub(crate) fn command() -> clap::Command {
    let command = Cli::command();
    let template = format!("{{about}}\n\n{{usage-heading}} {{usage}}\n\n{}{}", groups(&command), options(&command));
    examples::add(command.help_template(template))
}

fn groups(command: &clap::Command) -> String {
    let width = command.get_subcommands().map(|sub| sub.get_name().len()).max().unwrap_or(0);
    let line = |sub: &clap::Command| {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        format!("  {:width$}  {about}\n", sub.get_name())
    };
    let group = |(heading, names): &(&str, &[&str])| {
        let subs = names.iter().filter_map(|name| command.find_subcommand(name));
        format!("{heading}:\n{}\n", subs.map(line).collect::<String>())
    };
    GROUPS.iter().map(group).collect()
}

/// Options that most people need; every command's `--help` has all of them.
const SHOWN: [&str; 3] = ["policy", "offline", "output_format"];

/// A line for each of [`SHOWN`], help and version.
fn options(command: &clap::Command) -> String {
    let spelling = |argument: &clap::Arg| {
        let short = argument.get_short().map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
        let value = argument.get_action().takes_values().then(|| argument.get_value_names()).flatten();
        let value = value.and_then(<[_]>::first).map(|name| format!(" <{name}>")).unwrap_or_default();
        format!("{short}--{}{value}", argument.get_long().unwrap_or_default())
    };
    let shown = command.get_arguments().filter(|argument| SHOWN.contains(&argument.get_id().as_str()));
    let told = shown.map(|argument| {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        (spelling(argument), help)
    });
    let every = [("-h, --help", "Print help; attest COMMAND --help has the rest"), ("-V, --version", "Print version")]
        .map(|(spelling, help)| (spelling.to_owned(), help.to_owned()));
    let lines: Vec<(String, String)> = told.chain(every).collect();
    let width = lines.iter().map(|(spelling, _)| spelling.len()).max().unwrap_or(0);
    let lines: Vec<String> = lines.iter().map(|(spelling, help)| format!("  {spelling:width$}  {help}")).collect();
    format!("Options of every command:\n{}", lines.join("\n"))
}

/// Before anything is done: a command that cannot answer in a format is not run for nothing.
fn refuse_format(command: &Command, out: &Output) -> Result<(), Exit> {
    let formats = command.formats();
    if formats.contains(&out.format()) {
        return Ok(());
    }
    let name =
        |format: &Format| format.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    let known: Vec<String> = formats.iter().map(name).collect();
    let message =
        format!("this command has no output format {:?}: expected {}", name(&out.format()), known.join(" or "));
    let hint =
        "`sarif` and `github` are formats of the commands that judge a project's files: verify, install, explain";
    out.error(&Failure::usage(message).into(), Exit::Usage, Some(hint));
    Err(Exit::Usage)
}

/// Help and version are answers; everything else is exit 2, in the format that was asked for.
fn usage(error: &clap::Error, arguments: &[OsString]) -> Exit {
    let format = asked_format(arguments).filter(|format| *format != Format::Text);
    if let Some(format) = format.filter(|_| error.use_stderr()) {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        let out = Output::new(Manner { format, ..Manner::default() });
        out.error(&Failure::usage(text).into(), Exit::Usage, None);
        return Exit::Usage;
    }
    // Where neither stdout nor stderr is there, nobody can be told.
    let _gone = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Pass }
}

/// The format of a command line that is not understood.
fn asked_format(arguments: &[OsString]) -> Option<Format> {
    let joined = arguments.iter().filter_map(|argument| argument.to_str()?.strip_prefix("--output-format="));
    let apart = arguments.windows(2).filter(|pair| pair[0] == "--output-format").filter_map(|pair| pair[1].to_str());
    joined.chain(apart).find_map(|name| Format::from_str(name, false).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn help_fits_on_a_screen_and_its_lines_on_a_terminal() {
        let (short, long) = (command().render_help().to_string(), command().render_long_help().to_string());
        assert_eq!(short, long);
        assert!((24..=40).contains(&long.lines().count()), "{} lines: {long}", long.lines().count());
        let widest = long.lines().max_by_key(|line| line.chars().count()).unwrap();
        assert!(widest.chars().count() <= 80, "{widest}");
        for option in ["--policy <FILE>", "--output-format <FORMAT>", "-h, --help"] {
            assert!(long.contains(option), "{option}: {long}");
        }
        assert!(SHOWN.iter().all(|id| command().get_arguments().any(|argument| argument.get_id() == id)));
    }

    #[test]
    fn a_misspelt_command_or_flag_is_answered_with_the_one_that_is_meant() {
        for (line, meant) in [
            ("attest rebuid idna", "'rebuild'"),
            ("attest polcy check", "'policy'"),
            ("attest policy chek", "'check'"),
            ("attest docter", "'doctor'"),
            ("attest verify --ofline", "'--offline'"),
        ] {
            let error = command().try_get_matches_from(line.split(' ')).unwrap_err().to_string();
            assert!(error.contains("tip:") && error.contains(meant), "{line}: {error}");
        }
    }

    #[test]
    fn help_shows_every_command_in_exactly_one_group() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        grouped.sort_unstable();
        let command = command();
        let mut all: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        all.sort_unstable();
        assert_eq!(grouped, all);
    }
}
