//! Reading what people write: from text to values, and from values to strictly checked types.
//!
//! Nothing is ignored silently: an unknown field is an issue that names its place and the nearest known
//! field. The same strictness holds for files, request bodies and the console.

mod document;
mod objects;
mod strict;
mod syntax;

pub(crate) use self::syntax::one as one_value;
pub use self::{
    document::document,
    strict::{nearest, spec},
    syntax::{SyntaxError, documents},
};
pub use crate::issue::Issue;
