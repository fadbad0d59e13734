//! The one stylesheet and the one picture.

use std::{
    fmt::Write as _,
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    http::{HeaderName, header},
    routing::get,
};
use sha2::{Digest as _, Sha256};

use crate::http::{Site, not_here};

const STYLE: &str = include_str!("../../../templates/style.css");
const ICON: &str = include_str!("../../../templates/icon.svg");

/// Path of the stylesheet from the root: another content has another name, so browsers may keep it for ever.
pub(crate) static STYLE_PATH: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::digest(STYLE);
    digest[..6].iter().fold("style-".to_owned(), |mut path, byte| {
        // Writing to a String cannot fail.
        let _ = write!(path, "{byte:02x}");
        path
    }) + ".css"
});

const FOR_EVER: &str = "public, max-age=31536000, immutable";
const A_DAY: &str = "public, max-age=86400";

type Asset = ([(HeaderName, &'static str); 3], &'static str);

pub(super) fn routes() -> Router<Arc<Site>> {
    let style = |lifetime| move || async move { asset("text/css; charset=utf-8", lifetime, STYLE) };
    let icon = || async { asset("image/svg+xml", A_DAY, ICON) };
    Router::new()
        .route(&format!("/{}", *STYLE_PATH), get(style(FOR_EVER)).fallback(not_here))
        // For whoever writes a page of their own.
        .route("/style.css", get(style(A_DAY)).fallback(not_here))
        .route("/icon.svg", get(icon).fallback(not_here))
}

const fn asset(media_type: &'static str, lifetime: &'static str, content: &'static str) -> Asset {
    // The picture is a document of its own for whoever opens it.
    let policy = (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    ([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, lifetime), policy], content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stylesheet_stays_small_and_loads_nothing() {
        assert!(STYLE.len() < 12 * 1024, "{}", STYLE.len());
        for loads in ["url(", "@import", "@font-face"] {
            assert!(!STYLE.contains(loads), "{loads}");
        }
    }
}
