//! What people need to know to make an environment of a gateway type: a form to fill in, and a page to look things up.
//!
//! Both follow from the connector's descriptor alone, so that they are there for any connector, and cannot say anything
//! else than what the control plane holds settings against.

mod fields;
mod form;
mod page;

pub use self::{form::form, page::page};

#[cfg(test)]
mod tests;
