//! Jobs through crashes, silences, limits and second answers.

use std::fs;

use attest_core::artifact::ArtifactDigest;

use super::*;
use crate::rebuilder::job::{Weight, Wish};

const NOW: u64 = 1_800_000_000;

fn limits() -> Limits {
    Limits { attempts: 3, retry_seconds: 10, lease_seconds: 60, per_day: 100, per_project_per_day: 50, free_disk_mb: 0 }
}

fn ask(release: &str, priority: i32) -> Ask {
    Ask { wish: Wish { release: release.parse().unwrap(), sha256: None, claim: None }, priority }
}

fn answer(attempt: u32, weight: Weight) -> Answer {
    let build = ArtifactDigest::of(b"build.json");
    Answer { attempt, build, name: "a-1-py3-none-any.whl".to_owned(), subject: build, verdict: "X".to_owned(), weight }
}

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("queue/journal")
    }

    fn open(&self) -> Queue {
        Queue::open(&self.path(), NOW).unwrap()
    }

    fn with(&self, asks: &[Ask]) -> Queue {
        let mut queue = self.open();
        queue.add(asks.to_vec(), None, NOW).unwrap();
        queue
    }
}

fn take(queue: &mut Queue, worker: &str, now: u64) -> Option<(Given, String)> {
    queue.take(worker, &limits(), now).unwrap().map(|(given, ask)| (given, ask.wish.release.to_string()))
}

#[test]
fn the_most_urgent_goes_first_then_the_oldest_and_nothing_is_added_twice() {
    let world = World::new();
    let mut queue = world.with(&[ask("a==1", 0), ask("b==1", 5), ask("c==1", 5), ask("A==1", 9)]);
    assert_eq!(queue.add(vec![ask("b==1", 9)], None, NOW).unwrap(), 0);
    let order: Vec<String> = ["w1", "w2", "w3"].iter().map(|worker| take(&mut queue, worker, NOW).unwrap().1).collect();
    assert_eq!(order, ["b==1", "c==1", "a==1"]);
    assert_eq!(take(&mut queue, "w4", NOW), None);
}

#[test]
fn at_every_cut_of_the_journal_a_start_finds_a_state_that_was() {
    let world = World::new();
    let mut states = Vec::new();
    let mut queue = world.with(&[ask("a==1", 0), ask("b==1", 0)]);
    let mut note = |queue: &Queue| {
        states.push((queue.journal.length(), State::of(Journal::read(&world.path()).unwrap()).unwrap()));
    };
    note(&queue);
    let (first, _) = take(&mut queue, "w", NOW).unwrap();
    note(&queue);
    queue.answer(first, "w", answer(1, Weight::Accusation), NOW).unwrap();
    note(&queue);
    let (second, _) = take(&mut queue, "w", NOW).unwrap();
    note(&queue);
    queue.end(second, "w", End::Failed, "no index".to_owned(), &limits(), NOW).unwrap();
    note(&queue);
    queue.decide(first.job, Decision { approved: true, reason: "looked".to_owned(), contradicts: None }).unwrap();
    queue.logged(first.job, "log.example".to_owned(), 7).unwrap();
    note(&queue);
    drop(queue);
    let bytes = fs::read(world.path()).unwrap();
    for (length, expected) in &states {
        let length = usize::try_from(*length).unwrap();
        for cut in [length, (length + 7).min(bytes.len())] {
            fs::write(world.path(), &bytes[..cut]).unwrap();
            let found = State::of(Journal::read(&world.path()).unwrap()).unwrap();
            assert_eq!(found, *expected, "cut at {cut}");
        }
    }
}

#[test]
fn after_a_crash_own_workers_jobs_wait_again_and_those_of_other_hosts_have_their_lease() {
    let world = World::new();
    let mut queue = world.with(&[ask("a==1", 1), ask("b==1", 0)]);
    let (own, _) = take(&mut queue, "own-1", NOW).unwrap();
    let (other, _) = take(&mut queue, "host", NOW).unwrap();
    drop(queue);
    let mut queue = world.open();
    assert_eq!(queue.state().job(own.job).unwrap().phase.word(), "waiting");
    assert_eq!(queue.state().job(own.job).unwrap().failures, 0);
    assert_eq!(queue.state().job(other.job).unwrap().running(), Some(other));
    queue.expire(&limits(), NOW + 60).unwrap();
    assert_eq!(queue.state().job(other.job).unwrap().running(), Some(other));
    queue.answer(other, "host", answer(1, Weight::Vote), NOW + 61).unwrap();
    assert_eq!(queue.state().job(other.job).unwrap().phase.word(), "done");
}

