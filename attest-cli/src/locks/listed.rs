//! The files that a lock lists for a package, and the question about each: one set of rules for all formats.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    path::{Component, Path},
};

use attest_core::{
    artifact::{ArtifactDigest, ProjectName, Version, WheelName, file_name_from_url},
    verify::{Wanted, WantedName},
};

use crate::{
    item::{Elsewhere, Form, GateError, Item, Package, Place, Question, Unattestable},
    platform::Target,
    wheels::is_wheel,
};

use super::document::{LockError, Table};

/// One file, as a lock lists it.
#[derive(Debug)]
pub(super) struct Listed<'a> {
    pub(super) place: Place,
    /// Everything that names it: an installer may go by any of these, so all have to say the same. The first one is the
    /// name that it was published under.
    pub(super) names: Vec<Name<'a>>,
    /// Where it comes from, unless it is on disk.
    pub(super) url: Option<&'a str>,
    /// `sha256:HEX`
    pub(super) hashes: Vec<String>,
    /// A key beside these that names another form of the file.
    pub(super) second_form: Option<&'a str>,
}

/// What names a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name<'a> {
    Plain(&'a str),
    /// Its last part is percent-encoded.
    Url(&'a str),
    Path(&'a str),
}

impl Name<'_> {
    fn file_name(self) -> Result<String, Question> {
        match self {
            Self::Plain(name) => Ok(name.to_owned()),
            Self::Url(url) => file_name_from_url(url).map_err(|error| Question::NotAttestable(error.into())),
            Self::Path(path) => Ok(path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned()),
        }
    }
}

/// Who decides which of the listed files is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decides {
    /// The lock has the address of every file: the best wheel is taken, or the installation fails.
    Lock,
    /// The index is asked again, and who leaves out the wheels there has the sdist built.
    Index,
}

/// What a lock is read for.
#[derive(Debug)]
pub(crate) struct Reading<'a, 't> {
    pub(crate) target: &'a Target<'t>,
    /// Something tells the installer to build what has a wheel (`locks/building.rs`).
    pub(crate) builds: bool,
}

/// A package whose files are being read.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) place: Place,
    pub(super) project: ProjectName,
    pub(super) version: Option<Version>,
    /// Why nothing of it is installed here.
    pub(super) elsewhere: Option<Elsewhere>,
    pub(super) required_by: Vec<String>,
}

impl Listing {
    /// `name` and `version` of a package's table.
    pub(super) fn new(table: &Table<'_>) -> Result<Self, LockError> {
        let name = table.text("name", "a package's name")?.ok_or_else(|| table.expected("a package with a name"))?;
        let version = table.text("version", "a version")?;
        let place = table.place();
        Ok(Self {
            project: project(name, &place)?,
            version: version
                .map(|text| {
                    let failed = |_| LockError::PackageVersion { place: place.clone(), found: text.to_owned() };
                    Version::new(text).map_err(failed)
                })
                .transpose()?,
            place,
            elsewhere: None,
            required_by: Vec::new(),
        })
    }

    /// `requests 2.34.2`
    pub(super) fn label(&self) -> String {
        label(&self.project, self.version.as_ref())
    }

