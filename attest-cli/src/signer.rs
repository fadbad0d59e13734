//! Whoever signs statements: a key file, or the user's own gpg and agent, so that no secret key leaves it.

use std::{
    fmt, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    str::FromStr,
};

use attest_core::{
    envelope::{Envelope, EnvelopeError, Signature, VerifiedStatement, pae},
    key::{KeyError, PublicKey, ed25519::SecretKey, openpgp},
};

use crate::files::{self, FileError};
use crate::host;

/// A key file is one line; the room is for a certificate named by mistake, to be told so.
const MAX_KEY_FILE: u64 = 64 << 10;
const FINGERPRINT_DIGITS: usize = 40;

/// `--signer FILE | gpg:FINGERPRINT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SignerSpec {
    /// An Ed25519 key that `attest key generate` wrote.
    File(PathBuf),
    /// A key of the user's keyring: 40 upper-case hex digits.
    Gpg(String),
}

impl FromStr for SignerSpec {
    type Err = SignerError;

    fn from_str(text: &str) -> Result<Self, SignerError> {
        let Some(fingerprint) = text.strip_prefix("gpg:") else {
            return Ok(Self::File(PathBuf::from(text)));
        };
        // A key id, a name or an address may match several keys: only a whole fingerprint is one key.
        if fingerprint.len() != FINGERPRINT_DIGITS || !fingerprint.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(SignerError::Fingerprint { found: fingerprint.to_owned() });
        }
        Ok(Self::Gpg(fingerprint.to_ascii_uppercase()))
    }
}

/// A signer that is ready.
#[derive(Debug)]
pub(crate) struct Signer {
    public: PublicKey,
    secret: Secret,
}

enum Secret {
    File(SecretKey),
    Gpg { fingerprint: String },
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File",
            Self::Gpg { .. } => "Gpg",
        })
    }
}

/// A key cannot be used, or what it signed does not hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignerError {
    #[error("expected gpg: and a fingerprint of {FINGERPRINT_DIGITS} hex digits, found {found:?}")]
    Fingerprint { found: String },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} can be read by others (mode {mode:04o}): expected 0600", .path.display())]
    Permissions { path: PathBuf, mode: u32 },
    #[error("{} is no key file", .path.display())]
    Key { path: PathBuf, source: KeyError },
    #[error("{} is an OpenPGP certificate: expected a key file, or gpg: and a fingerprint", .path.display())]
    Certificate { path: PathBuf },
    #[error("gpg cannot be run")]
    GpgMissing { source: io::Error },
    #[error("gpg failed ({status}): {words}")]
    GpgFailed { status: String, words: String },
    #[error("gpg has no key {fingerprint}")]
    GpgUnknown { fingerprint: String },
    #[error("gpg's key {fingerprint} cannot sign statements")]
    GpgCertificate { fingerprint: String, source: KeyError },
    #[error("gpg's signature is none that a statement may carry")]
    GpgSignature { source: KeyError },
    #[error("the envelope cannot be made")]
    Envelope(#[from] EnvelopeError),
}

impl SignerError {
    /// The next step.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Fingerprint { .. } => {
                Some("`gpg --list-secret-keys --with-subkey-fingerprint` shows fingerprints".to_owned())
            }
            Self::Certificate { .. } => Some(
                "it is the public half already: policies and logs take it as it stands; to sign, name gpg:FINGERPRINT"
                    .to_owned(),
            ),
            Self::Permissions { path, .. } => Some(format!("chmod 600 {}", path.display())),
            Self::GpgMissing { .. } => Some("install gnupg, or sign with a key file: `attest key generate`".to_owned()),
            Self::GpgUnknown { .. } => Some("`gpg --list-secret-keys` shows the keys you have".to_owned()),
            _ => None,
        }
    }
}

impl Signer {
    /// Opens a key file, or asks gpg for the certificate.
    pub(crate) fn open(spec: &SignerSpec) -> Result<Self, SignerError> {
        match spec {
            SignerSpec::File(path) => {
                let secret = read_secret(path)?;
                Ok(Self { public: PublicKey::Ed25519(secret.public()), secret: Secret::File(secret) })
            }
            SignerSpec::Gpg(fingerprint) => {
                let armored = gpg_certificate(fingerprint)?;
                let public = PublicKey::parse(&armored)
                    .map_err(|source| SignerError::GpgCertificate { fingerprint: fingerprint.clone(), source })?;
                Ok(Self { public, secret: Secret::Gpg { fingerprint: fingerprint.clone() } })
            }
        }
    }

