//! Modules as they are found, compiled and kept.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Write as _},
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use aws_lc_rs::digest::{SHA256, digest};
use gatehouse_schemas::policy::ExtWasmPolicy;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use wasmtime::{
    Engine,
    component::{Component, InstancePre},
};

use super::{
    bindings::{requests::RequestPolicyPre, responses::ResponsePolicyPre},
    engine,
    host::{self, Host},
};

/// The largest file of a module.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What interfaces of policy modules are called.
const INTERFACES: &str = "gatehouse:policy/";

/// Those that a module can export.
const REQUEST_PHASE: &str = "gatehouse:policy/request-phase@0.1.0";
const RESPONSE_PHASE: &str = "gatehouse:policy/response-phase@0.1.0";

const MIB: u64 = 1024 * 1024;

/// Where modules come from, and what all of them share.
pub(crate) struct Modules {
    folder: Option<PathBuf>,
    /// How much memory calls that are under way may take together.
    max_bytes: u64,
    /// Nothing of it is there before the first module is.
    running: OnceLock<Result<Running, String>>,
    kept: Mutex<HashMap<(String, String), Weak<Module>>>,
}

/// What runs modules.
struct Running {
    engine: Engine,
    room: Arc<Room>,
}

/// What calls that are under way share.
pub(super) struct Room {
    /// One permit is one MiB.
    memory: Semaphore,
    /// One permit is one call.
    places: Semaphore,
}

/// What one call takes of it, until the call ends.
pub(super) struct Taken<'a> {
    _memory: SemaphorePermit<'a>,
    _place: SemaphorePermit<'a>,
}

impl Room {
    /// Waits until there is room for a call with so many MiB of memory.
    pub(super) async fn take(&self, mib: u32) -> Result<Taken<'_>, AcquireError> {
        Ok(Taken {
            _memory: self.memory.acquire_many(mib).await?,
            _place: self.places.acquire().await?,
        })
    }
}

/// A compiled module.
pub(super) struct Module {
    pub(super) name: Arc<str>,
    pub(super) engine: Engine,
    pub(super) room: Arc<Room>,
    pub(super) requests: Option<RequestPolicyPre<Host>>,
    pub(super) responses: Option<ResponsePolicyPre<Host>>,
    /// Whether calls are likely to need more than one turn.
    pub(super) is_long: AtomicBool,
    pub(super) calls: AtomicU64,
    pub(super) failures: AtomicU64,
}

impl fmt::Debug for Modules {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Modules")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Module")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Modules {
    /// Modules of a folder, whose calls may take so many bytes together.
    pub(crate) fn new(folder: Option<PathBuf>, max_bytes: u64) -> Self {
        Self {
            folder,
            max_bytes,
            running: OnceLock::new(),
            kept: Mutex::default(),
        }
    }

    /// The module that a policy names, compiled if nothing uses it yet. Says what is wrong with it and what to do.
    pub(super) fn get(&self, policy: &ExtWasmPolicy) -> Result<Arc<Module>, String> {
        let Some(folder) = &self.folder else {
            return Err(
                "the gateway has no folder of modules; start it with `--policy-modules FOLDER`".to_owned(),
            );
        };
        let wanted = u64::from(policy.memory_mib) * MIB;
        if wanted > self.max_bytes {
            return Err(format!(
                "`memoryMib` is {}, and all modules together may take {} MiB; lower it, or raise `--policy-module-memory`",
                policy.memory_mib,
                self.max_bytes / MIB
            ));
        }
        let identity = (policy.module.clone(), policy.sha256.to_ascii_lowercase());
        if let Some(module) = self.kept().get(&identity).and_then(Weak::upgrade) {
            return Ok(module);
        }
        let bytes = read(folder, &identity.0, &identity.1)?;
        let running = self.running.get_or_init(|| self.start()).as_ref();
        let running = running.map_err(|reason| format!("modules cannot be run here: {reason}"))?;
        let module = Arc::new(Module::compile(&identity.0, &bytes, running)?);
        // APIs are put in one after the other, so nobody else has compiled it meanwhile.
        let mut kept = self.kept();
        kept.retain(|_, module| module.strong_count() > 0);
        kept.insert(identity, Arc::downgrade(&module));
        Ok(module)
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<(String, String), Weak<Module>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> Result<Running, String> {
        let (_, most) = ExtWasmPolicy::MEMORY_MIB;
        let largest = usize::try_from(most * MIB).unwrap_or(usize::MAX);
        let permits = usize::try_from(self.max_bytes / MIB).unwrap_or(usize::MAX);
        let places = usize::try_from(engine::CALLS).unwrap_or(usize::MAX);
        Ok(Running {
            engine: engine::start(largest)?,
            room: Arc::new(Room {
                memory: Semaphore::new(permits.min(Semaphore::MAX_PERMITS)),
                places: Semaphore::new(places),
            }),
        })
    }

    /// How often modules were called and failed, in Prometheus' text format. Nothing if there are none.
    pub(crate) fn text(&self) -> String {
        let mut sums: BTreeMap<Arc<str>, (u64, u64)> = BTreeMap::new();
        for module in self.kept().values().filter_map(Weak::upgrade) {
            let (calls, failures) = sums.entry(Arc::clone(&module.name)).or_default();
            *calls += module.calls.load(Ordering::Relaxed);
            *failures += module.failures.load(Ordering::Relaxed);
        }
        let mut text = String::new();
        if sums.is_empty() {
            return text;
        }
        let calls = sums.iter().map(|(module, (calls, _))| (&**module, *calls));
        counter(&mut text, "calls", "Calls of policy modules.", calls);
        let failures = sums.iter().map(|(module, (_, failures))| (&**module, *failures));
        counter(
            &mut text,
            "failures",
            "Calls of policy modules that failed.",
            failures,
        );
        text
    }
}

/// One count of each module, in Prometheus' text format.
fn counter<'m>(text: &mut String, counted: &str, help: &str, counts: impl Iterator<Item = (&'m str, u64)>) {
    let name = format!("gatehouse_gateway_policy_module_{counted}_total");
    // Writing to a string does not fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
    for (module, count) in counts {
        let _ = writeln!(text, "{name}{{module=\"{module}\"}} {count}");
    }
}

