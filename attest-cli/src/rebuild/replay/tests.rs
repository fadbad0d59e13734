use super::*;
use crate::rebuild::fixture::{self, Part, TIME, part, zip};

fn wheel() -> Vec<Part> {
    fixture::wheel("setuptools (82.0.1)")
}

fn derived(published: &[Part], built: &[Part]) -> Option<Replayed> {
    let (published, emitted) = (zip(published), zip(built));
    derive(&Wheel::read(&published).unwrap(), &Wheel::read(&emitted).unwrap(), &emitted)
}

/// A wheel as somebody else's machine would have laid it out.
fn elsewhere() -> Vec<Part> {
    let mut parts = wheel();
    for (at, part) in parts.iter_mut().enumerate() {
        *part = Part { time: TIME + u32::try_from(at).unwrap(), mode: 0o100_666, system: 0, ..part.clone() };
    }
    parts.swap(0, 2);
    parts
}

#[test]
fn time_mode_system_and_order_are_replayed_and_the_recipe_s_text_gives_the_same_bytes() {
    let replayed = derived(&elsewhere(), &wheel()).unwrap();
    assert_eq!(replayed.bytes, zip(&elsewhere()));
    assert_eq!(replayed.container.to_string(), "order, times, modes, systems");
    let text = toml::to_string(&replayed.container).unwrap();
    let container: Container = toml::from_str(&text).unwrap();
    assert_eq!(apply(&container, &zip(&wheel())).unwrap(), zip(&elsewhere()));
}

#[test]
fn only_what_differs_is_set() {
    let mut published = wheel();
    published[3].mode = 0o664;
    assert_eq!(derived(&published, &wheel()).unwrap().container.to_string(), "modes");
    published = wheel();
    published.swap(1, 2);
    assert_eq!(derived(&published, &wheel()).unwrap().container.to_string(), "order");
    assert!(derived(&wheel(), &wheel()).is_none(), "nothing to set");
}

#[test]
fn content_names_and_members_are_never_made_equal() {
    let changes: [fn(&mut Vec<Part>); 6] = [
        |parts| parts[2].content = b"x = 2\n".to_vec(),
        |parts| parts[2].name = "demo/Core.py".to_owned(),
        |parts| parts.push(part("demo/evil.py", "")),
        |parts| drop(parts.remove(2)),
        // Another stream, another flag.
        |parts| parts[2].flags = 0x800,
        |parts| parts[2].system = 19,
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut published = elsewhere();
        change(&mut published);
        assert!(derived(&published, &wheel()).is_none(), "change {at}");
    }
}

#[test]
fn modes_and_times_beyond_the_closed_list_are_not_replayed() {
    for mode in [0o104_755, 0o102_755, 0o101_777] {
        let mut published = wheel();
        published[0].mode = mode;
        assert!(derived(&published, &wheel()).is_none(), "{mode:o}");
    }
    let mut published = wheel();
    published[0].time = 0;
    assert!(derived(&published, &wheel()).is_none());
}

#[test]
fn a_container_for_another_wheel_is_refused() {
    let container = |text: &str| toml::from_str::<Container>(text).unwrap();
    let found = apply(&container("members = 5\nmodes = \"100644x5\""), &zip(&wheel()));
    assert_eq!(found, Err(ReplayError::Members { expected: 5, found: 4 }));
    let found = apply(&container("members = 4\nmodes = \"40755x4\""), &zip(&wheel()));
    assert!(matches!(found, Err(ReplayError::Mode { .. })));
    let found = apply(&container("members = 4\nmodes = \"100644x4\""), b"no zip");
    assert!(matches!(found, Err(ReplayError::Zip(_))));
}

#[test]
fn bytes_hidden_between_members_are_not_dropped_in_silence() {
    let built = zip(&wheel());
    let start = built.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let mut hiding = [&built[..start], b"hidden", &built[start..]].concat();
    let end = hiding.len() - 6;
    let moved = u32::try_from(start + 6).unwrap().to_le_bytes();
    hiding[end..end + 4].copy_from_slice(&moved);
    let container: Container = toml::from_str("members = 4\nmodes = \"100644x4\"").unwrap();
    assert_eq!(apply(&container, &hiding), Err(ReplayError::Layout));
}
