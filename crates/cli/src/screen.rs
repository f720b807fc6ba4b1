//! What people see: progress and notices on the error output, tables and colours.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Effects};
use indicatif::{ProgressBar, ProgressStyle};
use pellucid_recipe::activity::Listener;

/// Whether and how text is set off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    colour: bool,
}

impl Style {
    pub(crate) fn of_stdout() -> Self {
        Self { colour: colour(std::io::stdout().is_terminal()) }
    }

    pub(crate) fn of_stderr() -> Self {
        Self { colour: colour(std::io::stderr().is_terminal()) }
    }

    fn set(self, style: anstyle::Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    pub(crate) fn error(self, text: &str) -> String {
        self.set(AnsiColor::Red.on_default().effects(Effects::BOLD), text)
    }

    pub(crate) fn heading(self, text: &str) -> String {
        self.set(anstyle::Style::new().effects(Effects::BOLD), text)
    }

    pub(crate) fn quiet(self, text: &str) -> String {
        self.set(anstyle::Style::new().effects(Effects::DIMMED), text)
    }
}

/// The customs of terminals: NO_COLOR and CLICOLOR=0 say no, CLICOLOR_FORCE says yes.
fn colour(is_terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    let zero = |name: &str| std::env::var_os(name).is_some_and(|v| v == "0");
    if set("NO_COLOR") {
        return false;
    }
    if set("CLICOLOR_FORCE") && !zero("CLICOLOR_FORCE") {
        return true;
    }
    is_terminal && !zero("CLICOLOR") && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}

/// Progress and notices on the error output. Bars are drawn on terminals only, and only once work takes a while.
#[derive(Debug)]
pub(crate) struct Screen {
    quiet: bool,
    is_terminal: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    began: Instant,
    stage: String,
    rows: u64,
    bar: Option<ProgressBar>,
    told: usize,
}

const PATIENCE: Duration = Duration::from_millis(300);
const STEPS: u64 = 10_000;

impl Screen {
    pub(crate) fn new(quiet: bool) -> Self {
        let state = State { began: Instant::now(), stage: String::new(), rows: 0, bar: None, told: 0 };
        Self { quiet, is_terminal: std::io::stderr().is_terminal(), state: Mutex::new(state) }
    }

    /// Runs something with the state; a poisoned lock only means that a bar is not up to date.
    fn with(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    fn say(state: &mut State, text: &str) {
        let print = || {
            let _ = writeln!(std::io::stderr(), "{text}");
        };
        match &state.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.with(|s| {
            if let Some(bar) = s.bar.take() {
                bar.finish_and_clear();
            }
        });
    }
}

impl Listener for Screen {
    fn stage(&self, name: &str) {
        if self.quiet {
            return;
        }
        self.finish();
        self.with(|s| {
            (s.began, s.stage, s.rows, s.told) = (Instant::now(), name.to_owned(), 0, 0);
            Self::say(s, name);
        });
    }

    fn notice(&self, text: &str) {
        if !self.quiet {
            self.with(|s| Self::say(s, text));
        }
    }

    fn rows(&self, done: usize) {
        if self.quiet || !self.is_terminal {
            return;
        }
        self.with(|s| {
            s.rows += done as u64;
            if s.bar.is_none() && s.began.elapsed() > PATIENCE {
                let style = ProgressStyle::with_template(
                    "{spinner} {human_pos} rows explained, {elapsed} ({per_sec})",
                );
                let bar = ProgressBar::no_length();
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                s.bar = Some(bar);
            }
            if let Some(bar) = &s.bar {
                bar.set_position(s.rows);
            }
        });
    }

    fn training(&self, share: f64, epoch: usize, losses: Option<(f64, Option<f64>)>) {
        if self.quiet {
            return;
        }
        let text = match losses {
            Some((train, Some(validation))) => format!("loss {train:.4}, on validation rows {validation:.4}"),
            Some((train, None)) => format!("loss {train:.4}"),
            None => String::new(),
        };
        self.with(|s| {
            if !self.is_terminal {
                // Every tenth of the training is a line in a log.
                let tenth = (share * 10.0 + 1e-9) as usize;
                if tenth > s.told && !text.is_empty() {
                    s.told = tenth;
                    Self::say(s, &format!("  epoch {epoch}: {text}"));
                }
                return;
            }
            let bar = s.bar.get_or_insert_with(|| {
                let template = "{bar:32} {percent}%  {msg}  {eta} left";
                let bar = ProgressBar::new(STEPS);
                bar.set_style(
                    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
                );
                bar
            });
            bar.set_position((share * STEPS as f64) as u64);
            if !text.is_empty() {
                bar.set_message(format!("epoch {epoch}, {text}"));
            }
        });
    }
}

/// Prints data. A reader that has gone ends the program without a word.
pub(crate) fn print(text: &str) -> pellucid_recipe::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| {
        if e.kind() == std::io::ErrorKind::BrokenPipe {
            return pellucid_recipe::ErrorKind::Closed.into();
        }
        let path = std::path::PathBuf::from("standard output");
        pellucid_recipe::ErrorKind::Write { path, reason: e.to_string() }.into()
    })
}
