//! From what was named to files and their digests: which wheels of a release, and what each is held to.

use anyhow::{Context as _, bail, ensure};
use attest_core::artifact::{ArtifactDigest, ProjectName, Version, WheelName};

use super::{Pinned, Place, Remote, Target, changed, meant, read_disk};
use crate::index::{Index, IndexFile};
use crate::pip::Pip;
use crate::rebuild::platform::{self, Here};
use crate::rebuild::zip;

/// A file of a target.
#[derive(Clone, Debug)]
pub(crate) enum Selected {
    /// To be rebuilt.
    Pinned(Box<Pinned>),
    /// Nobody can say anything about it from here. It is counted all the same (docs/TRUST.md 1.4).
    NotAttestable {
        /// File name, or what the user named where there is no wheel.
        name: String,
        /// One line.
        why: String,
    },
}

/// Which files are meant.
pub(crate) struct Pinning<'a> {
    /// Says what is newest and what fits this machine.
    pub(crate) pip: &'a Pip,
    /// Lists files with their digests.
    pub(crate) index: &'a Index,
    /// What a wheel has to be for.
    pub(crate) here: &'a Here,
    /// Every file of a release, and not only the one that pip would take.
    pub(crate) all: bool,
    /// Hears of every choice that was made for the user.
    pub(crate) say: &'a dyn Fn(&str),
}

