//! Key names, key ids, verifier keys and signer keys.

use std::fmt;

use base64::{Engine as _, display::Base64Display, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use super::{NoteError, NoteSignature};

/// Of an Ed25519 public key and of a seed.
const KEY_LEN: usize = 32;
/// In front of a secret key's text, so that it is never taken for a verifier key: it has too many `+`.
const SECRET_PREFIX: &str = "PRIVATE+KEY+";

/// A key name: non-empty, no Unicode space, no control character, no `+`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// The name `s`, if it can be one (signed-note, "Format").
    pub fn new(s: &str) -> Result<Self, NoteError> {
        // White space includes every control character that Unicode counts as such; a note may hold no other either.
        let forbidden = |c: char| c == '+' || c < ' ' || c.is_whitespace();
        if s.is_empty() || s.contains(forbidden) {
            return Err(NoteError::KeyName { found: s.chars().take(80).collect() });
        }
        Ok(Self(s.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// First four bytes of SHA-256(name || 0x0A || type || public key): a hint, never an identity. Display is 8 lower-case
/// hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// The id with these bytes.
    pub(crate) const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// Its bytes, big-endian as in a signature line.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }

    fn of(name: &KeyName, kind: KeyType, public: &[u8; KEY_LEN]) -> Self {
        let hash = Sha256::new()
            .chain_update(name.as_str())
            .chain_update([b'\n', kind.byte()])
            .chain_update(public)
            .finalize();
        Self([hash[0], hash[1], hash[2], hash[3]])
    }

    /// From 8 lower-case hex digits; another spelling is none.
    fn parse(s: &str) -> Option<Self> {
        let id = Self(u32::from_str_radix(s, 16).ok()?.to_be_bytes());
        (id.to_string() == s).then_some(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// Signature type of a verifier key (signed-note, "Signature types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// 0x01: Ed25519 over the note's text.
    Ed25519,
    /// 0x04: timestamped Ed25519 over a checkpoint, tlog-cosignature.
    CosignatureV1,
}

impl KeyType {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
        }
    }

    fn parse(byte: u8) -> Result<Self, NoteError> {
        match byte {
            0x01 => Ok(Self::Ed25519),
            0x04 => Ok(Self::CosignatureV1),
            found => Err(NoteError::KeyTypeUnknown { found }),
        }
    }
}

/// A public key with a name: `name+hex8(id)+base64(type || public)`. Display and FromStr.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    kind: KeyType,
    public: VerifyingKey,
}

impl VerifierKey {
    fn new(name: KeyName, kind: KeyType, public: VerifyingKey) -> Self {
        let id = KeyId::of(&name, kind, public.as_bytes());
        Self { name, id, kind, public }
    }

    /// The name in its signature lines.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id in its signature lines.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What its signatures are over.
    pub fn kind(&self) -> KeyType {
        self.kind
    }

    /// The Ed25519 public key. Two verifier keys with the same one are one party, whatever their names (docs/TRUST.md 1.3).
    pub fn public(&self) -> &[u8; 32] {
        self.public.as_bytes()
    }

    /// Whether the line claims to be by this key: name *and* id (signed-note, "Signatures").
    pub fn made(&self, line: &NoteSignature) -> bool {
        self.name == *line.name() && self.id == line.id()
    }

    /// Verifies a plain (0x01) signature over a note's text.
    pub(crate) fn verify_text(&self, text: &str, line: &NoteSignature) -> Result<(), NoteError> {
        self.check_kind(KeyType::Ed25519)?;
        self.verify_message(text.as_bytes(), line, line.blob())
    }

    /// Verifies the Ed25519 signature `signature`, which came in `line`, over `message`.
    pub(crate) fn verify_message(
        &self,
        message: &[u8],
        line: &NoteSignature,
        signature: &[u8],
    ) -> Result<(), NoteError> {
        if !self.made(line) {
            let (name, id) = (line.name().clone(), line.id());
            return Err(NoteError::LineKey { expected: Box::new(self.clone()), name, id });
        }
        // Strict, so that everybody agrees which signatures are valid (docs/TRUST.md 2.2).
        Signature::from_slice(signature)
            .and_then(|signature| self.public.verify_strict(message, &signature))
            .map_err(|_| NoteError::BadSignature { name: self.name.clone(), id: self.id })
    }

    pub(crate) fn check_kind(&self, expected: KeyType) -> Result<(), NoteError> {
        if self.kind != expected {
            return Err(NoteError::KeyTypeWrong { name: self.name.clone(), expected, found: self.kind });
        }
        Ok(())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_key(f, &self.name, self.id, self.kind, self.public.as_bytes())
    }
}

impl std::str::FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(s: &str) -> Result<Self, NoteError> {
        let (name, found, kind, public) = parse_key(s)?;
        let weak = || NoteError::PublicKey { name: name.clone() };
        let public = VerifyingKey::from_bytes(&public).map_err(|_| weak())?;
        if public.is_weak() {
            return Err(weak());
        }
        check_id(Self::new(name, kind, public), found)
    }
}

/// The secret half: `PRIVATE+KEY+name+hex8(id)+base64(type || seed)`, the form of Go's x/mod, and the same with type 0x04
/// for cosigners. Debug shows no secret; the only way to it is [`to_secret_string`](Self::to_secret_string).
pub struct SignerKey {
    verifier: VerifierKey,
    secret: SigningKey,
}

impl SignerKey {
    /// The key of that name and type whose Ed25519 seed (RFC 8032 section 5.1.5) is `seed`.
    pub fn from_seed(name: KeyName, kind: KeyType, seed: [u8; 32]) -> Self {
        let secret = SigningKey::from_bytes(&seed);
        Self { verifier: VerifierKey::new(name, kind, secret.verifying_key()), secret }
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The text to keep in a file that only its owner can read.
    pub fn to_secret_string(&self) -> String {
        struct Secret<'a>(&'a SignerKey);
        impl fmt::Display for Secret<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let key = &self.0.verifier;
                f.write_str(SECRET_PREFIX)?;
                fmt_key(f, &key.name, key.id, key.kind, self.0.secret.as_bytes())
            }
        }
        Secret(self).to_string()
    }

    /// Signs a note's text as the log (0x01). Cosignatures: [`cosign`](crate::cosignature::cosign).
    pub fn sign(&self, text: &str) -> Result<NoteSignature, NoteError> {
        self.verifier.check_kind(KeyType::Ed25519)?;
        super::check_text(text)?;
        Ok(self.line(self.sign_message(text.as_bytes()).to_vec()))
    }

    pub(crate) fn sign_message(&self, message: &[u8]) -> [u8; 64] {
        self.secret.sign(message).to_bytes()
    }

    /// A line by this key with what its type puts behind the key id.
    pub(crate) fn line(&self, blob: Vec<u8>) -> NoteSignature {
        NoteSignature::new(self.verifier.name.clone(), self.verifier.id, blob)
    }
}

