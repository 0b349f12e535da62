//! Reads the settings, starts the service and ends it as signals say.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};

use stream_ingest::config::{Config, Invalid, LogLevel};
use stream_ingest::service::Service;
use stream_ingest::telemetry::{self, Level};
use stream_ingest::{REVISION, VERSION, admin};

const EXIT_CONFIGURATION: u8 = 78; // EX_CONFIG of sysexits.h
const EXIT_SIGNAL: i32 = 128;
/// Who pressed Ctrl-C does not want to wait.
const INTERACTIVE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Parser)]
#[command(about, disable_help_subcommand = true)]
struct Arguments {
    /// TOML that replaces what it names of the built-in settings
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (the default)
    Run {
        /// Bind beside a process that still serves, which is then told to end
        #[arg(long)]
        takeover: bool,
        /// A serial device or a Unix socket from which frames are read as well
        #[arg(long, value_name = "PATH")]
        source: Option<PathBuf>,
    },
    /// Say whether the settings are valid, and show them
    Check,
    /// Exit with 0 when the process that was started with these settings is ready
    Healthcheck {
        /// What is asked, instead of /readyz of the admin listener
        url: Option<http::Uri>,
    },
    /// Show what was built
    Version,
}

fn main() -> ExitCode {
    let (subscriber, level) = telemetry::subscriber(LogLevel::Info);
    // Only the first of a process is taken, and this is the first.
    let _ = tracing::subscriber::set_global_default(subscriber);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if !error.use_stderr() => {
            print!("{error}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return refused(&[error.to_string().trim_end().to_owned()]),
    };
    match Config::load(arguments.config.as_deref()) {
        Ok(config) => execute(config, arguments, level),
        Err(Invalid { problems }) => refused(&problems),
    }
}

fn refused(problems: &[String]) -> ExitCode {
    tracing::error!(problems = problems.join("; "), "invalid configuration");
    ExitCode::from(EXIT_CONFIGURATION)
}

fn execute(config: Config, arguments: Arguments, level: Level) -> ExitCode {
    let path = arguments.config.as_deref();
    let outcome = match arguments.command {
        None => run(config, path, level, false),
        Some(Command::Run { takeover, source }) => {
            let source = source.unwrap_or_else(|| config.source.clone());
            run(Config { source, ..config }, path, level, takeover)
        }
        Some(Command::Check) => show(&config),
        Some(Command::Healthcheck { url }) => ask(&config, url.as_ref()),
        Some(Command::Version) => {
            let debug = if cfg!(debug_assertions) { ", debug build" } else { "" };
            println!("{} {VERSION} (revision {REVISION}{debug})", env!("CARGO_PKG_NAME"));
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|error| {
        tracing::error!(error = format!("{error:#}"), "failed");
        ExitCode::FAILURE
    })
}

fn show(config: &Config) -> anyhow::Result<ExitCode> {
    println!("{}", serde_json::to_string_pretty(config)?);
    Ok(ExitCode::SUCCESS)
}

fn ask(config: &Config, url: Option<&http::Uri>) -> anyhow::Result<ExitCode> {
    let (address, path) = match url {
        Some(url) => {
            let authority = url.authority().context("the URL has no host")?;
            (authority.as_str().parse()?, url.path_and_query().map_or("/", |path| path.as_str()))
        }
        None => (config.admin.listen, "/readyz"),
    };
    let status = admin::ask(address, path)?;
    Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(
    config: Config,
    path: Option<&Path>,
    level: Level,
    takeover: bool,
) -> anyhow::Result<ExitCode> {
    level.set(config.log_level.into());
    let panics = telemetry::count_panics();
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let file = path.map(|path| path.display().to_string());
        tracing::info!(version = VERSION, revision = REVISION, config = file, "starting");
        let drain = config.drain.clone();
        let service = Service::start(config, level, panics, takeover)?;
        let first = signals.end(|| reload(&service, path)).await;
        let (delay, timeout) = if first == SignalKind::interrupt() {
            (Duration::ZERO, drain.timeout.min(INTERACTIVE_TIMEOUT))
        } else {
            (drain.delay, drain.timeout)
        };
        let began = std::time::SystemTime::now();
        tokio::select! {
            aborted = service.drain(delay, timeout) => {
                let (aborted, took) = (aborted?, began.elapsed().unwrap_or_default());
                tracing::info!(aborted, seconds = took.as_secs_f64(), "drained");
                Ok(if aborted == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
            signal = signals.end(|| {}) => std::process::exit(EXIT_SIGNAL + signal.as_raw_value()),
        }
    })
}

/// A file that is not valid changes nothing.
fn reload(service: &Service, path: Option<&Path>) {
    match Config::load(path) {
        Ok(config) => {
            service.reload(config);
            tracing::info!("settings reloaded");
        }
        Err(Invalid { problems }) => {
            service.refuse();
            let problems = problems.join("; ");
            tracing::error!(problems, "settings kept: the new ones are invalid");
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal that asks to end; calls `reload` for each that asks for that.
    async fn end(&mut self, reload: impl Fn()) -> SignalKind {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return SignalKind::terminate(),
                _ = self.interrupt.recv() => return SignalKind::interrupt(),
                _ = self.hangup.recv() => reload(),
            }
        }
    }
}

/// Each client takes two descriptors. Where it is refused, the limit stays what it was.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let wanted = Rlimit { current: maximum, maximum };
    let _ = setrlimit(Resource::Nofile, wanted);
}
