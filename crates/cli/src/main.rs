//! The `pellucid` command: parses, calls the library, prints. Data goes to the standard output, all else to the error output.

mod arguments;
mod commands;
mod failure;
mod screen;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return failure::of_parsing(&error),
    };
    let as_json = arguments.json_errors;
    match commands::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error, as_json),
    }
}
