mod thread;
pub(super) mod world;

use attest_core::{
    api::record::{DisagreementKind, FileRow, NoVote, Standing},
    artifact::ArtifactDigest,
    merkle::LeafIndex,
    statement::Network,
    time::Timestamp,
};

use self::world::{Saying, VKEY, World, id, list};
use super::{book::Book, query::Which, *};
use crate::fixtures::NOW;

const LISTED: [(u8, &str); 3] = [(1, "a"), (2, "b"), (3, "b")];
const ONE: &str = "six-1.0-py3-none-any.whl";
const TWO: &str = "six-2.0-py3-none-any.whl";

/// One of everything, in an order in which later ones decide about earlier ones.
fn history() -> Vec<Vec<u8>> {
    let (one, two) = (Saying::of(ONE), Saying::of(TWO));
    let git = Saying { git: true, recipe: 7, ..Saying::of(TWO) };
    let named = two.reproduced(1);
    let vote = one.reproduced(2);
    let accusation = two.different(2, "other", Some(&named));
    vec![
        b"no statement".to_vec(),
        one.reproduced(1),
        one.withdrawn(3, &vote),
        vote,
        accusation.clone(),
        two.different(2, "unnamed", None),
        named,
        one.reproduced(9),
        one.different(9, "a stranger's", Some(&one.reproduced(1))),
        git.reproduced(3),
        one.foreign_code(2),
        two.withdrawn(2, &accusation),
        Saying { id: Some("https://r1.example".to_owned()), ..one.clone() }.reproduced(8),
        Saying { time: "9999-01-01T00:00:00Z".to_owned(), ..Saying::of("zope.interface-1-py3-none-any.whl") }
            .reproduced(1),
        Saying { network: Network::Open, ..Saying::of(ONE) }.reproduced(1),
    ]
}

fn standings(world: &World) -> Vec<Standing> {
    let mut rows = world.ask(|moment| moment.newest(Which::All, None, 1_000).unwrap());
    rows.reverse();
    rows.into_iter().map(|row| row.standing).collect()
}

#[test]
fn however_the_entries_were_divided_into_transactions_the_tables_are_the_same() {
    let history = history();
    let dumps = [1, 2, 3, 5, 100].map(|at_once| {
        let world = World::of(&history);
        drop(world.follow(&list(&LISTED), at_once));
        world.dump()
    });
    for dump in &dumps[1..] {
        assert_eq!(*dump, dumps[0]);
    }
    assert!(dumps[0].contains("disagreement"));
}

#[test]
fn what_every_statement_comes_to() {
    use Standing::{Abstained, Contradicted, ForeignCode, NoVote, Other, Reproduced, Withdrawal};
    let world = World::of(&history());
    drop(world.follow(&list(&LISTED), 2));
    let expected = [
        Other,
        Reproduced,
        Withdrawal,
        Reproduced,
        Contradicted,
        Abstained,
        Reproduced,
        Other,
        Other,
        Reproduced,
        ForeignCode,
        Withdrawal,
        Other,
        Reproduced,
        NoVote,
    ];
    assert_eq!(standings(&world), expected);
    let counts = world.ask(|moment| moment.counts().unwrap());
    assert_eq!((counts.reproduced, counts.contradicted, counts.withdrawn, counts.others), (4, 1, 2, 4));
    // Taken back by another key of the group, before it was logged; the accusation by a later entry.
    let rows = world.ask(|moment| moment.newest(Which::All, None, 100).unwrap());
    let taken: Vec<_> = rows.iter().filter_map(|row| Some((row.index, row.withdrawn_by?))).collect();
    assert_eq!(taken, [(4, 11), (3, 2)]);
}

