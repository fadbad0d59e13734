//! The one form of a signature packet, read from its bytes.
//!
//! This is an allow-list of our own over the raw packet. A library's parser reads many forms of one signature, and its
//! policy's judgement changes with the date; here a packet has the form or it is refused, for ever.

use sha2::{Sha256, Sha384, Sha512};

use super::integer::{self, EcdsaCurve};
use super::{MAX_PACKET, MIN_PACKET, OpenPgpError};

/// Old-format header of a signature packet (tag 2) with a one-byte length (RFC 9580 section 4.2.2).
pub(super) const HEADER_ONE: u8 = 0x88;
/// The same with a two-byte length.
pub(super) const HEADER_TWO: u8 = 0x89;

/// Subpacket types (RFC 9580 section 5.2.3.7).
const CREATION_TIME: u8 = 2;
const EXPIRATION_TIME: u8 = 3;
pub(super) const ISSUER: u8 = 16;
const NOTATION: u8 = 20;
const SIGNERS_USER_ID: u8 = 28;
const ISSUER_FINGERPRINT: u8 = 33;

/// Public-key algorithms of the profile (RFC 9580 section 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rsa,
    Ecdsa,
    EdDsa,
}

/// Hash algorithms of the profile (RFC 9580 section 9.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// The integers of a signature, big-endian without leading zeros.
#[derive(Clone, Copy, Debug)]
pub(super) enum Integers<'a> {
    One(&'a [u8]),
    Two(&'a [u8], &'a [u8]),
}

/// A signature packet of the profile's form.
#[derive(Debug)]
pub(super) struct SignaturePacket<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) hash: Hash,
    /// Seconds since the epoch, as its signer says.
    pub(super) created: u32,
    /// Fingerprint of the key that its signer says it is by.
    pub(super) issuer: [u8; 20],
    pub(super) integers: Integers<'a>,
    /// From the version to the end of the hashed area: what is hashed after the message.
    signed_part: &'a [u8],
    digest_prefix: [u8; 2],
}

impl<'a> SignaturePacket<'a> {
    pub(super) fn parse(packet: &'a [u8]) -> Result<Self, OpenPgpError> {
        let body = body(packet)?;
        let fields = Fields::parse(body)?;
        let subpackets = Hashed::parse(fields.hashed)?;
        if !fields.unhashed.is_empty() {
            return Err(OpenPgpError::UnhashedArea { found: fields.unhashed.len() });
        }
        let mut rest = Reader(fields.integers);
        let integers = match fields.algorithm {
            Algorithm::Rsa => Integers::One(rest.integer("s", "m^d mod n")?),
            Algorithm::Ecdsa | Algorithm::EdDsa => Integers::Two(rest.integer("r", "r")?, rest.integer("s", "s")?),
        };
        if !rest.0.is_empty() {
            return Err(OpenPgpError::SeveralPackets { found: rest.0.len() });
        }
        check_range(fields.algorithm, integers)?;
        if packet.len() < MIN_PACKET {
            return Err(OpenPgpError::PacketLength { found: packet.len() });
        }
        Ok(Self {
            algorithm: fields.algorithm,
            hash: fields.hash,
            created: subpackets.created,
            issuer: subpackets.issuer,
            integers,
            signed_part: fields.signed_part,
            digest_prefix: fields.digest_prefix,
        })
    }

    /// Digest of the message under this signature (RFC 9580 section 5.2.4), when it begins with the two bytes that the
    /// packet has of it. They are not signed, so without this check they could be anything.
    pub(super) fn digest(&self, message: &[u8]) -> Result<Vec<u8>, OpenPgpError> {
        let trailer = self.trailer();
        let parts = [message, self.signed_part, &trailer];
        let digest = match self.hash {
            Hash::Sha256 => digest_of::<Sha256>(parts),
            Hash::Sha384 => digest_of::<Sha384>(parts),
            Hash::Sha512 => digest_of::<Sha512>(parts),
        };
        if digest[..2] != self.digest_prefix {
            return Err(OpenPgpError::DigestPrefix);
        }
        Ok(digest)
    }

