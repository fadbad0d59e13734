//! The room that builds are shut in.

use std::fs;

use attest_core::statement::Network;

use super::{
    check::{Check, Package, State},
    programs,
};
use crate::{pip::Pip, rebuild::inventory::Inventory, sandbox::Isolation};

/// Settings of the kernel that forbid user namespaces, with the value that does.
const FORBIDDING: [(&str, &str, &str); 3] = [
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    ("/proc/sys/user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=15000"),
];
const OPEN: &str = "builds can reach the network: results are shown, but they never count as votes";

/// Makes a room as a rebuild would, and sees what can be reached from in there.
pub(super) fn check(pip: Option<&Pip>) -> Check {
    const NAME: &str = "bubblewrap";
    if !cfg!(target_os = "linux") {
        return Check::new(NAME, State::Missing, format!("{} has no namespaces", std::env::consts::OS))
            .costs("no `attest rebuild` and no `attest check` here; everything else works")
            .mend("run those two in a Linux machine or container");
    }
    let installed = programs::system_version("bwrap");
    let Some(pip) = pip else {
        return match installed {
            Ok(found) => Check::ok(NAME, format!("{found} (not tried: there is no Python to run in it)")),
            Err(found) => Check::new(NAME, State::Missing, found).costs(OPEN).mend(Package::BUBBLEWRAP.install()),
        };
    };
    let interpreter = &pip.settings().interpreter;
    let inventory = match Inventory::take(interpreter, None) {
        Ok(inventory) => inventory,
        Err(error) => {
            return Check::new(NAME, State::Broken, format!("{error:#}"))
                .costs("nothing can be built, not even without a room")
                .mend("install util-linux, and look at what is said above");
        }
    };
    let closed = inventory.network == Network::None;
    match inventory.isolation {
        Isolation::Bubblewrap if closed => {
            Check::ok(NAME, format!("{}: builds have no network", installed.unwrap_or_default()))
        }
        Isolation::Unshare if closed => {
            let why = match installed {
                Ok(version) => format!("{version} is here and does not work"),
                Err(found) => found,
            };
            Check::new(NAME, State::Missing, format!("{why}; util-linux's unshare shuts builds in as well"))
                .costs("recipes that name an image are run by podman or docker alone")
                .mend(Package::BUBBLEWRAP.install())
        }
        _ => {
            let found = match &installed {
                Ok(version) => format!("{version} is here and cannot make a room without network"),
                Err(found) => found.clone(),
            };
            Check::new(NAME, State::Missing, found).costs(OPEN).mend(allowing())
        }
    }
}

/// Whatever stands in the way of rooms.
fn allowing() -> String {
    let set = |(path, value, _): &&(&str, &str, &str)| fs::read_to_string(path).is_ok_and(|text| text.trim() == *value);
    if let Some((_, _, command)) = FORBIDDING.iter().find(set) {
        return (*command).to_owned();
    }
    if programs::system_version("bwrap").is_err() {
        return Package::BUBBLEWRAP.install();
    }
    "allow user namespaces; in a container, start it with --security-opt seccomp=unconfined \
     --security-opt systempaths=unconfined"
        .to_owned()
}
