//! `attest man [--dir DIR]`: manual pages, made from the same definitions as `--help`.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use clap_mangen::Man;

use crate::{cli, exit::Exit, run::Run};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write a page for every command into this folder, such as share/man/man1 [default: attest(1) on stdout].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let mut command = cli::command();
    let page = overview(&command)?;
    let Some(dir) = &args.dir else {
        return match io::stdout().lock().write_all(&page) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(Exit::Pass),
        };
    };
    fs::create_dir_all(dir)?;
    command.build();
    let mut written = vec![dir.join("attest.1")];
    fs::write(&written[0], page)?;
    pages(&command, dir, &mut written)?;
    for path in written {
        run.out.line(path.display())?;
    }
    Ok(Exit::Pass)
}

/// One page for each command below.
fn pages(command: &clap::Command, dir: &std::path::Path, written: &mut Vec<PathBuf>) -> io::Result<()> {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let man = Man::new(sub.clone());
        let mut page = Vec::new();
        man.render(&mut page)?;
        let path = dir.join(man.get_filename());
        fs::write(&path, page)?;
        written.push(path);
        pages(sub, dir, written)?;
    }
    Ok(())
}

/// `attest(1)`, with the commands in the groups that `--help` shows.
fn overview(command: &clap::Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    writeln!(page, ".SH SYNOPSIS\n\\fBattest\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]")?;
    man.render_description_section(&mut page)?;
    for (heading, names) in cli::GROUPS {
        writeln!(page, ".SH {}", heading.to_uppercase())?;
        for sub in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            writeln!(page, ".TP\n\\fBattest\\-{}\\fR(1)\n{}", sub.get_name(), roff(&about))?;
        }
    }
    man.render_options_section(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// Words as roff shows them: no escapes, and no line that begins a request.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('-', "\\-").replace('\n', " ");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
