//! Portals: what is made of what they say, and what Prism answers from Kong's own descriptions of them.

mod catalogue;
mod classic;
mod described;
mod documents;
