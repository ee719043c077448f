//! A listing, page by page: the agent's next page waits for its answer until the suite asks for it.

use gatehouse_connector_sdk::{
    connector::{DiscoveryPage, PageRequest},
    context::Context,
    error::{Error, ErrorKind, Result},
};
use gatehouse_control_plane_api::agent::{
    DiscoveryCompletion, DiscoveryOutcome, DiscoveryWork, ResumePosition,
};
use gatehouse_schemas::identity::DiscoveryId;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    super::control_plane::{Page, Reply, Told},
    session::{Session, refuse},
};

/// A page whose answer waits.
pub(super) struct Pending {
    id: DiscoveryId,
    /// Its number.
    number: u32,
    position: String,
    reply: oneshot::Sender<Reply>,
}

pub(super) struct Listing;

impl Listing {
    /// The page that is asked for: the next one of the listing that waits, or one of a new listing.
    pub(super) async fn page(
        session: &mut Session,
        context: &Context,
        request: PageRequest,
    ) -> Result<DiscoveryPage> {
        let waiting = session.listing.take();
        let (id, number) = match waiting {
            Some(pending) if request.position.as_ref() == Some(&pending.position) => {
                let _ = pending.reply.send(Reply::Taken);
                (pending.id, pending.number + 1)
            }
            _ => begin(session, context, request),
        };
        let mut seen: Option<Page> = None;
        loop {
            let event = session.next().await?;
            match event.told {
                // A listing whose position was not taken begins anew, with its first page.
                Told::Page(told, page) if told == id && page.number != number && page.number != 1 => {
                    return Err(Error::new(
                        ErrorKind::Unexpected,
                        format!(
                            "page {number} was to come, and the agent sent page {}",
                            page.number
                        ),
                    ));
                }
                Told::Page(told, page) if told == id => match page.position.clone() {
                    Some(position) => {
                        session.listing = Some(Pending {
                            id,
                            number: page.number,
                            position: position.clone(),
                            reply: event.reply,
                        });
                        return Ok(DiscoveryPage {
                            items: page.items,
                            next: Some(position),
                        });
                    }
                    None => {
                        let _ = event.reply.send(Reply::Taken);
                        seen = Some(page);
                    }
                },
                Told::Completion(told, completion) if told == id => {
                    session.change(|world, _| world.discovery = None);
                    let _ = event.reply.send(Reply::Taken);
                    return end(completion, seen);
                }
                _ => refuse(event, "the suite waits for another listing"),
            }
        }
    }
}

fn begin(session: &Session, context: &Context, request: PageRequest) -> (DiscoveryId, u32) {
    let id = DiscoveryId(Uuid::new_v4());
    let environment_id = context.environment.id;
    // How many pages there were makes no difference to the agent but for the number of the next.
    let pages = u32::from(request.position.is_some());
    session.know(&request.known);
    session.change(|world, _| {
        world.discovery = Some(DiscoveryWork {
            id,
            environment_id,
            filter: request.filter,
            resume: request.position.map(|position| ResumePosition {
                pages,
                position: Some(position),
            }),
        });
    });
    (id, pages + 1)
}

fn end(completion: DiscoveryCompletion, last: Option<Page>) -> Result<DiscoveryPage> {
    match completion.outcome {
        DiscoveryOutcome::Complete => Ok(DiscoveryPage {
            items: last.map(|page| page.items).unwrap_or_default(),
            next: None,
        }),
        DiscoveryOutcome::Partial | DiscoveryOutcome::Failed => {
            let message = completion.message.unwrap_or_default();
            Err(Error::new(
                ErrorKind::Unavailable,
                format!("the discovery is {:?}: {message}", completion.outcome),
            ))
        }
    }
}
