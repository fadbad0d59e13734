use super::*;
use crate::rebuild::compare::{self, Sides};
use crate::rebuild::elf::tests::{elf, needing, part as section};
use crate::rebuild::fixture::{Part, part, wheel, zip};

const NAME: &str = "demo-1.0-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl";
const SBOM: &str = r#"{"bomFormat": "CycloneDX", "metadata": {"tools": [{"name": "auditwheel", "version": "6.7.0"}]},
"components": [{"name": "demo", "version": "1.0", "purl": "pkg:pypi/demo@1.0"},
{"name": "libgomp", "version": "8.5.0", "purl": "pkg:rpm/almalinux/libgomp@8.5.0-28.el8_10.alma.1"}]}"#;

fn member(name: &str, content: Vec<u8>) -> Part {
    Part { content, ..part(name, "") }
}

fn module(compiler: &str, needs: &[&str]) -> Vec<u8> {
    let mut parts = needing(needs);
    parts.push(section(".comment", format!("{compiler}\0")));
    elf(&parts)
}

fn read(more: Vec<Part>) -> Wheel {
    let mut parts = wheel("setuptools (80.0.0)");
    parts.extend(more);
    Wheel::read(&zip(&parts)).unwrap()
}

fn evidence(wheel: &Wheel) -> Evidence {
    Evidence::of(&WheelName::parse(NAME).unwrap(), wheel).unwrap()
}

fn published(more: Vec<Part>) -> Wheel {
    let mut parts = vec![
        member("demo/core.so", module("GCC: (GNU) 14.2.1 (Red Hat)", &["libc.so.6", "libgomp-e985bcbb.so.1"])),
        member("demo.libs/libgomp-e985bcbb.so.1", module("", &["libdl.so.2"])),
        part("demo-1.0.dist-info/sboms/auditwheel.cdx.json", SBOM),
    ];
    parts.extend(more);
    read(parts)
}

#[test]
fn compilers_copied_libraries_and_the_image_are_read_off_the_wheel() {
    let expected = Evidence {
        compilers: vec!["GCC: (GNU) 14.2.1 (Red Hat)".to_owned()],
        vendored: vec!["demo.libs/libgomp-e985bcbb.so.1".to_owned()],
        packages: vec!["pkg:rpm/almalinux/libgomp@8.5.0-28.el8_10.alma.1".to_owned()],
        tools: vec!["auditwheel 6.7.0".to_owned()],
        images: vec!["quay.io/pypa/manylinux_2_28_x86_64".to_owned()],
    };
    assert_eq!(evidence(&published(Vec::new())), expected);
    assert_eq!(Evidence::of(&WheelName::parse(NAME).unwrap(), &read(Vec::new())), None);
}

#[test]
fn the_image_follows_from_the_tags_where_nothing_was_copied() {
    for (tags, image) in [
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", "quay.io/pypa/manylinux2014_x86_64"),
        ("manylinux1_i686", "quay.io/pypa/manylinux1_i686"),
        ("manylinux_2_27_x86_64.manylinux_2_28_x86_64", "quay.io/pypa/manylinux_2_28_x86_64"),
        ("manylinux_2_34_aarch64", "quay.io/pypa/manylinux_2_34_aarch64"),
    ] {
        let name = WheelName::parse(&format!("demo-1.0-cp311-abi3-{tags}.whl")).unwrap();
        assert_eq!(images(&name, &[]), [image], "{tags}");
    }
    for tags in ["linux_x86_64", "manylinux_2_99_x86_64", "manylinux_3_1_x86_64", "win_amd64"] {
        let name = WheelName::parse(&format!("demo-1.0-cp311-abi3-{tags}.whl")).unwrap();
        assert_eq!(images(&name, &[]), [""; 0], "{tags}");
    }
}

/// Differences between `published` and a rebuild by another compiler, with what is foreign code.
fn foreign(published: &Wheel, rebuilt: &Wheel) -> Vec<String> {
    let mut differences = compare::compare(published, rebuilt, Sides::PublishedAndRebuilt);
    excuse_vendored(&mut differences, &evidence(published));
    differences.into_iter().filter(|one| one.foreign_code).map(|one| one.path).collect()
}

#[test]
fn a_copied_library_is_no_foreign_code_where_the_module_that_needs_it_differs() {
    let rebuilt = read(vec![member("demo/core.so", module("GCC: (Debian) 12.2.0", &["libc.so.6", "libgomp.so.1"]))]);
    assert_eq!(foreign(&published(Vec::new()), &rebuilt), [""; 0]);
    let lines = evidence(&published(Vec::new())).unlike(Some(&evidence(&rebuilt)));
    assert!(lines[0].starts_with("built in another environment"), "{lines:#?}");
    assert_eq!(lines[1], "compiled by GCC: (GNU) 14.2.1 (Red Hat) as published, by GCC: (Debian) 12.2.0 here");
    assert!(
        lines[2].starts_with("auditwheel 6.7.0 copied libraries of its system into it: demo.libs/libgomp"),
        "{lines:#?}"
    );
    assert!(lines[3].contains("quay.io/pypa/manylinux_2_28_x86_64"), "{lines:#?}");
}

#[test]
fn a_library_that_nothing_asks_for_and_code_beside_it_stay_foreign() {
    let rebuilt = read(vec![member("demo/core.so", module("GCC: (Debian) 12.2.0", &["libc.so.6", "libgomp.so.1"]))]);
    let evil = |path: &str, needs: &[&str]| vec![member(path, module("", needs))];
    for path in ["demo.libs/libevil.so", "demo.libs/sub/libgomp-e985bcbb.so.1", "demo/libgomp-e985bcbb.so.1", "evil.so"]
    {
        assert_eq!(foreign(&published(evil(path, &[])), &rebuilt), [path]);
    }
    // Two that ask for each other.
    let mut pair = evil("demo.libs/a.so", &["b.so"]);
    pair.extend(evil("demo.libs/b.so", &["a.so"]));
    assert_eq!(foreign(&published(pair), &rebuilt), ["demo.libs/a.so", "demo.libs/b.so"]);
    assert_eq!(foreign(&published(vec![part("demo.libs/x.py", "")]), &rebuilt), ["demo.libs/x.py"]);
}

#[test]
fn a_copied_library_in_a_build_that_otherwise_matches_stays_foreign() {
    let same = module("GCC: (GNU) 14.2.1 (Red Hat)", &["libc.so.6", "libgomp-e985bcbb.so.1"]);
    let rebuilt = read(vec![member("demo/core.so", same)]);
    assert_eq!(foreign(&published(Vec::new()), &rebuilt), ["demo.libs/libgomp-e985bcbb.so.1"]);
}

#[test]
fn an_sbom_that_is_no_sbom_says_nothing() {
    for text in ["", "[]", "{\"components\": 1}", "{\"components\": [{\"purl\": 1}]}", "\u{0}"] {
        let wheel = read(vec![
            member("demo/core.so", module("", &[])),
            part("demo-1.0.dist-info/sboms/auditwheel.cdx.json", text),
        ]);
        let evidence = evidence(&wheel);
        assert_eq!((evidence.tools, evidence.packages), (Vec::new(), Vec::new()), "{text:?}");
    }
}
