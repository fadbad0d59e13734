//! `cargo demo`: the whole journey of a real wheel, in plain words, on this machine and in one temporary folder.
//!
//! Every claim is checked: a step that does not do what it says, or a refusal that does not happen, fails the demo.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the demo talks to a person")]

mod cast;
mod journey;
mod narrator;
mod refusals;

use std::{process::ExitCode, thread, time::Instant};

use anyhow::{Context, Result, bail};
use attest_tests::{command, scene::Scene, tool};

use crate::{cast::Cast, journey::Journey, narrator::Narrator};

/// A small pure wheel without dependencies, which rebuilds bit for bit.
pub const PROJECT: &str = "idna";
/// Its version.
pub const VERSION: &str = "3.20";

fn main() -> ExitCode {
    end_orderly_on_ctrl_c();
    let result = demo();
    // All guards have ended their processes and removed their folders by now.
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if command::interrupted() => {
            eprintln!("\nStopped. Nothing is left behind.");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("\nThe demo failed: {error:#}\n(nothing is left behind)");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<()> {
    println!(
        "attest, from a wheel on PyPI to a checked installation. Building the programs first, where that is needed."
    );
    let scene = Scene::new()?;
    needs(&scene)?;
    let started = Instant::now();
    let mut narrator = Narrator::new(&scene);

    let cast = Cast::hire(&mut narrator, &scene)?;
    let mut journey = Journey::begin(&mut narrator, &scene, &cast)?;
    journey.rebuild(&mut narrator)?;
    journey.sign_and_submit(&mut narrator)?;
    journey.verify(&mut narrator)?;
    journey.install(&mut narrator)?;
    refusals::all(&mut narrator, &mut journey)?;

    drop(journey);
    println!(
        "\nDone in {:.0} s: one real wheel, from source to installation, and four refusals.\n\
         Nothing is left behind. What to do with your own project: README.md",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Says what is missing before anything is started.
fn needs(scene: &Scene) -> Result<()> {
    let Some(python) = tool::find("python3") else {
        bail!("this needs python3 (3.8 or newer, with venv and pip), and found none in PATH");
    };
    let mut modules = std::process::Command::new(python);
    let missing = command::run(modules.args(["-c", "import ensurepip, venv, pip"]))?;
    if missing.code() != Some(0) {
        bail!(
            "this needs python3 with its modules venv, ensurepip and pip (Debian: apt install python3-venv python3-pip)"
        );
    }
    let mut reach = std::process::Command::new("python3");
    reach.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", "downloads"]);
    let reached = command::run(reach.arg(format!("{PROJECT}=={VERSION}")).current_dir(scene.path("")))?;
    reached.expect(0).context("this needs a network and a package index: pip could not download a wheel")?;
    Ok(())
}

/// Ctrl-C reaches the programs that run too; they end, the step fails, and the guards clean up on the way out.
fn end_orderly_on_ctrl_c() {
    thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
            let Ok(mut terminate) = terminate else { return };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => (),
                _ = terminate.recv() => (),
            }
            command::interrupt();
        });
    });
}
