//! Pages of findings: collected up to a bounded size, then sent.

use gatehouse_schemas::{identity::DiscoveryId, observed::DiscoveredItem};

use super::{Ending, Shared};
use crate::{
    error::{Error, ErrorKind, Result},
    runtime::report::Delivery,
};

/// A page is sent on when it has grown to this size.
const PAGE_BYTES: usize = 1 << 20;

/// Collects findings into pages of bounded size and sends them.
pub(super) struct PageSender<'a> {
    shared: &'a Shared,
    id: DiscoveryId,
    lines: Vec<u8>,
    /// How many pages have arrived.
    pub(super) pages: u32,
}

impl<'a> PageSender<'a> {
    pub(super) fn new(shared: &'a Shared, id: DiscoveryId) -> Self {
        Self {
            shared,
            id,
            lines: Vec::new(),
            pages: 0,
        }
    }

    /// Takes in a finding; sends a page when it has grown large enough.
    pub(super) async fn add(&mut self, item: &DiscoveredItem) -> std::result::Result<(), Ending> {
        write_line(&mut self.lines, item).map_err(Ending::BrokenOff)?;
        if self.lines.len() >= PAGE_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Sends what was taken in.
    pub(super) async fn flush(&mut self) -> std::result::Result<(), Ending> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let lines = &std::mem::take(&mut self.lines);
        let (id, number) = (self.id, self.pages + 1);
        let connection = &self.shared.connection;
        let send = || {
            connection.call(|client, token| async move {
                client.discovery_page(&token, id, number, lines.clone()).await
            })
        };
        let delivery = self.shared.deliver(id, send).await;
        match delivery {
            Delivery::Acknowledged => {
                self.pages = number;
                Ok(())
            }
            Delivery::Stopped | Delivery::Stale => Err(Ending::Stopped),
            Delivery::Refused => Err(Ending::BrokenOff(Error::new(
                ErrorKind::Unexpected,
                format!("the control plane refused page {number} of the findings; see the agent's log"),
            ))),
        }
    }
}

fn write_line(lines: &mut Vec<u8>, item: &DiscoveredItem) -> Result<()> {
    let before = lines.len();
    serde_json::to_writer(&mut *lines, item).map_err(|error| {
        // No half line among the whole ones.
        lines.truncate(before);
        Error::new(ErrorKind::Unexpected, "a finding cannot be written as JSON").with_source(error)
    })?;
    lines.push(b'\n');
    Ok(())
}
