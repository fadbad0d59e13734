//! docs/TRUST.md 3.3 and 3.4: which builds, recipes and methods vote.
use crate::votes::{why, with_good_second};
use crate::world::*;
use attest_core::{
    recipe::{Recipe, RecipeError},
    statement::{Build, Clock, Dependency, Method, Network, RecipeKind},
    votes::{Lack, NotCounted},
};

// 3.3

#[test]
fn a_build_with_a_network_is_no_vote() {
    for network in [Network::FetchOnly, Network::Open] {
        let open = signer("nix-1").sign(&reproduced(|build| build.environment.network = network));
        let verdict = with_good_second(&Rules::new(), &open);
        assert!(matches!(why(&verdict, &open), NotCounted::Lacks(Lack::Network { .. })));
        assert!(!verdict.is_accepted());
    }
}

#[test]
fn a_single_build_is_no_vote() {
    let once = signer("nix-1").sign(&reproduced(|build| build.repeat = 1));
    let verdict = with_good_second(&Rules::new(), &once);
    assert_eq!(why(&verdict, &once), NotCounted::Lacks(Lack::Repeat { found: 1 }));
    assert!(!verdict.is_accepted());
}

#[test]
fn a_recipe_with_commands_votes_only_when_the_policy_lists_its_digest() {
    let custom = signer("nix-1").sign(&reproduced(|build| build.recipe.kind = RecipeKind::Custom));
    let verdict = with_good_second(&Rules::new(), &custom);
    assert_eq!(why(&verdict, &custom), NotCounted::Lacks(Lack::CustomRecipe(digest(RECIPE))));
    assert!(!verdict.is_accepted());

    let listed = |name: &str| {
        Rules::new().table(format!("[[package]]\nname = \"{name}\"\naccept-recipe = [\"{}\"]\n", digest(RECIPE)))
    };
    assert!(with_good_second(&listed("six"), &custom).is_accepted());
    assert!(!with_good_second(&listed("seven"), &custom).is_accepted());
}

// 3.4

/// What was set afterwards.
const CONTAINER: &str = "\n[container]\nmembers = 7\nmodes = \"100644x7\"\n";

/// Where the published file was built.
const PATHS: &str = "\n[paths]\nbuild = \"/tmp/build-env-abcdefgh\"\ntemporary = []\n";

fn recipe(build: &mut Build, text: &str) {
    build.recipe.digest = digest(text).into();
    build.recipe.content = Some(text.to_owned());
}

