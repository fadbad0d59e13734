use std::sync::{
    Condvar,
    atomic::{AtomicU64, Ordering},
};

use attest_core::{
    api::FoundArtifact,
    merkle::{Frontier, LeafHash},
};

use super::{
    super::{
        MAX_ANEW,
        tests::{ask_about, checkpoint_of, liar},
    },
    *,
};
use crate::client::Http;

/// What a page of the log in these tests has room for.
const ROOM: usize = 40;

fn files(count: usize) -> Vec<ArtifactDigest> {
    (0..count).map(|number| ArtifactDigest::of(&number.to_be_bytes())).collect()
}

/// An answer about files without entries: only the first so many are answered.
fn answer(entries: u64, digests: &[ArtifactDigest], room: usize) -> Vec<u8> {
    let mut tree = Frontier::new();
    (0..entries).for_each(|entry| tree.append(LeafHash::of(&entry.to_be_bytes())));
    let artifact = |(at, sha256): (usize, &ArtifactDigest)| FoundArtifact {
        sha256: *sha256,
        entries: Vec::new(),
        more_from: (at >= room).then_some(0),
    };
    let artifacts = digests.iter().enumerate().map(artifact).collect();
    serde_json::to_vec(&Found { checkpoint: checkpoint_of(tree.head()), artifacts }).unwrap()
}

fn asked_about(body: &[u8]) -> Vec<ArtifactDigest> {
    serde_json::from_slice::<api::Lookup>(body).unwrap().digests
}

/// Nobody is answered before so many wait.
fn all_at_once(count: usize) -> impl Fn() -> bool {
    let (arrived, all) = (Mutex::new(0), Condvar::new());
    move || {
        let mut arrived = arrived.lock().unwrap();
        *arrived += 1;
        all.notify_all();
        let waited = all.wait_timeout_while(arrived, Duration::from_secs(5), |arrived| *arrived < count);
        !waited.unwrap().1.timed_out()
    }
}

#[test]
fn what_one_page_cannot_hold_takes_one_more_round_trip_whatever_it_comes_to() {
    let files = files(250);
    let together = all_at_once(7);
    let (source, asked) = liar(move |path, body| {
        let digests = (path == api::LOOKUP).then(|| asked_about(body))?;
        // After the first page, each waits for all of the others.
        (digests.len() == 250 || together()).then(|| answer(0, &digests, ROOM))
    });
    let gathered = ask_about(source, &files);
    assert_eq!((gathered.asked.len(), &gathered.evidence.unreachable), (1, &Vec::new()));
    let lookups = asked.lock().unwrap().iter().filter(|path| *path == api::LOOKUP).count();
    assert_eq!(lookups, 1 + 7, "210 files are left, 30 a page");
}

#[test]
fn more_files_than_one_question_may_name_are_asked_about_at_once() {
    let files = files(api::MAX_LOOKUP * 2 + 1);
    let together = all_at_once(3);
    let (source, asked) = liar(move |path, body| {
        let digests = (path == api::LOOKUP).then(|| asked_about(body))?;
        together().then(|| answer(0, &digests, digests.len()))
    });
    assert_eq!(ask_about(source, &files).asked.len(), 1);
    assert_eq!(asked.lock().unwrap().iter().filter(|path| *path == api::LOOKUP).count(), 3);
}

#[test]
fn a_file_that_is_put_off_a_second_time_is_asked_for_by_index() {
    let files = files(ROOM + 2);
    let last = files[ROOM + 1];
    let (source, asked) = liar(move |path, body| {
        if path.starts_with(api::ARTIFACTS) {
            return Some(answer(0, &[last], 1));
        }
        let digests = (path == api::LOOKUP).then(|| asked_about(body))?;
        Some(answer(0, &digests, digests.len().min(ROOM) - 1))
    });
    assert_eq!(ask_about(source, &files).asked.len(), 1);
    let asked = asked.lock().unwrap();
    assert_eq!(asked.iter().filter(|path| *path == api::LOOKUP).count(), 2);
    assert_eq!(asked.iter().filter(|path| path.starts_with(api::ARTIFACTS)).count(), 1);
}

#[test]
fn pages_without_an_end_are_no_answer() {
    let files = files(2);
    let (source, asked) = liar(move |path, body| match path {
        api::LOOKUP => Some(answer(0, &asked_about(body), 0)),
        path if path.starts_with(api::ARTIFACTS) => Some(answer(0, &files_of(path), 0)),
        _ => None,
    });
    let gathered = ask_about(source, &files);
    assert!(gathered.evidence.unreachable[0].1.contains("no end"), "{:?}", gathered.evidence.unreachable);
    let artifacts = asked.lock().unwrap().iter().filter(|path| path.starts_with(api::ARTIFACTS)).count();
    assert_eq!(artifacts, files.len() * MAX_PAGES);
}

