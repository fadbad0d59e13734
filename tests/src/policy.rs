//! Policy files as tests need them.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use attest_core::{key::PublicKey, note::VerifierKey};

use crate::scene::Member;

/// What is said in a policy; [`Policy::text`] writes it down.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Groups that must agree.
    pub threshold: u32,
    /// The log and where it can be asked, the log itself or its mirrors.
    pub log: Option<(VerifierKey, Vec<String>)>,
    /// Who is believed.
    pub members: Vec<Member>,
    /// The user's own key.
    pub own: Option<String>,
}

impl Policy {
    /// Believes these members' statements in this log.
    pub fn quorum(threshold: u32, log: &VerifierKey, url: &str, members: &[Member]) -> Self {
        let log = Some((log.clone(), vec![url.to_owned()]));
        Self { threshold, log, members: members.to_vec(), own: None }
    }

    /// Believes only the user's own rebuilds, without any log.
    pub fn own(key: &str) -> Self {
        Self { threshold: 1, log: None, members: Vec::new(), own: Some(key.to_owned()) }
    }

    /// The file.
    ///
    /// # Errors
    /// When a member's key is none.
    pub fn text(&self) -> Result<String> {
        let mut text = format!(
            "version = 1\nserial = 1\nexpires = 2099-01-01T00:00:00Z\nthreshold = {}\n\
             accept-origin = [\"git\", \"sdist\"]\naccept-method = [\"exact\"]\nnegatives = \"best-effort\"\n\
             witness-threshold = \"none\"\nmax-checkpoint-age = \"unchecked\"\noffline-max-age = \"unchecked\"\n\
             clock-skew = \"5m\"\n",
            self.threshold
        );
        if let Some((vkey, urls)) = &self.log {
            write!(text, "\n[[log]]\nvkey = \"{vkey}\"\nurls = {urls:?}\n")?;
        }
        for member in &self.members {
            let key = PublicKey::parse(&member.key).with_context(|| format!("the key of {}", member.name))?;
            write!(text, "\n[[rebuilder]]\nname = \"{}\"\ngroup = \"{}\"\n", member.name, member.group)?;
            write!(text, "key = \"{}\"\nstatus = \"current\"\n", key.fingerprint())?;
            if let PublicKey::OpenPgp(_) = key {
                write!(text, "certificate = '''\n{}\n'''\n", member.key)?;
            }
        }
        if let Some(key) = &self.own {
            write!(text, "\n[[self]]\nname = \"me\"\nkey = \"{key}\"\n")?;
        }
        Ok(text)
    }
}
