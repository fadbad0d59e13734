//! The bodies of the answers to `add-checkpoint`.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::cosignature::{self, VerifiedCosignature};
use crate::merkle::{DecimalError, TreeSize};
use crate::note::{Note, NoteError, NoteSignature, VerifierKey};

/// Content type of the body of a 409.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// Name of a log in the URL of the monitoring endpoint, `GET PREFIX/HASH/checkpoint`: SHA-256 of its origin in lower-case
/// hex.
pub fn origin_hash(origin: &str) -> String {
    Sha256::digest(origin).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Body of a 409: the size that was cosigned last.
pub fn print_size(size: TreeSize) -> String {
    format!("{size}\n")
}

/// Parses the body of a 409. Some witnesses send it empty, where their specification asks for another status.
pub fn parse_size(body: &[u8]) -> Result<TreeSize, ResponseError> {
    /// 2^63 - 1 has 19 digits.
    const MAX_LEN: usize = 19 + 1;
    let text = body.get(..MAX_LEN.min(body.len())).and_then(|text| std::str::from_utf8(text).ok());
    let line = text.and_then(|text| text.strip_suffix('\n')).filter(|_| body.len() <= MAX_LEN);
    line.ok_or(ResponseError::SizeForm { found: body.len() })?.parse().map_err(ResponseError::Size)
}

/// Parses the body of a 200, one or more signature lines, and gives the newest cosignature of `text` by `witness`.
///
/// "The client MUST ignore any cosignatures from unknown keys"; one by the witness itself that does not verify refuses the
/// answer as a whole, as a note that held it would be refused.
pub fn parse_cosignatures(
    body: &[u8],
    text: &str,
    witness: &VerifierKey,
) -> Result<VerifiedCosignature, ResponseError> {
    if body.len() > Note::MAX_LEN {
        return Err(ResponseError::Length { found: body.len() });
    }
    let lines = std::str::from_utf8(body).ok().and_then(|lines| lines.strip_suffix('\n'));
    let lines = lines.ok_or(ResponseError::Form { found: body.len() })?;
    let found = lines.split('\n').count();
    if found > Note::MAX_SIGNATURES {
        return Err(ResponseError::TooManyLines { found });
    }
    let mut newest: Option<VerifiedCosignature> = None;
    for line in lines.split('\n') {
        let line: NoteSignature = line.parse()?;
        if witness.made(&line) {
            let verified = cosignature::verify(text, &line, witness)?;
            if newest.as_ref().is_none_or(|newest| newest.time() < verified.time()) {
                newest = Some(verified);
            }
        }
    }
    newest.ok_or_else(|| ResponseError::NoLine { expected: Box::new(witness.clone()) })
}

/// Why an answer gives nothing. The party at fault is the witness.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// Not UTF-8 lines that end in a newline.
    #[error("expected signature lines that end in a newline, found {found} bytes of something else")]
    Form {
        /// Bytes of the body.
        found: usize,
    },
    /// Larger than any note.
    #[error("expected an answer of at most {max} bytes, found {found}", max = Note::MAX_LEN)]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// A line that is none, or one by the witness that does not verify.
    #[error(transparent)]
    Line(#[from] NoteError),
    /// Lines, but none by the witness.
    #[error("expected a signature line by {expected}, found only lines by others")]
    NoLine {
        /// The witness that was asked.
        expected: Box<VerifierKey>,
    },
    /// A conflict that names no size.
    #[error("expected a size and a newline as the body of a conflict, found {found} bytes of something else")]
    SizeForm {
        /// Bytes of the body.
        found: usize,
    },
    /// A conflict whose size is none.
    #[error("size in the body of a conflict: {0}")]
    Size(#[source] DecimalError),
    /// More lines than a note may have.
    #[error("expected at most {max} signature lines, found {found}", max = Note::MAX_SIGNATURES)]
    TooManyLines {
        /// Lines found.
        found: usize,
    },
}
