//! Facts as they were read off real wheels (docs name them), in the smallest wheel that shows them.

use super::*;
use crate::rebuild::fixture::{self, Part, SECONDS, TIME, dos, part, zip};
use crate::rebuild::sdist;
use attest_core::recipe::{LineEnds, Modes, Tick, Umask, ZipSystem};
use attest_core::statement::Clock;

fn recipe(parts: &[Part], files: &[(&str, &str)]) -> Recipe {
    let name = WheelName::parse("demo-1.0-py3-none-any.whl").unwrap();
    let wheel = Wheel::read(&zip(parts)).unwrap();
    let sdist = sdist::read(&fixture::sdist(files)).unwrap();
    infer(&name, &wheel, &sdist, Some("2024-02-25T23:20:00Z".to_owned())).unwrap()
}

fn pyproject(requires: &str, rest: &str) -> String {
    format!("[build-system]\nrequires = {requires}\n{rest}\n")
}

fn at(mut parts: Vec<Part>, time: u32) -> Vec<Part> {
    for part in &mut parts {
        part.time = time;
    }
    parts
}

const YEAR_2016: u32 = dos((2016, 1, 1), (0, 0, 0));
const YEAR_1980: u32 = dos((1980, 1, 1), (0, 0, 0));

#[test]
fn one_ordinary_time_is_the_epoch() {
    let recipe = recipe(&fixture::wheel("setuptools (82.0.1)"), &[]);
    assert_eq!(recipe.time.clock, Clock::SourceDateEpoch);
    assert_eq!(recipe.time.source_date_epoch, Some(SECONDS));
}

#[test]
fn a_backend_s_own_constant_means_no_epoch() {
    let recipe = recipe(&at(fixture::wheel("poetry-core 2.1.2"), YEAR_2016), &[]);
    assert_eq!((recipe.time.clock, recipe.time.source_date_epoch), (Clock::Real, None));
}

#[test]
fn setuptools_has_no_constant_so_1980_is_an_epoch() {
    let recipe = recipe(&at(fixture::wheel("setuptools (82.0.1)"), YEAR_1980), &[]);
    assert_eq!(recipe.time.source_date_epoch, Some(315_532_800));
}

#[test]
fn several_times_from_setuptools_mean_that_the_clock_is_replayed() {
    let mut parts = fixture::wheel("setuptools (84.2.1)");
    parts[0].time = TIME - 1;
    let recipe = recipe(&parts, &[("demo/core.py", "x = 1\n")]);
    assert_eq!((recipe.time.clock, recipe.time.stamp), (Clock::Replayed, Some(SECONDS)));
}

#[test]
fn a_backend_that_writes_the_time_of_its_build_has_it_replayed_whatever_its_name() {
    let mut parts = fixture::wheel("meson");
    parts[0].time = TIME - 1;
    let recipe = recipe(&parts, &[("demo/core.py", "x = 1\n")]);
    assert_eq!((recipe.time.clock, recipe.time.stamp), (Clock::Replayed, Some(SECONDS)));
}

#[test]
fn local_times_beside_a_constant_give_the_zone_whatever_the_backend() {
    let mut parts = at(fixture::wheel("poetry 1.0.10"), YEAR_2016);
    parts[0].time = dos((2024, 2, 26), (0, 17, 32));
    let recipe = recipe(&parts, &[("src/demo/core.py", "x = 1\n")]);
    assert_eq!((recipe.time.clock, recipe.time.zone.as_str()), (Clock::Real, "CET-1CEST,M3.5.0,M10.5.0/3"));
}

#[test]
fn two_constants_of_a_backend_tell_no_zone_and_leave_nothing_to_guess() {
    let mut parts = at(fixture::wheel("poetry-core 1.4.0"), YEAR_2016);
    parts[0].time = YEAR_1980;
    let recipe = recipe(&parts, &[("src/demo/core.py", "x = 1\n")]);
    assert_eq!((recipe.time.clock, recipe.time.zone.as_str(), recipe.guesses.len()), (Clock::Real, "UTC", 0));
}

#[test]
fn generated_files_of_several_times_mean_that_the_clock_ticked() {
    let mut parts = fixture::wheel("setuptools (84.2.1)");
    parts[3].time = TIME + 1;
    // METADATA has the same text as PKG-INFO and is made anew all the same.
    let metadata = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n";
    let recipe = recipe(&parts, &[("demo/core.py", "x = 1\n"), ("PKG-INFO", metadata)]);
    assert_eq!((recipe.time.ticks, recipe.time.stamp), (vec![Tick::new(2, SECONDS)], Some(SECONDS + 2)));
}

