use super::*;
use crate::rebuild::fixture::{self, Part, TIME, part, zip};
use crate::rebuild::sdist;

fn source() -> Tree {
    sdist::read(&fixture::sdist(&[("src/demo/py.typed", ""), ("src/demo/core.py", "x = 2\n")])).unwrap()
}

fn standing(change: impl FnOnce(&mut Vec<Part>)) -> Standing {
    let mut parts = fixture::wheel("setuptools (84.2.1)");
    let published = Wheel::read(&zip(&parts)).unwrap();
    change(&mut parts);
    let built = Built { name: "demo-1.0-py3-none-any.whl".to_owned(), bytes: zip(&parts) };
    Standing::of(&published, &Ok(built), &source())
}

#[test]
fn content_counts_before_the_container_and_code_before_metadata() {
    let exact = standing(|_| ());
    let container = standing(|parts| parts[3].time = TIME + 1);
    let metadata = standing(|parts| parts[1].content.extend(b"License-File: LICENSE\n"));
    let code = standing(|parts| parts[0].content.push(b'#'));
    assert_eq!((exact, container, metadata), (Standing::Exact, Standing::Container(1), Standing::Metadata(1)));
    assert_eq!(code, Standing::Code);
    assert!(exact < container && container < metadata && metadata < code);
}

#[test]
fn a_file_outside_dist_info_is_code_and_one_inside_is_not() {
    assert_eq!(standing(|parts| parts.push(part("evil.pth", "import evil\n"))), Standing::Code);
    let inside = standing(|parts| parts.push(part("demo-1.0.dist-info/zip-safe", "\n")));
    assert_eq!(inside, Standing::Metadata(1));
}

#[test]
fn a_file_of_the_source_that_is_left_out_or_packed_is_the_tools_choice_unless_it_is_another_text() {
    assert_eq!(standing(|parts| parts.push(part("demo/py.typed", ""))), Standing::Metadata(1));
    assert_eq!(standing(|parts| parts.push(part("demo/py.typed", "evil"))), Standing::Code);
    // The source has another core.py than the published wheel.
    assert_eq!(standing(|parts| drop(parts.remove(0))), Standing::Code);
}

#[test]
fn what_is_no_wheel_is_a_failure() {
    let published = Wheel::read(&zip(&fixture::wheel("setuptools (84.2.1)"))).unwrap();
    assert_eq!(Standing::of(&published, &Err("no".to_owned()), &source()), Standing::Failed);
    let garbage = Built { name: "demo-1.0-py3-none-any.whl".to_owned(), bytes: b"PK".to_vec() };
    assert_eq!(Standing::of(&published, &Ok(garbage), &source()), Standing::Failed);
}
