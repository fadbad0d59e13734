//! The exact commands that check an entry's signature and leaf with nothing of ours: gpg for OpenPGP, openssl for Ed25519.

use attest_core::key::PublicKey;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::config::PublicUrl;

/// SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410 section 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What checks the hash that stands for the entry in the tree (RFC 6962 section 2.1).
pub(super) const LEAF: &str = "(printf '\\0'; cat envelope.json) | openssl dgst -sha256 -binary | base64";
/// What checks the statementId.
pub(super) const STATEMENT_ID: &str = "sha256sum pae";

/// How a signature is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// With gpg, in a keyring of its own.
    Gpg { commands: String, fingerprint: String },
    /// With openssl.
    OpenSsl { commands: String },
}

impl Check {
    /// For an entry that this rebuilder signed.
    pub(super) fn new(
        fingerprint: &str,
        certificate: Option<&str>,
        rebuilder: &str,
        index: u64,
        public: Option<&PublicUrl>,
    ) -> Option<Self> {
        let fetch = |names: &[String]| {
            let lines = names.iter().map(|path| public.map(|public| format!("curl -fO '{}'\n", public.join(path))));
            lines.collect::<Option<String>>().unwrap_or_default()
        };
        let mut files = vec![format!("entry/{index}/pae"), format!("entry/{index}/signature.sig")];
        if let Some(fingerprint) = fingerprint.strip_prefix("openpgp:")
            && certificate.is_some()
        {
            files.push(format!("rebuilder/{rebuilder}/certificate.asc"));
            let commands = format!(
                "{}mkdir -m 700 gnupg\ngpg --homedir ./gnupg --import certificate.asc\n\
                 gpg --homedir ./gnupg --verify signature.sig pae",
                fetch(&files)
            );
            return Some(Self::Gpg { commands, fingerprint: fingerprint.to_owned() });
        }
        let PublicKey::Ed25519(key) = PublicKey::parse(fingerprint).ok()? else {
            return None;
        };
        let pem = STANDARD.encode([SPKI.as_slice(), key.as_bytes().as_slice()].concat());
        let commands = format!(
            "{}cat > key.pem <<'EOF'\n-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\nEOF\n\
             openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in pae -sigfile signature.sig",
            fetch(&files)
        );
        Some(Self::OpenSsl { commands })
    }
}
