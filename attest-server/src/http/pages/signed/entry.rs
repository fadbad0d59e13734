//! `/entry/INDEX/`: one entry, the path that proves it, and everything it takes to check both elsewhere.

use std::sync::Arc;

use askama::Template;
use attest_core::{
    api::{self, record::EntryView},
    cosignature,
    envelope::{Envelope, Signature},
    escape::escaped_json,
    proof::TlogProof,
    time::Timestamp,
};
use axum::{
    extract::{Request, State},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    Document, FRESH, LONG,
    account::Account,
    answer, check,
    check::Check,
    mentions::{self, Mentions},
    nothing,
    path::{self, NodeKind, Picture, Step},
    send, visible,
};
use crate::http::{
    Site,
    pages::{
        asked::Asked,
        frame::{Frame, Section},
        look::Look,
        shown,
        wrong::Wrong,
    },
    views::{self, ViewError},
};
use crate::record::query::Key;

/// A cosignature is a time of eight bytes and a signature of 64 (c2sp.org/tlog-cosignature).
const COSIGNATURE: usize = 72;

#[derive(Debug, Template)]
#[template(path = "signed/entry.html")]
struct EntryPage {
    frame: Frame,
    way: Vec<(String, String)>,
    json_path: String,
    view: Arc<EntryView>,
    account: Option<Account>,
    json: Option<String>,
    signature: Option<(&'static str, String)>,
    mentions: Mentions,
    check: Option<Check>,
    picture: Picture,
    steps: Vec<Step>,
    signers: Vec<Signer>,
    size: u64,
    index: u64,
}

/// Who signed the checkpoint.
#[derive(Debug)]
struct Signer {
    name: String,
    is_log: bool,
    time: Option<Timestamp>,
}

/// `/entry/INDEX/`.
pub(super) async fn page(State(site): State<Arc<Site>>, request: Request) -> Response {
    let draw = |site: &Site, asked: &Asked, frame: Frame| {
        let view = find(site, asked)?;
        asked.must_be(&format!("entry/{}/", view.row.index))?;
        Ok(EntryPage::new(site, frame.at(Section::Entries), view)?.render()?)
    };
    answer::show(site, request, draw).await
}

/// `/entry/INDEX/envelope.json`: the entry's bytes, where they are a statement's envelope.
pub(super) async fn envelope(State(site): State<Arc<Site>>, request: Request) -> Response {
    let make = |site: &Site, asked: &Asked| {
        Ok(Document::new("application/json", LONG, found_envelope(site, asked)?.to_bytes()))
    };
    send(site, request, make).await
}

/// `/entry/INDEX/entry.bin`: the entry's bytes, whatever they are.
pub(super) async fn raw(State(site): State<Arc<Site>>, request: Request) -> Response {
    let make = |site: &Site, asked: &Asked| {
        let bytes = match &*find(site, asked)? {
            EntryView { envelope: Some(text), .. } => text.clone().into_bytes(),
            EntryView { entry_base64, .. } => {
                STANDARD.decode(entry_base64.as_deref().unwrap_or_default()).map_err(|_| Wrong::Interrupted)?
            }
        };
        Ok(Document::new("application/octet-stream", LONG, bytes))
    };
    send(site, request, make).await
}

/// `/entry/INDEX/entry.tlog-proof`.
pub(super) async fn proof(State(site): State<Arc<Site>>, request: Request) -> Response {
    let make = |site: &Site, asked: &Asked| {
        Ok(Document::new("text/plain; charset=utf-8", FRESH, find(site, asked)?.proof.clone()))
    };
    send(site, request, make).await
}

/// `/entry/INDEX/pae`: the bytes that were signed.
pub(super) async fn pae(State(site): State<Arc<Site>>, request: Request) -> Response {
    let make = |site: &Site, asked: &Asked| {
        Ok(Document::new("application/octet-stream", LONG, found_envelope(site, asked)?.pae().to_vec()))
    };
    send(site, request, make).await
}

/// `/entry/INDEX/signature.sig`: a detached OpenPGP signature, or 64 bytes of Ed25519.
pub(super) async fn signature(State(site): State<Arc<Site>>, request: Request) -> Response {
    let make = |site: &Site, asked: &Asked| {
        Ok(match found_envelope(site, asked)?.signature() {
            Signature::Ed25519(raw) => Document::new("application/octet-stream", LONG, raw.to_vec()),
            Signature::OpenPgp(packet) => Document::new("application/pgp-signature", LONG, packet.clone()),
        })
    };
    send(site, request, make).await
}

impl EntryPage {
    fn new(site: &Site, frame: Frame, view: Arc<EntryView>) -> Result<Self, Wrong> {
        let index = view.row.index;
        let account = Account::of(&view);
        let mentions = mentions::of(site, &view, account.as_ref())?;
        let key = |id: &String| Ok::<_, ViewError>(views::key(site, id)?.map(|key| (id.clone(), key)));
        let signer = view.row.by.id.as_ref().map(key).transpose()?.flatten();
        let check = signer.and_then(|(id, Key { fingerprint, certificate })| {
            Check::new(&fingerprint, certificate.as_deref(), &id, index, site.public_url.as_ref())
        });
        Ok(Self {
            frame,
            way: vec![
                ("entries/".to_owned(), "Entries".to_owned()),
                (format!("entry/{index}/"), format!("Entry {index}")),
            ],
            json_path: format!("{}/{index}", api::record::ENTRIES.trim_start_matches('/')),
            json: view.statement.as_ref().map(pretty),
            signature: envelope_of(&view).map(|envelope| signature_words(envelope.signature())),
            picture: path::draw(&view),
            steps: path::steps(&view),
            signers: signers(&view.proof, &site.origin),
            size: view.size,
            index,
            account,
            mentions,
            check,
            view,
        })
    }
}

fn find(site: &Site, asked: &Asked) -> Result<Arc<EntryView>, Wrong> {
    let index = asked.index(1)?.ok_or(Wrong::Malformed { what: "Expected the index of an entry." })?;
    asked.entry(index, || views::entry(site, index))?.ok_or(nothing("The log has no entry of that index yet."))
}

fn found_envelope(site: &Site, asked: &Asked) -> Result<Envelope, Wrong> {
    let view = find(site, asked)?;
    envelope_of(&view).ok_or(nothing("That entry is no envelope around a statement."))
}

fn envelope_of(view: &EntryView) -> Option<Envelope> {
    Envelope::parse(view.envelope.as_ref()?.as_bytes()).ok()
}

fn signature_words(signature: &Signature) -> (&'static str, String) {
    match signature {
        Signature::Ed25519(raw) => ("Ed25519 (RFC 8032), 64 bytes, in base64", STANDARD.encode(raw)),
        Signature::OpenPgp(packet) => ("OpenPGP, one detached signature packet, in base64", STANDARD.encode(packet)),
    }
}

/// JSON over several lines.
fn pretty(statement: &Value) -> String {
    // A value always serialises.
    let text = serde_json::to_string_pretty(statement).unwrap_or_default();
    escaped_json(&text).into_owned()
}

/// Whose lines are below the checkpoint of a proof. Nobody's signature is checked here: whoever relies on it does.
fn signers(proof: &str, origin: &str) -> Vec<Signer> {
    let Ok(proof) = TlogProof::parse(proof.as_bytes()) else {
        return Vec::new();
    };
    let signers = proof.checkpoint.note().signatures().iter().map(|line| {
        let is_log = line.name().as_str() == origin;
        let time = line.blob().split_first_chunk::<8>().filter(|_| !is_log && line.blob().len() == COSIGNATURE);
        let time = time.map(|(time, _)| Timestamp::from_secs(u64::from_be_bytes(*time)));
        let time = time.filter(|time| *time <= cosignature::MAX_TIME);
        Signer { name: visible(line.name().as_str()), is_log, time }
    });
    signers.collect()
}

#[cfg(test)]
mod tests;
