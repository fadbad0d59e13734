use super::*;
use crate::recipe::Recipe;
use crate::statement::RecipeKind;

const HEX: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn text() -> String {
    format!(
        r#"schema = "https://w3id.org/attest/recipe/v1"
wheel = "demo-1.7.2-cp311-cp311-manylinux_2_28_x86_64.whl"
generator = "meson"
guesses = []

[backend]
name = "mesonpy"
path = []

[requirements]
build = []

[time]
clock = "SOURCE_DATE_EPOCH"
source-date-epoch = 1700000000
zone = "UTC"

[files]
umask = "0022"
modes = "RAW"

[variables]
CFLAGS = "-g0"

[custom]
build-sh = "{HEX}"
build-lock = "{HEX}"
image = "quay.io/pypa/manylinux_2_28_x86_64@sha256:{HEX}"

[custom.source]
url = "https://github.com/demo/demo"
tag = "v{{version}}"

[[custom.packages]]
name = "ccache"
version = "4.11.3"
file = "ccache-4.11.3.rpm"
sha256 = "{HEX}"
url = "https://packages.example/ccache-4.11.3.rpm"
"#
    )
}

fn with(old: &str, new: &str) -> Result<Recipe, RecipeError> {
    let changed = text().replacen(old, new, 1);
    assert_ne!(changed, text(), "{old}");
    Recipe::parse(&changed)
}

fn name(text: &str) -> WheelName {
    WheelName::parse(text).unwrap()
}

#[test]
fn a_custom_recipe_is_printed_as_it_was_read_and_is_more_than_knobs() {
    let recipe = Recipe::parse(&text()).unwrap();
    assert_eq!(recipe.to_toml().unwrap(), text());
    assert_eq!(recipe.knobs_only(), Err(RecipeError::Custom));
    assert_eq!(recipe.kind(), RecipeKind::Custom);
    // However little of it is there.
    let least = text().split("build-lock").next().unwrap().replace("CFLAGS = \"-g0\"\n", "");
    let recipe = Recipe::parse(&least).unwrap();
    assert_eq!(recipe.kind(), RecipeKind::Custom);
    assert_eq!(recipe.to_toml().unwrap(), least);
}

#[test]
fn an_image_without_a_digest_or_with_a_tag_or_an_option_in_its_name_is_refused() {
    let image = format!("quay.io/pypa/manylinux_2_28_x86_64@sha256:{HEX}");
    for refused in [
        "quay.io/pypa/manylinux_2_28_x86_64",
        "quay.io/pypa/manylinux_2_28_x86_64:latest",
        &format!("quay.io/pypa/manylinux_2_28_x86_64:latest@sha256:{HEX}"),
        &format!("quay.io/pypa/manylinux_2_28_x86_64@sha256:{}", HEX.to_uppercase()),
        &format!("quay.io/pypa/manylinux_2_28_x86_64@md5:{HEX}"),
        &format!("--privileged/x@sha256:{HEX}"),
        &format!("x/--volume@sha256:{HEX}"),
        &format!("../x@sha256:{HEX}"),
        &format!("x/../y@sha256:{HEX}"),
        &format!("x/y z@sha256:{HEX}"),
        &format!("python@sha256:{HEX}"),
        &format!("x:99999/y@sha256:{HEX}"),
        &format!("{}/y@sha256:{HEX}", "x".repeat(300)),
    ] {
        assert!(matches!(with(&image, refused), Err(RecipeError::Form(_))), "{refused}");
    }
    let local = format!("localhost:5000/demo@sha256:{HEX}");
    let recipe = with(&image, &local).unwrap();
    assert_eq!(recipe.custom.unwrap().image.unwrap().to_string(), local);
}