    fn trailer(&self) -> [u8; 6] {
        // At most MAX_PACKET.
        let length = u32::try_from(self.signed_part.len()).unwrap_or(u32::MAX);
        let [a, b, c, d] = length.to_be_bytes();
        [4, 0xff, a, b, c, d]
    }
}

fn digest_of<H: sha2::Digest>(parts: [&[u8]; 3]) -> Vec<u8> {
    let mut hash = H::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().to_vec()
}

/// The body of the only packet, behind a header of the one form.
fn body(packet: &[u8]) -> Result<&[u8], OpenPgpError> {
    if packet.len() > MAX_PACKET {
        return Err(OpenPgpError::PacketLength { found: packet.len() });
    }
    let mut reader = Reader(packet);
    let length = match reader.byte("the header")? {
        HEADER_ONE => usize::from(reader.byte("the header")?),
        HEADER_TWO => {
            let length = usize::from(reader.two_bytes("the header")?);
            if u8::try_from(length).is_ok() {
                return Err(OpenPgpError::HeaderLength { length });
            }
            length
        }
        found => return Err(OpenPgpError::Header { found }),
    };
    let body = reader.take(length, "the body")?;
    if !reader.0.is_empty() {
        return Err(OpenPgpError::SeveralPackets { found: reader.0.len() });
    }
    Ok(body)
}

/// The fields of a version 4 signature packet (RFC 9580 section 5.2.3).
pub(super) struct Fields<'a> {
    pub(super) algorithm: Algorithm,
    hash: Hash,
    /// From the version to the end of the hashed area.
    pub(super) signed_part: &'a [u8],
    hashed: &'a [u8],
    pub(super) unhashed: &'a [u8],
    pub(super) digest_prefix: [u8; 2],
    pub(super) integers: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, OpenPgpError> {
        let mut reader = Reader(body);
        let version = reader.byte("the version")?;
        if version != 4 {
            return Err(OpenPgpError::Version { found: version });
        }
        let kind = reader.byte("the type")?;
        if kind != 0 {
            return Err(OpenPgpError::Type { found: kind });
        }
        let algorithm = match reader.byte("the public-key algorithm")? {
            1 => Algorithm::Rsa,
            19 => Algorithm::Ecdsa,
            22 => Algorithm::EdDsa,
            found => return Err(OpenPgpError::PublicKeyAlgorithm { found }),
        };
        let hash = match reader.byte("the hash algorithm")? {
            8 => Hash::Sha256,
            9 => Hash::Sha384,
            10 => Hash::Sha512,
            found => return Err(OpenPgpError::HashAlgorithm { found }),
        };
        let hashed = reader.area("the hashed area")?;
        let signed_part = &body[..body.len() - reader.0.len()];
        let unhashed = reader.area("the unhashed area")?;
        let digest_prefix = [reader.byte("the digest's first bytes")?, reader.byte("the digest's first bytes")?];
        Ok(Self { algorithm, hash, signed_part, hashed, unhashed, digest_prefix, integers: reader.0 })
    }
}

/// What the hashed area says.
struct Hashed {
    created: u32,
    issuer: [u8; 20],
}

impl Hashed {
    fn parse(area: &[u8]) -> Result<Self, OpenPgpError> {
        let mut seen = Vec::new();
        let (mut created, mut issuer, mut key_id) = (None, None, None);
        for subpacket in subpackets(area) {
            let Subpacket { tag, critical, contents } = subpacket?;
            let form = |_| OpenPgpError::SubpacketForm { tag, length: contents.len() };
            match tag {
                CREATION_TIME => {
                    let bytes: [u8; 4] = contents.try_into().map_err(form)?;
                    created = Some(u32::from_be_bytes(bytes));
                }
                ISSUER => key_id = Some(<[u8; 8]>::try_from(contents).map_err(form)?),
                ISSUER_FINGERPRINT => {
                    let bytes: [u8; 21] = contents.try_into().map_err(form)?;
                    let [4, fingerprint @ ..] = bytes else {
                        return Err(OpenPgpError::SubpacketForm { tag, length: 21 });
                    };
                    issuer = Some(fingerprint);
                }
                SIGNERS_USER_ID => {}
                EXPIRATION_TIME => return Err(OpenPgpError::Expires),
                NOTATION => return Err(OpenPgpError::Notation),
                tag => return Err(OpenPgpError::Subpacket { tag, critical }),
            }
            if seen.contains(&tag) {
                return Err(OpenPgpError::DuplicateSubpacket { tag });
            }
            seen.push(tag);
        }
        let created = created.ok_or(OpenPgpError::MissingSubpacket { tag: CREATION_TIME, name: "creation time" })?;
        // Without it gpg has nothing to find the key by once the unhashed area is empty.
        let issuer: [u8; 20] =
            issuer.ok_or(OpenPgpError::MissingSubpacket { tag: ISSUER_FINGERPRINT, name: "issuer fingerprint" })?;
        if key_id.is_some_and(|key_id| key_id != issuer[12..]) {
            return Err(OpenPgpError::IssuerMismatch);
        }
        Ok(Self { created, issuer })
    }
}

