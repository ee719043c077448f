//! OpenAPI documents: what a REST API becomes by one, and the one that a stage is exported as.

mod authorizers;
mod document;
mod export;
mod import;
mod integration;
mod methods;
mod models;
mod paths;

pub(crate) use self::document::Document;
pub(crate) use self::export::{Export, export, version};
pub(crate) use self::import::{Imported, Mode, Target, import};
pub(crate) use self::paths::is_part as is_path_part;
