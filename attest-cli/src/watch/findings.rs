//! What a statement that is new in a log means for whoever watches the file that it is about, given all that logs hold about
//! that file. Nothing is decided here that `attest verify` decides otherwise: what a contradiction is, and what foreign code
//! is, the core says (docs/TRUST.md 4.2).

use std::{collections::HashMap, path::Path};

use attest_core::{
    artifact::ArtifactDigest,
    dissent,
    envelope::{Envelope, StatementId},
    statement::{Build, Outcome, Predicate, Refusal, Statement},
    time::Timestamp,
};

use super::{
    event::{Event, File, Kind, Phase, Plain, SaidBy, word},
    interest::Interest,
    keys::{Keyring, Known},
};

/// Signatures on one statement that are looked at.
const MAX_SIGNERS: usize = 64;
/// Members of a wheel that are named.
const NAMED_MEMBERS: usize = 3;

/// A statement that was not there before.
#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) index: u64,
    pub(crate) envelope: Envelope,
    pub(crate) statement: Statement,
}

impl New {
    pub(crate) fn id(&self) -> StatementId {
        self.envelope.statement_id()
    }

    /// Of its bytes: another one may have signed the same statement.
    pub(crate) fn entry(&self) -> ArtifactDigest {
        ArtifactDigest::of(&self.envelope.to_bytes())
    }

    /// The statement that it takes back or contradicts.
    pub(crate) fn names(&self) -> Option<StatementId> {
        match self.statement.predicate() {
            Predicate::NotReproduced { refusal, .. } => refusal.contradicts,
            Predicate::Withdrawn(withdrawal) => Some(withdrawal.statement_id),
            Predicate::Reproduced(_) | Predicate::Equivalent { .. } => None,
        }
    }

    /// From which inputs it says what came out.
    pub(crate) fn inputs(&self) -> Option<ArtifactDigest> {
        dissent::result(&self.statement).map(|(inputs, _)| inputs)
    }
}

/// What inputs gave, as somebody said before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Its index, where it is in the log that is read.
    pub(crate) index: Option<u64>,
    pub(crate) id: StatementId,
    pub(crate) inputs: ArtifactDigest,
    pub(crate) output: ArtifactDigest,
}

/// What all logs hold about one file, as far as the new statements need it.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Statements that the new ones name, and who signed them: more than one may have signed the same.
    named: HashMap<StatementId, Named>,
    /// By inputs, and whether they are of the log that is read: the first two that differ. Whatever another one says, one of
    /// them says otherwise.
    claims: HashMap<(ArtifactDigest, bool), Vec<Claim>>,
}

/// A statement that another one names.
#[derive(Debug)]
struct Named {
    statement: Statement,
    signed: Vec<Envelope>,
}

impl Past {
    /// Adds what a statement claims.
    pub(crate) fn claim(&mut self, claim: Claim) {
        let claims = self.claims.entry((claim.inputs, claim.index.is_some())).or_default();
        if claims.len() < 2 && claims.iter().all(|other| other.output != claim.output) {
            claims.push(claim);
        }
    }

    /// Adds a statement that a new one names.
    pub(crate) fn name(&mut self, statement: Statement, envelope: Envelope) {
        let named = self.named.entry(envelope.statement_id());
        let named = named.or_insert_with(|| Named { statement, signed: Vec::new() });
        if named.signed.len() < MAX_SIGNERS {
            named.signed.push(envelope);
        }
    }

    /// Somebody who got something else from these inputs, before an entry.
    fn otherwise(&self, inputs: ArtifactDigest, output: ArtifactDigest, before: u64) -> Option<&Claim> {
        let claims = [true, false].into_iter().filter_map(|is_here| self.claims.get(&(inputs, is_here))).flatten();
        let is_earlier = |claim: &&Claim| claim.index.is_none_or(|index| index < before);
        claims.filter(is_earlier).find(|claim| claim.output != output)
    }
}

