//! What goes wrong, and what people read then: what happened, to which object, and what to do; what is served meanwhile;
//! and that the next deploy mends it.

mod checks;
mod credentials;
mod domains;
mod keys;
mod kinds;
mod notebook;
mod quotas;
mod removed;
mod rivals;
mod roles;
mod scene;
mod sizes;
mod snapshots;
mod tags;