fn files_of(path: &str) -> Vec<ArtifactDigest> {
    let digest = path.rsplit('/').next().unwrap().split('?').next().unwrap();
    vec![digest.parse().unwrap()]
}

#[test]
fn a_log_that_grows_between_two_pages_is_not_taken_for_one_that_forgot() {
    let files = files(ROOM + 40);
    let first = files[ROOM];
    let (source, _) = liar(move |path, body| {
        let digests = (path == api::LOOKUP).then(|| asked_about(body))?;
        // Of the pages that are asked for at once the first one is under the larger tree.
        let entries = u64::from(digests[0] == first);
        Some(answer(entries, &digests, ROOM))
    });
    let gathered = ask_about(source, &files);
    assert_eq!(gathered.asked.first().map(|asked| asked.size), Some(1), "{:?}", gathered.evidence.unreachable);
}

#[test]
fn a_log_that_grows_whenever_it_is_asked_is_not_asked_for_ever() {
    let shown = AtomicU64::new(0);
    let (source, asked) = liar(move |path, body| match path {
        api::LOOKUP => Some(answer(shown.fetch_add(1, Ordering::SeqCst) + 1, &asked_about(body), 0)),
        // Always under a smaller tree than the page before.
        path if path.starts_with(api::ARTIFACTS) => Some(answer(0, &files_of(path), 1)),
        path => {
            let width: u64 = path.rsplit_once(".p/")?.1.parse().ok()?;
            Some((0..width).flat_map(|entry| *LeafHash::of(&entry.to_be_bytes()).as_bytes()).collect())
        }
    });
    let gathered = ask_about(source, &files(1));
    assert!(gathered.evidence.unreachable[0].1.contains("old checkpoint"), "{:?}", gathered.evidence.unreachable);
    assert_eq!(asked.lock().unwrap().iter().filter(|path| *path == api::LOOKUP).count(), 1 + MAX_ANEW);
}

#[test]
fn what_was_answered_is_heard_though_another_question_was_not() {
    let files = files(3);
    let silent = files[0];
    let (source, _) = liar(move |path, _| {
        let digests = path.starts_with(api::ARTIFACTS).then(|| files_of(path))?;
        (digests[0] != silent).then(|| answer(0, &digests, 1))
    });
    let folder = tempfile::tempdir().unwrap();
    let (client, history) = (Http::new().log(&source.urls[0]).unwrap(), History::new(folder.path()));
    let mut pages = Pages::new(&client, &source, &history, Wanted::Negatives);
    let asked = pages.rest(files.iter().map(|file| Question::Rest(*file, 0)).collect());
    assert!(matches!(asked, Err(AskError::Client(_))));
    assert_eq!(pages.views.len(), 2);
}

#[test]
fn who_took_all_of_the_time_is_asked_nothing_more() {
    let (source, asked) = liar(|path, _| path.starts_with(api::ARTIFACTS).then(|| answer(0, &files_of(path), 1)));
    let folder = tempfile::tempdir().unwrap();
    let (client, history) = (Http::new().log(&source.urls[0]).unwrap(), History::new(folder.path()));
    let mut pages = Pages::new(&client, &source, &history, Wanted::All);
    pages.allowance = Mutex::new(Allowance { until: Instant::now(), ..Allowance::new() });
    assert!(matches!(pages.rest(vec![Question::Rest(files(1)[0], 0)]), Err(AskError::Excess { .. })));
    assert!(asked.lock().unwrap().is_empty());
}

#[test]
fn what_one_address_answers_has_an_end() {
    let entry = FoundEntry { index: 0, envelope: "e".repeat(1 << 20), proof: Vec::new() };
    let artifact = FoundArtifact { sha256: files(1)[0], entries: vec![entry], more_from: None };
    let page = Found { checkpoint: String::new(), artifacts: vec![artifact] };
    let mut allowance = Allowance { bytes: 3 << 20, ..Allowance::new() };
    assert!((0..2).all(|_| allowance.take(&page).is_some()));
    assert!(allowance.take(&page).is_none());
    let mut late = Allowance { until: Instant::now(), ..Allowance::new() };
    assert!(late.take(&page).is_none());
}