#[test]
fn a_recipe_is_inferred_by_its_text_and_not_by_its_signers_word() {
    type Change<'a> = Box<dyn Fn(&mut Build) + 'a>;
    type Expected = fn(&NotCounted) -> bool;
    let preload = RECIPE.replace("LC_ALL", "LD_PRELOAD");
    let cases: Vec<(Change<'_>, Expected)> = vec![
        (Box::new(|build| recipe(build, "#!/bin/sh\nmake")), |why| {
            matches!(why, NotCounted::Lacks(Lack::RecipeNotKnobs(_)))
        }),
        (Box::new(|build| recipe(build, &format!("command = 1\n{RECIPE}"))), |why| {
            matches!(why, NotCounted::Lacks(Lack::RecipeNotKnobs(RecipeError::Form(_))))
        }),
        // A script of its own, under a label that says it has none.
        (Box::new(|build| recipe(build, &format!("{RECIPE}\n[custom]\nbuild-sh = \"{}\"\n", digest("sh")))), |why| {
            matches!(why, NotCounted::Lacks(Lack::RecipeNotKnobs(RecipeError::Custom)))
        }),
        (
            Box::new(|build| {
                recipe(build, &preload);
                build.environment.variables = Recipe::parse(&preload).unwrap().all_variables();
            }),
            |why| matches!(why, NotCounted::Lacks(Lack::RecipeNotKnobs(RecipeError::Variable { .. }))),
        ),
        // Longer texts are only somewhere else.
        (
            Box::new(|build| {
                build.recipe.content = None;
                build.recipe.download_location = Some("https://example.org/recipe".to_owned());
            }),
            |why| matches!(why, NotCounted::Lacks(Lack::RecipeNotInline(_))),
        ),
        (
            Box::new(|build| {
                build.environment.container_image = Some(digest("image").into());
            }),
            |why| matches!(why, NotCounted::Lacks(Lack::RecipeImage(_))),
        ),
        (
            Box::new(|build| {
                let variables = &mut build.environment.variables;
                variables.insert("CFLAGS".to_owned(), "-include evil.h".to_owned());
            }),
            |why| matches!(why, NotCounted::Lacks(Lack::RecipeEnvironment { knob }) if knob == "variable CFLAGS"),
        ),
        (
            Box::new(|build| {
                build.environment.variables.remove("TZ");
            }),
            |why| matches!(why, NotCounted::Lacks(Lack::RecipeEnvironment { knob }) if knob == "variable TZ"),
        ),
        (
            Box::new(|build| build.environment.umask = "0002".to_owned()),
            |why| matches!(why, NotCounted::Lacks(Lack::RecipeEnvironment { knob }) if knob == "umask"),
        ),
        (
            Box::new(|build| build.environment.clock = Clock::Real),
            |why| matches!(why, NotCounted::Lacks(Lack::RecipeEnvironment { knob }) if knob == "clock"),
        ),
        // The recipe of another file, which does give that one.
        (
            Box::new(|build| recipe(build, &RECIPE.replace("six-1.16.0-py2", "six-1.15.0-py2"))),
            |why| matches!(why, NotCounted::Lacks(Lack::RecipeEnvironment { knob }) if knob == "file name"),
        ),
        // A build elsewhere than where the recipe puts it, in either direction.
        (
            Box::new(|build| build.environment.build_path = "/tmp/build-env-abcdefgh".to_owned()),
            |why| matches!(why, NotCounted::Lacks(Lack::RecipeEnvironment { knob }) if knob == "build path"),
        ),
        (
            Box::new(|build| recipe(build, &format!("{RECIPE}{PATHS}"))),
            |why| matches!(why, NotCounted::Lacks(Lack::RecipeEnvironment { knob }) if knob == "build path"),
        ),
        (
            Box::new(|build| recipe(build, &RECIPE.replace("guesses", "python = \"3.1\"\nguesses"))),
            |why| matches!(why, NotCounted::Lacks(Lack::RecipeEnvironment { knob }) if knob == "Python"),
        ),
        // What was set afterwards is in the recipe, or nothing was.
        (
            Box::new(|build| build.method = Method::Replayed),
            |why| matches!(why, NotCounted::Lacks(Lack::RecipeEnvironment { knob }) if knob == "method"),
        ),
        (
            Box::new(|build| recipe(build, &format!("{RECIPE}{CONTAINER}"))),
            |why| matches!(why, NotCounted::Lacks(Lack::RecipeEnvironment { knob }) if knob == "method"),
        ),
        (
            Box::new(|build| {
                build.method = Method::Replayed;
                recipe(build, &format!("{RECIPE}{}", CONTAINER.replace("100644", "104755")));
            }),
            |why| matches!(why, NotCounted::Lacks(Lack::RecipeNotKnobs(RecipeError::Form(_)))),
        ),
    ];
    for (change, expected) in cases {
        let second = signer("nix-1").sign(&reproduced(change));
        let verdict = with_good_second(&Rules::new(), &second);
        assert!(!verdict.is_accepted());
        let why = why(&verdict, &second);
        assert!(expected(&why), "{why}");
    }
}

