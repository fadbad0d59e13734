//! `/`: what this is, for a person who opens the URL.

use std::fmt::Write as _;

use axum::http::{HeaderName, header};

use super::{Role, Site};

/// Plain text: nothing in it needs escaping, and it reads the same in a terminal.
pub(super) fn page(site: &Site) -> ([(HeaderName, &'static str); 1], String) {
    let published = site.reader.published();
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_page(&mut text, site, published.head.size.get());
    ([(header::CACHE_CONTROL, "no-store")], text)
}

fn write_page(text: &mut String, site: &Site, statements: u64) -> std::fmt::Result {
    let what = match &site.role {
        Role::Log { .. } | Role::Stopped => "attest log",
        Role::Mirror { .. } => "mirror of the attest log",
    };
    writeln!(text, "{what} {}", site.origin)?;
    writeln!(
        text,
        "\nAn append-only log of signed statements about rebuilt Python packages: \"this file was reproduced from that \
         source\".\nStatements: {statements}\n"
    )?;
    if let Some(frozen) = site.freeze.now() {
        let next = frozen.next().map(|next| format!("; submit to {next}")).unwrap_or_default();
        writeln!(text, "This log accepts nothing more: {frozen}{next}\n")?;
    }
    for vkey in &site.vkeys {
        writeln!(text, "verifier key  {vkey}")?;
    }
    writeln!(
        text,
        "\nGET  /checkpoint                       signed tree head (c2sp.org/tlog-checkpoint)\n\
         GET  /tile/L/N[.p/W]                   hashes (c2sp.org/tlog-tiles)\n\
         GET  /tile/entries/N[.p/W]             statements\n\
         GET  /api/v1/artifacts/SHA256[?from=N] all about one file\n\
         GET  /api/v1/negatives[?shards=XX...]  signed list of what speaks against files\n\
         GET  /negatives/SHA256                 a part of it\n\
         POST /api/v1/lookup                    all about many files"
    )?;
    if let Role::Log { rebuilders, .. } = &site.role {
        let rebuilders = rebuilders.current();
        writeln!(text, "POST /api/v1/statements                submit a statement\n")?;
        if let Some(operator) = rebuilders.operator() {
            writeln!(text, "Run by {operator}.")?;
        }
        writeln!(text, "Rebuilders that may submit:")?;
        for rebuilder in rebuilders.iter() {
            let (name, url) = (rebuilder.name(), rebuilder.url());
            writeln!(text, "  {name}  {url}  {}  {}", rebuilder.contact(), rebuilder.key().fingerprint())?;
        }
    }
    Ok(())
}
