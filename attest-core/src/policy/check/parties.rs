//! Everybody the policy names.
use super::{Text, registry::Registry, status};
use crate::{
    merkle::{LeafIndex, TreeHead, TreeSize},
    note::{KeyType, VerifierKey},
    policy::{
        Auditor, GroupName, Holder, IndexRange, Party, PartyName, PolicyError, PolicyErrorKind, PolicyLog, Role,
        Status, Witness,
        file::{CosignerTable, HeadTable, KeyTable, LogTable, RangeTable, RebuilderTable},
    },
};
use toml::Spanned;

pub(super) fn logs(registry: &mut Registry<'_>, tables: Vec<Spanned<LogTable>>) -> Result<Vec<PolicyLog>, PolicyError> {
    let mut logs: Vec<PolicyLog> = Vec::new();
    for spanned in tables {
        let line = registry.at.line(&spanned.span());
        let table = spanned.into_inner();
        let vkey = registry.vkey(&table.vkey, Role::Log, KeyType::Ed25519, |vkey| Holder {
            role: Role::Log,
            name: vkey.name().as_str().to_owned(),
            group: None,
        })?;
        if let Some(first) = logs.iter().find(|log| log.origin() == vkey.name().as_str()) {
            let kind = PolicyErrorKind::DuplicateLog { origin: first.origin().to_owned(), first_line: first.line };
            return Err(registry.at.error(&table.vkey.span(), kind));
        }
        if table.urls.get_ref().is_empty() {
            let kind = PolicyErrorKind::EmptyList { key: "urls" };
            return Err(registry.at.error(&table.urls.span(), kind));
        }
        let urls = table.urls.get_ref().iter().map(|value| url(registry.at, value));
        logs.push(PolicyLog {
            vkey,
            urls: urls.collect::<Result<_, _>>()?,
            last: table.last.map(|last| head(registry.at, last.get_ref())).transpose()?,
            line,
        });
    }
    Ok(logs)
}

/// A base URL, without its trailing slash.
pub(super) fn url(at: Text<'_>, value: &Spanned<String>) -> Result<String, PolicyError> {
    let found = value.get_ref();
    let plain = found.bytes().all(|b| b.is_ascii_graphic() && !b"?#\\\"<>".contains(&b));
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| found.strip_prefix(scheme))
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if plain && host {
        return Ok(found.trim_end_matches('/').to_owned());
    }
    let found = found.clone();
    Err(at.error(&value.span(), PolicyErrorKind::Url { found }))
}

fn head(at: Text<'_>, table: &HeadTable) -> Result<TreeHead, PolicyError> {
    let written = table.root.get_ref();
    let Ok(root) = written.parse() else {
        let found = written.clone();
        return Err(at.error(&table.root.span(), PolicyErrorKind::Root { found }));
    };
    Ok(TreeHead { size: TreeSize::new(*table.size.get_ref()), root })
}

pub(super) fn rebuilders(
    registry: &mut Registry<'_>,
    tables: Vec<Spanned<RebuilderTable>>,
    logs: &[PolicyLog],
) -> Result<Vec<Party>, PolicyError> {
    let mut parties = Vec::with_capacity(tables.len());
    for spanned in tables {
        let line = registry.at.line(&spanned.span());
        let table = spanned.into_inner();
        let name = registry.name(&table.name)?;
        let group = registry.group(&table.group)?;
        let holder = Holder { role: Role::Rebuilder, name: name.to_string(), group: Some(group.clone()) };
        let key = registry.signing_key(&holder, &name, &table.key, table.certificate.as_ref())?;
        let status = status(*table.status.get_ref());
        // docs/TRUST.md 2.4: a key that is revoked now votes only below its `before`.
        if status == Status::Current && key.is_revoked() {
            let kind = PolicyErrorKind::RevokedKey { name };
            return Err(registry.at.error(&table.status.span(), kind));
        }
        if status == Status::Retired && table.valid.is_none() {
            let kind = PolicyErrorKind::RetiredWithoutRange;
            return Err(registry.at.error(&table.status.span(), kind));
        }
        let ranges = |valid: Spanned<Vec<Spanned<RangeTable>>>| {
            let ranges = valid.into_inner();
            ranges.iter().map(|table| range(registry.at, table, status, logs)).collect()
        };
        let valid = table.valid.map(ranges).transpose()?;
        parties.push(Party {
            role: Role::Rebuilder,
            name,
            group,
            key,
            id: table.id.map(Spanned::into_inner),
            status,
            valid,
            line,
        });
    }
    Ok(parties)
}

