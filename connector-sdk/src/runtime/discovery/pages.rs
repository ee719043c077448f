//! Pages of findings: collected up to a bounded size, then sent. A page always ends where a page of the connector
//! ended, so that the position sent with it is one from which a listing can go on.

use std::time::{Duration, Instant};

use gatehouse_control_plane_api::agent::DiscoveryWork;
use gatehouse_schemas::{identity::DiscoveryId, observed::DiscoveredItem};

use super::{Ending, Shared};
use crate::{
    error::{Error, ErrorKind},
    runtime::report::Delivery,
};

/// A page is sent on when it has grown to this size.
const PAGE_BYTES: usize = 1 << 20;
/// A page is sent on when it is this old, so that an interrupted run need not do much again.
const PAGE_AGE: Duration = Duration::from_secs(5);
/// The longest finding that is sent. The control plane takes no longer ones.
const FINDING_BYTES: usize = 7 << 20;

/// Collects findings into pages of bounded size and sends them.
pub(super) struct PageSender<'a> {
    shared: &'a Shared,
    id: DiscoveryId,
    lines: Vec<u8>,
    begun: Instant,
    /// The connector's position after what was taken in.
    position: Option<String>,
    /// How many pages have arrived.
    pub(super) pages: u32,
}

impl<'a> PageSender<'a> {
    /// After the pages that have arrived already.
    pub(super) fn new(shared: &'a Shared, work: &DiscoveryWork) -> Self {
        let (pages, position) = match &work.resume {
            Some(resume) => (resume.pages, resume.position.clone()),
            None => (0, None),
        };
        Self {
            shared,
            id: work.id,
            lines: Vec::new(),
            begun: Instant::now(),
            // A page without a position is the end of the listing: one that breaks off at once must not be told as that.
            position,
            pages,
        }
    }

    /// Takes in a finding; says how many bytes it has.
    pub(super) fn add(&mut self, item: &DiscoveredItem) -> usize {
        let before = self.lines.len();
        if let Err(reason) = write_line(&mut self.lines, item) {
            // No half line among the whole ones.
            self.lines.truncate(before);
            let unreadable = DiscoveredItem::Unreadable {
                external_ref: item.external_ref().clone(),
                name: item.name().to_owned(),
                reason,
            };
            if write_line(&mut self.lines, &unreadable).is_err() {
                self.lines.truncate(before);
            }
        }
        self.lines.len() - before
    }

    /// Takes in that a page of the connector has ended; sends a page if it has grown large or old enough.
    pub(super) async fn end_page(&mut self, position: Option<String>) -> Result<(), Ending> {
        self.position = position;
        let is_due = self.lines.len() >= PAGE_BYTES || self.begun.elapsed() >= PAGE_AGE;
        match is_due || self.position.is_none() {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Sends what was taken in.
    pub(super) async fn flush(&mut self) -> Result<(), Ending> {
        self.begun = Instant::now();
        if self.lines.is_empty() {
            return Ok(());
        }
        let (lines, position) = (&std::mem::take(&mut self.lines), self.position.as_deref());
        let (id, number) = (self.id, self.pages + 1);
        let connection = &self.shared.connection;
        let send = || {
            connection.call(|client, token| async move {
                client
                    .discovery_page_at(&token, id, number, position, lines.clone())
                    .await
            })
        };
        match self.shared.deliver(id, send).await {
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

/// Writes a finding; the error says why it cannot be sent.
fn write_line(lines: &mut Vec<u8>, item: &DiscoveredItem) -> Result<(), String> {
    let before = lines.len();
    serde_json::to_writer(&mut *lines, item).map_err(|_| "what was read of it is not JSON".to_owned())?;
    let length = lines.len() - before;
    if length > FINDING_BYTES {
        return Err(format!(
            "it is too large ({length} bytes; at most {FINDING_BYTES} can be taken); make its definition smaller on the gateway"
        ));
    }
    lines.push(b'\n');
    Ok(())
}
