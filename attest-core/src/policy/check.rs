//! From the file as written to a [`Policy`]: every rule of the format, each error at its place in the text.
mod packages;
mod parties;
mod ratchet;
mod registry;

use self::registry::Registry;
use super::{
    Dismissal, GroupName, Include, Lined, Negatives, Policy, PolicyError, PolicyErrorKind, Role, Status, Witnessing,
    file::{DismissTable, File, IncludeTable, NegativesWord, WitnessWord},
};
use crate::time::Timestamp;
use std::{collections::BTreeSet, ops::Range, time::Duration};
use toml::{Spanned, value::Datetime};

const FORMAT_VERSION: u32 = 1;
/// Clocks that keep time at all are seconds apart. What is added here is added to the life of every old checkpoint, and
/// lets one be made in advance.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(3_600);
const UNCHECKED: &str = "unchecked";

pub(super) fn policy(text: &str) -> Result<Policy, PolicyError> {
    let at = Text(text);
    if text.len() > Policy::MAX_LEN {
        return Err(at.error(&(0..0), PolicyErrorKind::TooLong { found: text.len() }));
    }
    let file: File = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        at.error(&span, PolicyErrorKind::Toml(error))
    })?;
    if *file.version.get_ref() != FORMAT_VERSION {
        let found = *file.version.get_ref();
        return Err(at.error(&file.version.span(), PolicyErrorKind::Version { found }));
    }

    let mut registry = Registry::new(at);
    let logs = parties::logs(&mut registry, file.log.unwrap_or_default())?;
    let mut known = parties::rebuilders(&mut registry, file.rebuilder.unwrap_or_default(), &logs)?;
    known.extend(parties::keys(&mut registry, Role::Own, file.own.unwrap_or_default())?);
    known.extend(parties::keys(&mut registry, Role::Publisher, file.publisher.unwrap_or_default())?);
    let witnesses = parties::witnesses(&mut registry, file.witness.unwrap_or_default())?;
    let auditors = parties::auditors(&mut registry, file.auditor.unwrap_or_default())?;

    // Votes of rebuilders count only from a log, so without one only the user's own keys can vote.
    let voters: BTreeSet<GroupName> = known
        .iter()
        .filter(|party| match party.role {
            Role::Rebuilder => !logs.is_empty() && party.can_vote(),
            Role::Own => true,
            Role::Publisher | Role::Log | Role::Witness | Role::Auditor => false,
        })
        .map(|party| party.group.clone())
        .collect();
    let witness_groups = count(&witnesses.iter().map(|w| &w.group).collect());
    let auditor_groups = count(&auditors.iter().map(|a| &a.group).collect());

    let threshold = at.threshold("threshold", &file.threshold, count(&voters))?;
    let max_age = (&file.max_checkpoint_age, &file.offline_max_age);
    let witnessing = witnessing(at, &file.witness_threshold, witness_groups, max_age)?;
    let negatives = negatives(at, &file.negatives, file.auditor_threshold.as_ref(), auditor_groups)?;
    Ok(Policy {
        serial: at.lined(&file.serial),
        expires: at.time("expires", &file.expires)?,
        accept_origin: at.list("accept-origin", &file.accept_origin)?,
        accept_method: at.list("accept-method", &file.accept_method)?,
        negatives,
        witnessing,
        clock_skew: clock_skew(at, &file.clock_skew)?,
        packages: packages::rules(at, file.package.unwrap_or_default(), threshold.value, &voters)?,
        exemptions: packages::exemptions(at, file.exempt.unwrap_or_default())?,
        dismissals: dismissals(at, file.dismiss.unwrap_or_default())?,
        ratchet: file.ratchet.map(|table| ratchet::ratchet(at, table)).transpose()?,
        includes: includes(at, file.include.unwrap_or_default())?,
        threshold,
        parties: known,
        logs,
        witnesses,
        auditors,
    })
}

