//! docs/negatives.md: what is on the list, and that a list, a shard or a note is read in one way or not at all.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/world.rs"]
mod world;

use attest_core::{
    artifact::ArtifactDigest,
    merkle::{LeafIndex, TreeHead, TreeSize},
    negatives::{
        Edition, EditionError, Listing, ListingError, ListingNote, Record, Shard, ShardDigest, ShardError, ShardId,
        Table, TableError, subject_of_entry,
    },
    note::{KeyName, KeyType, NoteError, SignerKey, VerifierKey},
    statement::Outcome,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use world::{abstention, contradiction, equivalent, published, reproduced, signer, withdrawal};

// ---- what is on the list

#[test]
fn refutations_and_withdrawals_are_negatives_whoever_signed_and_votes_are_not() {
    let stranger = signer("nobody knows this key");
    let vote = stranger.sign(&reproduced(|_| {}));
    for statement in [
        abstention(Outcome::BuildFailed),
        abstention(Outcome::Nondeterministic),
        contradiction(vote.id),
        withdrawal(vote.id),
    ] {
        let entry = stranger.sign(&statement).bytes;
        assert_eq!(subject_of_entry(&entry), Some(published().digest));
        // The signature is not judged: another's in its place changes nothing.
        let text = String::from_utf8(entry).unwrap();
        let (before, _) = text.split_once("\"sig\":\"").unwrap();
        let forged = format!("{before}\"sig\":\"{}\"}}]}}", STANDARD.encode([7; 64]));
        assert_eq!(subject_of_entry(forged.as_bytes()), Some(published().digest), "{forged}");
    }
    for statement in [reproduced(|_| {}), equivalent(|_| {})] {
        assert_eq!(subject_of_entry(&stranger.sign(&statement).bytes), None);
    }
}

#[test]
fn bytes_that_are_no_statement_are_no_negative() {
    let entry = signer("deb-1").sign(&abstention(Outcome::BuildFailed)).bytes;
    for broken in [b"".as_slice(), b"{}", &entry[1..], &entry[..entry.len() - 1], &[entry.as_slice(), b" "].concat()] {
        assert_eq!(subject_of_entry(broken), None);
    }
}

// ---- vectors of another implementation

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/negatives.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn edition(case: &Value) -> Edition {
    let shards = case["shards"].as_object().unwrap().iter();
    Edition {
        note: case["note"].as_str().unwrap().as_bytes().to_vec(),
        table: bytes(&case["table"]),
        shards: shards.map(|(id, shard)| (id.parse().unwrap(), bytes(shard))).collect(),
        checkpoints: Vec::new(),
    }
}

#[test]
fn the_vectors_are_read_made_again_and_signed_again() {
    let vectors = vectors();
    let cases = vectors["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    let keys: Vec<VerifierKey> =
        ["log", "auditor"].iter().map(|key| vectors[key].as_str().unwrap().parse().unwrap()).collect();
    for case in cases {
        let edition = edition(case);
        let opened = edition.open().unwrap();
        let records: Vec<Record> = case["records"].as_array().unwrap().iter().map(record).collect();
        assert_eq!(opened.note().listing().count(), records.len() as u64);
        assert_eq!(opened.note().to_string().as_bytes(), edition.note);
        assert!(keys.iter().all(|key| opened.note().is_signed_by(key).unwrap()));

        let mut table = Table::empty();
        for id in ShardId::all() {
            let of_shard = records.iter().filter(|record| ShardId::of(&record.subject) == id);
            let digest = ShardDigest::of_records(of_shard.map(|record| Ok::<_, ()>(*record))).unwrap();
            table.set(id, digest);
        }
        assert_eq!(&table, opened.table());
        let listing = opened.note().listing();
        let origin = KeyName::new(listing.origin()).unwrap();
        let made = Listing::new(origin, listing.head(), listing.count(), &table).unwrap();
        let note = made.sign(&key(listing.origin(), 1)).unwrap();
        let note = note.countersigned(&key("auditor.example.net/attest", 2)).unwrap();
        assert_eq!(note.to_string().as_bytes(), edition.note);

        let subjects: Vec<_> = records.iter().map(|record| record.subject).collect();
        assert_eq!(opened.complete(&subjects).unwrap().records(), records);
        assert_eq!(opened.complete(&[ArtifactDigest::of(b"nobody speaks of it")]).unwrap().records(), []);
    }
}

fn record(value: &Value) -> Record {
    let subject = value["subject"].as_str().unwrap().parse().unwrap();
    Record { subject, index: LeafIndex::new(value["index"].as_u64().unwrap()) }
}

fn key(name: &str, seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new(name).unwrap(), KeyType::Ed25519, [seed; 32])
}

// ---- shards

fn at(first: u8, rest: u8, index: u64) -> Record {
    let mut subject = [rest; 32];
    subject[0] = first;
    Record { subject: ArtifactDigest::from_bytes(subject), index: LeafIndex::new(index) }
}

fn shard(records: &[Record]) -> Vec<u8> {
    records.iter().flat_map(|record| record.to_bytes()).collect()
}

#[test]
fn a_shard_has_one_spelling() {
    let id = ShardId::new(7);
    let good = [at(7, 0, 5), at(7, 1, 2), at(7, 1, 3)];
    let parsed = Shard::parse(id, &shard(&good)).unwrap();
    assert_eq!(parsed.to_bytes(), shard(&good));
    assert_eq!(parsed.about(&good[1].subject), &good[1..]);
    assert_eq!(parsed.about(&at(7, 9, 0).subject), []);
    for (bytes, expected) in [
        (shard(&[good[1], good[0]]), ShardError::Order { shard: id, position: 1 }),
        (shard(&[good[2], good[1]]), ShardError::Order { shard: id, position: 1 }),
        (shard(&[good[0], good[1], good[1]]), ShardError::Order { shard: id, position: 2 }),
        (shard(&[at(8, 0, 0)]), ShardError::OtherShard { shard: id, found: ShardId::new(8) }),
        (shard(&[at(7, 0, 1 << 63)]), ShardError::Index { shard: id, found: 1 << 63 }),
        (shard(&good)[1..].to_vec(), ShardError::Length { shard: id, found: 119 }),
        (vec![7; Shard::MAX_LEN + 40], ShardError::TooLong { shard: id, found: Shard::MAX_LEN + 40 }),
    ] {
        assert_eq!(Shard::parse(id, &bytes), Err(expected));
    }
}

#[test]
fn a_shards_name_and_digest_have_one_spelling() {
    for id in ShardId::all() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    for text in ["", "0", "000", "0A", "+0", " 0", "g0", "0x"] {
        assert_eq!(text.parse::<ShardId>(), Err(ShardError::Id { found: text.to_owned() }));
    }
    assert_eq!(ShardDigest::EMPTY, ShardDigest::of(b""));
    let hex = ShardDigest::EMPTY.to_string();
    assert_eq!(hex.parse(), Ok(ShardDigest::EMPTY));
    assert!(matches!(hex.to_uppercase().parse::<ShardDigest>(), Err(ShardError::Digest { .. })));
}

// ---- notes

fn head(size: u64) -> TreeHead {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=".parse().unwrap();
    TreeHead { size: TreeSize::new(size), root }
}

fn origin() -> KeyName {
    KeyName::new("log.example.org/attest").unwrap()
}

#[test]
fn what_is_not_such_a_note_is_refused() {
    let text = Listing::new(origin(), head(1_000), 0, &Table::empty()).unwrap().to_string();
    assert_eq!(text.parse::<Listing>().unwrap().to_string(), text);
    let refused = |text: &str| text.parse::<Listing>().unwrap_err();
    assert_eq!(refused(""), ListingError::Lines);
    assert_eq!(refused(text.trim_end()), ListingError::Lines);
    assert_eq!(refused(&format!("{text}\n")), ListingError::Lines);
    assert_eq!(refused(&format!("{text}more\n")), ListingError::Lines);
    assert_eq!(refused(&text.replace("/v1", "/v2")), ListingError::Header);
    assert!(matches!(refused(&text.replace("log.example", "log example")), ListingError::Note(_)));
    assert!(matches!(refused(&text.replace("\n1000\n", "\n01000\n")), ListingError::Size(_)));
    assert!(matches!(refused(&text.replace("\n1000\n", "\n9223372036854775808\n")), ListingError::Size(_)));
    assert!(matches!(refused(&text.replace("CsUY", "CsU")), ListingError::Root(_)));
    assert!(matches!(refused(&text.replace("\n0\n", "\n-0\n")), ListingError::CountForm(_)));
    assert!(matches!(refused(&text.replace("Donn", "Don")), ListingError::List(TableError::Digest { .. })));
    assert!(matches!(refused(&text.replace("3sY=", "3sZ=")), ListingError::List(TableError::Digest { .. })));
    let count = |found| ListingError::Count { size: TreeSize::new(1_000), found };
    // The empty list has no record, and no other has none.
    assert_eq!(refused(&text.replace("\n0\n", "\n1\n")), count(1));
    assert_eq!(refused(&text.replace("Donn", "DonA")), count(0));
    assert_eq!(refused(&text.replace("Donn", "DonA").replace("\n0\n", "\n1001\n")), count(1_001));
    let empty = text.replace("\n1000\n", "\n0\n");
    assert_eq!(refused(&empty), ListingError::EmptyTreeRoot { found: head(0).root });
    let long = vec![b'a'; ListingNote::MAX_LEN + 1];
    assert_eq!(ListingNote::parse(&long), Err(ListingError::TooLong { found: ListingNote::MAX_LEN + 1 }));
}

#[test]
fn a_checkpoint_is_no_listing_and_a_listing_no_checkpoint() {
    let log = world::Log::new("log.example/2026");
    let checkpoint = log.checkpoint().note().to_string();
    assert_eq!(ListingNote::parse(checkpoint.as_bytes()), Err(ListingError::Lines));
    let listing = Listing::new(origin(), head(1_000), 0, &Table::empty()).unwrap();
    let note = listing.sign(&log.key).unwrap().to_string();
    assert!(attest_core::checkpoint::UnverifiedCheckpoint::parse(note.as_bytes()).is_err());
    // A log whose name is a number does not bridge the two: its third line would have to be a root.
    let number = Listing::new(KeyName::new("1000").unwrap(), head(1_000), 0, &Table::empty()).unwrap();
    assert!(number.to_string().parse::<attest_core::checkpoint::Checkpoint>().is_err());
}

#[test]
fn a_line_in_a_known_name_that_does_not_hold_rejects_the_note() {
    let (log, auditor) = (key("log.example.org/attest", 1), key("auditor", 2));
    let listing = Listing::new(origin(), head(1_000), 0, &Table::empty()).unwrap();
    let other = Listing::new(origin(), head(1_001), 0, &Table::empty()).unwrap();
    let line = auditor.sign(&other.to_string()).unwrap();
    let signed = listing.sign(&log).unwrap().to_string();
    let note = ListingNote::parse(format!("{signed}{line}\n").as_bytes()).unwrap();
    assert_eq!(note.is_signed_by(log.verifier()), Ok(true));
    assert_eq!(note.is_signed_by(key("stranger", 3).verifier()), Ok(false));
    assert!(matches!(note.is_signed_by(auditor.verifier()), Err(NoteError::BadSignature { .. })));
    // And it is not passed on by one who cannot know.
    let passed_on = note.signed_by_only(&[log.verifier()]).unwrap().unwrap();
    assert_eq!(passed_on.to_string(), signed);
    assert_eq!(passed_on.signed_by_only(&[auditor.verifier()]), Ok(None));
}

// ---- note, table and shards

#[test]
fn parts_that_do_not_belong_together_are_told_apart() {
    let vectors = vectors();
    let whole = edition(&vectors["cases"][3]);
    let refused = |change: &dyn Fn(&mut Edition)| {
        let mut changed = whole.clone();
        change(&mut changed);
        changed.open().unwrap_err()
    };
    let table = Table::parse(&whole.table).unwrap();
    let (first, last) = (ShardId::new(0), ShardId::new(0xff));
    assert_eq!(
        refused(&|edition| {
            let swapped = edition.shards[0].1.clone();
            edition.shards[1].1 = swapped;
        }),
        EditionError::OtherShard { shard: last, expected: table.get(last) }
    );
    assert_eq!(
        refused(&|edition| edition.shards[0].0 = last),
        EditionError::OtherShard { shard: last, expected: table.get(last) }
    );
    assert_eq!(
        refused(&|edition| edition.shards[0].1.truncate(Record::LEN)),
        EditionError::OtherShard { shard: first, expected: table.get(first) }
    );
    assert_eq!(refused(&|edition| edition.table = Table::empty().to_bytes()), EditionError::OtherTable);
    assert_eq!(refused(&|edition| edition.table.swap(0, 32)), EditionError::OtherTable);
    assert_eq!(
        refused(&|edition| edition.table.truncate(8_160)),
        EditionError::Table(TableError::Length { found: 8_160 })
    );
    assert_eq!(
        refused(&|edition| edition.note.truncate(5)),
        EditionError::Note(ListingError::Note(NoteError::NoSeparator))
    );
}

#[test]
fn a_shard_that_is_not_here_makes_no_view_and_an_empty_one_needs_none() {
    let vectors = vectors();
    let mut part = edition(&vectors["cases"][3]);
    part.shards.pop();
    let opened = part.open().unwrap();
    let (here, gone) = (at(0, 0, 0).subject, at(0xff, 0xff, 0).subject);
    assert_eq!(opened.about(&here).unwrap().len(), 1);
    assert_eq!(opened.about(&gone), None);
    assert_eq!(opened.about(&at(1, 1, 0).subject), Some([].as_slice()));
    assert_eq!(opened.complete(&[here, gone]), Err(EditionError::Missing { shard: ShardId::new(0xff) }));
    assert_eq!(opened.missing(&[gone, here, gone]), [ShardId::new(0xff)]);
}

/// An edition that somebody signed as it is, however wrong.
fn signed(size: u64, count: u64, shards: &[(u8, Vec<Record>)]) -> Edition {
    let mut table = Table::empty();
    let shards: Vec<_> = shards.iter().map(|(id, records)| (ShardId::new(*id), shard(records))).collect();
    for (id, bytes) in &shards {
        table.set(*id, ShardDigest::of(bytes));
    }
    let listing = Listing::new(origin(), head(size), count, &table).unwrap();
    let note = listing.sign(&key("log.example.org/attest", 1)).unwrap().to_string().into_bytes();
    Edition { note, table: table.to_bytes(), shards, checkpoints: Vec::new() }
}

#[test]
fn a_list_that_is_signed_and_wrong_in_itself_is_refused() {
    let two = vec![at(7, 0, 5), at(7, 1, 2)];
    assert!(signed(6, 2, &[(7, two.clone())]).open().is_ok());
    assert_eq!(signed(6, 3, &[(7, two.clone())]).open(), Err(EditionError::Count { expected: 3, found: 2 }));
    assert_eq!(signed(6, 1, &[(7, two.clone())]).open(), Err(EditionError::Count { expected: 1, found: 2 }));
    // A record for an entry that the tree does not have.
    let beyond = EditionError::Beyond { shard: ShardId::new(7), record: two[0] };
    assert_eq!(signed(5, 2, &[(7, two.clone())]).open(), Err(beyond));
    let unsorted = vec![two[1], two[0]];
    let order = ShardError::Order { shard: ShardId::new(7), position: 1 };
    assert_eq!(signed(6, 2, &[(7, unsorted)]).open(), Err(EditionError::Shard(order)));
    let twice = vec![two[0], two[0]];
    let order = ShardError::Order { shard: ShardId::new(7), position: 1 };
    assert_eq!(signed(6, 2, &[(7, twice)]).open(), Err(EditionError::Shard(order)));
    // More shards with records than records.
    let mut short = signed(9, 2, &[(7, two), (8, vec![at(8, 0, 1)])]);
    assert_eq!(short.open(), Err(EditionError::Count { expected: 2, found: 3 }));
    short.shards.pop();
    assert_eq!(short.open(), Err(EditionError::Count { expected: 2, found: 3 }));
}
