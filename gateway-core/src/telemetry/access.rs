//! One request of the access log on its way to a receiver.

use std::time::SystemTime;

use http::StatusCode;

use super::queue::Record;
use crate::proxy::completion::AccessEntry;

/// What is exported of a request in the access log.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) at: SystemTime,
    pub(crate) entry: Box<AccessEntry>,
    pub(crate) status: StatusCode,
    pub(crate) duration_us: u64,
    pub(crate) sent: u64,
    pub(crate) complete: bool,
}

impl Record for Box<Access> {
    fn records(&self) -> usize {
        1
    }

    fn bytes(&self) -> usize {
        let entry = &self.entry;
        let logged = entry.logged.as_ref().map_or(0, |logged| {
            let length = |headers: &Option<String>| headers.as_ref().map_or(0, String::len);
            length(&logged.request) + length(&logged.response)
        });
        size_of::<Access>()
            + size_of::<AccessEntry>()
            + entry.host.len()
            + entry.path.len()
            + entry.request_id.len()
            + entry.consumer.as_ref().map_or(0, |consumer| consumer.len())
            + logged
    }
}
