use super::*;

const TEXT: &str = r#"schema = "https://w3id.org/attest/recipe/v1"
wheel = "idna-3.20-py3-none-any.whl"
generator = "flit 4.1.0"
guesses = []

[backend]
name = "flit_core.buildapi"
path = []

[requirements]
build = ["flit_core==4.1.0"]
cutoff = "2026-05-12T22:45:55Z"

[time]
clock = "REAL"
zone = "UTC"

[files]
umask = "0022"
modes = "RAW"

[variables]
LC_ALL = "C.UTF-8"
PYTHONHASHSEED = "0"
"#;

fn with(old: &str, new: &str) -> Recipe {
    let text = TEXT.replace(old, new);
    assert_ne!(text, TEXT);
    Recipe::parse(&text).unwrap()
}

#[test]
fn a_recipe_is_printed_as_it_was_read_and_turns_only_knobs() {
    let recipe = Recipe::parse(TEXT).unwrap();
    assert_eq!(recipe.to_toml().unwrap(), TEXT);
    assert_eq!(recipe.knobs_only(), Ok(()));
    let shown: Vec<_> = recipe.all_variables().into_keys().collect();
    assert_eq!(shown, ["LC_ALL", "PYTHONHASHSEED", "TZ"]);
}

#[test]
fn a_recipe_that_could_bring_code_into_the_build_is_more_than_knobs() {
    for (old, new) in [
        ("LC_ALL", "LD_PRELOAD"),
        ("LC_ALL", "PYTHONPATH"),
        ("LC_ALL", "CFLAGS"),
        // Those two are said in one place.
        ("LC_ALL", "TZ"),
        ("LC_ALL", "SOURCE_DATE_EPOCH"),
    ] {
        let found = with(old, new).knobs_only();
        assert_eq!(found, Err(RecipeError::Variable { found: new.to_owned() }));
    }
    for line in [
        "flit_core @ https://example.org/evil.whl",
        "flit_core@file:///tmp/evil.whl",
        "--index-url=https:",
        "-e .",
        "./evil",
        "/tmp/evil.whl",
        "evil/evil.whl",
        "https:evil",
        "demo-1.0.tar.gz",
        "",
    ] {
        let found = with("flit_core==4.1.0", line).knobs_only();
        assert!(matches!(found, Err(RecipeError::Requirement { .. })), "{line}");
    }
    for (old, new) in [
        ("path = []", "path = [\"/tmp\"]"),
        ("path = []", "path = [\"src/../..\"]"),
        ("flit_core.buildapi", "os; evil()"),
        ("flit_core.buildapi", ""),
    ] {
        let found = with(old, new).knobs_only();
        assert!(matches!(found, Err(RecipeError::Backend { .. })), "{new}");
    }
    for (old, new) in [
        ("\"REAL\"", "\"REAL\"\nsource-date-epoch = 1"),
        ("\"REAL\"", "\"SOURCE_DATE_EPOCH\""),
        ("\"REAL\"", "\"REPLAYED\"\nsource-date-epoch = 1"),
    ] {
        assert_eq!(with(old, new).knobs_only(), Err(RecipeError::Time), "{new}");
    }
}

#[test]
fn a_knob_s_value_that_is_more_than_a_locale_a_number_or_a_zone_is_more_than_knobs() {
    for value in ["$(id)", "../evil", "/tmp/evil", "C:x", "a b", &"x".repeat(65)] {
        let found = with("C.UTF-8", value).knobs_only();
        assert!(matches!(found, Err(RecipeError::VariableValue { .. })), "{value}: {found:?}");
    }
    for zone in [":evil", "/tmp/evil", "../evil", "a/../evil", "", "$(id)", "UTC UTC", "UTC\\u0000"] {
        let found = with("zone = \"UTC\"", &format!("zone = \"{zone}\"")).knobs_only();
        assert!(matches!(found, Err(RecipeError::Zone { .. })), "{zone}: {found:?}");
    }
    for zone in ["<+0530>-5:30", "EST5EDT,M3.2.0,M11.1.0/2", "Etc/GMT-7"] {
        assert_eq!(with("zone = \"UTC\"", &format!("zone = \"{zone}\"")).knobs_only(), Ok(()), "{zone}");
    }
}

