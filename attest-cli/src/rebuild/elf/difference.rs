//! Two builds of one ELF file in plain words: what kind of difference it is, where it comes from, then where it lies.

use std::collections::BTreeSet;

use super::dwarf::{self, Unit};
use super::{Elf, Section};
use crate::rebuild::compare::Sides;
use crate::rebuild::explain::visible;
use crate::rebuild::traces;

/// How many sections are named.
const MAX_SECTIONS: usize = 8;
/// Bytes of a note with a build id of the longest kind.
const MAX_NOTE: u64 = 80;
/// How many texts of each side are shown.
const MAX_TEXTS: usize = 5;
/// Shorter runs of printable bytes are chance.
const MIN_TEXT: usize = 6;
/// Longer runs are data.
const MAX_TEXT: usize = 400;
/// Bigger sections are not searched for texts.
const MAX_SEARCHED: usize = 16 << 20;

/// Lines for people; nothing where one of the two is no ELF file.
pub(crate) fn difference(published: &[u8], rebuilt: &[u8], sides: Sides) -> Option<Vec<String>> {
    let (theirs, ours) = (Elf::read(published).ok()?, Elf::read(rebuilt).ok()?);
    let changed = changed_sections(&theirs, &ours);
    let mut lines = vec![kind(&changed)];
    lines.extend(origins(&theirs, &ours, sides));
    lines.extend(in_sections(&changed, sides));
    lines.extend(texts(&changed, sides));
    Some(lines)
}

/// A section by both sides; on one it can be missing.
#[derive(Debug)]
struct Changed<'e, 'a> {
    published: Option<&'e Section<'a>>,
    rebuilt: Option<&'e Section<'a>>,
}

impl<'e, 'a> Changed<'e, 'a> {
    fn any(&self) -> Option<&'e Section<'a>> {
        self.published.or(self.rebuilt)
    }

    fn name(&self) -> &'e str {
        self.any().map_or("", Section::name)
    }
}

/// Sections of one name are paired in their order.
fn changed_sections<'e, 'a>(published: &'e Elf<'a>, rebuilt: &'e Elf<'a>) -> Vec<Changed<'e, 'a>> {
    let mut names: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    for section in published.sections().iter().chain(rebuilt.sections()) {
        if seen.insert(section.name()) {
            names.push(section.name());
        }
    }
    let mut changed = Vec::new();
    for name in names {
        let all = |elf: &'e Elf<'a>| elf.sections().iter().filter(move |section| section.name() == name);
        let (mut theirs, mut ours) = (all(published), all(rebuilt));
        loop {
            let pair = Changed { published: theirs.next(), rebuilt: ours.next() };
            match (pair.published, pair.rebuilt) {
                (None, None) => break,
                (Some(left), Some(right)) if left.content() == right.content() && left.size() == right.size() => {}
                _ => changed.push(pair),
            }
        }
    }
    changed
}

/// One sentence that says how far the difference goes.
fn kind(changed: &[Changed<'_, '_>]) -> String {
    let is_label = |one: &Changed<'_, '_>| {
        one.name() == ".note.gnu.build-id" && one.any().is_some_and(|one| one.size() <= MAX_NOTE)
    };
    let is_loaded = |one: &Changed<'_, '_>| one.any().is_some_and(Section::is_loaded);
    let is_debug = |one: &Changed<'_, '_>| {
        !is_loaded(one) && (one.name().starts_with(".debug") || one.name().starts_with(".gnu_debug"))
    };
    if changed.is_empty() {
        "every section is the same: only headers or the space between sections differ"
    } else if changed.iter().all(is_label) {
        "only the build id differs: it was computed before something was stripped, such as debug information with the \
         folder of the build"
    } else if changed.iter().all(|one| is_label(one) || is_debug(one)) {
        "only debug information and the build id differ: the code that runs is the same"
    } else if changed.iter().all(|one| is_label(one) || !is_loaded(one)) {
        "only parts that are not loaded and the build id differ: the code that runs is the same"
    } else if changed.iter().any(|one| one.name() == ".text") {
        "compiled code differs"
    } else {
        "data that is loaded differs; compiled code is the same"
    }
    .to_owned()
}