impl Pinning<'_> {
    /// The files of a target, each with its digest. A release whose files were all passed over still gives one answer.
    pub(crate) fn pin(&self, target: &Target) -> anyhow::Result<Vec<Selected>> {
        match target {
            Target::Newest(project) => {
                // What pip says of a name that is not there helps less than what we know.
                let version = self.pip.newest(project).or_else(|error| self.files(project).and(Err(error)))?;
                (self.say)(&format!("{}: the newest release is {}", project.as_str(), version.as_str()));
                self.release(project, &version, None)
            }
            Target::Release(project, version) => self.release(project, version, None),
            Target::Locked(project, version, digests) => self.release(project, version, Some(digests)),
            Target::File(path) => {
                let name = WheelName::parse(&path.file_name().unwrap_or_default().to_string_lossy())?;
                let digest = ArtifactDigest::of(&read_disk(path)?);
                Ok(vec![self.one(name, digest, Place::Disk(path.clone()))])
            }
            Target::Url(remote) => self.url(remote).map(|selected| vec![selected]),
        }
    }

    fn files(&self, project: &ProjectName) -> anyhow::Result<Vec<IndexFile>> {
        self.index.project(project).map_err(|error| meant::project(error, project, self.index))
    }

    fn release(
        &self,
        project: &ProjectName,
        version: &Version,
        accepted: Option<&[ArtifactDigest]>,
    ) -> anyhow::Result<Vec<Selected>> {
        let named = format!("{}=={}", project.as_str(), version.as_str());
        let files = self.files(project)?;
        let fits = |file: &&IndexFile| match (accepted, file.digest) {
            (None, _) => true,
            (Some(accepted), Some(digest)) => accepted.contains(&digest),
            (Some(_), None) => false,
        };
        let wheels = files.iter().filter(fits).filter_map(|file| Some((WheelName::parse(&file.name).ok()?, file)));
        let wheels: Vec<_> = wheels.filter(|(name, _)| name.version.same_as(version)).collect();
        if wheels.is_empty() {
            let other = files.iter().any(|file| {
                WheelName::parse(&file.name).is_ok_and(|name| name.version.same_as(version)) && file.digest.is_some()
            });
            let sdist = files.iter().filter(fits).any(|file| is_sdist(&file.name, project, version));
            return match accepted {
                _ if sdist => {
                    Ok(vec![nothing(named, "only a source distribution, which is built where it is installed")])
                }
                Some(_) if other => bail!("expected the index to list {named} with a digest of the lock, found others"),
                _ => Err(meant::version(project, version, &files)),
            };
        }
        if self.all {
            return wheels.into_iter().map(|(name, file)| self.listed(name, file)).collect();
        }
        let order = |name: &WheelName| self.pip.settings().tags.preference(name);
        let Some(taken) = wheels.iter().filter(|(name, _)| order(name).is_some()).min_by_key(|(name, _)| order(name))
        else {
            let reasons: Vec<_> = wheels.iter().filter_map(|(name, _)| self.here.fit(name).err()).collect();
            let why = format!("only wheels for others: {}", platform::count(&reasons));
            return Ok(vec![nothing(named, &why)]);
        };
        let possible = wheels.iter().filter(|(name, _)| order(name).is_some() && self.here.fit(name).is_ok());
        let chosen = possible.min_by_key(|(name, _)| order(name)).unwrap_or(taken);
        if chosen.0 != taken.0 {
            (self.say)(&format!(
                "{named}: pip would take {}, which cannot be rebuilt here; this is about {}",
                taken.0.as_str(),
                chosen.0.as_str()
            ));
        }
        Ok(vec![self.listed(chosen.0.clone(), chosen.1)?])
    }

    /// The digest that came with the URL; otherwise the index's, if it has the file; otherwise that of a first download.
    fn url(&self, remote: &Remote) -> anyhow::Result<Selected> {
        let Remote { url, name, digest } = remote.clone();
        if let Err(why) = self.here.fit(&name) {
            return Ok(nothing(name.as_str().to_owned(), &why.to_string()));
        }
        let known = self.index.project(&name.project).unwrap_or_default();
        let known = known.into_iter().find(|file| file.name == name.as_str()).and_then(|file| file.digest);
        let mut file = IndexFile {
            name: name.as_str().to_owned(),
            url,
            digest: digest.or(known),
            uploaded: None,
            provenance: None,
            yanked: false,
        };
        let pinned = if let Some(pinned) = digest {
            if !self.index.kept(pinned, &file.name).exists() {
                let found = self.index.first(&file, zip::MAX_FILE)?;
                if found != pinned {
                    return Err(changed(&name, pinned, found).into());
                }
            }
            pinned
        } else if let Some(known) = known {
            (self.say)(&format!("{}: pinned to the index's sha256 {known}", name.as_str()));
            known
        } else {
            ensure!(Index::is_safe(&file.url), "expected a digest (#sha256=HEX) for a file over {}", file.url.scheme());
            let digest = self.index.first(&file, zip::MAX_FILE)?;
            (self.say)(&format!("{}: no digest was given, pinned to sha256 {digest} as downloaded", name.as_str()));
            digest
        };
        file.digest = Some(pinned);
        Ok(self.one(name, pinned, Place::Url(Box::new(file))))
    }

    /// A file from anywhere. The index only adds when it was uploaded; a file that it does not list can still be rebuilt
    /// from a given source.
    fn one(&self, name: WheelName, digest: ArtifactDigest, place: Place) -> Selected {
        if let Err(why) = self.here.fit(&name) {
            return nothing(name.as_str().to_owned(), &why.to_string());
        }
        let listed = self.index.project(&name.project).unwrap_or_default();
        let listed = listed.into_iter().find(|file| file.name == name.as_str());
        let differs = listed.as_ref().and_then(|file| file.digest).filter(|other| *other != digest);
        if let Some(other) = differs {
            (self.say)(&format!("{}: this is not the file that the index has, whose sha256 is {other}", name.as_str()));
        }
        let uploaded = listed.and_then(|file| file.uploaded);
        Selected::Pinned(Box::new(Pinned { name, digest, place, uploaded }))
    }

    fn listed(&self, name: WheelName, file: &IndexFile) -> anyhow::Result<Selected> {
        if let Err(why) = self.here.fit(&name) {
            return Ok(nothing(file.name.clone(), &why.to_string()));
        }
        let digest = file.digest.with_context(|| format!("expected the index to give a sha256 for {}", file.name))?;
        Ok(Selected::Pinned(Box::new(Pinned {
            name,
            digest,
            uploaded: file.uploaded.clone(),
            place: Place::Index(Box::new(file.clone())),
        })))
    }
}

fn nothing(name: String, why: &str) -> Selected {
    Selected::NotAttestable { name, why: why.to_owned() }
}

fn is_sdist(file: &str, project: &ProjectName, version: &Version) -> bool {
    let stem = [".tar.gz", ".zip"].iter().find_map(|end| file.strip_suffix(end));
    stem.and_then(|stem| stem.rsplit_once('-')).is_some_and(|(name, found)| {
        ProjectName::new(name).is_ok_and(|name| name == *project)
            && Version::new(found).is_ok_and(|found| found.same_as(version))
    })
}
