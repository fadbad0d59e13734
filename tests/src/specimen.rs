//! A log with some entries, to be copied and broken again and again.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use attest_core::{api, note::VerifierKey};
use hyper::body::Bytes;

use crate::{
    forge::Forge,
    http::{self, ENVELOPE, block_on},
    promise::{Ledger, Promise, Submitters},
    scene::{Member, Scene},
    server::Server,
};

/// Submitters at once while it is filled.
const CLIENTS: usize = 16;

/// A log that was killed, what it promised, and a copy of its folder to break.
#[derive(Debug)]
pub struct Specimen {
    /// Where all of it is.
    pub scene: Scene,
    /// The log's key.
    pub log: VerifierKey,
    /// Whose statements it takes.
    pub rebuilders: PathBuf,
    /// What it promised.
    pub ledger: Ledger,
    /// Signs.
    pub forge: Arc<Forge>,
    submitters: Submitters,
}

impl Specimen {
    /// A log with this many entries.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(entries: u64) -> Result<Self> {
        let scene = Scene::new()?;
        let forge = Arc::new(Forge::new()?);
        let log = scene.init_log("original", "specimen.example")?;
        let rebuilders = scene.rebuilders("rebuilders.toml", &[Member::new("r", "r", &forge.public_key())])?;
        let submitters = Submitters { end: 0, ..Submitters::endless(Arc::clone(&forge), CLIENTS) };
        let mut specimen = Self { scene, log, rebuilders, ledger: Ledger::default(), forge, submitters };
        specimen.grow(entries)?;
        Ok(specimen)
    }

    /// Fills the original up to this many entries.
    ///
    /// # Errors
    /// When not all of them are acknowledged.
    pub fn grow(&mut self, entries: u64) -> Result<()> {
        let server = self.scene.run_log("original", &self.rebuilders)?;
        self.submitters.next = Arc::new(self.submitters.end.into());
        self.submitters.end = entries;
        let load = async { self.ledger.collect(self.submitters.start(server.url(), &self.log)).await };
        block_on(load)?;
        // Killed: the next start has something to do.
        server.kill()?;
        ensure!(self.ledger.promises.len() as u64 == entries, "not everything was acknowledged");
        Ok(())
    }

    /// The folder of the copy.
    pub fn data(&self) -> PathBuf {
        self.scene.path("log")
    }

    /// Makes the copy anew.
    ///
    /// # Errors
    /// When a file cannot be copied.
    pub fn copy(&self) -> Result<()> {
        remove(&self.data())?;
        self.keep("log")
    }

    /// Copies the original as it is now to another place.
    ///
    /// # Errors
    /// When a file cannot be copied.
    pub fn keep(&self, name: &str) -> Result<()> {
        copy(&self.scene.path("original"), &self.scene.path(name))
    }

    /// Starts the copy.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&self) -> Result<Server> {
        self.scene.run_log("log", &self.rebuilders)
    }

    /// Submits a statement: promised, or an answer that promises nothing.
    ///
    /// # Errors
    /// When the answer is something else.
    pub fn submit(&self, server: &Server, number: u64, ledger: &mut Ledger) -> Result<()> {
        let envelope = Bytes::from(self.forge.reproduced("faulty", number)?.to_bytes());
        match http::post(server.url(), api::STATEMENTS, ENVELOPE, envelope.clone()) {
            // Frozen: what cannot be read is taken for it.
            Ok(answer) if answer.status.is_server_error() || answer.status == 403 => ledger.unanswered.push(envelope),
            Ok(answer) => {
                let promise = Promise::of(&answer.expect(201)?.json()?, envelope, &self.log)?;
                ledger.seen.push(promise.head);
                ledger.promises.push(promise);
            }
            Err(_) => ledger.unanswered.push(envelope),
        }
        Ok(())
    }

    /// Starts the copy as it was left, without faults: everything promised is there, and it goes on.
    ///
    /// # Errors
    /// When not.
    pub fn audit(&self, mut ledger: Ledger) -> Result<()> {
        let server = self.start().context("the log does not start any more")?;
        block_on(ledger.audit(server.url(), &self.log))?;
        let promised = ledger.promises.len();
        self.submit(&server, u64::MAX, &mut ledger)?;
        ensure!(ledger.promises.len() > promised, "the log takes nothing any more");
        ensure!(server.stop()?.success(), "an orderly end");
        self.scene.fsck("log")
    }
}

/// Removes a folder, if it is there.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Copies a data folder, without the reserve, which is large and made again.
///
/// # Errors
/// When a file cannot be copied.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for file in fs::read_dir(from)? {
        let file = file?;
        let to = to.join(file.file_name());
        if file.file_type()?.is_dir() {
            copy(&file.path(), &to)?;
        } else if file.file_name() != "reserve" {
            fs::copy(file.path(), to)?;
        }
    }
    Ok(())
}
