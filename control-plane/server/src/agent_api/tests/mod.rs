//! The Agent API over HTTP, with a real database.
