//! `Desk`: what the protocol's side needs of the chain.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::approval::ask::Asker;
use crate::audit::record::Recorded;
use crate::call::listing::ToolListing;
use crate::call::request::ToolRequest;
use crate::pipeline::Pipeline;
use crate::ports::StoreError;

/// Where tool requests are handed in. The pipeline is the one desk; tests put others in its place.
#[async_trait]
pub trait Desk: Send + Sync + 'static {
    /// The tools there are.
    fn tools(&self) -> Vec<ToolListing>;

    /// One of them.
    fn tool(&self, name: &str) -> Option<ToolListing> {
        self.tools().into_iter().find(|tool| tool.name == name)
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
    fn tools(&self) -> Vec<ToolListing> {
        self.listings().to_vec()
    }

    fn tool(&self, name: &str) -> Option<ToolListing> {
        self.listings().iter().find(|tool| tool.name == name).cloned()
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
