//! All SQL of the control plane, for SQLite (embedded, the default) and PostgreSQL (several replicas).
//!
//! Reads are methods of [`Store`], [`Snapshot`] and [`Transaction`]; writes are methods of [`Transaction`] alone.
//! What [`Transaction::commit`] acknowledged survives the process and the machine. The store decides nothing about
//! the catalog: it keeps what it is told, refuses what would break an index or a version, and numbers changes of
//! desired state so that agents can ask for what is new.
//!
//! One SQL text serves both engines, through sqlx's `Any` driver: parameters are `$1`, columns are `TEXT`, `BIGINT`
//! and `BYTEA`, and whatever one engine lacks is left out.

mod agents;
mod applied;
mod audit;
mod bulk;
mod changes;
mod concern;
mod cursor;
mod database;
mod definitions;
mod deployments;
mod discovered;
mod discoveries;
mod environments;
mod error;
mod history;
mod ignored;
mod imports;
mod inventory;
mod key;
mod last_run;
mod leases;
mod observations;
mod packed;
mod pages;
mod plans;
mod renewals;
mod reports;
mod resources;
mod retention;
mod revisions;
mod row;
mod schedules;
mod secrets;
mod sources;
mod steps;
mod stocktaking;
mod tasks;
mod terms;
mod together;
mod tokens;
mod transaction;
mod work;

pub use agents::{Agent, AgentFilter, JoinToken, KnownAgent};
pub use applied::{Applied, Restored};
pub use audit::{AuditEvent, AuditFilter};
pub use cursor::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, Page, PageRequest};
pub use database::{Snapshot, Store};
pub use definitions::PackedDefinition;
pub use deployments::{Deployment, DeploymentFilter, DeploymentStatus, Desired, NewDeployment};
pub use discovered::{DiscoveredRow, DiscoveredStatus, FindingSummary, ItemFilter, LaterFinding};
pub use discoveries::{Discovery, DiscoveryCounts, DiscoveryQuery, DiscoveryState, ResumePosition};
pub use environments::EnvironmentState;
pub use error::{Result, StoreError};
pub use history::HistoryEntry;
pub use ignored::IgnoredApi;
pub use imports::Import;
pub use inventory::{InventoryEntry, InventoryFilter, MissingSince};
pub use key::EncryptionKey;
pub use last_run::{LastRun, ToldFinding};
pub use leases::{Claim, Lease};
pub use observations::DeploymentObservation;
pub use packed::PackedFindings;
pub use pages::PageEnd;
pub use plans::{NewPlan, Plan, PlanFilter, PlanState, PlanStrategy, PlanUpdate};
pub use reports::Report;
pub use resources::{Resource, ResourceFilter};
pub use revisions::Revision;
pub use schedules::{Schedule, Scheduled};
pub use sources::ApiSource;
pub use steps::{Progress, Step, StepState};
pub use stocktaking::MissingNote;
pub use tasks::{NewTask, PlanPart, Task, TaskState};
pub use terms::{DeploymentTerms, Expected, Priority};
pub use tokens::Token;
pub use transaction::Transaction;
pub use work::{
    AgentSeen, AssignedEnvironment, PendingDiscovery, PendingTask, Work, WorkDeployment, WorkView,
};
