use super::*;

fn keys(number: u64) -> Keys {
    let project = ProjectName::new(&format!("project-{}", number % 5)).unwrap();
    Keys {
        statement: Some(StatementId::from_bytes(*ArtifactDigest::of(&number.to_be_bytes()).as_bytes())),
        subject: Some((artifact(number / 3), project)),
        negative: false,
    }
}

fn artifact(number: u64) -> ArtifactDigest {
    ArtifactDigest::of(&number.to_be_bytes())
}

fn add(index: &Index, range: std::ops::Range<u64>) {
    let keys: Vec<_> = range.clone().map(keys).collect();
    index.add(LeafIndex::new(range.start), &keys).unwrap();
}

fn numbers(found: Vec<LeafIndex>) -> Vec<u64> {
    found.into_iter().map(LeafIndex::get).collect()
}

/// Waits for the merger: there are few runs in the end.
fn merged(index: &Index) -> usize {
    while merge::plan(index.shared.runs().iter().map(|run| run.entries())).is_some() {
        std::thread::yield_now();
    }
    index.shared.runs().len()
}

fn check(index: &Index, size: u64) {
    assert_eq!(index.covered().get(), size);
    for number in (0..size).step_by(7) {
        assert_eq!(numbers(index.statement(keys(number).statement.unwrap()).unwrap()), [number]);
        let expected: Vec<u64> = (number / 3 * 3..(number / 3 * 3 + 3).min(size)).collect();
        let found = index.artifact(&artifact(number / 3), LeafIndex::new(0), TreeSize::new(size), 10).unwrap();
        assert_eq!(numbers(found), expected);
    }
    assert!(index.statement(keys(size).statement.unwrap()).unwrap().is_empty());
    let project = ProjectName::new("project-3").unwrap();
    let all = index.project(&project, LeafIndex::new(0), TreeSize::new(size), usize::MAX).unwrap();
    assert_eq!(numbers(all), (0..size).filter(|number| number % 5 == 3).collect::<Vec<_>>());
}

#[test]
fn everything_is_found_however_the_runs_were_merged_and_after_opening() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    let mut size = 0;
    for round in 0..100 {
        let next = size + 256 * (1 + round % 3);
        add(&index, size..next);
        size = next;
    }
    check(&index, size);
    assert!(merged(&index) < 20);
    check(&index, size);
    drop(index);
    check(&Index::open(dir.path()).unwrap(), size);
}

#[test]
fn a_range_is_cut_where_it_is_asked_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    (0..10).for_each(|round| add(&index, round * 1_000..(round + 1) * 1_000));
    let project = ProjectName::new("project-0").unwrap();
    let find = |from, below, limit| {
        numbers(index.project(&project, LeafIndex::new(from), TreeSize::new(below), limit).unwrap())
    };
    assert_eq!(find(998, 1_011, 100), [1_000, 1_005, 1_010]);
    assert_eq!(find(1_000, 1_010, 100), [1_000, 1_005]);
    assert_eq!(find(0, 10_000, 2), [0, 5]);
    assert_eq!(find(9_995, 20_000, 100), [9_995]);
    assert_eq!(find(10, 10, 100), Vec::<u64>::new());
    assert_eq!(find(0, 10_000, usize::MAX).len(), 2_000);
}

#[test]
fn what_is_covered_is_skipped_and_a_gap_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    add(&index, 0..300);
    add(&index, 0..300);
    add(&index, 256..512);
    check(&index, 512);
    let error = index.add(LeafIndex::new(513), [&keys(513)]).unwrap_err();
    assert!(matches!(error, IndexError::Gap { expected: 512, found: 513 }), "{error}");
}

#[test]
fn an_entry_without_keys_is_covered_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    index.add(LeafIndex::new(0), &[Keys { statement: None, subject: None, negative: false }]).unwrap();
    drop(index);
    assert_eq!(Index::open(dir.path()).unwrap().covered().get(), 1);
}

#[test]
fn what_is_torn_foreign_or_of_another_version_is_not_covered() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("index");
    let second = folder.join(name((256, 512)));
    let spoil: [(&str, &dyn Fn()); 7] = [
        ("shorter", &|| {
            let file = fs::OpenOptions::new().write(true).open(&second).unwrap();
            file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        }),
        ("empty", &|| fs::write(&second, b"").unwrap()),
        ("zeros", &|| fs::write(&second, vec![0; fs::read(&second).unwrap().len()]).unwrap()),
        ("another version", &|| flip(&second, 14)),
        ("another summary", &|| flip(&second, 4 * 4096 + 20)),
        ("another name", &|| fs::rename(&second, folder.join(name((256, 511)))).unwrap()),
        ("lost", &|| fs::remove_file(&second).unwrap()),
    ];
    for (what, spoil) in spoil {
        let _ = fs::remove_dir_all(&folder);
        let index = Index::open(dir.path()).unwrap();
        (0..3).for_each(|round| add(&index, round * 256..(round + 1) * 256));
        drop(index);
        spoil();
        fs::create_dir(folder.join("keyspaces")).unwrap();
        fs::write(folder.join("adding.tmp"), b"half").unwrap();
        let index = Index::open(dir.path()).unwrap();
        check(&index, 256);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "{what}");
        add(&index, 256..1_000);
        check(&index, 1_000);
    }
}

#[test]
fn a_flipped_bit_in_a_block_is_an_error_and_not_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    add(&index, 0..256);
    flip(&dir.path().join("index").join(name((0, 256))), 4096 + 100);
    let error = index.statement(keys(0).statement.unwrap()).unwrap_err();
    assert!(matches!(error, IndexError::Damaged { block: 0, .. }), "{error}");
}

#[test]
fn the_inputs_of_a_merge_that_a_crash_left_are_not_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    (0..8).for_each(|round| add(&index, round * 256..(round + 1) * 256));
    assert_eq!(merged(&index), 1);
    drop(index);
    let other = tempfile::tempdir().unwrap();
    let again = Index::open(other.path()).unwrap();
    add(&again, 0..256);
    let left = name((0, 256));
    fs::copy(other.path().join("index").join(&left), dir.path().join("index").join(&left)).unwrap();
    check(&Index::open(dir.path()).unwrap(), 2_048);
    assert!(!dir.path().join("index").join(left).exists());
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}
