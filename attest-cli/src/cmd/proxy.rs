//! `attest proxy [-- CMD...]`

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use anyhow::Context as _;

use crate::{
    exit::{Exit, Failure},
    files::{self, Mode},
    host,
    index::{keyring::Keyring, netrc::Netrc},
    interrupt,
    pip::{Pip, Settings},
    proxy::{
        self, Proxy, Setup,
        around::Errand,
        door::Door,
        upstream::{Logins, Upstream, Upstreams},
    },
    run::Run,
    temporary::Temporary,
};

/// Where it listens by itself.
const LISTEN: &str = "127.0.0.1:8690";
/// Where it listens for one command: a port that is free.
const ANY_PORT: &str = "127.0.0.1:0";
/// Characters of a token that nobody guesses.
const MIN_TOKEN: usize = 16;
const GIB: u64 = 1 << 30;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  attest proxy -- pip install flask
  attest proxy -- uv pip install -r requirements.txt
  attest proxy -- uv sync                                  uv.lock is verified, then uv installs what it says
  attest proxy --index corp=https://pypi.corp.example/simple --index pypi=https://pypi.example/simple -- make
  attest proxy --listen 0.0.0.0:8690 --host pypi.corp.example --cache-dir /var/cache/attest")]
pub(crate) struct Args {
    /// An index behind the proxy; the first that has a project is the only one asked for it [default: those of pip].
    #[arg(long, value_name = "NAME=URL")]
    index: Vec<String>,
    /// The Python whose pip says which index, certificates and proxy are used.
    #[arg(long, value_name = "PYTHON", default_value = "python3")]
    python: PathBuf,
    /// Where to listen [default: 127.0.0.1:8690, or any port for one command].
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// First part of every path: who does not know it gets nothing [default: none, or a random one for one command].
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// A name that clients call the proxy by, beside addresses and localhost; may be given more than once.
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Let clients that compare digests themselves (pip, uv from 0.13 on) fetch files from where the index has them.
    #[arg(long)]
    index_only: bool,
    /// Where files are kept [default: a folder that goes with the proxy].
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// How much is kept there, in GiB; the oldest files go first.
    #[arg(long, value_name = "GIB", default_value_t = 20)]
    cache_size: u64,
    /// Write what was shown, served and kept back to a file at the end, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// A command to run with the proxy as its only index; without one, the proxy serves until it is ended.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub(crate) fn run(args: &Args, run: &Run) -> anyhow::Result<Exit> {
    // Without a policy nothing could be let through.
    run.layers()?;
    let errand = if args.command.is_empty() {
        None
    } else {
        match Errand::prepare(&args.command, args.token.is_none() && !args.index_only, run)? {
            Ok(errand) => Some(errand),
            Err(exit) => return Ok(exit),
        }
    };
    let listen = match args.listen {
        Some(address) => address,
        None => (if errand.is_some() { ANY_PORT } else { LISTEN }).parse()?,
    };
    let door = door(args, errand.is_some())?;
    let upstreams = upstreams(args, run)?;
    let temporary = if args.cache_dir.is_none() { Some(Temporary::new("proxy")?) } else { None };
    let temporary = temporary.as_ref().map(Temporary::path);
    if let Some(folder) = temporary {
        // Files of internal indexes are nobody else's.
        host::set_mode(folder, 0o700)?;
    }
    let folder = args.cache_dir.as_deref().or(temporary).context("expected a folder for files")?;
    let setup = Setup {
        listen,
        door,
        upstreams,
        folder,
        limit: args.cache_size.saturating_mul(GIB),
        index_only: args.index_only,
    };
    proxy::during(setup, run, |proxy| {
        let outcome = match &errand {
            Some(errand) => errand.run(proxy, run),
            None => serve(listen, args, proxy, run),
        };
        if let Some(path) = &args.report {
            files::replace(path, &serde_json::to_vec_pretty(&proxy.tally.status())?, Mode::Shared)?;
        }
        outcome
    })
}