#[test]
fn disagreements_are_found_whichever_comes_first() {
    use DisagreementKind::{ForeignCode, SameInputs, Withdrawn};
    let world = World::of(&history());
    drop(world.follow(&list(&LISTED), 1));
    let found = world.ask(|moment| moment.disagreements(None).unwrap());
    let found: Vec<_> =
        found.items.iter().map(|one| (one.kind, one.entry.index, one.other.as_ref().map(|o| o.index))).collect();
    assert_eq!(
        found,
        [
            // A build with an open network claims a result, too.
            (SameInputs, 14, Some(10)),
            (Withdrawn, 11, Some(4)),
            (ForeignCode, 10, None),
            (SameInputs, 10, Some(1)),
            (SameInputs, 6, Some(4)),
            (SameInputs, 5, Some(4)),
            (Withdrawn, 2, Some(3)),
        ]
    );
}

#[test]
fn a_record_that_was_cut_off_between_transactions_goes_on() {
    let history = history();
    let whole = World::of(&history);
    drop(whole.follow(&list(&LISTED), 100));
    for upto in 1..history.len() as u64 {
        let world = World::of(&history);
        let mut book = world.follow(&list(&LISTED), 100);
        drop(book);
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(world.dir.path().join(format!("{FILE}{suffix}")));
        }
        book = Book::open(&world.path(), VKEY, &world.reader()).unwrap().unwrap();
        book.attribute(&world.reader(), &list(&LISTED)).unwrap();
        world.catch_up(&mut book, 2, upto);
        // As a crash leaves it: the writer's files as they are, without its end.
        let copy = World::of(&history);
        for suffix in ["", "-wal"] {
            let name = format!("{FILE}{suffix}");
            std::fs::copy(world.dir.path().join(&name), copy.dir.path().join(&name)).unwrap();
        }
        drop(copy.follow(&list(&LISTED), 100));
        assert_eq!(copy.dump(), whole.dump(), "{upto}");
    }
}

#[test]
fn a_list_that_changes_gives_what_a_new_record_gives() {
    let history = history();
    let lists: [&[(u8, &str)]; 6] =
        [&LISTED, &[(1, "a")], &[], &[(2, "a"), (3, "b"), (1, "a")], &[(9, "x"), (1, "a"), (8, "y")], &LISTED];
    let followed = World::new();
    let mut followed = followed;
    for (part, of) in history.chunks(3).zip(lists.iter().chain(&lists)) {
        followed.log(part);
        drop(followed.follow(&list(of), 2));
    }
    for of in lists {
        drop(followed.follow(&list(of), 2));
        let new = World::of(&history);
        drop(new.follow(&list(of), 100));
        assert_eq!(followed.answers(), new.answers(), "{of:?}");
    }
}

#[test]
fn whoever_is_named_in_a_statement_it_is_whose_key_signed_it() {
    let one = Saying { id: Some("https://r2.example".to_owned()), ..Saying::of(ONE) };
    let world = World::of(&[one.reproduced(1), one.reproduced(9)]);
    drop(world.follow(&list(&LISTED), 10));
    let rows = world.ask(|moment| moment.newest(Which::All, None, 10).unwrap());
    assert_eq!((rows[1].by.name.as_str(), rows[1].by.group.as_deref()), ("r1", Some("a")));
    assert_eq!((rows[0].by.name.as_str(), rows[0].by.id.as_deref()), ("https://r2.example", None));
}

#[test]
fn a_strangers_false_claim_is_not_worth_contradicting_unless_somebody_listed_claims_it_too() {
    let one = Saying::of(ONE);
    let strange = one.reproduced(9);
    let mut world = World::of(&[strange.clone(), one.different(1, "other", Some(&strange))]);
    let mut book = world.follow(&list(&LISTED), 10);
    assert_eq!(standings(&world)[1], Standing::Abstained);
    world.log(&[one.reproduced(2)]);
    world.catch_up(&mut book, 10, 3);
    assert_eq!(standings(&world)[1], Standing::Contradicted);
}

