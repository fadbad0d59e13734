//! Changes of a policy file by a program: every byte that is not meant stays, comments too, and the serial is raised
//! (docs/TRUST.md 1.2). What comes out is read by the one policy parser, and compared with what was meant, before it
//! replaces the file.

use std::{
    fmt::Display,
    fs::{self, File},
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use attest_core::policy::Policy;
use serde::{Deserialize, de::IgnoredAny};
use toml::{Spanned, Table, Value};

use crate::{
    exit::Failure,
    files::{self, FileError},
    layers::{self, Layer, LayerError, Owner},
    output::Output,
    places::{PlaceError, Places},
};

/// More lines are counted and not shown.
const MAX_SHOWN: usize = 24;

/// A policy file about to be changed.
#[derive(Debug)]
pub(crate) struct Amendment {
    layer: Layer,
    text: String,
    spans: Spans,
    /// What the file must say afterwards.
    meant: Table,
    changes: Vec<Change>,
    appended: String,
}

#[derive(Debug)]
struct Change {
    span: Range<usize>,
    new: String,
}

/// Where the values are that a program changes.
#[derive(Debug, Deserialize)]
struct Spans {
    serial: Spanned<u64>,
    #[serde(default)]
    rebuilder: Vec<PartySpans>,
    ratchet: Option<RatchetSpans>,
}

#[derive(Debug, Deserialize)]
struct PartySpans {
    name: String,
    status: Spanned<IgnoredAny>,
    valid: Option<Spanned<IgnoredAny>>,
}

#[derive(Debug, Deserialize)]
struct RatchetSpans {
    expires: Spanned<IgnoredAny>,
    pins: Spanned<IgnoredAny>,
    attested: Spanned<IgnoredAny>,
}

/// The file as it is to be.
#[derive(Debug)]
pub(crate) struct Amended {
    pub(crate) path: PathBuf,
    pub(crate) serial: u64,
    text: String,
    /// What it replaces.
    before: String,
    /// Lines taken away (`-`) and put in (`+`), with the number of the first line of each change.
    diff: Vec<String>,
}

impl Amendment {
    /// Reads the policy that is to be changed: the one named, or the user's.
    pub(crate) fn of(named: Option<&PathBuf>, places: &Places) -> anyhow::Result<Self> {
        let path = named.or(places.user_policy.as_ref()).ok_or_else(PlaceError::no_home)?;
        let amendment = Self::open(path)?;
        // Raised by one, the serial of an older policy would be one that was seen: nobody would notice the rollback.
        amendment.layer.check_serial(places.data()?)?;
        Ok(amendment)
    }

    fn open(path: &Path) -> anyhow::Result<Self> {
        let (layer, text) = layers::read_text(Owner::Named, path).map_err(missing(path))?;
        let mut meant: Table = toml::from_str(&text)?;
        let spans: Spans = toml::from_str(&text)?;
        let next = layer.policy.serial().value.checked_add(1);
        let next = next.ok_or_else(|| Failure::usage("the policy's serial cannot be raised"))?;
        meant.insert("serial".to_owned(), Value::Integer(i64::try_from(next)?));
        let serial = Change { span: spans.serial.span(), new: next.to_string() };
        Ok(Self { layer, text, spans, meant, changes: vec![serial], appended: String::new() })
    }

    /// The policy as it is now.
    pub(crate) fn policy(&self) -> &Policy {
        &self.layer.policy
    }

    /// The policy as it is now, with its place.
    pub(crate) fn layer(&self) -> &Layer {
        &self.layer
    }

    /// Puts tables at the end of the file.
    pub(crate) fn append(&mut self, fragment: &str) -> anyhow::Result<()> {
        let added: Table = toml::from_str(fragment)?;
        for (key, value) in added {
            match (self.meant.get_mut(&key), value) {
                (Some(Value::Array(all)), Value::Array(more)) => all.extend(more),
                (None, value) => drop(self.meant.insert(key, value)),
                (Some(_), _) => return Err(Failure::usage(format!("the policy has a [{key}] already")).into()),
            }
        }
        self.appended.push('\n');
        self.appended.push_str(fragment);
        Ok(())
    }

    /// Writes the whole of `[ratchet]`: in the place of the old lists, or at the end of the file.
    pub(crate) fn ratchet(&mut self, expires: &str, pins: &str, attested: &str) -> anyhow::Result<()> {
        let Some(spans) = &self.spans.ratchet else {
            return self.append(&format!("[ratchet]\nexpires = {expires}\npins = {pins}\nattested = {attested}\n"));
        };
        let places = [&spans.expires, &spans.pins, &spans.attested].map(Spanned::span);
        let values = [("expires", expires), ("pins", pins), ("attested", attested)];
        let mut table = Table::new();
        for ((key, new), span) in values.into_iter().zip(places) {
            table.insert(key.to_owned(), value(new)?);
            self.changes.push(Change { span, new: new.to_owned() });
        }
        self.meant.insert("ratchet".to_owned(), Value::Table(table));
        Ok(())
    }

    /// Gives a rebuilder another status, and bounds where there are any to set.
    pub(crate) fn status(&mut self, name: &str, status: &str, valid: Option<&str>) -> anyhow::Result<()> {
        let unknown = || Failure::usage(format!("the policy has no rebuilder {name}"));
        let nth = self.spans.rebuilder.iter().position(|party| party.name == name).ok_or_else(unknown)?;
        let party = &self.spans.rebuilder[nth];
        let entry = self.meant.get_mut("rebuilder").and_then(|all| all.get_mut(nth)).and_then(Value::as_table_mut);
        let entry = entry.ok_or_else(unknown)?;
        entry.insert("status".to_owned(), Value::String(status.to_owned()));
        self.changes.push(Change { span: party.status.span(), new: format!("{status:?}") });
        if let Some(valid) = valid {
            entry.insert("valid".to_owned(), value(valid)?);
            // Beside whatever else stands on the line of the status.
            let end = party.status.span().end;
            let line = self.text[end..].find('\n').map_or(self.text.len(), |line| end + line);
            let new = || Change { span: line..line, new: format!("\nvalid = {valid}") };
            let change = party.valid.as_ref().map(|old| Change { span: old.span(), new: valid.to_owned() });
            self.changes.push(change.unwrap_or_else(new));
        }
        Ok(())
    }

    /// Replaces the file, if what comes out says what was meant and nothing else.
    pub(crate) fn write(self) -> anyhow::Result<Amended> {
        let amended = self.finish()?;
        amended.write()?;
        Ok(amended)
    }

    /// The new file, if it says what was meant and nothing else.
    pub(crate) fn finish(mut self) -> anyhow::Result<Amended> {
        self.changes.sort_by_key(|change| change.span.start);
        let diff = self.diff();
        let mut text = String::with_capacity(self.text.len() + self.appended.len() + 64);
        let mut done = 0;
        for change in &self.changes {
            text.push_str(&self.text[done..change.span.start]);
            text.push_str(&change.new);
            done = change.span.end;
        }
        text.push_str(&self.text[done..]);
        if !self.appended.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&self.appended);
        let path = self.layer.path;
        let refused = |why: &dyn Display| {
            Failure::usage(format!("{} would be no good policy: {why}", path.display()))
                .hint("nothing was changed; edit the file by hand where its form is unusual")
        };
        let policy = Policy::parse(&text).map_err(|error| refused(&error))?;
        if toml::from_str::<Table>(&text)? != self.meant {
            return Err(refused(&"the change would touch something else too").into());
        }
        Ok(Amended { path, serial: policy.serial().value, text, before: self.text, diff })
    }

    /// Whole lines, as people compare them.
    fn diff(&self) -> Vec<String> {
        let mut diff = Vec::new();
        for change in &self.changes {
            let start = self.text[..change.span.start].rfind('\n').map_or(0, |at| at + 1);
            let end = self.text[change.span.end..].find('\n').map_or(self.text.len(), |at| change.span.end + at);
            let (before, after) = (&self.text[start..change.span.start], &self.text[change.span.end..end]);
            let number = 1 + self.text[..start].matches('\n').count();
            let new = format!("{before}{}{after}", change.new);
            let (old, new): (Vec<_>, Vec<_>) = (self.text[start..end].lines().collect(), new.lines().collect());
            let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("{number:>5} - {line}"));
            let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("{number:>5} + {line}"));
            diff.extend(gone.chain(come));
        }
        let number = 1 + self.text.lines().count();
        let come = self.appended.lines().filter(|line| !line.is_empty());
        diff.extend(come.map(|line| format!("{number:>5} + {line}")));
        diff
    }
}

