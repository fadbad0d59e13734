//! A log as static files: what an export to an object store looks like, made without a sequencer.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use attest_core::{
    checkpoint::Checkpoint,
    merkle::{Frontier, NodeHash, TreeSize},
    note::{KeyName, KeyType, SignerKey, VerifierKey},
    tile::{BundleId, Entry, Resource, TILE_WIDTH, encode_bundle, encode_tile, new_tiles},
};
use flate2::{Compression, write::GzEncoder};

use crate::{
    forge::Forge,
    load::{self, Kind},
    stub::{Reply, Stub},
};

const WIDTH: u64 = TILE_WIDTH as u64;
/// Bundles that are signed at a time: 64 MiB of entries.
const SIGNED_AHEAD: u64 = 128;

/// The files of a log in the layout of tlog-tiles, and its key.
#[derive(Debug)]
pub struct StaticLog {
    folder: PathBuf,
    vkey: VerifierKey,
    size: u64,
}

impl StaticLog {
    /// The log of `entries` signed statements of this kind in `folder`; made there, unless it is there already. The same folder has the
    /// same key.
    ///
    /// # Errors
    /// When files cannot be written or statements not signed.
    pub fn make(folder: &Path, kind: Kind, entries: u64) -> Result<Self> {
        // A key for anybody: what is measured is not secret, and a folder can be used again.
        let key = SignerKey::from_seed(KeyName::new("static.example")?, KeyType::Ed25519, [5; 32]);
        let log = Self { folder: folder.to_owned(), vkey: key.verifier().clone(), size: entries };
        let made = fs::read_to_string(folder.join("checkpoint"));
        if made.is_ok_and(|note| note.lines().nth(1) == Some(&entries.to_string())) {
            return Ok(log);
        }
        let forge = Arc::new(Forge::new()?);
        let mut frontier = Frontier::new();
        let mut levels: Vec<Vec<NodeHash>> = Vec::new();
        for first in (0..entries).step_by(usize::try_from(SIGNED_AHEAD * WIDTH)?) {
            let count = (entries - first).min(SIGNED_AHEAD * WIDTH);
            let signed = load::sign(&forge, kind, &format!("static{first}x"), usize::try_from(count)?)?;
            let signed = signed.into_iter().map(|bytes| Ok(Entry::new(bytes.to_vec())?)).collect::<Result<Vec<_>>>()?;
            for entry in &signed {
                frontier.append_with(entry.leaf_hash(), |height, hash| {
                    let level = (height / 8) as usize;
                    if height % 8 == 0 {
                        levels.resize_with(levels.len().max(level + 1), Vec::new);
                        levels[level].push(hash);
                    }
                });
            }
            for (index, bundle) in (first / WIDTH..).zip(signed.chunks(usize::from(TILE_WIDTH))) {
                let id = BundleId::new(index, u16::try_from(bundle.len())?)?;
                let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
                std::io::Write::write_all(&mut gzip, &encode_bundle(bundle))?;
                log.write(Resource::Bundle(id), &gzip.finish()?)?;
            }
        }
        for tile in new_tiles(TreeSize::ZERO, TreeSize::new(entries)) {
            let first = usize::try_from(tile.index() * WIDTH)?;
            let hashes = &levels[usize::from(tile.level())][first..first + usize::from(tile.width())];
            log.write(Resource::Tile(tile), &encode_tile(hashes))?;
        }
        let checkpoint = Checkpoint { origin: key.verifier().name().to_string(), head: frontier.head() };
        log.write(Resource::Checkpoint, checkpoint.sign(&key)?.note().to_string().as_bytes())?;
        Ok(log)
    }

    /// The log's key.
    pub const fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// Entries in it.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Serves the files on loopback, as any static file server would.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn serve(&self) -> Result<Stub> {
        let folder = self.folder.clone();
        Stub::serve(move |request| {
            let path = request.path.trim_start_matches('/');
            // What does not parse is no path of a log, and leads nowhere else.
            let Ok(resource) = path.parse::<Resource>() else { return Reply::status(404) };
            let Ok(bytes) = fs::read(folder.join(path)) else { return Reply::status(404) };
            let encoding = matches!(resource, Resource::Bundle(_)).then_some("gzip");
            Reply::ok("application/octet-stream", bytes).encoded(encoding)
        })
    }

    fn write(&self, resource: Resource, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(resource.to_string());
        fs::create_dir_all(path.parent().context("a resource has a folder")?)?;
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
    }
}
