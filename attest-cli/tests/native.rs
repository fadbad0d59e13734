//! `attest rebuild` of wheels with compiled code, with a real compiler and the real setuptools.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::{Compression, write::GzEncoder};

const PYPROJECT: &str = "[build-system]\nrequires = ['setuptools==80.9.0']\nbuild-backend = 'setuptools.build_meta'\n";
// The folder that the compiler runs in shows twice: in debug information, and as text in the program.
const SETUP: &str = "
import os
from setuptools import Extension, setup
macros = [('WHERE', '\"%s\"' % os.getcwd())]
setup(name='demo', version='1.0', ext_modules=[
    Extension('demo', ['src/demo.c'], define_macros=macros, extra_compile_args=['-g'])])
";
const CODE: &str = "
#include <Python.h>
static PyObject *where(PyObject *self, PyObject *none) { return PyUnicode_FromString(WHERE); }
static PyMethodDef methods[] = {{\"where\", where, METH_NOARGS, 0}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, \"demo\", 0, -1, methods};
PyMODINIT_FUNC PyInit_demo(void) { return PyModule_Create(&module); }
";
const FILES: [(&str, &str); 3] = [("pyproject.toml", PYPROJECT), ("setup.py", SETUP), ("src/demo.c", CODE)];

/// Says why a test does nothing; in CI that is a failure.
fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "expected to run in CI: {reason}");
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The project laid out in a folder with a random name, as build tools do it.
fn lay_out() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("build-env-").rand_bytes(8).tempdir_in("/tmp").unwrap();
    for (name, text) in FILES {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn sdist(folder: &Path) -> PathBuf {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, text) in FILES {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        tar.append_data(&mut header, format!("demo-1.0/{name}"), text.as_bytes()).unwrap();
    }
    let path = folder.join("demo-1.0.tar.gz");
    fs::write(&path, tar.into_inner().unwrap().finish().unwrap()).unwrap();
    path
}

/// What a maintainer would upload: `pip wheel` in that folder.
fn publish(source: &Path, out: &Path) -> Option<PathBuf> {
    let built = Command::new("python3")
        .args(["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-cache-dir", "--wheel-dir"])
        .arg(out)
        .arg(source)
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .unwrap();
    if !built.status.success() {
        return None;
    }
    fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "whl"))
}

fn rebuild(wheel: &Path, sdist: &Path, folder: &Path, isolation: &[&str]) -> (Output, PathBuf) {
    let results = folder.join("results");
    let output = Command::new(env!("CARGO_BIN_EXE_attest"))
        .arg("rebuild")
        .arg(wheel)
        .arg("--source")
        .arg(sdist)
        .arg("--output-dir")
        .arg(&results)
        .args(isolation)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .output()
        .unwrap();
    (output, results.join(wheel.file_stem().unwrap()))
}

fn works(command: &str) -> bool {
    let mut words = command.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).output().is_ok_and(|output| output.status.success())
}

/// The ways to keep a build in that work on this machine.
fn isolations() -> Vec<&'static str> {
    let bubblewrap = works("bwrap --unshare-all --ro-bind / / true").then_some("bubblewrap");
    let unshare = works("unshare --user --map-root-user --net --mount --pid --fork true").then_some("unshare");
    bubblewrap.into_iter().chain(unshare).collect()
}

#[test]
fn two_builds_that_differ_only_by_a_random_build_path_become_exact_by_replaying_the_name() {
    if !works("gcc --version") || isolations().is_empty() {
        return skip("no gcc, or neither bwrap nor user namespaces work here");
    }
    let (source, folder) = (lay_out(), tempfile::tempdir().unwrap());
    let Some(published) = publish(source.path(), &folder.path().join("published")) else {
        return skip("pip cannot reach an index with setuptools 80.9.0, or there are no headers of Python");
    };
    let sdist = sdist(folder.path());
    for isolation in isolations() {
        let (output, result) = rebuild(&published, &sdist, folder.path(), &["--isolation", isolation]);
        assert_eq!(output.status.code(), Some(0), "{isolation}: {}", text(&output));
        assert!(text(&output).contains("EXACT demo-1.0-cp3"), "{isolation}: {}", text(&output));
        let place = source.path().to_string_lossy();
        let recipe = fs::read_to_string(result.join("recipe.toml")).unwrap();
        assert!(recipe.contains(&format!("[paths]\nbuild = \"{place}\"\n")), "{recipe}");
        let record: serde_json::Value = serde_json::from_slice(&fs::read(result.join("build.json")).unwrap()).unwrap();
        assert_eq!(record["environment"]["buildPath"], *place);
        assert_eq!((&record["verdict"], &record["repeat"]), (&"EXACT".into(), &2.into()));
    }
    // Without a room there is no other place to build in. That the path is all that differs then shows in our own two builds.
    let (output, _) = rebuild(&published, &sdist, folder.path(), &["--isolation", "none"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("NONDETERMINISTIC"), "{}", text(&output));
    assert!(text(&output).contains("compiled code is the same\n      built in: /"), "{}", text(&output));
}

#[test]
fn wheels_for_other_systems_are_not_attestable_and_say_so_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (tags, reason) in [
        ("cp311-cp311-macosx_11_0_arm64", "for macOS, where nothing is rebuilt"),
        ("cp311-cp311-win_amd64", "for Windows, where nothing is rebuilt"),
        ("cp27-cp27mu-linux_x86_64", "for cp27-cp27mu (this Python is"),
        ("cp311-cp311-manylinux2014_s390x", "for s390x (this machine is"),
    ] {
        let wheel = folder.path().join(format!("demo-1.0-{tags}.whl"));
        fs::write(&wheel, "no zip").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_attest"))
            .arg("rebuild")
            .arg(&wheel)
            .arg("--output-dir")
            .arg(folder.path().join("results"))
            .env("XDG_CACHE_HOME", folder.path().join("cache"))
            .env("PIP_NO_INDEX", "1")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        assert!(text(&output).contains("NOT ATTESTABLE"), "{}", text(&output));
        assert!(text(&output).contains(reason), "{tags}: {}", text(&output));
    }
}
