//! The commands.

mod evaluate;
mod explain;
mod export;
#[cfg(feature = "images")]
mod images;
mod inspect;
mod methods;
mod pages;
#[cfg(feature = "train")]
mod run;

use pellucid_recipe::activity::Activity;
use pellucid_recipe::pellucid::engine::Profile;
use pellucid_recipe::{Error, ErrorKind, Result};
use std::sync::Mutex;

use crate::arguments::{Arguments, Command};
use crate::screen::Screen;
use crate::signals;

/// Runs the command that was asked for.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let quiet = arguments.quiet;
    match arguments.command {
        #[cfg(feature = "train")]
        Command::Run(options) => run::run(&options, quiet),
        #[cfg(feature = "train")]
        Command::Train(options) => run::train(&options, quiet),
        Command::Evaluate(options) => evaluate::evaluate(&options, quiet),
        Command::Explain(options) => explain::explain(*options, quiet),
        Command::Export(options) => export::export(&options),
        Command::Inspect(options) => inspect::inspect(&options),
        Command::Methods(options) => methods::methods(&options),
        Command::Completions { shell } => pages::completions(shell),
        Command::Man { folder } => pages::manual(&folder),
    }
}

/// Does work with threads, a flag that Ctrl-C sets, and a screen.
fn with_activity<T>(
    threads: Option<usize>,
    quiet: bool,
    profile: Option<&Mutex<Profile>>,
    work: impl FnOnce(&Activity<'_>) -> Result<T>,
) -> Result<T> {
    signals::listen();
    if threads == Some(0) {
        return Err(usage("threads must be at least 1"));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    let pool = pool.map_err(|e| usage(format!("the threads cannot be made: {e}")))?;
    let screen = Screen::new(quiet);
    let activity = Activity { pool: &pool, cancel: &signals::CANCELLED, listener: &screen, profile };
    let result = work(&activity);
    screen.finish();
    result
}

fn usage(message: impl Into<String>) -> Error {
    ErrorKind::Request(message.into()).into()
}