#[test]
fn a_replayed_clock_may_tick_but_not_copy_every_time_of_a_wheel() {
    let clock = |ticks: &str| with("\"REAL\"", &format!("\"REPLAYED\"\nstamp = 10\nticks = [{ticks}]"));
    assert_eq!(clock("[4, 6], [1, 8]").time.ticks, [Tick::new(4, 6), Tick::new(1, 8)]);
    assert_eq!(clock("[4, 6], [1, 8]").knobs_only(), Ok(()));
    assert_eq!(clock("[0, 6]").knobs_only(), Err(RecipeError::Ticks { limit: 256, found: 1 }));
    let many = vec!["[1, 6]"; 257].join(", ");
    assert_eq!(clock(&many).knobs_only(), Err(RecipeError::Ticks { limit: 256, found: 257 }));
    let elsewhere = with("\"REAL\"", "\"REAL\"\nticks = [[1, 6]]");
    assert_eq!(elsewhere.knobs_only(), Err(RecipeError::Time));
}

#[test]
fn seconds_become_runs_and_the_last_one_holds() {
    assert_eq!(Tick::runs(&[8, 8, 6, 10, 10]), Some((vec![Tick::new(2, 8), Tick::new(1, 6)], 10)));
    assert_eq!(Tick::runs(&[8, 8]), Some((vec![], 8)));
    assert_eq!(Tick::runs(&[]), None);
    let seconds: Vec<_> = (0..=256).collect();
    assert_eq!(Tick::runs(&seconds).map(|(ticks, stamp)| (ticks.len(), stamp)), Some((256, 256)));
    assert_eq!(Tick::runs(&[seconds, vec![0]].concat()), None);
}

#[test]
fn knobs_of_windows_older_pythons_and_tags_are_printed_as_they_were_read() {
    let text = TEXT
        .replace("guesses = []\n", "guesses = []\nsearched = [\"python 3.8, 2 tries\"]\npython = \"3.8\"\n")
        .replace("path = []\n", "path = []\npython-tag = \"py2.py3\"\n")
        .replace("modes = \"RAW\"\n", "modes = \"WINDOWS\"\nline-ends = \"CRLF\"\nzip-system = \"WINDOWS\"\n");
    let recipe = Recipe::parse(&text).unwrap();
    assert_eq!(recipe.to_toml().unwrap(), text);
    assert_eq!(recipe.knobs_only(), Ok(()));
    assert_eq!(recipe.files.modes.apply(0o755), 0o666);
}

#[test]
fn a_python_or_tag_that_is_a_path_or_another_setting_is_no_recipe() {
    for python in ["3", "3.08", "3.8.1", "2.7", "3.+8", "../3.8", "3.8 -c x", ""] {
        let found = Recipe::parse(&TEXT.replace("guesses", &format!("python = \"{python}\"\nguesses")));
        assert!(matches!(found, Err(RecipeError::Form(_))), "{python}");
    }
    for tag in ["", ".", "py3\\n[egg_info]", "py3 ", "%(HOME)s", "PY3"] {
        let found = Recipe::parse(&TEXT.replace("path = []", &format!("path = []\npython-tag = \"{tag}\"")));
        assert!(matches!(found, Err(RecipeError::Form(_))), "{tag}");
    }
}

#[test]
fn commands_and_other_unknown_fields_are_no_recipe() {
    for extra in ["command = \"sh\"\n", "patches = []\n"] {
        let found = Recipe::parse(&format!("{extra}{TEXT}"));
        assert!(matches!(found, Err(RecipeError::Form(_))), "{extra}");
    }
    let found = Recipe::parse(&TEXT.replace("recipe/v1", "recipe/v2"));
    assert!(matches!(found, Err(RecipeError::Schema { .. })));
    let found = Recipe::parse(&TEXT.replace("0022", "22"));
    assert!(matches!(found, Err(RecipeError::Form(_))));
}

fn with_paths(paths: &str) -> Result<Recipe, RecipeError> {
    Recipe::parse(&TEXT.replace("[variables]", &format!("[paths]\n{paths}\n[variables]")))
}

#[test]
fn real_build_paths_are_knobs_and_are_printed_as_they_were_read() {
    for path in
        ["/project", "/tmp/build-env-abcdefgh/demo-1.0", "/home/runner/work/a/a", "/__w/1/s", "/io", "/var/tmp/x"]
    {
        let text = TEXT.replace("[variables]", &format!("[paths]\nbuild = \"{path}\"\ntemporary = []\n\n[variables]"));
        let recipe = Recipe::parse(&text).unwrap();
        assert_eq!(recipe.to_toml().unwrap(), text);
        assert_eq!(recipe.knobs_only(), Ok(()));
        assert_eq!(recipe.paths.unwrap().build.unwrap().as_str(), path);
    }
}

