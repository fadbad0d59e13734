//! The one stored form of entry bundles: gzip over the bundle of [C2SP tlog-tiles](https://c2sp.org/tlog-tiles).
//!
//! The form is never guessed from the bytes: a raw bundle may begin with `1f 8b` as well (an entry of 8,075 bytes). The
//! compressed bytes change with the library, so two bundles are compared by what they decode to.

use std::io::{self, Read, Write};

use attest_core::tile::MAX_BUNDLE_LEN;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

/// Compresses a bundle.
pub fn compress(bundle: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bundle.len() / 2), Compression::fast());
    // Writing to a Vec does not fail; what the encoder would say, the decoder says when it is read.
    let _ = encoder.write_all(bundle);
    encoder.finish().unwrap_or_default()
}

/// Decompresses a bundle, up to [`MAX_BUNDLE_LEN`] bytes.
pub fn decompress(stored: &[u8]) -> io::Result<Vec<u8>> {
    let mut bundle = Vec::with_capacity(stored.len() * 2);
    let limit = MAX_BUNDLE_LEN as u64;
    GzDecoder::new(stored).take(limit + 1).read_to_end(&mut bundle)?;
    if bundle.len() > MAX_BUNDLE_LEN {
        let message = format!("an entry bundle decodes to more than {MAX_BUNDLE_LEN} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_comes_back_as_it_was() {
        for bundle in [&b""[..], b"\x1f\x8b looks compressed", &vec![7; 300_000]] {
            assert_eq!(decompress(&compress(bundle)).unwrap(), bundle);
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = compress(&vec![0; MAX_BUNDLE_LEN + 1]);
        assert!(bomb.len() < 1 << 20);
        assert_eq!(decompress(&bomb).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_truncated_bundle_is_refused() {
        let whole = compress(&[7; 3000]);
        assert!(decompress(&whole[..whole.len() - 1]).is_err());
    }
}
