//! `attest-server freeze`.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};

use super::{
    Cause, Frozen, ThawError,
    thaw::{self, Seen},
};
use crate::{
    clock::Clock,
    command::Outcome,
    config::FreezeArgs,
    fetch::{FetchError, MAX_CHECKPOINT, Upstream},
    store::identity::{Identity, Kind},
};

/// Closes a log, or opens it again.
pub(crate) async fn command(args: FreezeArgs) -> anyhow::Result<Outcome> {
    let identity = Identity::load(&args.data)?;
    ensure!(
        identity.kind() == Kind::Log,
        "{} holds a mirror: it accepts nothing and signs nothing of its own",
        args.data.display()
    );
    if args.off { thaw(&args, &identity).await } else { freeze(&args) }
}

fn freeze(args: &FreezeArgs) -> anyhow::Result<Outcome> {
    let reason = args.reason.clone().context("--reason is missing: say to whoever submits why the log is closed")?;
    let mut cause = Cause::Operator;
    // What a restore froze stays under its condition, whatever is said about it later.
    if let Some(before) = Frozen::read(&args.data)? {
        cause = before.by();
    }
    let frozen = Frozen::new(Clock::system().now(), cause, reason, args.next.clone());
    frozen.write(&args.data)?;
    writeln!(io::stdout(), "{frozen}\na server that runs in {} takes notice within a second", args.data.display())?;
    Ok(Outcome::Done)
}

async fn thaw(args: &FreezeArgs, identity: &Identity) -> anyhow::Result<Outcome> {
    // Damaged, it may have been a restore's.
    let cause = match Frozen::read(&args.data) {
        Ok(None) => {
            writeln!(io::stdout(), "{} is not frozen", args.data.display())?;
            return Ok(Outcome::Done);
        }
        Ok(Some(frozen)) => frozen.by(),
        Err(error) => {
            writeln!(io::stderr(), "warning: {error}; asking for what a restored log has to show")?;
            Cause::Restore
        }
    };
    if cause == Cause::Restore {
        let seen = match collect(args, identity).await {
            Ok(seen) => seen,
            Err(Undecided(error)) => {
                writeln!(io::stderr(), "undecided: {error:#}: the log stays frozen")?;
                return Ok(Outcome::Undecided);
            }
        };
        let data = args.data.clone();
        let checked = tokio::task::spawn_blocking(move || thaw::check(&data, &seen, Clock::system().now())).await?;
        match checked {
            Ok(size) => writeln!(io::stdout(), "nobody asked has seen more than these {size} entries")?,
            Err(error @ (ThawError::Behind { .. } | ThawError::Forked { .. })) => {
                writeln!(io::stderr(), "alarm: {error}")?;
                return Ok(Outcome::Alarm);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Frozen::remove(&args.data)?;
    writeln!(io::stdout(), "{} is no longer frozen; restart a server that was started frozen", args.data.display())?;
    Ok(Outcome::Done)
}

/// Somebody who was named did not answer: what they have seen is not known.
struct Undecided(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Undecided {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

async fn collect(args: &FreezeArgs, identity: &Identity) -> Result<Vec<Seen>, Undecided> {
    let mut seen = Vec::new();
    for place in &args.seen {
        let note = if place.contains("://") { remote(place).await? } else { local(Path::new(place))? };
        seen.push(Seen { place: place.clone(), note });
    }
    // C2SP tlog-witness: GET <monitoring prefix>/<hex SHA-256 of the origin>/checkpoint.
    let origin = Sha256::digest(identity.log().name().as_str());
    let origin = origin.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    for witness in &args.witness {
        let place = format!("{}/{origin}", witness.trim_end_matches('/'));
        match remote(&place).await {
            Ok(note) => seen.push(Seen { place: witness.clone(), note }),
            // "404 if never": it was asked, and it has seen nothing of this log.
            Err(FetchError::Status { found, .. }) if found.as_u16() == 404 => {
                writeln!(io::stderr(), "{witness} has never seen a checkpoint of this log")?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(seen)
}

async fn remote(url: &str) -> Result<Vec<u8>, FetchError> {
    Upstream::new(url, None)?.checkpoint().await
}

fn local(path: &Path) -> anyhow::Result<Vec<u8>> {
    let length = fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?.len();
    ensure!(length <= MAX_CHECKPOINT as u64, "{}: expected a checkpoint, found {length} bytes", path.display());
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}
