use std::fs;

use axum::{response::Html, routing::get};

use super::*;

fn html(body: &'static str) -> axum::routing::MethodRouter {
    get(move || async move { Html(body) })
}

fn names(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, prefix: &str, names: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() { walk(&entry.path(), &format!("{name}/"), names) } else { names.push(name) }
        }
    }
    let mut names = Vec::new();
    walk(folder, "", &mut names);
    names.sort();
    names
}

#[tokio::test]
async fn everything_that_links_lead_to_becomes_a_file_and_what_is_gone_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let site = Router::new()
        .route("/", html("<a href=\"a/\">"))
        .route("/a/", html("<a href=\"b.svg\"><a href=\"../\"><a href=\"https://other.example/\">"))
        .route("/a/b.svg", get(|| async { "<a href=\"not-a-page\">" }))
        .route("/unlinked/", html("x"));
    let exported = export(site.clone(), dir.path()).await.unwrap();
    assert_eq!(exported, SiteExported { files: 3, written: 3, deleted: 0 });
    assert_eq!(names(dir.path()), [".attest-site", "a/b.svg", "a/index.html", "index.html"]);

    // An export that was killed left a file behind that nobody should see for a page.
    fs::write(dir.path().join(".attest-tmp"), "half").unwrap();
    let exported = export(site, dir.path()).await.unwrap();
    assert_eq!(exported, SiteExported { files: 3, written: 0, deleted: 1 });

    let smaller = Router::new().route("/", html("nothing any more"));
    let exported = export(smaller, dir.path()).await.unwrap();
    assert_eq!(exported, SiteExported { files: 1, written: 1, deleted: 2 });
    assert_eq!(names(dir.path()), [".attest-site", "index.html"]);
}

#[tokio::test]
async fn a_link_that_leads_nowhere_fails_the_export_and_names_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let site = Router::new().route("/", html("<a href=\"a/\">")).route("/a/", html("<a href=\"../lost/\">"));
    let error = export(site, dir.path()).await.unwrap_err();
    assert_eq!(error.to_string(), "/a/ has a link to /lost/, and that has status 404 Not Found");
}

#[tokio::test]
async fn nothing_is_written_over_a_folder_of_somebody_else_or_beside_another_writer() {
    let dir = tempfile::tempdir().unwrap();
    let site = || Router::new().route("/", html("x"));
    fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    let error = export(site(), dir.path()).await.unwrap_err();
    assert!(matches!(error, SiteError::Folder(FolderError::NotASite { .. })), "{error}");
    assert_eq!(names(dir.path()), ["thesis.txt"]);

    let ours = dir.path().join("site");
    let writer = Folder::open(&ours).unwrap();
    let error = export(site(), &ours).await.unwrap_err();
    assert!(matches!(error, SiteError::Folder(FolderError::Held { .. })), "{error}");
    drop(writer);
    export(site(), &ours).await.unwrap();
}
