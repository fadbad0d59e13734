//! Nobody appears twice: names and raw public keys that are taken (docs/TRUST.md 1.3).
use super::Text;
use crate::{
    key::{PublicKey, RawKey},
    note::{KeyType, VerifierKey},
    policy::{GroupName, Holder, PartyName, PolicyError, PolicyErrorKind, Role},
};
use std::{
    collections::{BTreeMap, btree_map},
    ops::Range,
};
use toml::Spanned;

/// Names and raw public keys that are taken (docs/TRUST.md 1.3).
pub(super) struct Registry<'a> {
    pub(super) at: Text<'a>,
    names: BTreeMap<PartyName, usize>,
    /// By their lower-case spelling.
    groups: BTreeMap<String, (GroupName, usize)>,
    keys: BTreeMap<RawKey, (Holder, usize)>,
}

impl<'a> Registry<'a> {
    pub(super) fn new(at: Text<'a>) -> Self {
        Self { at, names: BTreeMap::new(), groups: BTreeMap::new(), keys: BTreeMap::new() }
    }

    pub(super) fn name(&mut self, value: &Spanned<String>) -> Result<PartyName, PolicyError> {
        let found = value.get_ref();
        let Some(name) = PartyName::new(found) else {
            let found = found.clone();
            return Err(self.at.error(&value.span(), PolicyErrorKind::Name { found }));
        };
        match self.names.entry(name.clone()) {
            btree_map::Entry::Vacant(free) => {
                free.insert(self.at.line(&value.span()));
                Ok(name)
            }
            btree_map::Entry::Occupied(taken) => {
                let first_line = *taken.get();
                let kind = PolicyErrorKind::DuplicateName { name, first_line };
                Err(self.at.error(&value.span(), kind))
            }
        }
    }

    /// One spelling per group: a slip of the shift key would give an organisation a second vote (docs/TRUST.md 1.3).
    pub(super) fn group(&mut self, value: &Spanned<String>) -> Result<GroupName, PolicyError> {
        let found = value.get_ref();
        let Some(group) = GroupName::new(found) else {
            let found = found.clone();
            return Err(self.at.error(&value.span(), PolicyErrorKind::Name { found }));
        };
        if group.is_reserved() {
            return Err(self.at.error(&value.span(), PolicyErrorKind::ReservedGroup));
        }
        let line = self.at.line(&value.span());
        let (first, first_line) =
            self.groups.entry(found.to_ascii_lowercase()).or_insert_with(|| (group.clone(), line));
        if *first != group {
            let kind = PolicyErrorKind::GroupSpelling { first: first.clone(), first_line: *first_line, found: group };
            return Err(self.at.error(&value.span(), kind));
        }
        Ok(group)
    }

    /// A key has one role, whatever name or certificate it comes under: raw keys are compared.
    fn claim(&mut self, keys: Vec<RawKey>, holder: &Holder, span: &Range<usize>) -> Result<(), PolicyError> {
        let line = self.at.line(span);
        for key in keys {
            match self.keys.entry(key) {
                btree_map::Entry::Vacant(free) => {
                    free.insert((holder.clone(), line));
                }
                btree_map::Entry::Occupied(taken) => {
                    let (first, first_line) = taken.get().clone();
                    let second = holder.clone();
                    let kind = PolicyErrorKind::DuplicateKey { first, first_line, second };
                    return Err(self.at.error(span, kind));
                }
            }
        }
        Ok(())
    }

    pub(super) fn signing_key(
        &mut self,
        holder: &Holder,
        name: &PartyName,
        key: &Spanned<String>,
        certificate: Option<&Spanned<String>>,
    ) -> Result<PublicKey, PolicyError> {
        let at = self.at;
        let parse = |value: &Spanned<String>| {
            PublicKey::parse(value.get_ref()).map_err(|source| {
                let name = name.clone();
                at.error(&value.span(), PolicyErrorKind::Key { name, source })
            })
        };
        let written = key.get_ref();
        let parsed = match (written.starts_with("openpgp:"), certificate) {
            (false, None) => parse(key)?,
            (false, Some(unused)) => {
                let kind = PolicyErrorKind::CertificateUnused { name: name.clone() };
                return Err(at.error(&unused.span(), kind));
            }
            (true, None) => {
                let kind = PolicyErrorKind::CertificateMissing { name: name.clone(), found: written.clone() };
                return Err(at.error(&key.span(), kind));
            }
            (true, Some(certificate)) => {
                // docs/TRUST.md 2.3: pinned by full fingerprint; the armored text is only where the key material is.
                let parsed = parse(certificate)?;
                if parsed.fingerprint() != *written {
                    let kind = PolicyErrorKind::Fingerprint {
                        name: name.clone(),
                        expected: written.clone(),
                        found: parsed.fingerprint(),
                    };
                    return Err(at.error(&key.span(), kind));
                }
                parsed
            }
        };
        self.claim(parsed.raw_keys(), holder, &key.span())?;
        Ok(parsed)
    }

    pub(super) fn vkey(
        &mut self,
        value: &Spanned<String>,
        role: Role,
        kind: KeyType,
        holder: impl FnOnce(&VerifierKey) -> Holder,
    ) -> Result<VerifierKey, PolicyError> {
        let span = value.span();
        let vkey: VerifierKey =
            value.get_ref().parse().map_err(|source| self.at.error(&span, PolicyErrorKind::VerifierKey { source }))?;
        if vkey.kind() != kind {
            let kind =
                PolicyErrorKind::VerifierKeyType { role, expected: type_name(kind), found: type_name(vkey.kind()) };
            return Err(self.at.error(&span, kind));
        }
        let holder = holder(&vkey);
        self.claim(vec![RawKey::ed25519(vkey.public())], &holder, &span)?;
        Ok(vkey)
    }
}

fn type_name(kind: KeyType) -> &'static str {
    match kind {
        KeyType::Ed25519 => "0x01 (Ed25519)",
        KeyType::CosignatureV1 => "0x04 (cosignature)",
    }
}
