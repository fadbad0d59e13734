//! Small wheels and source distributions made in memory. [`crate::index`] offers them to pip.

use std::{
    fmt::Write as _,
    fs,
    io::{Cursor, Write as _},
    path::Path,
    process::Command,
};

use anyhow::Result;
use attest_core::{
    artifact::{ArtifactDigest, ProjectName, WheelName},
    statement::{Subject, record_digest},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use flate2::{Compression, write::GzEncoder};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{command, scene::Scene};

pub use crate::index::Index;

/// A pure wheel with one module.
#[derive(Clone, Debug)]
pub struct Wheel {
    name: WheelName,
    bytes: Vec<u8>,
    metadata: String,
    record: ArtifactDigest,
}

impl Wheel {
    /// `{project}-{version}-py3-none-any.whl` with a module of the project's name that holds `source`.
    ///
    /// # Errors
    /// When project and version make no wheel name.
    pub fn new(project: &str, version: &str, source: &str) -> Result<Self> {
        Self::requiring(project, version, source, &[])
    }

    /// The same, with `Requires-Dist`.
    ///
    /// # Errors
    /// When project and version make no wheel name.
    pub fn requiring(project: &str, version: &str, source: &str, requires: &[&str]) -> Result<Self> {
        Self::tagged(project, version, "py3-none-any", source, requires)
    }

    /// The same, for the Pythons and platforms that a tag names.
    ///
    /// # Errors
    /// When project, version and tag make no wheel name.
    pub fn tagged(project: &str, version: &str, tag: &str, source: &str, requires: &[&str]) -> Result<Self> {
        Self::made(project, version, tag, &[(&format!("{project}.py"), source)], requires)
    }

    /// A pure wheel with these files, by path in the wheel.
    ///
    /// # Errors
    /// When project and version make no wheel name.
    pub fn holding(project: &str, version: &str, files: &[(&str, &str)]) -> Result<Self> {
        Self::made(project, version, "py3-none-any", files, &[])
    }

    fn made(project: &str, version: &str, tag: &str, code: &[(&str, &str)], requires: &[&str]) -> Result<Self> {
        let info = format!("{project}-{version}.dist-info");
        let mut metadata = format!("Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n");
        for requirement in requires {
            writeln!(metadata, "Requires-Dist: {requirement}")?;
        }
        let tags = format!("Wheel-Version: 1.0\nGenerator: attest-tests (1)\nRoot-Is-Purelib: true\nTag: {tag}\n");
        let mut files: Vec<(String, String)> =
            code.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect();
        files.extend([(format!("{info}/METADATA"), metadata.clone()), (format!("{info}/WHEEL"), tags)]);
        let (mut record, mut rows) = (String::new(), Vec::new());
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, content) in &files {
            let digest = ArtifactDigest::of(content.as_bytes());
            rows.push((path.clone(), digest, content.len() as u64));
            let digest = BASE64_URL_SAFE_NO_PAD.encode(digest.as_bytes());
            writeln!(record, "{path},sha256={digest},{}", content.len())?;
            zip.start_file(path, SimpleFileOptions::default())?;
            zip.write_all(content.as_bytes())?;
        }
        writeln!(record, "{info}/RECORD,,")?;
        zip.start_file(format!("{info}/RECORD"), SimpleFileOptions::default())?;
        zip.write_all(record.as_bytes())?;
        let name = WheelName::parse(&format!("{project}-{version}-{tag}.whl"))?;
        Ok(Self { name, bytes: zip.finish()?.into_inner(), metadata, record: record_digest(&rows).sha256 })
    }

    /// File name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its `METADATA`, as PEP 658 has indexes serve it beside the file.
    pub fn metadata(&self) -> &str {
        &self.metadata
    }

    /// SHA-256 of the file.
    pub fn digest(&self) -> ArtifactDigest {
        ArtifactDigest::of(&self.bytes)
    }

    /// What it installs (docs/TRUST.md 7).
    pub fn record_digest(&self) -> ArtifactDigest {
        self.record
    }

    /// As a statement's subject.
    pub fn subject(&self) -> Subject {
        Subject { name: self.name.clone(), digest: self.digest() }
    }

    /// `name==version --hash=sha256:...`, as it stands in a requirements file.
    pub fn requirement(&self) -> String {
        format!("{}=={} --hash=sha256:{}\n", self.name.project.as_str(), self.name.version.as_str(), self.digest())
    }
}

