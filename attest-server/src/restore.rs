//! `attest-server restore`: a log from its backup, and from whatever has the newest entries.
//!
//! Nothing is believed but the log's key: every entry is hashed, every tile computed, and the result ends in the root that
//! the log itself signed. What that cannot show is whether the log signed **more** after the backup was taken. To sign
//! again what was signed once, over other entries, forks the log, and nobody can take that back. So a restored log is
//! frozen from its first moment: it serves, and signs nothing, until [`crate::freeze`] was shown that nobody has seen
//! more.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, bail};
use attest_core::{
    checkpoint::LogCheckpoint,
    merkle::TreeSize,
    note::SignerKey,
    tile::{Edge, Entry},
    time::Timestamp,
};

use crate::{
    clock::Clock,
    command::Outcome,
    config::RestoreArgs,
    export::{
        ExportError, Origin, OriginError,
        copy::CopyFiles,
        files::{Files, Form},
        judge,
        replicate::{Partial, replicate},
        undecided,
    },
    freeze::{Cause, Frozen},
    fsck::Source,
    init, mirror,
    negatives::audit,
    run::stop_signal,
    store::{
        Commit, Database as _, Head, StoredCheckpoint, durable,
        highwater::{Highwater, Mark},
        identity::{Identity, Kind},
        lock::DirectoryLock,
        sled::SledDatabase,
    },
};

/// `attest-server restore`.
pub(crate) async fn command(args: RestoreArgs) -> anyhow::Result<Outcome> {
    init::refuse_to_overwrite(&args.data)?;
    if let Ok(mirror) = Identity::load(&args.from)
        && mirror.kind() == Kind::Mirror
    {
        return auditor(&args, &mirror);
    }
    let (identity, key) = Identity::read(&args.from, Kind::Log)
        .with_context(|| format!("{} is no backup with a secret key in it", args.from.display()))?;
    let copy = CopyFiles::open(&args.from.join("log"))?;
    let saved = copy.checkpoint(identity.log())?;
    let saved = saved.with_context(|| format!("{} has no checkpoint", args.from.display()))?;
    let (source, checkpoint) = match &args.entries_from {
        None => (Source::Copy(Arc::new(copy)), saved.clone()),
        Some(url) => match Origin::url(url, identity.log().clone()).await {
            Ok(origin) => (origin.source, origin.checkpoint),
            Err(error @ OriginError::Url { .. }) => return undecided(&error),
            Err(error) => return Err(error.into()),
        },
    };
    let (held, shown) = (saved.head().size, checkpoint.head().size);
    if shown < held {
        bail!("--entries-from has {shown} entries, the backup {held}: restore from the backup alone");
    }
    let signed = [&saved, &checkpoint];
    let stop = stop_signal()?;
    tokio::select! {
        restored = restore(&args, &source, &signed, (&identity, &key)) => match restored {
            Ok(Ok(size)) => tell(&args, size),
            Ok(Err(error)) => judge(error),
            Err(error) => Err(error),
        },
        () = stop => bail!("interrupted: without a log.id, {} is no log; delete it", args.data.display()),
    }
}

/// A new mirror of the same log, with the auditor that policies name and a new key for its cosignatures.
fn auditor(args: &RestoreArgs, identity: &Identity) -> anyhow::Result<Outcome> {
    let path = args.from.join(audit::KEY);
    let secret = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let key: SignerKey =
        secret.trim_end_matches('\n').parse().with_context(|| format!("{} is no secret key", path.display()))?;
    mirror::create(&args.data, identity.log(), None, &Clock::system(), Some(&key))?;
    writeln!(
        io::stdout(),
        "{}: a new mirror of {} with the auditor {}\nStart it with `attest-server mirror`: it replicates the log.",
        args.data.display(),
        identity.log().name(),
        key.verifier()
    )?;
    Ok(Outcome::Done)
}

async fn restore(
    args: &RestoreArgs,
    source: &Source,
    signed: &[&LogCheckpoint; 2],
    (identity, key): (&Identity, &SignerKey),
) -> anyhow::Result<Result<TreeSize, ExportError>> {
    let data = &args.data;
    fs::create_dir_all(data).with_context(|| format!("{} cannot be made", data.display()))?;
    let _lock = DirectoryLock::take(data)?;
    fs::create_dir(data.join("tile")).with_context(|| format!("{}: cannot be written", data.display()))?;
    let files = Arc::new(Files::new(data, Form::Gzip));
    let mut edge = Edge::new();
    let heads = signed.map(LogCheckpoint::head);
    let tail = match replicate(source, &mut edge, &heads, &files, Partial::Leave).await {
        Ok(tail) => tail,
        Err(error) => return Ok(Err(error.into())),
    };
    let rest = Rest { checkpoint: signed[1].clone(), tail, secret: key.to_secret_string(), id: identity.to_string() };
    let (data, size, now) = (data.clone(), edge.size(), Clock::system().now());
    tokio::task::spawn_blocking(move || rest.write(&data, now)).await??;
    Ok(Ok(size))
}

/// What is written when the tiles are durable.
struct Rest {
    checkpoint: LogCheckpoint,
    tail: Vec<Entry>,
    secret: String,
    id: String,
}

impl Rest {
    /// In the order of `init`: a folder with a `log.id` is whole, and frozen before it is a log.
    fn write(&self, data: &Path, now: Timestamp) -> anyhow::Result<()> {
        let tree = self.checkpoint.head();
        durable::write_secret(&data.join("log.key"), format!("{}\n", self.secret).as_bytes())?;
        SledDatabase::create(data, now)?;
        let database = SledDatabase::open(data)?;
        let epoch = database.lease()?;
        let empty = database.head()?;
        let sealed = TreeSize::new(tree.size.get() - tree.size.get() % 256);
        let head = Head { epoch, tree, time: now };
        if tree.size > TreeSize::ZERO {
            let entries: Vec<&[u8]> = self.tail.iter().map(Entry::as_bytes).collect();
            database.commit(&empty, &Commit { head, sealed, entries: &entries })?;
        }
        let note = self.checkpoint.note().to_string();
        database.publish(epoch, None, &StoredCheckpoint { size: tree.size, note })?;
        database.barrier()?;
        drop(database);
        Highwater::create(data, Mark { epoch, tree, time: now })?;
        let reason = format!("restored with {} entries, and not yet shown to be all that was signed", tree.size);
        Frozen::new(now, Cause::Restore, reason, None).write(data)?;
        for folder in [&data.join("db"), &data.join("tile"), data] {
            durable::sync_dir(folder)?;
        }
        durable::write_new(&data.join("log.id"), self.id.as_bytes(), 0o644)?;
        durable::sync_dir(data)?;
        let whole = fs::canonicalize(data)?;
        Ok(whole.parent().map_or(Ok(()), durable::sync_dir)?)
    }
}

fn tell(args: &RestoreArgs, size: TreeSize) -> anyhow::Result<Outcome> {
    let data = args.data.display();
    writeln!(
        io::stdout(),
        "{data}: {size} entries, every hash checked\n\
         It is FROZEN: it serves, and signs nothing. Show first that nobody has seen more of this log than it holds:\n  \
         attest-server freeze --data {data} --off --witness URL... --seen MIRROR_URL..."
    )?;
    Ok(Outcome::Done)
}
