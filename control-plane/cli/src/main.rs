//! The `gatehouse` binary: the control plane, the development setup, and the client verbs.

mod arguments;
mod data_folder;
mod documents;
mod exit;
mod failure;
mod kinds;
mod listed;
mod moment;
mod plan_file;
mod plan_text;
mod planning;
mod progress;
#[cfg(test)]
mod reference;
mod running;
mod screen;
mod settings;
mod table;
mod target;
mod tree;
mod verbs;
mod waiting;

use std::process::ExitCode;

use clap::{Parser as _, error::ErrorKind};

use crate::{arguments::Arguments, exit::Exit, failure::Failure, screen::Format};

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => {
            let format = arguments.output;
            ended(verbs::run(arguments), format)
        }
        Err(error) => not_understood(&error),
    }
}

fn ended(result: anyhow::Result<Exit>, format: Format) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        // Whoever read our output has seen enough.
        Err(error) if failure::is_broken_pipe(&error) => Exit::Ok.into(),
        Err(error) => {
            let failure = failure::of(error);
            // If standard error is gone, the exit code still tells.
            let _ = failure::tell(&failure, format);
            failure.exit.into()
        }
    }
}

/// Help and version are answers; everything else is a wrong command line.
fn not_understood(error: &clap::Error) -> ExitCode {
    let is_answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !is_answer && wants_json() {
        let text = error.render().to_string();
        let detail = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        let _ = failure::tell(&Failure::usage(detail), Format::Json);
        return Exit::Usage.into();
    }
    let _ = error.print();
    if is_answer {
        Exit::Ok.into()
    } else {
        Exit::Usage.into()
    }
}

/// Whether the command line that was not understood asks for JSON, as far as one can tell.
fn wants_json() -> bool {
    let arguments: Vec<String> = std::env::args().collect();
    let joined = ["-ojson", "-o=json", "--output=json"];
    arguments
        .iter()
        .any(|argument| joined.contains(&argument.as_str()))
        || arguments
            .windows(2)
            .any(|pair| matches!(pair[0].as_str(), "-o" | "--output") && pair[1] == "json")
}
