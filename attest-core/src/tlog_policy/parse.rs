//! tlog-policy, "Policy file syntax and structure", line by line.

use super::{
    Group, Member, PolicyLog, PolicyWitness, Quorum, TlogPolicy, TlogPolicyError, TlogPolicyRule as Rule, Word,
};
use crate::merkle::parse_decimal;
use crate::note::{KeyType, VerifierKey};

const LOG: &str = "log <vkey> [<url>]";
const WITNESS: &str = "witness <name> <vkey> [<url>]";
const GROUP: &str = "group <name> all|any|<k> <name>...";
const QUORUM: &str = "quorum <name>|none";
/// "The special name `none` is predefined."
const NONE: &[u8] = b"none";

pub(super) fn parse(bytes: &[u8]) -> Result<TlogPolicy, TlogPolicyError> {
    if bytes.len() > TlogPolicy::MAX_LEN {
        return Err(TlogPolicyError { line: 1, rule: Rule::Length { found: bytes.len() } });
    }
    let mut draft = Draft::default();
    let mut last = 0;
    for (line, number) in bytes.split_inclusive(|byte| *byte == b'\n').zip(1..) {
        draft.line(line).map_err(|rule| TlogPolicyError { line: number, rule })?;
        last = number;
    }
    let Some(quorum) = draft.quorum else {
        return Err(TlogPolicyError { line: last, rule: Rule::NoQuorum });
    };
    let Draft { logs, witnesses, groups, .. } = draft;
    Ok(TlogPolicy { logs, witnesses, groups, quorum })
}

/// The lines so far.
#[derive(Default)]
struct Draft {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    /// Members of any group.
    taken: Vec<Member>,
    quorum: Option<Quorum>,
}

impl Draft {
    fn line(&mut self, line: &[u8]) -> Result<(), Rule> {
        let line = line.strip_suffix(b"\n").ok_or(Rule::NoFinalNewline)?;
        // "Character set": 0x09, 0x0A, 0x20-0x7E, 0x80-0xFF.
        if let Some(found) = line.iter().find(|byte| byte.is_ascii_control() && **byte != b'\t') {
            return Err(Rule::Control { found: *found });
        }
        let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        let Some(first) = words.next().filter(|word| !word.starts_with(b"#")) else {
            return Ok(());
        };
        let words: Vec<&[u8]> = words.collect();
        match (first, words.as_slice()) {
            (b"log", [key, url @ ..]) if url.len() <= 1 => self.log(key, url),
            (b"log", _) => Err(Rule::Words { expected: LOG }),
            (b"witness", [name, key, url @ ..]) if url.len() <= 1 => self.witness(name, key, url),
            (b"witness", _) => Err(Rule::Words { expected: WITNESS }),
            (b"group", [name, threshold, members @ ..]) if !members.is_empty() => self.group(name, threshold, members),
            (b"group", _) => Err(Rule::Words { expected: GROUP }),
            (b"quorum", [name]) => self.quorum(name),
            (b"quorum", _) => Err(Rule::Words { expected: QUORUM }),
            (found, _) => Err(Rule::Keyword { found: word(found) }),
        }
    }

    fn log(&mut self, key: &[u8], url: &[&[u8]]) -> Result<(), Rule> {
        let key = self::key(key, KeyType::Ed25519)?;
        check_new(&key, self.logs.iter().map(PolicyLog::key))?;
        check_room(self.logs.len())?;
        self.logs.push(PolicyLog { key, url: url.first().map(|url| word(url)) });
        Ok(())
    }

    fn witness(&mut self, name: &[u8], key: &[u8], url: &[&[u8]]) -> Result<(), Rule> {
        let name = self.new_name(name)?;
        let key = self::key(key, KeyType::CosignatureV1)?;
        check_new(&key, self.witnesses.iter().map(PolicyWitness::key))?;
        check_room(self.witnesses.len())?;
        self.witnesses.push(PolicyWitness { name, key, url: url.first().map(|url| word(url)) });
        Ok(())
    }

    fn group(&mut self, name: &[u8], threshold: &[u8], names: &[&[u8]]) -> Result<(), Rule> {
        let name = self.new_name(name)?;
        check_room(self.groups.len())?;
        let mut members = Vec::with_capacity(names.len());
        for member in names {
            let found = self.find(member)?;
            // "Each defined name can be listed as a group member at most once": so nobody counts in two ways.
            if self.taken.contains(&found) {
                return Err(Rule::MemberTwice { found: word(member) });
            }
            self.taken.push(found);
            members.push(found);
        }
        let threshold = match threshold {
            b"all" => members.len(),
            b"any" => 1,
            number => threshold_of(number, members.len())?,
        };
        self.groups.push(Group { name, threshold, members });
        Ok(())
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), Rule> {
        if self.quorum.is_some() {
            return Err(Rule::SecondQuorum);
        }
        self.quorum = Some(if name == NONE { Quorum::None } else { Quorum::Of(self.find(name)?) });
        Ok(())
    }

    /// A name for a witness or a group, which share one namespace.
    fn new_name(&self, name: &[u8]) -> Result<Word, Rule> {
        match self.find(name) {
            Ok(_) => Err(Rule::DefinedTwice { found: word(name) }),
            Err(Rule::Undefined { found }) => Ok(found),
            Err(other) => Err(other),
        }
    }

    fn find(&self, name: &[u8]) -> Result<Member, Rule> {
        if name == NONE {
            return Err(Rule::NameNone);
        }
        let witness = self.witnesses.iter().position(|witness| witness.name.as_bytes() == name).map(Member::Witness);
        let group = || self.groups.iter().position(|group| group.name.as_bytes() == name).map(Member::Group);
        witness.or_else(group).ok_or_else(|| Rule::Undefined { found: word(name) })
    }
}

fn word(bytes: &[u8]) -> Word {
    Word(bytes.to_vec())
}

fn key(text: &[u8], expected: KeyType) -> Result<VerifierKey, Rule> {
    let text = std::str::from_utf8(text).map_err(|e| crate::note::NoteError::NotUtf8 { position: e.valid_up_to() })?;
    let key: VerifierKey = text.parse()?;
    if key.kind() != expected {
        return Err(Rule::KeyType { expected, found: Box::new(key) });
    }
    Ok(key)
}

/// "Duplicate if they wrap the same underlying public key, even if they differ by key name and key id."
fn check_new<'k>(key: &VerifierKey, mut known: impl Iterator<Item = &'k VerifierKey>) -> Result<(), Rule> {
    if known.any(|known| known.public() == key.public()) {
        return Err(Rule::DuplicateKey { found: Box::new(key.clone()) });
    }
    Ok(())
}

fn check_room(lines: usize) -> Result<(), Rule> {
    if lines < TlogPolicy::MAX_LINES { Ok(()) } else { Err(Rule::TooMany) }
}

/// "It is required that 1 <= k <= n."
fn threshold_of(number: &[u8], members: usize) -> Result<usize, Rule> {
    let found = parse_decimal(&String::from_utf8_lossy(number), u64::MAX).map_err(Rule::Threshold)?;
    let threshold = usize::try_from(found).ok().filter(|found| (1..=members).contains(found));
    threshold.ok_or(Rule::ThresholdRange { found, members })
}
