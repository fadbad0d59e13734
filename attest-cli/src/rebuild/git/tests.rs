use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use attest_core::artifact::{ArtifactDigest, WheelName};
use attest_core::recipe::Umask;
use attest_core::statement::Source;

use super::address::{GitAddress, RepositoryUrl};
use super::checkout::Checkout;
use super::error::GitError;
use super::repository::{Found, Repository};
use super::{Git, GitLimits};
use crate::rebuild::tree::Order;

/// `2024-02-25 23:17:33 UTC`, odd on purpose.
const TIME: u64 = 1_708_903_053;

/// A repository as somebody else made it, and a cache of ours.
struct Upstream {
    folder: tempfile::TempDir,
}

impl Upstream {
    fn new() -> Self {
        let upstream = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(upstream.path()).unwrap();
        upstream.git(&["init", "--quiet", "--initial-branch=main"]);
        upstream
    }

    /// With one commit and the tag `v1.0`.
    fn released() -> Self {
        let upstream = Self::new();
        upstream.commit("core.py", "x = 1\n");
        upstream.git(&["tag", "-a", "-m", "1.0", "v1.0"]);
        upstream
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    fn git(&self, arguments: &[&str]) -> String {
        git_in(&self.path(), arguments)
    }

    fn shell(&self, line: &str) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.path()).env_remove("GIT_DIR");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, name: &str, content: &str) -> String {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self.commit_all()
    }

    fn commit_all(&self) -> String {
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "change"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// The folder of our copy.
    fn kept(&self) -> PathBuf {
        let key = ArtifactDigest::of(self.url().as_str().as_bytes());
        self.cache().join("repositories").join(key.to_string())
    }

    fn url(&self) -> RepositoryUrl {
        RepositoryUrl::parse(&format!("file://{}", self.path().display())).unwrap()
    }

    fn fetch_with<T>(&self, limits: GitLimits, then: impl FnOnce(&Repository<'_>) -> T) -> Result<T, GitError> {
        let git = Git::find(limits)?;
        Ok(then(&Repository::fetch(&git, &self.url(), &self.cache())?))
    }

    /// What `@REFERENCE` leads to, after a fetch.
    fn find(&self, reference: &str) -> Result<Found, GitError> {
        self.fetch_with(GitLimits::default(), |repository| repository.find(&address(reference), &wheel()))?
    }

    fn checkout(&self, reference: &str) -> Result<Checkout, GitError> {
        self.fetch_with(GitLimits::default(), |repository| {
            Checkout::new(repository, repository.find(&address(reference), &wheel())?)
        })?
    }
}

fn address(reference: &str) -> GitAddress {
    let reference = if reference.is_empty() { String::new() } else { format!("@{reference}") };
    format!("git+https://forge.example/demo/demo{reference}").parse().unwrap()
}

fn wheel() -> WheelName {
    WheelName::parse("demo-1.0-py3-none-any.whl").unwrap()
}

fn git_in(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "core.protectNTFS=false", "-c", "core.protectHFS=false", "-c", "user.name=demo"])
        .args(["-c", "user.email=demo@demo.example", "-c", "commit.gpgSign=false", "-c", "tag.gpgSign=false"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_COMMITTER_DATE", format!("{TIME} +0100"))
        .env("GIT_AUTHOR_DATE", "1600000000 +0000")
        // Set where the tests run in a git hook.
        .env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE")
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_commit_that_only_a_pull_request_leads_to_is_refused() {
    let upstream = Upstream::released();
    upstream.git(&["checkout", "--quiet", "--detach"]);
    let impostor = upstream.commit("core.py", "import evil\n");
    upstream.git(&["update-ref", "refs/pull/1/head", &impostor]);
    upstream.git(&["checkout", "--quiet", "main"]);
    let found = upstream.find(&impostor);
    assert!(matches!(found, Err(GitError::Unreachable { .. })), "{found:?}");
}

#[test]
fn a_commit_that_is_in_the_cache_but_on_no_branch_any_more_is_refused() {
    let upstream = Upstream::released();
    upstream.git(&["checkout", "--quiet", "-b", "topic"]);
    let gone = upstream.commit("core.py", "x = 2\n");
    assert_eq!(upstream.find(&gone).unwrap().name, "refs/heads/topic");
    upstream.git(&["checkout", "--quiet", "main"]);
    upstream.git(&["branch", "--quiet", "-D", "topic"]);
    assert!(matches!(upstream.find(&gone), Err(GitError::Unreachable { .. })));
    // Nor one that lies in the cache's own folder, wherever it came from.
    let planted = git_in(&upstream.kept(), &["commit-tree", "-m", "planted", "refs/tags/v1.0^{tree}"]);
    assert!(matches!(upstream.find(&planted), Err(GitError::Unreachable { .. })));
}

#[test]
fn a_branch_with_a_name_that_no_statement_can_have_stands_in_nobodys_way() {
    let upstream = Upstream::released();
    upstream.git(&["branch", "aufr\u{e4}umen"]);
    let commit = upstream.git(&["rev-parse", "HEAD"]);
    upstream.git(&["tag", "--delete", "v1.0"]);
    assert_eq!(upstream.find(&commit).unwrap().name, "refs/heads/main");
    upstream.git(&["checkout", "--quiet", "aufr\u{e4}umen"]);
    upstream.git(&["branch", "--delete", "--force", "main"]);
    assert!(matches!(upstream.find(&commit), Err(GitError::Unreachable { .. })));
}

#[test]
fn a_small_repository_with_an_endless_list_of_files_is_refused_soon() {
    let upstream = Upstream::released();
    // Each folder holds the one before ten times over: ten thousand million files in some hundred bytes each.
    let mut tree = upstream.git(&["rev-parse", "HEAD^{tree}"]);
    for _ in 0..10 {
        tree = upstream
            .shell(&format!("for at in $(seq 10); do printf '040000 tree {tree}\t%s\n' $at; done | git mktree"));
    }
    let commit = upstream.git(&["commit-tree", "-m", "bomb", &tree]);
    upstream.git(&["update-ref", "refs/heads/main", &commit]);
    let limits = GitLimits { time: Duration::from_secs(120), size: 1 << 20 };
    let found = upstream
        .fetch_with(limits, |repository| Checkout::new(repository, repository.find(&address("main"), &wheel())?));
    assert!(matches!(found, Ok(Err(GitError::TooLarge))), "{found:?}");
}

#[test]
fn a_tag_that_moved_does_not_stand_for_the_commit_that_was_written_down() {
    let upstream = Upstream::released();
    let then = upstream.find("v1.0").unwrap().commit;
    let now = upstream.commit("core.py", "x = 2\n");
    upstream.git(&["tag", "--force", "v1.0"]);
    assert_eq!(upstream.find("v1.0").unwrap().commit.as_str(), now);
    let moved = upstream.find(&format!("v1.0@{then}"));
    assert!(matches!(moved, Err(GitError::Moved { .. })), "{moved:?}");
    // The commit itself is still there, and a branch may go on.
    assert_eq!(upstream.find(then.as_str()).unwrap().commit, then);
    let on_branch = upstream.find(&format!("main@{then}")).unwrap();
    assert_eq!(on_branch, Found { name: "refs/heads/main".to_owned(), commit: then });
}

#[test]
fn the_versions_tag_is_found_and_two_that_differ_are_both_named() {
    let upstream = Upstream::released();
    upstream.git(&["tag", "release-1.0"]);
    upstream.git(&["tag", "1.0", "v1.0^{commit}"]);
    assert_eq!(upstream.find("").unwrap().name, "refs/tags/1.0");
    upstream.commit("core.py", "x = 2\n");
    upstream.git(&["tag", "--force", "1.0"]);
    let Err(GitError::Ambiguous { found, .. }) = upstream.find("") else { panic!("expected two") };
    assert!(found[0].starts_with("refs/tags/1.0 (") && found[1].starts_with("refs/tags/v1.0 ("), "{found:?}");
    upstream.git(&["tag", "--delete", "1.0", "v1.0", "release-1.0"]);
    assert!(matches!(upstream.find(""), Err(GitError::NoTag { tags: 0, .. })));
}

#[test]
fn a_name_that_is_tag_and_branch_and_a_short_id_are_refused() {
    let upstream = Upstream::released();
    upstream.git(&["branch", "v1.0"]);
    assert_eq!(upstream.find("v1.0").unwrap().name, "refs/tags/v1.0");
    let commit = upstream.commit("core.py", "x = 2\n");
    upstream.git(&["branch", "--force", "v1.0"]);
    assert!(matches!(upstream.find("v1.0"), Err(GitError::Ambiguous { .. })));
    assert_eq!(upstream.find("refs/heads/v1.0").unwrap().commit.as_str(), commit);
    assert!(matches!(upstream.find(&commit[..10]), Err(GitError::ShortId { .. })));
    assert!(matches!(upstream.find("v2.0"), Err(GitError::NoRef { .. })));
}

#[test]
fn the_commits_own_tag_names_it_before_a_branch_that_has_it() {
    let upstream = Upstream::released();
    let commit = upstream.git(&["rev-parse", "HEAD"]);
    upstream.commit("core.py", "x = 2\n");
    let found = upstream.find(&commit).unwrap();
    assert_eq!((found.name.as_str(), found.commit.as_str()), ("refs/tags/v1.0", commit.as_str()));
}

#[test]
fn a_build_sees_a_clean_checkout_with_its_tags_whatever_is_tagged_later() {
    let upstream = Upstream::new();
    fs::create_dir(upstream.path().join("bin")).unwrap();
    fs::write(upstream.path().join("bin/tool"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(upstream.path().join("bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("core.py", upstream.path().join("link.py")).unwrap();
    upstream.commit("core.py", "x = 1\n");
    upstream.git(&["tag", "v0.9"]);
    upstream.commit("core.py", "x = 2\n");
    upstream.git(&["tag", "-a", "-m", "1.0", "v1.0"]);
    let early = upstream.checkout("v1.0").unwrap();
    upstream.commit("core.py", "x = 3\n");
    upstream.git(&["tag", "v2.0"]);
    let late = upstream.checkout("v1.0").unwrap();
    assert_eq!(early.statement(), late.statement());
    for (checkout, order) in [(&early, Order::Forward), (&late, Order::Reversed)] {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().join("src");
        checkout.lay_out(&folder, Umask::new(0o022), order).unwrap();
        // What never looks at a file's content must not find it changed either.
        assert_eq!(git_in(&folder, &["diff-index", "--name-only", "HEAD"]), "");
        assert_eq!(git_in(&folder, &["describe", "--tags", "--dirty", "--long"]).split('-').next(), Some("v1.0"));
        assert_eq!(git_in(&folder, &["status", "--porcelain"]), "");
        assert_eq!(git_in(&folder, &["tag"]), "v0.9\nv1.0");
        assert_eq!(git_in(&folder, &["rev-list", "--count", "HEAD"]), "2");
        assert_eq!(git_in(&folder, &["branch", "--list", "--format=%(refname)", "main"]), "");
        let config = fs::read_to_string(folder.join(".git/config")).unwrap();
        assert!(!config.contains(upstream.folder.path().to_str().unwrap()), "{config}");
        let tool = fs::metadata(folder.join("bin/tool")).unwrap();
        assert_eq!(tool.permissions().mode() & 0o777, 0o755);
        let since = tool.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(since, Duration::from_secs(TIME));
        assert_eq!(fs::read_link(folder.join("link.py")).unwrap(), Path::new("core.py"));
    }
    assert_eq!(early.time(), TIME);
}

#[test]
fn the_digest_of_a_tree_is_of_what_was_committed_and_the_build_gets_what_is_checked_out() {
    let upstream = Upstream::new();
    fs::write(upstream.path().join(".gitattributes"), "*.bat eol=crlf\n").unwrap();
    upstream.commit("run.bat", "a\nb\n");
    upstream.git(&["tag", "v1.0"]);
    let checkout = upstream.checkout("").unwrap();
    assert_eq!(checkout.tree().file("run.bat").unwrap().content, b"a\r\nb\r\n");
    let lines: String = [(".gitattributes", "*.bat eol=crlf\n"), ("run.bat", "a\nb\n")]
        .map(|(path, content)| format!("100644 {path}\0{}\n", ArtifactDigest::of(content.as_bytes())))
        .concat();
    let Source::Git { tree_sha256, uri, r#ref, .. } = checkout.statement() else { panic!("expected a commit") };
    assert_eq!(tree_sha256, ArtifactDigest::of(lines.as_bytes()));
    assert_eq!((uri, r#ref), (upstream.url().uri(), "refs/tags/v1.0".to_owned()));
    assert!(checkout.notes()[0].contains("line ends"), "{:?}", checkout.notes());
}

#[test]
fn files_that_git_lfs_keeps_elsewhere_are_said() {
    let upstream = Upstream::new();
    fs::write(upstream.path().join(".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n").unwrap();
    upstream.commit("data.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    let checkout = upstream.checkout("main").unwrap();
    assert!(checkout.notes()[0].contains("git-lfs") && checkout.notes()[0].contains("data.bin"));
}

#[test]
fn hooks_and_commands_in_a_kept_copy_are_not_run() {
    let upstream = Upstream::released();
    upstream.find("v1.0").unwrap();
    let (kept, mark) = (upstream.kept(), upstream.folder.path().join("ran"));
    let script = upstream.folder.path().join("script");
    fs::write(&script, format!("#!/bin/sh\ntouch {}\nexit 1\n", mark.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(kept.join("hooks")).unwrap();
    for hook in ["reference-transaction", "post-checkout", "post-index-change", "pre-auto-gc"] {
        symlink(&script, kept.join("hooks").join(hook)).unwrap();
    }
    let script = script.display();
    let config = format!(
        "[core]\n\tbare = true\n\thooksPath = {0}/hooks\n\tfsmonitor = {script}\n\talternateRefsCommand = {script}\n\
         \tsshCommand = {script}\n[filter \"evil\"]\n\tsmudge = {script}\n\trequired = true\n",
        kept.display()
    );
    fs::write(kept.join("config"), config).unwrap();
    upstream.commit(".gitattributes", "* filter=evil ident\n");
    upstream.git(&["tag", "--force", "v1.0"]);
    upstream.checkout("v1.0").unwrap();
    assert!(!mark.exists());
}

#[test]
fn refs_that_look_like_options_are_only_names() {
    let upstream = Upstream::released();
    let mark = upstream.folder.path().join("ran");
    let evil = format!("refs/heads/--upload-pack=touch${{IFS}}{}", mark.display().to_string().replace('/', "_"));
    upstream.git(&["update-ref", &evil, "HEAD"]);
    upstream.git(&["update-ref", "refs/tags/--output=pwned", "HEAD"]);
    upstream.git(&["update-ref", "refs/tags/-oProxyCommand", "HEAD"]);
    upstream.checkout("").unwrap();
    let commit = upstream.checkout("-oProxyCommand").unwrap();
    assert!(commit.name().ends_with("@-oProxyCommand"));
    assert!(!upstream.path().join("pwned").exists() && !Path::new("pwned").exists());
}

#[test]
fn trees_that_would_write_into_git_or_out_of_the_folder_are_refused() {
    for (mode, path, content) in [
        ("100644", ".GIT/config", "[core]\n\tfsmonitor = touch x\n"),
        ("100644", "git~1/hooks/post-checkout", "x"),
        ("120000", "a/link", "../../outside"),
        ("120000", "passwd", "/etc/passwd"),
    ] {
        let upstream = Upstream::new();
        fs::write(upstream.folder.path().join("blob"), content).unwrap();
        let mut id = upstream.git(&["hash-object", "-w", "../blob"]);
        let mut kind = (mode, "blob");
        // By hand, as git itself would refuse to.
        for name in path.rsplit('/') {
            let line = format!("{} {} {id}\t{name}\n", kind.0, kind.1);
            fs::write(upstream.folder.path().join("tree"), line).unwrap();
            id = upstream.shell("git mktree < ../tree");
            kind = ("040000", "tree");
        }
        let commit = upstream.git(&["commit-tree", "-m", "evil", &id]);
        upstream.git(&["update-ref", "refs/heads/main", &commit]);
        let found = upstream.checkout("main").unwrap_err();
        assert!(matches!(found, GitError::Failed { .. } | GitError::Link { .. } | GitError::Path { .. }), "{found}");
    }
}

#[test]
fn submodules_are_refused_and_not_asked_for() {
    let upstream = Upstream::released();
    let commit = upstream.git(&["rev-parse", "HEAD"]);
    let modules = "[submodule \"evil\"]\n\tpath = evil\n\turl = https://forge.example/evil\n";
    fs::write(upstream.path().join(".gitmodules"), modules).unwrap();
    upstream.git(&["add", ".gitmodules"]);
    upstream.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},evil")]);
    upstream.git(&["commit", "--quiet", "-m", "with a submodule"]);
    let found = upstream.checkout("main").unwrap_err();
    assert!(matches!(&found, GitError::Submodule { path } if path == Path::new("evil")), "{found}");
    // A URL that is an option does not even arrive.
    fs::write(upstream.path().join(".gitmodules"), modules.replace("https://forge.example/evil", "-u./payload"))
        .unwrap();
    upstream.git(&["add", ".gitmodules"]);
    upstream.git(&["commit", "--quiet", "-m", "with an option"]);
    assert!(matches!(upstream.checkout("main"), Err(GitError::Failed { what: "fetch the repository", .. })));
}

#[test]
fn a_kept_copy_that_is_broken_is_fetched_anew() {
    let upstream = Upstream::released();
    upstream.find("v1.0").unwrap();
    fs::remove_dir_all(upstream.kept().join("objects")).unwrap();
    upstream.checkout("v1.0").unwrap();
    fs::write(upstream.kept().join("HEAD"), "garbage").unwrap();
    upstream.checkout("v1.0").unwrap();
    let left = fs::read_dir(upstream.cache().join("repositories")).unwrap().count();
    assert_eq!(left, 2, "a repository and its lock");
}

#[test]
fn what_is_too_big_or_too_slow_is_given_up_and_leaves_nothing() {
    let upstream = Upstream::released();
    let git = Git::find(GitLimits::default()).unwrap();
    let small = git.with_limits(GitLimits { size: 100, ..GitLimits::default() });
    let found = Repository::fetch(&small, &upstream.url(), &upstream.cache());
    assert!(matches!(found, Err(GitError::Size { limit: 100 })), "{found:?}");
    let slow = git.with_limits(GitLimits { time: Duration::ZERO, ..GitLimits::default() });
    let found = Repository::fetch(&slow, &upstream.url(), &upstream.cache());
    assert!(matches!(found, Err(GitError::Time { .. })), "{found:?}");
    assert!(!upstream.kept().exists());
    assert_eq!(fs::read_dir(upstream.cache().join("repositories")).unwrap().count(), 1, "the lock");
}

#[test]
fn a_repository_without_its_history_has_no_tags_for_us() {
    let upstream = Upstream::released();
    upstream.commit("core.py", "x = 2\n");
    upstream.git(&["tag", "v2.0"]);
    let (whole, shallow) = (upstream.url(), upstream.folder.path().join("shallow"));
    upstream.git(&["clone", "--quiet", "--depth=1", whole.as_str(), shallow.to_str().unwrap()]);
    fs::rename(upstream.path(), upstream.folder.path().join("whole")).unwrap();
    fs::rename(shallow, upstream.path()).unwrap();
    assert!(matches!(upstream.find("v2.0"), Err(GitError::NoRef { .. })));
}

#[test]
fn two_runs_at_once_wait_for_each_other() {
    let upstream = Upstream::released();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| upstream.checkout("v1.0").unwrap().statement())).collect();
        let found: Vec<_> = runs.into_iter().map(|run| run.join().unwrap()).collect();
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
    });
}

#[test]
fn a_repository_that_is_not_there_is_said_with_gits_words() {
    let upstream = Upstream::new();
    fs::remove_dir_all(upstream.path()).unwrap();
    let found = upstream.find("v1.0").unwrap_err();
    assert!(matches!(found, GitError::Failed { what: "fetch the repository", .. }));
    assert!(found.to_string().contains("does not appear to be a git repository"), "{found}");
}
