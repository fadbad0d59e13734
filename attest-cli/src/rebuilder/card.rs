//! The introduction card: who a rebuilder says it is, signed with the key that it will sign statements with.
//!
//! ```json
//! {
//!   "schema": "https://w3id.org/attest/introduction/v1",
//!   "name": "alice",
//!   "group": "university",
//!   "contact": "alice@example.org",
//!   "url": "https://rebuilder.example.org",
//!   "key": "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
//!   "proof": "BASE64"
//! }
//! ```
//!
//! `proof` is a signature over [`CONTEXT`] and the canonical JSON (RFC 8785) of the card without it. It shows that whoever
//! made the card holds the key, and nothing else: name, group and contact are for a person to check.
//! JSON Schema: `schemas/introduction.schema.json`.

use attest_core::{
    envelope::Signature,
    ijson,
    key::{KeyError, PublicKey},
    policy::{GroupName, PartyName},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::signer::{Signer, SignerError};

/// The value of `schema`.
pub(crate) const SCHEMA: &str = "https://w3id.org/attest/introduction/v1";
/// In front of what is signed. A DSSE PAE starts with other bytes and a signed note ends with a line end, so no statement
/// or checkpoint can be passed off as a card, nor a card as one.
const CONTEXT: &[u8] = b"attest/introduction/v1\n";
/// An armored certificate in JSON, and a signature by it.
pub(crate) const MAX_CARD: u64 = 512 << 10;
/// Longest contact or URL, in bytes.
const MAX_TEXT: usize = 256;
const ED25519_SIGNATURE: usize = 64;

/// What a card says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Introduction {
    name: PartyName,
    group: GroupName,
    contact: String,
    url: Option<String>,
    key: PublicKey,
    /// `ed25519:BASE64`, or the certificate as it was given.
    key_text: String,
}

/// An introduction whose proof holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Card {
    introduction: Introduction,
    proof: Vec<u8>,
}

