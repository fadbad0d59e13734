//! The command line: flags that every command has, and the commands in the groups that `--help` shows.

use std::{ffi::OsString, path::PathBuf};

use attest_core::verify::Connection;
use clap::{CommandFactory, FromArgMatches, Parser};

use crate::{
    cmd::Command,
    exit::{Exit, Failure},
    output::{ColorChoice, Format, Manner, Output},
    run::Run,
};

/// Rebuild wheels, sign what was found, and install only what enough rebuilders reproduced.
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
    /// A policy that judges too, beside those of the system and the user; may be given more than once.
    #[arg(long, value_name = "FILE", global = true)]
    policy: Vec<PathBuf>,
    /// Where attest keeps what it remembers and your own statements [default: ~/.local/share/attest of the account].
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// Ask nobody: judge by what is at hand, by the policy's age limit for that.
    #[arg(long, global = true)]
    offline: bool,
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
const GROUPS: [(&str, &[&str]); 5] = [
    ("Use", &["verify", "install", "explain", "policy"]),
    ("Maintain", &["check", "snapshot", "normalize"]),
    ("Rebuild", &["rebuild", "rebuilder", "sign", "submit", "withdraw"]),
    ("Log", &["log", "key"]),
    ("Shell", &["completions"]),
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
            Ok((command, Run::new(Output::new(manner), connection, global.policy, global.data_dir)))
        }
        Err(error) => Err(usage(&error, &arguments)),
    }
}

/// The whole command line, as completions need it too.
pub(crate) fn command() -> clap::Command {
    let command = Cli::command();
    let template = format!("{{about}}\n\n{{usage-heading}} {{usage}}\n\n{}{{options}}", groups(&command));
    command.help_template(template)
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

/// Help and version are answers; everything else is exit 2, in the format that was asked for.
fn usage(error: &clap::Error, arguments: &[OsString]) -> Exit {
    let asks_json = arguments.iter().any(|argument| argument == "--output-format=json")
        || arguments.windows(2).any(|pair| pair[0] == "--output-format" && pair[1] == "json");
    if error.use_stderr() && asks_json {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        let out = Output::new(Manner { format: Format::Json, ..Manner::default() });
        out.error(&Failure::usage(text).into(), Exit::Usage, None);
        return Exit::Usage;
    }
    // Where neither stdout nor stderr is there, nobody can be told.
    let _gone = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Pass }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
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