impl std::str::FromStr for SignerKey {
    type Err = NoteError;

    fn from_str(s: &str) -> Result<Self, NoteError> {
        let (name, found, kind, seed) = parse_key(s.strip_prefix(SECRET_PREFIX).ok_or(NoteError::KeyForm)?)?;
        let key = Self::from_seed(name, kind, seed);
        let verifier = check_id(key.verifier, found)?;
        Ok(Self { verifier, ..key })
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignerKey").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

fn fmt_key(f: &mut fmt::Formatter<'_>, name: &KeyName, id: KeyId, kind: KeyType, key: &[u8; KEY_LEN]) -> fmt::Result {
    let mut material = [kind.byte(); 1 + KEY_LEN];
    material[1..].copy_from_slice(key);
    write!(f, "{name}+{id}+{}", Base64Display::new(&material, &STANDARD))
}

/// Name, id, type and 32 bytes of a key's text; whether the id is right is for the caller to say.
fn parse_key(s: &str) -> Result<(KeyName, KeyId, KeyType, [u8; KEY_LEN]), NoteError> {
    // Split at the first two `+` only: base64 has more of them.
    let mut parts = s.splitn(3, '+');
    let (Some(name), Some(id), Some(base64)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(NoteError::KeyForm);
    };
    let name = KeyName::new(name)?;
    let id = KeyId::parse(id).ok_or(NoteError::KeyForm)?;
    let Ok(material) = STANDARD.decode(base64) else {
        return Err(NoteError::NotBase64 { name });
    };
    let (kind, key) = material.split_first().ok_or(NoteError::KeyLength { found: 0 })?;
    let kind = KeyType::parse(*kind)?;
    let key = key.try_into().map_err(|_| NoteError::KeyLength { found: key.len() })?;
    Ok((name, id, kind, key))
}

/// The formula for key ids is only recommended in general, but it is mandatory for type 0x04 and what everybody does for
/// 0x01: a key text whose id is another was mistyped or put together from two.
fn check_id(key: VerifierKey, found: KeyId) -> Result<VerifierKey, NoteError> {
    if key.id != found {
        return Err(NoteError::KeyIdMismatch { expected: key.id, found });
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VKEY: &str = "log.test/a+61cfac42+AdD/bfTTLpSuEX6fo/Nnkq5dEWO95ySC8jyvoHtvO0Bk";
    const SKEY: &str = "PRIVATE+KEY+log.test/a+61cfac42+AbpWAWXhGJ0IvMQanuZ0toI2gpwxPW1RMr1LHClRkszQ";

    #[test]
    fn a_signer_key_prints_back_and_shows_no_secret_in_debug() {
        let key: SignerKey = SKEY.parse().unwrap();
        assert_eq!(key.to_secret_string(), SKEY);
        assert_eq!(key.verifier().to_string(), VKEY);
        let debug = format!("{key:?}");
        assert!(!debug.contains("ulYBZeEYnQi8xBqe5nS2gjaCnDE9bVEyvUscKVGSzNA") && !debug.contains("186"), "{debug}");
    }

    #[test]
    fn a_cosigner_key_has_the_other_id() {
        let key: SignerKey = SKEY.parse().unwrap();
        let cosigner = SignerKey::from_seed(key.verifier.name.clone(), KeyType::CosignatureV1, *key.secret.as_bytes());
        assert_eq!(cosigner.verifier().to_string(), "log.test/a+0ca2a6b1+BND/bfTTLpSuEX6fo/Nnkq5dEWO95ySC8jyvoHtvO0Bk");
        let text = cosigner.to_secret_string();
        assert_eq!(text.parse::<SignerKey>().unwrap().to_secret_string(), text);
        // It must not sign what a log signs: one key, one meaning.
        assert!(matches!(cosigner.sign("a\n"), Err(NoteError::KeyTypeWrong { .. })));
    }

    #[test]
    fn a_key_of_small_order_is_refused() {
        // The identity: y = 1. Everything verifies under it.
        let mut identity = [0; 32];
        identity[0] = 1;
        let name = KeyName::new("log.test/a").unwrap();
        let key = VerifierKey::new(name.clone(), KeyType::Ed25519, VerifyingKey::from_bytes(&identity).unwrap());
        assert_eq!(key.to_string().parse::<VerifierKey>(), Err(NoteError::PublicKey { name }));
    }

    #[test]
    fn a_key_whose_id_is_of_another_name_or_type_is_refused() {
        let renamed = VKEY.replace("log.test/a", "log.test/b");
        assert!(matches!(renamed.parse::<VerifierKey>(), Err(NoteError::KeyIdMismatch { .. })));
        let renamed = SKEY.replace("log.test/a", "log.test/b");
        assert!(matches!(renamed.parse::<SignerKey>(), Err(NoteError::KeyIdMismatch { .. })));
        let retyped = VKEY.replace("+AdD/", "+BND/");
        assert!(matches!(retyped.parse::<VerifierKey>(), Err(NoteError::KeyIdMismatch { .. })));
    }

    #[test]
    fn a_secret_key_is_no_verifier_key() {
        assert!(SKEY.parse::<VerifierKey>().is_err());
        assert_eq!(VKEY.parse::<SignerKey>().unwrap_err(), NoteError::KeyForm);
    }

    #[test]
    fn a_key_type_that_is_not_implemented_is_refused_by_name() {
        let ml_dsa = format!("log.test/a+00000000+{}", STANDARD.encode([6; 33]));
        assert_eq!(ml_dsa.parse::<VerifierKey>(), Err(NoteError::KeyTypeUnknown { found: 6 }));
    }
}
