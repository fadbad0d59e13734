//! `attest log watch`

use std::{path::PathBuf, thread, time::Instant};

use attest_core::{artifact::ArtifactDigest, note::VerifierKey, policy::Policy};

use super::of_policies;
use crate::{
    client::Http,
    evidence::Source,
    exit::{self, Exit, Failure},
    interrupt,
    layers::{LayerError, Layers},
    output::{Format, causes},
    run::Run,
    watch::{
        Followed, Shared, Watch, delivery,
        event::{EventId, Kind, Phase},
        health::Witness,
        keys::Own,
        settings::{self, Log, Settings, SettingsError, SinkSettings, Span, TargetSettings},
        sinks::{
            self, Sink, SinkError, Target,
            atom::Feed,
            exec::Exec,
            webhook::{Webhook, WebhookError},
        },
        store::{Store, StoreError},
    },
};

use self::answer::Document;

mod answer;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to watch and whom to tell, as TOML (docs/watch.md). Takes the place of all flags but --once and --state.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["log", "project", "digest", "repository", "key", "statements",
        "accepted", "witnesses", "exec", "webhook", "jsonl", "atom", "every", "stall_after", "witness_after", "from_start"])]
    config: Option<PathBuf>,
    /// The URL of a log, its mirrors' URLs behind it [default: every log of the policy].
    #[arg(long, value_name = "URL", requires = "vkey")]
    log: Vec<String>,
    /// The log's verifier key.
    #[arg(long, requires = "log")]
    vkey: Option<VerifierKey>,
    /// Files of a project.
    #[arg(long, value_name = "NAME")]
    project: Vec<String>,
    /// A file by its sha256.
    #[arg(long, value_name = "SHA256")]
    digest: Vec<String>,
    /// Files that are rebuilt from a repository.
    #[arg(long, value_name = "URL")]
    repository: Vec<String>,
    /// Locks and wheels that the policy judges; who was accepted and no longer is is told.
    #[arg(long, value_name = "PATH")]
    accepted: Vec<PathBuf>,
    /// A key of yours: ed25519:BASE64, or a file with an OpenPGP certificate. What it signs and is not in --statements is told.
    #[arg(long, value_name = "KEY|FILE")]
    key: Vec<String>,
    /// Folders with your own statements [default: those that `attest sign` keeps].
    #[arg(long, value_name = "DIR", requires = "key")]
    statements: Vec<PathBuf>,
    /// Witnesses to watch: a C2SP tlog-policy [default: those of the policy].
    #[arg(long, value_name = "FILE")]
    witnesses: Option<PathBuf>,
    /// A program that gets each event as JSON on its standard input.
    #[arg(long, value_name = "PROGRAM")]
    exec: Option<String>,
    /// A URL that each event is posted to, signed.
    #[arg(long, value_name = "URL", requires = "secret_file")]
    webhook: Option<String>,
    /// The webhook's secret: whsec_ and base64.
    #[arg(long, value_name = "FILE", requires = "webhook")]
    secret_file: Option<PathBuf>,
    /// A file that each event is appended to as a line of JSON, - for standard output.
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
    /// A file that is kept as an Atom feed of the newest events.
    #[arg(long, value_name = "FILE")]
    atom: Option<PathBuf>,
    /// How often to look: 30s, 10m, 2h [default: 5m].
    #[arg(long, value_name = "TIME")]
    every: Option<Span>,
    /// Tell when nothing fresh came from a log for this long [default: 6h].
    #[arg(long, value_name = "TIME")]
    stall_after: Option<Span>,
    /// Tell when a witness did not cosign for this long [default: 1h].
    #[arg(long, value_name = "TIME")]
    witness_after: Option<Span>,
    /// Where the watch remembers what it told [default: a place of its own for each file or set of flags].
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// The first run tells what is in the log already; otherwise it begins at its end.
    #[arg(long)]
    from_start: bool,
    /// Look once, tell, and end: 1 when something was told.
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    let settings = match &args.config {
        Some(path) => Settings::read(path),
        None => args.settings(run),
    }?;
    if run.out.is_json() && !args.once {
        let failure = Failure::usage("a watch that does not end has no JSON document");
        return Err(failure.hint("a stream of events is --jsonl -, one document is --once").into());
    }
    let layers = match run.layers() {
        Err(LayerError::None { .. }) => None,
        layers => Some(layers?),
    };
    if layers.is_none() && !settings.accepted.is_empty() {
        return Err(Failure::usage("there is no policy to judge the files of --accepted")
            .hint("name one: --policy FILE")
            .into());
    }
    let logs = logs(&settings, layers.as_ref())?;
    let http = Http::new();
    let folder = match args.state.as_ref().or(settings.state.as_ref()) {
        Some(folder) => folder.clone(),
        None => run.places()?.data()?.join("watch").join(args.name(&settings, &logs)),
    };
    let sinks = sinks_of(&settings, &folder, &http, run)?;
    let watch = Watch {
        run,
        logs,
        interest: settings.interest,
        accepted: settings.accepted,
        own: settings.keys,
        layers,
        from_start: args.from_start || settings.from_start,
        http,
        history: run.history()?,
        data: run.places()?.data()?.to_owned(),
    };
    let store = open(&folder, &sinks)?;
    let known =
        |log: &Followed| store.state().logs.get(&log.source.log.to_string()).is_some_and(|log| log.note.is_some());
    if watch.from_start && !args.once && watch.logs.iter().any(known) {
        run.out.note("it goes on from where it was: --from-start is for the first run");
    }
    let store = Shared::new(store);
    interrupt::watch()?;
    if args.once { once(&watch, &sinks, &store) } else { Ok(always(&watch, &sinks, &store, settings.every)) }
}

