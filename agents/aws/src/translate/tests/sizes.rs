//! What AWS takes at most.
