//! The recipes in `docs/recipes/` are recipes, and name the files that lie beside them.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read the recipes")]

use std::fs;
use std::path::PathBuf;

use attest_core::artifact::{ArtifactDigest, WheelName};
use attest_core::recipe::{BuildLock, Recipe};

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/recipes").join(name)
}

fn check(name: &str, text: &str) -> Recipe {
    let recipe = Recipe::parse(text).unwrap();
    let schema: serde_json::Value = serde_json::from_str(include_str!("../../schemas/recipe.schema.json")).unwrap();
    let data = serde_json::to_value(&recipe).unwrap();
    let errors: Vec<_> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&data).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}");
    recipe.check_builds(&WheelName::parse(&recipe.wheel).unwrap()).unwrap();
    // Code of its author: it votes only where a policy lists it.
    assert!(recipe.knobs_only().is_err());
    let custom = recipe.custom.as_ref().unwrap();
    let digest = |file: &str| ArtifactDigest::of(&fs::read(folder(name).join(file)).unwrap());
    assert_eq!(custom.build_sh, digest("build.sh"), "{name}");
    assert_eq!(custom.build_lock, Some(digest("build.lock")), "{name}");
    let lock: BuildLock = fs::read_to_string(folder(name).join("build.lock")).unwrap().parse().unwrap();
    assert!(!lock.files().is_empty());
    recipe
}

#[test]
fn the_recipe_for_scikit_learn_reads_and_names_the_files_beside_it() {
    let text = fs::read_to_string(folder("scikit-learn").join("recipe.toml")).unwrap();
    let recipe = check("scikit-learn", &text);
    assert_eq!(recipe.to_toml().unwrap(), text);
}

#[test]
fn the_recipe_for_cryptography_reads_once_its_image_is_filled_in_and_not_before() {
    let text = fs::read_to_string(folder("cryptography").join("recipe.toml.in")).unwrap();
    assert!(Recipe::parse(&text).is_err());
    check("cryptography", &text.replace("@IMAGE@", &"0".repeat(64)));
}