#[test]
fn zip_safe_from_the_sdist_is_not_made_anew() {
    let mut parts = fixture::wheel("setuptools (82.0.1)");
    for part in &mut parts {
        part.time = TIME + 3;
    }
    // The fixture's sdist has the time `TIME`.
    parts.insert(3, part("demo-1.0.dist-info/zip-safe", "\n"));
    let time = recipe(&parts, &[("demo.egg-info/zip-safe", "\n")]).time;
    assert_eq!((time.ticks, time.stamp), (vec![], Some(SECONDS + 6)));
}

#[test]
fn a_file_in_dist_info_that_kept_its_own_time_leaves_the_clock_to_trial() {
    let mut parts = fixture::wheel("setuptools (84.2.1)");
    (parts[1].time, parts[3].time) = (YEAR_2016, TIME + 1);
    let time = recipe(&parts, &[("demo/core.py", "x = 1\n")]).time;
    assert_eq!((time.ticks, time.stamp), (vec![], Some(SECONDS)));
}

#[test]
fn flit_s_local_times_give_the_zone() {
    let mut parts = at(fixture::wheel("flit 3.7.1"), YEAR_2016);
    // One hour later than the sdist says: Berlin in winter.
    parts[0].time = dos((2024, 2, 26), (0, 17, 32));
    let recipe = recipe(&parts, &[("src/demo/core.py", "x = 1\n")]);
    assert_eq!(recipe.time.zone, "CET-1CEST,M3.5.0,M10.5.0/3");
    assert_eq!(recipe.guesses, Vec::<String>::new());
}

#[test]
fn times_that_no_zone_explains_are_a_guess() {
    let mut parts = at(fixture::wheel("flit 3.7.1"), YEAR_2016);
    parts[0].time = TIME + 7;
    let recipe = recipe(&parts, &[("demo/core.py", "x = 1\n")]);
    assert_eq!((recipe.time.zone.as_str(), recipe.guesses.len()), ("UTC", 1));
}

#[test]
fn the_generator_s_version_replaces_what_pyproject_asks_for() {
    let pyproject = pyproject("['hatchling>=1.27', 'hatch-vcs']", "build-backend = 'hatchling.build'");
    let recipe = recipe(&fixture::wheel("hatchling 1.26.3"), &[("pyproject.toml", &pyproject)]);
    assert_eq!(recipe.requirements.build, ["hatch-vcs", "hatchling==1.26.3"]);
    assert_eq!(recipe.backend.name, "hatchling.build");
}

#[test]
fn bdist_wheel_names_the_library_and_leaves_setuptools_a_guess() {
    let recipe = recipe(&fixture::wheel("bdist_wheel (0.42.0)"), &[("setup.py", "")]);
    assert_eq!(recipe.requirements.build, ["setuptools", "setuptools<70.1", "wheel==0.42.0"]);
    assert_eq!(recipe.backend.name, "setuptools.build_meta:__legacy__");
    assert_eq!(recipe.guesses.len(), 1);
}

#[test]
fn a_record_without_file_type_shows_an_old_wheel_library_beside_a_new_setuptools() {
    let mut parts = fixture::wheel("setuptools (75.1.0)");
    parts[3].mode = 0o664;
    let recipe = recipe(&parts, &[("setup.py", "")]);
    assert_eq!(recipe.requirements.build, ["setuptools==75.1.0", "wheel==0.37.1"]);
}

#[test]
fn metadata_s_mode_gives_the_umask_only_where_the_backend_lets_it_through() {
    for (generator, mode, expected) in [
        ("setuptools (82.0.1)", 0o100_664, 0o002),
        ("setuptools (82.0.1)", 0o100_600, 0o066),
        ("hatchling 1.33.0", 0o664, 0o022),
    ] {
        let mut parts = fixture::wheel(generator);
        parts[1].mode = mode;
        assert_eq!(recipe(&parts, &[]).files.umask, Umask::new(expected), "{generator} {mode:o}");
    }
}

#[test]
fn a_licence_with_a_tamed_mode_shows_that_the_sdist_was_unpacked_with_a_filter() {
    let mut parts = fixture::wheel("bdist_wheel (0.42.0)");
    parts.push(part("demo-1.0.dist-info/LICENSE.txt", "free\n"));
    assert_eq!(recipe(&parts, &[("LICENSE.txt", "free\n")]).files.modes, Modes::Filtered);
    parts[4].mode = 0o100_664;
    assert_eq!(recipe(&parts, &[("LICENSE.txt", "free\n")]).files.modes, Modes::Raw);
}

#[test]
fn a_wheel_made_on_windows_is_built_with_its_line_ends_modes_and_zip_entries() {
    let mut parts = fixture::wheel("setuptools (82.0.0)");
    for part in &mut parts {
        part.system = 0;
    }
    let files = recipe(&parts, &[]).files;
    assert_eq!((files.umask, files.modes), (Umask::new(0), Modes::Windows));
    assert_eq!((files.line_ends, files.zip_system), (Some(LineEnds::Crlf), Some(ZipSystem::Windows)));
    // One entry from elsewhere, and somebody has put it together.
    parts[0].system = 3;
    assert_eq!(recipe(&parts, &[]).files.zip_system, None);
}

