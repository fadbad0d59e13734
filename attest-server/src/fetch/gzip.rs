//! Gzip from somebody else (RFC 1952): within a limit, and whether it may be kept as it came.

use std::io::{self, Read as _};

use flate2::{Crc, Decompress, FlushDecompress, Status, read::MultiGzDecoder};

/// Magic, deflate, and no flags: no name, comment or extra field, which would be bytes of the sender's choice.
const PLAIN_HEADER: [u8; 4] = [0x1f, 0x8b, 8, 0];

/// The content of one plain gzip member and nothing after it, of at most `limit` bytes; `None` for any other form.
///
/// What passes may be stored and served on as it is: every decoder reads the same from it. That is why it is
/// decompressed in one go: distances that lead before the beginning, which a decoder with a window may take for zeros,
/// are refused. It is hardly longer than its content, so nobody fills a disk with empty deflate blocks.
pub(super) fn plain_member(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let (header, rest) = bytes.split_first_chunk::<10>()?;
    let (deflated, trailer) = rest.split_last_chunk::<8>()?;
    let [sum @ .., l0, l1, l2, l3] = trailer;
    let len = usize::try_from(u32::from_le_bytes([*l0, *l1, *l2, *l3])).ok()?;
    if header[..4] != PLAIN_HEADER || len > limit || bytes.len() > len + len / 1000 + 64 {
        return None;
    }
    let mut content = vec![0; len];
    let mut inflate = Decompress::new(false);
    let status = inflate.decompress(deflated, &mut content, FlushDecompress::Finish).ok()?;
    let whole = inflate.total_in() == deflated.len() as u64 && inflate.total_out() == len as u64;
    let mut crc = Crc::new();
    crc.update(&content);
    (status == Status::StreamEnd && whole && crc.sum() == u32::from_le_bytes(*sum)).then_some(content)
}

/// Decompresses any gzip; at most one byte more than `limit`: a few kilobytes of it can stand for gigabytes.
pub(super) fn decompress(bytes: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(bytes).take(cap).read_to_end(&mut plain)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, GzBuilder, write::GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), level);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// One member around these deflated bytes.
    fn member(deflated: &[u8], content: &[u8]) -> Vec<u8> {
        let mut crc = Crc::new();
        crc.update(content);
        let length = u32::try_from(content.len()).unwrap();
        let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        [&header[..], deflated, &crc.sum().to_le_bytes(), &length.to_le_bytes()].concat()
    }

    #[test]
    fn what_encoders_write_is_kept_as_it_came() {
        let noise: Vec<u8> = (0..70_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for content in [&b""[..], b"a", &vec![7; 100_000], &noise] {
            for level in [Compression::none(), Compression::fast(), Compression::best()] {
                assert_eq!(plain_member(&gzip(content, level), noise.len()).as_deref(), Some(content));
            }
        }
    }

    #[test]
    fn other_forms_of_the_same_content_are_not_kept_though_they_are_read() {
        let content = vec![7; 3000];
        let plain = gzip(&content, Compression::fast());
        let mut named = GzBuilder::new().filename("a").write(Vec::new(), Compression::fast());
        named.write_all(&content).unwrap();
        let two = [gzip(&content[..1000], Compression::fast()), gzip(&content[1000..], Compression::fast())].concat();
        let empty_blocks = [&[0, 0, 0, 0xff, 0xff].repeat(1000)[..], &plain[10..plain.len() - 8]].concat();
        for other in [named.finish().unwrap(), two, member(&empty_blocks, &content)] {
            assert_eq!(plain_member(&other, 3000), None);
            assert_eq!(decompress(&other, 3000).unwrap(), content);
        }
    }

    #[test]
    fn damage_trailing_bytes_and_too_much_of_it_are_not_kept() {
        let content = vec![7; 3000];
        let plain = gzip(&content, Compression::fast());
        assert_eq!(plain_member(&plain, 2999), None);
        assert_eq!(plain_member(&[&plain[..], b"x"].concat(), 3000), None);
        for end in 0..plain.len() {
            assert_eq!(plain_member(&plain[..end], 3000), None, "{end}");
        }
        for at in (0..4).chain(plain.len() - 8..plain.len()) {
            let mut changed = plain.clone();
            changed[at] ^= 1;
            assert_eq!(plain_member(&changed, 3000), None, "{at}");
        }
    }

    #[test]
    fn a_distance_before_the_beginning_is_not_taken_for_zeros() {
        // One fixed block: a match of three bytes at distance 1 with nothing before it, and the end.
        // Bits: final 1, fixed 01, length 3 = 0000001, distance 1 = 00000, end = 0000000.
        let deflated = [0b0000_0011, 0b0000_0010, 0, 0];
        assert_eq!(plain_member(&member(&deflated, &[0, 0, 0]), 100), None);
    }
}