    /// One item for each file; who has none cannot be installed from the lock.
    pub(super) fn items(
        &self,
        wheels: &[Listed<'_>],
        sdists: &[Listed<'_>],
        decides: Decides,
        reading: &Reading<'_, '_>,
    ) -> Vec<Item> {
        let mut items: Vec<Item> = wheels.iter().map(|wheel| self.wheel(wheel, reading.target)).collect();
        let fits = items.iter().any(|item| match &item.question {
            Question::File { wanted, .. } => match &wanted.name {
                WantedName::File(name) => WheelName::parse(name).is_ok_and(|name| reading.target.takes(&name)),
                WantedName::Release { .. } => false,
            },
            _ => false,
        });
        let built = !fits || decides == Decides::Index || reading.builds;
        items.extend(sdists.iter().map(|sdist| self.sdist(sdist, built)));
        if items.is_empty() {
            items.push(self.item(
                self.label(),
                self.place.clone(),
                Form::Wheel,
                None,
                Question::Refused(GateError::NoFile),
            ));
        }
        items
    }

    /// What is fetched as a file whatever it is.
    pub(super) fn archive(&self, listed: &Listed<'_>, reading: &Reading<'_, '_>) -> Item {
        let is_sdist = listed.file_name().is_ok_and(|name| !is_wheel(Path::new(&name)));
        if is_sdist { self.sdist(listed, true) } else { self.wheel(listed, reading.target) }
    }

    /// A package that is no file.
    pub(super) fn source(&self, form: Form, why: Unattestable) -> Item {
        self.item(self.label(), self.place.clone(), form, None, Question::NotAttestable(why))
    }

    /// A folder: the project's own where it is in the folder of the lock.
    pub(super) fn folder(&self, path: &str) -> Item {
        let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let question =
            if inside { Question::NotSelectable(Elsewhere::Own) } else { Question::NotAttestable(Unattestable::Local) };
        self.item(self.label(), self.place.clone(), Form::Folder, None, question)
    }

    fn item(&self, name: String, place: Place, form: Form, digest: Option<ArtifactDigest>, question: Question) -> Item {
        // What is not installed here may be anything, as long as it can be read.
        let question = match (&self.elsewhere, question) {
            (
                Some(elsewhere),
                Question::File { .. } | Question::NotAttestable(_) | Question::Refused(GateError::NoFile),
            ) => Question::NotSelectable(elsewhere.clone()),
            (_, question) => question,
        };
        let (project, version, required_by) = (self.project.clone(), self.version.clone(), self.required_by.clone());
        let package = Package { project, version, form, digest, required_by };
        Item { name, place, question, package: Some(Box::new(package)) }
    }

    fn wheel(&self, listed: &Listed<'_>, target: &Target<'_>) -> Item {
        let digest = listed.digest();
        let question = self.wheel_question(listed, digest.clone(), target);
        let name = listed.file_name().unwrap_or_else(|_| self.label());
        self.item(name, listed.place.clone(), Form::Wheel, digest.ok(), question)
    }

    fn wheel_question(
        &self,
        listed: &Listed<'_>,
        digest: Result<ArtifactDigest, GateError>,
        target: &Target<'_>,
    ) -> Question {
        let name = match listed.file_name() {
            Ok(name) => name,
            Err(question) => return question,
        };
        let wheel = match WheelName::parse(&name) {
            Ok(wheel) => wheel,
            Err(error) => return Question::NotAttestable(error.into()),
        };
        // An installer goes by the name to choose the file, and installs what is in it (name confusion).
        let same = wheel.project == self.project
            && self.version.as_ref().is_none_or(|version| version.same_as(&wheel.version));
        if !same {
            return Question::Refused(GateError::OtherName { expected: self.label(), found: name });
        }
        let digest = match digest {
            Ok(digest) => digest,
            Err(error) => return Question::Refused(error),
        };
        if let Some(found) = listed.second_form {
            return Question::Refused(GateError::SecondForm { found: found.to_owned() });
        }
        if let Some(elsewhere) = target.refuses(&wheel) {
            return Question::NotSelectable(elsewhere);
        }
        let url = listed.url.map(str::to_owned);
        Question::File { wanted: Box::new(Wanted { digest, name: WantedName::File(name) }), url }
    }

    fn sdist(&self, listed: &Listed<'_>, built: bool) -> Item {
        let name = listed.file_name().unwrap_or_else(|_| self.label());
        let question = match (built, listed.digest()) {
            (false, _) => Question::NotSelectable(Elsewhere::WheelFits),
            // docs/TRUST.md 6.2: nobody votes on it, but a policy may exempt its very bytes.
            (true, Ok(digest)) if self.is_sdist(&name) => {
                let url = listed.url.map(str::to_owned);
                Question::File { wanted: Box::new(Wanted { digest, name: WantedName::File(name.clone()) }), url }
            }
            (true, _) => Question::NotAttestable(Unattestable::Sdist),
        };
        self.item(name, listed.place.clone(), Form::Sdist, listed.digest().ok(), question)
    }
}

impl Listing {
    /// Whether a name is that of a source distribution of this very release: exemptions are matched with it.
    fn is_sdist(&self, name: &str) -> bool {
        release_of_sdist(name).is_some_and(|(project, version, _)| {
            project == self.project && self.version.as_ref().is_none_or(|own| own.same_as(&version))
        })
    }
}

impl Listed<'_> {
    /// Its one name.
    pub(super) fn file_name(&self) -> Result<String, Question> {
        let names = self.names.iter().map(|name| name.file_name()).collect::<Result<Vec<_>, _>>()?;
        let (name, others) = names.split_first().ok_or(Question::Refused(GateError::NoFile))?;
        match others.iter().find(|other| !is_same(name, other)) {
            Some(found) => {
                Err(Question::Refused(GateError::OtherName { expected: name.clone(), found: found.clone() }))
            }
            None => Ok(name.clone()),
        }
    }

    /// docs/TRUST.md 6.1: sha256 and nothing else.
    fn digest(&self) -> Result<ArtifactDigest, GateError> {
        let mut digest = Err(GateError::NoHash);
        for hash in &self.hashes {
            let parsed = parse_hash(hash);
            parsed.as_ref().map_err(Clone::clone)?;
            digest = parsed;
        }
        digest
    }
}

/// Whether two names say the same: uv writes them as they are normalised today, beside addresses of older files.
fn is_same(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    if let (Ok(left), Ok(right)) = (WheelName::parse(left), WheelName::parse(right)) {
        let sets = |wheel: &WheelName| {
            [&wheel.python, &wheel.abi, &wheel.platform]
                .map(|set| set.split('.').map(str::to_owned).collect::<BTreeSet<_>>())
        };
        return left.project == right.project
            && left.version.same_as(&right.version)
            && left.build == right.build
            && sets(&left) == sets(&right);
    }
    match (release_of_sdist(left), release_of_sdist(right)) {
        (Some((project, version, end)), Some((other, same, other_end))) => {
            project == other && version.same_as(&same) && end == other_end
        }
        _ => false,
    }
}

/// Project and version of a source distribution, and how its name ends.
fn release_of_sdist(name: &str) -> Option<(ProjectName, Version, &'static str)> {
    let (stem, end) = [".tar.gz", ".zip"].into_iter().find_map(|end| Some((name.strip_suffix(end)?, end)))?;
    let (project, version) = stem.rsplit_once('-')?;
    Some((ProjectName::new(project).ok()?, Version::new(version).ok()?, end))
}

/// `sha256:HEX`
pub(super) fn parse_hash(hash: &str) -> Result<ArtifactDigest, GateError> {
    let malformed = || GateError::MalformedHash { found: hash.to_owned() };
    let (algorithm, hex) = hash.split_once(':').ok_or_else(malformed)?;
    if algorithm != "sha256" {
        return Err(GateError::OtherHash { found: algorithm.to_owned() });
    }
    hex.parse().map_err(|_| malformed())
}

pub(super) fn project(name: &str, place: &Place) -> Result<ProjectName, LockError> {
    ProjectName::new(name).map_err(|_| LockError::Name { place: place.clone(), found: name.to_owned() })
}

/// `requests 2.34.2`
pub(super) fn label(project: &ProjectName, version: Option<&Version>) -> String {
    match version {
        Some(version) => format!("{project} {version}"),
        None => project.to_string(),
    }
}

/// Notes who requires whom: `names` says for every package which projects it requires, if it is installed here.
pub(super) fn name_dependents(listings: &mut [Listing], names: &[Vec<ProjectName>]) {
    let mut by_name: HashMap<&ProjectName, Vec<usize>> = HashMap::new();
    for (index, listing) in listings.iter().enumerate() {
        by_name.entry(&listing.project).or_default().push(index);
    }
    let mut found = Vec::new();
    for (listing, names) in listings.iter().zip(names).filter(|(listing, _)| listing.elsewhere.is_none()) {
        let indexes = names.iter().filter_map(|name| by_name.get(name)).flatten();
        found.extend(indexes.map(|index| (*index, listing.label())));
    }
    for (index, label) in found {
        listings[index].required_by.push(label);
    }
}

/// Refuses a file that is listed again with other bytes. `source` tells where items come from: two indexes may have
/// different files under one name.
pub(super) fn refuse_two_hashes<'s>(items: impl Iterator<Item = (&'s str, &'s mut Item)>) {
    let mut seen: HashMap<(&str, String), (ArtifactDigest, usize)> = HashMap::new();
    for (source, item) in items {
        let Some(digest) = item.package.as_ref().and_then(|package| package.digest) else {
            continue;
        };
        match seen.entry((source, item.name.clone())) {
            Entry::Vacant(free) => {
                free.insert((digest, item.place.line_number().unwrap_or_default()));
            }
            Entry::Occupied(first) => {
                let (other, line) = *first.get();
                if other != digest {
                    item.question = Question::Refused(GateError::TwoHashes { line });
                }
            }
        }
    }
}