#[test]
fn what_one_build_says_or_one_with_other_inputs_contradicts_nothing() {
    let one = Saying::of(ONE);
    let named = one.reproduced(1);
    let chance = Saying { repeat: 1, ..one.clone() }.different(2, "other", Some(&named));
    let others = Saying { recipe: 1, ..one.clone() }.different(2, "other", Some(&named));
    let world = World::of(&[named, chance, others]);
    drop(world.follow(&list(&LISTED), 10));
    assert_eq!(standings(&world)[1..], [Standing::Abstained, Standing::Abstained]);
    assert!(world.ask(|moment| moment.disagreements(None).unwrap()).items.is_empty());
}

#[test]
fn a_day_that_has_not_come_is_not_charted() {
    let world = World::of(&history());
    drop(world.follow(&list(&LISTED), 10));
    let days = world.ask(|moment| moment.days(Timestamp::from_secs(NOW)).unwrap());
    assert_eq!(days.len(), 90);
    let last = days.last().unwrap();
    assert_eq!(Timestamp::from_secs(last.start).to_string(), "2026-11-10T00:00:00Z");
    assert!(days.windows(2).all(|pair| pair[1].start - pair[0].start == 86_400));
    assert_eq!((last.counts.reproduced, last.counts.no_votes, last.counts.withdrawn), (3, 1, 2));
}

#[test]
fn bytes_under_two_names_are_two_files_and_what_speaks_against_one_speaks_against_both() {
    let one = Saying::of(ONE);
    let other = Saying { file: "evil-1-py3-none-any.whl".to_owned(), ..one.clone() };
    let world = World::of(&[one.reproduced(1), other.reproduced(2), other.foreign_code(3)]);
    drop(world.follow(&list(&[(1, "a"), (2, "b"), (3, "c")]), 10));
    let files = world.ask(|moment| moment.files_of(one.digest).unwrap());
    let cells = |at: usize| files[at].cells.iter().map(|cell| (cell.group.as_str(), cell.standing)).collect::<Vec<_>>();
    assert_eq!(files[0].file, ONE);
    assert_eq!(cells(0), [("a", Standing::Reproduced), ("c", Standing::ForeignCode)]);
    assert_eq!(cells(1), [("b", Standing::Reproduced), ("c", Standing::ForeignCode)]);
    assert_eq!(world.ask(|moment| moment.said_about(one.digest).unwrap()), 3);
}

#[test]
fn a_commit_and_an_sdist_are_two_sources() {
    let sdist = Saying::of(ONE);
    let git = Saying { git: true, ..sdist.clone() };
    let agree = |entries: &[Vec<u8>]| {
        let world = World::of(entries);
        drop(world.follow(&list(&LISTED), 10));
        world.ask(|moment| moment.files_of(sdist.digest).unwrap()[0].agreement.agree)
    };
    assert!(agree(&[sdist.reproduced(1), sdist.reproduced(2)]));
    assert!(agree(&[git.reproduced(1), git.reproduced(2)]));
    assert!(!agree(&[sdist.reproduced(1), git.reproduced(2)]));
}

#[test]
fn a_project_is_not_accused_any_more_once_what_spoke_against_it_was_taken_back() {
    let one = Saying::of(ONE);
    let accusation = one.foreign_code(2);
    let mut world = World::of(&[one.reproduced(1), accusation.clone()]);
    let mut book = world.follow(&list(&LISTED), 10);
    let six = ProjectName::new("six").unwrap();
    let accused = |world: &World| world.ask(|moment| moment.covered_project(&six).unwrap().accused);
    assert!(accused(&world));
    world.log(&[one.withdrawn(1, &accusation)]);
    world.catch_up(&mut book, 10, 3);
    assert!(accused(&world), "taken back by another group");
    world.log(&[one.withdrawn(3, &accusation)]);
    world.catch_up(&mut book, 10, 4);
    assert!(!accused(&world));
}

fn file(world: &World, saying: &Saying) -> FileRow {
    world.ask(|moment| moment.files_of(saying.digest).unwrap().remove(0))
}

