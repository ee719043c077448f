//! The connector between Gatehouse and Kong: Kong Gateway with a database or without, and Konnect.

pub mod entities;

pub mod read;
