//! The real binary against a real control plane, as a person or a script uses it.

#[cfg(test)]
mod cli {
    pub(crate) mod applying;
    pub(crate) mod contexts;
    pub(crate) mod dev;
    pub(crate) mod exits;
    pub(crate) mod harness;
    pub(crate) mod importing;
    pub(crate) mod serving;
}