#[test]
fn names_that_lead_elsewhere_or_are_options_are_refused() {
    for file in ["../ccache.rpm", "/etc/passwd", "a/b.rpm", "..", "", "-evil.rpm", ".hidden", "a\\\\b", "a b"] {
        let found = with("\"ccache-4.11.3.rpm\"", &format!("\"{file}\""));
        assert!(matches!(found, Err(RecipeError::PackageFile { .. })), "{file}: {found:?}");
    }
    for (old, new) in [("\"ccache\"", "\"--nogpgcheck\""), ("\"ccache\"", "\"a b\""), ("\"4.11.3\"", "\"\"")] {
        assert!(matches!(with(old, new), Err(RecipeError::Package { .. })), "{new}");
    }
    for url in ["http://packages.example/x", "file:///etc/passwd", "/etc/passwd", "https://x y"] {
        let found = with("https://packages.example/ccache-4.11.3.rpm", url);
        assert!(matches!(found, Err(RecipeError::PackageUrl { .. })), "{url}");
    }
    for url in ["file:///tmp/demo", "http://github.com/demo/demo", "https://u@github.com/demo", "https://x.y/demo.git"]
    {
        let found = with("https://github.com/demo/demo", url);
        assert!(matches!(found, Err(RecipeError::SourceUrl { .. })), "{url}");
    }
    for tag in ["--upload-pack=x", "a..b", "", "a b", "{version", "../{version}"] {
        let found = with("v{version}", tag);
        // A lone brace is an odd tag, but one.
        assert!(tag == "{version" || matches!(found, Err(RecipeError::SourceTag { .. })), "{tag}: {found:?}");
    }
    let again = text() + &text()[text().find("[[custom").unwrap()..];
    assert!(matches!(Recipe::parse(&again), Err(RecipeError::PackageTwice { .. })));
}

#[test]
fn what_is_unknown_or_has_no_digest_is_no_recipe() {
    for (old, new) in [
        ("build-sh", "run"),
        (&*format!("build-sh = \"{HEX}\"\n"), ""),
        ("image =", "command = \"sh\"\nimage ="),
        (&*format!("build-sh = \"{HEX}"), "build-sh = \"sha256:00"),
        ("url = \"https://packages", "path = \"x\"\nurl = \"https://packages"),
    ] {
        assert!(matches!(with(old, new), Err(RecipeError::Form(_))), "{new}");
    }
    for variable in ["A=B", "-i", "", "A B"] {
        let found = with("CFLAGS", &format!("\"{variable}\""));
        assert!(matches!(found, Err(RecipeError::VariableForm { .. })), "{variable}");
    }
}

#[test]
fn a_recipe_builds_the_file_that_it_names_and_no_other() {
    let recipe = Recipe::parse(&text()).unwrap();
    assert_eq!(recipe.check_builds(&name("demo-1.7.2-cp311-cp311-manylinux_2_28_x86_64.whl")), Ok(()));
    for other in ["demo-1.7.2-cp312-cp312-manylinux_2_28_x86_64.whl", "demo-1.7.20-cp311-cp311-linux_x86_64.whl"] {
        assert!(matches!(recipe.check_builds(&name(other)), Err(RecipeError::Wheel { .. })), "{other}");
    }
}

#[test]
fn a_recipe_of_several_versions_builds_those_and_no_other() {
    let ranged =
        text().replace("demo-1.7.2-", "demo-{version}-").replace("image =", "versions = \">=1.7,<1.8\"\nimage =");
    let recipe = Recipe::parse(&ranged).unwrap();
    assert_eq!(recipe.to_toml().unwrap(), ranged);
    let file = |version: &str| name(&format!("demo-{version}-cp311-cp311-manylinux_2_28_x86_64.whl"));
    for version in ["1.7", "1.7.2", "1.7.10", "1.7.2.post1"] {
        assert_eq!(recipe.check_builds(&file(version)), Ok(()), "{version}");
    }
    for version in ["1.6.9", "1.8", "1.8rc1", "1.10", "1!1.7", "17"] {
        assert!(recipe.check_builds(&file(version)).is_err(), "{version}");
    }
    assert!(recipe.check_builds(&name("other-1.7.2-cp311-cp311-manylinux_2_28_x86_64.whl")).is_err());
    // Without the range `{version}` stands for nothing.
    let open = Recipe::parse(&text().replace("demo-1.7.2-", "demo-{version}-")).unwrap();
    assert!(open.check_builds(&file("1.7.2")).is_err());
    for versions in ["", "1.7", ">=1.7", "<1.8", ">=1.8,<1.7", ">=1.7,<1.7.0", ">=1.7, <1.8"] {
        assert!(versions.parse::<Versions>().is_err(), "{versions}");
    }
}

