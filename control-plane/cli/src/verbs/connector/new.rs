//! `gatehouse connector new`: a crate that compiles, runs and passes the conformance suite, as something to begin with.
//!
//! The crate is `connector-sdk/scaffold` of this repository under another name. The folder appears as a whole or not
//! at all.

mod checkout;
mod manifest;
mod template;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use gatehouse_schemas::identity::GatewayType;
use serde::Serialize;

use self::{checkout::Checkout, template::Names};
use crate::{
    exit::Exit,
    failure::Failure,
    screen::{self, Format, Screen},
};

/// Gateway types of Gatehouse itself.
const TAKEN: [&str; 2] = ["memory", "native"];

/// What the crate is called, and where it goes.
#[derive(Debug, Args)]
#[command(after_help = "Example: gatehouse connector new my-gateway && cd my-gateway && cargo test")]
pub(crate) struct NewArguments {
    /// The gateway type: lowercase letters, digits and `-`
    name: String,
    /// The folder to make; NAME in the current folder unless given
    #[arg(long, value_name = "FOLDER")]
    path: Option<PathBuf>,
    /// The sources of Gatehouse, whose connector SDK the crate uses; those this program was built from unless given
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
}

/// What was made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    gateway_type: GatewayType,
    package: String,
    path: PathBuf,
    sdk: PathBuf,
    files: Vec<String>,
}

pub(super) fn run(options: &NewArguments, screen: Screen) -> anyhow::Result<Exit> {
    let gateway_type = gateway_type(&options.name)?;
    let target = options
        .path
        .clone()
        .unwrap_or_else(|| PathBuf::from(&options.name));
    refuse_occupied(&target)?;
    let checkout = Checkout::find(options.sdk.as_deref())?;
    let names = Names::of(&gateway_type);
    let mut files = template::files(&names);
    files.extend(checkout.files(&names)?);
    write(&target, &files)?;
    let made = Made {
        package: names.package(),
        path: std::path::absolute(&target)?,
        sdk: checkout.sdk(),
        files: files.into_iter().map(|(path, _)| path).collect(),
        gateway_type,
    };
    let reference = format!("connector/{}", made.gateway_type);
    screen.show(&made, &[reference], || told(&made))?;
    if screen.format() == Format::Table {
        screen::note(&next_steps(&target, &made));
    }
    Ok(Exit::Ok)
}

fn gateway_type(name: &str) -> anyhow::Result<GatewayType> {
    if TAKEN.contains(&name) {
        let message = format!("the gateway type `{name}` is Gatehouse's own; choose another name");
        return Err(Failure::invalid(message).into());
    }
    Ok(name
        .parse()
        .map_err(|error| Failure::invalid(format!("{error}")))?)
}

/// What is there stays there.
fn refuse_occupied(target: &Path) -> anyhow::Result<()> {
    let is_free = match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if is_free {
        return Ok(());
    }
    let target = target.display();
    let message = format!(
        "`{target}` is there already and not an empty folder; remove it, or choose another with `--path`"
    );
    Err(Failure::new(Exit::Conflict, message).into())
}

/// Writes beside the target, and moves it there when all of it is written.
fn write(target: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    let target = std::path::absolute(target)?;
    let unwritable = || format!("failed to write `{}`", target.display());
    let (parent, name) = target.parent().zip(target.file_name()).with_context(unwritable)?;
    let part = parent.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = fs::create_dir_all(parent)
        .and_then(|()| write_all(&part, files))
        .and_then(|()| move_to(&part, &target));
    if written.is_err() {
        // The first failure is what people need to know.
        let _ = fs::remove_dir_all(&part);
    }
    written.with_context(unwritable)
}

fn write_all(folder: &Path, files: &[(String, String)]) -> io::Result<()> {
    fs::create_dir(folder)?;
    for (path, content) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

fn move_to(part: &Path, target: &Path) -> io::Result<()> {
    match fs::remove_dir(target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::rename(part, target),
    }
}

fn told(made: &Made) -> String {
    format!(
        "created {} in {} ({} files)\n",
        made.package,
        made.path.display(),
        made.files.len()
    )
}

fn next_steps(target: &Path, made: &Made) -> String {
    format!(
        "Next: cd {} && cargo test runs the conformance suite on the tiny gateway. src/lib.rs says what is where, \
         {}/docs/guides/write-your-own-agent.md what to do with it.",
        target.display(),
        made.sdk.parent().unwrap_or(&made.sdk).display()
    )
}

#[cfg(test)]
mod tests;
