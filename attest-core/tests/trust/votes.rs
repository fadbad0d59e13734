//! docs/TRUST.md section 3: what is a vote.
use crate::world::*;
use attest_core::{
    artifact::{ProjectName, Version},
    merkle::LeafIndex,
    policy::GroupName,
    recipe::{Recipe, RecipeError},
    statement::{Build, Clock, Dependency, FromCommit, Method, Network, Origin, RecipeKind, Source},
    verify::{Evidence, Place, Verdict, Wanted, WantedName, verify},
    votes::{Counts, NotCounted, SourceClass},
};

/// Two groups that agree, from one good log.
fn two_votes() -> (Signed, Signed) {
    let statement = reproduced(|_| {});
    (signer("deb-1").sign(&statement), signer("nix-1").sign(&statement))
}

/// The verdict when one of two needed votes is this statement.
fn with_good_second(rules: &Rules, second: &Signed) -> Verdict {
    judge(rules, &[&signer("deb-1").sign(&reproduced(|_| {})), second])
}

fn why(verdict: &Verdict, signed: &Signed) -> NotCounted {
    let ignored = &verdict.findings().ignored;
    match ignored.iter().find(|ignored| ignored.statement == signed.id) {
        Some(ignored) => ignored.why.clone(),
        None => panic!("expected {} to be ignored, found {verdict:#?}", signed.id),
    }
}

#[test]
fn two_groups_that_agree_are_accepted_with_all_their_evidence() {
    let (one, two) = two_votes();
    let Verdict::Accepted(acceptance) = judge(&Rules::new(), &[&one, &two]) else {
        panic!("expected acceptance");
    };
    assert_eq!(acceptance.groups, ["debian", "nixos"].map(|name| GroupName::new(name).unwrap()));
    assert_eq!(acceptance.source, SourceClass::Commit { commit: COMMIT.to_owned(), tree: digest(COMMIT) });
    let vote = &acceptance.findings.votes[1];
    assert_eq!(vote.by.as_str(), "nix-1");
    assert_eq!(vote.statement, two.id);
    assert_eq!(vote.counts, Counts::Yes);
    let Place::Logged { origin, index, size, witnessed_at } = &vote.place else {
        panic!("expected a logged vote, found {:?}", vote.place);
    };
    assert_eq!(origin, LOG);
    assert_eq!(*index, LeafIndex::new(1));
    assert_eq!(size.unwrap().get(), 2);
    assert_eq!(*witnessed_at, Some(at(60)));
}

#[test]
fn every_vote_names_the_line_of_the_policy_that_lets_it_count() {
    let rules = Rules::new();
    let (one, two) = two_votes();
    let verdict = judge(&rules, &[&one, &two]);
    let text = rules.text();
    for vote in &verdict.findings().votes {
        let from_there: String = text.lines().skip(vote.line - 1).take(2).collect();
        assert!(from_there.contains(vote.by.as_str()), "line {} is {from_there}", vote.line);
    }
    let need = verdict.findings().need;
    assert_eq!(text.lines().nth(need.line - 1), Some("threshold = 2"));
}

#[test]
fn one_group_alone_is_refused_however_many_keys_it_has() {
    let statement = reproduced(|_| {});
    let verdict = judge(
        &Rules::new(),
        &[&signer("deb-1").sign(&statement), &signer("deb-2").sign(&reproduced(|build| build.repeat = 3))],
    );
    assert_eq!(codes(&verdict), ["below-threshold"]);
    assert_eq!(verdict.severity().unwrap().exit_code(), 1);
    assert_eq!(verdict.findings().votes.len(), 2);
}

#[test]
fn one_statement_logged_twice_is_one_vote() {
    let vote = signer("deb-1").sign(&reproduced(|_| {}));
    let verdict = judge(&Rules::new(), &[&vote, &vote]);
    assert_eq!(verdict.findings().votes.len(), 1);
    assert_eq!(codes(&verdict), ["below-threshold"]);
}

// 3.1

#[test]
fn a_statement_by_an_unknown_key_does_not_count() {
    let stranger = signer("stranger").sign(&reproduced(|_| {}));
    let verdict = with_good_second(&Rules::new(), &stranger);
    assert_eq!(codes(&verdict), ["below-threshold"]);
    assert_eq!(why(&verdict, &stranger), NotCounted::UnknownKey);
}

