//! One exposition: the instruments, and what is true at this moment.

use std::fmt;

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    metrics::{family::Family, gauge::ConstGauge, gauge::Gauge},
    registry::{Metric, Registry},
};

use attest_core::time::Timestamp;

use super::{instrument::Label, instruments, process};
use crate::{
    http::{Role, Site, health},
    mirror::MirrorState,
    witnesses::Cosigning,
};

/// Media type of an exposition (OpenMetrics 1.0).
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of this process and of what it serves. Reads the file system: not for async workers.
///
/// # Errors
/// A metric does not encode.
pub fn exposition(site: &Site) -> Result<String, fmt::Error> {
    let mut now = Now(Registry::with_prefix("attest"));
    now.site(site);
    match &site.role {
        Role::Log { rebuilders, sequencer, .. } => {
            if let Some(cosigning) = sequencer.cosigning() {
                now.witnesses(&cosigning, site.clock.now());
            }
            now.gauge("rebuilders", "Rebuilders that may submit", rebuilders.current().iter().count());
            let usable = u64::from(rebuilders.is_usable());
            now.gauge("rebuilders_file_usable", "1 while the list in force is the one in the file", usable);
        }
        Role::Mirror { state, .. } => now.mirror(site, &state.borrow()),
        Role::Stopped => {}
    }
    let mut process = Registry::default();
    process::register(&mut process);
    let mut text = String::new();
    for registry in [&instruments().registry, &now.0, &process] {
        encode_registry(&mut text, registry)?;
    }
    encode_eof(&mut text)?;
    Ok(text)
}

/// Gauges for each witness of the policy, by its name there.
type Named = Family<[(&'static str, String); 1], Gauge>;

/// What is read when it is asked for.
struct Now(Registry);

impl Now {
    fn gauge<N>(&mut self, name: &str, help: &str, value: N)
    where
        ConstGauge<N>: Metric,
    {
        self.0.register(name, help, ConstGauge::new(value));
    }

    fn site(&mut self, site: &Site) {
        let published = site.reader.published();
        let (stored, sealed) = (site.reader.stored().get(), site.reader.sealed().get());
        let age = site.clock.now().secs().saturating_sub(published.time.secs());
        self.gauge("tree_size", "Entries that are stored durably", stored);
        self.gauge("published_size", "Entries under the checkpoint that is served", published.head.size.get());
        self.gauge("checkpoint_age_seconds", "Time since the checkpoint that is served was published", age);
        self.gauge(
            "unsealed_entries",
            "Stored entries that are not sealed into files yet",
            stored.saturating_sub(sealed),
        );
        self.gauge("ready", "1 while /readyz answers 200", u64::from(health::look(site).is_ready()));
        if let Some(record) = &site.record {
            let status = record.status();
            let lag = published.head.size.get().saturating_sub(status.recorded.get());
            self.gauge("record_size", "Entries that are in the public record", status.recorded.get());
            self.gauge("record_lag_entries", "Published entries that are not in the public record yet", lag);
            self.gauge(
                "record_stopped",
                "1 while the public record cannot be written",
                u64::from(status.stopped.is_some()),
            );
        }
        if let Some(free) = health::free_bytes(&site.data) {
            self.gauge("disk_free_bytes", "Free on the file system of the data folder", free);
        }
    }

    fn witnesses(&mut self, cosigning: &Cosigning, now: Timestamp) {
        let missing = cosigning.missing_since.map_or(0, |since| now.secs().saturating_sub(since.secs()));
        self.gauge(
            "witness_quorum_met",
            "1 while a quorum cosigned the newest checkpoint",
            u64::from(cosigning.quorum_met),
        );
        self.gauge("witness_quorum_missing_seconds", "Time since that is not so; 0 while it is", missing);
        let (up, size, age) = (Named::default(), Named::default(), Named::default());
        for witness in &cosigning.witnesses {
            let of = |family: &Named, value| family.get_or_create(&[("witness", witness.name.clone())]).set(value);
            of(&up, i64::from(witness.last_error.is_none()));
            if let Some(seen) = witness.size {
                of(&size, i64::try_from(seen.get()).unwrap_or(i64::MAX));
            }
            if let Some(last) = witness.last_ok {
                of(&age, i64::try_from(now.secs().saturating_sub(last.secs())).unwrap_or(i64::MAX));
            }
        }
        self.0.register("witness_up", "1 while the last request to the witness went well", up);
        self.0.register("witness_size", "Size that the witness cosigned last", size);
        self.0.register("witness_cosignature_age_seconds", "Time since the witness last cosigned", age);
    }

    fn mirror(&mut self, site: &Site, state: &MirrorState) {
        let (name, silent) = match state {
            MirrorState::Current => ("current", 0),
            MirrorState::Stale { since, .. } => ("stale", site.clock.now().secs().saturating_sub(since.secs())),
            MirrorState::Stalled { .. } => ("stalled", 0),
            MirrorState::Forked { .. } => ("forked", 0),
        };
        self.gauge("mirror_stale_seconds", "Time since the log was last found as expected; 0 while it is", silent);
        let states = Family::<Label, Gauge>::default();
        for one in ["current", "stalled", "stale", "forked"] {
            states.get_or_create(&[("state", one)]).set(i64::from(one == name));
        }
        self.0.register("mirror_state", "1 for the state that the mirror is in", states);
    }
}
