//! Seeds the two accounts: identities first, then the orders service. Run again it adds only what is missing.

pub(super) mod identity;
mod orders;
pub(super) mod root;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::SandboxError;
use super::files::{self, AccessKey};
use super::state::SeededAccount;
use crate::names::{OperationId, Stage};
use crate::ports::{CloudError, CloudReply, CloudSession};
use root::Root;

/// The region everything is in.
pub const REGION: &str = "eu-central-1";

/// The account of the server's own identity; no call goes there.
pub(super) const TOOLS_ACCOUNT: &str = "111122223333";

/// An account of the sandbox.
#[derive(Clone, Copy, Debug)]
pub struct SandboxAccount {
    /// Its name in `countersign.toml`.
    pub name: &'static str,
    /// Its twelve digits.
    pub id: &'static str,
    /// Its stage; also the value of the tag `env`, and part of the buckets' names.
    pub stage: Stage,
}

/// The account for trying things.
pub const DEV: SandboxAccount = SandboxAccount { name: "shop-dev", id: "210987654321", stage: Stage::Dev };

/// The account that earns the money.
pub const PROD: SandboxAccount = SandboxAccount { name: "shop-prod", id: "123456789012", stage: Stage::Prod };

/// The accounts calls can go to.
pub const ACCOUNTS: [SandboxAccount; 2] = [DEV, PROD];

/// What seeding made that nobody can know beforehand.
pub(super) struct Seeded {
    pub(super) server_key: AccessKey,
    pub(super) accounts: BTreeMap<String, SeededAccount>,
}

/// Seeds all accounts.
pub(super) async fn seed(folder: &Path, root: &Root) -> Result<Seeded, SandboxError> {
    let tools = Account::open(root, "shop-tools", TOOLS_ACCOUNT).await?;
    identity::server_user(&tools).await?;
    let server_key = identity::server_key(&tools, files::read_credentials(folder)).await?;
    let mut accounts = BTreeMap::new();
    for account in &ACCOUNTS {
        let session = Account::open(root, account.name, account.id).await?;
        identity::roles(&session, &root.roles(account.name)?).await?;
        orders::service(&session, account).await?;
        let instances = orders::instances(&session).await?;
        accounts.insert(account.name.to_owned(), SeededAccount { id: account.id.to_owned(), instances });
    }
    Ok(Seeded { server_key, accounts })
}

/// An account, reached with its root key.
struct Account {
    name: String,
    session: Arc<dyn CloudSession>,
}

impl Account {
    async fn open(root: &Root, name: &str, id: &str) -> Result<Self, SandboxError> {
        Ok(Self { name: name.to_owned(), session: root.session(name, id).await? })
    }

    /// Calls an operation.
    async fn call(&self, service: &str, operation: &str, arguments: Value) -> Result<CloudReply, SandboxError> {
        let operation = OperationId::new(service, operation);
        let reply = self.session.send(&operation, &arguments).await;
        reply.map_err(|error| self.failed(&operation, error))
    }

    /// Makes something. False where it is there already.
    async fn create(&self, service: &str, operation: &str, arguments: Value) -> Result<bool, SandboxError> {
        let operation = OperationId::new(service, operation);
        match self.session.send(&operation, &arguments).await {
            Ok(_) => Ok(true),
            Err(CloudError::Refused { code, .. }) if says_it_exists(&code) => Ok(false),
            Err(error) => Err(self.failed(&operation, error)),
        }
    }

    fn failed(&self, operation: &OperationId, error: CloudError) -> SandboxError {
        SandboxError::Seed { account: self.name.clone(), step: format!("call {operation}"), error: Box::new(error) }
    }
}

/// `EntityAlreadyExists`, `DBInstanceAlreadyExists`, ...; S3 for one's own buckets, and DynamoDB, say it otherwise.
fn says_it_exists(code: &str) -> bool {
    code.contains("AlreadyExists") || ["BucketAlreadyOwnedByYou", "ResourceInUseException"].contains(&code)
}