#[test]
fn a_path_that_a_shell_a_search_path_or_the_room_would_read_otherwise_is_refused() {
    let long = format!("/{}", "a/".repeat(120));
    for path in [
        "",
        "/",
        "project",
        "./x",
        "~/x",
        "/project/",
        "//project",
        "/a//b",
        "/a/../usr",
        "/a/./b",
        "/..",
        // Commands, separators, options, globs, response files, other scripts' letters.
        "/a b",
        "/$(id)",
        "/`id`",
        "/a;id",
        "/a&b",
        "/a|b",
        "/a>b",
        "/a'b",
        "/a\\\"b",
        "/a:b",
        "/a,b",
        "/a=b",
        "/*",
        "/@a",
        "/-rf",
        "/a/-x",
        "/a\\\\b",
        "/a\\nb",
        "/a\\u0000b",
        "/\u{e4}",
        // What the room needs itself, and what others have things in.
        "/usr",
        "/usr/local/x",
        "/bin",
        "/lib64/x",
        "/etc",
        "/etc/x",
        "/proc/self",
        "/dev/shm/x",
        "/sys",
        "/run/x",
        "/nix/store/x",
        "/build",
        "/build/src",
        "/build/run",
        "/tmp",
        "/home",
        "/root",
        "/opt",
        "/var",
        &long,
    ] {
        for field in ["build", "environment"] {
            let found = with_paths(&format!("{field} = \"{path}\"\ntemporary = []\n"));
            assert!(matches!(found, Err(RecipeError::Form(_))), "{field} {path:?}");
        }
    }
    // Names that only begin like a folder of the system.
    assert!(with_paths("build = \"/usr2/x\"\ntemporary = []\n").is_ok());
}

#[test]
fn the_environment_is_not_laid_over_the_source_nor_the_source_over_the_environment() {
    for (build, environment) in [("/a", "/a"), ("/a", "/a/env"), ("/a/b", "/a")] {
        let text = format!("build = \"{build}\"\nenvironment = \"{environment}\"\ntemporary = []\n");
        let found = with_paths(&text).unwrap().knobs_only();
        assert!(matches!(found, Err(RecipeError::NestedPaths { .. })), "{text}");
    }
    let beside = with_paths("build = \"/a\"\nenvironment = \"/ab\"\ntemporary = []\n").unwrap();
    assert_eq!(beside.knobs_only(), Ok(()));
}

#[test]
fn temporary_names_are_those_of_tempfile_and_few() {
    for name in ["tmpa1b2c3d4", ".mesonpy-a1b2c3d_", "abcdefgh"] {
        let recipe = with_paths(&format!("temporary = [\"{name}\"]\n")).unwrap();
        assert_eq!(recipe.knobs_only(), Ok(()), "{name}");
    }
    for name in ["", "short", "tmpA1B2C3D4", "../abcdefgh", "a/abcdefgh", "-abcdefgh", "tmp abcdefgh", "tmp$abcdefgh"] {
        let found = with_paths(&format!("temporary = [\"{name}\"]\n"));
        assert!(matches!(found, Err(RecipeError::Form(_))), "{name:?}");
    }
    let many = "\"tmpa1b2c3d4\",".repeat(9);
    let found = with_paths(&format!("temporary = [{many}]\n")).unwrap().knobs_only();
    assert_eq!(found, Err(RecipeError::TemporaryNames { limit: 8, found: 9 }));
}

#[test]
fn a_container_is_a_knob_and_one_that_does_more_is_no_recipe() {
    let text = format!("{TEXT}\n[container]\nmembers = 3\norder = \"2 0-1\"\ntimes = \"2024-02-25T23:17:32x3\"\n");
    let recipe = Recipe::parse(&text).unwrap();
    assert_eq!(recipe.to_toml().unwrap(), text);
    assert_eq!(recipe.knobs_only(), Ok(()));
    assert_eq!(Recipe::parse(TEXT).unwrap().container, None);
    for (old, new) in [
        ("members = 3", "members = 4"),
        ("\"2 0-1\"", "\"2 0-1 0\""),
        ("\"2 0-1\"", "\"0-2\""),
        ("32x3", "32x4"),
        ("members = 3", "members = 3\nmodes = \"104755x3\""),
        ("members = 3", "members = 3\nmodes = \"120777x3\""),
        ("members = 3", "members = 3\nsystems = \"19x3\""),
        ("members = 3", "members = 3\nnames = [\"evil.pth\"]"),
    ] {
        let bad = text.replace(old, new);
        assert_ne!(bad, text);
        assert!(matches!(Recipe::parse(&bad), Err(RecipeError::Form(_))), "{new}");
    }
}
