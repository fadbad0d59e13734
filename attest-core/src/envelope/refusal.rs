//! Why an envelope is not in canonical form. Nothing here decides whether it is: bytes come here after they were
//! refused, at most [`MAX_ENVELOPE`] of them, and leave with a reason.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{MAX_ENVELOPE, PAYLOAD_TYPE, canonical};
use crate::artifact::excerpt;
use crate::ijson::{self, IJsonError};
use crate::key::{KeyError, ed25519::Ed25519Error, openpgp::OpenPgpError};
use crate::statement::StatementError;

/// Why an envelope was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The key, or the signature under it.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The payload is signed and is no statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// Not a statement id.
    #[error("expected a statement id as 64 lower-case hex digits, found {found:?}")]
    StatementId {
        /// The text, shortened.
        found: String,
    },
    /// Longer than an entry of the log can be.
    #[error("expected an envelope of at most {MAX_ENVELOPE} bytes, found {found}")]
    TooLong {
        /// Length in bytes.
        found: usize,
    },
    /// The text ends before the envelope does.
    #[error("expected a whole envelope, found the end of the text at offset {offset}: it is truncated")]
    Truncated {
        /// Length in bytes.
        offset: usize,
    },
    /// Two equal keys in one object: two readers could see two envelopes.
    #[error("expected each key of the envelope once, found {key:?} twice")]
    DuplicateKey {
        /// The key, shortened.
        key: String,
    },
    /// Objects or arrays inside each other without end.
    #[error("expected an envelope, found nesting deeper than {} levels", ijson::MAX_DEPTH)]
    TooDeep,
    /// Not JSON, for another reason.
    #[error("expected a DSSE envelope: {0}")]
    NotJson(IJsonError),
    /// JSON of another shape.
    #[error("expected {expected} in the envelope, found {found}")]
    Shape {
        /// Member and type.
        expected: &'static str,
        /// Type, or that it is missing.
        found: &'static str,
    },
    /// Another payload type: the payload may be valid as something else.
    #[error("expected payloadType {PAYLOAD_TYPE:?}, found {found:?}")]
    PayloadType {
        /// The type, shortened.
        found: String,
    },
    /// No signature, or several.
    #[error("expected exactly one signature, found {found}")]
    SignatureCount {
        /// How many there are.
        found: usize,
    },
    /// A `keyid`: a hint that is not signed and that the log does not hold.
    #[error("expected no keyid beside the signature, found {found:?}")]
    KeyId {
        /// The hint, shortened; empty when it is no string.
        found: String,
    },
    /// A member that DSSE or the log does not know.
    #[error("expected no member besides payload, payloadType, signatures and sig, found {name:?}")]
    UnknownMember {
        /// The member, shortened.
        name: String,
    },
    /// Base64 that is not padded, has stray bits, or is of the URL-safe alphabet.
    #[error("expected {member} in canonical standard base64 (padded, no stray bits), found another form")]
    Base64 {
        /// `payload` or `sig`.
        member: &'static str,
    },
    /// Spaces or line ends between the members.
    #[error("expected compact JSON, found white space in the envelope")]
    WhiteSpace,
    /// The right members in another order.
    #[error("expected the members payload, payloadType, signatures in this order, found another order")]
    MemberOrder,
    /// Characters written as escapes.
    #[error("expected plain characters, found an escape in the envelope")]
    Escape,
}

impl From<Ed25519Error> for EnvelopeError {
    fn from(error: Ed25519Error) -> Self {
        Self::Key(error.into())
    }
}

impl From<OpenPgpError> for EnvelopeError {
    fn from(error: OpenPgpError) -> Self {
        Self::Key(error.into())
    }
}

impl From<IJsonError> for EnvelopeError {
    fn from(error: IJsonError) -> Self {
        match error {
            IJsonError::Truncated { offset } => Self::Truncated { offset },
            IJsonError::DuplicateKey { key, .. } => Self::DuplicateKey { key },
            IJsonError::TooDeep { .. } => Self::TooDeep,
            other => Self::NotJson(other),
        }
    }
}

/// What is wrong with bytes that are not in canonical form.
pub(super) fn reason(bytes: &[u8]) -> EnvelopeError {
    let Err(error) = examine(bytes);
    error
}

/// Each step refuses what it looks for; what passes all of them differs from the canonical form in spelling only.
fn examine(bytes: &[u8]) -> Result<std::convert::Infallible, EnvelopeError> {
    // The duplicate check comes first: `Value` would keep the last of two equal keys.
    let envelope: Value = ijson::from_slice(bytes)?;
    let Value::Object(members) = &envelope else {
        return Err(shape("an object", Some(&envelope)));
    };
    let text = |member: &Value, expected| match member {
        Value::String(text) => Ok(text.clone()),
        other => Err(shape(expected, Some(other))),
    };
    let member = |name, expected| members.get(name).ok_or_else(|| shape(expected, None));

    let payload_type = text(member("payloadType", "payloadType as a string")?, "payloadType as a string")?;
    if payload_type != PAYLOAD_TYPE {
        return Err(EnvelopeError::PayloadType { found: excerpt(&payload_type) });
    }
    let payload = text(member("payload", "payload as a string")?, "payload as a string")?;
    let signatures = match member("signatures", "signatures as an array")? {
        Value::Array(signatures) => signatures,
        other => return Err(shape("signatures as an array", Some(other))),
    };
    let [signature] = signatures.as_slice() else {
        return Err(EnvelopeError::SignatureCount { found: signatures.len() });
    };
    let Value::Object(signature) = signature else {
        return Err(shape("a signature as an object", Some(signature)));
    };
    if let Some(keyid) = signature.get("keyid") {
        return Err(EnvelopeError::KeyId { found: excerpt(keyid.as_str().unwrap_or_default()) });
    }
    let sig = match signature.get("sig") {
        Some(sig) => text(sig, "sig as a string")?,
        None => return Err(shape("sig as a string", None)),
    };
    let unknown = members
        .keys()
        .find(|name| !matches!(name.as_str(), "payload" | "payloadType" | "signatures"))
        .or_else(|| signature.keys().find(|name| *name != "sig"));
    if let Some(name) = unknown {
        return Err(EnvelopeError::UnknownMember { name: excerpt(name) });
    }
    let decode = |member, base64: &str| STANDARD.decode(base64).map_err(|_| EnvelopeError::Base64 { member });
    let expected = canonical(&decode("payload", &payload)?, &decode("sig", &sig)?);
    Err(spelling(bytes, &expected))
}

/// Bytes and canonical form mean the same: how do they differ?
fn spelling(bytes: &[u8], expected: &[u8]) -> EnvelopeError {
    if bytes.contains(&b'\\') {
        return EnvelopeError::Escape;
    }
    // No string of an envelope holds white space, so all of it stands between the members.
    let mut compact = bytes.to_vec();
    compact.retain(|b| !b.is_ascii_whitespace());
    if compact == expected || compact.len() < bytes.len() {
        EnvelopeError::WhiteSpace
    } else {
        EnvelopeError::MemberOrder
    }
}

fn shape(expected: &'static str, found: Option<&Value>) -> EnvelopeError {
    let found = match found {
        None => "nothing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a string",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    };
    EnvelopeError::Shape { expected, found }
}