/// Where it was built, by what, and what it needs, as far as that differs.
fn origins(published: &Elf<'_>, rebuilt: &Elf<'_>, sides: Sides) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |what: &str, theirs: &[String], ours: &[String]| {
        if theirs != ours {
            let (left, right) = sides.words();
            lines.push(format!("{what}: {} {left}, {} {right}", list(theirs), list(ours)));
        }
    };
    say("compiler and linker", &published.compilers(), &rebuilt.compilers());
    let (theirs, ours) = (dwarf::units(published), dwarf::units(rebuilt));
    let each = |units: &[Unit], part: fn(&Unit) -> Option<&String>| -> Vec<String> {
        units.iter().filter_map(part).cloned().collect::<BTreeSet<_>>().into_iter().collect()
    };
    say("built in", &each(&theirs, |unit| unit.folder.as_ref()), &each(&ours, |unit| unit.folder.as_ref()));
    say("options", &each(&theirs, |unit| unit.producer.as_ref()), &each(&ours, |unit| unit.producer.as_ref()));
    let (theirs, ours) = (published.dynamic(), rebuilt.dynamic());
    say("needs", &theirs.needed, &ours.needed);
    say("its own name", theirs.soname.as_slice(), ours.soname.as_slice());
    say("looks for libraries in", theirs.rpath.as_slice(), ours.rpath.as_slice());
    say("build id", published.build_id().as_slice(), rebuilt.build_id().as_slice());
    lines
}

fn list(texts: &[String]) -> String {
    match texts {
        [] => "nothing".to_owned(),
        [first, second, third, _, ..] => {
            format!("{}, {}, {} and {} more", visible(first), visible(second), visible(third), texts.len() - 3)
        }
        _ => texts.iter().map(|text| visible(text)).collect::<Vec<_>>().join(", "),
    }
}

fn in_sections(changed: &[Changed<'_, '_>], sides: Sides) -> Vec<String> {
    let (left, right) = sides.words();
    let one = |pair: &Changed<'_, '_>| {
        let name = visible(pair.name());
        match (pair.published, pair.rebuilt) {
            (Some(theirs), Some(ours)) if theirs.size() == ours.size() => {
                format!("section {name}: {} bytes, other content", ours.size())
            }
            (Some(theirs), Some(ours)) => {
                format!("section {name}: {} bytes {left}, {} {right}", theirs.size(), ours.size())
            }
            (Some(theirs), None) => format!("section {name}: {} bytes, only {left}", theirs.size()),
            (None, ours) => format!("section {name}: {} bytes, only {right}", ours.map_or(0, Section::size)),
        }
    };
    // What runs, then what it reads, then the rest.
    let weight = |pair: &&Changed<'_, '_>| match pair.name() {
        ".text" => 0,
        name if name.starts_with(".rodata") || name.starts_with(".data") => 1,
        _ => 2,
    };
    let mut ordered: Vec<_> = changed.iter().collect();
    ordered.sort_by_key(weight);
    let mut lines: Vec<_> = ordered.into_iter().take(MAX_SECTIONS).map(one).collect();
    if changed.len() > MAX_SECTIONS {
        lines.push(format!("and {} more sections", changed.len() - MAX_SECTIONS));
    }
    lines
}

/// Texts that only one side has: paths of builds and times first, since they are what makes two builds differ.
fn texts(changed: &[Changed<'_, '_>], sides: Sides) -> Vec<String> {
    let searched = || changed.iter().filter(|one| may_have_texts(one.name()));
    let theirs: BTreeSet<_> = searched().filter_map(|one| one.published).flat_map(texts_of).collect();
    let ours: BTreeSet<_> = searched().filter_map(|one| one.rebuilt).flat_map(texts_of).collect();
    let (left, right) = sides.words();
    let show = |mine: &BTreeSet<String>, other: &BTreeSet<String>, word: &str| {
        let mut only: Vec<_> = mine.difference(other).filter_map(|text| Some((traces::rank(text)?, text))).collect();
        only.sort();
        let mut lines: Vec<_> =
            only.iter().take(MAX_TEXTS).map(|(_, text)| format!("only {word}: {:?}", visible(text))).collect();
        if only.len() > MAX_TEXTS {
            lines.push(format!("and {} more texts of that kind", only.len() - MAX_TEXTS));
        }
        lines
    };
    let mut lines = show(&theirs, &ours, left);
    lines.extend(show(&ours, &theirs, right));
    lines
}

fn texts_of(section: &Section<'_>) -> Vec<String> {
    let bytes = section.unpacked().filter(|bytes| bytes.len() <= MAX_SEARCHED).unwrap_or_default();
    strings(&bytes).collect()
}

/// Code and tables are full of bytes that read as letters.
fn may_have_texts(name: &str) -> bool {
    [".rodata", ".data", ".debug_str", ".debug_line_str", ".debug_line"].iter().any(|known| name.starts_with(known))
}

/// Runs of printable ASCII.
pub(crate) fn strings(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes
        .split(|b| !(b.is_ascii_graphic() || *b == b' '))
        .filter(|run| (MIN_TEXT..=MAX_TEXT).contains(&run.len()))
        .map(|run| String::from_utf8_lossy(run).into_owned())
}