fn once(watch: &Watch<'_>, sinks: &[Sink], store: &Shared) -> anyhow::Result<Exit> {
    let look = watch.look(store).map_err(of_store)?;
    let delivered = delivery::once(sinks, store, &watch.run.out).map_err(of_store)?;
    let document = Document::new(&look, &delivered, store);
    document.print(watch.run, sinks)?;
    Ok(document.exit())
}

/// Looks again and again, while each sink is told at its own pace.
fn always(watch: &Watch<'_>, sinks: &[Sink], store: &Shared, every: Span) -> Exit {
    let out = &watch.run.out;
    for log in &watch.logs {
        out.note(format_args!("watching {}", log.origin()));
    }
    thread::scope(|scope| {
        for sink in sinks {
            scope.spawn(|| delivery::always(sink, store, out));
        }
        while !interrupt::requested() {
            let started = Instant::now();
            match watch.look(store) {
                Ok(look) => {
                    for error in look.logs.iter().filter_map(|log| log.error.as_ref()).chain(&look.accepted) {
                        out.warning(causes(error.as_ref()));
                        if let Some(hint) = exit::of(error).1 {
                            out.hint(hint);
                        }
                    }
                }
                // Nothing has changed, so the next look sees the same.
                Err(error) => out.warning(causes(&error)),
            }
            delivery::rest(every.get().saturating_sub(started.elapsed()));
        }
    });
    Exit::Pass
}

impl Args {
    /// The simple case.
    fn settings(&self, run: &Run) -> Result<Settings, SettingsError> {
        let mut settings = Settings::new();
        settings.every = self.every.unwrap_or(settings.every);
        settings.stall_after = self.stall_after.unwrap_or(settings.stall_after);
        settings.witness_after = self.witness_after.unwrap_or(settings.witness_after);
        self.project.iter().try_for_each(|name| settings.add_project(name))?;
        self.digest.iter().try_for_each(|digest| settings.add_digest(digest))?;
        self.repository.iter().try_for_each(|url| settings.add_repository(url))?;
        settings.accepted = self.accepted.iter().map(|path| sinks::absolute(path)).collect();
        let statements = match self.statements.as_slice() {
            [] => run.places().ok().and_then(|places| places.statements().ok()).into_iter().collect(),
            named => named.to_vec(),
        };
        let here = PathBuf::new();
        for key in &self.key {
            let key = settings::read_key(key, &here)?;
            settings.keys.push(Own { key, statements: statements.clone(), lists: Vec::new() });
        }
        if let Some(vkey) = &self.vkey {
            let witnesses = self.witnesses.as_deref().map(settings::read_witnesses).transpose()?;
            settings.logs.push(Log {
                vkey: vkey.clone(),
                urls: self.log.clone(),
                witnesses: witnesses.unwrap_or_default(),
                stall_after: settings.stall_after,
                witness_after: settings.witness_after,
            });
        }
        self.sinks().into_iter().try_for_each(|sink| settings.add_sink(sink))?;
        Ok(settings)
    }

    /// Named by what they are: the same flags are the same sinks in the next run.
    fn sinks(&self) -> Vec<SinkSettings> {
        let sink = |kind: &str, target: &str, what| SinkSettings {
            name: sinks::name_of(kind, target),
            only: None,
            target: what,
        };
        let mut all = Vec::new();
        if let Some(program) = &self.exec {
            all.push(sink("exec", program, TargetSettings::program(program.clone())));
        }
        if let (Some(url), Some(secret)) = (&self.webhook, &self.secret_file) {
            // The address may hold a secret, and this is a name.
            let digest = ArtifactDigest::of(url.as_bytes()).to_string();
            let secret = secret.clone();
            all.push(sink("webhook", &digest[..16], TargetSettings::Webhook { url: url.clone(), secret }));
        }
        match self.jsonl.as_deref() {
            Some(path) if path.as_os_str() == "-" => all.push(sink("jsonl", "-", TargetSettings::Stdout)),
            Some(path) => {
                let path = sinks::absolute(path);
                all.push(sink("jsonl", &path.display().to_string(), TargetSettings::Lines { path }));
            }
            None => {}
        }
        if let Some(path) = &self.atom {
            let path = sinks::absolute(path);
            let title = "attest log watch".to_owned();
            all.push(sink("atom", &path.display().to_string(), TargetSettings::Atom { path, title }));
        }
        all
    }

