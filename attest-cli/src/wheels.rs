//! Wheels on disk: hashed here, so that the question is about the bytes that would be installed.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use attest_core::{
    artifact::{ArtifactDigest, WheelName},
    verify::{Wanted, WantedName},
};
use sha2::{Digest, Sha256};

use crate::{
    cores,
    item::{Item, Place, Question, Unattestable},
};

const CHUNK: usize = 256 * 1024;

/// Whether a path is a wheel by its name.
pub(crate) fn is_wheel(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("whl"))
}

/// The question about one wheel.
pub(crate) fn item(path: &Path) -> io::Result<Item> {
    let name = file_name(path);
    let question = match WheelName::parse(&name) {
        Ok(_) => {
            let wanted = Box::new(Wanted { digest: digest(path)?, name: WantedName::File(name.clone()) });
            Question::File { wanted, url: None }
        }
        Err(error) => {
            File::open(path)?;
            Question::NotAttestable(Unattestable::WheelName(error))
        }
    };
    Ok(Item::new(name, Place::file(path), question))
}

/// The question about every distribution in a folder, by name; other files are counted, not asked about.
pub(crate) fn folder(path: &Path) -> io::Result<(Vec<Item>, usize)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    files.sort();
    let wheels: Vec<PathBuf> = files.iter().filter(|file| is_wheel(file)).cloned().collect();
    let mut wheels = cores::map(&wheels, |wheel| item(wheel)).into_iter();
    let (mut items, mut others) = (Vec::new(), 0);
    for file in files {
        let name = file_name(&file);
        if is_wheel(&file) {
            items.extend(wheels.next().transpose()?);
        } else if Unattestable::by_name(&name) == Unattestable::Sdist {
            // Nobody votes on it, but a policy may exempt its very bytes (docs/TRUST.md 6.2).
            let wanted = Box::new(Wanted { digest: digest(&file)?, name: WantedName::File(name.clone()) });
            items.push(Item::new(name, Place::file(&file), Question::File { wanted, url: None }));
        } else {
            others += 1;
        }
    }
    Ok((items, others))
}

/// SHA-256 of a file of any size.
pub(crate) fn digest(path: &Path) -> io::Result<ArtifactDigest> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(ArtifactDigest::from_bytes(hash.finalize().into())),
            n => hash.update(&chunk[..n]),
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
