//! Credentials: the server's own identity, and what `sts:AssumeRole` makes of it for one call or one reader.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::client::{Client, Request, not_sent};
use crate::config::AwsConfig;
use crate::digest::Digest;
use crate::names::{OperationId, Region};
use crate::ports::{Clock, CloudError, Purpose, SessionRequest};

/// Credentials are renewed this long before they expire.
const RENEW_BEFORE: Duration = Duration::from_secs(120);

/// Own credentials without an expiry are looked up again after this long, so that a changed file is noticed.
const OWN_FOR: Duration = Duration::from_secs(300);

/// The shortest life that AWS gives a role session, in seconds.
const ROLE_SECONDS: u32 = 900;

/// Most cached reading sessions; the oldest go first.
const MOST_CACHED: usize = 256;

/// Mints credentials. They stay in memory, and no `Debug` shows them.
pub struct Mint {
    client: Arc<Client>,
    settings: AwsConfig,
    clock: Arc<dyn Clock>,
    provider: OnceCell<SharedCredentialsProvider>,
    own: tokio::sync::Mutex<Option<Kept>>,
    account: tokio::sync::Mutex<Option<(String, String)>>,
    readers: Mutex<HashMap<Reader, Slot>>,
}

type Slot = Arc<tokio::sync::Mutex<Option<Kept>>>;

struct Kept {
    credentials: Credentials,
    until: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Reader {
    role: String,
    human: String,
    agent: String,
}

impl Mint {
    /// Does nothing yet: the server's own identity is looked up when a session is first opened.
    pub fn new(client: Arc<Client>, settings: AwsConfig, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            settings,
            clock,
            provider: OnceCell::new(),
            own: tokio::sync::Mutex::default(),
            account: tokio::sync::Mutex::default(),
            readers: Mutex::default(),
        }
    }

    /// Credentials for a session, and the role they are of.
    pub async fn mint(&self, request: &SessionRequest) -> Result<(Credentials, Option<String>), CloudError> {
        let role = match request.purpose {
            Purpose::Read => request.account.read_role.clone(),
            Purpose::Change => request.account.change_role.clone(),
        };
        let credentials = match &role {
            None => self.own_in(&request.account.id, &request.region).await?,
            Some(role) => {
                check_account(role, &request.account.id)?;
                match request.purpose {
                    Purpose::Change => self.assume(role, request).await?.credentials,
                    Purpose::Read => self.reader(role, request).await?,
                }
            }
        };
        Ok((credentials, role))
    }