    /// Where this watch remembers: another file, or other things to watch, is another watch. Who is told is no part of it.
    fn name(&self, settings: &Settings, logs: &[Followed]) -> String {
        let what = if let Some(path) = &self.config {
            format!("file {}", sinks::absolute(path).display())
        } else {
            let logs: Vec<String> = logs.iter().map(|log| log.source.log.to_string()).collect();
            let keys: Vec<String> = settings.keys.iter().map(|own| own.key.fingerprint()).collect();
            format!("flags {logs:?} {:?} {keys:?} {:?}", settings.interest, settings.accepted)
        };
        ArtifactDigest::of(what.as_bytes()).to_string()[..16].to_owned()
    }
}

/// Those that are named, or all of the policies.
fn logs(settings: &Settings, layers: Option<&Layers>) -> anyhow::Result<Vec<Followed>> {
    if !settings.logs.is_empty() {
        let followed = |log: &Log| Followed {
            source: Source { log: log.vkey.clone(), urls: log.urls.clone(), audited: false },
            witnesses: log.witnesses.clone(),
            stall_after: log.stall_after,
            witness_after: log.witness_after,
        };
        return Ok(settings.logs.iter().map(followed).collect());
    }
    let Some(layers) = layers else {
        return Err(Failure::usage("no log is named, and there is no policy that names one")
            .hint("name one: --log URL --vkey VKEY, or [[log]] in the file")
            .into());
    };
    let witnesses = witnesses(layers.iter().map(|layer| &layer.policy));
    let followed = |source| Followed {
        source,
        witnesses: witnesses.clone(),
        stall_after: settings.stall_after,
        witness_after: settings.witness_after,
    };
    Ok(of_policies(layers)?.into_iter().map(followed).collect())
}

fn witnesses<'a>(policies: impl Iterator<Item = &'a Policy>) -> Vec<Witness> {
    let mut all: Vec<Witness> = Vec::new();
    for witness in policies.flat_map(Policy::witnesses) {
        if !all.iter().any(|known| known.key == *witness.vkey()) {
            all.push(Witness { name: witness.name().as_str().to_owned(), key: witness.vkey().clone(), url: None });
        }
    }
    all
}

/// Where nobody is named, people are told on standard output.
fn sinks_of(settings: &Settings, folder: &std::path::Path, http: &Http, run: &Run) -> anyhow::Result<Vec<Sink>> {
    let mut sinks = Vec::new();
    for sink in &settings.sinks {
        let target = match &sink.target {
            TargetSettings::Exec { command, limit } => {
                let Some((program, arguments)) = command.split_first() else { continue };
                Target::Exec(Exec { program: program.into(), arguments: arguments.to_vec(), limit: limit.get() })
            }
            TargetSettings::Webhook { url, secret } => {
                Target::Webhook(Box::new(Webhook::open(url, secret, http).map_err(of_webhook)?))
            }
            TargetSettings::Lines { path } => Target::Lines(path.clone()),
            TargetSettings::Stdout if run.out.format() != Format::Text => {
                let failure = Failure::usage("standard output is for one of two: lines of events, or the document");
                return Err(failure.hint("leave out --output-format json").into());
            }
            TargetSettings::Stdout => Target::Stdout,
            TargetSettings::Atom { path, title } => {
                let id = EventId::of(Kind::Fork, Phase::Happened, &["feed", &folder.display().to_string(), &sink.name]);
                Target::Atom(Feed { path: path.clone(), title: title.clone(), id })
            }
        };
        sinks.push(Sink { name: sink.name.clone(), only: sink.only.clone(), target });
    }
    if sinks.is_empty() {
        // The document tells what is told.
        let target = if run.out.is_json() { Target::Nobody } else { Target::Terminal };
        sinks.push(Sink { name: sinks::name_of("terminal", "-"), only: None, target });
    }
    Ok(sinks)
}

fn open(folder: &std::path::Path, sinks: &[Sink]) -> anyhow::Result<Store> {
    let mut store = Store::open(folder).map_err(of_store)?;
    for sink in sinks {
        store.add_sink(&sink.name).map_err(of_store)?;
        if let Target::Atom(feed) = &sink.target
            && !feed.path.exists()
        {
            // A web server has it from the beginning.
            feed.write(&store.newest(sinks::atom::SHOWN, |event| sink.wants(event)).map_err(of_store)?)
                .map_err(SinkError::from)?;
        }
    }
    Ok(store)
}

fn of_store(error: StoreError) -> anyhow::Error {
    match error.hint() {
        Some(hint) => Failure::usage(causes(&error)).hint(hint).into(),
        None => error.into(),
    }
}

fn of_webhook(error: WebhookError) -> anyhow::Error {
    match error.hint() {
        Some(hint) => Failure::usage(causes(&error)).hint(hint).into(),
        None => error.into(),
    }
}
