use super::*;
use crate::rebuild::fixture::{self, Part, TIME, part, recorded, zip};

fn wheel() -> Vec<Part> {
    let mut parts = fixture::wheel("setuptools (82.0.1)");
    parts.push(part("demo/tool.sh", "#!/bin/sh\n"));
    parts.push(part("demo/\u{e9}.py", ""));
    parts[5].flags = 0x800;
    parts.insert(0, Part { mode: 0o040_700, ..part("demo/", "") });
    parts[5].mode = 0o100_711;
    recorded(parts)
}

fn names(bytes: &[u8]) -> Vec<String> {
    zip::read(bytes).unwrap().into_iter().map(|member| member.name).collect()
}

#[test]
fn whoever_wrote_the_container_it_comes_out_the_same() {
    let one = normal_form(&zip(&wheel()), TIME).unwrap();
    let mut other = wheel();
    other.reverse();
    for part in &mut other {
        part.time -= 7;
        part.mode = match part.mode {
            0o040_700 => 0o040_775,
            0o100_711 => 0o777,
            _ => 0o100_660,
        };
        part.system = 0;
    }
    assert_eq!(normal_form(&zip(&other), TIME).unwrap(), one);
    let order = [
        "demo/",
        "demo/core.py",
        "demo/tool.sh",
        "demo/\u{e9}.py",
        "demo-1.0.dist-info/METADATA",
        "demo-1.0.dist-info/WHEEL",
        "demo-1.0.dist-info/RECORD",
    ];
    assert_eq!(names(&one), order);
    let members = zip::read(&one).unwrap();
    let modes: Vec<_> = members.iter().map(|member| member.mode() & 0o777).collect();
    assert_eq!(modes, [0o755, 0o644, 0o755, 0o644, 0o644, 0o644, 0o644]);
    assert!(members.iter().all(|member| member.dos_time == TIME && member.create_system == 3));
}

#[test]
fn content_is_kept_and_a_second_time_changes_nothing() {
    let mut wheels: Vec<_> = zip::real_wheels().iter().map(|path| std::fs::read(path).unwrap()).collect();
    wheels.push(zip(&wheel()));
    for bytes in wheels {
        let normal = match normal_form(&bytes, FIRST_TIME) {
            Ok(normal) => normal,
            // A real wheel whose RECORD is wrong: there are some.
            Err(NormalError::Record(_)) => continue,
            Err(error) => panic!("{error}"),
        };
        let (before, after) = (Wheel::read(&bytes).unwrap(), Wheel::read(&normal).unwrap());
        let (before, after) = (before.by_name(), after.by_name());
        assert!(before.keys().eq(after.keys()));
        for (name, member) in before {
            assert!(member.content == after[name].content && member.compressed == after[name].compressed, "{name}");
        }
        assert!(normal_form(&normal, FIRST_TIME).unwrap() == normal);
    }
}

#[test]
fn what_is_broken_or_ambiguous_has_no_normal_form() {
    let refused = |change: fn(&mut Vec<Part>)| {
        let mut parts = wheel();
        change(&mut parts);
        normal_form(&zip(&parts), TIME).unwrap_err()
    };
    assert!(matches!(refused(|parts| parts[1].content.push(b'#')), NormalError::Record(RowsError::Lie { .. })));
    assert!(matches!(
        refused(|parts| parts.push(part("evil.pth", ""))),
        NormalError::Record(RowsError::Unlisted { .. })
    ));
    assert!(matches!(refused(|parts| parts[5].flags = 0), NormalError::Encoding { .. }));
    assert!(matches!(refused(|parts| drop(parts.remove(3))), NormalError::Wheel(_)));
    let mut damaged = zip(&wheel());
    let at = damaged.windows(5).position(|window| window == b"x = 1").unwrap();
    damaged[at] = b'y';
    assert!(matches!(normal_form(&damaged, TIME), Err(NormalError::Damaged { .. })));
}

#[test]
fn a_signature_of_record_stays_beside_it() {
    let mut parts = wheel();
    parts.push(part("demo-1.0.dist-info/RECORD.jws", "{}"));
    let names = names(&normal_form(&zip(&parts), TIME).unwrap());
    assert_eq!(names.last().unwrap(), "demo-1.0.dist-info/RECORD");
    assert!(names.contains(&"demo-1.0.dist-info/RECORD.jws".to_owned()));
}
