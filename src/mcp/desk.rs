//! `Desk`: what the protocol's side needs of the chain.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::approval::ask::Asker;
use crate::audit::record::Recorded;
use crate::call::listing::ToolListing;
use crate::call::request::ToolRequest;
use crate::names::{Agent, Human};
use crate::pipeline::Pipeline;
use crate::policy::set::Policies;
use crate::ports::StoreError;

/// Where tool requests are handed in. The pipeline is the one desk; tests put others in its place.
#[async_trait]
pub trait Desk: Send + Sync + 'static {
    /// The tools that this agent, acting for this human, could ever use.
    fn tools(&self, agent: &Agent, human: &Human) -> Vec<ToolListing>;

    /// Any tool there is, whoever may use it.
    fn tool(&self, name: &str) -> Option<ToolListing>;

    /// Tells whenever there may be other tools; `None` where there never are.
    fn changes(&self) -> Option<watch::Receiver<Arc<Policies>>> {
        None
    }

    /// Takes a request through the whole chain. `cancel` says that nobody waits for the answer any more: what was not
    /// sent to AWS yet must not be, what was sent is seen through to its outcome.
    ///
    /// Fails only where the answer could not be recorded.
    async fn handle(
        &self,
        request: ToolRequest,
        asker: &dyn Asker,
        cancel: CancellationToken,
    ) -> Result<Recorded, StoreError>;
}

#[async_trait]
impl Desk for Pipeline {
    fn tools(&self, agent: &Agent, human: &Human) -> Vec<ToolListing> {
        self.listings_for(agent, human)
    }

    fn changes(&self) -> Option<watch::Receiver<Arc<Policies>>> {
        Some(self.world().policies.changes())
    }

    fn tool(&self, name: &str) -> Option<ToolListing> {
        self.listing(name)
    }

    async fn handle(
        &self,
        request: ToolRequest,
        asker: &dyn Asker,
        cancel: CancellationToken,
    ) -> Result<Recorded, StoreError> {
        Self::handle(self, request, asker, cancel).await
    }
}
