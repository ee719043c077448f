//! The engine that runs modules: how they are compiled, where their memory comes from, and how long they run before
//! others have a turn.

use std::{io, thread, time::Duration};

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How long a module computes at most before the other requests of its worker have a turn.
const TURN: Duration = Duration::from_millis(2);

/// How many calls may be under way at the same time, whatever memory they take.
pub(super) const CALLS: u32 = 256;

/// Beside those, a module is tried out when its policy is compiled.
const PLACES: u32 = CALLS + 1;

/// How many core modules a component may be made of; those that tools make of one program have three or four.
const CORE_INSTANCES: u32 = 20;

/// How many tables and memories a component may have.
const TABLES: u32 = 4;
const MEMORIES: u32 = 2;

/// How many functions a table may have room for: enough for an interpreter's.
const TABLE_ELEMENTS: usize = 100_000;

/// How much of each memory stays with its place, so that small modules need none from the system.
const KEPT_BYTES: usize = 64 * 1024;

/// Starts an engine whose modules may have memories of so many bytes.
pub(super) fn start(max_memory: usize) -> Result<Engine, String> {
    let engine = Engine::new(&config(max_memory)).map_err(|error| format!("{error:#}"))?;
    give_turns(&engine).map_err(|error| format!("no thread can be started: {error}"))?;
    Ok(engine)
}

fn config(max_memory: usize) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(PLACES)
        .total_core_instances(PLACES * CORE_INSTANCES)
        .total_memories(PLACES * MEMORIES)
        .total_tables(PLACES * TABLES)
        .total_stacks(PLACES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(max_memory)
        .linear_memory_keep_resident(KEPT_BYTES);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .consume_fuel(true)
        .epoch_interruption(true)
        // Nobody reads where in a module of a release build something went wrong.
        .wasm_backtrace_max_frames(None);
    config
}

/// Counts turns for as long as the engine is there.
fn give_turns(engine: &Engine) -> io::Result<()> {
    let engine = engine.weak();
    let count = move || {
        loop {
            thread::sleep(TURN);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    };
    thread::Builder::new()
        .name("policy-turns".to_owned())
        .spawn(count)
        .map(drop)
}
