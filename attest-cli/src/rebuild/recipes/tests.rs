use super::*;
use crate::pip::{Interpreter, Settings};
use crate::rebuild::fixture;
use crate::rebuild::infer::infer;
use crate::rebuild::sdist;
use crate::rebuild::wheel::Wheel;

const NAME: &str = "demo-1.0-py3-none-any.whl";
const SCRIPT_TEXT: &str = "#!/bin/sh\nexit 1\n";
const HEX: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn name() -> WheelName {
    WheelName::parse(NAME).unwrap()
}

fn knobs() -> String {
    let wheel = Wheel::read(&fixture::zip(&fixture::wheel("setuptools (82.0.1)"))).unwrap();
    let source = sdist::read(&fixture::sdist(&[])).unwrap();
    infer(&name(), &wheel, &source, None).unwrap().to_toml().unwrap()
}

fn custom(lock: Option<&str>) -> String {
    let digest = |text: &str| ArtifactDigest::of(text.as_bytes());
    let lock = lock.map(|lock| format!("build-lock = \"{}\"\n", digest(lock))).unwrap_or_default();
    format!("{}\n[custom]\nbuild-sh = \"{}\"\n{lock}", knobs(), digest(SCRIPT_TEXT))
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn read(files: &[(&str, &str)]) -> Result<Given, GivenError> {
    let find = |wanted: &str| files.iter().find(|(name, _)| *name == wanted).map(|(_, text)| text.as_bytes().to_vec());
    Given::read(&find(RECIPE).unwrap(), |name, _| Ok(find(name)))
}

#[test]
fn where_a_recipe_is_can_be_said_in_four_ways_and_no_other() {
    let web = |text: &str| matches!(text.parse(), Ok(RecipeSpec::Web { pinned: Some(_), .. }));
    assert!(web(&format!("https://recipes.example/demo/recipe.toml#sha256={HEX}")));
    assert!(matches!(format!("sha256:{HEX}").parse(), Ok(RecipeSpec::Digest(_))));
    assert!(matches!("project".parse(), Ok(RecipeSpec::Project)));
    assert!(matches!("./project".parse(), Ok(RecipeSpec::Path(_))));
    for refused in [
        "file:///etc/passwd",
        "ftp://recipes.example/x",
        "sha256:00",
        "https://recipes.example/x#sha512=00",
        "https://recipes.example/x#",
    ] {
        assert!(refused.parse::<RecipeSpec>().is_err(), "{refused}");
    }
}

#[test]
fn a_script_or_a_lock_that_was_swapped_is_refused() {
    let lock = format!("demo==1.0 --hash=sha256:{HEX}\n");
    let text = custom(Some(&lock));
    assert!(read(&[(RECIPE, &text), (SCRIPT, SCRIPT_TEXT), (LOCK, &lock)]).is_ok());
    let swapped = read(&[(RECIPE, &text), (SCRIPT, "#!/bin/sh\n"), (LOCK, &lock)]).unwrap_err();
    assert!(matches!(swapped, GivenError::Changed { name: SCRIPT, .. }), "{swapped}");
    let swapped = read(&[(RECIPE, &text), (SCRIPT, SCRIPT_TEXT), (LOCK, "")]).unwrap_err();
    assert!(matches!(swapped, GivenError::Changed { name: LOCK, .. }), "{swapped}");
    let missing = read(&[(RECIPE, &text), (SCRIPT, SCRIPT_TEXT)]).unwrap_err();
    assert!(matches!(missing, GivenError::Missing { name: LOCK, .. }), "{missing}");
    let missing = read(&[(RECIPE, &text)]).unwrap_err();
    assert!(matches!(missing, GivenError::Missing { .. }), "{missing}");
    // A lock that the recipe does not bind is none of its own.
    let unbound = custom(None);
    assert!(read(&[(RECIPE, &unbound), (SCRIPT, SCRIPT_TEXT), (LOCK, &lock)]).unwrap().lock().is_none());
}

#[test]
fn a_lock_beside_a_recipe_of_knobs_has_what_the_recipe_pins() {
    let text = knobs();
    let line = |version: &str| format!("setuptools=={version} --hash=sha256:{HEX}\n");
    assert!(read(&[(RECIPE, &text), (LOCK, &line("82.0.1"))]).unwrap().lock().is_some());
    // The same version in another spelling, and what is no pin.
    assert!(read(&[(RECIPE, &text), (LOCK, &line("82.0.1.0"))]).is_ok());
    assert!(read(&[(RECIPE, &text.replace("==82.0.1", "==82.*")), (LOCK, &line("82.0.1"))]).is_ok());
    for lock in [line("82.0.0"), String::new()] {
        let found = read(&[(RECIPE, &text), (LOCK, &lock)]).unwrap_err();
        assert!(matches!(found, GivenError::Unlocked { .. }), "{found}");
    }
    for lock in ["-r /etc/passwd\n", "setuptools @ https://evil.example/x.whl\n", "--index-url https://evil.example\n"]
    {
        let found = read(&[(RECIPE, &text), (LOCK, lock)]).unwrap_err();
        assert!(matches!(found, GivenError::Lock(_)), "{found}");
    }
}

#[test]
fn what_is_too_long_is_not_read() {
    let long = "#".repeat(usize::try_from(MAX_RECIPE).unwrap() + 1);
    assert!(matches!(read(&[(RECIPE, &long)]).unwrap_err(), GivenError::TooLarge { .. }));
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[(RECIPE, &custom(None)), (SCRIPT, &"#".repeat(2 << 20))]);
    let error = from_file(&folder.path().join(RECIPE)).unwrap_err();
    assert!(format!("{error:#}").contains("too large"), "{error:#}");
}

