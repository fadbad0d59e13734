use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use attest_core::recipe::Modes;

use super::*;
use crate::rebuild::fixture::{SECONDS, header, sdist, tar_gz};
use crate::rebuild::tree::Order;
use tar::EntryType;

fn entry(name: &str, kind: EntryType) -> Vec<u8> {
    tar_gz(|tar| tar.append(&header(name, kind, 0), &[][..]).unwrap())
}

fn refused(bytes: &[u8]) -> &'static str {
    match read(bytes).unwrap_err() {
        SdistError::Unreadable(_) => "unreadable",
        SdistError::TooLarge { .. } => "too large",
        SdistError::Path { .. } => "path",
        SdistError::Special { .. } => "special",
        SdistError::Link { .. } => "link",
        SdistError::Duplicate { .. } => "duplicate",
        SdistError::Time { .. } => "time",
        SdistError::Ambiguous { .. } => "ambiguous",
    }
}

#[test]
fn paths_that_leave_the_folder_are_refused() {
    for name in ["/etc/passwd", "../x", "demo-1.0/../../x", "demo-1.0/a/../b"] {
        assert_eq!(refused(&entry(name, EntryType::Regular)), "path", "{name}");
    }
}

#[test]
fn hard_links_devices_and_pipes_are_refused() {
    for kind in [EntryType::Link, EntryType::Char, EntryType::Block, EntryType::Fifo] {
        assert_eq!(refused(&entry("demo-1.0/x", kind)), "special", "{kind:?}");
    }
}

fn links(links: &[(&str, &str)]) -> Vec<u8> {
    tar_gz(|tar| {
        for (name, target) in links {
            tar.append_link(&mut header("x", EntryType::Symlink, 0), format!("demo-1.0/{name}"), target).unwrap();
        }
        tar.append(&header("demo-1.0/docs/a.txt", EntryType::Regular, 1), &b"a"[..]).unwrap();
    })
}

#[test]
fn links_that_lead_out_or_have_something_below_are_refused() {
    for (name, target) in [("x", "/etc/passwd"), ("x", "../y"), ("a/x", "../../y"), ("x", "docs/../../y")] {
        assert_eq!(refused(&links(&[(name, target)])), "link", "{name} {target}");
    }
    assert_eq!(refused(&links(&[("docs", "other")])), "duplicate");
    assert_eq!(refused(&links(&[("docs/a.txt", "b.txt")])), "duplicate");
    assert_eq!(refused(&links(&[("x", "docs"), ("x/y", "a.txt")])), "duplicate");
}

#[test]
fn links_inside_are_laid_out_as_links() {
    let folder = tempfile::tempdir().unwrap();
    let sdist = read(&links(&[("README", "docs/a.txt")])).unwrap();
    sdist.lay_out(folder.path(), Modes::Raw, Order::Forward).unwrap();
    assert_eq!(fs::read_link(folder.path().join("README")).unwrap(), Path::new("docs/a.txt"));
    assert_eq!(fs::read(folder.path().join("README")).unwrap(), b"a");
}

#[test]
fn the_same_path_twice_is_refused() {
    assert_eq!(refused(&sdist(&[("a.py", "1"), ("a.py", "2")])), "duplicate");
    assert_eq!(refused(&sdist(&[("a.py", "1"), ("./a.py", "2")])), "duplicate");
}

#[test]
fn a_long_name_that_is_cut_off_behind_a_slash_is_no_folder() {
    let name = format!("demo-1.0/{}/x.py", "a".repeat(90));
    let bytes = tar_gz(|tar| {
        tar.append_pax_extensions([("path", name.as_bytes())]).unwrap();
        tar.append(&header(&name[..100], EntryType::Regular, 1), &b"x"[..]).unwrap();
    });
    assert!(name[..100].ends_with('/') && names_for_python(&bytes) == name);
    assert_eq!(read(&bytes).unwrap().files().count(), 1);
}

/// A file in a tar, header and all, without an end.
fn hidden() -> Vec<u8> {
    [header("demo-1.0/setup.py", EntryType::Regular, 4).as_bytes().as_slice(), b"evil", &[0; 508]].concat()
}

