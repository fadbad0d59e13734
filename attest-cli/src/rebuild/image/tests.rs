use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tar::EntryType;

use super::layout::LayoutError;
use super::unpack::{UnpackError, Unpacker};
use super::*;
use crate::rebuild::fixture::header;

/// Entries of a layer: name, kind, content or target.
type Entries<'a> = &'a [(&'a str, EntryType, &'a str)];

fn layer(entries: Entries<'_>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, text) in entries {
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        let content = if *kind == EntryType::Regular { text.as_bytes() } else { b"" };
        let mut header = header(name, *kind, content.len());
        header.set_mode(0o4755);
        if is_link {
            header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
        }
        header.set_cksum();
        tar.append(&header, content).unwrap();
    }
    tar.into_inner().unwrap()
}

fn apply(layers: &[Entries<'_>]) -> (tempfile::TempDir, Result<(), UnpackError>) {
    let folder = tempfile::tempdir().unwrap();
    let mut unpacker = Unpacker::new(folder.path().join("root")).unwrap();
    let end = layers.iter().try_for_each(|entries| unpacker.apply(&mut layer(entries).as_slice()));
    (folder, end)
}

fn file<'a>(name: &'a str, text: &'a str) -> (&'a str, EntryType, &'a str) {
    (name, EntryType::Regular, text)
}

#[test]
fn layers_that_lead_out_of_the_image_are_refused_and_write_nothing_there() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "safe").unwrap();
    let (outside, victim) = (outside.path().to_str().unwrap(), victim.to_str().unwrap());
    let link = |name, target| (name, EntryType::Symlink, target);
    let hard = |name, target| (name, EntryType::Link, target);
    let attacks: [&[Entries<'_>]; 11] = [
        &[&[file("../victim", "x")]],
        &[&[file("a/../../victim", "x")]],
        &[&[file(victim, "x")]],
        // Through a link of this layer, or of an earlier one.
        &[&[link("out", outside), file("out/victim", "x")]],
        &[&[link("out", outside)], &[file("out/victim", "x")]],
        &[&[link("out", outside)], &[("out/victim/below", EntryType::Directory, "")]],
        &[&[link("out", outside)], &[file("out/.wh.victim", "")]],
        &[&[link("out", outside)], &[file("out/.wh..wh..opq", "")]],
        &[&[hard("here", victim)]],
        &[&[hard("here", "../victim")]],
        &[&[link("out", victim), hard("here", "out")]],
    ];
    for (at, layers) in attacks.iter().enumerate() {
        let (_folder, end) = apply(layers);
        let error = end.unwrap_err();
        let refused = matches!(error, UnpackError::Path { .. } | UnpackError::Parent { .. } | UnpackError::Link { .. });
        assert!(refused, "{at}: {error}");
        assert_eq!(fs::read_to_string(victim).unwrap(), "safe", "{at}");
    }
    let (_folder, end) = apply(&[&[file(".wh..", "")]]);
    assert!(matches!(end.unwrap_err(), UnpackError::Path { .. }));
}

#[test]
fn a_link_with_any_target_is_kept_and_one_in_the_place_of_a_file_is_replaced_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "safe").unwrap();
    let target = victim.to_str().unwrap();
    let (folder, end) = apply(&[&[("x", EntryType::Symlink, target)], &[file("x", "new")]]);
    end.unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "safe");
    let path = folder.path().join("root/x");
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
    assert_eq!(fs::read_to_string(path).unwrap(), "new");
    let (folder, end) = apply(&[&[("x", EntryType::Symlink, target)], &[file(".wh.x", "")]]);
    end.unwrap();
    assert!(victim.exists() && fs::symlink_metadata(folder.path().join("root/x")).is_err());
}

#[test]
fn whiteouts_hide_what_lower_layers_brought_and_nothing_of_their_own_layer() {
    let (folder, end) = apply(&[
        &[file("a/old", "1"), file("a/sub/old", "1"), file("b/gone", "1"), file("b/stays", "1")],
        &[file("a/new", "2"), file("a/.wh..wh..opq", ""), file("b/.wh.gone", ""), file("a/later", "2")],
    ]);
    end.unwrap();
    let root = folder.path().join("root");
    for (name, there) in
        [("a/old", false), ("a/sub", false), ("a/new", true), ("a/later", true), ("b/gone", false), ("b/stays", true)]
    {
        assert_eq!(root.join(name).exists(), there, "{name}");
    }
}

