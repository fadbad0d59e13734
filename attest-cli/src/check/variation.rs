//! What two builds are made to differ in, and what they are not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

/// Something that is another one in the second build. Time passes by itself and cannot be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Variation {
    /// Where the tree, temporary folders and build environments are.
    Path,
    /// `PYTHONHASHSEED`
    HashSeed,
    /// In which order folders list their files.
    Order,
    /// Permissions of new files.
    Umask,
    /// `LC_ALL`, `LANG`, `LANGUAGE`
    Locale,
    /// `TZ`
    Zone,
    /// Another name of the home directory.
    Home,
    /// `USER`, `LOGNAME`, `USERNAME`
    User,
    /// The machine's name.
    Host,
    /// How many CPUs may be used.
    Cpus,
    /// How busy the machine is.
    Load,
    /// What day it is.
    Date,
}

/// How much later the second build believes to be: another year, month and day.
pub(crate) const DAYS_LATER: u64 = 400;

impl Variation {
    /// In the order in which they are suspected.
    pub(crate) const ALL: [Self; 12] = [
        Self::Path,
        Self::HashSeed,
        Self::Order,
        Self::Umask,
        Self::Locale,
        Self::Zone,
        Self::Home,
        Self::User,
        Self::Host,
        Self::Cpus,
        Self::Load,
        Self::Date,
    ];

    /// As `--same` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::HashSeed => "hash-seed",
            Self::Order => "order",
            Self::Umask => "umask",
            Self::Locale => "locale",
            Self::Zone => "zone",
            Self::Home => "home",
            Self::User => "user",
            Self::Host => "host",
            Self::Cpus => "cpus",
            Self::Load => "load",
            Self::Date => "date",
        }
    }

    /// Variables that decide it: whoever sets one has decided.
    fn variables(self) -> &'static [&'static str] {
        match self {
            Self::HashSeed => &["PYTHONHASHSEED"],
            Self::Locale => &["LC_ALL", "LANG", "LANGUAGE"],
            Self::Zone => &["TZ"],
            Self::Home => &["HOME"],
            Self::User => &["USER", "LOGNAME", "USERNAME"],
            Self::Path | Self::Order | Self::Umask | Self::Host | Self::Cpus | Self::Load | Self::Date => &[],
        }
    }
}

/// One variation with what it is in either build.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Varied {
    /// Which.
    pub(crate) name: Variation,
    /// In the first build.
    pub(crate) first: String,
    /// In the second.
    pub(crate) second: String,
}

/// Something that both builds had in common, and why.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NotVaried {
    /// What.
    pub(crate) name: &'static str,
    /// Why.
    pub(crate) why: String,
}

/// Which variations a build takes the second value of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Side(BTreeSet<Variation>);

impl Side {
    /// Everything as in the first build.
    pub(crate) fn first() -> Self {
        Self::default()
    }

    /// As in the first build but for one.
    pub(crate) fn only(variation: Variation) -> Self {
        Self([variation].into())
    }

    /// Whether a variation has its second value.
    pub(crate) fn has(&self, variation: Variation) -> bool {
        self.0.contains(&variation)
    }
}

/// Why a variation is left out although this machine could make it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    /// `--same`
    pub(crate) same: Vec<Variation>,
    /// Names of `--set`, which decide.
    pub(crate) set: Vec<String>,
    /// A command builds, which may use the network.
    pub(crate) command: bool,
}

/// All variations of a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    varied: Vec<Varied>,
    not_varied: Vec<NotVaried>,
}

/// What no run varies, and why.
const NEVER: [(&str, &str); 4] = [
    ("machine", "one kernel, one processor, one filesystem"),
    ("tools", "one interpreter, one compiler, one libc; what CMD downloads is as new as the index is at that moment"),
    ("account", "one numeric user and group"),
    ("variables", "all others are passed on as they are"),
];

