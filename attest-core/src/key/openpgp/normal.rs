//! From what gpg writes to the one form of a packet, by changing only what is not signed.

use std::io::Read as _;

use sequoia_openpgp::armor::{Kind, Reader as ArmorReader, ReaderMode};

use super::integer::{self, EcdsaCurve};
use super::packet::{Algorithm, Fields, HEADER_ONE, HEADER_TWO, ISSUER, Reader, SignaturePacket, subpackets};
use super::{MAX_PACKET, OpenPgpError};

/// Longest armored signature in bytes: base64, header lines and comments around [`MAX_PACKET`].
const MAX_ARMORED: usize = 3 * MAX_PACKET;

/// The signature in the one form, held to it.
pub(super) fn normalise(signature: &[u8]) -> Result<Vec<u8>, OpenPgpError> {
    if signature.len() > MAX_ARMORED {
        return Err(OpenPgpError::PacketLength { found: signature.len() });
    }
    let binary = dearmor(signature)?;
    let body = body(&binary)?;
    let fields = Fields::parse(body)?;
    for subpacket in subpackets(fields.unhashed) {
        // The issuer's key id is dropped: the hashed issuer fingerprint says the same. Whatever else stands here was put
        // here by somebody, and leaving it out is for them to decide.
        if subpacket?.tag != ISSUER {
            return Err(OpenPgpError::UnhashedArea { found: fields.unhashed.len() });
        }
    }
    let mut rebuilt = fields.signed_part.to_vec();
    rebuilt.extend_from_slice(&[0, 0]);
    rebuilt.extend_from_slice(&fields.digest_prefix);
    for value in integers(&fields)? {
        let bits = u16::try_from(integer::bits(&value)).unwrap_or(u16::MAX);
        rebuilt.extend_from_slice(&bits.to_be_bytes());
        rebuilt.extend_from_slice(&value);
    }
    let packet = with_header(&rebuilt)?;
    SignaturePacket::parse(&packet)?;
    Ok(packet)
}

fn dearmor(signature: &[u8]) -> Result<Vec<u8>, OpenPgpError> {
    // Every packet header has its first bit set (RFC 9580 section 4.2), no armor has.
    if signature.first().is_some_and(|b| b & 0x80 != 0) {
        return Ok(signature.to_vec());
    }
    let mut binary = Vec::new();
    let mode = ReaderMode::Tolerant(Some(Kind::Signature));
    ArmorReader::from_bytes(signature, mode).read_to_end(&mut binary).map_err(|_| OpenPgpError::Armor)?;
    Ok(binary)
}

/// The body of the only packet, whichever header form it has (RFC 9580 section 4.2).
fn body(binary: &[u8]) -> Result<&[u8], OpenPgpError> {
    const PART: &str = "the header";
    const NEW_FORMAT: u8 = 0xc2;
    let mut reader = Reader(binary);
    let length = match reader.byte(PART)? {
        HEADER_ONE => usize::from(reader.byte(PART)?),
        HEADER_TWO => usize::from(reader.two_bytes(PART)?),
        NEW_FORMAT => match reader.byte(PART)? {
            short @ ..192 => usize::from(short),
            first @ 192..224 => (usize::from(first) - 192) * 256 + usize::from(reader.byte(PART)?) + 192,
            // Partial and four-byte lengths: no signature needs one.
            found => return Err(OpenPgpError::Header { found }),
        },
        found => return Err(OpenPgpError::Header { found }),
    };
    let body = reader.take(length, "the body")?;
    if !reader.0.is_empty() {
        return Err(OpenPgpError::SeveralPackets { found: reader.0.len() });
    }
    Ok(body)
}

/// The integers without leading zeros, s of ECDSA in the lower half.
fn integers(fields: &Fields<'_>) -> Result<Vec<Vec<u8>>, OpenPgpError> {
    let count = match fields.algorithm {
        Algorithm::Rsa => 1,
        Algorithm::Ecdsa | Algorithm::EdDsa => 2,
    };
    let mut reader = Reader(fields.integers);
    let mut integers = Vec::with_capacity(count);
    for _ in 0..count {
        let bits = usize::from(reader.two_bytes("an integer")?);
        let value = reader.take(bits.div_ceil(8), "an integer")?;
        integers.push(integer::without_leading_zeros(value).to_vec());
    }
    if !reader.0.is_empty() {
        return Err(OpenPgpError::SeveralPackets { found: reader.0.len() });
    }
    if let (Algorithm::Ecdsa, [r, s]) = (fields.algorithm, integers.as_mut_slice())
        && let Some(curve) = EcdsaCurve::of(r, s)
        && curve.is_high(s)
    {
        *s = curve.negate(s);
    }
    Ok(integers)
}

fn with_header(body: &[u8]) -> Result<Vec<u8>, OpenPgpError> {
    let mut packet = Vec::with_capacity(3 + body.len());
    if let Ok(length) = u8::try_from(body.len()) {
        packet.extend_from_slice(&[HEADER_ONE, length]);
    } else {
        let length = u16::try_from(body.len()).map_err(|_| OpenPgpError::PacketLength { found: body.len() })?;
        packet.push(HEADER_TWO);
        packet.extend_from_slice(&length.to_be_bytes());
    }
    packet.extend_from_slice(body);
    Ok(packet)
}
