//! Foreign code: members that only the published file has (docs/TRUST.md 4.2).
use crate::statement::{MAX_DIFFERENCES, Outcome, Refusal, Weight, weight};

/// The importable or executable members that only the published file has, in a build whose content otherwise matches.
///
/// "Otherwise matches" means: no member that both files have differs in content, but those of dist-info that describe the
/// wheel, and no code is only in the rebuilt file. A list that was cut shows that too, because it keeps the weightiest
/// differences. A signer asks the same function before it signs: such a statement is an accusation and waits for a person
/// (docs/TRUST.md 4.5).
pub fn foreign_code(refusal: &Refusal) -> Option<Vec<String>> {
    let differences = &refusal.differences;
    let listed = u64::try_from(differences.len()).ok()?;
    let whole = refusal.differences_total == listed;
    let cut = differences.len() == MAX_DIFFERENCES && refusal.differences_total > listed;
    let other_content = |weight| weight == Weight::OtherContent;
    if refusal.outcome != Outcome::Different || !(whole || cut) || differences.iter().map(weight).any(other_content) {
        return None;
    }
    let members: Vec<String> = differences
        .iter()
        .filter(|difference| weight(difference) == Weight::ForeignCode)
        .map(|difference| difference.path.clone())
        .collect();
    (!members.is_empty()).then_some(members)
}
