use super::*;

/// What the nth entry is a negative about: every third, over all shards; and some artifacts several times.
fn subject(n: u64) -> Option<ArtifactDigest> {
    n.is_multiple_of(3).then(|| ArtifactDigest::of(&(n % 1_000).to_be_bytes()))
}

fn add(negatives: &Negatives, from: u64, below: u64) {
    negatives.add(LeafIndex::new(from), (from..below).map(subject));
}

fn all(negatives: &Negatives, below: u64, unsealed: &[Record]) -> Vec<Record> {
    let mut found = Vec::new();
    for shard in ShardId::all() {
        negatives.each(shard, TreeSize::new(below), unsealed, |record| found.push(record)).unwrap();
    }
    found
}

fn expected(below: u64) -> Vec<Record> {
    let of = |n| Some(Record { subject: subject(n)?, index: LeafIndex::new(n) });
    let mut records: Vec<_> = (0..below).filter_map(of).collect();
    records.sort_unstable();
    records
}

fn files(data: &Path) -> Vec<String> {
    let files = fs::read_dir(data.join("negatives")).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn every_size_has_its_list_whatever_was_added_since() {
    let data = tempfile::tempdir().unwrap();
    let negatives = Negatives::open(data.path()).unwrap();
    assert_eq!(all(&negatives, 0, &[]), []);
    add(&negatives, 0, 4_096);
    add(&negatives, 4_096, 8_192);
    // Twice, and overlapping: what is covered is skipped.
    add(&negatives, 4_096, 8_192);
    add(&negatives, 8_000, 9_000);
    assert_eq!(negatives.covered(), TreeSize::new(9_000));
    for below in [0, 1, 2, 4_096, 5_000, 9_000] {
        assert_eq!(all(&negatives, below, &[]), expected(below), "{below}");
    }
    // Entries that are not sealed, and some that were since.
    let tail: Vec<_> = expected(9_900).into_iter().filter(|record| record.index.get() >= 8_500).collect();
    assert_eq!(all(&negatives, 9_800, &tail), expected(9_800));
    // A gap would be a list that omits something.
    add(&negatives, 9_001, 9_500);
    assert_eq!(negatives.covered(), TreeSize::new(9_000));
    let newest = negatives.newest();
    let shard = ShardId::of(&subject(8_997).unwrap());
    assert_eq!(newest.iter().max(), Some(&8_998));
    assert_eq!(newest[usize::from(shard.get())], 8_998);
}

#[test]
fn it_is_the_same_after_a_restart_and_after_a_new_base() {
    let data = tempfile::tempdir().unwrap();
    let open = || Negatives::open(data.path()).unwrap();
    add(&open(), 0, 1_000);
    add(&open(), 1_000, 2_000);
    assert_eq!(files(data.path()), ["journal-0"]);
    let negatives = open();
    negatives.fold(&mut negatives.state()).unwrap();
    assert_eq!(files(data.path()), ["base-2000", "journal-2000"]);
    assert_eq!(all(&negatives, 2_000, &[]), expected(2_000));
    add(&negatives, 2_000, 3_000);
    assert_eq!(all(&negatives, 2_500, &[]), expected(2_500));
    let newest = negatives.newest();
    drop(negatives);
    let negatives = open();
    assert_eq!((negatives.newest(), negatives.covered()), (newest, TreeSize::new(3_000)));
    assert_eq!(all(&negatives, 3_000, &[]), expected(3_000));
    negatives.fold(&mut negatives.state()).unwrap();
    negatives.fold(&mut negatives.state()).unwrap();
    assert_eq!(files(data.path()), ["base-3000", "journal-3000"]);
    assert_eq!(all(&negatives, 3_000, &[]), expected(3_000));
}

#[test]
fn many_of_them_make_a_new_base_and_leave_memory() {
    let data = tempfile::tempdir().unwrap();
    let negatives = Negatives::open(data.path()).unwrap();
    let count = 3 * MAX_PENDING as u64 + 300;
    for first in (0..count).step_by(4_096) {
        add(&negatives, first, count.min(first + 4_096));
    }
    assert!(negatives.state().pending.len() < 2_000);
    assert!(negatives.state().base.len() > MAX_PENDING);
    assert_eq!(all(&negatives, count, &[]), expected(count));
}

#[test]
fn a_journal_cut_anywhere_covers_less_and_nothing_wrong() {
    let data = tempfile::tempdir().unwrap();
    let negatives = Negatives::open(data.path()).unwrap();
    for first in [0, 10, 20, 30] {
        add(&negatives, first, first + 10);
    }
    let journal = data.path().join("negatives/journal-0");
    let whole = fs::read(&journal).unwrap();
    for cut in 0..whole.len() {
        for flipped in [false, true] {
            let mut bytes = whole.clone();
            if flipped {
                bytes[cut] ^= 1;
            } else {
                bytes.truncate(cut);
            }
            fs::write(&journal, &bytes).unwrap();
            let negatives = Negatives::open(data.path()).unwrap();
            let covered = negatives.covered().get();
            assert!(covered < 40 && covered.is_multiple_of(10), "{cut}");
            assert_eq!(all(&negatives, 40, &[]), expected(covered), "{cut}");
            // And it goes on from there.
            add(&negatives, covered, 40);
            assert_eq!(all(&Negatives::open(data.path()).unwrap(), 40, &[]), expected(40));
        }
    }
}

#[test]
fn a_damaged_base_is_made_anew_and_a_crash_while_writing_one_changes_nothing() {
    let data = tempfile::tempdir().unwrap();
    let negatives = Negatives::open(data.path()).unwrap();
    add(&negatives, 0, 100);
    // What a crash leaves before and after the rename.
    fs::write(data.path().join("negatives/base.tmp"), b"half").unwrap();
    fs::write(data.path().join("negatives/base-200"), b"attneg01").unwrap();
    let negatives = Negatives::open(data.path()).unwrap();
    assert_eq!(files(data.path()), ["journal-0"]);
    assert_eq!(all(&negatives, 100, &[]), expected(100));
    negatives.fold(&mut negatives.state()).unwrap();
    let base = data.path().join("negatives/base-100");
    let whole = fs::read(&base).unwrap();
    for position in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[position] ^= 1;
        fs::write(&base, &bytes).unwrap();
        let negatives = Negatives::open(data.path()).unwrap();
        assert_eq!(negatives.covered(), TreeSize::ZERO, "{position}");
        assert_eq!(all(&negatives, 100, &[]), []);
    }
}

#[test]
fn a_journal_that_cannot_be_written_stops_nothing() {
    let data = tempfile::tempdir().unwrap();
    let negatives = Negatives::open(data.path()).unwrap();
    negatives.state().journal = None;
    negatives.state().patience = PATIENCE;
    let folder = data.path().join("negatives");
    fs::remove_dir_all(&folder).unwrap();
    for first in (0..2 * u64::from(PATIENCE)).map(|n| n * 10) {
        add(&negatives, first, first + 10);
    }
    assert_eq!(negatives.covered(), TreeSize::new(20 * u64::from(PATIENCE)));
    assert_eq!(all(&negatives, 1_000, &[]), expected(1_000));
    // When it can be written again, it is.
    fs::create_dir(&folder).unwrap();
    let covered = negatives.covered().get();
    for first in (0..2 * u64::from(PATIENCE)).map(|n| covered + n * 10) {
        add(&negatives, first, first + 10);
    }
    let covered = negatives.covered().get();
    assert_eq!(all(&Negatives::open(data.path()).unwrap(), covered, &[]), expected(covered));
}
