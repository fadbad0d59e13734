//! A layer compressed with zstd ([RFC 8878](https://www.rfc-editor.org/rfc/rfc8878)): any number of frames, one behind the other,
//! and frames to skip between them, as writers put them there that let layers be fetched by pieces.
//!
//! A frame's window is memory that its writer asks for: the decoder refuses more than 128 MiB. Its checksums are not looked
//! at, since the whole layer has a digest.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Reads what the frames hold.
pub(super) struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    /// Whether the decoder is in a frame.
    begun: bool,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), begun: false }
    }

    /// Goes into the next frame; nothing where there is none.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.begun = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.source.by_ref().take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.begun && !self.decoder.is_finished() {
                let block = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.source, block).map_err(io::Error::other)?;
            } else if !self.begin()? {
                return Ok(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn frame(content: &[u8]) -> Vec<u8> {
        compress_to_vec(content, CompressionLevel::Fastest)
    }

    fn skipped(content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_le_bytes();
        [&[0x5a, 0x2a, 0x4d, 0x18][..], &length, content].concat()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        Frames::new(bytes).read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn frames_are_read_one_behind_the_other_and_those_to_skip_are_skipped() {
        let long: Vec<u8> = (0..1_000_000u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        let all =
            [skipped(b"head"), frame(b"one"), skipped(b""), frame(&long), frame(b""), frame(b"end"), skipped(b"x")];
        assert!(read(&all.concat()).unwrap() == [b"one", &long[..], b"end"].concat());
        assert_eq!(read(b"").unwrap(), b"");
    }

    #[test]
    fn what_is_cut_short_or_no_frame_or_asks_for_too_much_memory_is_an_error() {
        let whole = frame(&vec![7; 100_000]);
        for bytes in [
            &whole[..whole.len() - 1],
            &whole[..3],
            &skipped(b"cut")[..9],
            b"\x1f\x8b\x08\x00",
            &[&whole[..], b"x"].concat(),
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        // A window of 256 GiB: exponent 28, no mantissa.
        assert!(read(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 28 << 3, 0x01, 0x00, 0x00]).is_err());
    }
}
