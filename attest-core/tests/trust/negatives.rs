//! docs/TRUST.md 4.4: hiding a negative must show.
use super::world::{
    DAY, LOG, Log, NOW, Rules, Signed, abstention, asking, at, codes, contradiction, cosigner, evidence, judge_by,
    log_of, reproduced, signer, wanted, withdrawal,
};
use attest_core::{
    cosignature::cosign,
    merkle::{LeafIndex, TreeHead, TreeSize},
    negatives::{Edition, Listing, ListingNote, Record, ShardDigest, ShardId, Table, subject_of_entry},
    note::{KeyName, SignerKey},
    policy::{Policy, PolicyErrorKind},
    statement::Outcome,
    time::Timestamp,
    verify::{Asking, Connection, Evidence, HeldTree, Incomplete, LogView, Reason, Severity, Verdict, verify},
};

// ---- the scene: a log, auditors of two groups, a policy that wants to know everything

/// Signs lists. One group each, but for the second key of the first.
fn auditor(name: &str) -> SignerKey {
    Log::new(&format!("{name}.example")).key
}

const AUDITORS: [(&str, &str); 3] =
    [("auditor-a", "mirrors-a"), ("auditor-a2", "mirrors-a"), ("auditor-b", "mirrors-b")];

fn with_auditors(mut rules: Rules) -> Rules {
    for (name, group) in AUDITORS {
        let vkey = auditor(name);
        rules = rules
            .table(format!("[[auditor]]\nname = \"{name}\"\ngroup = \"{group}\"\nvkey = \"{}\"\n", vkey.verifier()));
    }
    rules
}