fn value(text: &str) -> anyhow::Result<Value> {
    let mut table: Table = toml::from_str(&format!("value = {text}"))?;
    Ok(table.remove("value").unwrap_or(Value::Boolean(false)))
}

/// Whoever has no policy yet is told how to get one.
fn missing(path: &Path) -> impl FnOnce(LayerError) -> anyhow::Error {
    let absent = fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let path = path.to_owned();
    move |error| {
        if !absent {
            return error.into();
        }
        Failure::usage(format!("there is no policy {}", path.display()))
            .hint("name one with --to, or make one with `attest policy init`")
            .into()
    }
}

impl Amended {
    /// Puts it in the place of the old one, unless that is another one by now: two programs that change a policy at once would
    /// lose what the first of them wrote.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let failed = |source| FileError::Write { path: self.path.clone(), source };
        let real = fs::canonicalize(&self.path).map_err(failed)?;
        // Of the folder, since the file itself is replaced. Where a system has no such locks, the comparison is left.
        let folder = real.parent().and_then(|folder| File::open(folder).ok());
        let _locked = folder.filter(|folder| folder.lock().is_ok());
        if fs::read(&real).map_err(failed)? != self.before.as_bytes() {
            let message = format!("{} was changed by somebody else meanwhile", self.path.display());
            return Err(Failure::usage(message).hint("nothing was written: run the command again").into());
        }
        Ok(files::rewrite(&self.path, self.text.as_bytes())?)
    }

    /// What was changed, line by line.
    pub(crate) fn show(&self, out: &Output) -> io::Result<()> {
        for line in self.diff.iter().take(MAX_SHOWN) {
            out.line(line)?;
        }
        if let Some(more) = self.diff.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
            out.line(format_args!("      ... and {more} more lines"))?;
        }
        Ok(())
    }

    pub(crate) fn diff(&self) -> &[String] {
        &self.diff
    }
}

