//! Threads change how long it takes, and nothing else.
use super::world::{
    Rules, Signed, abstention, asking, contradiction, evidence, log_of, reproduced, reproduced_of, signer, subject,
    wanted,
};
use attest_core::{
    policy::Policy,
    statement::Outcome,
    verify::{Evidence, Memory, Session, Workers},
};
use std::num::NonZeroUsize;

/// Votes, dissent, strangers, garbage, forged proofs and duplicates, in two logs and a folder.
fn mixed() -> Evidence {
    let others: Vec<Signed> = (0..60)
        .flat_map(|n| {
            let subject = subject(&format!("other-{n}-py3-none-any.whl"), &n.to_string());
            ["deb-1", "nix-1", "stranger"].map(|by| signer(by).sign(&reproduced_of(subject.clone(), |_| {})))
        })
        .collect();
    let vote = signer("deb-1").sign(&reproduced(|_| {}));
    let about = [
        signer("nix-1").sign(&reproduced(|_| {})),
        signer("stranger").sign(&reproduced(|_| {})),
        signer("acme-1").sign(&abstention(Outcome::BuildFailed)),
        signer("acme-1").sign(&contradiction(vote.id)),
    ];
    let all: Vec<&Signed> = others.iter().chain([&vote]).chain(&about).collect();
    let (log, again) = (log_of(&all), log_of(&all[..100]));
    let mut views = vec![log.view(), again.view()];
    views[0].entries[7].path.pop();
    views[0].entries[90].envelope.truncate(30);
    let unlogged = vec![b"no envelope".to_vec(), views[0].entries[3].envelope.clone()];
    Evidence { unlogged, ..evidence(views) }
}

#[test]
fn as_many_threads_as_there_are_find_what_one_finds_in_the_same_order() {
    let (policy, evidence) = (Rules::new().policy(), mixed());
    let told = |workers| {
        let session = Session::open_with(&policy, &evidence, asking(), workers);
        format!("{:#?}\n{:#?}\n{:#?}", session.verify(&wanted()), session.unreadable(), session.gaps())
    };
    let alone = told(Workers::ONE);
    for threads in [2, 3, 8] {
        assert_eq!(told(Workers::new(NonZeroUsize::new(threads).unwrap())), alone, "{threads} threads");
    }
    let session = Session::open(&policy, &evidence, asking());
    assert!(!session.unreadable().is_empty() && !session.gaps().is_empty());
}

/// Several layers judge the same evidence, mostly by the same keys. What one of them checked is not checked again; what it
/// concludes is nobody else's business.
#[test]
fn policies_beside_each_other_say_what_each_says_alone() {
    let evidence = mixed();
    let other_names =
        Rules::bare().rebuilder("nix-1", "ours", "current", "").rebuilder("deb-1", "theirs", "current", "");
    let policies: Vec<Policy> = [
        Rules::new(),
        Rules::new().set("threshold", "1"),
        other_names.witness("witness-a").witness("witness-b").log(super::world::LOG, "").set("threshold", "1"),
    ]
    .into_iter()
    .map(|rules| rules.policy())
    .collect();
    let told = |policy: &Policy, memory: &Memory| {
        let session = Session::open_beside(policy, &evidence, asking(), Workers::ONE, memory);
        format!("{:#?}\n{:#?}\n{:#?}", session.verify(&wanted()), session.unreadable(), session.gaps())
    };
    let alone: Vec<String> = policies.iter().map(|policy| told(policy, &Memory::none())).collect();
    assert_ne!(alone[0], alone[1]);
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let memory = Memory::new(&policies);
        for at in order {
            assert_eq!(told(&policies[at], &memory), alone[at], "policy {at} in {order:?}");
        }
    }
}
