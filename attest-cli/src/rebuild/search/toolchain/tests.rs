//! Marks as they were read off METADATA of one project built by every setuptools from 41.2 to 70.0.

use super::*;
use crate::rebuild::fixture::{self, part, zip};
use crate::rebuild::infer;
use crate::rebuild::sdist;
use attest_core::artifact::WheelName;

fn wheel(generator: &str, header: &str, rest: &[(&str, &str)]) -> Wheel {
    let mut parts = fixture::wheel(generator);
    parts[1].content = format!("Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n{header}\n\ntext\n").into_bytes();
    parts.extend(rest.iter().map(|(name, text)| part(&format!("demo-1.0.dist-info/{name}"), text)));
    Wheel::read(&zip(&parts)).unwrap()
}

fn tries(wheel: &Wheel, built_with: Option<&str>, pythons: &[PythonVersion]) -> Vec<Candidate> {
    let name = WheelName::parse("demo-1.0-py3-none-any.whl").unwrap();
    let source = sdist::read(&fixture::sdist(&[("setup.py", "")])).unwrap();
    let recipe = infer::infer(&name, wheel, &source, None).unwrap();
    candidates(&recipe, built_with, wheel, pythons)
}

fn first(wheel: &Wheel) -> String {
    tries(wheel, Some("69.0.3"), &[])[0].what.clone()
}

#[test]
fn marks_in_metadata_decide_which_setuptools_is_tried_first() {
    let old = |header: &str, rest: &[(&str, &str)]| first(&wheel("bdist_wheel (0.37.1)", header, rest));
    assert_eq!(old("Platform: any", &[]), "setuptools 68.2.2");
    assert_eq!(old("License: MIT", &[]), "setuptools 68.2.2");
    assert_eq!(old("Platform: UNKNOWN", &[]), "setuptools 62.1.0");
    assert_eq!(old("Platform: any\nHome-page: UNKNOWN", &[]), "setuptools 59.6.0");
    assert_eq!(old("Platform: any", &[("entry_points.txt", "[a]\nb = c:d\n\n")]), "setuptools 59.6.0");
    assert_eq!(old("Platform: any", &[("LICENSE.txt", "free\n")]), "setuptools 56.2.0");
    assert_eq!(old("Platform: any\nAuthor: UNKNOWN", &[("LICENSE.txt", "free\n")]), "setuptools 56.0.0");
}

#[test]
fn marks_that_contradict_each_other_exclude_nothing() {
    let wheel = wheel("bdist_wheel (0.37.1)", "Platform: any\nAuthor: UNKNOWN\nLicense-File: LICENSE", &[]);
    assert_eq!(tries(&wheel, None, &[]).len(), SETUPTOOLS.len());
}

#[test]
fn only_older_versions_than_the_one_that_was_tried_come_up_and_then_older_pythons() {
    let wheel = wheel("bdist_wheel (0.37.1)", "Platform: any", &[]);
    let all = tries(&wheel, Some("45.2.0"), &[PythonVersion::new(8)]);
    let what: Vec<_> = all.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(what, ["setuptools 41.2.0", "Python 3.8"]);
    assert_eq!(all[0].recipe.requirements.build, ["setuptools==41.2.0", "wheel==0.37.1"]);
    assert_eq!(all[1].recipe.python, Some(PythonVersion::new(8)));
    assert!(all.iter().all(|one| one.recipe.knobs_only().is_ok()));
}

#[test]
fn beside_a_setuptools_that_is_known_an_old_wheel_library_is_tried() {
    let all = tries(&wheel("setuptools (75.1.0)", "", &[]), Some("75.1.0"), &[]);
    assert_eq!(all.len(), WHEELS.len());
    assert_eq!(all[0].recipe.requirements.build, ["setuptools==75.1.0", "wheel==0.45.1"]);
}

#[test]
fn backends_that_name_their_version_leave_nothing_to_try() {
    assert_eq!(tries(&wheel("hatchling 1.33.0", "", &[]), None, &[]), []);
}