/// As a TOML basic string on one line.
pub(crate) fn quoted(text: &str) -> String {
    Value::String(text.replace(['\n', '\r'], " ")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "# ours\nversion = 1\nserial = 7 # up\nexpires = 2099-01-01T00:00:00Z\nthreshold = 1\n\
        accept-origin = [\"git\"]\naccept-method = [\"exact\"]\nnegatives = \"best-effort\"\n\
        witness-threshold = \"none\"\nmax-checkpoint-age = \"unchecked\"\noffline-max-age = \"unchecked\"\n\
        clock-skew = \"5m\"\n[[self]] # me\nname = \"me\"\nkey = \"ed25519:yRxMmLfKg1rSbhpX8BtfnF+CEwBwhEPe0cmT2Nb5rqg=\"\n\
        [[log]]\nvkey = \"log.example.org/2026+8862e5c8+AXMt2+Su+oGBMIwOblaioJ+xgxi18YW1kGt47Q9exLL2\"\nurls = [\"https://l\"]\n\
        [[rebuilder]]\nname = \"nix\"\ngroup = \"nix\"\nstatus = \"current\" # for now\n\
        key = \"ed25519:CceYFA3Wr/po5qZlCJDGTXxjzMW1xVraIc/r8CTy2aQ=\"\n";

    fn amended(text: &str, change: impl FnOnce(&mut Amendment)) -> anyhow::Result<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        fs::write(&path, text).unwrap();
        let mut amendment = Amendment::open(&path)?;
        change(&mut amendment);
        amendment.write()?;
        Ok(fs::read_to_string(path).unwrap())
    }

    const EXEMPT: &str = "[[exempt]]\nindex = \"https://a\"\nreason = \"r\"\n";

    #[test]
    fn every_byte_that_is_not_meant_stays() {
        let text = amended(POLICY, |amendment| amendment.append(EXEMPT).unwrap()).unwrap();
        assert_eq!(text, POLICY.replace("serial = 7", "serial = 8") + "\n" + EXEMPT);
        // However the serial is written.
        for (old, new) in [("\"serial\" = 0x7 # up", "\"serial\" = 8 # up"), ("serial=7_0", "serial=71")] {
            let text = amended(&POLICY.replace("serial = 7 # up", old), |_| {}).unwrap();
            assert_eq!(text, POLICY.replace("serial = 7 # up", new));
        }
    }

    #[test]
    fn a_status_is_changed_in_its_own_entry_with_its_comment() {
        let valid = "[{ log = \"log.example.org/2026\", from = 0, before = 9 }]";
        let text = amended(POLICY, |amendment| amendment.status("nix", "retired", Some(valid)).unwrap()).unwrap();
        assert!(text.contains(&format!("status = \"retired\" # for now\nvalid = {valid}\nkey")), "{text}");
        let again = amended(&text, |amendment| amendment.status("nix", "retired", Some("[]")).unwrap()).unwrap();
        assert!(again.contains("status = \"retired\" # for now\nvalid = []\nkey"), "{again}");
        assert!(amended(POLICY, |amendment| assert!(amendment.status("me", "retired", None).is_err())).is_ok());
    }

    #[test]
    fn a_ratchet_is_added_once_and_then_turned_in_its_place() {
        let entry = format!("[\"2026-11-22 {} six==1\"]", "ab".repeat(32));
        let until = "2027-01-01T00:00:00Z";
        let first = amended(POLICY, |amendment| amendment.ratchet(until, &entry, "[]").unwrap()).unwrap();
        let more = first.clone() + "\n" + EXEMPT;
        let turned = amended(&more, |amendment| amendment.ratchet(until, "[]", &entry).unwrap()).unwrap();
        assert!(
            turned.ends_with(&format!("[ratchet]\nexpires = {until}\npins = []\nattested = {entry}\n\n{EXEMPT}")),
            "{turned}"
        );
    }

    #[test]
    fn of_two_changes_at_one_moment_none_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        fs::write(&path, POLICY).unwrap();
        let change = |text: &str| {
            let mut amendment = Amendment::open(&path).unwrap();
            amendment.append(text).unwrap();
            amendment
        };
        let (first, second) = (change(EXEMPT), change("[[exempt]]\nindex = \"https://b\"\nreason = \"r\"\n"));
        first.write().unwrap();
        assert!(second.write().unwrap_err().to_string().contains("by somebody else meanwhile"));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("https://a") && !text.contains("https://b"), "{text}");
        // Many at once: every one is there, or its writer knows that it is not.
        let written = std::thread::scope(|scope| {
            let write = |n: usize| {
                let exempt = format!("[[exempt]]\nindex = \"https://h{n}\"\nreason = \"r\"\n");
                Amendment::open(&path).and_then(|mut amendment| {
                    amendment.append(&exempt)?;
                    amendment.write()
                })
            };
            let writers: Vec<_> = (0..16).map(|n| scope.spawn(move || (n, write(n).is_ok()))).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
        });
        let text = fs::read_to_string(&path).unwrap();
        for (n, ok) in &written {
            assert_eq!(text.contains(&format!("https://h{n}\"")), *ok, "{n}: {text}");
        }
        let count = written.iter().filter(|(_, ok)| *ok).count();
        assert!(count > 0 && text.contains(&format!("serial = {}", 8 + count)), "{text}");
    }

    #[test]
    fn what_would_be_no_policy_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        fs::write(&path, POLICY).unwrap();
        let mut amendment = Amendment::open(&path).unwrap();
        amendment.append("[[exempt]]\nname = \"six\"\nreason = \"r\"\n").unwrap();
        assert!(amendment.write().unwrap_err().to_string().contains("an exemption needs either"));
        // An array in one line cannot be continued by tables.
        let inline = POLICY.replacen(
            "threshold = 1\n",
            "threshold = 1\nexempt = [{ index = \"https://a\", reason = \"r\" }]\n",
            1,
        );
        fs::write(&path, &inline).unwrap();
        let mut amendment = Amendment::open(&path).unwrap();
        amendment.append(EXEMPT).unwrap();
        assert!(amendment.write().is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), inline);
    }
}