pub(super) struct Subpacket<'a> {
    pub(super) tag: u8,
    critical: bool,
    contents: &'a [u8],
}

/// The subpackets of an area (RFC 9580 section 5.2.3.7). Five-byte lengths are refused: nothing here is that long.
pub(super) fn subpackets(area: &[u8]) -> impl Iterator<Item = Result<Subpacket<'_>, OpenPgpError>> {
    let mut reader = Reader(area);
    std::iter::from_fn(move || {
        if reader.0.is_empty() {
            return None;
        }
        let subpacket = reader.subpacket();
        if subpacket.is_err() {
            reader.0 = &[];
        }
        Some(subpacket)
    })
}

/// Ranges that can be told without the key.
fn check_range(algorithm: Algorithm, integers: Integers<'_>) -> Result<(), OpenPgpError> {
    match (algorithm, integers) {
        (Algorithm::EdDsa, Integers::Two(r, s)) => {
            for (integer, value) in [("r", r), ("s", s)] {
                if value.len() > 32 {
                    return Err(OpenPgpError::Integer { integer });
                }
            }
            Ok(())
        }
        (Algorithm::Ecdsa, Integers::Two(r, s)) => {
            let curve = EcdsaCurve::of(r, s).ok_or(OpenPgpError::Integer { integer: "r" })?;
            if curve.is_high(s) {
                return Err(OpenPgpError::HighS);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What is still to be read.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize, part: &'static str) -> Result<&'a [u8], OpenPgpError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(OpenPgpError::Truncated { part })?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self, part: &'static str) -> Result<u8, OpenPgpError> {
        Ok(self.take(1, part)?[0])
    }

    pub(super) fn two_bytes(&mut self, part: &'static str) -> Result<u16, OpenPgpError> {
        let bytes = self.take(2, part)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn area(&mut self, part: &'static str) -> Result<&'a [u8], OpenPgpError> {
        let length = self.two_bytes(part)?;
        self.take(usize::from(length), part)
    }

    fn subpacket(&mut self) -> Result<Subpacket<'a>, OpenPgpError> {
        const PART: &str = "a subpacket";
        let length = match self.byte(PART)? {
            short @ ..192 => usize::from(short),
            first @ 192..255 => (usize::from(first) - 192) * 256 + usize::from(self.byte(PART)?) + 192,
            255 => return Err(OpenPgpError::Truncated { part: PART }),
        };
        let [tag, contents @ ..] = self.take(length, PART)? else {
            return Err(OpenPgpError::Truncated { part: PART });
        };
        Ok(Subpacket { tag: tag & 0x7f, critical: tag & 0x80 != 0, contents })
    }

    /// A multiprecision integer (RFC 9580 section 3.2) in its one form: the bit count is that of the first byte that is
    /// not zero.
    fn integer(&mut self, integer: &'static str, part: &'static str) -> Result<&'a [u8], OpenPgpError> {
        let bits = usize::from(self.two_bytes(part)?);
        let value = self.take(bits.div_ceil(8), part)?;
        if bits == 0 || integer::bits(value) != bits {
            return Err(OpenPgpError::Integer { integer });
        }
        Ok(value)
    }
}
