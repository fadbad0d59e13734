use attest_core::verify::WantedName;

use super::*;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn read(text: &str) -> Result<Requirements, RequirementsError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("requirements.txt");
    std::fs::write(&path, text.replace("{A}", A).replace("{B}", B)).unwrap();
    Requirements::read(&path)
}

/// `file NAME DIGEST`, `release NAME VERSION DIGEST`, or why not; digests by their first digit.
fn shown(item: &Item) -> String {
    match &item.question {
        Question::File { wanted, .. } => {
            let digest = &wanted.digest.to_string()[..1];
            match &wanted.name {
                WantedName::File(name) => format!("file {name} {digest}"),
                WantedName::Release { project, version } => {
                    format!("release {} {} {digest}", project.as_str(), version.as_str())
                }
            }
        }
        Question::Refused(error) => error.code().to_owned(),
        Question::NotAttestable(why) => why.code().to_owned(),
        Question::NotSelectable(_) => "not selectable".to_owned(),
    }
}

#[test]
fn every_hash_of_every_requirement_is_asked_about() {
    for (text, expected) in [
        ("idna==3.7 --hash=sha256:{A}", vec!["release idna 3.7 a"]),
        ("idna==3.7 --hash sha256:{A}", vec!["release idna 3.7 a"]),
        ("Foo.Bar[x, y] == 1.0+cu1 --hash=sha256:{A}", vec!["release foo-bar 1.0+cu1 a"]),
        (
            "idna==3.7 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n    # via requests",
            vec!["release idna 3.7 a", "release idna 3.7 b"],
        ),
        ("# a comment \\\nidna==3.7 --hash=sha256:{A}", vec!["release idna 3.7 a"]),
        ("idna==3.7 --hash=sha256:{A} # --hash=sha512:x", vec!["release idna 3.7 a"]),
        ("\u{feff}idna==3.7 --hash=sha256:{A}\r\n", vec!["release idna 3.7 a"]),
        ("idna==3.7 --hash=sha256:{A} --hash=sha512:{B}", vec!["release idna 3.7 a", "other-hash"]),
        ("idna==3.7 --hash=md5:{A}", vec!["other-hash"]),
        ("idna==3.7 --hash=sha256:AA", vec!["malformed-hash"]),
        ("idna==3.7 --hash", vec!["malformed-hash"]),
        ("idna==3.7", vec!["no-hash"]),
        ("idna", vec!["not-pinned"]),
        ("idna>=3 --hash=sha256:{A}", vec!["not-pinned"]),
        ("idna==3.* --hash=sha256:{A}", vec!["not-pinned"]),
        ("idna===3.7 --hash=sha256:{A}", vec!["not-pinned"]),
        ("idna==3.7,!=3.8 --hash=sha256:{A}", vec!["not-pinned"]),
        ("idna[x==3.7 --hash=sha256:{A}", vec!["not-pinned"]),
        ("pywin32==306 ; sys_platform == 'win32' --hash=sha256:{A}", vec!["not selectable"]),
        ("idna==3.7 ; python_version >= '3.8' --hash=sha256:{A}", vec!["release idna 3.7 a"]),
        ("idna @ https://x/idna-3.7-py3-none-any.whl --hash=sha256:{A}", vec!["file idna-3.7-py3-none-any.whl a"]),
        ("https://x/idna-3.7-py3-none-any.whl#sha256={A}", vec!["file idna-3.7-py3-none-any.whl a"]),
        (
            "https://x/idna-3.7-py3-none-any.whl#sha512={B} --hash=sha256:{A}",
            vec!["file idna-3.7-py3-none-any.whl a", "other-hash"],
        ),
        ("https://x/foo-1.0%2Bcpu-py3-none-any.whl --hash=sha256:{A}", vec!["file foo-1.0+cpu-py3-none-any.whl a"]),
        ("https://x/idna-3.7.tar.gz --hash=sha256:{A}", vec!["sdist"]),
        ("idna @ git+https://x/idna@v3.7", vec!["vcs"]),
        ("./dist/idna-3.7-py3-none-any.whl --hash=sha256:{A}", vec!["file idna-3.7-py3-none-any.whl a"]),
        ("./dist", vec!["local"]),
        // pip fetches from the first host; an exemption for the second one must not apply.
        (
            "https://evil/@https://x/idna-3.7-py3-none-any.whl --hash=sha256:{A}",
            vec!["file idna-3.7-py3-none-any.whl a"],
        ),
        ("idna @ file:dist", vec!["local"]),
        ("file:dist", vec!["local"]),
        ("idna-3.7.tbz", vec!["sdist"]),
        // pip reads no marker here: it is all one URL.
        ("https://x/idna-3.7-py3-none-any.whl ;sys_platform=='win32' --hash=sha256:{A}", vec!["wheel-name"]),
        ("https://x/idna-3.7-py3-none-any.whl ; sys_platform == 'win32' --hash=sha256:{A}", vec!["not selectable"]),
        ("-e .", vec!["local"]),
        ("--require-hashes\n-i https://${USER}@x/simple\n--no-index --only-binary :all:\n", vec![]),
    ] {
        let items: Vec<String> = read(text).unwrap().items.iter().map(shown).collect();
        assert_eq!(items, expected, "{text:?}");
    }
}