fn witnessing(
    at: Text<'_>,
    threshold: &Spanned<WitnessWord>,
    groups: u32,
    (online, offline): (&Spanned<String>, &Spanned<String>),
) -> Result<Lined<Witnessing>, PolicyError> {
    let ages = [("max-checkpoint-age", online), ("offline-max-age", offline)];
    let value = match threshold.get_ref() {
        WitnessWord::None => {
            for (key, age) in ages {
                if age.get_ref() != UNCHECKED {
                    let found = age.get_ref().clone();
                    return Err(at.error(&age.span(), PolicyErrorKind::AgeUnknowable { key, found }));
                }
            }
            Witnessing::None
        }
        WitnessWord::Groups(n) => {
            let needed = Spanned::new(threshold.span(), *n);
            at.threshold("witness-threshold", &needed, groups)?;
            for (key, age) in ages {
                if age.get_ref() == UNCHECKED {
                    return Err(at.error(&age.span(), PolicyErrorKind::AgeUnchecked { key }));
                }
            }
            Witnessing::Quorum {
                groups: *n,
                max_age: at.duration("max-checkpoint-age", online)?,
                offline_max_age: at.duration("offline-max-age", offline)?,
            }
        }
    };
    Ok(Lined { value, line: at.line(&threshold.span()) })
}

fn clock_skew(at: Text<'_>, value: &Spanned<String>) -> Result<Duration, PolicyError> {
    let skew = at.duration("clock-skew", value)?;
    if skew > MAX_CLOCK_SKEW {
        let found = value.get_ref().clone();
        return Err(at.error(&value.span(), PolicyErrorKind::ClockSkew { found }));
    }
    Ok(skew)
}

fn negatives(
    at: Text<'_>,
    word: &Spanned<NegativesWord>,
    threshold: Option<&Spanned<u32>>,
    groups: u32,
) -> Result<Lined<Negatives>, PolicyError> {
    let value = match (word.get_ref(), threshold) {
        (NegativesWord::Complete, Some(threshold)) => {
            Negatives::Complete { auditor_threshold: at.threshold("auditor-threshold", threshold, groups)?.value }
        }
        (NegativesWord::Complete, None) => {
            return Err(at.error(&word.span(), PolicyErrorKind::AuditorThresholdMissing));
        }
        (NegativesWord::BestEffort, Some(threshold)) => {
            return Err(at.error(&threshold.span(), PolicyErrorKind::AuditorThresholdUnused));
        }
        (NegativesWord::BestEffort, None) => Negatives::BestEffort,
    };
    Ok(Lined { value, line: at.line(&word.span()) })
}

fn dismissals(at: Text<'_>, tables: Vec<Spanned<DismissTable>>) -> Result<Vec<Dismissal>, PolicyError> {
    tables
        .into_iter()
        .map(|spanned| {
            let line = at.line(&spanned.span());
            let table = spanned.into_inner();
            Ok(Dismissal {
                statement: *table.statement.get_ref(),
                reason: at.reason(table.reason)?,
                expires: at.time("expires", &table.expires)?.value,
                line,
            })
        })
        .collect()
}

fn includes(at: Text<'_>, tables: Vec<Spanned<IncludeTable>>) -> Result<Vec<Include>, PolicyError> {
    let mut includes: Vec<Include> = Vec::new();
    for spanned in tables {
        let line = at.line(&spanned.span());
        let table = spanned.into_inner();
        let url = table.url.get_ref();
        let plain = url.bytes().all(|b| b.is_ascii_graphic() && !b"?#\\\"<>%".contains(&b));
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("file://").filter(|p| p.starts_with('/')));
        if !plain || rest.is_none_or(str::is_empty) {
            let found = url.clone();
            return Err(at.error(&table.url.span(), PolicyErrorKind::IncludeUrl { found }));
        }
        let sha256 = *table.sha256.get_ref();
        if let Some(first) = includes.iter().find(|first| first.sha256 == sha256) {
            let kind = PolicyErrorKind::DuplicateInclude { first_line: first.line };
            return Err(at.error(&table.sha256.span(), kind));
        }
        includes.push(Include { url: table.url.into_inner(), sha256, line });
    }
    Ok(includes)
}