/// Why a card is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CardError {
    #[error("expected a card of at most {MAX_CARD} bytes, found {found}")]
    TooLarge { found: usize },
    #[error("expected an introduction card")]
    Form(#[from] ijson::IJsonError),
    #[error("expected schema {SCHEMA}, found {found:?}")]
    Schema { found: String },
    #[error("expected a {field} of 1 to 128 ASCII letters, digits or -_.:/@+, found {found:?}")]
    Name { field: &'static str, found: String },
    #[error("expected a {field} of 1 to {MAX_TEXT} printable ASCII characters without spaces, found {found:?}")]
    Text { field: &'static str, found: String },
    #[error("expected an http or https URL without credentials, query or fragment, found {found:?}")]
    Url { found: String },
    #[error("the card's key is unusable")]
    Key { source: KeyError },
    #[error("expected a key that is not revoked, found that {fingerprint} says it is")]
    Revoked { fingerprint: String },
    #[error("expected a proof in base64")]
    ProofForm,
    #[error("whoever made this card does not show that they hold its key")]
    Proof { source: KeyError },
    #[error("expected the card exactly as `attest rebuilder card` prints it, found it rewritten")]
    Spelling,
    #[error(transparent)]
    Signer(#[from] SignerError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    schema: String,
    name: String,
    group: String,
    contact: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    key: String,
    proof: String,
}

impl Introduction {
    /// `key` is `ed25519:BASE64` or an armored certificate.
    pub(crate) fn new(name: &str, group: &str, contact: &str, url: Option<&str>, key: &str) -> Result<Self, CardError> {
        let public = PublicKey::parse(key).map_err(|source| CardError::Key { source })?;
        if public.is_revoked() {
            return Err(CardError::Revoked { fingerprint: public.fingerprint() });
        }
        Ok(Self {
            name: PartyName::new(name).ok_or_else(|| refused_name("name", name))?,
            group: GroupName::new(group).ok_or_else(|| refused_name("group", group))?,
            contact: printable("contact", contact)?,
            url: url.map(http_url).transpose()?,
            key: public,
            key_text: key.to_owned(),
        })
    }

    /// Of the party.
    pub(crate) fn name(&self) -> &PartyName {
        &self.name
    }

    /// Whose vote it says it is. Groups come from the policy alone: this is a proposal.
    pub(crate) fn group(&self) -> &GroupName {
        &self.group
    }

    /// Mail address or URL.
    pub(crate) fn contact(&self) -> &str {
        &self.contact
    }

    /// What it signs with.
    pub(crate) fn key(&self) -> &PublicKey {
        &self.key
    }

    /// What its statements give as `rebuilder.id`: where its results are served, or its key's fingerprint.
    pub(crate) fn id(&self) -> String {
        self.url.clone().unwrap_or_else(|| self.key.fingerprint())
    }

    /// The certificate, where the key is an OpenPGP one.
    pub(crate) fn certificate(&self) -> Option<&str> {
        matches!(self.key, PublicKey::OpenPgp(_)).then_some(self.key_text.as_str())
    }

    /// What the proof is a signature over.
    fn message(&self) -> Vec<u8> {
        let mut card = json!({
            "schema": SCHEMA,
            "name": self.name.as_str(),
            "group": self.group.as_str(),
            "contact": self.contact,
            "key": self.key_text,
        });
        if let Some(url) = &self.url {
            card["url"] = json!(url);
        }
        [CONTEXT, &ijson::to_canonical(&card)].concat()
    }
}

impl Card {
    /// Signs an introduction with its own key.
    pub(crate) fn sign(introduction: Introduction, signer: &Signer) -> Result<Self, CardError> {
        let proof = match signer.sign(&introduction.message())? {
            Signature::Ed25519(raw) => raw.to_vec(),
            Signature::OpenPgp(packet) => packet,
        };
        Self::prove(introduction, proof)
    }

    /// Reads a card and checks its proof.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, CardError> {
        if bytes.len() as u64 > MAX_CARD {
            return Err(CardError::TooLarge { found: bytes.len() });
        }
        let wire: Wire = ijson::from_slice(bytes)?;
        if wire.schema != SCHEMA {
            return Err(CardError::Schema { found: wire.schema });
        }
        let introduction = Introduction::new(&wire.name, &wire.group, &wire.contact, wire.url.as_deref(), &wire.key)?;
        let proof = BASE64_STANDARD.decode(&wire.proof).map_err(|_| CardError::ProofForm)?;
        let card = Self::prove(introduction, proof)?;
        // Two readers must see one card: there is one text of it.
        if card.to_text().as_bytes() == bytes { Ok(card) } else { Err(CardError::Spelling) }
    }

    fn prove(introduction: Introduction, proof: Vec<u8>) -> Result<Self, CardError> {
        let message = introduction.message();
        let held = match &introduction.key {
            PublicKey::Ed25519(key) => {
                let raw: [u8; ED25519_SIGNATURE] = proof.as_slice().try_into().map_err(|_| CardError::ProofForm)?;
                key.verify(&message, &raw)
            }
            PublicKey::OpenPgp(certificate) => certificate.verify(&message, &proof),
        };
        held.map_err(|source| CardError::Proof { source })?;
        Ok(Self { introduction, proof })
    }

    /// What it says.
    pub(crate) fn introduction(&self) -> &Introduction {
        &self.introduction
    }

    /// The one text of it.
    pub(crate) fn to_text(&self) -> String {
        let Introduction { name, group, contact, url, key_text, .. } = &self.introduction;
        let wire = Wire {
            schema: SCHEMA.to_owned(),
            name: name.to_string(),
            group: group.to_string(),
            contact: contact.clone(),
            url: url.clone(),
            key: key_text.clone(),
            proof: BASE64_STANDARD.encode(&self.proof),
        };
        // Strings always serialize.
        serde_json::to_string_pretty(&wire).map(|text| text + "\n").unwrap_or_default()
    }

    /// `[[rebuilder]]` of a policy; `group` is the policy's own idea of whose vote it is.
    pub(crate) fn for_policy(&self, group: Option<&str>) -> String {
        let Introduction { name, group: proposed, key, .. } = &self.introduction;
        let group = quoted(group.unwrap_or(proposed.as_str()));
        let (name, key) = (quoted(name.as_str()), quoted(&key.fingerprint()));
        let id = quoted(&self.introduction.id());
        let table =
            format!("[[rebuilder]]\nname = {name}\ngroup = {group}\nstatus = \"current\"\nid = {id}\nkey = {key}\n");
        table + &self.certificate()
    }

    /// `[[rebuilder]]` of the file that `attest-server --rebuilders` reads.
    pub(crate) fn for_log(&self) -> String {
        let Introduction { name, contact, key, .. } = &self.introduction;
        let (name, contact) = (quoted(name.as_str()), quoted(contact));
        let table =
            format!("[[rebuilder]]\nname = {name}\nurl = {}\ncontact = {contact}\n", quoted(&self.introduction.id()));
        match self.certificate() {
            none if none.is_empty() => table + &format!("key = {}\n", quoted(&key.fingerprint())),
            certificate => table + &certificate,
        }
    }

    /// Armor is base64 and a few headers; as a TOML value it is escaped, whatever the headers hold.
    fn certificate(&self) -> String {
        self.introduction.certificate().map(|armor| format!("certificate = {}\n", quoted(armor))).unwrap_or_default()
    }
}

fn refused_name(field: &'static str, found: &str) -> CardError {
    CardError::Name { field, found: found.chars().take(MAX_TEXT).collect() }
}

/// Safe to print, and of one reading: no control characters, no look-alikes.
fn printable(field: &'static str, text: &str) -> Result<String, CardError> {
    if (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(CardError::Text { field, found: text.chars().take(MAX_TEXT).collect() })
}

fn http_url(text: &str) -> Result<String, CardError> {
    let text = printable("url", text)?;
    let plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    if Url::parse(&text).as_ref().is_ok_and(plain) { Ok(text) } else { Err(CardError::Url { found: text }) }
}

/// As a TOML basic string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests;
