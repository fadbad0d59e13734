//! Threads change how long it takes, and nothing else.
use super::world::{
    Rules, Signed, abstention, asking, contradiction, evidence, log_of, reproduced, reproduced_of, signer, subject,
    wanted,
};
use attest_core::{
    statement::Outcome,
    verify::{Evidence, Session, Workers},
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