/// A file that an index offers.
#[derive(Clone, Debug)]
pub struct Offered {
    pub(crate) name: String,
    pub(crate) project: ProjectName,
    pub(crate) version: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) metadata: Option<String>,
}

impl Offered {
    /// A source distribution. Whoever builds it leaves the file `mark` behind.
    ///
    /// # Errors
    /// When project and version make no names.
    pub fn sdist(project: &str, version: &str, mark: &Path) -> Result<Self> {
        let top = format!("{project}-{version}");
        let metadata = format!("Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n");
        let pyproject = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
        let backend = format!("open({:?}, \"w\").close()\nraise SystemExit(\"built\")\n", mark.display().to_string());
        let files = [("PKG-INFO", metadata.clone()), ("pyproject.toml", pyproject.to_owned()), ("backend.py", backend)];
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, format!("{top}/{name}"), content.as_bytes())?;
        }
        Ok(Self {
            name: format!("{top}.tar.gz"),
            project: ProjectName::new(project)?,
            version: version.to_owned(),
            bytes: archive.into_inner()?.finish()?,
            metadata: None,
        })
    }

    /// A file that somebody published: `NAME-VERSION-...whl` or `NAME-VERSION.tar.gz`.
    ///
    /// # Errors
    /// When the name is none.
    pub fn published(name: &str, bytes: Vec<u8>) -> Result<Self> {
        let mut parts = name.trim_end_matches(".tar.gz").split('-');
        let project = ProjectName::new(parts.next().unwrap_or_default())?;
        let version = parts.next().unwrap_or_default().to_owned();
        Ok(Self { name: name.to_owned(), project, version, bytes, metadata: None })
    }

    /// Its file name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl From<&Wheel> for Offered {
    fn from(wheel: &Wheel) -> Self {
        Self {
            name: wheel.name().to_owned(),
            project: wheel.name.project.clone(),
            version: wheel.name.version.as_str().to_owned(),
            bytes: wheel.bytes.clone(),
            metadata: Some(wheel.metadata.clone()),
        }
    }
}

/// The project in `fixtures/inhouse`, built by its own backend: a wheel that rebuilds bit for bit and fetches nothing.
/// `hook` is Python that its `build_wheel` runs first.
///
/// # Errors
/// When python3 cannot build it.
pub fn build_inhouse(scene: &Scene, hook: &str) -> Result<[Offered; 2]> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/inhouse");
    for file in ["pyproject.toml", "backend.py", "inhouse.py"] {
        let text = fs::read_to_string(source.join(file))?.replace("    # hook\n", &format!("    {hook}\n"));
        scene.write(&format!("inhouse/{file}"), text)?;
    }
    fs::create_dir_all(scene.path("inhouse/dist"))?;
    let mut python = Command::new("python3");
    python.args(["-c", "import backend; backend.build_wheel('dist'); backend.build_sdist('dist')"]);
    command::run(python.current_dir(scene.path("inhouse")))?.expect(0)?;
    let offered = |name: &str| -> Result<Offered> {
        Ok(Offered {
            name: name.to_owned(),
            project: ProjectName::new("inhouse")?,
            version: "1.0".to_owned(),
            bytes: fs::read(scene.path("inhouse/dist").join(name))?,
            metadata: None,
        })
    };
    Ok([offered("inhouse-1.0-py3-none-any.whl")?, offered("inhouse-1.0.tar.gz")?])
}