#[test]
fn what_pip_could_read_differently_is_refused() {
    let lines = |text: &str| match read(text) {
        Err(RequirementsError::Text { source, .. }) => source,
        other => panic!("{text:?}: {other:?}"),
    };
    assert_eq!(lines("# x\u{2028}evil==1\n"), LineError::Separator { line: 1, found: 0x2028 });
    assert_eq!(lines("# x\u{b}evil==1\n"), LineError::Separator { line: 1, found: 0xb });
    assert_eq!(lines("\n# x\revil==1\n"), LineError::Separator { line: 2, found: 0xd });
    assert_eq!(lines("# -*- coding: utf-7 -*-\n"), LineError::Encoding { line: 1, found: "utf-7".to_owned() });
    assert_eq!(lines("idna==3.7 --hash=\"sha256:{A}\""), LineError::Shell { line: 1 });
    for text in [
        "idna==3.7 --has=sha512:{A}",
        "idna==3.7 --config-settings=x=y --hash=sha256:{A}",
        "idna==3.7 --hash=sha256:{A} -r other.txt",
        "--no-require-hashes",
        "--pre=x",
        "-rother.txt",
    ] {
        assert!(matches!(read(text), Err(RequirementsError::Option { .. })), "{text:?}");
    }
    for text in ["${NAME}==3.7 --hash=sha256:{A}", "idna==3.7 --hash=sha256:${HASH}", "-r ${FILE}", "-e ${DIR}"] {
        assert!(matches!(read(text), Err(RequirementsError::Variable { .. })), "{text:?}");
    }
    assert!(matches!(read("-r https://x/r.txt"), Err(RequirementsError::RemoteInclude { .. })));
    assert!(matches!(read("-r requirements.txt"), Err(RequirementsError::Cycle { .. })));
    assert!(matches!(read("-r"), Err(RequirementsError::Value { .. })));
}

#[test]
fn included_files_are_read_and_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    std::fs::write(dir.path().join("top.txt"), "-r sub/a.txt\n-r sub/b.txt\n").unwrap();
    std::fs::write(dir.path().join("sub/a.txt"), "\nidna==3.7\n-r b.txt\n").unwrap();
    std::fs::write(dir.path().join("sub/b.txt"), format!("six==1.16 --hash=sha256:{A}")).unwrap();
    let items = Requirements::read(&dir.path().join("top.txt")).unwrap().items;
    let shown: Vec<String> = items.iter().map(shown).collect();
    assert_eq!(shown, ["no-hash", "release six 1.16 a", "release six 1.16 a"]);
    assert_eq!(items[0].place, Place::line(&dir.path().join("sub/a.txt"), 2));
}

#[test]
fn what_a_constraints_file_includes_is_a_requirement_as_it_is_for_pip() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("top.txt", &format!("six==1.16 --hash=sha256:{A}\n-c c.txt\n"));
    write("c.txt", "six<2\nx @ git+https://x/y\n-r evil.txt\n");
    write("evil.txt", &format!("evil==1.0 --hash=sha256:{B}\n"));
    let read = Requirements::read(&dir.path().join("top.txt")).unwrap();
    let all = |items: &[Item]| items.iter().map(shown).collect::<Vec<_>>();
    assert_eq!(all(&read.items), ["release six 1.16 a", "release evil 1.0 b"]);
    assert_eq!(all(&read.constraints), ["not-pinned", "vcs"]);
}

#[test]
fn the_host_that_pip_fetches_from_is_the_one_that_exemptions_are_matched_with() {
    let read = read(&format!("https://evil/@https://trusted/idna-3.7-py3-none-any.whl --hash=sha256:{A}")).unwrap();
    let Question::File { url: Some(url), .. } = &read.items[0].question else {
        panic!("{read:?}");
    };
    assert!(url.starts_with("https://evil/"), "{url}");
}
