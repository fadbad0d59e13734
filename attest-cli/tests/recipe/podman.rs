//! The same with a real engine: an image of this machine's own shell, imported into a storage of its own; no registry.

use super::*;

/// An engine whose images are gone with the test.
struct Podman {
    folder: tempfile::TempDir,
}

impl Podman {
    /// Nothing where it does not run: without podman, or where it may make no containers.
    fn new() -> Option<Self> {
        let podman = Self { folder: tempfile::tempdir().unwrap() };
        let path = |name: &str| podman.folder.path().join(name);
        let [images, state] = ["images", "state"].map(|name| path(name).display().to_string());
        // No driver but this one works everywhere.
        let storage = format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{images}\"\nrunroot = \"{state}\"\n");
        fs::write(path("storage.conf"), storage).unwrap();
        // crun, which podman prefers, refuses machines with control groups of both versions.
        let has_runc = Command::new("runc").arg("--version").output().is_ok();
        let engine = if has_runc { "[engine]\nruntime = \"runc\"\n" } else { "" };
        fs::write(path("containers.conf"), engine).unwrap();
        let works = |output: std::io::Result<Output>| output.is_ok_and(|output| output.status.success());
        works(podman.command().arg("info").output()).then_some(podman)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("podman");
        self.set(&mut command);
        command
    }

    fn set(&self, command: &mut Command) {
        command.env("CONTAINERS_STORAGE_CONF", self.folder.path().join("storage.conf"));
        command.env("CONTAINERS_CONF", self.folder.path().join("containers.conf"));
    }

    fn said(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command().args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// An image of a shell, `cp` and `cat`, by digest.
    fn import(&self) -> String {
        let tar = self.folder.path().join("layer.tar");
        fs::write(&tar, layer(&["/bin/sh", "/bin/cp", "/bin/cat"])).unwrap();
        let name = "registry.example/demo:1";
        self.said(&["import", "--change", "ENV IN_IMAGE=yes", tar.to_str().unwrap(), name]).unwrap();
        format!("registry.example/demo@{}", self.said(&["image", "inspect", "--format", "{{.Digest}}", name]).unwrap())
    }
}

#[test]
fn a_script_runs_in_an_image_that_podman_has_by_digest() {
    let Some(podman) = Podman::new() else { return skip("podman does not work here") };
    let image = podman.import();
    let limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"];
    let run = ["run", "--rm", "--network=none", limits[0], limits[1], &image, "/bin/sh", "-c", "exit 0"];
    if let Err(said) = podman.said(&run) {
        return skip(&format!("podman runs no container here: {said}"));
    }
    let project = Project::new();
    let rebuild = |script: &str| {
        project.recipe("recipe", script, &format!("image = \"{image}\"\n"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_attest"));
        podman.set(&mut command);
        command.args(["rebuild", WHEEL, "--source", SDIST, "--output-dir", "results", "--recipe", "recipe", "--fresh"]);
        command.current_dir(project.path("")).env("XDG_CACHE_HOME", project.path("cache")).env("PIP_NO_INDEX", "1");
        command.output().unwrap()
    };
    // What this machine has is not there, what the image sets is, and nothing but the room can be written to.
    let honest = "#!/bin/sh\nset -eu\ntest ! -e /usr/bin/env\ntest \"$IN_IMAGE\" = yes\n\
                  if (: > /escaped) 2>/dev/null; then exit 1; fi\ncp made.whl \"$OUT/demo-1.0-py3-none-any.whl\"\n";
    let output = rebuild(honest);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let record = project.record();
    assert_eq!(record["verdict"], "EXACT");
    assert_eq!(record["environment"]["containerImage"]["sha256"], image.rsplit(':').next().unwrap());
    assert_eq!(record["environment"]["network"], "NONE");
    assert_eq!(record["recipeKind"], "CUSTOM");
    // Its own failure is told with its last words, and no container is left.
    let output = rebuild("#!/bin/sh\necho the compiler is on strike\nexit 7\n");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("the compiler is on strike"), "{}", text(&output));
    assert_eq!(podman.said(&["ps", "--all", "--quiet"]).unwrap(), "");
}
