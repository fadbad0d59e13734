//! Asking for cosignatures, and giving them: [C2SP tlog-witness](https://c2sp.org/tlog-witness), `add-checkpoint`.
//!
//! In scope: the body of a request, the bodies of its answers, and what a witness decides. Out of scope: `sign-subtree`
//! (optional, needs ML-DSA), storage, HTTP.
//!
//! A request is the size that the witness is believed to have cosigned last, a consistency proof from there, and a
//! checkpoint:
//!
//! ```
//! use attest_core::witness::AddCheckpoint;
//!
//! let body = "\
//! old 3
//! +mHj3sNDlYn0eEyJO/Mh0AhPBMVyx68raOPzNgo1tIY=
//! ywCYnZSlacCmeK4EK2Pc1GJduWRAUX83put5duok7Us=
//!
//! log.test/a
//! 5
//! tnSPbtepnefahP2X4aO6xvq4mZ9KQ2lcq5Uoot5DEUc=
//!
//! — log.test/a Yc+sQrQ0CYMo4U1i2snTx+9Acjy4PDPCvBFJ2fBnCPJmfCjOTWi7+BXCZ3RbfPkcwk1Xq0GKTmRjcFQOOP4b2uRbjgU=
//! ";
//! let request = AddCheckpoint::parse(body.as_bytes())?;
//! assert_eq!(request.to_string(), body);
//! assert_eq!((request.origin(), request.old().get()), ("log.test/a", 3));
//! # Ok::<(), attest_core::witness::RequestError>(())
//! ```
//!
//! What a witness answers, in the order in which it looks. Each step has a type, so that none can be left out:
//!
//! | step | refused with | what is wrong |
//! |---|---|---|
//! | [`AddCheckpoint::parse`] | 400 | not a request |
//! | [`AddCheckpoint::verify`] | 404 | an origin that is not watched |
//! | | 403 | no signature by the log's key, or one that does not verify |
//! | | 400 | extension lines, which nobody can audit; an old size above the new one |
//! | [`SignedRequest::check`] | 409 | another old size than the one cosigned last, which the answer names |
//! | | 422 | not consistent with the tree cosigned last |
//! | [`Consistent::cosign`] | | gives [`Cosigned`]: to be stored, durably, before anybody sees it |

mod decide;
mod request;
mod response;

pub use decide::{Consistent, Cosigned, CosignedError, Refusal, SignedRequest, decide};
pub use request::{AddCheckpoint, RequestError};
pub use response::{ResponseError, SIZE_TYPE, origin_hash, parse_cosignatures, parse_size, print_size};