/// A recipe that everybody would run, beside dependencies of another build: the tools that wrote the wheel are then not those
/// that a reader of the recipe expects, and who replays the recipe gets others.
#[test]
fn an_inferred_recipe_s_requirements_are_what_was_installed() {
    let requirements = |lines: &str| RECIPE.replace("\"setuptools<70.1\", \"wheel==0.36.2\"", lines);
    let cases: Vec<(String, Vec<Dependency>, &str)> = vec![
        (RECIPE.to_owned(), vec![], "requirement setuptools<70.1"),
        (RECIPE.to_owned(), vec![dependency("wheel", "0.36.2")], "requirement setuptools<70.1"),
        // Another version of what is pinned.
        (
            RECIPE.to_owned(),
            vec![dependency("setuptools", "56.0.0"), dependency("wheel", "0.37.0")],
            "requirement wheel==0.36.2",
        ),
        // Which of the two was it?
        (
            RECIPE.to_owned(),
            vec![dependency("setuptools", "56.0.0"), dependency("wheel", "0.36.2"), dependency("wheel", "0.37.0")],
            "dependency wheel",
        ),
        // Nothing asks for it.
        (requirements(""), vec![dependency("evil", "1.0")], "dependency evil"),
        // A marker may leave a requirement out, and not give it another version.
        (
            requirements("\"wheel==0.36.2; python_version < '4'\""),
            vec![dependency("wheel", "0.37.0")],
            "requirement wheel==0.36.2; python_version < '4'",
        ),
        // A list that nobody can look into here.
        (
            RECIPE.to_owned(),
            vec![Dependency { uri: "attest:dependencies?total=101".to_owned(), digest: digest("list").into() }],
            "dependency attest:dependencies?total=101",
        ),
        (
            RECIPE.to_owned(),
            vec![
                Dependency { uri: "pkg:generic/wheel@0.36.2".to_owned(), digest: digest("wheel").into() },
                dependency("setuptools", "56.0.0"),
            ],
            "dependency pkg:generic/wheel@0.36.2",
        ),
    ];
    for (text, dependencies, expected) in cases {
        let second = signer("nix-1").sign(&reproduced(|build| {
            recipe(build, &text);
            build.resolved_dependencies.clone_from(&dependencies);
        }));
        let verdict = with_good_second(&Rules::new(), &second);
        assert!(!verdict.is_accepted(), "{expected}");
        let why = why(&verdict, &second);
        assert!(matches!(&why, NotCounted::Lacks(Lack::RecipeEnvironment { knob }) if knob == expected), "{why}");
    }
}

#[test]
fn what_requirements_require_in_turn_and_markers_leave_out_costs_no_vote() {
    let requirements = |lines: &str| RECIPE.replace("\"setuptools<70.1\", \"wheel==0.36.2\"", lines);
    for (lines, dependencies) in [
        ("\"Hatch_VCS\", \"hatchling==1.27\"", &[("hatch-vcs", "0.4"), ("hatchling", "1.27.0"), ("pluggy", "1.5")][..]),
        ("\"flit_core[x] (==3.9)\", \"tomli==1; python_version < '3.11'\"", &[("flit-core", "3.9")]),
        ("\"demo==1.0\"", &[("demo", "1.0+cpu")]),
        ("\"demo==1.*\"", &[("demo", "1.7")]),
        ("", &[]),
    ] {
        let second = signer("nix-1").sign(&reproduced(|build| {
            recipe(build, &requirements(lines));
            build.resolved_dependencies =
                dependencies.iter().map(|(name, version)| dependency(name, version)).collect();
        }));
        assert!(with_good_second(&Rules::new(), &second).is_accepted(), "{lines}");
    }
}

#[test]
fn a_build_that_followed_its_recipe_in_a_place_and_a_python_of_its_own_votes() {
    let second = signer("nix-1").sign(&reproduced(|build| {
        let text = format!("{}{PATHS}", RECIPE.replace("guesses", "python = \"3.11\"\nguesses"));
        recipe(build, &text);
        build.environment.build_path = "/tmp/build-env-abcdefgh".to_owned();
    }));
    assert!(with_good_second(&Rules::new(), &second).is_accepted());
}

#[test]
fn a_method_that_the_policy_does_not_accept_is_no_vote() {
    let replayed = signer("nix-1").sign(&reproduced(|build| {
        build.method = Method::Replayed;
        recipe(build, &format!("{RECIPE}{CONTAINER}"));
    }));
    assert!(with_good_second(&Rules::new(), &replayed).is_accepted());
    let rules = Rules::new().set("accept-method", r#"["exact"]"#);
    let verdict = with_good_second(&rules, &replayed);
    let NotCounted::Method { line, .. } = why(&verdict, &replayed) else {
        panic!("expected the method to be refused");
    };
    assert!(rules.text().lines().nth(line - 1).unwrap().starts_with("accept-method"));
    assert!(!verdict.is_accepted());
}

#[test]
fn an_equivalent_statement_votes_only_where_the_policy_names_it() {
    let weaker = signer("nix-1").sign(&equivalent(|_| {}));
    let verdict = with_good_second(&Rules::new(), &weaker);
    assert_eq!(why(&verdict, &weaker), NotCounted::Equivalent);
    assert!(!verdict.is_accepted());
    let accept =
        |value: &str| Rules::new().table(format!("[[package]]\nname = \"six\"\naccept-equivalent = {value}\n"));
    assert!(with_good_second(&accept("true"), &weaker).is_accepted());
    assert!(!with_good_second(&accept("false"), &weaker).is_accepted());
}
