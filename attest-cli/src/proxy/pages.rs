//! Judged project pages, kept for a short while: however many ask for one at the same time, index and logs are asked once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use attest_core::artifact::ProjectName;

use super::{
    judges::Judges,
    offer::Offer,
    tally::Tally,
    upstream::{UpstreamError, Upstreams},
};

/// How long a decision holds. Within this time a contradiction that was just logged is not seen.
pub(crate) const KEPT: Duration = Duration::from_secs(60);
/// The same for one that lacked evidence: the log may be back in a moment.
const KEPT_UNDECIDED: Duration = Duration::from_secs(5);
/// Pages in memory. A lock has a few hundred projects; the oldest goes first.
const MAX_PAGES: usize = 512;

/// Why there is no page.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error(transparent)]
    Upstream(Arc<UpstreamError>),
    /// The policies, or what is remembered of logs, cannot be read.
    #[error("nothing could be judged: {0}")]
    Gate(String),
}

type Key = (Option<String>, ProjectName);
type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Arc<Offer>)>>>;

/// The pages.
#[derive(Debug)]
pub(super) struct Pages {
    upstreams: Arc<Upstreams>,
    judges: Judges,
    tally: Arc<Tally>,
    slots: Mutex<HashMap<Key, (Instant, Slot)>>,
}

impl Pages {
    pub(super) fn new(upstreams: Arc<Upstreams>, judges: Judges, tally: Arc<Tally>) -> Self {
        Self { upstreams, judges, tally, slots: Mutex::default() }
    }

    /// The judged page of a project, of the first index that has it or of the one that is named. None: nobody has it.
    pub(super) async fn project(
        &self,
        only: Option<&str>,
        project: &ProjectName,
    ) -> Result<Option<Arc<Offer>>, PageError> {
        let slot = self.slot((only.map(str::to_owned), project.clone()));
        let mut kept = slot.lock().await;
        if let Some((since, offer)) = &*kept
            && since.elapsed() < if offer.is_undecided() { KEPT_UNDECIDED } else { KEPT }
        {
            return Ok(Some(Arc::clone(offer)));
        }
        let offer = self.ask(only, project).await?;
        // A project that appears a second later is looked for again: only answers are kept.
        *kept = offer.clone().map(|offer| (Instant::now(), offer));
        Ok(offer)
    }

    async fn ask(&self, only: Option<&str>, project: &ProjectName) -> Result<Option<Arc<Offer>>, PageError> {
        let found = self.upstreams.project(only, project).await;
        let Some((index, listing)) = found.map_err(|error| PageError::Upstream(Arc::new(error)))? else {
            return Ok(None);
        };
        let page = format!("{}{project}/", index.root);
        let decisions = self.judges.judge(&page, project, &listing.files).await.map_err(PageError::Gate)?;
        let offer = Arc::new(Offer::new(project.clone(), index.clone(), listing, decisions));
        self.tally.judged(&offer);
        Ok(Some(offer))
    }

    fn slot(&self, key: Key) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if !slots.contains_key(&key) && slots.len() >= MAX_PAGES {
            let oldest = slots.iter().min_by_key(|(_, (since, _))| *since).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                slots.remove(&oldest);
            }
        }
        let (used, slot) = slots.entry(key).or_insert_with(|| (Instant::now(), Slot::default()));
        *used = Instant::now();
        Arc::clone(slot)
    }
}
