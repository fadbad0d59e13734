use std::path::PathBuf;
use std::process::Command;

use super::super::read;
use super::*;
use crate::rebuild::fixture::{Part, part, zip};

/// Zips as Python's own zipfile makes them: seekable and streamed, with folders, extra fields and comments.
const ZIPFILE: &str = r"
import io, sys, zipfile
class Stream(io.RawIOBase):
    def __init__(self, file): self.file = file
    def writable(self): return True
    def write(self, data): return self.file.write(data)
def fill(target):
    with zipfile.ZipFile(target, 'w', zipfile.ZIP_DEFLATED) as zip:
        zip.writestr('a.py', 'x = 1\n' * 100)
        info = zipfile.ZipInfo('b.txt', (2020, 2, 2, 0, 0, 0))
        info.comment, info.create_system, info.external_attr = b'hello', 0, 0o100666 << 16
        info.extra = b'\xfe\xca\x02\x00ok'
        zip.writestr(info, 'stored', zipfile.ZIP_STORED)
        zip.writestr(zipfile.ZipInfo('folder/'), '')
with open(sys.argv[1] + '/seekable.zip', 'wb') as file: fill(file)
with open(sys.argv[1] + '/streamed.zip', 'wb') as file: fill(Stream(file))
";

/// `None`: refused by the strict reader.
fn again(bytes: &[u8]) -> Option<Vec<u8>> {
    read(bytes).ok().map(|members| write(&members).unwrap())
}

fn assert_same(bytes: &[u8], what: &str) {
    assert!(again(bytes).as_deref() == Some(bytes), "{what}: expected the same bytes again");
}

/// Wheels that every Python brings along, and those below `ATTEST_TEST_WHEELS`.
pub(crate) fn real_wheels() -> Vec<PathBuf> {
    let script = "import ensurepip, os; print(os.path.join(os.path.dirname(ensurepip.__file__), '_bundled'))";
    let bundled = Command::new("python3").args(["-c", script]).output().unwrap();
    let bundled = PathBuf::from(String::from_utf8(bundled.stdout).unwrap().trim());
    let more = std::env::var_os("ATTEST_TEST_WHEELS").map(PathBuf::from);
    let below = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<_> = std::iter::once(bundled).chain(more).flat_map(below).map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|end| end == "whl"));
    found
}

#[test]
fn real_wheels_are_written_as_they_were_read() {
    for path in real_wheels() {
        assert_same(&std::fs::read(&path).unwrap(), &path.display().to_string());
    }
}

#[test]
fn what_zipfile_writes_seekable_or_streamed_is_written_as_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Command::new("python3").args(["-c", ZIPFILE]).arg(folder.path()).status().unwrap().success());
    for name in ["seekable.zip", "streamed.zip"] {
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        assert_same(&bytes, name);
    }
}

#[test]
fn quiet_fields_and_wrong_checksums_are_written_as_they_were_read() {
    let mut flagged = part("a.py", "1");
    (flagged.flags, flagged.system, flagged.mode, flagged.time) = (0x0800, 19, 0o644, 7);
    assert_same(&zip(&[flagged, part("b/", ""), part("c.py", "")].map(as_folder)), "hand-made");
    assert_same(&zip(&[]), "empty");
    let mut damaged = zip(&[part("a.py", "x = 1\n")]);
    let at = damaged.windows(5).position(|window| window == b"x = 1").unwrap();
    damaged[at] = b'y';
    assert_same(&damaged, "damaged");
}

fn as_folder(part: Part) -> Part {
    if part.name.ends_with('/') { Part { mode: 0o040_755, ..part } } else { part }
}

#[test]
fn another_layout_is_known_as_one_that_cannot_be_written() {
    // Two members whose data lies in the other order than the directory has them.
    let good = zip(&[part("a.py", "1"), part("b.py", "2")]);
    let start = good.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let entry = (good.len() - 22 - start) / 2;
    let mut swapped = good.clone();
    swapped[start..start + entry].copy_from_slice(&good[start + entry..start + 2 * entry]);
    swapped[start + entry..start + 2 * entry].copy_from_slice(&good[start..start + entry]);
    assert!(is_plain(&good, &read(&good).unwrap()));
    assert!(!is_plain(&swapped, &read(&swapped).unwrap()));
}

#[test]
fn every_changed_byte_is_refused_kept_or_known_as_another_layout() {
    let mut streamed = part("b.py", "y = 2\n");
    streamed.flags = 8;
    for good in [zip(&[part("a.py", "x = 1\n"), part("b.py", "y = 2\n")]), zip(&[streamed])] {
        for at in 0..good.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                if let Ok(members) = read(&bad) {
                    assert_eq!(is_plain(&bad, &members), again(&bad) == Some(bad), "byte {at}");
                }
            }
        }
    }
}

#[test]
fn more_members_than_a_zip_counts_are_refused() {
    let one = read(&zip(&[part("a.py", "")])).unwrap().remove(0);
    let many = vec![one; MAX_MEMBERS + 1];
    assert_eq!(write(&many), Err(Unwritable::Members { found: MAX_MEMBERS + 1 }));
}

#[test]
fn a_name_longer_than_its_field_is_refused() {
    let mut member = read(&zip(&[part("a.py", "")])).unwrap().remove(0);
    member.name = "a".repeat(70_000);
    assert!(matches!(write(&[member]), Err(Unwritable::Length { .. })));
}