fn door(args: &Args, around: bool) -> anyhow::Result<Door> {
    if let Some(token) = &args.token {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if token.len() < MIN_TOKEN || !token.bytes().all(plain) {
            let message = format!("expected a token of at least {MIN_TOKEN} letters, digits, - and _");
            return Err(Failure::usage(message).into());
        }
    } else if around {
        return Ok(Door::secret()?);
    }
    Ok(Door::new(args.token.clone(), args.host.clone()))
}

fn upstreams(args: &Args, run: &Run) -> anyhow::Result<Upstreams> {
    let tools = std::env::temp_dir();
    let settings = match Pip::query(&args.python, &tools) {
        Ok(pip) => pip.settings().clone(),
        // Without pip there are no settings of it, where an index is named.
        Err(_) if !args.index.is_empty() => {
            Settings { keyring_provider: std::env::var("PIP_KEYRING_PROVIDER").ok(), ..Settings::none() }
        }
        Err(error) => return Err(error),
    };
    let urls: Vec<String> = if args.index.is_empty() {
        for place in &settings.find_links {
            run.out.note(format_args!("left out, because only indexes are asked: {place}"));
        }
        uv_indexes(args, &settings).unwrap_or_else(|| settings.index_urls().map(str::to_owned).collect())
    } else {
        args.index.clone()
    };
    if urls.is_empty() {
        let hint = "name one: --index NAME=URL";
        return Err(Failure::usage("expected an index, found that pip is told to use none").hint(hint).into());
    }
    let words: Vec<&str> = args.command.iter().filter_map(|word| word.to_str()).collect();
    let keyring = Keyring::configured(&settings).or_else(|| Keyring::in_words(&words));
    let logins = Logins { netrc: Netrc::of_account(), keyring };
    let mut upstreams: Vec<Upstream> = Vec::new();
    for (place, url) in urls.iter().enumerate() {
        let upstream = Upstream::parse(url, place + 1, &settings, &logins)?;
        if upstreams.iter().any(|known| known.name() == upstream.name()) {
            return Err(Failure::usage(format!("two indexes are called {}", upstream.name())).into());
        }
        upstreams.push(upstream);
    }
    Upstreams::new(upstreams, &settings)
}

/// uv does not look at pip's variables: where it is told by its own, it is those that the proxy stands before.
fn uv_indexes(args: &Args, settings: &Settings) -> Option<Vec<String>> {
    let program = PathBuf::from(args.command.first()?);
    let is_uv = program.file_name().is_some_and(|name| name == "uv" || name == "uvx");
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let names = ["UV_INDEX", "UV_EXTRA_INDEX_URL"];
    let mut urls: Vec<String> = names
        .iter()
        .filter_map(|name| variable(name))
        .flat_map(|value| value.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let default = variable("UV_DEFAULT_INDEX").or_else(|| variable("UV_INDEX_URL"));
    if !is_uv || urls.is_empty() && default.is_none() {
        return None;
    }
    urls.push(default.unwrap_or_else(|| settings.index_url.clone()));
    Some(urls)
}

/// Until somebody ends it.
fn serve(listen: SocketAddr, args: &Args, proxy: &Proxy, run: &Run) -> anyhow::Result<Exit> {
    if !listen.ip().is_loopback() && args.token.is_none() {
        run.out.warning(
            "whoever reaches this address can read through your credentials for the indexes: --token asks for more",
        );
    }
    // Before anybody hears where it is: a signal that comes in between would end it without its last words.
    let mut ending = interrupt::answer()?;
    run.out.line(format_args!("listening on {}", proxy.url))?;
    run.out.note(format_args!(
        "pip: PIP_INDEX_URL={0}simple/  uv: UV_DEFAULT_INDEX={0}simple/  what is hidden: {0}",
        proxy.url
    ));
    let _asked = proxy.runtime.block_on(ending.next());
    for line in proxy.tally.status().lines() {
        run.out.note(line);
    }
    Ok(Exit::Pass)
}