    /// The half that everybody may know.
    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a statement, and verifies the envelope as everybody else will before anybody sees it.
    pub(crate) fn seal(&self, payload: Vec<u8>) -> Result<(Envelope, VerifiedStatement), SignerError> {
        let signature = self.sign(&pae(&payload))?;
        let envelope = Envelope::new(payload, signature)?;
        let verified = Envelope::parse(&envelope.to_bytes())?.verify(&self.public)?;
        Ok((envelope, verified))
    }

    /// Signs bytes that say by their beginning what they are: a DSSE PAE, or another context of ours.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Signature, SignerError> {
        Ok(match &self.secret {
            Secret::File(secret) => Signature::Ed25519(secret.sign(message)),
            Secret::Gpg { fingerprint } => {
                let made = gpg_sign(fingerprint, message)?;
                Signature::OpenPgp(openpgp::packet(&made).map_err(|source| SignerError::GpgSignature { source })?)
            }
        })
    }
}

fn read_secret(path: &Path) -> Result<SecretKey, SignerError> {
    let unreadable = |source| FileError::Read { path: path.to_owned(), source };
    let mode = host::mode(&fs::metadata(path).map_err(unreadable)?);
    let bytes = files::read(path, MAX_KEY_FILE)?;
    // Before the mode: a certificate is for everybody to read, and `chmod` would not make a key of it.
    if bytes.starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK") {
        return Err(SignerError::Certificate { path: path.to_owned() });
    }
    if mode & 0o077 != 0 {
        return Err(SignerError::Permissions { path: path.to_owned(), mode });
    }
    SecretKey::parse(String::from_utf8_lossy(&bytes).trim_end())
        .map_err(|source| SignerError::Key { path: path.to_owned(), source })
}

/// The certificate that a key or subkey belongs to, ASCII-armored, without other people's signatures.
pub(crate) fn gpg_certificate(fingerprint: &str) -> Result<String, SignerError> {
    let options = ["--armor", "--export-options", "export-minimal", "--export", fingerprint];
    let answer = gpg(&options, &[])?;
    let armored = String::from_utf8_lossy(&answer.stdout).into_owned();
    if armored.trim().is_empty() {
        return Err(SignerError::GpgUnknown { fingerprint: fingerprint.to_owned() });
    }
    Ok(armored)
}

/// `!` makes gpg use exactly this key; without it, gpg picks the newest subkey of its certificate.
fn gpg_sign(fingerprint: &str, message: &[u8]) -> Result<Vec<u8>, SignerError> {
    let key = format!("{fingerprint}!");
    let options = ["--local-user", &key, "--digest-algo", "SHA256", "--output", "-", "--detach-sign"];
    Ok(gpg(&options, message)?.stdout)
}

/// `--no-options`: a gpg.conf may ask for notations, comments or text mode, none of which a statement may carry.
fn gpg(options: &[&str], input: &[u8]) -> Result<Output, SignerError> {
    let missing = |source| SignerError::GpgMissing { source };
    let mut child = Command::new("gpg")
        .args(["--no-options", "--batch", "--quiet", "--no-auto-check-trustdb"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    if let Some(mut stdin) = child.stdin.take() {
        // gpg that gives up early closes its input; its own words below say why.
        let _closed = stdin.write_all(input);
    }
    let answer = child.wait_with_output().map_err(missing)?;
    if !answer.status.success() {
        let words = String::from_utf8_lossy(&answer.stderr).trim().replace('\n', "; ");
        return Err(SignerError::GpgFailed { status: answer.status.to_string(), words });
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_short_key_id_names_no_key() {
        for found in ["0123456789ABCDEF", "me@example.org", ""] {
            assert!(matches!(format!("gpg:{found}").parse::<SignerSpec>(), Err(SignerError::Fingerprint { .. })));
        }
        let whole = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(format!("gpg:{whole}").parse::<SignerSpec>().unwrap(), SignerSpec::Gpg(whole.to_uppercase()));
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, SecretKey::from_seed([7; 32]).to_secret_string()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Signer::open(&SignerSpec::File(path.clone()));
        assert!(matches!(refused, Err(SignerError::Permissions { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Signer::open(&SignerSpec::File(path)).is_ok());
    }
}
