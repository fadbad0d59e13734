use std::io::Write as _;

use flate2::{Compression, write::ZlibEncoder};
use proptest::prelude::*;

use super::dwarf::{Unit, units};
use super::*;
use crate::rebuild::compare::Sides;

/// A section to be put into a file.
#[derive(Clone)]
pub(crate) struct Part {
    name: &'static str,
    kind: u32,
    flags: u64,
    link: u32,
    content: Vec<u8>,
}

pub(crate) fn part(name: &'static str, content: impl Into<Vec<u8>>) -> Part {
    let flags = if name.starts_with(".debug") || name == ".comment" { 0 } else { SHF_ALLOC };
    Part {
        name,
        kind: if name == ".note.gnu.build-id" { SHT_NOTE } else { 1 },
        flags,
        link: 0,
        content: content.into(),
    }
}

/// Header, section headers, contents; the names come last.
pub(crate) fn elf(parts: &[Part]) -> Vec<u8> {
    let null = Part { kind: 0, flags: 0, ..part("", []) };
    let mut all = vec![null];
    all.extend_from_slice(parts);
    let mut names = Vec::new();
    let mut starts = Vec::new();
    for name in all.iter().map(|part| part.name).chain([".shstrtab"]) {
        starts.push(u32::try_from(names.len()).unwrap());
        names.extend(name.bytes());
        names.push(0);
    }
    all.push(Part { kind: SHT_STRTAB, flags: 0, ..part(".shstrtab", names) });
    let count = u16::try_from(all.len()).unwrap();
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(HEADER, 0);
    bytes[40..48].copy_from_slice(&64_u64.to_le_bytes());
    bytes[58..60].copy_from_slice(&64_u16.to_le_bytes());
    bytes[60..62].copy_from_slice(&count.to_le_bytes());
    bytes[62..64].copy_from_slice(&(count - 1).to_le_bytes());
    let mut at = (HEADER + all.len() * SECTION_HEADER) as u64;
    for (part, name) in all.iter().zip(starts) {
        let size = part.content.len() as u64;
        bytes.extend(name.to_le_bytes().into_iter().chain(part.kind.to_le_bytes()));
        for field in [part.flags, 0, at, size] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(part.link.to_le_bytes());
        bytes.extend([0; 20]);
        at += size;
    }
    bytes.extend(all.iter().flat_map(|part| part.content.clone()));
    bytes
}

fn note(id: u8) -> Part {
    let mut note = [4_u32, 2, 3].iter().flat_map(|field| field.to_le_bytes()).collect::<Vec<_>>();
    note.extend(b"GNU\0");
    note.extend([id, id]);
    part(".note.gnu.build-id", note)
}

/// Version 4, all texts in the entry itself.
pub(crate) fn debug(name: &str, folder: &str) -> Vec<Part> {
    let mut unit = vec![4, 0, 0, 0, 0, 0, 8, 1];
    for text in ["GNU C17 12.2.0 -g", name, folder] {
        unit.extend(text.bytes());
        unit.push(0);
    }
    let mut info = u32::try_from(unit.len()).unwrap().to_le_bytes().to_vec();
    info.extend(unit);
    let abbreviations = [1, 0x11, 0, 0x25, 0x08, 0x03, 0x08, 0x1b, 0x08, 0, 0, 0];
    vec![part(".debug_info", info), part(".debug_abbrev", abbreviations)]
}

/// A dynamic table that asks for libraries.
pub(crate) fn needing(libraries: &[&str]) -> Vec<Part> {
    let (mut names, mut table) = (vec![0], Vec::new());
    for library in libraries {
        table.extend([1, names.len() as u64].iter().flat_map(|field| field.to_le_bytes()));
        names.extend(library.bytes());
        names.push(0);
    }
    let names = Part { kind: SHT_STRTAB, ..part(".dynstr", names) };
    vec![names, Part { kind: SHT_DYNAMIC, link: 1, ..part(".dynamic", table) }]
}

fn module(folder: &str, id: u8, text: &[u8]) -> Vec<u8> {
    let mut parts = vec![part(".text", text), note(id), part(".comment", "GCC: (Debian) 12.2.0\0")];
    parts.extend(debug("src/demo.c", folder));
    elf(&parts)
}

