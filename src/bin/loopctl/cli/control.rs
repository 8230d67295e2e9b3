//! Arguments of `loopctl control`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::values::unix_path;

#[derive(Debug, Args)]
#[command(before_long_help = "\
Examples:
  loopctl serve :5433 --upstream db:5432 --control unix:/tmp/faults
  loopctl control unix:/tmp/faults
  loopctl control unix:/tmp/faults set down:delay=200ms up:reset-after=1MB@10%
  loopctl control unix:/tmp/faults set       no more faults")]
pub(crate) struct ControlArgs {
    /// Control socket of the server, as given to serve --control
    #[arg(value_name = "unix:PATH", value_parser = unix_path)]
    pub(crate) socket: PathBuf,
    /// get: print the faults in force. set: replace all faults by each FAULT that follows
    #[arg(value_name = "ACTION", default_value = "get", hide_possible_values = true)]
    pub(crate) action: ControlAction,
    /// Fault as for serve --fault; none ends all faults
    #[arg(value_name = "FAULT")]
    pub(crate) faults: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ControlAction {
    /// Print the faults in force
    Get,
    /// Replace the faults
    Set,
}