#[test]
fn of_a_folder_the_recipe_that_names_the_wheel_is_taken_before_one_for_a_range() {
    let folder = tempfile::tempdir().unwrap();
    let ranged = custom(None).replace("demo-1.0-", "demo-{version}-") + "versions = \">=1,<2\"\n";
    let other = custom(None).replace("demo-1.0-", "demo-2.0-");
    write(&folder.path().join("demo/1.x"), &[(RECIPE, &ranged), (SCRIPT, SCRIPT_TEXT)]);
    write(&folder.path().join("demo/2.0"), &[(RECIPE, &other), (SCRIPT, SCRIPT_TEXT)]);
    write(&folder.path().join("broken"), &[(RECIPE, "x")]);
    assert_eq!(in_folder(folder.path(), &name()).unwrap().text(), ranged);
    write(&folder.path().join("demo/1.0"), &[(RECIPE, &custom(None)), (SCRIPT, SCRIPT_TEXT)]);
    assert_eq!(in_folder(folder.path(), &name()).unwrap().text(), custom(None));
    write(&folder.path().join("demo/again"), &[(RECIPE, &custom(None)), (SCRIPT, SCRIPT_TEXT)]);
    let error = in_folder(folder.path(), &name()).unwrap_err().to_string();
    assert!(error.contains("demo/1.0/recipe.toml") && error.contains("demo/again/recipe.toml"), "{error}");
    let none = in_folder(folder.path(), &WheelName::parse("x-1.0-py3-none-any.whl").unwrap()).unwrap_err().to_string();
    assert!(none.contains("broken/recipe.toml does not read"), "{none}");
}

#[test]
fn a_kept_recipe_is_found_by_its_digest_and_hashed_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let text = custom(None);
    let path = store.keep(&text, Some(SCRIPT_TEXT.as_bytes()), None).unwrap();
    let digest = ArtifactDigest::of(text.as_bytes());
    assert_eq!(store.read(digest).unwrap().text(), text);
    fs::write(&path, knobs()).unwrap();
    assert!(store.read(digest).unwrap_err().to_string().contains("in its place"));
    fs::remove_file(&path).unwrap();
    assert!(store.read(digest).is_err());
}

#[test]
fn a_recipe_that_changes_where_it_lies_is_another_one_for_a_batch_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        index_url: "http://127.0.0.1:9/".to_owned(),
        extra_index_urls: Vec::new(),
        no_index: false,
        find_links: Vec::new(),
        cert: None,
        client_cert: None,
        proxy: None,
        timeout: 1.0,
        keyring_provider: None,
        trusted_hosts: Vec::new(),
        tags: Vec::new().into(),
        interpreter: Interpreter { executable: PathBuf::new(), prefixes: Vec::new(), version: String::new() },
    };
    let (index, library) = (Index::new(&settings, folder.path()).unwrap(), folder.path().join("library"));
    let place = library.join("demo");
    write(&place, &[(RECIPE, &knobs())]);
    let identity = |path: &Path| RecipeSpec::Path(path.to_owned()).identity(&name(), &index).unwrap();
    let (in_folder, as_file) = (identity(&library), identity(&place.join(RECIPE)));
    assert_eq!(in_folder, as_file, "the same recipe, found in two ways");
    write(&place, &[(RECIPE, &format!("# edited\n{}", knobs()))]);
    assert_ne!(identity(&library), in_folder, "the recipe was edited");
    let edited = identity(&place.join(RECIPE));
    write(&place, &[(LOCK, &format!("setuptools==82.0.1 --hash=sha256:{HEX}\n"))]);
    assert_ne!(identity(&place.join(RECIPE)), edited, "a lock lies beside it now");
}
