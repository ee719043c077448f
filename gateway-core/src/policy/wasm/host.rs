//! What a module can reach from inside: the log, the time, random numbers, and memory up to its limit.
//!
//! Toolchains make components that import more of WASI than they use. Whatever else a module calls ends its call.

use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use tracing::{debug, info, warn};
use wasmtime::{
    Engine, ResourceLimiter, Result, bail,
    component::{HasSelf, Linker},
};

use super::bindings::requests::{
    RequestPolicy,
    gatehouse::policy::{log, types},
};

/// How many messages of a call are written, and how much of each.
const MESSAGES: u32 = 16;
const MESSAGE_CHARACTERS: usize = 1_000;

/// What an element of a table takes.
const ELEMENT_BYTES: usize = size_of::<usize>();

/// How many random bytes a module gets at once.
const RANDOM_BYTES: u64 = 64 * 1024;

/// One call's own.
#[derive(Debug)]
pub(super) struct Host {
    module: Arc<str>,
    messages: u32,
    memory: usize,
    max_memory: usize,
    began: Instant,
}

impl Host {
    /// For a call of a module that may take so many bytes of memory.
    pub(super) fn new(module: Arc<str>, max_memory: usize) -> Self {
        Self {
            module,
            messages: 0,
            memory: 0,
            max_memory,
            began: Instant::now(),
        }
    }
}

/// Everything that components can import.
pub(super) fn linker(engine: &Engine) -> Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    RequestPolicy::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    add_random(&mut linker)?;
    add_clocks(&mut linker)?;
    Ok(linker)
}

// Types have no functions, and ask for this all the same.
impl types::Host for Host {}

impl log::Host for Host {
    fn log(&mut self, level: log::Level, message: String) {
        self.messages += 1;
        if self.messages > MESSAGES {
            return;
        }
        let end = message.char_indices().nth(MESSAGE_CHARACTERS);
        let message = end.map_or(&message[..], |(end, _)| &message[..end]);
        let module = &*self.module;
        match level {
            log::Level::Debug => debug!(policy.module = module, "Module `{module}` says: {message:?}"),
            log::Level::Info => info!(policy.module = module, "Module `{module}` says: {message:?}"),
            log::Level::Warn => warn!(policy.module = module, "Module `{module}` says: {message:?}"),
        }
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        self.take(desired.saturating_sub(current))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        self.take(desired.saturating_sub(current).saturating_mul(ELEMENT_BYTES))
    }
}

impl Host {
    /// Takes so many more bytes for the call.
    fn take(&mut self, more: usize) -> Result<bool> {
        if self.memory.saturating_add(more) > self.max_memory {
            bail!("it needs more than {} MiB of memory", self.max_memory >> 20);
        }
        self.memory += more;
        Ok(true)
    }
}

fn add_random(linker: &mut Linker<Host>) -> Result<()> {
    let bytes = |_: wasmtime::StoreContextMut<'_, Host>, (count,): (u64,)| {
        if count > RANDOM_BYTES {
            bail!("it asks for {count} random bytes at once");
        }
        let mut bytes = vec![0; usize::try_from(count)?];
        if aws_lc_rs::rand::fill(&mut bytes).is_err() {
            bail!("there are no random numbers");
        }
        Ok((bytes,))
    };
    let number = |_: wasmtime::StoreContextMut<'_, Host>, (): ()| Ok((random()?,));
    let seed = |_: wasmtime::StoreContextMut<'_, Host>, (): ()| Ok(((random()?, random()?),));
    let mut secure = linker.instance("wasi:random/random@0.2.0")?;
    secure.func_wrap("get-random-bytes", bytes)?;
    secure.func_wrap("get-random-u64", number)?;
    let mut insecure = linker.instance("wasi:random/insecure@0.2.0")?;
    insecure.func_wrap("get-insecure-random-bytes", bytes)?;
    insecure.func_wrap("get-insecure-random-u64", number)?;
    let mut seeds = linker.instance("wasi:random/insecure-seed@0.2.0")?;
    seeds.func_wrap("insecure-seed", seed)
}

fn random() -> Result<u64> {
    let mut bytes = [0; 8];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => Ok(u64::from_le_bytes(bytes)),
        Err(_) => bail!("there are no random numbers"),
    }
}

/// A moment as WASI writes it.
#[derive(Debug, Clone, Copy, wasmtime::component::ComponentType, wasmtime::component::Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

fn add_clocks(linker: &mut Linker<Host>) -> Result<()> {
    let mut wall = linker.instance("wasi:clocks/wall-clock@0.2.0")?;
    wall.func_wrap("now", |_, (): ()| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Datetime {
            seconds: now.as_secs(),
            nanoseconds: now.subsec_nanos(),
        };
        Ok((now,))
    })?;
    wall.func_wrap("resolution", |_, (): ()| {
        let resolution = Datetime {
            seconds: 0,
            nanoseconds: 1,
        };
        Ok((resolution,))
    })?;
    let mut monotonic = linker.instance("wasi:clocks/monotonic-clock@0.2.0")?;
    monotonic.func_wrap("now", |store, (): ()| {
        let passed = store.data().began.elapsed().as_nanos();
        Ok((u64::try_from(passed).unwrap_or(u64::MAX),))
    })?;
    monotonic.func_wrap("resolution", |_, (): ()| Ok((1_u64,)))
}
