//! Kong's schemas: what an entity may hold, and what it holds when nothing was said.

mod checks;
mod custom;
mod defaults;
pub(crate) mod lua_pattern;
mod model;
mod name_rules;
mod parse;
mod registry;
mod rules;
mod shorthands;
mod validate;

pub(crate) use self::defaults::{Purpose, complete, random_text};
pub(crate) use self::model::{Field, Kind, Schema};
pub(crate) use self::name_rules::{is_id, pem_content};
pub(crate) use self::registry::{Registry, UnknownSchema};
pub(crate) use self::shorthands::with_shorthands;
pub(crate) use self::validate::{Scrutiny, validate};