fn range(
    at: Text<'_>,
    spanned: &Spanned<RangeTable>,
    status: Status,
    logs: &[PolicyLog],
) -> Result<IndexRange, PolicyError> {
    let table = spanned.get_ref();
    let log = table.log.get_ref();
    if !logs.iter().any(|known| known.origin() == log) {
        let found = log.clone();
        return Err(at.error(&table.log.span(), PolicyErrorKind::UnknownLog { found }));
    }
    let from = *table.from.get_ref();
    match &table.before {
        // docs/TRUST.md 2.4: a key that is expired, revoked or compromised now votes only below its `before`.
        None if status != Status::Current => {
            return Err(at.error(&spanned.span(), PolicyErrorKind::OpenRange));
        }
        Some(before) if *before.get_ref() <= from => {
            let before_value = *before.get_ref();
            let kind = PolicyErrorKind::EmptyRange { from, before: before_value };
            return Err(at.error(&before.span(), kind));
        }
        _ => {}
    }
    Ok(IndexRange {
        log: log.clone(),
        from: LeafIndex::new(from),
        before: table.before.as_ref().map(|before| LeafIndex::new(*before.get_ref())),
    })
}

/// `[[self]]` and `[[publisher]]`.
pub(super) fn keys(
    registry: &mut Registry<'_>,
    role: Role,
    tables: Vec<Spanned<KeyTable>>,
) -> Result<Vec<Party>, PolicyError> {
    let mut parties = Vec::with_capacity(tables.len());
    for spanned in tables {
        let line = registry.at.line(&spanned.span());
        let table = spanned.into_inner();
        let name = registry.name(&table.name)?;
        let group = match role {
            Role::Own => GroupName::own(),
            // Never counted, but its dissent is: a publisher stands for itself.
            _ => GroupName::publisher(&name),
        };
        let holder = Holder { role, name: name.to_string(), group: Some(group.clone()) };
        let key = registry.signing_key(&holder, &name, &table.key, table.certificate.as_ref())?;
        if role == Role::Own && key.is_revoked() {
            let kind = PolicyErrorKind::RevokedKey { name };
            return Err(registry.at.error(&table.key.span(), kind));
        }
        parties.push(Party { role, name, group, key, id: None, status: Status::Current, valid: None, line });
    }
    Ok(parties)
}

pub(super) fn witnesses(
    registry: &mut Registry<'_>,
    tables: Vec<Spanned<CosignerTable>>,
) -> Result<Vec<Witness>, PolicyError> {
    let witness = |spanned| {
        let (name, group, vkey, line) = cosigner(registry, spanned, Role::Witness, KeyType::CosignatureV1)?;
        Ok(Witness { name, group, vkey, line })
    };
    tables.into_iter().map(witness).collect()
}

pub(super) fn auditors(
    registry: &mut Registry<'_>,
    tables: Vec<Spanned<CosignerTable>>,
) -> Result<Vec<Auditor>, PolicyError> {
    let auditor = |spanned| {
        let (name, group, vkey, line) = cosigner(registry, spanned, Role::Auditor, KeyType::Ed25519)?;
        Ok(Auditor { name, group, vkey, line })
    };
    tables.into_iter().map(auditor).collect()
}

fn cosigner(
    registry: &mut Registry<'_>,
    spanned: Spanned<CosignerTable>,
    role: Role,
    kind: KeyType,
) -> Result<(PartyName, GroupName, VerifierKey, usize), PolicyError> {
    let line = registry.at.line(&spanned.span());
    let table = spanned.into_inner();
    let name = registry.name(&table.name)?;
    let group = registry.group(&table.group)?;
    let vkey = registry.vkey(&table.vkey, role, kind, |_| Holder {
        role,
        name: name.to_string(),
        group: Some(group.clone()),
    })?;
    Ok((name, group, vkey, line))
}
