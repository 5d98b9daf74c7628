//! AWS behind the ports of the chain.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use serde_json::Value;

use super::client::{Client, Request};
use super::credentials::{Mint, OwnIdentity};
use super::models::Models;
use crate::config::Config;
use crate::names::{OperationId, Region};
use crate::ports::{
    Clock, Cloud, CloudError, CloudReply, CloudSession, CredentialsNote, Purpose, SessionRequest, SignedRequest,
};

/// AWS, or what speaks like it at the configured endpoints.
#[derive(Debug)]
pub struct AwsCloud {
    client: Arc<Client>,
    mint: Mint,
}

impl AwsCloud {
    /// Prepares the way to AWS. Does no IO: identity and connections come with the first session.
    pub fn new(config: &Config, models: Models, clock: Arc<dyn Clock>) -> Self {
        let client = Arc::new(Client::new(models, &config.aws, &config.limits));
        let mint = Mint::new(client.clone(), config.aws.clone(), clock);
        Self { client, mint }
    }

    /// Whose credentials this server has itself, by `sts:GetCallerIdentity` in `region`.
    pub async fn own_identity(&self, region: &Region) -> Result<OwnIdentity, CloudError> {
        self.mint.identity(region).await
    }
}

#[async_trait]
impl Cloud for AwsCloud {
    async fn open(&self, request: SessionRequest) -> Result<Arc<dyn CloudSession>, CloudError> {
        let (credentials, role) = self.mint.mint(&request).await?;
        Ok(Arc::new(AwsSession {
            client: self.client.clone(),
            credentials,
            region: request.region,
            purpose: request.purpose,
            note: CredentialsNote { role },
        }))
    }

    fn signing_region(
        &self,
        operation: &OperationId,
        arguments: &Value,
        region: &Region,
    ) -> Result<String, CloudError> {
        self.client.signing_region(operation, arguments, region)
    }
}

struct AwsSession {
    client: Arc<Client>,
    credentials: Credentials,
    region: Region,
    purpose: Purpose,
    note: CredentialsNote,
}

impl AwsSession {
    fn request<'r>(&'r self, operation: &'r OperationId, arguments: &'r Value) -> Request<'r> {
        Request {
            operation,
            arguments,
            region: &self.region,
            credentials: Some(self.credentials.clone()),
            purpose: self.purpose,
        }
    }
}

#[async_trait]
impl CloudSession for AwsSession {
    async fn send(&self, operation: &OperationId, arguments: &Value) -> Result<CloudReply, CloudError> {
        self.client.call(self.request(operation, arguments)).await
    }

    async fn sign(&self, operation: &OperationId, arguments: &Value) -> Result<SignedRequest, CloudError> {
        self.client.sign(self.request(operation, arguments)).await
    }

    fn endpoint(&self, operation: &OperationId) -> Result<String, CloudError> {
        self.client.endpoint(operation, &self.region)
    }

    fn credentials(&self) -> CredentialsNote {
        self.note.clone()
    }
}

impl fmt::Debug for AwsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsSession").field("region", &self.region).field("note", &self.note).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
