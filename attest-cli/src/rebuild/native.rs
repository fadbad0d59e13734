//! A wheel with compiled code: what it says about the machine that built it, and what therefore does not follow from a
//! difference.
//!
//! Evidence is what compilers wrote into `.comment`, the platform tags, and the
//! [PEP 770](https://peps.python.org/pep-0770/) SBOM in which auditwheel (or maturin) lists the system's libraries that it
//! copied into the wheel. It names candidates for an image and tools; the image's digest nobody wrote down.

use std::collections::BTreeSet;

use attest_core::artifact::WheelName;
use attest_core::statement::DifferenceKind;
use serde::{Deserialize, Serialize};

use super::compare::Found;
use super::elf::Elf;
use super::explain::visible;
use super::wheel::Wheel;

/// The biggest SBOM that is read.
const MAX_SBOM: usize = 1 << 20;
/// How many of a list are printed.
const MAX_SHOWN: usize = 4;
/// The images of PyPA, by the glibc that their policy names (PEP 600).
const IMAGES: [(u32, &str); 8] = [
    (5, "manylinux1"),
    (12, "manylinux2010"),
    (17, "manylinux2014"),
    (24, "manylinux_2_24"),
    (28, "manylinux_2_28"),
    (31, "manylinux_2_31"),
    (34, "manylinux_2_34"),
    (39, "manylinux_2_39"),
];

/// What a wheel says about where it was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Evidence {
    /// What compilers and linkers wrote into the project's own modules, each once.
    pub(crate) compilers: Vec<String>,
    /// Libraries that were copied in from the system.
    pub(crate) vendored: Vec<String>,
    /// Where those came from: `pkg:rpm/almalinux/libgomp@8.5.0-28.el8_10.alma.1`.
    pub(crate) packages: Vec<String>,
    /// What copied them: `auditwheel 6.7.0`.
    pub(crate) tools: Vec<String>,
    /// Images that it may have been built in; their digests are not known.
    pub(crate) images: Vec<String>,
}

/// The part of a CycloneDX document that auditwheel writes.
#[derive(Deserialize)]
struct Sbom {
    #[serde(default)]
    metadata: SbomMetadata,
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Default, Deserialize)]
struct SbomMetadata {
    #[serde(default)]
    tools: Vec<Component>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    purl: String,
}

impl Evidence {
    /// Nothing for a wheel without compiled code.
    pub(crate) fn of(name: &WheelName, wheel: &Wheel) -> Option<Self> {
        let modules: Vec<_> = wheel
            .members()
            .iter()
            .filter_map(|member| Some((member.name.as_str(), Elf::read(&member.content).ok()?)))
            .collect();
        if modules.is_empty() {
            return None;
        }
        let (copied, own): (Vec<_>, Vec<_>) = modules.iter().partition(|(path, _)| vendored_name(path).is_some());
        let vendored = asked_for(&own, &copied);
        let compilers: BTreeSet<String> = own.iter().flat_map(|(_, module)| module.compilers()).collect();
        let sbom = sbom(wheel);
        let system = |one: &&Component| !one.purl.is_empty() && !one.purl.starts_with("pkg:pypi/");
        let packages: BTreeSet<String> =
            sbom.components.iter().filter(system).map(|component| component.purl.clone()).collect();
        let packages: Vec<_> = packages.into_iter().collect();
        Some(Self {
            images: images(name, &packages),
            compilers: compilers.into_iter().collect(),
            vendored,
            tools: sbom.metadata.tools.iter().map(|tool| format!("{} {}", tool.name, tool.version)).collect(),
            packages,
        })
    }

    /// Why a build here cannot be told from that one by its compiled code: one guess for each.
    pub(crate) fn guesses(&self) -> Vec<String> {
        let image =
            |images: &[String]| format!("the image that it was built in: {}, digest unknown", images.join(" or "));
        (!self.images.is_empty()).then(|| image(&self.images)).into_iter().collect()
    }

    /// What differs between the machines, in words that come before every other difference.
    pub(crate) fn unlike(&self, rebuilt: Option<&Self>) -> Vec<String> {
        let nothing = Self::default();
        let rebuilt = rebuilt.unwrap_or(&nothing);
        let mut lines = Vec::new();
        if self.compilers != rebuilt.compilers {
            let (there, here) = (some(&self.compilers), some(&rebuilt.compilers));
            lines.push(format!("compiled by {there} as published, by {here} here"));
        }
        if !self.vendored.is_empty() && self.vendored != rebuilt.vendored {
            let by = if self.tools.is_empty() { "a tool such as auditwheel".to_owned() } else { some(&self.tools) };
            let from =
                if self.packages.is_empty() { String::new() } else { format!(", from {}", some(&self.packages)) };
            lines.push(format!("{by} copied libraries of its system into it: {}{from}", some(&self.vendored)));
        }
        if !lines.is_empty() && !self.images.is_empty() {
            lines.push(format!("it may have been built in {}; its digest is not known", self.images.join(" or ")));
        }
        if !lines.is_empty() {
            lines.insert(
                0,
                "built in another environment than this one: what differs says little about the wheel".to_owned(),
            );
        }
        lines
    }
}