#[test]
fn a_tag_that_neither_python_nor_the_project_chose_was_the_maintainer_s_option() {
    let infer_tag = |file: &str, generator: &str, setup_cfg: &str| {
        let wheel = Wheel::read(&zip(&fixture::wheel(generator))).unwrap();
        let sdist = sdist::read(&fixture::sdist(&[("setup.cfg", setup_cfg)])).unwrap();
        let name = WheelName::parse(file).unwrap();
        infer(&name, &wheel, &sdist, None).unwrap().backend.python_tag.map(String::from)
    };
    let (both, three) = ("demo-1.0-py2.py3-none-any.whl", "demo-1.0-py3-none-any.whl");
    assert_eq!(infer_tag(both, "bdist_wheel (0.37.1)", "").as_deref(), Some("py2.py3"));
    assert_eq!(infer_tag(both, "bdist_wheel (0.37.1)", "[bdist_wheel]\nuniversal = 1\n"), None);
    assert_eq!(infer_tag(three, "bdist_wheel (0.37.1)", ""), None);
    assert_eq!(infer_tag(both, "flit 3.9.0", ""), None);
}

#[test]
fn what_a_hook_asks_for_is_new_unless_it_is_known_pinned_or_for_an_extra() {
    let known = ["hatchling==1.26.3".to_owned(), "wheel".to_owned()];
    let asked = ["wheel", "hatchling>=1", "hatch-vcs", "flake8; extra == 'dev'"].map(str::to_owned);
    assert_eq!(unsettled(&asked, &known), ["hatch-vcs"]);
    assert_eq!(pinned_projects(&["Flit_Core==3.9.0".to_owned(), "wheel>=1".to_owned()]), ["flit-core"]);
}

#[test]
fn a_backend_that_built_itself_stays_in_its_tree_and_another_version_does_not() {
    let pyproject = pyproject("[]", "build-backend = 'demo.api'\nbackend-path = ['src']");
    let files = [("pyproject.toml", pyproject.as_str())];
    let name = |text: &str| WheelName::parse(text).unwrap();
    let sdist = sdist::read(&fixture::sdist(&files)).unwrap();
    let wheel = Wheel::read(&zip(&fixture::wheel("hatchling 1.21.0"))).unwrap();
    let own = infer(&name("hatchling-1.21.0-py3-none-any.whl"), &wheel, &sdist, None).unwrap();
    assert_eq!((own.backend.path.len(), own.requirements.build.len()), (1, 0));
    let other = infer(&name("hatchling-1.22.0-py3-none-any.whl"), &wheel, &sdist, None).unwrap();
    assert_eq!(other.backend.path.len(), 0);
    assert_eq!(other.requirements.build, ["hatchling==1.21.0"]);
}

#[test]
fn what_a_generator_says_beside_a_version_is_no_requirement() {
    for line in
        ["setuptools (75.1.0 -r /etc/passwd)", "setuptools (75.1.0; python_version<'2')", "flit 3.1 @ file:///x"]
    {
        let recipe = recipe(&fixture::wheel(line), &[]);
        assert_eq!(recipe.requirements.build, ["setuptools", "wheel"], "{line}");
        assert!(recipe.guesses.iter().any(|guess| guess.contains("names no known backend version")), "{line}");
    }
}

#[test]
fn an_unknown_generator_is_a_guess() {
    let recipe = recipe(&fixture::wheel("homemade"), &[]);
    assert_eq!(recipe.guesses.len(), 1);
}

#[test]
fn a_recipe_prints_and_reads_back_the_same() {
    let recipe = recipe(&fixture::wheel("setuptools (82.0.1)"), &[]);
    let text = recipe.to_toml().unwrap();
    assert_eq!(Recipe::parse(&text).unwrap(), recipe);
    assert!(Recipe::parse(&format!("surprise = 1\n{text}")).is_err());
    assert!(Recipe::parse(&text.replace("0022", "22")).is_err());
}

#[test]
fn every_inferred_recipe_fits_the_schema() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../../schemas/recipe.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let mut mixed = fixture::wheel("setuptools (84.2.1)");
    mixed[0].time = TIME - 1;
    let windows = fixture::wheel("setuptools (82.0.0)").into_iter().map(|part| Part { system: 0, ..part }).collect();
    for parts in [mixed, windows, fixture::wheel("flit 3.7.1"), at(fixture::wheel("hatchling 1.33.0"), YEAR_1980)] {
        let recipe = recipe(&parts, &[]);
        let mut value = serde_json::to_value(&recipe).unwrap();
        assert_eq!(schema.validate(&value).map_err(|error| error.to_string()), Ok(()));
        value["surprise"] = 1.into();
        assert!(!schema.is_valid(&value));
    }
}
