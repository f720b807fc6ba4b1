//! Errors to people, or as JSON, and the exit code that says what kind they are.

use std::io::Write;
use std::process::ExitCode;

use pellucid_recipe::{Category, Error, ErrorKind};

/// What clap says: help and versions on the standard output, the rest on the error output.
pub(crate) fn of_parsing(error: &clap::Error) -> ExitCode {
    let is_error = error.use_stderr();
    let wants_json = std::env::args_os().any(|a| a == "--json-errors");
    if is_error && wants_json {
        let text = error.render().to_string();
        print_json(Category::Usage, text.trim().trim_start_matches("error: "));
    } else {
        // Nobody is left to be told that this cannot be printed.
        let _ = error.print();
    }
    if is_error { ExitCode::from(Category::Usage.exit_code()) } else { ExitCode::SUCCESS }
}

/// Prints an error and gives its exit code. A reader of the output that went away is no error.
pub(crate) fn report(error: &Error, as_json: bool) -> ExitCode {
    if matches!(error.kind(), ErrorKind::Closed) {
        return ExitCode::SUCCESS;
    }
    let category = error.category();
    if as_json {
        print_json(category, &error.to_string());
    } else {
        let style = crate::screen::Style::of_stderr();
        let _ = writeln!(std::io::stderr(), "{}: {error}", style.error("error"));
    }
    ExitCode::from(category.exit_code())
}

fn print_json(category: Category, message: &str) {
    let value = serde_json::json!({
        "error": { "code": category.name(), "exit_code": category.exit_code(), "message": message }
    });
    let _ = writeln!(std::io::stderr(), "{value}");
}