#[test]
fn a_silent_workers_job_goes_to_another_and_the_first_answer_counts() {
    let world = World::new();
    let mut queue = world.with(&[ask("a==1", 0)]);
    let (first, _) = take(&mut queue, "slow", NOW).unwrap();
    queue.ping(first, "slow", NOW + 50).unwrap();
    queue.expire(&limits(), NOW + 100).unwrap();
    assert_eq!(queue.state().job(first.job).unwrap().running(), Some(first));
    queue.expire(&limits(), NOW + 111).unwrap();
    assert_eq!(take(&mut queue, "quick", NOW + 112), None, "not before its delay");
    let (second, _) = take(&mut queue, "quick", NOW + 122).unwrap();
    assert_eq!(second.attempt, 2);
    // The slow one cannot end what the quick one builds, but its answer is as good as any.
    queue.end(first, "slow", End::Failed, "late".to_owned(), &limits(), NOW + 123).unwrap();
    assert_eq!(queue.state().job(first.job).unwrap().running(), Some(second));
    queue.answer(first, "slow", answer(1, Weight::Vote), NOW + 124).unwrap();
    let refused = queue.answer(second, "quick", answer(2, Weight::Vote), NOW + 125).unwrap_err();
    assert!(matches!(refused, QueueError::Answered { .. }), "{refused}");
}

#[test]
fn nobody_answers_for_a_job_that_another_was_given() {
    let world = World::new();
    let mut queue = world.with(&[ask("a==1", 1), ask("b==1", 0)]);
    let (ours, _) = take(&mut queue, "w1", NOW).unwrap();
    let (theirs, _) = take(&mut queue, "w2", NOW).unwrap();
    for given in [theirs, Given { attempt: 2, ..ours }] {
        let refused = queue.answer(given, "w1", answer(1, Weight::Vote), NOW).unwrap_err();
        assert!(matches!(refused, QueueError::NotGiven { .. }), "{refused}");
    }
}

#[test]
fn asking_again_without_an_answer_gives_the_same_job() {
    let world = World::new();
    let mut queue = world.with(&[ask("a==1", 0), ask("b==1", 0)]);
    let first = take(&mut queue, "w", NOW).unwrap();
    assert_eq!(take(&mut queue, "w", NOW + 1).unwrap(), first);
}

#[test]
fn what_keeps_failing_is_given_up_and_tried_again_when_a_person_says_so() {
    let world = World::new();
    let mut queue = world.with(&[ask("a==1", 0)]);
    let mut now = NOW;
    for _ in 0..3 {
        let (given, _) = take(&mut queue, "w", now).unwrap();
        queue.end(given, "w", End::Failed, "no index".to_owned(), &limits(), now).unwrap();
        now += 1000;
    }
    assert_eq!(take(&mut queue, "w", now), None);
    assert!(matches!(&queue.state().job(JobId::FIRST).unwrap().phase, Phase::Failed { why } if why == "no index"));
    queue.again(JobId::FIRST).unwrap();
    assert!(take(&mut queue, "w", now).is_some());
    assert!(matches!(queue.remove(JobId::FIRST), Err(QueueError::Phase { .. })));
}

#[test]
fn a_worker_that_stops_costs_a_job_nothing() {
    let world = World::new();
    let mut queue = world.with(&[ask("a==1", 0)]);
    for _ in 0..10 {
        let (given, _) = take(&mut queue, "w", NOW).unwrap();
        queue.end(given, "w", End::GivenBack, "stopping".to_owned(), &limits(), NOW).unwrap();
    }
    assert_eq!(queue.state().job(JobId::FIRST).unwrap().failures, 0);
}

#[test]
fn a_day_has_its_limits_for_one_project_and_for_all() {
    let world = World::new();
    let mut queue = world.with(&[ask("a==1", 0), ask("a==2", 0), ask("b==1", 0), ask("c==1", 0)]);
    let few = Limits { per_project_per_day: 1, per_day: 2, ..limits() };
    let mut next = |worker, now| queue.take(worker, &few, now).unwrap().map(|(_, ask)| ask.wish.release.to_string());
    assert_eq!(next("w1", NOW).as_deref(), Some("a==1"));
    assert_eq!(next("w2", NOW).as_deref(), Some("b==1"));
    assert_eq!(next("w3", NOW), None);
    assert_eq!(next("w3", NOW + DAY + 1).as_deref(), Some("a==2"));
}

