//! Wheels and sdists for tests, made by hand so that they can be wrong in every way.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

/// `2024-02-25 23:17:32`
pub(crate) const TIME: u32 = dos((2024, 2, 25), (23, 17, 32));
/// The same in seconds since 1970.
pub(crate) const SECONDS: i64 = 1_708_903_052;

/// MS-DOS date and time.
pub(crate) const fn dos((year, month, day): (u32, u32, u32), (hour, minute, second): (u32, u32, u32)) -> u32 {
    ((year - 1980) * 512 + month * 32 + day) * 65_536 + hour * 2048 + minute * 32 + second / 2
}

/// One stored member.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
    pub(crate) time: u32,
    pub(crate) mode: u32,
    pub(crate) system: u8,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    /// What the directory claims; the local header tells the truth.
    pub(crate) claimed: Option<u32>,
    pub(crate) local_name: Option<String>,
}

pub(crate) fn part(name: &str, content: &str) -> Part {
    Part {
        name: name.to_owned(),
        content: content.as_bytes().to_vec(),
        time: TIME,
        mode: 0o100_644,
        system: 3,
        method: 0,
        flags: 0,
        claimed: None,
        local_name: None,
    }
}

pub(crate) fn zip(parts: &[Part]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for part in parts {
        let mut crc = flate2::Crc::new();
        crc.update(&part.content);
        let size = u32::try_from(part.content.len()).unwrap();
        let offset = u32::try_from(bytes.len()).unwrap();
        let common = |claimed: u32, name: &str| {
            let mut common = Vec::new();
            common.extend(part.flags.to_le_bytes());
            common.extend(part.method.to_le_bytes());
            for field in [part.time, crc.sum(), size, claimed] {
                common.extend(field.to_le_bytes());
            }
            common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            common.extend([0, 0]);
            common
        };
        let local = part.local_name.as_ref().unwrap_or(&part.name);
        bytes.extend(b"PK\x03\x04\x14\x00");
        bytes.extend(common(size, local));
        bytes.extend(local.bytes());
        bytes.extend(&part.content);
        directory.extend(b"PK\x01\x02");
        directory.extend([20, part.system, 20, 0]);
        directory.extend(common(part.claimed.unwrap_or(size), &part.name));
        directory.extend([0; 6]);
        directory.extend((part.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(part.name.bytes());
    }
    let count = u16::try_from(parts.len()).unwrap().to_le_bytes();
    let start = u32::try_from(bytes.len()).unwrap();
    let size = u32::try_from(directory.len()).unwrap();
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.into_iter().chain(count));
    bytes.extend(size.to_le_bytes().into_iter().chain(start.to_le_bytes()));
    bytes.extend([0, 0]);
    bytes
}

/// A wheel of `demo` 1.0 with one module.
pub(crate) fn wheel(generator: &str) -> Vec<Part> {
    vec![
        part("demo/core.py", "x = 1\n"),
        part("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"),
        part(
            "demo-1.0.dist-info/WHEEL",
            &format!("Wheel-Version: 1.0\nGenerator: {generator}\nRoot-Is-Purelib: true\n"),
        ),
        part("demo-1.0.dist-info/RECORD", ""),
    ]
}

/// The same with a true RECORD.
pub(crate) fn recorded(mut parts: Vec<Part>) -> Vec<Part> {
    use base64::Engine as _;
    let row = |part: &Part| {
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&part.content);
        let hash = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
        let quoted = part.name.contains([',', '"']).then(|| format!("\"{}\"", part.name.replace('"', "\"\"")));
        format!("{},sha256={hash},{}\n", quoted.unwrap_or_else(|| part.name.clone()), part.content.len())
    };
    let is_record = |part: &Part| part.name.ends_with(".dist-info/RECORD");
    let files = parts.iter().filter(|part| !is_record(part) && !part.name.ends_with('/'));
    let mut text: String = files.map(row).collect();
    text.push_str("demo-1.0.dist-info/RECORD,,\n");
    let record = part("demo-1.0.dist-info/RECORD", &text);
    parts.retain(|part| !is_record(part));
    parts.push(record);
    parts
}

pub(crate) fn tar_gz(fill: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    fill(&mut builder);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&builder.into_inner().unwrap()).unwrap();
    encoder.finish().unwrap()
}

/// A header that the tar crate would refuse to make: names are written as they are.
pub(crate) fn header(name: &str, kind: tar::EntryType, size: usize) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(0o664);
    header.set_mtime(u64::try_from(SECONDS).unwrap());
    header.set_cksum();
    header
}

/// An sdist of `demo` 1.0 with these files below its top folder.
pub(crate) fn sdist(files: &[(&str, &str)]) -> Vec<u8> {
    tar_gz(|tar| {
        for (name, content) in files {
            let header = header(&format!("demo-1.0/{name}"), tar::EntryType::Regular, content.len());
            tar.append(&header, content.as_bytes()).unwrap();
        }
    })
}
