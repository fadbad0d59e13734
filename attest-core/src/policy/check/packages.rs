//! `[[package]]` and `[[exempt]]`.
use super::{Text, count, parties::url};
use crate::policy::{
    Exemption, ExemptionScope, GroupName, Lined, PackageRule, Pattern, PolicyError, PolicyErrorKind, Repository,
    file::{ExemptTable, PackageTable, RepositoryTable},
};
use std::collections::BTreeSet;
use toml::Spanned;

/// `threshold` and `groups`: the policy's own, and which groups can vote at all.
pub(super) fn rules(
    at: Text<'_>,
    tables: Vec<Spanned<PackageTable>>,
    threshold: u32,
    groups: &BTreeSet<GroupName>,
) -> Result<Vec<PackageRule>, PolicyError> {
    let line = |spanned: &Spanned<PackageTable>| at.line(&spanned.span());
    tables.into_iter().map(|spanned| rule(at, line(&spanned), spanned.into_inner(), threshold, groups)).collect()
}

fn rule(
    at: Text<'_>,
    line: usize,
    table: PackageTable,
    default: u32,
    groups: &BTreeSet<GroupName>,
) -> Result<PackageRule, PolicyError> {
    let threshold = match &table.threshold {
        None => None,
        Some(value) => {
            let threshold = at.threshold("threshold", value, count(groups))?;
            if threshold.value < default {
                let kind = PolicyErrorKind::ThresholdLowered { policy: default, found: threshold.value };
                return Err(at.error(&value.span(), kind));
            }
            Some(threshold)
        }
    };
    let repository = |value: Spanned<RepositoryTable>| {
        Ok(Lined { line: at.line(&value.span()), value: repository(at, value.into_inner())? })
    };
    let index = |value: Spanned<String>| Ok(Lined { line: at.line(&value.span()), value: url(at, &value)? });
    Ok(PackageRule {
        line,
        name: pattern(at, &table.name)?,
        threshold,
        accept_origin: table.accept_origin.map(|words| at.list("accept-origin", &words)).transpose()?,
        accept_method: table.accept_method.map(|words| at.list("accept-method", &words)).transpose()?,
        accept_recipe: table
            .accept_recipe
            .map(|recipes| Lined { line: at.line(&recipes.span()), value: recipes.into_inner().into_iter().collect() }),
        accept_equivalent: table.accept_equivalent.map(|accepted| at.lined(&accepted)),
        repository: table.repository.map(repository).transpose()?,
        require_groups: table.require_groups.map_or_else(|| Ok(Vec::new()), |names| required(at, &names, groups))?,
        index: table.index.map(index).transpose()?,
    })
}

/// A group that cannot vote could be required for ever in vain.
fn required(
    at: Text<'_>,
    names: &Spanned<Vec<Spanned<String>>>,
    groups: &BTreeSet<GroupName>,
) -> Result<Vec<Lined<GroupName>>, PolicyError> {
    if names.get_ref().is_empty() {
        return Err(at.error(&names.span(), PolicyErrorKind::EmptyList { key: "require-groups" }));
    }
    let group = |name: &Spanned<String>| {
        let known = groups.iter().find(|group| group.as_str() == name.get_ref());
        known.map(|group| Lined { value: group.clone(), line: at.line(&name.span()) }).ok_or_else(|| {
            let found = name.get_ref().clone();
            at.error(&name.span(), PolicyErrorKind::RequiredGroup { found })
        })
    };
    names.get_ref().iter().map(group).collect()
}

/// Project names are compared in normalised form (PEP 503), so a pattern in any other form would never match.
fn pattern(at: Text<'_>, value: &Spanned<String>) -> Result<Pattern, PolicyError> {
    let found = value.get_ref();
    let normal = !found.is_empty()
        && !found.contains("--")
        && found.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'*');
    if normal {
        return Ok(Pattern::new(found.clone()));
    }
    let found = found.clone();
    Err(at.error(&value.span(), PolicyErrorKind::Pattern { found }))
}

/// docs/TRUST.md 3.6
fn repository(at: Text<'_>, table: RepositoryTable) -> Result<Repository, PolicyError> {
    if let Err(rule) = canonical(table.url.get_ref()) {
        let found = table.url.get_ref().clone();
        return Err(at.error(&table.url.span(), PolicyErrorKind::Repository { rule, found }));
    }
    if let Some(reference) = &table.r#ref {
        let found = reference.get_ref();
        if !(found.starts_with("refs/tags/") || found.starts_with("refs/heads/")) {
            let found = found.clone();
            return Err(at.error(&reference.span(), PolicyErrorKind::Ref { found }));
        }
    }
    Ok(Repository::new(table.url.into_inner(), table.r#ref.map(Spanned::into_inner)))
}

fn canonical(url: &str) -> Result<(), &'static str> {
    let rest = url.strip_prefix("https://").ok_or("https")?;
    let (host, path) = rest.split_once('/').ok_or("with a path")?;
    if host.contains('@') {
        return Err("no user information");
    }
    if host.contains(':') {
        return Err("no port");
    }
    if host.is_empty() || !host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)) {
        return Err("lower-case ASCII host");
    }
    if path.is_empty() || path.ends_with('/') {
        return Err("no trailing slash");
    }
    if path.rsplit_once('.').is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("git")) {
        return Err("no .git");
    }
    if !path.bytes().all(|b| b.is_ascii_graphic() && !b"?#%\\".contains(&b)) {
        return Err("no query, fragment or escapes");
    }
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("no empty or dot segments");
    }
    Ok(())
}

pub(super) fn exemptions(at: Text<'_>, tables: Vec<Spanned<ExemptTable>>) -> Result<Vec<Exemption>, PolicyError> {
    tables.into_iter().map(|spanned| exemption(at, spanned)).collect()
}

/// docs/TRUST.md 6.3
fn exemption(at: Text<'_>, spanned: Spanned<ExemptTable>) -> Result<Exemption, PolicyError> {
    let span = spanned.span();
    let table = spanned.into_inner();
    let scope = match (table.sha256, &table.index) {
        (Some(digest), None) => {
            if let Some(name) = &table.name {
                return Err(at.error(&name.span(), PolicyErrorKind::ExemptionName));
            }
            if table.expires.is_none() {
                return Err(at.error(&span, PolicyErrorKind::ExemptionWithoutExpiry));
            }
            ExemptionScope::File(digest.into_inner())
        }
        (None, Some(index)) => ExemptionScope::Index {
            url: url(at, index)?,
            name: table.name.as_ref().map(|name| pattern(at, name)).transpose()?,
        },
        (None, None) | (Some(_), Some(_)) => {
            return Err(at.error(&span, PolicyErrorKind::ExemptionScope));
        }
    };
    let expires = table.expires.as_ref().map(|expires| at.time("expires", expires)).transpose()?;
    let since = table.since.as_ref().map(|since| at.time("since", since)).transpose()?;
    if let (Some(since), Some(expires), Some(written)) = (since, expires, &table.since)
        && since.value >= expires.value
    {
        return Err(at.error(&written.span(), PolicyErrorKind::ExemptionSpan));
    }
    Ok(Exemption {
        scope,
        reason: at.reason(table.reason)?,
        since: since.map(|since| since.value),
        expires: expires.map(|expires| expires.value),
        line: at.line(&span),
    })
}