/// A log, and who looks at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judge<'a> {
    pub(crate) origin: &'a str,
    pub(crate) interest: &'a Interest,
    pub(crate) keyring: &'a Keyring,
    /// Where statements are kept for the commands that events name.
    pub(crate) entries: &'a Path,
    pub(crate) now: Timestamp,
}

impl Judge<'_> {
    /// A statement by a key of ours that is none of ours.
    pub(crate) fn not_mine(&self, new: &New) -> Event {
        let mut event = self.event(Kind::NotMyStatement, new);
        let said = match new.statement.predicate() {
            Predicate::Reproduced(_) => "that it was reproduced",
            Predicate::Equivalent { .. } => "that it is equivalent to what was rebuilt",
            Predicate::NotReproduced { .. } => "that it was not reproduced",
            Predicate::Withdrawn(_) => "that an earlier statement is taken back",
        };
        let key = event.said_by.as_ref().and_then(|by| by.signer.clone()).unwrap_or_else(|| Plain::new("your key"));
        event.what = Plain::new(format_args!(
            "{}: {key}, your key, signed {said}; the signature holds, and the statement is not among your own",
            new.statement.subject().name.as_str()
        ));
        event.next = match new.statement.predicate() {
            Predicate::Withdrawn(_) => Plain::new(
                "if it was not you, somebody else has the key, and a withdrawal is final: tell everybody whose policy or log \
                 names the key, and make another one",
            ),
            _ => Plain::new(format_args!(
                "attest withdraw {} --signer SIGNER --reason 'not made by us'  # then tell everybody whose policy names the key",
                self.kept(new)
            )),
        };
        event
    }

    /// What a statement about something that is watched means.
    pub(crate) fn judge(&self, new: &New, past: &Past) -> Option<Event> {
        let named = new.names().and_then(|id| past.named.get(&id));
        let watched = self.interest.of(&new.statement, named.map(|named| &named.statement));
        if watched.is_empty() {
            return None;
        }
        let event = match new.statement.predicate() {
            Predicate::NotReproduced { build, refusal } => {
                self.foreign(new, refusal).or_else(|| self.contradiction(new, build, refusal, past))
            }
            Predicate::Withdrawn(_) => self.withdrawal(new, named),
            Predicate::Reproduced(_) | Predicate::Equivalent { .. } => None,
        };
        let event = event.or_else(|| self.disagreement(new, past))?;
        Some(Event { watched, ..event })
    }

    fn foreign(&self, new: &New, refusal: &Refusal) -> Option<Event> {
        let members = dissent::foreign_code(refusal)?;
        let mut event = self.event(Kind::ForeignCode, new);
        let mut shown: Vec<String> =
            members.iter().take(NAMED_MEMBERS).map(|member| Plain::stated(member).to_string()).collect();
        if members.len() > NAMED_MEMBERS {
            shown.push(format!("and {} more", members.len() - NAMED_MEMBERS));
        }
        event.what = Plain::new(format_args!(
            "{}: code that is only in the published file ({}), says {}; all else is what the source gives",
            name(new),
            shown.join(", "),
            by(&event)
        ));
        event.next = self.replay(new);
        Some(event)
    }

    fn contradiction(&self, new: &New, build: &Build, refusal: &Refusal, past: &Past) -> Option<Event> {
        let contradicts = refusal.contradicts?;
        let mut event = self.event(Kind::Contradiction, new);
        event.other = Some(contradicts);
        event.next = self.replay(new);
        let Some(other) = past.named.get(&contradicts) else {
            // `attest verify` refuses until somebody shows the other statement: whoever watches should know.
            dissent::own_shortfall(build, refusal).is_none().then_some(())?;
            event.what = Plain::new(format_args!(
                "{}: {} got another file and says that statement {} does not hold, which none of the logs watched has",
                name(new),
                by(&event),
                short(contradicts)
            ));
            return Some(event);
        };
        let rebuilt = dissent::contradiction(&new.statement, contradicts, &other.statement).ok()?;
        event.what = Plain::new(format_args!(
            "{}: {} built it {} times from the inputs of statement {} and got another file (sha256 {rebuilt})",
            name(new),
            by(&event),
            build.repeat,
            short(contradicts)
        ));
        Some(event)
    }

    fn disagreement(&self, new: &New, past: &Past) -> Option<Event> {
        let (inputs, output) = dissent::result(&new.statement)?;
        let other = past.otherwise(inputs, output, new.index)?;
        let mut event = self.event(Kind::Disagreement, new);
        event.other = Some(other.id);
        event.what = Plain::new(format_args!(
            "{}: from the same inputs, {} got sha256 {output} and statement {} got sha256 {}",
            name(new),
            by(&event),
            short(other.id),
            other.output
        ));
        event.next = self.replay(new);
        Some(event)
    }

    /// docs/TRUST.md 3.8: only the same group takes back what it said. Where the keys of neither are known, both are told.
    fn withdrawal(&self, new: &New, named: Option<&Named>) -> Option<Event> {
        let Predicate::Withdrawn(withdrawal) = new.statement.predicate() else { return None };
        if let Some(Named { statement, signed }) = named {
            let (one, two) = (statement.subject(), new.statement.subject());
            let same_file = one.digest == two.digest && one.name.as_str() == two.name.as_str();
            // Dissent that is taken back is no loss.
            let attests = dissent::claim(statement).is_some();
            let by = self.keyring.signer(&new.envelope);
            let may = signed.iter().any(|envelope| may_withdraw(by, self.keyring.signer(envelope)));
            if !same_file || !attests || !may {
                return None;
            }
        }
        let mut event = self.event(Kind::LostAttestation, new);
        event.other = Some(withdrawal.statement_id);
        let where_it_is = if named.is_some() { "" } else { ", which none of the logs watched has," };
        event.what = Plain::new(format_args!(
            "{}: {} took back statement {}{where_it_is} for this reason: {}",
            name(new),
            by(&event),
            short(withdrawal.statement_id),
            Plain::stated(&withdrawal.reason)
        ));
        let item = event.file.as_ref().map(File::item).unwrap_or_default();
        event.next = Plain::new(format_args!("attest explain {item}"));
        Some(event)
    }

    /// An event about an entry, whichever log it is in. Two people can sign one statement: that is two events.
    fn event(&self, kind: Kind, new: &New) -> Event {
        let (id, subject) = (new.id(), new.statement.subject());
        let entry = new.entry().to_string();
        let mut event = Event::new(kind, Phase::Happened, &[&entry], self.now);
        event.log = Some(Plain::stated(self.origin));
        event.index = Some(new.index);
        event.statement = Some(id);
        event.file = Some(File::new(&subject.name, subject.digest));
        event.said_by = Some(SaidBy {
            signer: self.keyring.signer(&new.envelope).map(|known| Plain::stated(&known.name)),
            stated: new.statement.predicate().build().map(|build| Plain::stated(&build.rebuilder.id)),
        });
        event
    }

    fn kept(&self, new: &New) -> String {
        word(&self.entries.join(format!("{}.json", new.entry())).display().to_string())
    }

    /// Builds it again as the statement says that it was.
    fn replay(&self, new: &New) -> Plain {
        let subject = new.statement.subject();
        let item = File::new(&subject.name, subject.digest).item();
        match new.statement.predicate() {
            Predicate::NotReproduced { refusal, .. } if refusal.outcome != Outcome::Different => {
                Plain::new(format_args!("attest rebuild {item}"))
            }
            _ => Plain::new(format_args!("attest rebuild {item} --statement {}", self.kept(new))),
        }
    }
}

