//! Tells the story: numbered steps, the commands as they are run, and what came of them.

use std::process::Command;

use anyhow::Result;
use attest_tests::{
    command::{self, Outcome},
    scene::Scene,
};

/// Columns of text.
const WIDTH: usize = 100;
/// Lines of a program's answer that are shown.
const SHOWN_LINES: usize = 12;

/// Prints, and runs what it prints.
pub(crate) struct Narrator {
    step: usize,
    folder: String,
    data: String,
}

impl Narrator {
    pub(crate) fn new(scene: &Scene) -> Self {
        let folder = scene.path("").display().to_string();
        println!(
            "\nEverything happens in {folder}, which is removed at the end.\n\
             Lines with $ are the commands that are run there. Not shown each time: --data-dir data, so that\n\
             what your own attest remembers is not touched."
        );
        Self { step: 0, folder, data: scene.path("data").display().to_string() }
    }

    /// Begins the next step.
    pub(crate) fn step(&mut self, title: &str) {
        self.step += 1;
        println!("\n{}. {title}", self.step);
    }

    /// Explains, in lines of a readable length.
    #[expect(clippy::unused_self, reason = "only who tells the story speaks")]
    pub(crate) fn say(&self, text: &str) {
        let mut line = String::from("  ");
        for word in text.split_whitespace() {
            if line.len() + word.len() >= WIDTH {
                println!("{line}");
                line = String::from("  ");
            }
            line.push(' ');
            line.push_str(word);
        }
        println!("{line}");
    }

    /// Shows a command and runs it; it must end with `code`. Shows what it answered.
    pub(crate) fn run(&self, command: &mut Command, code: i32) -> Result<Outcome> {
        let outcome = self.quietly(command, code)?;
        let text = self.plain(&outcome.text());
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        for line in lines.iter().take(SHOWN_LINES) {
            println!("      {line}");
        }
        if lines.len() > SHOWN_LINES {
            println!("      ... and {} more lines", lines.len() - SHOWN_LINES);
        }
        if code != 0 {
            println!("      (exit code {code})");
        }
        Ok(outcome)
    }

    /// Shows a command and runs it; it must end with `code`.
    pub(crate) fn quietly(&self, command: &mut Command, code: i32) -> Result<Outcome> {
        self.show(command);
        command::run(command)?.expect(code)
    }

    /// Shows a command.
    pub(crate) fn show(&self, command: &Command) {
        let program = command.get_program().to_string_lossy();
        let program = program.rsplit('/').next().unwrap_or(&program).to_owned();
        let mut words = vec![program];
        let mut arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned()).peekable();
        while let Some(argument) = arguments.next() {
            if argument == "--data-dir" && arguments.peek() == Some(&self.data) {
                arguments.next();
                continue;
            }
            let argument = self.plain(&argument);
            words.push(quoted(&argument));
        }
        println!("    $ {}", words.join(" "));
    }

    /// Paths as somebody in the folder sees them.
    fn plain(&self, text: &str) -> String {
        text.replace(&self.folder, "")
    }
}

/// As it would be typed into a shell.
fn quoted(argument: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "-_=./:+@,".contains(c);
    if argument.chars().all(bare) {
        argument.to_owned()
    } else if argument.contains('\'') {
        format!("\"{argument}\"")
    } else {
        format!("'{argument}'")
    }
}