/// The bytes of a module, if they are the right ones.
fn read(folder: &Path, name: &str, sha256: &str) -> Result<Vec<u8>, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(allowed) {
        return Err(format!("`{name}` is not the name of a module"));
    }
    let file = folder.join(format!("{name}.wasm"));
    let shown = file.display();
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no module `{shown}`; put it there"),
        _ => format!("the module `{shown}` cannot be read: {error}"),
    };
    let length = fs::metadata(&file).map_err(unreadable)?.len();
    if length > MAX_BYTES {
        return Err(format!(
            "the module `{shown}` has {length} bytes; at most {MAX_BYTES} are read"
        ));
    }
    let bytes = fs::read(&file).map_err(unreadable)?;
    let found = hexadecimal(digest(&SHA256, &bytes).as_ref());
    match found == sha256 {
        true => Ok(bytes),
        false => Err(format!(
            "the module `{shown}` has the SHA-256 {found}, and the policy wants {sha256}; put the right file there, or \
             deploy a revision with the right digest"
        )),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl Module {
    fn compile(name: &str, bytes: &[u8], running: &Running) -> Result<Self, String> {
        let engine = &running.engine;
        let component = Component::from_binary(engine, bytes)
            .map_err(|error| format!("module `{name}` is not a WebAssembly component: {error:#}"))?;
        let ready = instantiable(engine, &component).map_err(|error| {
            format!("module `{name}` imports what a policy module cannot have: {error:#}")
        })?;
        let (requests, responses) = (
            RequestPolicyPre::new(ready.clone()),
            ResponsePolicyPre::new(ready),
        );
        if let (Err(requests), Err(responses)) = (&requests, &responses) {
            return Err(format!(
                "module `{name}` exports neither `{REQUEST_PHASE}` ({requests:#}) nor `{RESPONSE_PHASE}` ({responses:#})"
            ));
        }
        // It would do only half of what it is for, and that may be to keep callers out.
        for exported in interfaces(engine, &component) {
            let reason = match exported.as_str() {
                REQUEST_PHASE => requests.as_ref().err().map(|error| format!("{error:#}")),
                RESPONSE_PHASE => responses.as_ref().err().map(|error| format!("{error:#}")),
                _ => Some("this gateway has no such interface".to_owned()),
            };
            if let Some(reason) = reason {
                return Err(format!(
                    "module `{name}` exports `{exported}`, which cannot be used: {reason}"
                ));
            }
        }
        Ok(Self {
            name: name.into(),
            engine: engine.clone(),
            room: Arc::clone(&running.room),
            requests: requests.ok(),
            responses: responses.ok(),
            is_long: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }
}

/// The interfaces of policy modules that a component exports.
fn interfaces(engine: &Engine, component: &Component) -> Vec<String> {
    let component = component.component_type();
    let names = component.exports(engine).map(|(name, _)| name.to_owned());
    names.filter(|name| name.starts_with(INTERFACES)).collect()
}

fn instantiable(engine: &Engine, component: &Component) -> wasmtime::Result<InstancePre<Host>> {
    let mut linker = host::linker(engine)?;
    linker.define_unknown_imports_as_traps(component)?;
    linker.instantiate_pre(component)
}
