//! What a resolver chose: exact versions, with the digests that their files may have.

use anyhow::{Context as _, bail};
use attest_core::artifact::{ArtifactDigest, ProjectName};
use serde::Deserialize;

/// One distribution that a resolver chose, with the digests of the files it may be.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    /// Which project.
    pub(crate) project: ProjectName,
    /// Which version.
    pub(crate) version: String,
    /// Digests of acceptable files.
    pub(crate) digests: Vec<ArtifactDigest>,
}

/// `name==version \` and `--hash=sha256:HEX \` lines, as uv writes them.
pub(crate) fn from_lock(lock: &str) -> anyhow::Result<Vec<Pin>> {
    let mut pins: Vec<Pin> = Vec::new();
    for line in lock.lines() {
        let line = line.trim().trim_end_matches('\\').trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(hash) = line.strip_prefix("--hash=sha256:") {
            let pin = pins.last_mut().context("expected a requirement before its hashes")?;
            pin.digests.push(hash.parse().with_context(|| format!("expected a sha256, found {hash:?}"))?);
        } else if let Some((name, rest)) = line.split_once("==") {
            let version = rest.split([' ', ';']).next().unwrap_or(rest);
            pins.push(Pin { project: ProjectName::new(name)?, version: version.to_owned(), digests: Vec::new() });
        } else {
            bail!("expected `name==version` or a hash in the lock, found {line:?}");
        }
    }
    Ok(pins)
}

/// pip's [installation report](https://pip.pypa.io/en/stable/reference/installation-report/), version 1.
pub(crate) fn from_report(report: &[u8]) -> anyhow::Result<Vec<Pin>> {
    #[derive(Deserialize)]
    struct Report {
        install: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        metadata: Metadata,
        download_info: Download,
    }
    #[derive(Deserialize)]
    struct Metadata {
        name: String,
        version: String,
    }
    #[derive(Deserialize)]
    struct Download {
        archive_info: Archive,
    }
    #[derive(Deserialize)]
    struct Archive {
        hashes: Hashes,
    }
    #[derive(Deserialize)]
    struct Hashes {
        sha256: ArtifactDigest,
    }
    let report: Report = serde_json::from_slice(report).context("expected pip's installation report")?;
    let pin = |item: Item| {
        Ok(Pin {
            project: ProjectName::new(&item.metadata.name)?,
            version: item.metadata.version,
            digests: vec![item.download_info.archive_info.hashes.sha256],
        })
    };
    report.install.into_iter().map(pin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "5fc45236b9446107ff2415ce77c807cee2862cb6fac22b8a73826d0693b0980e";

    #[test]
    fn a_lock_of_uv_gives_versions_and_digests() {
        let lock = format!(
            "packaging==26.2 \\\n    --hash=sha256:{HASH} \\\n    --hash=sha256:{HASH}\nsetuptools==82.0.1 ; python_version >= '3.9' \\\n    --hash=sha256:{HASH}\n"
        );
        let pins = from_lock(&lock).unwrap();
        let seen: Vec<_> =
            pins.iter().map(|pin| (pin.project.as_str(), pin.version.as_str(), pin.digests.len())).collect();
        assert_eq!(seen, [("packaging", "26.2", 2), ("setuptools", "82.0.1", 1)]);
    }

    #[test]
    fn a_lock_with_anything_else_is_refused() {
        for lock in ["--hash=sha256:00", "-e .", "demo @ https://example.com/x.whl", "a==1 \\\n --hash=sha256:xyz"] {
            assert!(from_lock(lock).is_err(), "{lock}");
        }
    }

    #[test]
    fn a_report_of_pip_gives_versions_and_digests() {
        let report = format!(
            r#"{{"version":"1","install":[{{"metadata":{{"name":"Setuptools","version":"82.0.1"}},
               "download_info":{{"url":"https://x/y.whl","archive_info":{{"hashes":{{"sha256":"{HASH}"}}}}}}}}]}}"#
        );
        let pins = from_report(report.as_bytes()).unwrap();
        assert_eq!((pins[0].project.as_str(), pins[0].digests.len()), ("setuptools", 1));
        assert!(from_report(report.replace("sha256", "md5").as_bytes()).is_err());
    }
}