#[test]
fn what_is_no_vote_says_why_and_counts_for_nothing() {
    let one = Saying::of(ONE);
    let open = Saying { network: Network::Open, ..one.clone() };
    let hasty = Saying { repeat: 1, ..one.clone() };
    let mut world = World::of(&[open.reproduced(1), hasty.reproduced(2)]);
    let mut book = world.follow(&list(&LISTED), 10);
    let row = file(&world, &one);
    let cells: Vec<_> = row.cells.iter().map(|cell| (cell.standing, cell.entry.no_vote)).collect();
    assert_eq!(cells, [(Standing::NoVote, Some(NoVote::Network)), (Standing::NoVote, Some(NoVote::Repeat))]);
    assert_eq!((row.groups, row.agreement.sdists.len()), (0, 0));
    let release = |world: &World| {
        world.ask(|moment| moment.releases("six").unwrap().0.into_iter().find(|row| row.version == "1.0").unwrap())
    };
    let row = release(&world);
    assert_eq!((row.reproduced, row.groups, row.counts.reproduced, row.counts.no_votes), (0, 0, 0, 2));
    let six = ProjectName::new("six").unwrap();
    assert_eq!(world.ask(|moment| moment.covered_project(&six).unwrap().groups), 0);
    // The same groups vote: then they count, and what was no vote is still shown as what it is.
    world.log(&[one.reproduced(1), one.reproduced(2)]);
    world.catch_up(&mut book, 10, 4);
    let row = release(&world);
    assert_eq!((row.reproduced, row.groups, row.counts.reproduced, row.counts.no_votes), (1, 2, 2, 2));
    assert!(file(&world, &one).cells.iter().all(|cell| cell.standing == Standing::Reproduced));
}

#[test]
fn a_no_vote_can_be_contradicted_and_taken_back_like_any_claim() {
    let open = Saying { network: Network::Open, ..Saying::of(ONE) };
    let claim = open.reproduced(1);
    let accusation = Saying::of(ONE).different(2, "other", Some(&claim));
    let world = World::of(&[claim.clone(), accusation, open.withdrawn(1, &claim)]);
    drop(world.follow(&list(&LISTED), 1));
    assert_eq!(standings(&world)[1], Standing::Contradicted);
    assert_eq!(world.ask(|moment| moment.entry(LeafIndex::new(0)).unwrap().unwrap().withdrawn_by), Some(2));
}

#[test]
fn groups_are_counted_for_one_source_and_neither_two_faced_nor_accusing_ones() {
    let sdist = Saying::of(ONE);
    let git = Saying { git: true, ..sdist.clone() };
    let listed = list(&[(1, "a"), (2, "b"), (3, "c"), (4, "d")]);
    let groups = |entries: &[Vec<u8>]| {
        let world = World::of(entries);
        drop(world.follow(&listed, 2));
        let row = file(&world, &sdist);
        (row.groups, row.agreement.agree)
    };
    assert_eq!(groups(&[sdist.reproduced(1), sdist.reproduced(2), git.reproduced(3)]), (2, false));
    assert_eq!(groups(&[sdist.reproduced(1), git.reproduced(1), sdist.reproduced(2)]), (1, false));
    assert_eq!(groups(&[sdist.reproduced(1), sdist.reproduced(2), sdist.foreign_code(2)]), (1, true));
    let accusation = sdist.foreign_code(2);
    let taken_back = sdist.withdrawn(2, &accusation);
    assert_eq!(groups(&[sdist.reproduced(1), sdist.reproduced(2), accusation, taken_back]), (2, true));
}