/// What Python makes of it: the names of its members.
fn names_for_python(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.tar.gz"), bytes).unwrap();
    let script = "import sys, tarfile; print(*tarfile.open(sys.argv[1]).getnames())";
    let mut python = std::process::Command::new("python3");
    let output = python.args(["-c", script]).arg(folder.path().join("x.tar.gz")).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn an_archive_in_which_python_finds_another_file_is_refused() {
    let hidden = hidden();
    let inside = |name: &str, kind: EntryType| {
        tar_gz(|tar| tar.append(&header(name, kind, hidden.len()), hidden.as_slice()).unwrap())
    };
    for bytes in [
        inside("demo-1.0/data", EntryType::Directory),
        inside("demo-1.0/data", EntryType::Symlink),
        // As an old tar writes folders.
        tar_gz(|tar| {
            let mut old = header("demo-1.0/data/", EntryType::Regular, hidden.len());
            old.as_old_mut().linkflag = [0];
            old.set_cksum();
            tar.append(&old, hidden.as_slice()).unwrap();
        }),
        tar_gz(|tar| {
            tar.append_pax_extensions([("path", &b"demo-1.0/data"[..]), ("path", b"demo-1.0/setup.py")]).unwrap();
            tar.append(&header("demo-1.0/x", EntryType::Regular, 0), &[][..]).unwrap();
        }),
        tar_gz(|tar| {
            let record = b"26 path=demo-1.0/setup.py\n";
            tar.append(&header("g", EntryType::XGlobalHeader, record.len()), &record[..]).unwrap();
            tar.append(&header("demo-1.0/x", EntryType::Regular, 0), &[][..]).unwrap();
        }),
        tar_gz(|tar| {
            tar.append_pax_extensions([("path", &b"demo-1.0/setup.py"[..])]).unwrap();
            tar.append(&header("././@LongLink", EntryType::GNULongName, 14), &b"demo-1.0/data\0"[..]).unwrap();
            tar.append(&header("demo-1.0/x", EntryType::Regular, 0), &[][..]).unwrap();
        }),
        tar_gz(|tar| {
            let name = b"demo-1.0/setup.py";
            tar.append_pax_extensions([("GNU.sparse.name", &name[..]), ("GNU.sparse.major", b"1")]).unwrap();
            tar.append(&header("demo-1.0/x", EntryType::Regular, 0), &[][..]).unwrap();
        }),
    ] {
        assert_eq!(refused(&bytes), "ambiguous", "{}", names_for_python(&bytes));
        assert!(names_for_python(&bytes).contains("setup.py"));
    }
}

#[test]
fn what_a_second_gzip_member_holds_is_read_as_python_reads_it() {
    use std::io::Write as _;
    let member = |content: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    };
    let good = header("demo-1.0/x", EntryType::Regular, 0);
    let bytes = [member(good.as_bytes()), member(&hidden())].concat();
    assert_eq!(names_for_python(&bytes), "demo-1.0/x demo-1.0/setup.py");
    assert!(read(&bytes).unwrap().file("setup.py").is_some());
}

#[test]
fn two_top_folders_are_refused() {
    let bytes = tar_gz(|tar| {
        for name in ["demo-1.0/a", "other/b"] {
            tar.append(&header(name, EntryType::Regular, 0), &[][..]).unwrap();
        }
    });
    assert_eq!(refused(&bytes), "path");
}

#[test]
fn what_is_cut_short_or_no_archive_is_refused() {
    let good = sdist(&[("a.py", "x = 1\n")]);
    assert_eq!(refused(b"PK\x03\x04"), "unreadable");
    assert_eq!(refused(&good[..good.len() / 2]), "unreadable");
}

#[test]
fn a_claimed_size_beyond_the_limit_is_refused() {
    let bytes = tar_gz(|tar| {
        tar.append(&header("demo-1.0/x", EntryType::Regular, 3 << 30), &[][..]).unwrap();
    });
    assert_eq!(refused(&bytes), "too large");
}

#[test]
fn a_pax_time_that_is_no_time_is_refused() {
    for time in ["soon", "-1e300", "nan"] {
        let bytes = tar_gz(|tar| {
            tar.append_pax_extensions([("mtime", time.as_bytes())]).unwrap();
            tar.append(&header("demo-1.0/x", EntryType::Regular, 0), &[][..]).unwrap();
        });
        assert_eq!(refused(&bytes), "time", "{time}");
    }
}

#[test]
fn the_pax_time_wins_over_the_rounded_one() {
    let bytes = tar_gz(|tar| {
        tar.append_pax_extensions([("mtime", &b"1708903051.75"[..])]).unwrap();
        tar.append(&header("demo-1.0/x", EntryType::Regular, 0), &[][..]).unwrap();
    });
    let sdist = read(&bytes).unwrap();
    assert_eq!(sdist.file("x").unwrap().modified, Duration::from_millis(1_708_903_051_750));
}

#[test]
fn times_and_modes_are_laid_out_as_archived() {
    let folder = tempfile::tempdir().unwrap();
    let sdist = read(&sdist(&[("pkg/a.py", "x = 1\n")])).unwrap();
    for (modes, order, expected) in [(Modes::Raw, Order::Forward, 0o664), (Modes::Filtered, Order::Reversed, 0o644)] {
        let src = folder.path().join(format!("{modes:?}"));
        sdist.lay_out(&src, modes, order).unwrap();
        let data = fs::metadata(src.join("pkg/a.py")).unwrap();
        assert_eq!(data.permissions().mode() & 0o777, expected);
        let modified = data.modified().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(modified.as_secs(), u64::try_from(SECONDS).unwrap());
    }
}

/// Found as a panic when the sdist was laid out.
#[test]
fn a_time_that_no_clock_can_show_is_refused() {
    let mut far = header("demo-1.0/x", EntryType::Regular, 0);
    far.set_mtime(u64::MAX);
    far.set_cksum();
    assert_eq!(refused(&tar_gz(|tar| tar.append(&far, &[][..]).unwrap())), "time");
    let pax = tar_gz(|tar| {
        tar.append_pax_extensions([("mtime", &b"1e19"[..])]).unwrap();
        tar.append(&header("demo-1.0/x", EntryType::Regular, 0), &[][..]).unwrap();
    });
    assert_eq!(refused(&pax), "time");
}