impl Plan {
    /// Looks at what this machine can vary. `places` are the folders of the two builds.
    pub(crate) fn make(wishes: &Wishes, places: [&Path; 2]) -> Self {
        let mut plan = Self { varied: Vec::new(), not_varied: Vec::new() };
        for variation in Variation::ALL {
            match wishes.against(variation).map_or_else(|| values(variation, places), Err) {
                Ok((first, second)) => plan.varied.push(Varied { name: variation, first, second }),
                Err(why) => plan.not_varied.push(NotVaried { name: variation.name(), why }),
            }
        }
        plan.not_varied.extend(NEVER.map(|(name, why)| NotVaried { name, why: why.to_owned() }));
        plan
    }

    /// What is varied.
    pub(crate) fn varied(&self) -> &[Varied] {
        &self.varied
    }

    /// What is not.
    pub(crate) fn not_varied(&self) -> &[NotVaried] {
        &self.not_varied
    }

    /// A variation is made, but nothing shows it.
    pub(crate) fn add_not_varied(&mut self, name: &'static str, why: &str) {
        self.not_varied.insert(0, NotVaried { name, why: why.to_owned() });
    }

    /// Everything as in the second build.
    pub(crate) fn second(&self) -> Side {
        Side(self.varied.iter().map(|one| one.name).collect())
    }

    /// What a variation is in a build; nothing where it is left as it is.
    pub(crate) fn value(&self, variation: Variation, side: &Side) -> Option<&str> {
        let one = self.varied.iter().find(|one| one.name == variation)?;
        Some(if side.has(variation) { &one.second } else { &one.first })
    }
}

impl Wishes {
    fn against(&self, variation: Variation) -> Option<String> {
        if self.same.contains(&variation) {
            return Some("left as it is (--same)".to_owned());
        }
        let named = |name: &&&str| self.set.iter().any(|set| set == **name);
        if let Some(name) = variation.variables().iter().find(named) {
            return Some(format!("{name} is set (--set)"));
        }
        // Nobody has this one by accident: it is a fix, and a fix is not undone.
        if variation == Variation::Date && self.command {
            // A year from now no certificate is valid.
            return Some("CMD may use the network, which needs today's: the second build is only later".to_owned());
        }
        let fixed = variation == Variation::HashSeed && std::env::var_os("PYTHONHASHSEED").is_some();
        fixed.then(|| "PYTHONHASHSEED is set".to_owned())
    }
}

/// The two values of a variation, or why there are none here.
fn values(variation: Variation, [first, second]: [&Path; 2]) -> Result<(String, String), String> {
    let pair = |first: &str, second: &str| Ok((first.to_owned(), second.to_owned()));
    match variation {
        Variation::Path => pair(&first.display().to_string(), &second.display().to_string()),
        Variation::HashSeed => pair("1", "2"),
        Variation::Order => pair("created forwards", "created backwards"),
        // 0002 is what Debian and Fedora give to people, 0022 what they give to root.
        Variation::Umask => pair("0022", "0002"),
        Variation::Locale => locales(),
        Variation::Zone => pair("UTC", far_zone()),
        Variation::Home => match std::env::var("HOME") {
            Ok(home) if Path::new(&home).is_dir() => {
                let link = second.with_file_name("home");
                pair(&home, &link.display().to_string())
            }
            _ => Err("there is no home directory".to_owned()),
        },
        Variation::User => pair("attest-user-one", "attest-user-two"),
        Variation::Host => host(),
        Variation::Cpus => cpus(),
        Variation::Load => pair("as it is", "every CPU is busy"),
        Variation::Date => date(),
    }
}

/// Fourteen hours ahead: for most of the day another date.
fn far_zone() -> &'static str {
    if Path::new("/usr/share/zoneinfo/Pacific/Kiritimati").exists() { "Pacific/Kiritimati" } else { "<+14>-14" }
}

/// `C.UTF-8` and one that sorts and writes otherwise, if there is one.
fn locales() -> Result<(String, String), String> {
    let listed = said(Command::new("locale").arg("-a")).unwrap_or_default();
    let is_utf8 = |name: &&str| name.to_ascii_lowercase().replace('-', "").ends_with("utf8");
    let is_plain = |name: &str| ["C", "POSIX"].contains(&name.split('.').next().unwrap_or(name));
    let first = listed.lines().find(|name| is_plain(name) && is_utf8(name)).unwrap_or("C");
    // Swedish, Estonian and Turkish sort and fold where English does not.
    let telling = |name: &str| ["et", "tr", "sv", "da", "de"].iter().position(|start| name.starts_with(start));
    let others = listed.lines().filter(is_utf8).filter(|name| !is_plain(name));
    let second = others.min_by_key(|name| telling(name).unwrap_or(usize::MAX)).unwrap_or("C");
    if first == second {
        return Err("no other locale is installed".to_owned());
    }
    Ok((first.to_owned(), second.to_owned()))
}