#[test]
fn devices_are_left_out_and_no_file_sets_a_user_id() {
    let (folder, end) = apply(&[&[
        ("dev/sda", EntryType::Block, ""),
        ("pipe", EntryType::Fifo, ""),
        file("bin/su", "x"),
        ("bin/also", EntryType::Link, "bin/su"),
    ]]);
    end.unwrap();
    let root = folder.path().join("root");
    assert!(!root.join("dev/sda").exists() && !root.join("pipe").exists());
    assert_eq!(fs::metadata(root.join("bin/su")).unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(fs::read_to_string(root.join("bin/also")).unwrap(), "x");
}

/// A layout with one image of one layer; `change` may spoil its documents.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new(layer: &[u8], change: impl Fn(&str, &mut Value)) -> (Self, ArtifactDigest) {
        let folder = tempfile::tempdir().unwrap();
        let scene = Self { folder };
        fs::create_dir_all(scene.folder.path().join("blobs/sha256")).unwrap();
        fs::write(scene.folder.path().join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        std::io::Write::write_all(&mut gz, layer).unwrap();
        let gz = gz.finish().unwrap();
        let blob = scene.blob(&gz);
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = json!({"os": "linux", "architecture": architecture, "config": {"Env": ["PATH=/bin", "A=b=c"]}});
        let config = scene.document("config", config, &change);
        let manifest = json!({
            "schemaVersion": 2,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": format!("sha256:{config}"), "size": 1},
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": format!("sha256:{blob}"),
                "size": gz.len(),
            }],
        });
        let digest = scene.document("manifest", manifest, &change);
        (scene, digest)
    }

    fn blob(&self, bytes: &[u8]) -> ArtifactDigest {
        let digest = ArtifactDigest::of(bytes);
        fs::write(self.path(digest), bytes).unwrap();
        digest
    }

    fn path(&self, digest: ArtifactDigest) -> PathBuf {
        self.folder.path().join("blobs/sha256").join(digest.to_string())
    }

    fn document(&self, name: &str, mut value: Value, change: &impl Fn(&str, &mut Value)) -> ArtifactDigest {
        change(name, &mut value);
        self.blob(value.to_string().as_bytes())
    }

    fn unpack(&self, digest: ArtifactDigest) -> (tempfile::TempDir, Result<PathBuf, String>) {
        let cache = tempfile::tempdir().unwrap();
        let end = unpacked(digest, self.folder.path(), cache.path()).map_err(|error| format!("{error:#}"));
        (cache, end)
    }
}