#[test]
fn the_tag_of_a_version_is_a_whole_ref() {
    let source = Recipe::parse(&text()).unwrap().custom.unwrap().source.unwrap();
    assert_eq!(source.reference(&Version::new("1.7.2").unwrap()), "refs/tags/v1.7.2");
}

#[test]
fn a_lock_is_one_file_per_project_and_reads_as_it_prints() {
    let good = format!("cython==3.1.2 --hash=sha256:{HEX}\nnumpy==2.2.6 --hash=sha256:{HEX}\n");
    let lock: BuildLock = good.parse().unwrap();
    assert_eq!(lock.to_string(), good);
    assert_eq!(lock.files()[1].version(), "2.2.6");
    assert_eq!("".parse::<BuildLock>().unwrap().files(), []);
    for bad in [
        &good[..good.len() - 1],
        &format!("{good}cython==3.1.2 --hash=sha256:{HEX}\n"),
        &format!("numpy==2.2.6 --hash=sha256:{HEX} --hash=sha256:{HEX}\n"),
        &format!("NumPy==2.2.6 --hash=sha256:{HEX}\n"),
        &format!("numpy @ https://evil.example/x.whl --hash=sha256:{HEX}\n"),
        &format!("--index-url=https://evil.example==1 --hash=sha256:{HEX}\n"),
        &format!("-e .==1 --hash=sha256:{HEX}\n"),
        &format!("numpy==2.2.6;x --hash=sha256:{HEX}\n"),
        &format!("numpy==2.2.6 --hash=sha512:{HEX}\n"),
        &format!("# comment\nnumpy==2.2.6 --hash=sha256:{HEX}\n"),
        &format!("numpy==2.2.6 --hash=sha256:{HEX}\r\n"),
        "numpy==2.2.6\n",
        "-r /etc/passwd\n",
        "\n",
    ] {
        assert!(bad.parse::<BuildLock>().is_err(), "{bad}");
    }
    let many: Vec<_> = (0..=MAX_LINES).map(|n| format!("p{n:05}==1 --hash=sha256:{HEX}\n")).collect();
    assert_eq!(many.concat().parse::<BuildLock>(), Err(LockError::TooMany));
}

const MAX_LINES: usize = 2000;

#[test]
fn custom_recipes_fit_the_schema_and_what_is_refused_does_not() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../../schemas/recipe.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let value = |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    assert_eq!(schema.validate(&value(&text())).map_err(|error| error.to_string()), Ok(()));
    for (old, new) in [
        ("build-sh", "run"),
        ("image =", "command = \"sh\"\nimage ="),
        ("\"ccache-4.11.3.rpm\"", "\"../ccache.rpm\""),
        ("\"ccache-4.11.3.rpm\"", "\"a\\\\b\""),
        ("\"ccache\"", "\"--nogpgcheck\""),
        ("https://packages", "http://packages"),
        ("https://github", "file://github"),
        ("@sha256:", ":latest@sha256:"),
        ("v{version}", "--x"),
        ("CFLAGS", "\"A=B\""),
    ] {
        let changed = text().replacen(old, new, 1);
        assert_ne!(changed, text(), "{old}");
        assert!(Recipe::parse(&changed).is_err() && !schema.is_valid(&value(&changed)), "{new}");
    }
}

#[test]
fn the_recipe_in_the_documentation_is_one() {
    let page = include_str!("../../../../docs/recipes.md");
    let sample = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let recipe = Recipe::parse(sample).unwrap();
    assert_eq!(recipe.check_builds(&name("demo-1.7.2-cp311-cp311-manylinux_2_28_x86_64.whl")), Ok(()));
    assert_eq!(recipe.to_toml().unwrap(), sample);
}