/// A stranger does not take back what a party of the policy said, nor the other way round.
fn may_withdraw(by: Option<&Known>, of: Option<&Known>) -> bool {
    match (by, of) {
        (None, None) => true,
        (Some(by), Some(of)) => by.name == of.name || (by.group.is_some() && by.group == of.group),
        _ => false,
    }
}

fn name(new: &New) -> &str {
    new.statement.subject().name.as_str()
}

fn by(event: &Event) -> String {
    event.said_by.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn short(id: StatementId) -> String {
    id.to_string().chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use attest_core::{
        artifact::WheelName,
        envelope::{Signature, pae},
        key::ed25519::SecretKey,
        statement::{Subject, Withdrawal},
    };

    use super::*;

    fn digest(n: u8) -> ArtifactDigest {
        ArtifactDigest::of(&[n])
    }

    fn claim(index: Option<u64>, output: u8) -> Claim {
        Claim { index, id: StatementId::of_payload(&[output]), inputs: digest(0), output: digest(output) }
    }

    #[test]
    fn whoever_says_otherwise_is_found_and_two_claims_are_kept_however_many_there_are() {
        let mut past = Past::default();
        // Of this log, in its order; then of others, whose order to ours nobody knows.
        for index in 0..1_000 {
            past.claim(claim(Some(index), u8::try_from(index % 200).unwrap()));
        }
        past.claim(claim(None, 7));
        assert_eq!(past.claims.values().map(Vec::len).sum::<usize>(), 3);
        let otherwise = |output, before| past.otherwise(digest(0), digest(output), before).map(|claim| claim.output);
        assert_eq!(otherwise(0, 1), Some(digest(7)), "nobody here, and somebody elsewhere");
        assert_eq!(otherwise(1, 1), Some(digest(0)));
        assert_eq!(otherwise(0, 2), Some(digest(1)));
        assert_eq!(otherwise(199, 900), Some(digest(0)));
        assert_eq!(past.otherwise(digest(9), digest(1), 900), None, "from other inputs anything may come");
    }

    #[test]
    fn two_signers_of_one_statement_are_two_entries_and_each_is_kept() {
        let name = WheelName::parse("demo-1.0-py3-none-any.whl").unwrap();
        let withdrawal = Withdrawal { statement_id: StatementId::of_payload(&[1]), reason: "a broken disk".to_owned() };
        let statement = Statement::new(Subject { name, digest: digest(1) }, Predicate::Withdrawn(withdrawal)).unwrap();
        let signed = |seed: u8| {
            let payload = statement.to_bytes();
            let signature = Signature::Ed25519(SecretKey::from_seed([seed; 32]).sign(&pae(&payload)));
            New { index: 0, envelope: Envelope::new(payload, signature).unwrap(), statement: statement.clone() }
        };
        assert_eq!(signed(1).id(), signed(2).id());
        assert_ne!(signed(1).entry(), signed(2).entry());
        let (interest, keyring) = (Interest::default(), Keyring::new(None, &[]));
        let now = Timestamp::from_secs(1);
        let judge = Judge { origin: "log", interest: &interest, keyring: &keyring, entries: Path::new("e"), now };
        assert_ne!(judge.kept(&signed(1)), judge.kept(&signed(2)), "none takes the place of the other");
    }

    #[test]
    fn a_stranger_takes_nothing_back_that_somebody_known_said() {
        let known = |name: &str, group: Option<&str>| Known::named(name, group);
        let (alice, bob, carol) = (known("alice", Some("u")), known("bob", Some("u")), known("carol", Some("c")));
        let own = known("ed25519:x", None);
        for (by, of, expected) in [
            (None, None, true),
            (Some(&alice), Some(&alice), true),
            (Some(&bob), Some(&alice), true),
            (Some(&carol), Some(&alice), false),
            (None, Some(&alice), false),
            (Some(&alice), None, false),
            (Some(&own), Some(&own), true),
            (Some(&own), Some(&alice), false),
        ] {
            assert_eq!(may_withdraw(by, of), expected, "{by:?} {of:?}");
        }
    }
}