fn count<T>(set: &BTreeSet<T>) -> u32 {
    u32::try_from(set.len()).unwrap_or(u32::MAX)
}

/// The text of the file: turns byte offsets into lines and columns, and reads single values.
#[derive(Clone, Copy)]
struct Text<'a>(&'a str);

impl Text<'_> {
    fn line(self, span: &Range<usize>) -> usize {
        let before = self.0.get(..span.start).unwrap_or(self.0);
        1 + before.bytes().filter(|b| *b == b'\n').count()
    }

    fn error(self, span: &Range<usize>, kind: PolicyErrorKind) -> PolicyError {
        let before = self.0.get(..span.start).unwrap_or(self.0);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let spanned = self.0.get(span.clone()).and_then(|text| text.lines().next()).unwrap_or_default();
        PolicyError { line: self.line(span), column, width: spanned.chars().count().max(1), kind: Box::new(kind) }
    }

    fn lined<T: Copy>(self, value: &Spanned<T>) -> Lined<T> {
        Lined { value: *value.get_ref(), line: self.line(&value.span()) }
    }

    /// docs/TRUST.md 1.1: neither a threshold that everybody meets nor one that nobody can meet.
    fn threshold(self, key: &'static str, value: &Spanned<u32>, groups: u32) -> Result<Lined<u32>, PolicyError> {
        let threshold = *value.get_ref();
        if threshold == 0 {
            return Err(self.error(&value.span(), PolicyErrorKind::ZeroThreshold { key }));
        }
        if threshold > groups {
            let kind = PolicyErrorKind::Unreachable { key, threshold, groups };
            return Err(self.error(&value.span(), kind));
        }
        Ok(self.lined(value))
    }

    fn list<W: Copy, T: From<W>>(
        self,
        key: &'static str,
        words: &Spanned<Vec<W>>,
    ) -> Result<Lined<Vec<T>>, PolicyError> {
        if words.get_ref().is_empty() {
            return Err(self.error(&words.span(), PolicyErrorKind::EmptyList { key }));
        }
        Ok(Lined { value: words.get_ref().iter().map(|word| T::from(*word)).collect(), line: self.line(&words.span()) })
    }

    fn time(self, key: &'static str, value: &Spanned<Datetime>) -> Result<Lined<Timestamp>, PolicyError> {
        let found = value.get_ref().to_string();
        match found.parse() {
            Ok(time) => Ok(Lined { value: time, line: self.line(&value.span()) }),
            Err(_) => Err(self.error(&value.span(), PolicyErrorKind::Time { key, found })),
        }
    }

    fn duration(self, key: &'static str, value: &Spanned<String>) -> Result<Duration, PolicyError> {
        parse_duration(value.get_ref()).ok_or_else(|| {
            let found = value.get_ref().clone();
            self.error(&value.span(), PolicyErrorKind::Duration { key, found })
        })
    }

    fn reason(self, value: Spanned<String>) -> Result<String, PolicyError> {
        if value.get_ref().trim().is_empty() {
            return Err(self.error(&value.span(), PolicyErrorKind::EmptyReason));
        }
        Ok(value.into_inner())
    }
}

/// `24h`: a number without leading zero and one unit.
fn parse_duration(text: &str) -> Option<Duration> {
    let seconds = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    let number: u64 = digits.parse().ok()?;
    // One spelling for each number: no sign, no leading zero.
    (number.to_string() == digits).then_some(Duration::from_secs(number.checked_mul(seconds)?))
}

fn status(word: super::file::StatusWord) -> Status {
    use super::file::StatusWord;
    match word {
        StatusWord::Current => Status::Current,
        StatusWord::Retired => Status::Retired,
        StatusWord::Compromised => Status::Compromised,
    }
}