/// Two of the two groups of auditors must have signed.
fn complete() -> Rules {
    with_auditors(Rules::new()).set("negatives", r#""complete""#).set("auditor-threshold", "2")
}

fn vote(name: &str) -> Signed {
    signer(name).sign(&reproduced(|_| {}))
}

/// Two votes that suffice, and an innocent failure by somebody else.
fn cast() -> [Signed; 3] {
    [vote("deb-1"), vote("nix-1"), signer("acme-1").sign(&abstention(Outcome::BuildFailed))]
}

fn records(log: &Log) -> Vec<Record> {
    let entries = log.entries.iter().enumerate();
    let mut records: Vec<_> = entries
        .filter_map(|(index, entry)| {
            Some(Record { subject: subject_of_entry(entry)?, index: LeafIndex::new(index as u64) })
        })
        .collect();
    records.sort_unstable();
    records
}

/// A list of these records for that tree, by these keys, whatever is true.
fn list(origin: &str, head: TreeHead, records: &[Record], signers: &[&SignerKey]) -> Edition {
    let mut table = Table::empty();
    let mut shards: Vec<(ShardId, Vec<u8>)> = Vec::new();
    for record in records {
        let id = ShardId::of(&record.subject);
        match shards.last_mut().filter(|(last, _)| *last == id) {
            Some((_, bytes)) => bytes.extend(record.to_bytes()),
            None => shards.push((id, record.to_bytes().to_vec())),
        }
    }
    for (id, bytes) in &shards {
        table.set(*id, ShardDigest::of(bytes));
    }
    let origin = KeyName::new(origin).unwrap();
    let listing = Listing::new(origin, head, records.len() as u64, &table).unwrap();
    let note: Option<ListingNote> = signers.iter().fold(None, |note, key| match note {
        None => Some(listing.sign(key).unwrap()),
        Some(note) => Some(note.countersigned(key).unwrap()),
    });
    let note = note.unwrap().to_string().into_bytes();
    Edition { note, table: table.to_bytes(), shards, checkpoints: Vec::new() }
}

/// The true list of a log, by these auditors.
fn true_list(log: &Log, auditors: &[&str]) -> Edition {
    let keys: Vec<_> = auditors.iter().map(|name| auditor(name)).collect();
    list(&log.origin(), log.checkpoint().head(), &records(log), &keys.iter().collect::<Vec<_>>())
}

fn shown(log: &Log, negatives: Vec<Edition>) -> Evidence {
    Evidence { negatives, ..evidence(vec![log.view()]) }
}

fn why(verdict: &Verdict) -> &Incomplete {
    match verdict.reasons() {
        [Reason::IncompleteView { why, origin, .. }] if origin == LOG => {
            assert_eq!(verdict.severity(), Some(Severity::Undecided));
            why
        }
        other => panic!("{other:?}"),
    }
}

fn cosigned_head(log: &Log, time: Timestamp) -> Vec<u8> {
    let mut checkpoint = log.checkpoint();
    for name in ["witness-a", "witness-b"] {
        let line = cosign(&checkpoint, &cosigner(name), time).unwrap();
        checkpoint = checkpoint.with_cosignature(line).unwrap();
    }
    checkpoint.note().to_string().into_bytes()
}

// ---- complete

#[test]
fn a_view_is_complete_when_the_auditor_quorum_signed_one_list_and_all_of_it_was_shown() {
    let [one, two, failed] = cast();
    let log = log_of(&[&one, &failed, &two]);
    let verdict = judge_by(&complete(), &shown(&log, vec![true_list(&log, &["auditor-a", "auditor-b"])]));
    assert!(verdict.is_accepted(), "{verdict:?}");
    let standing = &verdict.findings().negatives[0];
    assert_eq!((standing.size, standing.groups.len(), &standing.missing), (Some(TreeSize::new(3)), 2, &None));
    assert_eq!(standing.witnessed_at, Some(at(60)));
    // The signatures may come from two servers, which need not know of each other.
    let apart = vec![true_list(&log, &["auditor-b"]), true_list(&log, &["auditor-a"])];
    assert!(judge_by(&complete(), &shown(&log, apart)).is_accepted());
    // Nobody speaks of the file at all: that is known too.
    let silent = log_of(&[&one, &two]);
    let verdict = judge_by(&complete(), &shown(&silent, vec![true_list(&silent, &["auditor-a", "auditor-b"])]));
    assert!(verdict.is_accepted());
}

#[test]
fn what_a_complete_view_shows_decides() {
    let [one, two, _] = cast();
    let against = signer("acme-1").sign(&contradiction(one.id));
    let log = log_of(&[&one, &two, &against]);
    let verdict = judge_by(&complete(), &shown(&log, vec![true_list(&log, &["auditor-a", "auditor-b"])]));
    assert_eq!(codes(&verdict), ["contradicted"]);
    // A withdrawal on the list counts as one.
    let withdrawn = signer("nix-1").sign(&withdrawal(two.id));
    let log = log_of(&[&one, &two, &withdrawn]);
    let verdict = judge_by(&complete(), &shown(&log, vec![true_list(&log, &["auditor-a", "auditor-b"])]));
    assert_eq!(codes(&verdict), ["below-threshold"]);
}

#[test]
fn entries_beyond_the_list_are_taken_and_the_list_stays_good() {
    let [one, two, failed] = cast();
    let early = log_of(&[&one, &failed]);
    let mut list = true_list(&early, &["auditor-a", "auditor-b"]);
    list.checkpoints.push(cosigned_head(&early, at(600)));
    let log = log_of(&[&one, &failed, &two]);
    let verdict = judge_by(&complete(), &shown(&log, vec![list.clone()]));
    assert!(verdict.is_accepted(), "{verdict:?}");
    assert_eq!(verdict.findings().negatives[0].witnessed_at, Some(at(600)));
    let against = signer("acme-1").sign(&contradiction(one.id));
    let log = log_of(&[&one, &failed, &two, &against]);
    assert_eq!(codes(&judge_by(&complete(), &shown(&log, vec![list]))), ["contradicted"]);
}

#[test]
fn every_log_of_the_policy_needs_a_list_and_a_finished_one_that_of_its_end() {
    let [one, two, failed] = cast();
    let log = log_of(&[&one, &two, &failed]);
    let mut old = Log::new("log.example/2025");
    old.append(&signer("stranger").sign(&abstention(Outcome::BuildFailed)));
    let head = old.checkpoint().head();
    let last = format!("final = {{ size = 1, root = \"{}\" }}\n", head.root);
    let rules = complete().log("log.example/2025", &last);
    let auditors = ["auditor-a", "auditor-b"];
    let new = true_list(&log, &auditors);
    let shown = |negatives: Vec<Edition>| Evidence { negatives, ..evidence(vec![log.view(), old.view_cosigned(&[])]) };
    let verdict = judge_by(&rules, &shown(vec![new.clone()]));
    let [Reason::IncompleteView { origin, why: Incomplete::NoList, .. }] = verdict.reasons() else {
        panic!("{verdict:?}");
    };
    assert_eq!(origin, "log.example/2025");
    // No cosignature at all: what is final does not age.
    let verdict = judge_by(&rules, &shown(vec![new.clone(), true_list(&old, &auditors)]));
    assert!(verdict.is_accepted(), "{verdict:?}");
    let mut longer = Log::new("log.example/2025");
    longer.entries = [old.entries.clone(), old.entries.clone()].concat();
    let verdict = judge_by(&rules, &shown(vec![new, true_list(&longer, &auditors)]));
    assert_eq!(codes(&verdict), ["incomplete-view"]);
}

// ---- attackers

#[test]
fn a_negative_that_is_held_back_makes_the_view_incomplete() {
    let [one, two, _] = cast();
    let against = signer("acme-1").sign(&contradiction(one.id));
    let log = log_of(&[&one, &two, &against]);
    let mut evidence = shown(&log, vec![true_list(&log, &["auditor-a", "auditor-b"])]);
    evidence.logs[0].entries.pop();
    let verdict = judge_by(&complete(), &evidence);
    assert_eq!(why(&verdict), &Incomplete::Withheld(vec![LeafIndex::new(2)]));
    // An entry without a proof, or another's proof, is not that entry.
    let mut unproven = shown(&log, vec![true_list(&log, &["auditor-a", "auditor-b"])]);
    unproven.logs[0].entries[2].path.pop();
    assert!(codes(&judge_by(&complete(), &unproven)).contains(&"incomplete-view"));
    // Best effort takes it, and says what it took.
    let verdict = judge_by(&with_auditors(Rules::new()), &evidence);
    assert!(verdict.is_accepted());
    let missing = verdict.findings().negatives[0].missing.as_ref();
    assert_eq!(missing, Some(&Incomplete::Withheld(vec![LeafIndex::new(2)])));
}

#[test]
fn a_list_without_its_shard_or_with_another_proves_nothing() {
    let [one, two, failed] = cast();
    let log = log_of(&[&one, &two, &failed]);
    let good = true_list(&log, &["auditor-a", "auditor-b"]);
    let shard = ShardId::of(&wanted().digest);
    let verdict = judge_by(&complete(), &shown(&log, vec![Edition { shards: Vec::new(), ..good.clone() }]));
    assert_eq!(why(&verdict), &Incomplete::Shard(shard));
    let mut swapped = good.clone();
    swapped.shards[0].1.clear();
    assert!(matches!(why(&judge_by(&complete(), &shown(&log, vec![swapped]))), Incomplete::Unusable(_)));
    let table = Table::empty().to_bytes();
    let other = Edition { table, shards: Vec::new(), ..good.clone() };
    assert!(matches!(why(&judge_by(&complete(), &shown(&log, vec![other.clone()]))), Incomplete::Unusable(_)));
    // Garbage from one server does not spoil what another has.
    assert!(judge_by(&complete(), &shown(&log, vec![other, good])).is_accepted());
}

#[test]
fn the_quorum_counts_groups_and_no_line_that_does_not_hold() {
    let [one, two, failed] = cast();
    let log = log_of(&[&one, &two, &failed]);
    let by = |auditors: &[&str]| judge_by(&complete(), &shown(&log, vec![true_list(&log, auditors)]));
    let groups = |names: &[&str]| names.iter().map(|name| attest_core::policy::GroupName::new(name).unwrap()).collect();
    let few = |names: &[&str]| Incomplete::Auditors { need: 2, groups: groups(names) };
    assert_eq!(why(&by(&["auditor-a"])), &few(&["mirrors-a"]));
    assert_eq!(why(&by(&["auditor-a", "auditor-a2"])), &few(&["mirrors-a"]));
    assert_eq!(why(&by(&["stranger"])), &Incomplete::NoList);
    assert_eq!(why(&judge_by(&complete(), &evidence(vec![log.view()]))), &Incomplete::NoList);
    // The log's own word on its list is none: it is who could hide something.
    let own = list(&log.origin(), log.checkpoint().head(), &records(&log), &[&log.key, &auditor("auditor-a")]);
    assert_eq!(why(&judge_by(&complete(), &shown(&log, vec![own]))), &few(&["mirrors-a"]));
    // A line moved over from another list.
    let good = String::from_utf8(true_list(&log, &["auditor-a"]).note).unwrap();
    let other = String::from_utf8(true_list(&log_of(&[&one]), &["auditor-b"]).note).unwrap();
    let mut forged = true_list(&log, &["auditor-a"]);
    forged.note = format!("{good}{}\n", other.lines().last().unwrap()).into_bytes();
    assert!(matches!(why(&judge_by(&complete(), &shown(&log, vec![forged]))), Incomplete::BadSignature(_)));
}

#[test]
fn an_auditor_is_neither_log_nor_witness_nor_rebuilder() {
    let text = |vkey: &str| {
        let table = format!("[[auditor]]\nname = \"x\"\ngroup = \"x\"\nvkey = \"{vkey}\"\n");
        Rules::new().set("negatives", r#""complete""#).set("auditor-threshold", "1").table(table).text()
    };
    let log = Log::new(LOG);
    let refused = Policy::parse(&text(&log.key.verifier().to_string())).unwrap_err();
    assert!(matches!(*refused.kind, PolicyErrorKind::DuplicateKey { .. }), "{refused}");
    // The same key material under another name or type is the same key.
    let seed = *attest_core::artifact::ArtifactDigest::of(LOG.as_bytes()).as_bytes();
    let renamed = SignerKey::from_seed(KeyName::new("x").unwrap(), attest_core::note::KeyType::Ed25519, seed);
    let refused = Policy::parse(&text(&renamed.verifier().to_string())).unwrap_err();
    assert!(matches!(*refused.kind, PolicyErrorKind::DuplicateKey { .. }), "{refused}");
    let refused = Policy::parse(&text(&cosigner("auditor-x").verifier().to_string())).unwrap_err();
    assert!(matches!(*refused.kind, PolicyErrorKind::VerifierKeyType { .. }), "{refused}");
}

#[test]
fn a_list_of_another_log_is_no_list_of_this_one() {
    let [one, two, failed] = cast();
    let log = log_of(&[&one, &two, &failed]);
    let keys = [auditor("auditor-a"), auditor("auditor-b")];
    let signers: Vec<_> = keys.iter().collect();
    let other = list("log.example/other", log.checkpoint().head(), &records(&log), &signers);
    assert_eq!(why(&judge_by(&complete(), &shown(&log, vec![other]))), &Incomplete::NoList);
}

#[test]
fn a_size_that_the_log_signed_no_checkpoint_of_has_no_list() {
    let [one, two, failed] = cast();
    let log = log_of(&[&one, &two, &failed]);
    let early = log_of(&[&one, &two]);
    // Honest auditors sign none such; thieves of their keys would.
    let list_of_two = true_list(&early, &["auditor-a", "auditor-b"]);
    let verdict = judge_by(&complete(), &shown(&log, vec![list_of_two.clone()]));
    assert_eq!(why(&verdict), &Incomplete::NotACheckpoint { size: TreeSize::new(2) });
    // Nor is another root of the right size the right tree.
    let keys = [auditor("auditor-a"), auditor("auditor-b")];
    let head = TreeHead { size: TreeSize::new(3), root: early.checkpoint().head().root };
    let other_root = list(LOG, head, &records(&log), &keys.iter().collect::<Vec<_>>());
    let verdict = judge_by(&complete(), &shown(&log, vec![other_root]));
    assert_eq!(why(&verdict), &Incomplete::NotACheckpoint { size: TreeSize::new(3) });
    // A checkpoint by somebody else in the log's name changes nothing.
    let mut forged = list_of_two;
    forged.checkpoints.push(Log::new("log.example/other").cosigned(&[]));
    let verdict = judge_by(&complete(), &shown(&log, vec![forged]));
    assert_eq!(why(&verdict), &Incomplete::NotACheckpoint { size: TreeSize::new(2) });
}

/// The log shows its auditors a tree without the refutation, and everybody else the one with it, without handing it over.
#[test]
fn a_list_of_another_tree_of_the_same_size_proves_a_fork() {
    let [one, two, _] = cast();
    let against = signer("acme-1").sign(&contradiction(one.id));
    let log = log_of(&[&one, &two, &against]);
    let for_auditors = log_of(&[&one, &two, &vote("acme-1")]);
    let mut list = true_list(&for_auditors, &["auditor-a", "auditor-b"]);
    list.checkpoints.push(cosigned_head(&for_auditors, at(60)));
    let mut evidence = shown(&log, vec![list]);
    evidence.logs[0].entries.pop();
    let verdict = judge_by(&complete(), &evidence);
    assert_eq!(verdict.severity(), Some(Severity::Alarm), "{verdict:?}");
    assert!(verdict.reasons().iter().any(|reason| matches!(reason, Reason::Fork { .. })), "{verdict:?}");
}

/// The log shows its auditors nothing new, and everybody else a tree that grows: what it logged since would be hidden.
#[test]
fn an_old_list_is_stale_though_its_auditors_would_sign_it_again_today() {
    let [one, two, failed] = cast();
    let early = log_of(&[&one, &failed]);
    let log = log_of(&[&one, &failed, &two]);
    let old = |time| {
        let mut list = true_list(&early, &["auditor-a", "auditor-b"]);
        list.checkpoints.push(cosigned_head(&early, time));
        list
    };
    let stale = judge_by(&complete(), &shown(&log, vec![old(at(2 * DAY))]));
    let Incomplete::NotFresh(reason) = why(&stale) else { panic!("{stale:?}") };
    assert!(matches!(**reason, Reason::StaleCheckpoint { .. }), "{reason:?}");
    assert!(judge_by(&complete(), &shown(&log, vec![old(at(DAY / 2))])).is_accepted());
    // Only the user's word makes it good for longer (docs/TRUST.md 5.1).
    let offline = attest_core::verify::Asking { connection: Connection::Offline, ..asking() };
    assert!(verify(&complete().policy(), &wanted(), &shown(&log, vec![old(at(2 * DAY))]), offline).is_accepted());
    // Cosignatures of one witness, or of the future, are no quorum.
    let verdict = judge_by(&complete(), &shown(&log, vec![old(Timestamp::from_secs(NOW.secs() + DAY))]));
    assert!(matches!(why(&verdict), Incomplete::NotFresh(_)));
    let mut alone = true_list(&early, &["auditor-a", "auditor-b"]);
    alone.checkpoints.push(early.cosigned(&[("witness-a", at(60))]));
    assert!(matches!(why(&judge_by(&complete(), &shown(&log, vec![alone]))), Incomplete::NotFresh(_)));
}

#[test]
fn of_several_lists_the_newest_that_is_good_is_taken() {
    let [one, two, failed] = cast();
    let early = log_of(&[&one, &two]);
    let log = log_of(&[&one, &two, &failed]);
    let mut before = true_list(&early, &["auditor-a", "auditor-b"]);
    before.checkpoints.push(cosigned_head(&early, at(60)));
    let unfinished = true_list(&log, &["auditor-a"]);
    let size = |negatives| {
        let verdict = judge_by(&complete(), &shown(&log, negatives));
        assert!(verdict.is_accepted(), "{verdict:?}");
        verdict.findings().negatives[0].size.unwrap().get()
    };
    assert_eq!(size(vec![unfinished.clone(), before.clone()]), 2);
    assert_eq!(size(vec![before.clone(), unfinished, true_list(&log, &["auditor-b"])]), 3);
}

// ---- proven against whoever signed

#[test]
fn two_lists_by_one_key_for_one_size_are_an_alarm_with_both_notes() {
    let [one, two, failed] = cast();
    let log = log_of(&[&one, &two, &failed]);
    let head = log.checkpoint().head();
    let two_faced = auditor("auditor-b");
    let good = true_list(&log, &["auditor-a", "auditor-b"]);
    let other = list(LOG, head, &[], &[&two_faced]);
    let verdict = judge_by(&complete(), &shown(&log, vec![good, other]));
    assert_eq!(verdict.severity(), Some(Severity::Alarm));
    let Some(Reason::TwoLists { signer, notes, .. }) = verdict.reasons().first() else { panic!("{verdict:?}") };
    assert_eq!(signer, "auditor-b");
    assert!(notes.iter().all(|note| ListingNote::parse(note.as_bytes()).is_ok()));
    assert_ne!(notes[0], notes[1]);
}

#[test]
fn lists_of_two_auditors_that_differ_prove_nothing_against_either() {
    let [one, two, failed] = cast();
    let log = log_of(&[&one, &two]);
    let head = log.checkpoint().head();
    // Which of them is right, only the entries would say, and none that was handed over does.
    let invented = Record { subject: wanted().digest, index: LeafIndex::new(0) };
    let elsewhere = Record { index: LeafIndex::new(1), subject: super::world::digest("another file") };
    let one_list = list(LOG, head, &[], &[&auditor("auditor-a")]);
    let other = list(LOG, head, &[elsewhere], &[&auditor("auditor-b")]);
    let verdict = judge_by(&complete(), &shown(&log, vec![one_list.clone(), other.clone()]));
    assert!(matches!(why(&verdict), Incomplete::Auditors { need: 2, .. }));
    let need_one = with_auditors(Rules::new()).set("negatives", r#""complete""#).set("auditor-threshold", "1");
    let verdict = judge_by(&need_one, &shown(&log, vec![one_list.clone(), other]));
    assert_eq!(why(&verdict), &Incomplete::Disagreement { size: TreeSize::new(2) });
    // A record of a proven vote is proven wrong.
    let wrong = list(LOG, head, &[invented], &[&auditor("auditor-b")]);
    let verdict = judge_by(&complete(), &shown(&log, vec![one_list, wrong]));
    assert_eq!(verdict.severity(), Some(Severity::Alarm));
    let Some(Reason::WrongList { signers, index, .. }) = verdict.reasons().first() else { panic!("{verdict:?}") };
    assert_eq!((signers.as_slice(), index.get()), (["auditor-b".to_owned()].as_slice(), 0));
    drop(failed);
}

#[test]
fn a_signed_list_that_omits_a_proven_negative_is_an_alarm() {
    let [one, two, failed] = cast();
    let log = log_of(&[&one, &two, &failed]);
    let head = log.checkpoint().head();
    let keys = [auditor("auditor-a"), auditor("auditor-b")];
    let omitting = list(LOG, head, &[], &keys.iter().collect::<Vec<_>>());
    let verdict = judge_by(&complete(), &shown(&log, vec![omitting]));
    assert_eq!(codes(&verdict), ["wrong-list"]);
    assert_eq!(verdict.severity(), Some(Severity::Alarm));
    // By the log itself too, whatever the policy asks for: it signed both the tree and the list.
    let own = list(LOG, head, &[], &[&log.key]);
    let verdict = judge_by(&with_auditors(Rules::new()), &shown(&log, vec![own]));
    assert_eq!(codes(&verdict), ["wrong-list"]);
    // A stranger's list says nothing against anybody.
    let strangers = list(LOG, head, &[], &[&auditor("stranger")]);
    assert!(judge_by(&Rules::new(), &shown(&log, vec![strangers])).is_accepted());
}

#[test]
fn what_one_auditor_below_the_quorum_lists_must_be_had_too() {
    let [one, two, _] = cast();
    let against = signer("acme-1").sign(&contradiction(one.id));
    let log = log_of(&[&one, &two, &against]);
    let head = log.checkpoint().head();
    let need_one = with_auditors(Rules::new()).set("negatives", r#""complete""#).set("auditor-threshold", "1");
    // One auditor was bought, the entry is hidden, and the other tells.
    let early = log_of(&[&one, &two]);
    let mut bought = true_list(&early, &["auditor-a"]);
    bought.checkpoints.push(cosigned_head(&early, at(60)));
    let honest = list(LOG, head, &records(&log), &[&auditor("auditor-b")]);
    let mut evidence = shown(&log, vec![bought, honest]);
    evidence.logs[0].entries.pop();
    let verdict = judge_by(&need_one, &evidence);
    assert_eq!(why(&verdict), &Incomplete::Withheld(vec![LeafIndex::new(2)]));
}

#[test]
fn a_policy_without_auditors_is_told_nothing_about_completeness() {
    let [one, two, failed] = cast();
    let log = log_of(&[&one, &two, &failed]);
    let verdict = judge_by(&Rules::new(), &shown(&log, vec![true_list(&log, &["auditor-a"])]));
    assert!(verdict.is_accepted());
    assert!(verdict.findings().negatives.is_empty());
    // With auditors, best effort shows how good it was.
    let verdict = judge_by(&with_auditors(Rules::new()), &shown(&log, vec![true_list(&log, &["auditor-a"])]));
    assert!(verdict.is_accepted());
    assert_eq!(verdict.findings().negatives[0].missing, None);
    let verdict = judge_by(&with_auditors(Rules::new()), &evidence(vec![log.view()]));
    assert!(verdict.is_accepted());
    assert_eq!(verdict.findings().negatives[0].missing, Some(Incomplete::NoList));
}

// ---- a whole log

fn held(log: &Log) -> HeldTree {
    HeldTree { origin: log.origin(), head: log.checkpoint().head() }
}

#[test]
fn a_view_is_complete_for_who_holds_the_whole_log() {
    let [one, two, failed] = cast();
    let log = log_of(&[&one, &failed, &two]);
    let with = |replicas| Evidence { replicas, ..shown(&log, Vec::new()) };
    assert_eq!(why(&judge_by(&complete(), &with(Vec::new()))), &Incomplete::NoList);
    let verdict = judge_by(&complete(), &with(vec![held(&log)]));
    assert!(verdict.is_accepted(), "{verdict:?}");
    let standing = &verdict.findings().negatives[0];
    assert_eq!((standing.size, standing.groups.len()), (Some(TreeSize::new(3)), 0));
    assert_eq!(standing.witnessed_at, Some(at(60)));
}

#[test]
fn a_tree_that_the_log_did_not_sign_or_of_another_log_makes_no_view_complete() {
    let [one, two, failed] = cast();
    let (log, other) = (log_of(&[&one, &failed, &two]), log_of(&[&two, &one]));
    let held_is = |replica| Evidence { replicas: vec![replica], ..shown(&log, Vec::new()) };
    for replica in [held(&other), HeldTree { origin: "elsewhere.example".to_owned(), ..held(&log) }] {
        assert_eq!(why(&judge_by(&complete(), &held_is(replica))), &Incomplete::NoList);
    }
}

#[test]
fn a_whole_log_that_is_stale_makes_no_view_complete() {
    let [one, two, _] = cast();
    let log = log_of(&[&one, &two]);
    let evidence = Evidence { replicas: vec![held(&log)], ..shown(&log, Vec::new()) };
    let policy = complete().policy();
    let late = |seconds| Asking { now: Timestamp::from_secs(NOW.secs() + seconds), ..asking() };
    assert!(verify(&policy, &wanted(), &evidence, asking()).is_accepted());
    let verdict = verify(&policy, &wanted(), &evidence, late(30 * DAY));
    assert_eq!(verdict.severity(), Some(Severity::Undecided), "{verdict:?}");
}

#[test]
fn what_a_signed_list_names_must_be_shown_by_who_holds_the_whole_log_too() {
    let [one, two, failed] = cast();
    let (smaller, larger) = (log_of(&[&one, &two]), log_of(&[&one, &two, &failed]));
    let list = true_list(&larger, &["auditor-a", "auditor-b"]);
    let logs = vec![smaller.view(), LogView { entries: Vec::new(), ..larger.view() }];
    let evidence = Evidence { replicas: vec![held(&smaller)], negatives: vec![list], ..evidence(logs) };
    assert_eq!(why(&judge_by(&complete(), &evidence)), &Incomplete::Withheld(vec![LeafIndex::new(2)]));
}
