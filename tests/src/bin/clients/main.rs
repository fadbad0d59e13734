//! What pip, uv and Poetry end with when attest stands before them: every client, every way of using attest, every trap.
//!
//! ```text
//! cargo run -p attest-tests --bin clients
//! ```
//!
//! The installers are real ones of pinned versions, the files are real wheels of the configured index, served again on
//! loopback with what the case wants to be wrong with them; the log is a running server. A cell says how attest ended,
//! how the installer ended, and what is in the environment afterwards: the file that was attested, another one, or none.
//! The program fails when any cell holds a file that the policy does not accept.

#![expect(clippy::print_stdout, reason = "the table is this program's output")]

use anyhow::{Result, ensure};
use attest_tests::clients::Client;
use clap::Parser;

use self::{
    case::{Case, Files},
    way::Way,
};

mod case;
mod stage;
mod way;

/// Runs every case with every installer, and prints a Markdown table.
#[derive(Debug, Parser)]
struct Args {
    /// Only cases whose name contains this
    #[arg(long)]
    case: Option<String>,
    /// Only installers whose name contains this
    #[arg(long)]
    client: Option<String>,
    /// Only ways whose name contains this
    #[arg(long)]
    way: Option<String>,
    /// Print what attest and the installers said, too
    #[arg(long)]
    words: bool,
}

fn shown(client: Client) -> String {
    format!("{} {}", client.program(), client.version())
}

fn main() -> Result<()> {
    let args = Args::parse();
    let chosen = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|part| name.contains(part.as_str()));
    let files = Files::fetch()?;
    let clients: Vec<Client> = Client::ALL.into_iter().filter(|client| chosen(&args.client, &shown(*client))).collect();
    let mut unsafe_cells = Vec::new();
    for way in Way::ALL.into_iter().filter(|way| chosen(&args.way, way.name())) {
        println!("\n### {}\n", way.title());
        let names: Vec<String> = clients.iter().copied().map(shown).collect();
        println!("| | {} |", names.join(" | "));
        println!("|---|{}", "---|".repeat(clients.len()));
        for case in Case::ALL.into_iter().filter(|case| chosen(&args.case, case.name())) {
            let mut row = vec![case.name().to_owned()];
            for client in &clients {
                let cell = way.run(*client, case, &files)?;
                if args.words {
                    println!("<!-- {} / {} / {}\n{}\n-->", way.name(), case.name(), shown(*client), cell.words);
                }
                if !cell.is_safe() {
                    unsafe_cells.push(format!("{}, {}, {}: {cell}", way.name(), case.name(), shown(*client)));
                }
                row.push(cell.to_string());
            }
            println!("| {} |", row.join(" | "));
        }
    }
    ensure!(unsafe_cells.is_empty(), "files got in that the policy does not accept:\n{}", unsafe_cells.join("\n"));
    Ok(())
}
