//! How dissent is taken back (docs/TRUST.md 3.8). What permits is filtered strictly, unlike what blocks.
use crate::{
    envelope::StatementId,
    merkle::LeafIndex,
    policy::Party,
    statement::Predicate,
    verify::{Heard, Place, Standing},
};

/// docs/TRUST.md 3.8: dissent is taken back only by the same group, about the same file, and provably later in the same
/// log, where the key was valid. A withdrawal could otherwise be made in advance, or with an old key, or be slipped in
/// below.
pub(super) fn withdrawal(heard: &[&Heard<'_>], dissent: &Heard<'_>, party: &Party) -> Option<StatementId> {
    let takes_back = |other: &&&Heard<'_>| {
        let names = match other.statement().predicate() {
            Predicate::Withdrawn(withdrawal) => withdrawal.statement_id == dissent.id(),
            _ => false,
        };
        let (one, two) = (other.statement().subject(), dissent.statement().subject());
        let same_file = one.digest == two.digest && one.name.as_str() == two.name.as_str();
        names && same_file && other.by().is_some_and(|by| may_lift(by, party, other, dissent))
    };
    heard.iter().find(takes_back).map(|withdrawal| withdrawal.id())
}

fn may_lift(by: &Party, party: &Party, withdrawal: &Heard<'_>, dissent: &Heard<'_>) -> bool {
    by.group() == party.group()
        && withdrawal.seen().iter().any(|seen| match (&seen.standing, &seen.place) {
            (Standing::Included, Place::Logged { origin, index, .. }) => {
                by.is_valid_at(origin, *index) && first_index(dissent, origin).is_some_and(|first| first < *index)
            }
            _ => false,
        })
}

/// Where the dissent is first proven to be in a log. The same statement logged again further up does not count again.
fn first_index(dissent: &Heard<'_>, log: &str) -> Option<LeafIndex> {
    let places = dissent.seen().iter().filter_map(|seen| match (&seen.standing, &seen.place) {
        (Standing::Included | Standing::Pending, Place::Logged { origin, index, .. }) if origin == log => Some(*index),
        _ => None,
    });
    places.min()
}
