//! What a site is made from: the folder of a log or mirror that no server uses.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    clock::Clock,
    config::{PublicUrl, RecordConfig},
    freeze,
    http::{Role, Site, health::Progress},
    mirror::MirrorState,
    mirrors::Mirrors,
    negatives::Editions,
    reader::{Published, Reader},
    rebuilders::{Rebuilders, RebuildersError},
    record::{self, Record},
    recover::{Folder, OpenError, Recovered},
    sequencer::Options,
    store::identity::{Identity, IdentityError, Kind},
};

/// Between two looks at how far the record is.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A site that nobody is served by, and what keeps its folder from being used meanwhile.
pub(crate) struct Opened {
    pub(crate) site: Arc<Site>,
    _recovered: Box<dyn std::any::Any + Send>,
    _rebuilders: watch::Sender<Arc<Rebuilders>>,
}

/// What the pages show beside the log.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Who is listed; without it, nobody is.
    pub(crate) rebuilders: Option<PathBuf>,
    /// Projects of which the home page shows how many are rebuilt.
    pub(crate) coverage: Option<PathBuf>,
    /// Where the site will be.
    pub(crate) public_url: Option<PublicUrl>,
}

/// Why there is no site to export.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OriginError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Rebuilders(#[from] RebuildersError),
    #[error("the list of projects cannot be used")]
    Coverage(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the system gives no thread for the record")]
    NoThread,
    #[error("the record does not go on: {reason}")]
    Stopped { reason: String },
    #[error("it has published nothing yet")]
    Unpublished,
    #[error("a task ended early")]
    Task(#[from] tokio::task::JoinError),
}

/// Opens the log or mirror in `data` as its server does, but signs and serves nothing, and waits for its record.
pub(crate) async fn open(data: &Path, settings: Settings) -> Result<Opened, OriginError> {
    let rebuilders = match &settings.rebuilders {
        Some(path) => Rebuilders::read(path)?,
        None => Rebuilders::nobody(),
    };
    let (sender, listed) = watch::channel(Arc::new(rebuilders));
    let folder = data.to_owned();
    let clock = Clock::system();
    let now = clock.now();
    let recovered = tokio::task::spawn_blocking(move || -> Result<_, OriginError> {
        let kind = Identity::load(&folder)?.kind();
        let folder = Folder::open(&folder, kind)?;
        let database = Arc::new(folder.database(Options::default().room)?);
        Ok((kind, folder.recover(database, now)?))
    });
    let (kind, recovered) = recovered.await??;
    let Recovered { identity, tree, published, head, .. } = &recovered;
    let checkpoint = published.as_ref().ok_or(OriginError::Unpublished)?;
    let published = Published { note: checkpoint.note().to_string(), head: checkpoint.head(), time: head.time };
    let reader = Reader::new(Arc::clone(tree), watch::channel(Arc::new(published)).1);
    let vkey = identity.log().to_string();
    let config = RecordConfig { kept: true, coverage: settings.coverage, mirrors: Vec::new() };
    let record = Record::configured(&config, data, |coverage| record::Source {
        reader: reader.clone(),
        vkey: vkey.clone(),
        rebuilders: listed,
        coverage,
        floor: record::floor(Options::default().room),
    });
    let record = record.map_err(|error| OriginError::Coverage(error.into()))?.ok_or(OriginError::NoThread)?;
    wait_for(&record, &reader).await?;
    let site = Site {
        mirrors: Mirrors::default(),
        negatives: Arc::new(Editions::new(reader.clone())),
        record: Some(record),
        role: role(kind),
        data: data.to_owned(),
        origin: identity.log().name().as_str().to_owned(),
        clock,
        public_url: settings.public_url,
        vkeys: vec![vkey],
        request_timeout: Duration::MAX,
        freeze: freeze::Watch::new(data),
        progress: Progress::default(),
        reader,
    };
    Ok(Opened { site: Arc::new(site), _recovered: Box::new(recovered), _rebuilders: sender })
}

fn role(kind: Kind) -> Role {
    match kind {
        Kind::Log => Role::Stopped,
        Kind::Mirror => Role::Mirror { state: watch::channel(MirrorState::Current).1, max_stale: Duration::MAX },
    }
}

async fn wait_for(record: &Record, reader: &Reader) -> Result<(), OriginError> {
    let size = reader.published().head.size;
    loop {
        let status = record.status();
        if status.recorded >= size {
            return Ok(());
        }
        if let Some(reason) = status.stopped {
            return Err(OriginError::Stopped { reason });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