    /// Shared by all reads of one human through one agent; looked up once however many ask at the same time.
    async fn reader(&self, role: &str, request: &SessionRequest) -> Result<Credentials, CloudError> {
        let key = Reader {
            role: role.to_owned(),
            human: request.human.as_str().to_owned(),
            agent: request.agent.as_str().to_owned(),
        };
        let slot = {
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            if readers.len() >= MOST_CACHED && !readers.contains_key(&key) {
                readers.clear();
            }
            readers.entry(key).or_default().clone()
        };
        let mut kept = slot.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.until > self.clock.now()) {
            return Ok(kept.credentials.clone());
        }
        let fresh = self.assume(role, request).await?;
        let credentials = fresh.credentials.clone();
        *kept = Some(fresh);
        Ok(credentials)
    }

    async fn assume(&self, role: &str, request: &SessionRequest) -> Result<Kept, CloudError> {
        let human = aws_name(request.human.as_str());
        let session = match request.purpose {
            Purpose::Read => format!("read-{human}").chars().take(64).collect(),
            Purpose::Change => aws_name(request.call.as_str()),
        };
        let mut arguments = json!({
            "RoleArn": role,
            "RoleSessionName": session,
            "SourceIdentity": human,
            "DurationSeconds": ROLE_SECONDS,
            "Tags": [{ "Key": "agent", "Value": tag_value(request.agent.as_str()) }],
        });
        if let (Some(id), Some(members)) = (&request.account.external_id, arguments.as_object_mut()) {
            members.insert("ExternalId".to_owned(), Value::from(id.as_str()));
        }
        let own = self.own().await?;
        let output = self.sts("AssumeRole", &arguments, &request.region, own).await.map_err(|error| {
            let mend = "its trust policy must allow this server's identity sts:AssumeRole, sts:SetSourceIdentity and sts:TagSession";
            not_sent(format!("the role {role} could not be assumed: {error}; {mend}"))
        })?;
        let text = |name: &str| output.pointer(&format!("/Credentials/{name}")).and_then(Value::as_str);
        let (Some(id), Some(secret), Some(token)) =
            (text("AccessKeyId"), text("SecretAccessKey"), text("SessionToken"))
        else {
            return Err(not_sent(format!("sts gave no credentials for the role {role}")));
        };
        let expires = text("Expiration").and_then(|text| text.parse::<Timestamp>().ok());
        let expires = expires.unwrap_or_else(|| after(self.clock.now(), Duration::from_secs(ROLE_SECONDS.into())));
        let credentials = Credentials::new(id, secret, Some(token.to_owned()), Some(expires.into()), "countersign");
        Ok(Kept { credentials, until: before(expires, RENEW_BEFORE) })
    }

    /// The server's own credentials, where they are of the account that the call is for.
    async fn own_in(&self, account: &str, region: &Region) -> Result<Credentials, CloudError> {
        let own = self.own().await?;
        let mut known = self.account.lock().await;
        if known.as_ref().is_none_or(|(key, _)| key != own.access_key_id()) {
            let output = self.sts("GetCallerIdentity", &json!({}), region, own.clone()).await.map_err(|error| {
                not_sent(format!("sts does not say which account this server's own identity is of: {error}"))
            })?;
            let found = output.get("Account").and_then(Value::as_str).unwrap_or_default().to_owned();
            *known = Some((own.access_key_id().to_owned(), found));
        }
        match known.as_ref() {
            Some((_, found)) if found == account => Ok(own),
            found => {
                let found = found.map(|(_, found)| found.as_str()).unwrap_or_default();
                Err(not_sent(format!(
                    "no role is configured for account {account}, and this server's own identity is of account {found}: \
                     configure roles, or start the server with an identity of account {account}"
                )))
            }
        }
    }

    async fn own(&self) -> Result<Credentials, CloudError> {
        let mut kept = self.own.lock().await;
        let now = self.clock.now();
        if let Some(kept) = kept.as_ref().filter(|kept| kept.until > now) {
            return Ok(kept.credentials.clone());
        }
        let provider = self.provider.get_or_try_init(|| self.chain()).await?;
        let credentials = provider.provide_credentials().await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})")).unwrap_or_default();
            not_sent(format!(
                "this server finds no AWS credentials of its own: {error}{cause}; set `aws.profile`, or give it a role"
            ))
        })?;
        let latest = after(now, OWN_FOR);
        let until = credentials.expiry().and_then(|expiry| Timestamp::try_from(expiry).ok());
        let until = until.map_or(latest, |expiry| before(expiry, RENEW_BEFORE).min(latest));
        *kept = Some(Kept { credentials: credentials.clone(), until });
        Ok(credentials)
    }

    /// What the configuration names, and only that; where it names nothing, the SDK's chain: environment, profile, SSO, web
    /// identity, container, instance.
    async fn chain(&self) -> Result<SharedCredentialsProvider, CloudError> {
        let AwsConfig { profile, credentials_file, .. } = &self.settings;
        if profile.is_none() && credentials_file.is_none() {
            let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(self.client.http());
            let provider = loader.load().await.credentials_provider();
            return provider.ok_or_else(|| not_sent("this server finds no AWS credentials of its own"));
        }
        let mut files = EnvConfigFiles::builder().include_default_config_file(true);
        files = match credentials_file {
            Some(file) => files.with_file(EnvConfigFileKind::Credentials, file),
            None => files.include_default_credentials_file(true),
        };
        let http = ProviderConfig::without_region().with_http_client(self.client.http());
        let mut provider = ProfileFileCredentialsProvider::builder().configure(&http).profile_files(files.build());
        if let Some(profile) = profile {
            provider = provider.profile_name(profile);
        }
        Ok(SharedCredentialsProvider::new(provider.build()))
    }

    async fn sts(
        &self,
        operation: &str,
        arguments: &Value,
        region: &Region,
        credentials: Credentials,
    ) -> Result<Value, CloudError> {
        let operation = OperationId::new("sts", operation);
        let request = Request {
            operation: &operation,
            arguments,
            region,
            credentials: Some(credentials),
            purpose: Purpose::Read,
        };
        Ok(self.client.call(request).await?.output)
    }
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mint").finish_non_exhaustive()
    }
}

fn check_account(role: &str, account: &str) -> Result<(), CloudError> {
    if role.split(':').nth(4) == Some(account) {
        return Ok(());
    }
    Err(not_sent(format!("the role {role} is not of account {account}: correct the configuration")))
}

/// A text as a role session's name or source identity: 2 to 64 of `A-Za-z0-9_+=,.@-`. Distinct texts stay distinct.
///
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
fn aws_name(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if (2..=64).contains(&text.len()) && text.chars().all(plain) {
        return text.to_owned();
    }
    let name: String = text.chars().map(|c| if plain(c) { c } else { '-' }).take(48).collect();
    format!("{name}-{}", Digest::of_bytes("countersign.aws-name.v1", text.as_bytes()).short())
}

fn tag_value(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() || " _.:/=+-@".contains(c) { c } else { '-' }).take(256).collect()
}

fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    moment.checked_add(duration).unwrap_or(Timestamp::MAX)
}

fn before(moment: Timestamp, duration: Duration) -> Timestamp {
    moment.checked_sub(duration).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_sts_and_stay_distinct() {
        assert_eq!(aws_name("jo.bloggs@example.com"), "jo.bloggs@example.com");
        let odd = ["Jo Bloggs", "Jo/Bloggs", "x", "", "ä", &"y".repeat(200), &"y".repeat(201)].map(aws_name);
        for name in &odd {
            assert!((2..=64).contains(&name.len()), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)), "{name}");
        }
        let distinct: std::collections::HashSet<_> = odd.iter().collect();
        assert_eq!(distinct.len(), odd.len());
    }

    #[test]
    fn a_role_of_another_account_is_refused() {
        assert!(check_account("arn:aws:iam::111111111111:role/r", "111111111111").is_ok());
        assert!(check_account("arn:aws:iam::222222222222:role/r", "111111111111").is_err());
        assert!(check_account("nonsense", "111111111111").is_err());
    }
}
