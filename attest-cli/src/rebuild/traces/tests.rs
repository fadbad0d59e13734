use super::*;
use crate::rebuild::elf::tests::{debug, elf, part as section};
use crate::rebuild::fixture::{part, sdist, wheel, zip};

fn found(modules: &[Vec<u8>]) -> Option<Paths> {
    let mut parts = wheel("setuptools (80.0.0)");
    for (number, module) in modules.iter().enumerate() {
        parts
            .push(crate::rebuild::fixture::Part { content: module.clone(), ..part(&format!("demo/m{number}.so"), "") });
    }
    let source =
        crate::rebuild::sdist::read(&sdist(&[("src/demo.c", ""), ("demo.pyx", ""), ("setup.py", "")])).unwrap();
    paths(&Wheel::read(&zip(&parts)).unwrap(), &source)
}

fn build(paths: Option<Paths>) -> String {
    paths.and_then(|paths| paths.build).map_or_else(String::new, String::from)
}

#[test]
fn the_top_of_the_source_is_where_its_files_were() {
    for (name, folder, top) in [
        ("src/demo.c", "/tmp/build-env-abcdefgh/demo-1.0", "/tmp/build-env-abcdefgh/demo-1.0"),
        // Built in a folder of the source, and in one beside it.
        ("../src/demo.c", "/project/.mesonpy-a1b2c3d4", "/project"),
        ("/project/src/demo.c", "/tmp/tmpa1b2c3d4/build", "/project"),
        // Cython's output is no file of the source.
        ("demo.c", "/project", "/project"),
        ("./src/../src/demo.c", "/io/x/.", "/io/x"),
    ] {
        assert_eq!(build(found(&[elf(&debug(name, folder))])), top, "{name} in {folder}");
    }
}

#[test]
fn temporary_folders_beside_the_source_are_named() {
    let names = |folder| found(&[elf(&debug("/project/src/demo.c", folder))]).unwrap().temporary;
    let texts = |folder| names(folder).iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(texts("/tmp/tmpa1b2c3d4/build"), ["tmpa1b2c3d4"]);
    assert_eq!(texts("/project/.mesonpy-a1b2c3d4"), [".mesonpy-a1b2c3d4"]);
    assert_eq!(texts("/project"), [""; 0]);
}

#[test]
fn the_environment_is_where_headers_of_packages_were() {
    let texts = "/tmp/pip-build-env-q1w2e3r4/overlay/lib/python3.11/site-packages/numpy/core/include\0";
    let paths = found(&[elf(&[section(".debug_line_str", texts)])]).unwrap();
    assert_eq!(paths.environment.unwrap().as_str(), "/tmp/pip-build-env-q1w2e3r4/overlay");
}

#[test]
fn without_debug_information_names_of_the_sources_own_files_tell() {
    let paths = found(&[elf(&[section(".rodata", "/project/src/demo.c\0/usr/include/other.h\0")])]);
    assert_eq!(build(paths), "/project");
}

#[test]
fn a_path_that_is_no_place_to_build_in_is_not_replayed() {
    for folder in ["/usr/src/demo", "/build/src", "/tmp", "/", "relative", "/a b", "/$(id)", "/etc/x", "/x/..", ""] {
        assert_eq!(found(&[elf(&debug("src/demo.c", folder))]), None, "{folder:?}");
    }
    assert_eq!(found(&[]), None);
    assert_eq!(found(&[b"\x7fELF".to_vec()]), None);
}

#[test]
fn random_names_and_dates_are_told_from_words() {
    for text in [
        "/tmp/tmpa1b2c3d4/x",
        "pip-req-build-a1b2c3d_",
        "/home/x/.cache/uv/sdists-v9/.tmpA1b2C3/src",
        "build-env-abcdefgh",
    ] {
        assert_eq!(rank(text), Some(0), "{text}");
    }
    for text in ["Nov 22 2026", "Jan  1 2024", "Feb 29 2024 12:00:00"] {
        assert_eq!(rank(text), Some(1), "{text}");
    }
    for text in ["/project/src/x.c", "/root/.cargo/registry/src/x/lib.rs", "/io", "/host/tmp/x"] {
        assert_eq!(rank(text), Some(2), "{text}");
    }
    for text in ["template", "tmp", "May the force", "/usr/include", "tmpABCDEFGH", "Marathon 22 2026"] {
        assert_eq!(rank(text), None, "{text}");
    }
}
