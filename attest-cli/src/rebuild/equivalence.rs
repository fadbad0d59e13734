//! Equal but for a closed list (docs/TRUST.md 3.4): generated SBOMs with random ids, their RECORD rows, and the zip around.

use std::collections::BTreeSet;

use attest_core::artifact::ArtifactDigest;
use attest_core::statement::{Equivalence, MAX_MEMBERS, may_differ};

use super::wheel::Wheel;
use super::zip::Member;

/// The members that differ, where all of them may; nothing where one may not, where none does, or where a statement cannot
/// list them.
pub(crate) fn members(published: &Wheel, rebuilt: &Wheel) -> Option<Vec<Equivalence>> {
    let (theirs, ours) = (published.by_name(), rebuilt.by_name());
    if !published.is_plain() || !rebuilt.is_plain() || !theirs.keys().eq(ours.keys()) {
        return None;
    }
    if !theirs.values().zip(ours.values()).all(|(left, right)| left.is_read_like(right)) {
        return None;
    }
    let different: Vec<(&Member, &Member)> = theirs
        .values()
        .copied()
        .zip(ours.values().copied())
        .filter(|(left, right)| left.content != right.content)
        .collect();
    let damaged = theirs.values().chain(ours.values()).any(|member| member.damaged);
    let names: BTreeSet<&str> = different.iter().map(|(member, _)| member.name.as_str()).collect();
    let may = |&(left, right): &(&Member, &Member)| {
        may_differ(&left.name)
            && published.is_metadata(&left.name)
            && (!is_record(left) || rows_agree(left, right, &names))
    };
    if damaged || !(1..=MAX_MEMBERS).contains(&different.len()) || !different.iter().all(may) {
        return None;
    }
    // Names come sorted, as the statement has them.
    let digest = |member: &Member| ArtifactDigest::of(&member.content);
    let member = |(left, right): (&Member, &Member)| Equivalence {
        path: left.name.clone(),
        published: digest(left),
        rebuilt: digest(right),
    };
    Some(different.into_iter().map(member).collect())
}

fn is_record(member: &Member) -> bool {
    member.name.ends_with(".dist-info/RECORD")
}

/// Whether two RECORDs differ in nothing but the rows of members that differ: those follow.
fn rows_agree(published: &Member, rebuilt: &Member, different: &BTreeSet<&str>) -> bool {
    let rows = |member: &Member| -> Option<Vec<String>> {
        let text = std::str::from_utf8(&member.content).ok()?;
        let row = |line: &str| match line.split_once(',') {
            Some((path, _)) if different.contains(path) => path.to_owned(),
            _ => line.to_owned(),
        };
        Some(text.split('\n').map(row).collect())
    };
    rows(published).is_some_and(|left| rows(rebuilt) == Some(left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuild::fixture::{self, Part, part, zip};
    use crate::rebuild::zip as format;

    const SBOM: &str = "demo-1.0.dist-info/sboms/auditwheel.cdx.json";

    fn with_sbom(id: &str) -> Vec<Part> {
        let mut parts = fixture::wheel("setuptools (82.0.1)");
        parts.insert(3, part(SBOM, &format!("{{\"serialNumber\": \"{id}\"}}")));
        parts[4].content = format!("demo/core.py,sha256=A,6\n{SBOM},sha256={id},1\n").into_bytes();
        parts
    }

    fn found(published: &[Part], rebuilt: &[Part]) -> Option<Vec<String>> {
        let members = members(&Wheel::read(&zip(published)).unwrap(), &Wheel::read(&zip(rebuilt)).unwrap())?;
        Some(members.into_iter().map(|member| member.path).collect())
    }

    #[test]
    fn a_random_id_in_an_sbom_and_its_row_are_equivalent_whatever_the_zip() {
        let mut published = with_sbom("1");
        published.swap(0, 1);
        published[2].mode = 0o100_600;
        assert_eq!(found(&published, &with_sbom("2")).unwrap(), ["demo-1.0.dist-info/RECORD", SBOM]);
    }

    #[test]
    fn a_zip_from_which_another_reader_takes_something_else_is_not_equivalent() {
        let ours = Wheel::read(&zip(&with_sbom("2"))).unwrap();
        let is_equivalent = |bytes: &[u8]| members(&Wheel::read(bytes).unwrap(), &ours).is_some();
        let honest = zip(&with_sbom("1"));
        assert!(is_equivalent(&honest));
        // A member that only its local header names: who streams installs it.
        let mut hidden = with_sbom("1");
        hidden.push(part("evil.pth", "import evil\n"));
        let mut hidden = zip(&hidden);
        let (end, last) = (hidden.len() - 22, hidden.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap());
        hidden.drain(last..end);
        let end = hidden.len() - 22;
        for at in [8, 10] {
            hidden[end + at] -= 1;
        }
        let start = u32::from_le_bytes(hidden[end + 16..end + 20].try_into().unwrap());
        let size = u32::try_from(end).unwrap() - start;
        hidden[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
        assert!(!is_equivalent(&hidden));
        // A second name in an extra field: Info-ZIP's Unicode path.
        let mut members = format::read(&honest).unwrap();
        members[3].set_extra(b"up\x0d\0\x01\0\0\0\0evil.pth");
        assert!(!is_equivalent(&format::write(&members).unwrap()));
        // Compressed by something else, and then with bytes behind the stream's end.
        for (behind, expected) in [(&b""[..], true), (b"PK\x03\x04", false)] {
            let mut members = format::read(&honest).unwrap();
            members[0].deflate_before(behind);
            let bytes = format::write(&members).unwrap();
            let read = Wheel::read(&bytes).unwrap();
            assert!(read.is_plain() && !read.members()[0].damaged);
            assert_eq!(is_equivalent(&bytes), expected);
        }
    }

    #[test]
    fn nothing_else_may_differ() {
        let changes: [fn(&mut Vec<Part>); 8] = [
            |parts| parts[0].content = b"x = 2\n".to_vec(),
            |parts| parts[1].content.push(b'\n'),
            |parts| parts[4].content.extend(b"demo/evil.py,,\n"),
            |parts| parts[4].content[b"demo/core.py,sha256=".len()] = b'B',
            |parts| parts.push(part("demo-1.0.dist-info/sboms/evil.py", "")),
            |parts| parts[3].name = "demo-1.0.dist-info/sboms/run.pth".to_owned(),
            |parts| parts[3].name = "other-1.0.dist-info/sboms/auditwheel.cdx.json".to_owned(),
            |parts| drop(parts.remove(3)),
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut published = with_sbom("1");
            change(&mut published);
            assert_eq!(found(&published, &with_sbom("2")), None, "change {at}");
        }
        // The same names on both sides, and still not on the list.
        for name in ["demo-1.0.dist-info/sboms/run.pth", "demo-1.0.dist-info/entry_points.txt", "demo/lib.so"] {
            let named = |id: &str| {
                let mut parts = with_sbom(id);
                parts[3].name = name.to_owned();
                parts[4].content = Vec::new();
                parts
            };
            assert_eq!(found(&named("1"), &named("2")), None, "{name}");
        }
        assert_eq!(found(&with_sbom("1"), &with_sbom("1")), None);
    }
}
