//! The gate's answer in the format that was asked for: the only place that chooses. The exit code is the same in all.

use std::io;

use crate::{
    buildtools::BuildTools,
    exit::Exit,
    gate::{Judged, document::Document, github, installation::Installation, sarif, verdicts},
    layers::Layers,
    output::Format,
    run::Run,
};

/// What a command found out about files.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// Of the JSON document.
    pub(crate) schema: &'static str,
    pub(crate) judged: &'a Judged<'a>,
    pub(crate) layers: &'a Layers,
    /// With `--build-deps`.
    pub(crate) tools: Option<&'a BuildTools>,
    /// Once an installer was run.
    pub(crate) installation: Option<&'a Installation<'a>>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(schema: &'static str, judged: &'a Judged<'a>, layers: &'a Layers) -> Self {
        Self { schema, judged, layers, tools: None, installation: None }
    }

    /// What the command ends with.
    pub(crate) fn exit(&self) -> Exit {
        let alarm = if self.tools.is_some_and(BuildTools::alarm) { Exit::Alarm } else { Exit::Pass };
        let installer = self.installation.and_then(|installation| installation.exit).unwrap_or(Exit::Pass);
        self.judged.exit().worst(alarm).worst(installer)
    }

    /// Prints it, and says what the command ends with.
    pub(crate) fn print(&self, run: &Run) -> io::Result<Exit> {
        match run.out.format() {
            Format::Text => {
                verdicts::print(self.judged, run)?;
                if let Some(tools) = self.tools {
                    tools.print(self.judged, &run.out)?;
                }
            }
            Format::Json => run.out.json(&Document::new(self))?,
            Format::Sarif => run.out.json(&sarif::log(self)?)?,
            Format::Github => github::print(self, run)?,
        }
        Ok(self.exit())
    }
}