#[test]
fn sections_notes_compilers_and_folders_are_read() {
    let bytes = module("/tmp/build-env-abcdefgh/demo", 0xab, b"code");
    let file = Elf::read(&bytes).unwrap();
    assert_eq!(file.section(".text").unwrap().content(), b"code");
    assert_eq!(file.build_id().unwrap(), "abab");
    assert_eq!(file.compilers(), ["GCC: (Debian) 12.2.0"]);
    let unit = Unit {
        name: Some("src/demo.c".to_owned()),
        folder: Some("/tmp/build-env-abcdefgh/demo".to_owned()),
        producer: Some("GNU C17 12.2.0 -g".to_owned()),
    };
    assert_eq!(units(&file), [unit]);
}

#[test]
fn what_the_linker_is_asked_for_is_read_and_a_wrong_table_is_nothing() {
    let names = Part { kind: SHT_STRTAB, ..part(".dynstr", "\0libc.so.6\0/x/libs\0demo.so\0") };
    let table = [(1, 1), (15, 11), (14, 19), (0, 0), (1, 1)];
    let table: Vec<u8> =
        table.iter().flat_map(|(tag, value): &(u64, u64)| [tag.to_le_bytes(), value.to_le_bytes()].concat()).collect();
    let dynamic = |link| Part { kind: SHT_DYNAMIC, link, ..part(".dynamic", table.clone()) };
    let bytes = elf(&[names.clone(), dynamic(1)]);
    let expected = Dynamic {
        needed: vec!["libc.so.6".to_owned()],
        soname: Some("demo.so".to_owned()),
        rpath: Some("/x/libs".to_owned()),
    };
    assert_eq!(Elf::read(&bytes).unwrap().dynamic(), expected);
    for link in [0, 2, 77, u32::MAX] {
        let bytes = elf(&[names.clone(), dynamic(link)]);
        assert_eq!(Elf::read(&bytes).unwrap().dynamic(), Dynamic::default(), "{link}");
    }
}

#[test]
fn headers_that_point_outside_are_refused() {
    let good = module("/x", 1, b"code");
    let change = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        Elf::read(&file).map(|_| ()).unwrap_err()
    };
    assert_eq!(change(0, b"MZ"), ElfError::Magic);
    assert_eq!(change(4, &[1]), ElfError::Class { class: 1, data: 1 });
    assert_eq!(change(5, &[2]), ElfError::Class { class: 2, data: 2 });
    assert_eq!(change(6, &[9]), ElfError::Header);
    assert_eq!(change(58, &[40]), ElfError::Header);
    assert_eq!(change(60, &[0, 0]), ElfError::Sections { found: 0 });
    assert_eq!(change(60, &[0xff, 0xff]), ElfError::Sections { found: 0xffff });
    assert_eq!(change(62, &[0xff, 0]), ElfError::OutOfBounds { section: 0xff });
    // A table that is no table of texts.
    assert_eq!(change(62, &[1, 0]), ElfError::Name { section: 0 });
    for start in [u64::MAX, u64::MAX - 63, 1 << 40] {
        assert!(matches!(change(40, &start.to_le_bytes()), ElfError::OutOfBounds { .. }));
    }
    let section = HEADER + SECTION_HEADER;
    assert_eq!(change(section, &u32::MAX.to_le_bytes()), ElfError::Name { section: 1 });
    for at in [section + 24, section + 32] {
        assert_eq!(change(at, &u64::MAX.to_le_bytes()), ElfError::OutOfBounds { section: 1 });
    }
}

