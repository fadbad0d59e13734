//! Signature lines: em dash, space, key name, space, base64 of key id and signature.

use std::fmt;

use base64::{Engine as _, display::Base64Display, engine::general_purpose::STANDARD};

use super::{KeyId, KeyName, NoteError};

/// U+2014 and a space.
const PREFIX: &str = "— ";

/// One signature line, not verified. Display and FromStr are the line without its newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    name: KeyName,
    id: KeyId,
    blob: Vec<u8>,
}

impl NoteSignature {
    /// A line by the key of that name and id, with whatever its type puts behind the id.
    pub(crate) fn new(name: KeyName, id: KeyId, blob: Vec<u8>) -> Self {
        Self { name, id, blob }
    }

    /// The key's name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key's id: with the name, which key claims to have signed.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What follows the key id: the signature, behind a time if it is a cosignature.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.id.as_bytes().to_vec();
        bytes.extend_from_slice(&self.blob);
        write!(f, "{PREFIX}{} {}", self.name, Base64Display::new(&bytes, &STANDARD))
    }
}

impl std::str::FromStr for NoteSignature {
    type Err = NoteError;

    fn from_str(s: &str) -> Result<Self, NoteError> {
        let form = || NoteError::LineForm { found: s.chars().take(80).collect() };
        let (name, base64) = s.strip_prefix(PREFIX).and_then(|rest| rest.split_once(' ')).ok_or_else(form)?;
        let name = KeyName::new(name)?;
        // STANDARD refuses missing padding and non-zero trailing bits, so that a line has one spelling.
        let Ok(bytes) = STANDARD.decode(base64) else {
            return Err(NoteError::NotBase64 { name });
        };
        match bytes.split_first_chunk() {
            Some((id, blob)) if !blob.is_empty() => Ok(Self::new(name, KeyId::from_bytes(*id), blob.to_vec())),
            _ => Err(NoteError::SignatureLength { name, found: bytes.len() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_one_spelling() {
        let line = "— log.test/a AAAAAQI=";
        assert_eq!(line.parse::<NoteSignature>().unwrap().to_string(), line);
        let refused = |s: &str| s.parse::<NoteSignature>().unwrap_err();
        for s in
            ["", "—", "— ", "— log.test/a", "- log.test/a AAAAAQI=", "—log.test/a AAAAAQI=", " — log.test/a AAAAAQI="]
        {
            assert_eq!(refused(s), NoteError::LineForm { found: s.to_owned() });
        }
        for s in ["AAAAAQJ=", "AAAAAQI", "AAAAAQI= ", " AAAAAQI=", "AA AAQI=", "AAAAAQI=\n"] {
            assert!(matches!(refused(&format!("— log.test/a {s}")), NoteError::NotBase64 { .. }), "{s:?}");
        }
        for (s, found) in [("", 0), ("AQID", 3), ("AQIDBA==", 4)] {
            assert!(
                matches!(refused(&format!("— log.test/a {s}")), NoteError::SignatureLength { found: f, .. } if f == found)
            );
        }
        for s in ["—  AAAAAQI=", "— a+b AAAAAQI=", "— a\u{3000}b AAAAAQI="] {
            assert!(matches!(refused(s), NoteError::KeyName { .. }), "{s:?}");
        }
    }
}
