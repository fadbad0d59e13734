//! `attest normalize` as a user runs it; what comes out is given to Python's zipfile and to pip.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const WHEEL: &str = "demo-1.0-py3-none-any.whl";

/// A wheel with a true RECORD, written as carelessly as tools may: streamed, in any order, with any time and mode.
const CARELESS: &str = "
import base64, hashlib, sys, time, zipfile
files = {
    'demo-1.0.dist-info/WHEEL': 'Wheel-Version: 1.0\\nGenerator: fixture 1\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n',
    'demo/core.py': 'x = 1\\n' * 50,
    'demo-1.0.dist-info/METADATA': 'Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n',
}
rows = ''
for path, text in files.items():
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()
    rows += f'{path},sha256={digest},{len(text)}\\n'
files['demo-1.0.dist-info/RECORD'] = rows + 'demo-1.0.dist-info/RECORD,,\\n'
class Stream:
    def __init__(self, file): self.file = file
    def write(self, data): return self.file.write(data)
    def flush(self): self.file.flush()
with open(sys.argv[1], 'wb') as file, zipfile.ZipFile(Stream(file), 'w', zipfile.ZIP_DEFLATED) as wheel:
    for path in (reversed(list(files)) if sys.argv[2] == 'reversed' else files):
        info = zipfile.ZipInfo(path, (2024, 2, 25, 23, 17, len(sys.argv[2])))
        info.external_attr, info.compress_type = (0o100664 if sys.argv[2] == 'reversed' else 0o600) << 16, zipfile.ZIP_DEFLATED
        wheel.writestr(info, files[path])
";

fn careless(folder: &Path, how: &str) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(WHEEL);
    assert!(Command::new("python3").args(["-c", CARELESS]).arg(&path).arg(how).status().unwrap().success());
    path
}

fn normalize(arguments: &[&str], paths: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attest"));
    command.arg("normalize").args(arguments).args(paths).env_remove("SOURCE_DATE_EPOCH").output().unwrap()
}

#[test]
fn two_builds_in_different_containers_become_one_that_zipfile_and_pip_accept() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (careless(&folder.path().join("a"), "plain"), careless(&folder.path().join("b"), "reversed"));
    assert_ne!(fs::read(&one).unwrap(), fs::read(&other).unwrap());
    let output = normalize(&["--in-place"], &[&one, &other]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = fs::read(&one).unwrap();
    assert!(bytes == fs::read(&other).unwrap());
    assert_eq!(normalize(&[], &[&one]).status.code(), Some(0), "a second time changes nothing");
    let test = Command::new("python3").args(["-m", "zipfile", "-t"]).arg(&one).output().unwrap();
    assert!(test.status.success(), "{}", String::from_utf8_lossy(&test.stdout));
    let pip = Command::new("python3")
        .args(["-m", "pip", "install", "-q", "--no-index", "--no-deps", "--disable-pip-version-check", "--target"])
        .arg(folder.path().join("installed"))
        .arg(&one)
        .output()
        .unwrap();
    assert!(pip.status.success(), "{}", String::from_utf8_lossy(&pip.stderr));
    assert!(folder.path().join("installed/demo/core.py").is_file());
}

#[test]
fn nothing_is_written_without_being_asked_and_never_where_one_of_several_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let good = careless(&folder.path().join("a"), "plain");
    let before = fs::read(&good).unwrap();
    assert_eq!(normalize(&[], &[&good]).status.code(), Some(1));
    let broken = folder.path().join("broken-1.0-py3-none-any.whl");
    fs::write(&broken, &before[..before.len() - 1]).unwrap();
    let output = normalize(&["--in-place"], &[&good, &broken]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("broken-1.0"));
    assert!(fs::read(&good).unwrap() == before);
    let out = folder.path().join("out");
    assert_eq!(normalize(&["-o", out.to_str().unwrap()], &[&good]).status.code(), Some(0));
    assert!(fs::read(out.join(WHEEL)).unwrap() != before && fs::read(&good).unwrap() == before);
}

#[test]
fn a_link_stays_a_link_permissions_stay_and_two_wheels_of_one_name_do_not_go_to_one_place() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (careless(&folder.path().join("a"), "plain"), careless(&folder.path().join("b"), "plain"));
    let out = folder.path().join("out");
    let into = || normalize(&["-o", out.to_str().unwrap()], &[&one, &other]);
    assert_eq!(into().status.code(), Some(0), "the same bytes twice are no question");
    fs::remove_dir_all(&out).unwrap();
    let script = CARELESS.replace("x = 1", "x = 2");
    assert!(Command::new("python3").args(["-c", &script]).arg(&other).arg("plain").status().unwrap().success());
    let output = into();
    assert!(output.status.code() == Some(2) && !out.exists(), "{}", String::from_utf8_lossy(&output.stderr));

    let link = folder.path().join(WHEEL);
    symlink(&one, &link).unwrap();
    fs::set_permissions(&one, fs::Permissions::from_mode(0o440)).unwrap();
    let output = normalize(&["--in-place"], &[&link]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(normalize(&[], &[&one]).status.code(), Some(0));
    assert_eq!(fs::metadata(&one).unwrap().permissions().mode() & 0o777, 0o440);
}