#[test]
fn a_rebuilders_vote_that_is_in_no_log_does_not_count() {
    let (one, two) = two_votes();
    let mut evidence = evidence(vec![log_of(&[&one]).view()]);
    evidence.unlogged.push(two.bytes.clone());
    let verdict = judge_by(&Rules::new(), &evidence);
    assert_eq!(codes(&verdict), ["below-threshold"]);
    assert_eq!(why(&verdict, &two), NotCounted::NotLogged);
}

#[test]
fn a_vote_in_a_log_that_the_policy_does_not_list_does_not_count() {
    let (one, two) = two_votes();
    let mut other = Log::new("other.example/log");
    other.append(&two);
    let evidence = evidence(vec![log_of(&[&one]).view(), other.view()]);
    let verdict = judge_by(&Rules::new(), &evidence);
    assert_eq!(codes(&verdict), ["below-threshold"]);
    assert_eq!(why(&verdict, &two), NotCounted::UnknownLog);
}

#[test]
fn a_vote_whose_proof_is_for_another_index_does_not_count() {
    let (one, two) = two_votes();
    let mut view = log_of(&[&one, &two]).view();
    view.entries[1].index = LeafIndex::new(0);
    let verdict = judge_by(&Rules::new(), &evidence(vec![view]));
    assert!(matches!(why(&verdict, &two), NotCounted::NotIncluded(_)));
    // A better answer may prove it, so this is no refusal; and garbage is no alarm.
    assert_eq!(codes(&verdict), ["bad-proof"]);
    assert_eq!(verdict.severity().unwrap().exit_code(), 3);
}

#[test]
fn votes_do_not_age() {
    let old = |build: &mut attest_core::statement::Build| {
        build.rebuilt_at = "2001-01-01T00:00:00Z".to_owned();
    };
    let verdict =
        judge(&Rules::new(), &[&signer("deb-1").sign(&reproduced(old)), &signer("nix-1").sign(&reproduced(old))]);
    assert!(verdict.is_accepted());
}

#[test]
fn votes_from_two_logs_add_up() {
    let (one, two) = two_votes();
    let rules = Rules::new().log("second.example/log", "");
    let mut second = Log::new("second.example/log");
    second.append(&two);
    let evidence = evidence(vec![log_of(&[&one]).view(), second.view()]);
    assert!(judge_by(&rules, &evidence).is_accepted());
}

// 3.2

#[test]
fn a_vote_for_another_file_name_with_the_same_bytes_does_not_count() {
    let renamed = subject("six-1.16.0-1-py2.py3-none-any.whl", "published");
    let other = signer("nix-1").sign(&reproduced_of(renamed, |_| {}));
    let verdict = with_good_second(&Rules::new(), &other);
    assert!(matches!(why(&verdict, &other), NotCounted::OtherName { .. }));
    assert!(!verdict.is_accepted());
}

#[test]
fn a_requirement_without_file_name_matches_project_and_version() {
    let (one, two) = two_votes();
    let view = log_of(&[&one, &two]).view();
    let ask = |project: &str, version: &str| {
        let wanted = Wanted {
            digest: published().digest,
            name: WantedName::Release {
                project: ProjectName::new(project).unwrap(),
                version: Version::new(version).unwrap(),
            },
        };
        let evidence = evidence(vec![view.clone()]);
        verify(&Rules::new().policy(), &wanted, &evidence, asking()).is_accepted()
    };
    assert!(ask("six", "1.16.0"));
    assert!(ask("Six", "1.16"));
    assert!(!ask("six", "1.16.1"));
    assert!(!ask("six", "1.16.0+local"));
    assert!(!ask("seven", "1.16.0"));
}

// 3.3

#[test]
fn a_build_with_a_network_is_no_vote() {
    for network in [Network::FetchOnly, Network::Open] {
        let open = signer("nix-1").sign(&reproduced(|build| build.environment.network = network));
        let verdict = with_good_second(&Rules::new(), &open);
        assert!(matches!(why(&verdict, &open), NotCounted::Network { .. }));
        assert!(!verdict.is_accepted());
    }
}

