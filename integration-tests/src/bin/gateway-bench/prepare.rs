//! What must be so before anything is measured.

use std::{env, os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, bail};

/// Says that the limit of open files has been raised.
const RAISED: &str = "GATEHOUSE_BENCH_RAISED";

pub(crate) fn all() -> anyhow::Result<()> {
    build_binaries()?;
    raise_limit()
}

/// `cargo run --bin gateway-bench` builds no other binary, but says who it is.
fn build_binaries() -> anyhow::Result<()> {
    let Some(cargo) = env::var_os("CARGO").filter(|_| env::var_os(RAISED).is_none()) else {
        return Ok(());
    };
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "-p", "gatehouse", "-p", "gatehouse-gateway"]);
    command.args(["--bin", "gatehouse", "--bin", "gatehouse-gateway"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.status().context("`cargo` cannot be started")?;
    if !status.success() {
        bail!("`gatehouse` and `gatehouse-gateway` could not be built");
    }
    Ok(())
}

/// Becomes this same program with as many open files as are allowed: 512 callers are as many connections on both sides.
fn raise_limit() -> anyhow::Result<()> {
    if env::var_os(RAISED).is_some() {
        return Ok(());
    }
    let error = Command::new("sh")
        .args(["-c", "ulimit -n \"$(ulimit -H -n)\"; exec \"$0\" \"$@\""])
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(RAISED, "yes")
        .exec();
    Err(error).context("the limit of open files cannot be raised")
}