fn some(texts: &[String]) -> String {
    let mut shown: Vec<_> = texts.iter().take(MAX_SHOWN).map(|text| visible(text)).collect();
    match texts.len() {
        0 => return "nothing that says so".to_owned(),
        count if count > MAX_SHOWN => shown.push(format!("{} more", count - MAX_SHOWN)),
        _ => {}
    }
    shown.join(", ")
}

/// The file name of `NAME.libs/libfoo-0123abcd.so.1`, which is where auditwheel and maturin put copied libraries.
fn vendored_name(path: &str) -> Option<&str> {
    let (folder, name) = path.split_once('/')?;
    (folder.strip_suffix(".libs").is_some() && !name.contains('/') && name.contains(".so")).then_some(name)
}

/// Which of the copied libraries the wheel's own modules ask for, or those that they ask for.
fn asked_for(own: &[&(&str, Elf<'_>)], copied: &[&(&str, Elf<'_>)]) -> Vec<String> {
    let mut asked: BTreeSet<&str> = BTreeSet::new();
    let mut wanted: BTreeSet<String> = own.iter().flat_map(|(_, module)| module.dynamic().needed).collect();
    loop {
        let is_new =
            |path: &str| !asked.contains(path) && vendored_name(path).is_some_and(|name| wanted.contains(name));
        let Some((path, library)) = copied.iter().find(|(path, _)| is_new(path)) else {
            return asked.into_iter().map(str::to_owned).collect();
        };
        asked.insert(path);
        wanted.extend(library.dynamic().needed);
    }
}

/// A library that was copied in is no foreign code, where modules that differ ask for it: the rebuilt ones ask the system for
/// the same. Where the modules are equal nothing asks for it, and the rule stands (docs/TRUST.md 4.2).
pub(crate) fn excuse_vendored(differences: &mut [Found], evidence: &Evidence) {
    let is_module = |one: &Found| one.kind == DifferenceKind::Content && one.path.contains(".so");
    if !differences.iter().any(is_module) {
        return;
    }
    for one in differences.iter_mut().filter(|one| evidence.vendored.contains(&one.path)) {
        one.foreign_code = false;
        one.detail.push("a library of the system that it was built on, copied in".to_owned());
    }
}

/// The SBOM of what was copied in; an empty one where there is none that reads.
fn sbom(wheel: &Wheel) -> Sbom {
    let empty = Sbom { metadata: SbomMetadata::default(), components: Vec::new() };
    let member = wheel.metadata("sboms/auditwheel.cdx.json").filter(|member| member.content.len() <= MAX_SBOM);
    member.and_then(|member| serde_json::from_slice(&member.content).ok()).unwrap_or(empty)
}

/// By the system that its libraries came from; without any, by the policy that its tags name. A wheel that fits an older
/// system may have been built on a newer one, so the newest tag counts.
fn images(name: &WheelName, packages: &[String]) -> Vec<String> {
    let policies = name.platform.split('.').filter_map(policy);
    let Some((policy, machine)) = policies.max() else {
        return Vec::new();
    };
    let by_system = |purl: &String| match purl.split('/').nth(1)? {
        "centos" => Some("manylinux2014"),
        "almalinux" if purl.contains(".el8") => Some("manylinux_2_28"),
        "almalinux" if purl.contains(".el9") => Some("manylinux_2_34"),
        "almalinux" if purl.contains(".el10") => Some("manylinux_2_39"),
        _ => None,
    };
    let mut systems: BTreeSet<&str> = packages.iter().filter_map(by_system).collect();
    if systems.is_empty() {
        systems.extend(IMAGES.iter().find(|(glibc, _)| *glibc >= policy).map(|(_, image)| *image));
    }
    systems.into_iter().map(|image| format!("quay.io/pypa/{image}_{machine}")).collect()
}

/// The minor version of glibc and the machine of one platform tag: 17 and `x86_64` of `manylinux2014_x86_64`.
fn policy(tag: &str) -> Option<(u32, &str)> {
    let legacy = |(name, glibc): (&str, u32)| Some((glibc, tag.strip_prefix(name)?.strip_prefix('_')?));
    let known = [("manylinux1", 5), ("manylinux2010", 12), ("manylinux2014", 17)].into_iter().find_map(legacy);
    known.or_else(|| {
        let (glibc, machine) = tag.strip_prefix("manylinux_2_")?.split_once('_')?;
        Some((glibc.parse().ok()?, machine))
    })
}

#[cfg(test)]
mod tests;
