//! Structured logs on standard error. Standard output stays for results.

use tracing_subscriber::{EnvFilter, filter::ParseError, fmt};

use crate::config::{LogFormat, Logging};

/// An error and its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Starts logging for the whole process.
///
/// # Errors
/// The filter does not parse. A second call changes nothing.
pub fn start(logging: &Logging) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(&logging.filter)?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // An error here means that logging was started before, by a test's earlier server: that one stays.
    let _ = match logging.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}