#[test]
fn an_accusation_is_decided_once() {
    let world = World::new();
    let mut queue = world.with(&[ask("a==1", 0), ask("b==1", 0)]);
    let decision = |approved| Decision { approved, reason: "looked".to_owned(), contradicts: None };
    assert!(matches!(queue.decide(JobId::FIRST, decision(true)), Err(QueueError::Phase { .. })));
    let (given, _) = take(&mut queue, "w", NOW).unwrap();
    queue.answer(given, "w", answer(1, Weight::Accusation), NOW).unwrap();
    queue.decide(given.job, decision(false)).unwrap();
    queue.decide(given.job, decision(false)).unwrap();
    assert!(matches!(queue.decide(given.job, decision(true)), Err(QueueError::Phase { .. })));
    let (given, _) = take(&mut queue, "w", NOW).unwrap();
    queue.answer(given, "w", answer(1, Weight::Vote), NOW).unwrap();
    assert!(matches!(queue.decide(given.job, decision(true)), Err(QueueError::Phase { .. })));
}

#[test]
fn a_rewritten_journal_is_the_same_queue_and_numbers_are_never_used_again() {
    let world = World::new();
    let mut queue = world.with(&[ask("a==1", 0), ask("b==1", 0), ask("c==1", 0)]);
    let (given, _) = take(&mut queue, "w", NOW).unwrap();
    queue.answer(given, "w", answer(1, Weight::Vote), NOW).unwrap();
    queue.remove("3".parse().unwrap()).unwrap();
    queue.add(Vec::new(), Some(("feed".to_owned(), "17".to_owned())), NOW).unwrap();
    let lines = queue.state.lines();
    queue.journal.replace(&lines).unwrap();
    let mut again = world.open();
    assert_eq!(again.state, queue.state);
    assert_eq!(again.state().positions()["feed"], "17");
    again.add(vec![ask("d==1", 0)], None, NOW).unwrap();
    assert_eq!(again.state().jobs().last().unwrap().id, "4".parse().unwrap());
}

#[test]
fn a_clock_that_was_years_ahead_for_a_moment_holds_nothing_up_once_it_is_right() {
    let world = World::new();
    let mut queue = world.with(&[ask("a==1", 0), ask("b==1", 0)]);
    let (wrong, limits) = (NOW + 10 * 365 * 24 * 3600, Limits { per_day: 2, ..limits() });
    let (given, _) = queue.take("dies", &limits, wrong).unwrap().unwrap();
    let (failed, _) = queue.take("fails", &limits, wrong).unwrap().unwrap();
    queue.end(failed, "fails", End::Failed, "no".to_owned(), &limits, wrong).unwrap();
    // It is right again, and the first worker is never heard of again.
    queue.expire(&limits, NOW).unwrap();
    let later = NOW + limits.lease_seconds + 1;
    queue.expire(&limits, later).unwrap();
    assert_eq!(queue.state().job(given.job).unwrap().running(), None, "its lease is over");
    let next = queue.take("lives", &limits, later).unwrap();
    assert_eq!(next.map(|(given, _)| given.job), Some(failed.job), "neither its wait nor the limit of that day count");
}

#[test]
fn a_worker_that_talks_for_ever_is_not_written_down_for_ever() {
    let world = World::new();
    let mut queue = world.with(&[ask("a==1", 0)]);
    let (given, _) = queue.take("w", &limits(), NOW).unwrap().unwrap();
    queue.end(given, "w", End::Failed, "no ".repeat(1 << 20), &limits(), NOW).unwrap();
    assert!(fs::metadata(world.path()).unwrap().len() < 4096);
}

#[test]
fn a_journal_is_rewritten_before_it_is_too_long_to_be_read_back() {
    let mut last = 0;
    while last < MAX_JOURNAL {
        let at = rewritten_at(last);
        assert!(at > last, "it would be rewritten without end");
        assert!(at < MAX_JOURNAL || last > MAX_JOURNAL / 8 * 7, "{last}");
        last += MAX_JOURNAL / 64;
    }
    assert_eq!(rewritten_at(1000), MIN_REWRITE);
}
