//! A log that says whatever a test wants: the specification in a few lines, and every way to break it.

use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use attest_core::{
    checkpoint::Checkpoint,
    merkle::{Frontier, LeafHash, NodeHash, TreeHead},
    note::{KeyName, KeyType, SignerKey},
    tile::{Entry, Resource, encode_bundle, encode_tile, tile_root},
};
use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use flate2::{Compression, write::GzEncoder};

/// Everything that a fake log serves, by path.
#[derive(Clone, Default)]
pub(crate) struct Content(BTreeMap<String, Served>);

#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) status: u16,
    pub(crate) gzip: bool,
    pub(crate) body: Vec<u8>,
}

impl Served {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, gzip: false, body: body.into() }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, gzip: false, body: b"no".to_vec() }
    }
}

/// The key of the log `name`.
pub(crate) fn key(name: &str) -> SignerKey {
    SignerKey::from_seed(KeyName::new(name).unwrap(), KeyType::Ed25519, [9; 32])
}

pub(crate) fn head(entries: &[Vec<u8>]) -> TreeHead {
    let mut frontier = Frontier::new();
    for entry in entries {
        frontier.append(LeafHash::of(entry));
    }
    frontier.head()
}

/// The signed checkpoint over these entries.
pub(crate) fn checkpoint(key: &SignerKey, entries: &[Vec<u8>]) -> String {
    signed(key, head(entries))
}

pub(crate) fn signed(key: &SignerKey, head: TreeHead) -> String {
    let origin = key.verifier().name().as_str().to_owned();
    Checkpoint { origin, head }.sign(key).unwrap().note().to_string()
}

impl Content {
    /// What an honest log with exactly these entries serves: checkpoint, tiles, bundles, partial ones where they are.
    pub(crate) fn honest(key: &SignerKey, entries: &[Vec<u8>]) -> Self {
        let mut content = Self::default();
        content.put("checkpoint", Served::ok(checkpoint(key, entries)));
        for (index, bundle) in entries.chunks(256).enumerate() {
            let bundle: Vec<Entry> = bundle.iter().map(|entry| Entry::new(entry.clone()).unwrap()).collect();
            let path = path("entries", index, bundle.len());
            let served = Served { status: 200, gzip: true, body: gzip(&encode_bundle(&bundle)) };
            content.put(&path, served);
        }
        let mut hashes: Vec<NodeHash> = entries.iter().map(|entry| LeafHash::of(entry).into()).collect();
        let mut level = 0;
        while !hashes.is_empty() {
            for (index, tile) in hashes.chunks(256).enumerate() {
                let path = path(&level.to_string(), index, tile.len());
                content.put(&path, Served::ok(encode_tile(tile)));
            }
            hashes = hashes.as_chunks::<256>().0.iter().map(tile_root).collect();
            level += 1;
        }
        content
    }

    pub(crate) fn put(&mut self, path: &str, served: Served) {
        self.0.insert(path.to_owned(), served);
    }

    /// Adds what `other` serves at paths where this serves nothing.
    pub(crate) fn fill(&mut self, other: &Self) {
        for (path, served) in &other.0 {
            self.0.entry(path.clone()).or_insert_with(|| served.clone());
        }
    }

    pub(crate) fn remove(&mut self, path: &str) -> Option<Served> {
        self.0.remove(path)
    }

    pub(crate) fn get_mut(&mut self, path: &str) -> &mut Served {
        self.0.get_mut(path).unwrap()
    }

    /// Every path that is served.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `index` is small here, so that the path of a tile is three digits.
fn path(level: &str, index: usize, width: usize) -> String {
    let path = match width {
        256 => format!("tile/{level}/{index:03}"),
        width => format!("tile/{level}/{index:03}.p/{width}"),
    };
    assert_eq!(path.parse::<Resource>().unwrap().to_string(), path);
    path
}

/// A fake log on loopback, in a thread of its own.
pub(crate) struct FakeLog {
    url: String,
    content: Arc<Mutex<Content>>,
    requests: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl FakeLog {
    pub(crate) fn serve(content: Content) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let content = Arc::new(Mutex::new(content));
        let requests = Arc::new(AtomicUsize::new(0));
        let (shared, count) = (Arc::clone(&content), Arc::clone(&requests));
        let router = Router::new().fallback(move |request: Request<Body>| {
            count.fetch_add(1, Ordering::SeqCst);
            let path = request.uri().path().trim_start_matches('/').to_owned();
            let served = shared.lock().unwrap().0.get(&path).cloned();
            async move { answer(served) }
        });
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, content, requests, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on it serves this.
    pub(crate) fn show(&self, content: Content) {
        *self.content.lock().unwrap() = content;
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn answer(served: Option<Served>) -> Response {
    let Some(served) = served else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let status = StatusCode::from_u16(served.status).unwrap();
    let mut response = (status, served.body).into_response();
    if served.gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    }
    response
}