#[test]
fn a_single_build_is_no_vote() {
    let once = signer("nix-1").sign(&reproduced(|build| build.repeat = 1));
    let verdict = with_good_second(&Rules::new(), &once);
    assert_eq!(why(&verdict, &once), NotCounted::Repeat { found: 1 });
    assert!(!verdict.is_accepted());
}

#[test]
fn a_recipe_with_commands_votes_only_when_the_policy_lists_its_digest() {
    let custom = signer("nix-1").sign(&reproduced(|build| build.recipe.kind = RecipeKind::Custom));
    let verdict = with_good_second(&Rules::new(), &custom);
    assert_eq!(why(&verdict, &custom), NotCounted::CustomRecipe(digest(RECIPE)));
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
        (Box::new(|build| recipe(build, "#!/bin/sh\nmake")), |why| matches!(why, NotCounted::RecipeNotKnobs(_))),
        (Box::new(|build| recipe(build, &format!("command = 1\n{RECIPE}"))), |why| {
            matches!(why, NotCounted::RecipeNotKnobs(RecipeError::Form(_)))
        }),
        // A script of its own, under a label that says it has none.
        (Box::new(|build| recipe(build, &format!("{RECIPE}\n[custom]\nbuild-sh = \"{}\"\n", digest("sh")))), |why| {
            matches!(why, NotCounted::RecipeNotKnobs(RecipeError::Custom))
        }),
        (
            Box::new(|build| {
                recipe(build, &preload);
                build.environment.variables = Recipe::parse(&preload).unwrap().all_variables();
            }),
            |why| matches!(why, NotCounted::RecipeNotKnobs(RecipeError::Variable { .. })),
        ),
        // Longer texts are only somewhere else.
        (
            Box::new(|build| {
                build.recipe.content = None;
                build.recipe.download_location = Some("https://example.org/recipe".to_owned());
            }),
            |why| matches!(why, NotCounted::RecipeNotInline(_)),
        ),
        (
            Box::new(|build| {
                build.environment.container_image = Some(digest("image").into());
            }),
            |why| matches!(why, NotCounted::RecipeImage(_)),
        ),
        (
            Box::new(|build| {
                let variables = &mut build.environment.variables;
                variables.insert("CFLAGS".to_owned(), "-include evil.h".to_owned());
            }),
            |why| matches!(why, NotCounted::RecipeEnvironment { knob } if knob == "variable CFLAGS"),
        ),
        (
            Box::new(|build| {
                build.environment.variables.remove("TZ");
            }),
            |why| matches!(why, NotCounted::RecipeEnvironment { knob } if knob == "variable TZ"),
        ),
        (
            Box::new(|build| build.environment.umask = "0002".to_owned()),
            |why| matches!(why, NotCounted::RecipeEnvironment { knob } if knob == "umask"),
        ),
        (
            Box::new(|build| build.environment.clock = Clock::Real),
            |why| matches!(why, NotCounted::RecipeEnvironment { knob } if knob == "clock"),
        ),
        // The recipe of another file, which does give that one.
        (
            Box::new(|build| recipe(build, &RECIPE.replace("six-1.16.0-py2", "six-1.15.0-py2"))),
            |why| matches!(why, NotCounted::RecipeEnvironment { knob } if knob == "file name"),
        ),
        // A build elsewhere than where the recipe puts it, in either direction.
        (
            Box::new(|build| build.environment.build_path = "/tmp/build-env-abcdefgh".to_owned()),
            |why| matches!(why, NotCounted::RecipeEnvironment { knob } if knob == "build path"),
        ),
        (
            Box::new(|build| recipe(build, &format!("{RECIPE}{PATHS}"))),
            |why| matches!(why, NotCounted::RecipeEnvironment { knob } if knob == "build path"),
        ),
        (
            Box::new(|build| recipe(build, &RECIPE.replace("guesses", "python = \"3.1\"\nguesses"))),
            |why| matches!(why, NotCounted::RecipeEnvironment { knob } if knob == "Python"),
        ),
        // What was set afterwards is in the recipe, or nothing was.
        (
            Box::new(|build| build.method = Method::Replayed),
            |why| matches!(why, NotCounted::RecipeEnvironment { knob } if knob == "method"),
        ),
        (
            Box::new(|build| recipe(build, &format!("{RECIPE}{CONTAINER}"))),
            |why| matches!(why, NotCounted::RecipeEnvironment { knob } if knob == "method"),
        ),
        (
            Box::new(|build| {
                build.method = Method::Replayed;
                recipe(build, &format!("{RECIPE}{}", CONTAINER.replace("100644", "104755")));
            }),
            |why| matches!(why, NotCounted::RecipeNotKnobs(RecipeError::Form(_))),
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
        assert!(matches!(&why, NotCounted::RecipeEnvironment { knob } if knob == expected), "{why}");
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

// 3.5

#[test]
fn a_source_that_the_policy_does_not_accept_is_no_vote() {
    let from_sdist = |name: &str| {
        signer(name).sign(&reproduced(|build| {
            build.origin = Origin::Sdist;
            build.source = sdist("sdist");
        }))
    };
    let (one, two) = (from_sdist("deb-1"), from_sdist("nix-1"));
    let Verdict::Accepted(acceptance) = judge(&Rules::new(), &[&one, &two]) else {
        panic!("expected acceptance");
    };
    assert_eq!(acceptance.source, SourceClass::Sdist(digest("sdist")));
    let rules = Rules::new().set("accept-origin", r#"["git"]"#);
    let verdict = judge(&rules, &[&one, &two]);
    assert!(matches!(why(&verdict, &one), NotCounted::Origin { .. }));
    assert_eq!(codes(&verdict), ["below-threshold"]);
}

#[test]
fn an_sdist_is_never_printed_as_a_commit_even_when_it_was_verified_against_one() {
    let verified = reproduced(|build| {
        build.origin = Origin::Sdist;
        build.source = sdist("sdist");
        if let Source::Sdist { from_commit, .. } = &mut build.source[0] {
            *from_commit = FromCommit::Verified;
        }
        build.source.extend(git(COMMIT));
    });
    let verdict = judge(&Rules::new(), &[&signer("deb-1").sign(&verified), &signer("nix-1").sign(&verified)]);
    let Verdict::Accepted(acceptance) = verdict else {
        panic!("expected acceptance");
    };
    assert_eq!(acceptance.source.to_string(), format!("sdist {}", digest("sdist")));
}

// 3.6

fn pinned(url: &str, reference: Option<&str>) -> Rules {
    let reference = reference.map_or_else(String::new, |text| format!(", ref = \"{text}\""));
    Rules::new().table(format!("[[package]]\nname = \"six\"\nrepository = {{ url = \"{url}\"{reference} }}\n"))
}

#[test]
fn a_pinned_repository_takes_only_votes_from_its_url_and_tag() {
    const URL: &str = "https://github.com/benjaminp/six";
    let (one, two) = two_votes();
    let accepted = |rules: &Rules| judge(rules, &[&one, &two]).is_accepted();
    assert!(accepted(&pinned(URL, None)));
    assert!(accepted(&pinned(URL, Some("refs/tags/{version}"))));
    assert!(accepted(&pinned(URL, Some("refs/tags/*"))));
    assert!(!accepted(&pinned(URL, Some("refs/tags/release-{version}"))));
    assert!(!accepted(&pinned(URL, Some("refs/heads/*"))));
    assert!(!accepted(&pinned("https://github.com/evil/six", None)));
    assert!(!accepted(&pinned("https://github.com/benjaminp/six2", None)));
    assert!(!accepted(&pinned("https://github.com/benjaminp", None)));
}

#[test]
fn by_default_a_pinned_repository_wants_the_versions_own_tag() {
    let rules = pinned("https://github.com/benjaminp/six", None);
    for (reference, counts) in [
        ("refs/tags/1.16.0", true),
        ("refs/tags/v1.16.0", true),
        ("refs/tags/1.16.0.1", false),
        ("refs/tags/1.15.0", false),
        ("refs/heads/1.16.0", false),
    ] {
        let vote = |name: &str| {
            signer(name).sign(&reproduced(|build| {
                if let Source::Git { r#ref, .. } = &mut build.source[0] {
                    reference.clone_into(r#ref);
                }
            }))
        };
        let verdict = judge(&rules, &[&vote("deb-1"), &vote("nix-1")]);
        assert_eq!(verdict.is_accepted(), counts, "{reference}");
    }
}

#[test]
fn an_sdist_never_satisfies_a_pinned_repository() {
    let verified = reproduced(|build| {
        build.origin = Origin::Sdist;
        build.source = sdist("sdist");
        if let Source::Sdist { from_commit, .. } = &mut build.source[0] {
            *from_commit = FromCommit::Verified;
        }
        build.source.extend(git(COMMIT));
    });
    let (one, two) = (signer("deb-1").sign(&verified), signer("nix-1").sign(&verified));
    let rules = pinned("https://github.com/benjaminp/six", None);
    let verdict = judge(&rules, &[&one, &two]);
    assert!(!verdict.is_accepted());
    assert!(matches!(why(&verdict, &one), NotCounted::PinnedButSdist { .. }));
}

// 3.7

#[test]
fn groups_that_built_from_different_sources_do_not_add_up() {
    let other = signer("nix-1").sign(&reproduced(|build| {
        build.source = git("0123456789012345678901234567890123456789");
    }));
    let verdict = with_good_second(&Rules::new(), &other);
    assert_eq!(codes(&verdict), ["sources-disagree"]);
    assert_eq!(verdict.severity().unwrap().exit_code(), 1);
}

#[test]
fn a_group_is_split_by_a_claim_that_does_not_count_by_its_place_alone() {
    let other = |name: &str| {
        let elsewhere = "0123456789012345678901234567890123456789";
        signer(name).sign(&reproduced(|build| build.source = git(elsewhere)))
    };
    let (one, two) = two_votes();
    let is_split = |rules: &Rules, evidence: &Evidence| {
        let verdict = judge_by(rules, evidence);
        let votes = &verdict.findings().votes;
        let split = votes.iter().any(|vote| vote.by.as_str() == "nix-1" && vote.counts == Counts::GroupSplit);
        assert_eq!(split, !verdict.is_accepted(), "{:?}", verdict.reasons());
        split
    };
    let good = log_of(&[&one, &two]);
    // In no log at all.
    let unlogged = |signed: &Signed| {
        let mut evidence = evidence(vec![good.view()]);
        evidence.unlogged.push(signed.bytes.clone());
        evidence
    };
    assert!(is_split(&Rules::new(), &unlogged(&other("nix-1"))));
    // In another log, whose checkpoint is stale.
    let rules = Rules::new().log("second.example/log", "");
    let mut second = Log::new("second.example/log");
    second.append(&other("nix-1"));
    let stale = second.view_cosigned(&[("witness-a", at(9 * DAY)), ("witness-b", at(9 * DAY))]);
    assert!(is_split(&rules, &evidence(vec![good.view(), stale])));
    // What is no acceptable vote in itself says nothing, and neither does another group or a key in foreign hands.
    let single = signer("nix-1").sign(&reproduced(|build| {
        build.source = git("0123456789012345678901234567890123456789");
        build.repeat = 1;
    }));
    assert!(!is_split(&Rules::new(), &unlogged(&single)));
    assert!(!is_split(&Rules::new(), &unlogged(&other("acme-1"))));
    let stolen = Rules::new().rebuilder("nix-0", "nixos", "compromised", "");
    assert!(!is_split(&stolen, &unlogged(&other("nix-0"))));
    // It never adds: alone it is no vote.
    let mut alone = evidence(vec![log_of(&[&one]).view()]);
    alone.unlogged.push(two.bytes.clone());
    assert!(!judge_by(&Rules::new(), &alone).is_accepted());
}

#[test]
fn one_commit_name_over_two_trees_is_two_sources() {
    let collided = signer("nix-1").sign(&reproduced(|build| {
        if let Source::Git { tree_sha256, .. } = &mut build.source[0] {
            *tree_sha256 = digest("another tree");
        }
    }));
    let verdict = with_good_second(&Rules::new(), &collided);
    assert_eq!(codes(&verdict), ["sources-disagree"]);
}

#[test]
fn a_commit_and_an_sdist_do_not_add_up() {
    let from_sdist = signer("nix-1").sign(&reproduced(|build| {
        build.origin = Origin::Sdist;
        build.source = sdist("sdist");
    }));
    let verdict = with_good_second(&Rules::new(), &from_sdist);
    assert_eq!(codes(&verdict), ["sources-disagree"]);
}

#[test]
fn the_source_that_enough_groups_share_is_accepted_and_the_other_is_shown() {
    let other = signer("acme-1").sign(&reproduced(|build| {
        build.source = git("0123456789012345678901234567890123456789");
    }));
    let (one, two) = two_votes();
    let verdict = judge(&Rules::new(), &[&other, &one, &two]);
    assert!(verdict.is_accepted());
    let counts: Vec<_> = verdict.findings().votes.iter().map(|vote| (vote.by.as_str(), vote.counts)).collect();
    assert_eq!(counts, [("acme-1", Counts::OtherSource), ("deb-1", Counts::Yes), ("nix-1", Counts::Yes)]);
}

#[test]
fn a_group_whose_own_contradiction_stands_does_not_vote_even_where_the_user_dismissed_it() {
    let (one, two) = two_votes();
    let against = signer("deb-2").sign(&contradiction(two.id));
    let rules = Rules::new().table(format!(
        "[[dismiss]]\nstatement = \"{}\"\nreason = \"broken machine\"\nexpires = 2027-01-01T00:00:00Z\n",
        against.id
    ));
    let verdict = judge(&rules, &[&one, &two, &against]);
    assert_eq!(codes(&verdict), ["below-threshold"]);
    assert_eq!(verdict.findings().votes[0].counts, Counts::GroupContradicts);
    let third = signer("acme-1").sign(&reproduced(|_| {}));
    assert!(judge(&rules, &[&one, &two, &against, &third]).is_accepted());
}

// 3.8

#[test]
fn a_withdrawn_vote_does_not_count_whatever_the_order_in_the_log() {
    let (one, two) = two_votes();
    let back = signer("nix-1").sign(&withdrawal(two.id));
    for order in [[&one, &two, &back], [&back, &two, &one]] {
        let verdict = judge(&Rules::new(), &order);
        assert_eq!(codes(&verdict), ["below-threshold"]);
        assert_eq!(why(&verdict, &two), NotCounted::Withdrawn { by: back.id });
    }
}

#[test]
fn a_withdrawal_in_one_log_holds_in_every_other_and_even_without_a_log() {
    let (one, two) = two_votes();
    let back = signer("nix-1").sign(&withdrawal(two.id));
    let mut other = Log::new("other.example/log");
    other.append(&back);
    let elsewhere = evidence(vec![log_of(&[&one, &two]).view(), other.view()]);
    assert!(!judge_by(&Rules::new(), &elsewhere).is_accepted());
    let mut unlogged = evidence(vec![log_of(&[&one, &two]).view()]);
    unlogged.unlogged.push(back.bytes);
    assert!(!judge_by(&Rules::new(), &unlogged).is_accepted());
}

#[test]
fn another_key_of_the_same_group_may_withdraw_and_another_group_may_not() {
    let (one, two) = two_votes();
    let colleague = signer("deb-2").sign(&withdrawal(one.id));
    assert!(!judge(&Rules::new(), &[&one, &two, &colleague]).is_accepted());
    let stranger = signer("acme-1").sign(&withdrawal(one.id));
    let verdict = judge(&Rules::new(), &[&one, &two, &stranger]);
    assert!(verdict.is_accepted());
    assert_eq!(why(&verdict, &stranger), NotCounted::IdleWithdrawal { of: one.id });
}

#[test]
fn a_withdrawal_about_another_subject_has_no_effect() {
    let (one, two) = two_votes();
    let renamed = subject("six-1.16.0-1-py2.py3-none-any.whl", "published");
    let back = signer("nix-1").sign(&withdrawal_about(renamed, two.id));
    assert!(judge(&Rules::new(), &[&one, &two, &back]).is_accepted());
}

#[test]
fn a_retired_key_withdraws_only_where_it_was_valid_and_then_for_good() {
    let (one, two) = two_votes();
    let back = signer("deb-2").sign(&withdrawal(one.id));
    let retired = |before: u64| {
        let valid = format!("valid = [{{ log = \"{LOG}\", from = 0, before = {before} }}]\n");
        Rules::new().change_rebuilder("deb-2", "debian", "retired", &valid)
    };
    // The withdrawal is entry 2.
    assert!(!judge(&retired(3), &[&one, &two, &back]).is_accepted());
    assert!(judge(&retired(2), &[&one, &two, &back]).is_accepted());
}

// 3.9

#[test]
fn the_users_own_statement_counts_from_a_folder_and_says_so() {
    let rules = Rules::new().key("self", "me");
    let mine = signer("me").sign(&reproduced(|_| {}));
    let (one, _) = two_votes();
    let mut evidence = evidence(vec![log_of(&[&one]).view()]);
    evidence.unlogged.push(mine.bytes);
    let verdict = judge_by(&rules, &evidence);
    assert!(verdict.is_accepted());
    let own = verdict.findings().votes.iter().find(|vote| vote.by.as_str() == "me").unwrap();
    assert_eq!(own.place, Place::Unlogged);
    assert_eq!(own.group, GroupName::own());
}

#[test]
fn the_users_own_rebuilds_need_no_log_at_all() {
    let rules = Rules::bare()
        .set("threshold", "1")
        .set("witness-threshold", r#""none""#)
        .set("max-checkpoint-age", r#""unchecked""#)
        .set("offline-max-age", r#""unchecked""#)
        .key("self", "me");
    let mut evidence = evidence(Vec::new());
    assert_eq!(codes(&judge_by(&rules, &evidence)), ["no-statement"]);
    evidence.unlogged.push(signer("me").sign(&reproduced(|_| {})).bytes);
    assert!(judge_by(&rules, &evidence).is_accepted());
}

#[test]
fn two_own_keys_are_one_group() {
    let rules = Rules::new().key("self", "me").key("self", "me-too");
    let mut evidence = evidence(vec![log_of(&[&signer("x").sign(&reproduced(|_| {}))]).view()]);
    for name in ["me", "me-too"] {
        evidence.unlogged.push(signer(name).sign(&reproduced(|_| {})).bytes);
    }
    assert_eq!(codes(&judge_by(&rules, &evidence)), ["below-threshold"]);
}

#[test]
fn a_publisher_is_shown_and_never_counted() {
    let rules = Rules::new().key("publisher", "six-ci");
    let claim = signer("six-ci").sign(&reproduced(|_| {}));
    let verdict = with_good_second(&rules, &claim);
    assert_eq!(codes(&verdict), ["below-threshold"]);
    assert_eq!(verdict.findings().publishers[0].statement, claim.id);
}

// the policy's binding of ids to keys

#[test]
fn a_key_bound_to_a_rebuilder_id_votes_only_under_that_id() {
    let (one, two) = two_votes();
    let bound = |id: &str| {
        let more = format!("id = \"{id}\"\n");
        Rules::new().change_rebuilder("nix-1", "nixos", "current", &more)
    };
    assert!(judge(&bound("https://rebuilder.example/v1"), &[&one, &two]).is_accepted());
    let verdict = judge(&bound("https://nix.example/v1"), &[&one, &two]);
    assert!(matches!(why(&verdict, &two), NotCounted::RebuilderId { .. }));
    assert!(!verdict.is_accepted());
}

// 2.4

#[test]
fn a_current_key_with_ranges_votes_only_inside_them() {
    let (one, two) = two_votes();
    let range = |log: &str, range: &str| {
        let valid = format!("valid = [{{ log = \"{log}\", {range} }}]\n");
        Rules::new().log("second.example/log", "").change_rebuilder("nix-1", "nixos", "current", &valid)
    };
    // The vote is entry 1.
    assert!(judge(&range(LOG, "from = 0"), &[&one, &two]).is_accepted());
    assert!(judge(&range(LOG, "from = 1, before = 2"), &[&one, &two]).is_accepted());
    let verdict = judge(&range(LOG, "from = 2"), &[&one, &two]);
    assert!(matches!(why(&verdict, &two), NotCounted::OutsideValidity { .. }));
    assert!(!verdict.is_accepted());
    assert!(!judge(&range("second.example/log", "from = 0"), &[&one, &two]).is_accepted());
}

#[test]
fn a_compromised_key_has_no_vote_unless_the_user_sets_a_bound() {
    let (one, two) = two_votes();
    let plain = Rules::new().change_rebuilder("nix-1", "nixos", "compromised", "");
    assert!(!judge(&plain, &[&one, &two]).is_accepted());
    let valid = format!("valid = [{{ log = \"{LOG}\", from = 0, before = 2 }}]\n");
    let bounded = Rules::new().change_rebuilder("nix-1", "nixos", "compromised", &valid);
    assert!(judge(&bounded, &[&one, &two]).is_accepted());
}
