//! What holds for every API.