#[test]
fn an_image_is_unpacked_by_the_digest_of_its_manifest_or_of_an_index_of_them() {
    let (scene, digest) = Scene::new(&layer(&[file("bin/tool", "x")]), |_, _| {});
    let (_cache, path) = scene.unpack(digest);
    let path = path.unwrap();
    assert_eq!(fs::read_to_string(path.join("root/bin/tool")).unwrap(), "x");
    assert_eq!(fs::read_to_string(path.join("variables.json")).unwrap(), r#"{"A":"b=c","PATH":"/bin"}"#);
    let platform = |architecture: &str, digest: ArtifactDigest| json!({"mediaType": "x", "size": 1, "digest": format!("sha256:{digest}"), "platform": {"os": "linux", "architecture": architecture}});
    let ours = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let other = platform("s390x", ArtifactDigest::of(b"x"));
    let index = json!({"schemaVersion": 2, "manifests": [other, platform(ours, digest)]});
    let index = scene.blob(index.to_string().as_bytes());
    let (_cache, path) = scene.unpack(index);
    assert!(path.unwrap().join("root/bin/tool").exists());
    let index = scene.blob(json!({"manifests": [other]}).to_string().as_bytes());
    assert!(scene.unpack(index).1.unwrap_err().contains("found linux/s390x"));
}

#[test]
fn a_layer_of_zstd_is_unpacked_and_held_to_its_digest() {
    let tar = layer(&[file("bin/tool", "x")]);
    let (scene, digest) = Scene::new(&tar, |_, _| {});
    let frames = |tar: &[u8]| ruzstd::encoding::compress_to_vec(tar, ruzstd::encoding::CompressionLevel::Fastest);
    // As several frames, which is how layers are made that can be fetched by pieces.
    let bytes = [frames(&tar[..700]), frames(&tar[700..])].concat();
    let blob = scene.blob(&bytes);
    let mut manifest: Value = serde_json::from_slice(&fs::read(scene.path(digest)).unwrap()).unwrap();
    let layer = &mut manifest["layers"][0];
    layer["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+zstd");
    (layer["digest"], layer["size"]) = (json!(format!("sha256:{blob}")), json!(bytes.len()));
    let digest = scene.blob(manifest.to_string().as_bytes());
    let (_cache, path) = scene.unpack(digest);
    assert_eq!(fs::read_to_string(path.unwrap().join("root/bin/tool")).unwrap(), "x");

    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(scene.path(blob), other).unwrap();
    let (cache, end) = scene.unpack(digest);
    assert!(end.is_err());
    assert_eq!(fs::read_dir(cache.path().join("images")).unwrap().count(), 0);
}

#[test]
fn blobs_with_other_digests_and_documents_of_two_kinds_are_refused_and_leave_nothing() {
    let tar = layer(&[file("bin/tool", "x")]);
    let (scene, digest) = Scene::new(&tar, |_, _| {});
    // Another layer under the name of the first: of the same size, and a good gzip as well.
    let manifest: Value = serde_json::from_slice(&fs::read(scene.path(digest)).unwrap()).unwrap();
    let name: ArtifactDigest = manifest["layers"][0]["digest"].as_str().unwrap()[7..].parse().unwrap();
    let mut bytes = fs::read(scene.path(name)).unwrap();
    // A byte of the gzip header that means nothing: its time.
    bytes[4] ^= 1;
    fs::write(scene.path(name), &bytes).unwrap();
    let (cache, end) = scene.unpack(digest);
    assert!(end.unwrap_err().contains("expected a blob with sha256"));
    assert_eq!(fs::read_dir(cache.path().join("images")).unwrap().count(), 0);
    bytes.push(0);
    fs::write(scene.path(name), &bytes).unwrap();
    assert!(scene.unpack(digest).1.unwrap_err().contains("expected a layer of"));
    // The manifest itself.
    fs::write(scene.path(digest), "{}").unwrap();
    assert!(scene.unpack(digest).1.unwrap_err().contains("expected a blob with sha256"));
    let changes = [
        ("manifest", "/manifests", json!([]), "either a manifest"),
        ("manifest", "/layers", json!([]), "an image with layers"),
        ("manifest", "/layers/0/digest", json!("md5:00"), "sha256:HEX"),
        ("manifest", "/layers/0/digest", json!("sha256:../../x"), "sha256:HEX"),
        ("manifest", "/layers/0/mediaType", json!("x+zstd"), "tar, gzip or zstd"),
        ("config", "/architecture", json!("s390x"), "linux/s390x"),
        ("config", "/config/Env", json!(["-i"]), "NAME=VALUE"),
    ];
    for (document, pointer, new, expected) in changes {
        let (scene, digest) = Scene::new(&tar, |name, value| match value.pointer_mut(pointer) {
            Some(value) if name == document => *value = new.clone(),
            None if name == document => value[&pointer[1..]] = new.clone(),
            _ => {}
        });
        let error = scene.unpack(digest).1.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let (scene, digest) = Scene::new(&tar, |_, _| {});
    fs::write(scene.folder.path().join("oci-layout"), "{\"imageLayoutVersion\":\"2.0.0\"}").unwrap();
    assert!(scene.unpack(digest).1.unwrap_err().contains("2.0.0"));
    fs::remove_file(scene.folder.path().join("oci-layout")).unwrap();
    assert!(matches!(Layout::open(scene.folder.path()).unwrap_err(), LayoutError::File(_)));
}

#[test]
fn a_blob_that_is_a_link_to_a_huge_file_is_not_read() {
    let (scene, digest) = Scene::new(&layer(&[]), |_, _| {});
    fs::remove_file(scene.path(digest)).unwrap();
    symlink("/dev/zero", scene.path(digest)).unwrap();
    assert!(scene.unpack(digest).1.unwrap_err().contains("too large"));
}
