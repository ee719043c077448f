//! The gateway over real connections: what reaches the upstream, what comes back, what is refused.

mod routing;
mod support;
