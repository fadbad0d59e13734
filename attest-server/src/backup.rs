//! `attest-server backup`: all that it takes to bring a log back. Not its database: what the log has published, verified on
//! the way, and its name and key. So a backup is consistent whenever it is taken, also from a log that runs; it depends on
//! no storage engine; and nobody has to trust it, because `restore` derives every hash again.
//!
//! | in the backup | what |
//! |---|---|
//! | `log/` | a copy as `export` makes it: a second backup into the same folder adds only what is new |
//! | `log.key` | the secret key, mode 0600, unless it is kept elsewhere |
//! | `log.id` | the log's name and public key; written last: without it there is no backup |
//!
//! Of a mirror it is `auditor.key` and `log.id` alone. A new mirror replicates the log, and gets a new key for its
//! cosignatures, because the old one vouches for what only the old one remembers; but policies name the auditor, whose lists
//! follow from the entries, so that key comes back.
//!
//! What was committed and not yet published is not in it. Nobody has got an answer for that.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    command::Outcome,
    config::BackupArgs,
    export::{Exported, Origin, OriginError, export, files::Form, judge, refuse_inside, undecided},
    negatives::audit::KEY as AUDITOR,
    run::stop_signal,
    store::{
        durable,
        identity::{Identity, Kind},
    },
};

/// `attest-server backup`.
pub(crate) async fn command(args: BackupArgs) -> anyhow::Result<Outcome> {
    let identity = Identity::load(&args.data)?;
    refuse_inside(&args.to, &args.data)?;
    refuse_another(&args.to, &identity)?;
    if identity.kind() == Kind::Mirror {
        return auditor(&args, &identity);
    }
    let stop = stop_signal()?;
    tokio::select! {
        outcome = backup(&args, &identity) => outcome,
        () = stop => bail!("interrupted: an earlier backup in {} is what it was", args.to.display()),
    }
}

/// A backup of another log, or another thing altogether, is not written over.
fn refuse_another(to: &Path, identity: &Identity) -> anyhow::Result<()> {
    match fs::read_to_string(to.join("log.id")) {
        Ok(text) if text == identity.to_string() => Ok(()),
        Ok(_) => bail!("{} holds a backup of another log", to.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let known = |name: &std::ffi::OsStr| {
                // The last two are what a crash leaves of a key.
                ["log", "log.key", "auditor.key", "log.tmp", "auditor.tmp"].iter().any(|one| name == *one)
            };
            let items = match fs::read_dir(to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                items => items.with_context(|| format!("{} cannot be read", to.display()))?,
            };
            for item in items {
                let name = item?.file_name();
                ensure!(
                    known(&name),
                    "{} is not empty: expected a new or empty folder or an earlier backup, found {}",
                    to.display(),
                    name.display()
                );
            }
            Ok(())
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", to.join("log.id").display())),
    }
}

/// A mirror's: the key that policies name.
fn auditor(args: &BackupArgs, identity: &Identity) -> anyhow::Result<Outcome> {
    ensure!(!args.without_key, "of a mirror the auditor's key is all that is kept: --without-key leaves nothing");
    let secret =
        fs::read(args.data.join(AUDITOR)).context("auditor.key cannot be read: the mirror makes it when it starts")?;
    let to = &args.to;
    let io = |path: PathBuf| move || format!("{} cannot be written", path.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to).with_context(io(to.clone()))?;
    let (key, id) = (to.join(AUDITOR), to.join("log.id"));
    durable::replace(&key, &secret, 0o600).with_context(io(key.clone()))?;
    durable::replace(&id, identity.to_string().as_bytes(), 0o644).with_context(io(id.clone()))?;
    durable::sync_dir(to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    writeln!(io::stdout(), "{}: the auditor's secret key of a mirror", to.display())?;
    Ok(Outcome::Done)
}

async fn backup(args: &BackupArgs, identity: &Identity) -> anyhow::Result<Outcome> {
    let origin = match &args.url {
        Some(url) => Origin::url(url, identity.log().clone()).await,
        None => Origin::data(&args.data).await,
    };
    let origin = match origin {
        Ok(origin) => origin,
        Err(error @ OriginError::Url { .. }) => return undecided(&error),
        Err(error) => return Err(error.into()),
    };
    let to = &args.to;
    let io = |path: PathBuf| move || format!("{} cannot be written", path.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to).with_context(io(to.clone()))?;
    let Exported { from, to: size } = match export(&origin, &to.join("log"), Some(Form::Gzip)).await {
        Ok(exported) => exported,
        Err(error) => return judge(error),
    };
    let (key, id) = (to.join("log.key"), to.join("log.id"));
    if !args.without_key {
        let secret = fs::read(args.data.join("log.key")).context("log.key cannot be read")?;
        durable::replace(&key, &secret, 0o600).with_context(io(key.clone()))?;
    }
    // If we crash before this, a first backup is none, and an earlier one is newer than it says, and as whole.
    durable::replace(&id, identity.to_string().as_bytes(), 0o644).with_context(io(id.clone()))?;
    durable::sync_dir(to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    let with = if key.exists() { "with its secret key" } else { "WITHOUT its secret key" };
    let new = size.get() - from.get();
    writeln!(io::stdout(), "{}: {size} entries, {new} of them new, {with}", to.display())?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::TestLog;

    #[test]
    fn a_backup_that_a_crash_cut_off_is_begun_again() {
        let identity = Identity::of_log(TestLog::new().vkey);
        for left in ["log.key", "auditor.key", "log.id"].map(|name| Path::new(name).with_extension("tmp")) {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(&left), "half").unwrap();
            refuse_another(dir.path(), &identity).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("holiday.jpg"), "").unwrap();
        refuse_another(dir.path(), &identity).unwrap_err();
    }
}
