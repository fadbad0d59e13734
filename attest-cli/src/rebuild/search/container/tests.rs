use super::*;
use crate::rebuild::fixture::{self, Part, SECONDS, TIME, dos, zip};
use crate::rebuild::infer;
use crate::rebuild::sdist;
use attest_core::artifact::WheelName;

/// As the fixture has it.
const METADATA: &str = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n";
const LATER: u32 = dos((2024, 2, 25), (23, 17, 34));
const EARLIER: u32 = dos((2024, 2, 1), (0, 0, 0));

/// What there is to try for a wheel with these parts, where the build so far gave `rebuilt`.
fn tries(published: &[Part], rebuilt: &[Part]) -> Vec<Candidate> {
    let name = WheelName::parse("demo-1.0-py3-none-any.whl").unwrap();
    let (theirs, ours) = (Wheel::read(&zip(published)).unwrap(), Wheel::read(&zip(rebuilt)).unwrap());
    let source = sdist::read(&fixture::sdist(&[("demo/core.py", "x = 1\n"), ("PKG-INFO", METADATA)])).unwrap();
    // What was inferred did not do.
    let mut recipe = infer::infer(&name, &theirs, &source, None).unwrap();
    (recipe.time.ticks, recipe.time.stamp) = (Vec::new(), Some(SECONDS));
    candidates(&recipe, &theirs, &ours, &source, i64::MAX)
}

fn with_times(times: [u32; 4]) -> Vec<Part> {
    let mut parts = fixture::wheel("setuptools (84.2.1)");
    for (part, time) in parts.iter_mut().zip(times) {
        part.time = time;
    }
    parts
}

#[test]
fn a_build_that_spans_a_tick_replays_a_clock_that_ticks() {
    let all = tries(&with_times([EARLIER, TIME, TIME, LATER]), &with_times([EARLIER, TIME, TIME, TIME]));
    let [one] = all.as_slice() else { panic!("expected one, found {all:?}") };
    assert_eq!(one.recipe.time.ticks, [Tick::new(2, SECONDS)]);
    assert_eq!(one.recipe.time.stamp, Some(SECONDS + 2));
}

#[test]
fn a_file_of_the_source_that_is_as_old_as_the_build_asks_for_no_time() {
    // The fixture's sdist has the time of the build, too. So has its PKG-INFO, but METADATA is made anew.
    let all = tries(&with_times([TIME, TIME, TIME, LATER]), &with_times([TIME, TIME, TIME, TIME]));
    assert_eq!(all[0].recipe.time.ticks, [Tick::new(2, SECONDS)]);
}

#[test]
fn a_clock_of_the_wheel_s_own_times_for_every_file_is_no_clock() {
    let (mut published, mut rebuilt) =
        (with_times([EARLIER, TIME, TIME, TIME]), with_times([EARLIER, TIME, TIME, TIME]));
    for number in 0..300 {
        let part = fixture::part(&format!("demo/made{number}.py"), "made = True\n");
        published.push(Part { time: if number % 2 == 0 { TIME } else { LATER }, ..part.clone() });
        rebuilt.push(part);
    }
    assert_eq!(tries(&published, &rebuilt), []);
}

#[test]
fn a_module_that_the_build_made_shows_the_clock_of_its_build_in_the_zone_of_its_builder() {
    const YEAR_2016: u32 = dos((2016, 1, 1), (0, 0, 0));
    let name = WheelName::parse("demo-1.0-py3-none-any.whl").unwrap();
    let wheel = |time: u32| {
        let mut parts = fixture::wheel("flit 3.9.0");
        for part in &mut parts {
            part.time = YEAR_2016;
        }
        parts[0].time = time;
        Wheel::read(&zip(&parts)).unwrap()
    };
    let source = sdist::read(&fixture::sdist(&[("demo/core.py", "x = 2\n")])).unwrap();
    // Two minutes past one in Berlin, both times.
    let (theirs, ours) = (wheel(dos((2024, 2, 26), (1, 2, 0))), wheel(dos((2024, 7, 1), (1, 2, 0))));
    let mut recipe = infer::infer(&name, &theirs, &source, None).unwrap();
    "CET-1CEST,M3.5.0,M10.5.0/3".clone_into(&mut recipe.time.zone);
    let began = 1_719_788_520;
    let all = candidates(&recipe, &theirs, &ours, &source, began);
    let [one] = all.as_slice() else { panic!("expected one, found {all:?}") };
    assert_eq!((one.recipe.time.clock, one.recipe.time.stamp), (Clock::Replayed, Some(1_708_905_720)));
    // What is older than our build was there before.
    assert_eq!(candidates(&recipe, &theirs, &ours, &source, began + 2), []);
}

#[test]
fn other_modes_are_tried_with_every_mask() {
    let (published, mut rebuilt) = (with_times([EARLIER, TIME, TIME, TIME]), with_times([EARLIER, TIME, TIME, TIME]));
    rebuilt[0].mode = 0o100_664;
    let tried: Vec<_> = tries(&published, &rebuilt).iter().map(|one| one.recipe.files.clone()).collect();
    assert_eq!(tried.len(), 3);
    assert!(tried.iter().all(|files| MASKS.contains(&files.umask.bits())));
}

#[test]
fn another_order_is_nothing_that_modes_or_clocks_explain() {
    let published = with_times([EARLIER, TIME, TIME, LATER]);
    let mut rebuilt = with_times([EARLIER, TIME, TIME, TIME]);
    rebuilt.swap(0, 1);
    assert_eq!(tries(&published, &rebuilt), []);
}
