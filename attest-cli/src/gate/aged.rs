//! What passes without the votes of a policy, exemptions and pins, counted and aged: they become permanent where nobody
//! sees how old they are (docs/TRUST.md 6.3, 6.4).

use attest_core::{
    policy::Exemption,
    time::Timestamp,
    verify::{PinStanding, Verdict},
};
use serde::Serialize;

use crate::{
    exit::Exit,
    gate::{Judged, Judgement, Word},
    layers::Layer,
    output::plural,
};

const DAY: u64 = 24 * 60 * 60;

/// Exemptions and pins of all policies, by the files they let through.
#[derive(Debug, Serialize)]
pub(crate) struct Aged {
    exempt: Ages,
    pinned: Ages,
    /// Files that have the votes they need and a pin as well.
    #[serde(rename = "pinsToDrop")]
    idle: usize,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ages {
    files: usize,
    /// Of the oldest whose beginning is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_days: Option<u64>,
    /// Those of which nobody wrote down when they began.
    undated: usize,
    /// When the first of them ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_ends: Option<String>,
    #[serde(skip)]
    ends: Option<Timestamp>,
}

impl Ages {
    fn add(&mut self, since: Option<Timestamp>, ends: Option<Timestamp>, now: Timestamp) {
        match since {
            Some(since) => self.oldest_days = self.oldest_days.max(Some(days(since, now))),
            None => self.undated += 1,
        }
        self.ends = match (self.ends, ends) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.first_ends = self.ends.map(|ends| ends.to_string());
    }

    fn line(&self, what: &str) -> Option<String> {
        if self.files == 0 {
            return None;
        }
        let mut words = vec![format!("{} {what}", plural(self.files, "file"))];
        words.extend(self.oldest_days.map(|days| format!("the oldest for {}", age(days))));
        if self.undated > 0 {
            words.push(format!("{} of unknown age", self.undated));
        }
        words.push(self.first_ends.as_ref().map_or_else(|| "without end".to_owned(), |ends| format!("until {ends}")));
        Some(words.join(", "))
    }
}

impl Aged {
    pub(crate) fn of(judged: &Judged<'_>, now: Timestamp) -> Self {
        let mut aged = Self { exempt: Ages::default(), pinned: Ages::default(), idle: 0 };
        // What another policy refuses is let through by nothing.
        for answer in judged.answers.iter().filter(|answer| answer.outcome.exit() == Exit::Pass) {
            let exemptions: Vec<&Exemption> = answer.judgements.iter().filter_map(exemption).collect();
            let pins: Vec<PinStanding> =
                answer.judgements.iter().filter_map(|judgement| Some(judgement.pinning()?.pin)).collect();
            aged.exempt.files += usize::from(!exemptions.is_empty());
            aged.pinned.files += usize::from(!pins.is_empty());
            aged.idle += usize::from(answer.judgements.iter().any(is_idle));
            for exemption in exemptions {
                aged.exempt.add(exemption.since(), exemption.expires(), now);
            }
            for pin in pins {
                aged.pinned.add(Some(pin.since), Some(pin.expires), now);
            }
        }
        aged
    }

    /// For people; nothing where everything passes by votes.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let idle = (self.idle > 0).then(|| {
            let pins = plural(self.idle, "pin");
            format!("{pins} not needed any more, the votes are there: `attest policy ratchet` drops what can go")
        });
        [self.pinned.line("pinned although votes are missing"), self.exempt.line("exempt"), idle].into_iter().flatten()
    }
}

fn exemption<'p>(judgement: &Judgement<'p>) -> Option<&'p Exemption> {
    match judgement.word {
        Word::Exempt(exemption) => Some(exemption),
        Word::Verdict { .. } => None,
    }
}

fn is_idle(judgement: &Judgement<'_>) -> bool {
    match &judgement.word {
        Word::Verdict { verdict, .. } => matches!(**verdict, Verdict::Accepted(_)) && verdict.findings().pin.is_some(),
        Word::Exempt(_) => false,
    }
}

/// One pin, with the line it is on.
pub(crate) fn pin(pin: &PinStanding, layer: &Layer) -> String {
    let days = days(pin.since, crate::run::now());
    let age = age(days);
    format!("pinned until {}, {age} old ({}:{})", pin.expires, layer.path.display(), pin.line)
}

/// Whole days since then; none for a day that is yet to come.
pub(crate) fn days(since: Timestamp, now: Timestamp) -> u64 {
    now.secs().saturating_sub(since.secs()) / DAY
}

/// `63 days`
pub(crate) fn age(days: u64) -> String {
    plural(usize::try_from(days).unwrap_or(usize::MAX), "day")
}

/// A file's pin in the JSON document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownPin {
    since: String,
    expires: String,
    line: usize,
    /// Whether the file passes because of it.
    decides: bool,
}

impl ShownPin {
    pub(crate) fn new(pin: PinStanding, verdict: &Verdict) -> Self {
        Self {
            since: pin.since.to_string(),
            expires: pin.expires.to_string(),
            line: pin.line,
            decides: matches!(verdict, Verdict::Pinned(_)),
        }
    }
}