#[test]
fn a_compressed_section_is_unpacked_and_a_bomb_is_not() {
    let packed = |claimed: u64, content: &[u8]| {
        let mut section =
            [u64::from(ELFCOMPRESS_ZLIB), claimed, 1].iter().flat_map(|field| field.to_le_bytes()).collect::<Vec<_>>();
        let mut encoder = ZlibEncoder::new(&mut section, Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap();
        elf(&[Part { flags: SHF_COMPRESSED, ..part(".debug_str", section) }])
    };
    let unpacked =
        |bytes: &[u8]| Elf::read(bytes).unwrap().section(".debug_str").unwrap().unpacked().map(Cow::into_owned);
    assert_eq!(unpacked(&packed(5, b"texts")).unwrap(), b"texts");
    assert_eq!(unpacked(&packed(4, b"texts")), None);
    assert_eq!(unpacked(&packed(6, b"texts")), None);
    assert_eq!(unpacked(&packed(MAX_UNPACKED + 1, b"texts")), None);
    assert_eq!(unpacked(&packed(8, &vec![0; 1 << 20])), None);
}

#[test]
fn this_very_program_reads_and_says_what_compiled_it() {
    let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    // Elsewhere this program is no 64-bit little-endian ELF file.
    if cfg!(all(target_os = "linux", target_endian = "little", target_pointer_width = "64")) {
        let file = Elf::read(&bytes).unwrap();
        assert!(file.compilers().iter().any(|line| line.contains("rustc")), "{:?}", file.compilers());
        assert!(file.dynamic().needed.iter().any(|name| name.starts_with("libc.")), "{:?}", file.dynamic());
        let folders: Vec<_> = units(&file).into_iter().filter_map(|unit| unit.folder).collect();
        assert!(folders.iter().any(|folder| folder.starts_with('/')), "{folders:?}");
    }
}

fn explained(published: &[u8], rebuilt: &[u8]) -> Vec<String> {
    difference::difference(published, rebuilt, Sides::PublishedAndRebuilt).unwrap()
}

#[test]
fn two_builds_in_two_folders_differ_in_debug_information_and_the_folders_are_named() {
    let lines = explained(&module("/tmp/pip-req-build-a1b2c3d4", 1, b"code"), &module("/build/src", 2, b"code"));
    assert_eq!(lines[0], "only debug information and the build id differ: the code that runs is the same");
    assert_eq!(lines[1], "built in: /tmp/pip-req-build-a1b2c3d4 published, /build/src rebuilt");
    assert!(lines.contains(&"build id: 0101 published, 0202 rebuilt".to_owned()), "{lines:#?}");
}

#[test]
fn other_code_is_not_called_debug_information() {
    let lines = explained(&module("/x", 1, b"code"), &module("/y", 2, b"evil"));
    assert_eq!(lines[0], "compiled code differs");
    assert!(lines.contains(&"section .text: 4 bytes, other content".to_owned()), "{lines:#?}");
    // Named like debug information, but loaded with the program.
    let loaded = |content: &str| elf(&[Part { flags: SHF_ALLOC, ..part(".init_array", content) }]);
    assert_eq!(
        explained(&loaded("12345678"), &loaded("87654321"))[0],
        "data that is loaded differs; compiled code is the same"
    );
    let debug = |content: &str| elf(&[Part { flags: SHF_ALLOC, ..part(".debug_evil", content) }]);
    assert_eq!(explained(&debug("1"), &debug("2"))[0], "data that is loaded differs; compiled code is the same");
}

#[test]
fn an_embedded_time_or_random_path_is_shown_first() {
    let data = |text: &str| elf(&[part(".rodata", format!("harmless text\0built Nov\0{text}\0/lib/x.so\0"))]);
    let lines = explained(&data("/tmp/tmpa1b2c3d4/x.c\0Nov 22 2026"), &data("/tmp/tmpzzzzzzzz/x.c\0Nov 23 2026"));
    assert!(lines.contains(&"only published: \"/tmp/tmpa1b2c3d4/x.c\"".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"only rebuilt: \"Nov 23 2026\"".to_owned()), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("harmless")));
}

#[test]
fn what_is_no_elf_file_is_left_to_others() {
    let good = module("/x", 1, b"code");
    assert_eq!(difference::difference(&good, b"\x89PNG", Sides::FirstAndSecond), None);
    assert_eq!(difference::difference(b"", &good, Sides::FirstAndSecond), None);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..24), cut in any::<usize>()) {
        let good = module("/tmp/build-env-abcdefgh/demo", 1, b"code");
        let mut file = good.clone();
        for (at, byte) in changes {
            let length = file.len();
            file[at % length] = byte;
        }
        if cut % 4 == 0 {
            file.truncate(cut % good.len());
        }
        if let Ok(elf) = Elf::read(&file) {
            let _ = (elf.build_id(), elf.compilers(), elf.dynamic(), units(&elf));
            let _ = difference::difference(&good, &file, Sides::PublishedAndRebuilt);
        }
    }
}
