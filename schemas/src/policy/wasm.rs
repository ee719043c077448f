//! Policies of the user's own, as WebAssembly modules that a gateway runs.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Parameters of `ext.wasm`: a WebAssembly component is called for every request before it goes on, for every answer before
/// the caller gets it, or for both, as it exports the phases of the interface `gatehouse:policy`.
///
/// The gateway finds the module as `MODULE.wasm` in its folder of modules. A module that is not there, that has another digest
/// or that is not such a component is refused when the API is deployed. Each call has an instance of its own, without files,
/// network or environment, and is held to the limits here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExtWasmPolicy {
    /// The module's name: that of its file without `.wasm`.
    #[schema(min_length = 1, max_length = 64)]
    pub module: String,
    /// The SHA-256 of the file, in hexadecimal digits: exactly this module runs, or none.
    #[schema(min_length = 64, max_length = 64)]
    pub sha256: String,
    /// What the module is told at each call, as JSON. It is kept in clear text: no secrets.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub config: Map<String, Value>,
    /// What happens when a call fails: the module breaks down, goes beyond a limit, says that it cannot decide, or answers what
    /// cannot be used.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// How much one call may compute; an instruction takes about one. Default 50,000,000, which are some tens of milliseconds.
    #[serde(default = "default_fuel")]
    #[schema(minimum = 10_000, maximum = 10_000_000_000_u64)]
    pub fuel: u64,
    /// How long one call may take, in milliseconds, the wait for memory included. Default 100.
    #[serde(default = "default_timeout_ms")]
    #[schema(minimum = 1, maximum = 10_000)]
    pub timeout_ms: u32,
    /// How much memory one call may take, in MiB. Default 16.
    #[serde(default = "default_memory_mib")]
    #[schema(minimum = 1, maximum = 256)]
    pub memory_mib: u32,
}

impl ExtWasmPolicy {
    /// The least and the most fuel of a call.
    pub const FUEL: (u64, u64) = (10_000, 10_000_000_000);
    /// The shortest and the longest time of a call, in milliseconds.
    pub const TIMEOUT_MS: (u64, u64) = (1, 10_000);
    /// The least and the most memory of a call, in MiB.
    pub const MEMORY_MIB: (u64, u64) = (1, 256);
}

/// What happens to a request whose module fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// It is answered 503: nobody gets in while nobody decides.
    #[default]
    Refuse,
    /// It goes on, and an answer goes out, as if the module were not there. Not for modules that keep anybody out.
    Pass,
}

fn default_fuel() -> u64 {
    50_000_000
}

fn default_timeout_ms() -> u32 {
    100
}

fn default_memory_mib() -> u32 {
    16
}