#[test]
fn a_contradiction_of_a_statement_that_is_not_here_leaves_no_threshold_met() {
    let one = Saying::of(ONE);
    let elsewhere = Saying { recipe: 1, ..one.clone() }.reproduced(1);
    let chance = Saying { repeat: 1, ..one.clone() }.different(2, "other", Some(&elsewhere));
    let accusation = one.different(2, "other", Some(&elsewhere));
    let groups = |more: &[&[u8]]| {
        let mut world = World::of(&[one.reproduced(1)]);
        let mut book = world.follow(&list(&LISTED), 10);
        for (entry, upto) in more.iter().zip(2..) {
            world.log(&[entry.to_vec()]);
            world.catch_up(&mut book, 10, upto);
        }
        let release = world.ask(|moment| moment.releases("six").unwrap().0.remove(0));
        assert_eq!((release.accused, release.groups), (false, file(&world, &one).groups));
        release.groups
    };
    assert_eq!(groups(&[&accusation]), 0);
    // What lacks more abstains, whatever it names; so does a stranger's.
    assert_eq!(groups(&[&chance]), 1);
    assert_eq!(groups(&[&one.different(9, "other", Some(&elsewhere))]), 1);
    // Once what it names is here, it is judged: this one was built from other inputs.
    assert_eq!(groups(&[&accusation, &elsewhere]), 1);
    assert_eq!(groups(&[&accusation, &one.withdrawn(3, &accusation)]), 1);
}

#[test]
fn a_release_of_more_files_than_a_page_is_cut_nowhere() {
    let file = |n: usize| format!("six-1.0-{n}-py3-none-any.whl");
    let mut entries: Vec<_> = (0..130).map(|n| Saying::of(&file(n)).reproduced(1)).collect();
    // One name may have many digests.
    entries.extend((0..60).map(|n| Saying { digest: ArtifactDigest::of(&[n]), ..Saying::of(&file(7)) }.reproduced(1)));
    let world = World::of(&entries);
    drop(world.follow(&list(&LISTED), 100));
    world.ask(|moment| {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let view = moment.release("six", "1.0", after).unwrap().unwrap();
            assert_eq!((view.row.files, view.row.reproduced), (190, 190));
            seen.extend(view.files.items.into_iter().map(|file| (file.file, file.sha256)));
            let Some(next) = view.files.next else { break };
            after = Some(next.parse().unwrap());
        }
        assert_eq!(seen.len(), 190);
        assert!(seen.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 190);
    });
}

#[test]
fn a_list_of_rebuilders_that_is_longer_than_a_page_goes_on() {
    let many: Vec<(u8, &str)> = (1..=120).map(|seed| (seed, "g")).collect();
    let world = World::of(&[]);
    drop(world.follow(&list(&many), 10));
    world.ask(|moment| {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = moment.rebuilders_after(after.as_deref()).unwrap().unwrap();
            seen.extend(page.items.into_iter().map(|row| row.name));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 120);
        assert!(moment.rebuilders_after(Some("0000000000000000")).unwrap().is_none());
    });
}

#[test]
fn a_version_is_found_under_another_spelling() {
    let world = World::of(&[Saying::of("six-1.0-py3-none-any.whl").reproduced(1)]);
    drop(world.follow(&list(&LISTED), 10));
    let like = |text: &str| {
        let version = attest_core::artifact::Version::new(text).unwrap();
        world.ask(|moment| moment.release_like("six", &version).unwrap().map(|row| row.version))
    };
    assert_eq!((like("1.0"), like("1.0.0"), like("1.1")), (Some("1.0".to_owned()), Some("1.0".to_owned()), None));
}

#[test]
fn what_was_judged_is_not_read_again_for_every_further_word_about_the_file() {
    let one = Saying::of(ONE);
    let named = one.reproduced(9);
    let accusation = |n: u32| {
        let time = format!("2026-11-10T12:{:02}:{:02}Z", n / 60, n % 60);
        Saying { time, ..one.clone() }.different(2, "other", Some(&named))
    };
    let mut entries: Vec<_> = std::iter::once(named.clone()).chain((0..200).map(accusation)).collect();
    let world = World::of(&entries);
    let mut book = world.follow(&list(&LISTED), 50);
    assert!(standings(&world)[1..].iter().all(|standing| *standing == Standing::Abstained));
    // From here on, whoever reads an accusation again finds that it is none.
    let more = Saying { recipe: 3, ..one.clone() }.reproduced(1);
    entries[1..].fill(b"unreadable".to_vec());
    entries.push(more.clone());
    let unreadable = World::of(&entries);
    book.add(&unreadable.reader(), &[attest_core::tile::Entry::new(more).unwrap()]).unwrap();
    assert_eq!(world.ask(|moment| moment.said_about(one.digest).unwrap()), 202);
}

