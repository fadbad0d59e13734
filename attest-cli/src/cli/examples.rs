//! What people type: shown below each command's options. A test reads every line as the command line does.

/// The command, and lines for it.
const EXAMPLES: [(&str, &[&str]); 18] = [
    (
        "verify",
        &[
            "attest verify",
            "attest verify uv.lock --output-format sarif",
            "attest verify dist/*.whl -v",
            "attest verify requirements.txt --policy policy.toml",
        ],
    ),
    ("lock", &["attest lock", "attest lock --offline"]),
    ("install", &["attest install requests", "attest install -r requirements.txt --policy policy.toml"]),
    ("proxy", &["attest proxy -- uv sync", "attest proxy -- pip install requests"]),
    (
        "explain",
        &[
            "attest explain requests",
            "attest explain requests==2.34.2",
            "attest explain dist/demo-1.0-py3-none-any.whl",
        ],
    ),
    ("policy", &["attest policy init --preset self", "attest policy check"]),
    ("check", &["attest check", "attest check path/to/project"]),
    ("snapshot", &["attest snapshot dist -o snapshot.json"]),
    ("normalize", &["attest normalize dist/demo-1.0-py3-none-any.whl"]),
    ("rebuild", &["attest rebuild requests==2.34.2", "attest rebuild -r requirements.txt --jobs 2"]),
    ("rebuilder", &["attest rebuilder status --data rebuilder"]),
    ("sign", &["attest sign attest-results/idna-3.20-py3-none-any --signer me.key"]),
    ("submit", &["attest submit statement.json --log https://log.example.org/2026"]),
    (
        "withdraw",
        &["attest withdraw statement.json --signer me.key --reason \"built on a broken disk\" -o withdrawal.json"],
    ),
    (
        "log",
        &[
            "attest log status --policy policy.toml",
            "attest log proof 48211 -o entry.tlog-proof",
            "attest log watch --policy policy.toml --project idna --jsonl -",
        ],
    ),
    ("key", &["attest key generate -o me.key", "attest key show me.key"]),
    ("doctor", &["attest doctor", "attest doctor --offline --output-format json"]),
    ("completions", &["attest completions bash > ~/.local/share/bash-completion/completions/attest"]),
];

/// The command line with its examples.
pub(super) fn add(mut command: clap::Command) -> clap::Command {
    for (name, lines) in EXAMPLES {
        if command.find_subcommand(name).is_some() {
            let text = format!("Examples:\n  {}", lines.join("\n  "));
            command = command.mut_subcommand(name, |sub| sub.after_help(text));
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    #[test]
    fn every_example_is_a_command_line_that_is_understood() {
        let command = cli::command();
        for (name, lines) in EXAMPLES.iter().filter(|(name, _)| command.find_subcommand(name).is_some()) {
            for line in *lines {
                let words = line.split(" > ").next().unwrap_or(line).replace("\"built on a broken disk\"", "reason");
                let parsed = command.clone().try_get_matches_from(words.split(' '));
                assert!(parsed.is_ok(), "{name}: {line}: {}", parsed.unwrap_err());
            }
        }
    }
}
