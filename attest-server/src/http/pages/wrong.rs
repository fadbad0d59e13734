//! When there is no page: the one place that says which status that is and what a person reads then.

use askama::Template;
use attest_core::api::{self, record::ProjectRow};
use axum::http::StatusCode;

use super::{
    frame::{Frame, Section},
    look::Look,
    shown,
};
use crate::{http::views::ViewError, logging::chain};

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Wrong {
    /// Text that is not put together.
    #[error("the page could not be drawn")]
    Drawing(#[from] askama::Error),
    /// The thread that drew it ended.
    #[error("the server could not finish this request")]
    Interrupted,
    /// An answer of the server to whoever asks too much, or what takes too long.
    #[error("{}", .0.detail)]
    Refused(api::Problem),
    /// What was searched for is a page.
    #[error("it is at {to}")]
    Found {
        /// From the site's root, without a slash in front.
        to: String,
    },
    /// The address cannot mean anything.
    #[error("{what}")]
    Malformed {
        /// A sentence.
        what: &'static str,
    },
    /// The page is at another path.
    #[error("the page is at {to}")]
    Moved {
        /// From the site's root, without a slash in front.
        to: String,
    },
    /// Nothing is known of it.
    #[error("{what}")]
    NotFound {
        /// A sentence.
        what: &'static str,
        /// Projects of names like that.
        near: Vec<ProjectRow>,
    },
    /// The record does not answer.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl Wrong {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Drawing(_) | Self::Interrupted => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Refused(problem) => StatusCode::from_u16(problem.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            Self::Found { .. } => StatusCode::SEE_OTHER,
            Self::Malformed { .. } => StatusCode::BAD_REQUEST,
            Self::Moved { .. } => StatusCode::PERMANENT_REDIRECT,
            Self::NotFound { .. } | Self::View(ViewError::NoRecord) => StatusCode::NOT_FOUND,
            Self::View(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The page that says so.
    pub(super) fn page(&self, frame: &Frame) -> String {
        if self.status().is_server_error() && !matches!(self, Self::View(ViewError::NotYet) | Self::Refused(_)) {
            // The cause is for the operator.
            tracing::warn!(status = %self.status(), "{}", chain(self));
        }
        let (title, text) = match self {
            Self::NotFound { what, .. } => ("Nothing here", *what),
            Self::Malformed { what } => ("That address means nothing", *what),
            Self::View(ViewError::NoRecord) => ("No pages here", "This server keeps no public record, only the log."),
            Self::View(ViewError::NotYet) => (
                "Not yet",
                "The record is being made from the log. Come back in a moment; the log itself is served as ever.",
            ),
            Self::Refused(problem) if self.status() == StatusCode::TOO_MANY_REQUESTS => {
                ("Too fast", problem.detail.as_str())
            }
            Self::Refused(problem) => ("Not in time", problem.detail.as_str()),
            Self::View(_) => ("Not now", "The record cannot be read at the moment. The log itself is served as ever."),
            Self::Found { .. } | Self::Moved { .. } => ("Moved", "The page has another address."),
            Self::Drawing(_) | Self::Interrupted => ("Something went wrong", "The server could not draw this page."),
        };
        let near: &[ProjectRow] = match self {
            Self::NotFound { near, .. } => near,
            _ => &[],
        };
        WrongPage { frame, title, text, near, status: self.status().as_u16() }.render().unwrap_or_default()
    }
}

#[derive(Template)]
#[template(path = "wrong.html")]
struct WrongPage<'a> {
    frame: &'a Frame,
    title: &'static str,
    text: &'a str,
    near: &'a [ProjectRow],
    status: u16,
}
