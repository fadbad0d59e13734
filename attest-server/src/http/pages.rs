//! Pages for people: the answers of [`attest_core::api::record`], drawn. No page has data of its own, needs a script, or
//! asks another server for anything.
//!
//! Every page is a folder (`/project/six/`) and every link is relative, so that the same bytes work below any path, on any
//! mirror, and as files on any web server.
//!
//! What is in a page comes from strangers, through a signature at best: templates escape all of it, [`shown::told`] cuts
//! it and makes what is hidden in it visible, and the policy below lets nothing run.

mod answer;
pub(super) mod api;
mod asked;
mod assets;
mod frame;
mod look;
mod record;
mod shown;
mod signed;
mod wrong;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::get,
};

use super::{Problem, Site, not_here, read};
pub(super) use answer::told;
pub(super) use asked::{Asked, Static};

use wrong::Wrong;

pub(super) fn routes() -> Router<Arc<Site>> {
    // With a slash at its end it is one of the endpoints.
    let api = Router::new().route("/api", get(api::page).fallback(not_here));
    api.merge(assets::routes()).merge(record::routes()).merge(signed::routes())
}

/// A page and the same path without the slash at its end, which leads to it. `{}` in `path` stands for a segment.
fn folder<F, R>(router: Router<Arc<Site>>, path: &str, page: F) -> Router<Arc<Site>>
where
    F: Fn(State<Arc<Site>>, Request) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response> + Send + 'static,
{
    let methods = || get(page.clone()).fallback(not_here);
    router.route(path.trim_end_matches('/'), methods()).route(path, methods())
}

/// What no other endpoint has: tiles, and for a browser a page that says where it may go on.
pub(super) async fn others(State(site): State<Arc<Site>>, request: Request) -> Response {
    let asked = Asked::of(&request);
    match read::read(State(Arc::clone(&site)), request).await {
        Ok(response) => response,
        Err(Problem::NotFound { .. }) if asked.wants_page() => {
            answer::wrong(&site, &asked, Wrong::NotFound { what: "This log has no page there.", near: Vec::new() })
        }
        Err(problem) => problem.into_response(),
    }
}
