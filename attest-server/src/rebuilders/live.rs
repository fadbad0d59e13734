//! The list as it is now: read again when its file changes or on SIGHUP, without a restart.
//!
//! An unusable file changes nothing: the list that was in force stays, and the log says so loudly. Quotas are used up by
//! keys, not by lists: what a rebuilder used is kept across readings.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use attest_core::key::PublicKey;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::MissedTickBehavior,
};

use super::{Rebuilders, RebuildersError};
use crate::{
    logging::chain,
    metrics::instruments,
    quota::{
        Moment,
        rebuilder::{Exhausted, Meter, Quota},
    },
};

/// Between two looks at the files. Nothing tells when they change that works on every file system.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The list in force. Clones see the same one.
#[derive(Clone, Debug)]
pub struct LiveRebuilders(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// For those for whom the file has no quota of their own.
    default_quota: Quota,
    list: watch::Sender<Arc<Rebuilders>>,
    usable: AtomicBool,
}

/// One new entry, charged to a rebuilder.
#[derive(Debug)]
pub struct Charge {
    quota: Quota,
    meter: Arc<Meter>,
}

/// Why a rebuilder may not add an entry now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeError {
    /// Its quota is used up.
    Exhausted(Exhausted),
    /// It was taken off the list since the signature was checked.
    NotListed,
}

impl LiveRebuilders {
    /// Reads the list at `path` for the first time.
    ///
    /// # Errors
    /// It is unusable; a log does not start without one.
    pub fn open(path: &Path, default_quota: Quota) -> Result<Self, RebuildersError> {
        let list = watch::Sender::new(Arc::new(Rebuilders::read(path)?));
        let shared = Shared { path: path.to_owned(), default_quota, list, usable: AtomicBool::new(true) };
        Ok(Self(Arc::new(shared)))
    }

    /// The list in force.
    pub fn current(&self) -> Arc<Rebuilders> {
        Arc::clone(&self.0.list.borrow())
    }

    /// For those who look at every submission: notices a change with one atomic read.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Rebuilders>> {
        self.0.list.subscribe()
    }

    /// Whether the list in force is the one in the file.
    pub fn is_usable(&self) -> bool {
        self.0.usable.load(Ordering::Relaxed)
    }

    /// Charges one new entry to the owner of `key`.
    ///
    /// # Errors
    /// It has no quota left, or is not on the list any more.
    pub fn charge(&self, key: &PublicKey, now: Moment) -> Result<Charge, ChargeError> {
        let list = self.0.list.borrow();
        let rebuilder = list.iter().find(|one| one.key() == key).ok_or(ChargeError::NotListed)?;
        let quota = rebuilder.quota.unwrap_or(self.0.default_quota);
        rebuilder.meter.charge(&quota, now).map_err(ChargeError::Exhausted)?;
        Ok(Charge { quota, meter: Arc::clone(&rebuilder.meter) })
    }

    /// Reads the list again, whether or not its files changed.
    pub fn reload(&self) {
        let old = self.current();
        match Rebuilders::read(&self.0.path) {
            Ok(list) => {
                let list = list.with_meters_of(&old);
                report(&old, &list);
                self.0.list.send_replace(Arc::new(list));
                self.0.usable.store(true, Ordering::Relaxed);
                instruments().reloads.inc("taken");
            }
            Err(error) => {
                self.0.usable.store(false, Ordering::Relaxed);
                instruments().reloads.inc("refused");
                let path = self.0.path.display();
                tracing::error!(%path, "the rebuilders file is unusable, the old list stays: {}", chain(&error));
            }
        }
    }

    /// Reads the list again on SIGHUP and whenever its files change. Never ends.
    ///
    /// # Errors
    /// The signal cannot be waited for.
    pub fn watch(&self) -> std::io::Result<impl Future<Output = ()> + Send + use<>> {
        // From here on SIGHUP does not end the process.
        let mut hangup = signal(SignalKind::hangup())?;
        let live = self.clone();
        let mut seen = live.fingerprint();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(async move {
            loop {
                let asked = tokio::select! {
                    _ = hangup.recv() => true,
                    _ = look.tick() => false,
                };
                // Before reading: a change in between is seen by the next look.
                let now = live.fingerprint();
                if asked || now != seen {
                    seen = now;
                    live.reload();
                }
            }
        })
    }

    /// What tells one state of the files from another. Editors write in place or rename a new file there.
    fn fingerprint(&self) -> Vec<Option<(u64, u64, i64, i64)>> {
        let list = self.current();
        std::iter::once(&self.0.path)
            .chain(&list.certificates)
            .map(|path| {
                let file = std::fs::metadata(path).ok()?;
                Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
            })
            .collect()
    }
}