#[test]
fn a_thousand_versions_are_in_their_order_and_pages_leave_nothing_out() {
    let entries: Vec<_> =
        (0..1_000).map(|n| Saying::of(&format!("six-1.{n}-py3-none-any.whl")).reproduced(1)).collect();
    let world = World::of(&entries);
    drop(world.follow(&list(&LISTED), 300));
    world.ask(|moment| {
        let releases = moment.releases("six").unwrap().0;
        let expected: Vec<_> = (0..1_000).rev().map(|n| format!("1.{n}")).collect();
        assert_eq!(releases.iter().map(|release| release.version.clone()).collect::<Vec<_>>(), expected);
        let (mut seen, mut below) = (0, None);
        loop {
            let page = moment.entries(Which::Project("six"), below).unwrap();
            seen += page.items.len();
            let Some(next) = page.next else { break };
            below = Some(LeafIndex::new(next.parse().unwrap()));
        }
        assert_eq!(seen, 1_000);
    });
}

#[test]
fn a_text_finds_what_it_may_mean() {
    let git = Saying { git: true, ..Saying::of(TWO) };
    let history =
        [Saying::of(ONE).reproduced(1), git.reproduced(2), Saying::of("sixty-1-py3-none-any.whl").reproduced(1)];
    let world = World::of(&history);
    drop(world.follow(&list(&LISTED), 10));
    world.ask(|moment| {
        let search = |text: &str| moment.search(text).unwrap();
        let projects: Vec<_> = search("Six").projects.into_iter().map(|row| row.project).collect();
        assert_eq!(projects, ["six", "sixty"]);
        assert_eq!(search(ONE).files[0].file, ONE);
        assert_eq!(search(&git.digest.to_string()).files[0].file, TWO);
        assert_eq!(search(&id(&history[1]).to_string()).entries[0].index, 1);
        assert_eq!(search("2").entries[0].index, 2);
        let commit = ArtifactDigest::of(TWO.as_bytes()).to_string();
        for digits in [7, 8, 15, 16, 17, 40] {
            assert_eq!(search(&commit[..digits]).entries.len(), 1, "{digits}");
        }
        assert!(search(&commit[..41]).entries.is_empty());
        assert_eq!(search("R2").rebuilders[0].name, "r2");
        for nothing in ["", "' OR 1", "%", "{", "\u{202e}six", "\0", "-", &"x".repeat(200)] {
            let found = search(nothing);
            assert!(found.projects.is_empty() && found.files.is_empty() && found.entries.is_empty(), "{nothing:?}");
        }
    });
}

#[test]
fn a_file_that_is_not_this_logs_record_is_not_gone_on_with() {
    let history = history();
    let world = World::of(&history);
    drop(world.follow(&list(&LISTED), 10));
    let open = |world: &World, vkey: &str| Book::open(&world.path(), vkey, &world.reader());
    assert!(open(&world, "other.example+00000000+AAAA").unwrap().is_none());
    let copy = |to: &World| std::fs::copy(world.path(), to.path()).unwrap();
    // A log that was restored from an older backup, and one that went another way since.
    let older = World::of(&history[..5]);
    copy(&older);
    assert!(open(&older, VKEY).unwrap().is_none());
    let mut forked = World::of(&history[..13]);
    forked.log(&[b"another entry".to_vec(), b"and more".to_vec()]);
    copy(&forked);
    assert!(open(&forked, VKEY).unwrap().is_none());
    let connection = rusqlite::Connection::open(world.path()).unwrap();
    connection.pragma_update(None, "user_version", 77).unwrap();
    drop(connection);
    assert!(open(&world, VKEY).unwrap().is_none());
    std::fs::write(world.path(), "not a database, but long enough to be looked at as if it were one").unwrap();
    assert!(open(&world, VKEY).unwrap_err().is_damage());
}