/// Another host name takes a namespace of its own, which only root makes without changing the account too.
fn host() -> Result<(String, String), String> {
    let name = "attest-host-two";
    let mut probe = Command::new("unshare");
    probe.args(["--uts", "--", "sh", "-c", "hostname \"$0\" && hostname", name]);
    match said(&mut probe) {
        Some(answer) if answer.trim() == name => {
            let own = said(&mut Command::new("hostname")).unwrap_or_default();
            Ok((own.trim().to_owned(), name.to_owned()))
        }
        _ => Err("only root can give a build another host name".to_owned()),
    }
}

/// All CPUs that we may use, and all but the last.
fn cpus() -> Result<(String, String), String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).map_or("", str::trim);
    let fewer = without_last(allowed).ok_or("there is one CPU")?;
    if said(Command::new("taskset").arg("--version")).is_none() {
        return Err("taskset (util-linux) is not installed".to_owned());
    }
    Ok((allowed.to_owned(), fewer))
}

/// Another day, for what asks the C library.
fn date() -> Result<(String, String), String> {
    let later = format!("+{DAYS_LATER}d");
    let year = |command: &mut Command| said(command.args(["date", "+%Y"]));
    let moved = year(Command::new("faketime").args(["-f", &later]));
    if moved.is_none() || moved == year(&mut Command::new("env")) {
        return Err("faketime is not installed: the second build is only later".to_owned());
    }
    Ok(("today".to_owned(), later))
}

/// `0-3` without 3, `0,2` without 2; nothing where only one is left.
fn without_last(list: &str) -> Option<String> {
    let (before, range) = list.rsplit_once(',').unwrap_or(("", list));
    let range = match range.split_once('-') {
        Some((start, end)) => {
            let (start, end): (u32, u32) = (start.parse().ok()?, end.parse().ok()?);
            let end = end.checked_sub(1).filter(|end| *end >= start)?;
            if end == start { start.to_string() } else { format!("{start}-{end}") }
        }
        None if before.is_empty() => return None,
        None => return Some(before.to_owned()),
    };
    Some(if before.is_empty() { range } else { format!("{before},{range}") })
}

fn said(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(wishes: &Wishes) -> Plan {
        Plan::make(wishes, [Path::new("/x/1/demo"), Path::new("/x/second/tree")])
    }

    #[test]
    fn one_cpu_fewer_is_never_none() {
        for (all, fewer) in [("0-3", Some("0-2")), ("0-1", Some("0")), ("0,2", Some("0")), ("0-1,5", Some("0-1"))] {
            assert_eq!(without_last(all).as_deref(), fewer, "{all}");
        }
        for one in ["0", "7", "", "x-y"] {
            assert_eq!(without_last(one), None, "{one}");
        }
    }

    #[test]
    fn what_is_wished_to_be_the_same_is_said_not_to_be_varied() {
        let wishes = Wishes { same: vec![Variation::Umask], set: vec!["TZ".to_owned()], command: true };
        let plan = plan(&wishes);
        assert!(plan.value(Variation::Umask, &plan.second()).is_none());
        assert!(plan.value(Variation::Zone, &plan.second()).is_none());
        for name in ["umask", "zone", "date", "machine", "tools", "account", "variables"] {
            assert!(plan.not_varied().iter().any(|one| one.name == name), "{name}");
        }
    }

    #[test]
    fn a_side_takes_the_second_value_only_of_what_it_names() {
        let plan = plan(&Wishes::default());
        let only = Side::only(Variation::Umask);
        assert_eq!(plan.value(Variation::Umask, &only), Some("0002"));
        assert_eq!(plan.value(Variation::Path, &only), Some("/x/1/demo"));
        assert_eq!(plan.value(Variation::Path, &plan.second()), Some("/x/second/tree"));
    }
}