impl Charge {
    /// The entry was logged before, or was not stored.
    pub fn give_back(self) {
        self.meter.give_back(&self.quota);
    }
}

fn report(old: &Rebuilders, new: &Rebuilders) {
    let absent = |from: &Rebuilders, other: &Rebuilders| {
        let names = from.iter().filter(|one| !other.iter().any(|same| same.key() == one.key()));
        names.map(|one| one.name().to_owned()).collect::<Vec<_>>().join(", ")
    };
    let (added, removed) = (absent(new, old), absent(old, new));
    tracing::info!(rebuilders = new.iter().count(), added, removed, "read the rebuilders file again");
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    const BOB: &str = "ed25519:PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=";

    fn entry(name: &str, key: &str, more: &str) -> String {
        format!(
            "[[rebuilder]]\nname = '{name}'\nurl = 'https://{name}.example'\ncontact = 'x'\nkey = '{key}'\n{more}\n"
        )
    }

    fn live(text: &str) -> (tempfile::TempDir, LiveRebuilders) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rebuilders.toml");
        std::fs::write(&path, text).unwrap();
        let live = LiveRebuilders::open(&path, Quota::default()).unwrap();
        (folder, live)
    }

    fn rewrite(folder: &tempfile::TempDir, text: &str) {
        std::fs::write(folder.path().join("rebuilders.toml"), text).unwrap();
    }

    #[test]
    fn an_unusable_file_leaves_the_old_list_in_force() {
        let (folder, live) = live(&entry("alice", ALICE, ""));
        for text in ["", "not toml", &entry("alice", "ed25519:AAAA", "")] {
            rewrite(&folder, text);
            live.reload();
            assert!(!live.is_usable(), "{text}");
            assert_eq!(live.current().iter().count(), 1, "{text}");
        }
        std::fs::remove_file(folder.path().join("rebuilders.toml")).unwrap();
        live.reload();
        assert_eq!(live.current().iter().count(), 1);
        rewrite(&folder, &(entry("alice", ALICE, "") + &entry("bob", BOB, "")));
        live.reload();
        assert!(live.is_usable());
        assert_eq!(live.current().iter().count(), 2);
    }

    #[test]
    fn who_is_taken_off_the_list_may_add_nothing() {
        let (folder, live) = live(&(entry("alice", ALICE, "") + &entry("bob", BOB, "")));
        let [alice, bob] = [ALICE, BOB].map(|key| PublicKey::parse(key).unwrap());
        live.charge(&alice, Moment::default()).unwrap();
        rewrite(&folder, &entry("bob", BOB, ""));
        live.reload();
        assert_eq!(live.charge(&alice, Moment::default()).unwrap_err(), ChargeError::NotListed);
        live.charge(&bob, Moment::default()).unwrap();
    }

    #[test]
    fn reading_the_list_again_is_no_way_around_a_quota() {
        let one = "quota = { per-day = 1 }";
        let (folder, live) = live(&entry("alice", ALICE, one));
        let alice = PublicKey::parse(ALICE).unwrap();
        live.charge(&alice, Moment::default()).unwrap();
        for text in [entry("alice", ALICE, one), entry("renamed", ALICE, one)] {
            rewrite(&folder, &text);
            live.reload();
            live.charge(&alice, Moment::default()).unwrap_err();
        }
        // Another one holds at once, and an empty one is no limit.
        for more in ["quota = { per-day = 3 }", "quota = {}"] {
            rewrite(&folder, &entry("alice", ALICE, more));
            live.reload();
            live.charge(&alice, Moment::default()).unwrap();
        }
    }

    #[test]
    fn a_change_of_the_list_or_of_a_certificate_is_noticed() {
        let (folder, live) = live(&entry("alice", ALICE, ""));
        let before = live.fingerprint();
        assert_eq!(before, live.fingerprint());
        // Renamed into place, with the old file's size and time.
        let (path, new) = (folder.path().join("rebuilders.toml"), folder.path().join("new"));
        std::fs::copy(&path, &new).unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(&new).unwrap().set_modified(modified).unwrap();
        std::fs::rename(&new, &path).unwrap();
        assert_ne!(before, live.fingerprint());
    }
}
