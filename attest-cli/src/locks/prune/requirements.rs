//! Requirements files: each `--hash` is a file. Physical lines are joined as pip joins them ([`super::super::requirements`]).

use std::{collections::BTreeSet, ops::Range};

use attest_core::artifact::ArtifactDigest;

use super::{PruneError, Pruned, without};

const OPTION: &str = "--hash";

/// A requirement with its continuation lines.
#[derive(Debug, Default)]
struct Logical {
    /// Physical lines, line end included.
    lines: Vec<Range<usize>>,
    hashes: Vec<Hash>,
    /// Starts of the tokens that are not hashes.
    others: Vec<usize>,
}

/// `--hash=sha256:HEX`, or in two tokens.
#[derive(Debug)]
struct Hash {
    tokens: Vec<Range<usize>>,
    /// None for anything but one sha256.
    digest: Option<ArtifactDigest>,
}

pub(super) fn prune(text: &str, keep: &BTreeSet<ArtifactDigest>) -> Result<Pruned, PruneError> {
    let stays = |hash: &Hash| hash.digest.is_some_and(|digest| keep.contains(&digest));
    let all = logical(text);
    let (mut cuts, mut kept, mut removed) = (Vec::new(), 0, 0);
    for line in &all {
        let gone: Vec<&Hash> = line.hashes.iter().filter(|hash| !stays(hash)).collect();
        if !gone.is_empty() && gone.len() == line.hashes.len() {
            return Err(PruneError::Empty { package: name(text, line) });
        }
        kept += line.hashes.len() - gone.len();
        removed += gone.len();
        cuts.extend(line.cut(text, &gone));
    }
    let pruned = Pruned { text: without(text, cuts), kept, removed };
    faithful(text, &pruned.text, keep)?;
    Ok(pruned)
}

fn name(text: &str, line: &Logical) -> String {
    let start = line.others.first().copied().unwrap_or_default();
    let word = text.get(start..).and_then(|rest| rest.split_whitespace().next());
    word.unwrap_or_default().to_owned()
}

/// What is left must say the same in other words: the same tokens without the hashes that went.
fn faithful(before: &str, after: &str, keep: &BTreeSet<ArtifactDigest>) -> Result<(), PruneError> {
    let told = |text: &str, stays: &dyn Fn(&Hash) -> bool| -> Vec<(Vec<String>, Vec<Option<ArtifactDigest>>)> {
        let word =
            |start: &usize| text.get(*start..).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
        let one = |line: &Logical| {
            let others = line.others.iter().map(|start| word(start).trim_end_matches('\\').to_owned()).collect();
            (others, line.hashes.iter().filter(|hash| stays(hash)).map(|hash| hash.digest).collect())
        };
        logical(text).iter().filter(|line| !line.others.is_empty() || !line.hashes.is_empty()).map(one).collect()
    };
    let expected = told(before, &|hash| hash.digest.is_some_and(|digest| keep.contains(&digest)));
    if expected == told(after, &|_| true) { Ok(()) } else { Err(PruneError::Unfaithful) }
}

impl Logical {
    /// What goes with these hashes: whole lines where nothing else stands there, and the backslash before a last line that
    /// went.
    fn cut(&self, text: &str, gone: &[&Hash]) -> Vec<Range<usize>> {
        let tokens: Vec<&Range<usize>> = gone.iter().flat_map(|hash| &hash.tokens).collect();
        let stays = |line: &Range<usize>| {
            let hashes = self.hashes.iter().flat_map(|hash| &hash.tokens);
            let starts = self.others.iter().copied().chain(hashes.map(|token| token.start));
            starts.into_iter().any(|start| line.contains(&start) && !tokens.iter().any(|token| token.start == start))
        };
        let mut cuts: Vec<Range<usize>> = Vec::new();
        let mut last = None;
        for line in &self.lines {
            if stays(line) || !tokens.iter().any(|token| line.contains(&token.start)) {
                last = Some(line);
                for token in tokens.iter().filter(|token| line.contains(&token.start)) {
                    let before = text.get(line.start..token.start).unwrap_or_default();
                    cuts.push(line.start + before.trim_end().len()..token.end);
                }
            } else {
                cuts.push(line.clone());
            }
        }
        let ends_elsewhere = self.lines.last().is_some_and(|end| last.is_some_and(|last| last != end));
        if let Some(last) = last.filter(|_| ends_elsewhere) {
            let line = text.get(last.clone()).unwrap_or_default();
            let content = line.trim_end_matches(['\n', '\r']);
            let kept = content.trim_end_matches('\\').trim_end();
            cuts.push(last.start + kept.len()..last.start + content.len());
        }
        cuts
    }
}

fn logical(text: &str) -> Vec<Logical> {
    let mut all = Vec::new();
    let (mut current, mut commented, mut waiting) = (Logical::default(), false, false);
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let range = start..start + line.len();
        start = range.end;
        let content = line.trim_end_matches(['\n', '\r']);
        let comment = content.trim_start_matches('\u{feff}').trim_start().starts_with('#');
        let continues = content.ends_with('\\') && !comment;
        current.lines.push(range.clone());
        for token in tokens(content, range.start) {
            let word = text.get(token.clone()).unwrap_or_default();
            commented |= word.starts_with('#');
            if commented {
                break;
            }
            waiting = current.token(word, token, waiting);
        }
        if !continues {
            all.push(std::mem::take(&mut current));
            (commented, waiting) = (false, false);
        }
    }
    all.push(current);
    all
}

/// Words, without a backslash that continues the line.
fn tokens(content: &str, start: usize) -> Vec<Range<usize>> {
    let content = content.trim_end_matches('\\');
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = content.get(at..).and_then(|rest| rest.find(|c: char| !c.is_whitespace())) {
        let from = at + offset;
        let rest = content.get(from..).unwrap_or_default();
        at = from + rest.find(char::is_whitespace).unwrap_or(rest.len());
        found.push(start + from..start + at);
    }
    found
}

impl Logical {
    /// Files a token; whether the next one is the value of this.
    fn token(&mut self, word: &str, token: Range<usize>, waiting: bool) -> bool {
        let digest = |value: &str| value.strip_prefix("sha256:").and_then(|hex| hex.parse().ok());
        if waiting {
            if let Some(hash) = self.hashes.last_mut() {
                hash.tokens.push(token);
                hash.digest = digest(word);
            }
            return false;
        }
        match word.strip_prefix(OPTION) {
            Some("") => {
                self.hashes.push(Hash { tokens: vec![token], digest: None });
                true
            }
            Some(value) if value.starts_with('=') => {
                self.hashes.push(Hash { tokens: vec![token], digest: digest(&value[1..]) });
                false
            }
            _ => {
                self.others.push(token.start);
                false
            }
        }
    }
}
