//! Credentials: the server's own identity, and what `sts:AssumeRole` makes of it for one call or one reader.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use jiff::Timestamp;
use lru::LruCache;
use serde_json::{Value, json};

use super::client::{Client, Request, causes, not_sent};
use super::own_identity;
use super::plugins::Answer;
use crate::config::AwsConfig;
use crate::credentials::SESSION_TAGS;
use crate::digest::Digest;
use crate::names::{OperationId, PlanId, Region};
use crate::ports::{Clock, CloudError, Purpose, SessionRequest};

/// Cached credentials are to outlast a call that waits for a person, 270 seconds at most, and the call itself then.
const LONGEST_CALL: Duration = Duration::from_secs(420);

/// Own credentials without an expiry are looked up again after this long, so that a changed file is noticed.
const OWN_FOR: Duration = Duration::from_secs(300);

/// The shortest life that AWS gives a role session, in seconds.
const ROLE_SECONDS: u32 = 900;

/// Most cached reading sessions; those used longest ago go first.
const MOST_CACHED: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// A clock that is further off is told of: beyond that, AWS refuses signatures.
const TOLERATED_SKEW: Duration = Duration::from_secs(300);

/// What no session tag may begin with.
const RESERVED: &str = "aws:";

/// Longest value of a session tag, in characters.
const LONGEST_TAG: usize = 256;

/// Mints credentials. They stay in memory, and no `Debug` shows them.
pub struct Mint {
    client: Arc<Client>,
    settings: AwsConfig,
    clock: Arc<dyn Clock>,
    own: tokio::sync::Mutex<Option<Kept>>,
    account: tokio::sync::Mutex<Option<(String, String)>>,
    readers: Mutex<LruCache<Reader, Slot>>,
}

/// Whose the server's own credentials are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnIdentity {
    /// The account's twelve digits.
    pub account: String,
    /// The ARN: a user's, or an assumed role's session's.
    pub arn: String,
    /// AWS's time when it answered (the header `Date`, to the second).
    pub date: Option<Timestamp>,
}

type Slot = Arc<tokio::sync::Mutex<Option<Kept>>>;

struct Kept {
    credentials: Credentials,
    until: Timestamp,
}

/// What reading sessions are shared by. The policy names the targets, so only reads of the same things share one.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Reader {
    account: String,
    region: String,
    role: String,
    human: String,
    agent: String,
    policy: Digest,
}

impl Mint {
    /// Does nothing yet: the server's own identity is looked up when a session is first opened.
    pub fn new(client: Arc<Client>, settings: AwsConfig, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            settings,
            clock,
            own: tokio::sync::Mutex::default(),
            account: tokio::sync::Mutex::default(),
            readers: Mutex::new(LruCache::new(MOST_CACHED)),
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

    /// Shared by reads of the same things for one human through one agent; minted once however many ask at the same time.
    async fn reader(&self, role: &str, request: &SessionRequest) -> Result<Credentials, CloudError> {
        let key = Reader {
            account: request.account.id.clone(),
            region: request.region.as_str().to_owned(),
            role: role.to_owned(),
            human: request.human.as_str().to_owned(),
            agent: request.agent.as_str().to_owned(),
            policy: request.policy.digest(),
        };
        let slot = {
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(readers.get_or_insert(key, Slot::default))
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
        let arguments = assume_role(role, request);
        let own = self.own().await?;
        let answer = match self.sts("AssumeRole", &arguments, &request.region, own).await {
            Ok(answer) => answer,
            Err(error) => {
                self.forget_stale(&error).await;
                return Err(not_sent(format!("the role {role} could not be assumed: {error}; {}", mend(&error))));
            }
        };
        let text = |name: &str| answer.output.pointer(&format!("/Credentials/{name}")).and_then(Value::as_str);
        let (Some(id), Some(secret), Some(token)) =
            (text("AccessKeyId"), text("SecretAccessKey"), text("SessionToken"))
        else {
            return Err(not_sent(format!("sts gave no credentials for the role {role}")));
        };
        let now = self.clock.now();
        tell_skew(now, answer.date);
        let expires = text("Expiration").and_then(|text| text.parse::<Timestamp>().ok());
        let made = answer.date.unwrap_or(now);
        let life = life(expires, made);
        let expires = after(now, life);
        let credentials = Credentials::new(id, secret, Some(token.to_owned()), Some(expires.into()), "countersign");
        Ok(Kept { credentials, until: before(expires, renewed_before(life)) })
    }

    /// Own credentials that AWS doesn't take are looked up again by the next call.
    async fn forget_stale(&self, error: &CloudError) {
        let stale = ["ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"];
        if matches!(error, CloudError::Refused { code, .. } if stale.contains(&code.as_str())) {
            *self.own.lock().await = None;
        }
    }

    /// The server's own credentials, where they are of the account that the call is for.
    async fn own_in(&self, account: &str, region: &Region) -> Result<Credentials, CloudError> {
        let own = self.own().await?;
        let mut known = self.account.lock().await;
        if known.as_ref().is_none_or(|(key, _)| key != own.access_key_id()) {
            let output = self.sts("GetCallerIdentity", &json!({}), region, own.clone()).await.map_err(|error| {
                not_sent(format!("sts does not say which account this server's own identity is of: {error}"))
            })?;
            let found = output.output.get("Account").and_then(Value::as_str).unwrap_or_default().to_owned();
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

    /// Whose the server's own credentials are, as sts says.
    pub(super) async fn identity(&self, region: &Region) -> Result<OwnIdentity, CloudError> {
        let own = self.own().await?;
        let answer = self.sts("GetCallerIdentity", &json!({}), region, own).await?;
        let text = |name: &str| answer.output.get(name).and_then(Value::as_str).map(str::to_owned);
        match (text("Account"), text("Arn")) {
            (Some(account), Some(arn)) => Ok(OwnIdentity { account, arn, date: answer.date }),
            _ => Err(CloudError::Unknown { reason: "sts names no identity".to_owned(), request_id: answer.request_id }),
        }
    }

    async fn own(&self) -> Result<Credentials, CloudError> {
        let mut kept = self.own.lock().await;
        let now = self.clock.now();
        if let Some(kept) = kept.as_ref().filter(|kept| kept.until > now) {
            return Ok(kept.credentials.clone());
        }
        // Made anew each time: the SDK's providers read their files once.
        let provider = own_identity::provider(&self.settings, self.client.http()).await?;
        let credentials = provider.provide_credentials().await.map_err(|error| {
            not_sent(format!(
                "this server finds no AWS credentials of its own: {}; set `aws.profile`, or give it a role",
                causes(&error)
            ))
        })?;
        let latest = after(now, OWN_FOR);
        let until = credentials.expiry().and_then(|expiry| Timestamp::try_from(expiry).ok());
        // Told by AWS's clock: where this machine's is behind, credentials that have expired are looked up again.
        let until = until.map_or(latest, |expiry| {
            let life = Duration::try_from(expiry.duration_since(now)).unwrap_or_default();
            before(expiry, renewed_before(life)).min(latest)
        });
        *kept = Some(Kept { credentials: credentials.clone(), until });
        Ok(credentials)
    }

    async fn sts(
        &self,
        operation: &str,
        arguments: &Value,
        region: &Region,
        credentials: Credentials,
    ) -> Result<Answer, CloudError> {
        let operation = OperationId::new("sts", operation);
        let request = Request {
            operation: &operation,
            arguments,
            region,
            credentials: Some(credentials),
            purpose: Purpose::Read,
        };
        self.client.answer(request).await
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
    if (2..=64).contains(&text.len()) && text.chars().all(plain) && !looks_digested(text) {
        return text.to_owned();
    }
    let name: String = text.chars().map(|c| if plain(c) { c } else { '-' }).take(48).collect();
    format!("{name}-{}", Digest::of_bytes("countersign.aws-name.v1", text.as_bytes()).short())
}

/// A text as a session tag's value: at most 256 of the characters that all of AWS's services take. Distinct texts stay
/// distinct. Nothing begins with `aws:`, which is AWS's own in any case.
///
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_Tag.html>
fn tag_value(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c);
    let reserved = text.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED));
    if !reserved && text.chars().all(plain) && text.len() <= LONGEST_TAG && !looks_digested(text) {
        return text.to_owned();
    }
    let kept = |c: char| plain(c) && !(reserved && c == ':');
    let value: String = text.chars().map(|c| if kept(c) { c } else { '-' }).take(LONGEST_TAG - 16).collect();
    format!("{value}-{}", Digest::of_bytes("countersign.aws-tag.v1", text.as_bytes()).short())
}

/// Whether a text ends as those do that a digest was added to: it gets one too, so that it isn't taken for another.
fn looks_digested(text: &str) -> bool {
    let digest = text.rsplit_once('-').map_or("", |(_, end)| end);
    digest.len() == 12 && digest.chars().all(|c| c.is_ascii_hexdigit())
}

/// The arguments of `sts:AssumeRole`. A change's session is named after its call; a reading session may serve several
/// calls, so it is named after the human. No tag is transitive.
fn assume_role(role: &str, request: &SessionRequest) -> Value {
    let human = request.human.as_str();
    let session = match request.purpose {
        Purpose::Read => aws_name(&format!("read-{human}")),
        Purpose::Change => aws_name(request.call.as_str()),
    };
    let plan = request.plan.as_ref().map(PlanId::as_str);
    let values = [Some(request.agent.as_str()), plan, request.ticket.as_deref()];
    let tags: Vec<Value> = SESSION_TAGS
        .into_iter()
        .zip(values)
        .filter_map(|(key, value)| Some(json!({ "Key": key, "Value": tag_value(value?) })))
        .collect();
    let mut arguments = json!({
        "RoleArn": role,
        "RoleSessionName": session,
        "SourceIdentity": aws_name(human),
        "DurationSeconds": ROLE_SECONDS,
        "Policy": request.policy.text(),
        "Tags": tags,
    });
    if let (Some(id), Some(members)) = (&request.account.external_id, arguments.as_object_mut()) {
        members.insert("ExternalId".to_owned(), Value::from(id.as_str()));
    }
    arguments
}

/// How long a session lives, from when AWS made it, by AWS's clock alone.
fn life(expires: Option<Timestamp>, made: Timestamp) -> Duration {
    let longest = Duration::from_secs(ROLE_SECONDS.into());
    match expires.map(|expires| Duration::try_from(expires.duration_since(made))) {
        None => longest,
        Some(life) => life.unwrap_or_default().min(longest),
    }
}

/// How long before they expire cached credentials of such a life are renewed: early enough for the longest call to end with
/// them; but where they live too shortly for that, they are used for half of their life, and never without end renewed.
fn renewed_before(life: Duration) -> Duration {
    LONGEST_CALL.min(life / 2)
}

fn tell_skew(now: Timestamp, date: Option<Timestamp>) {
    let Some(date) = date else { return };
    let skew = now.duration_since(date);
    if skew.unsigned_abs() > TOLERATED_SKEW {
        let seconds = skew.as_secs();
        tracing::warn!(seconds, "this machine's clock and AWS's differ; AWS refuses calls that are signed too far off");
    }
}

/// What helps against sts's refusal.
fn mend(error: &CloudError) -> &'static str {
    let CloudError::Refused { code, message, .. } = error else {
        return "check the way to sts, then try again";
    };
    match code.as_str() {
        "AccessDenied" if message.contains("sts:TagSession") => {
            "the role's trust policy and this server's own policy must also allow sts:TagSession"
        }
        "AccessDenied" if message.contains("sts:SetSourceIdentity") => {
            "the role's trust policy and this server's own policy must also allow sts:SetSourceIdentity"
        }
        "PackedPolicyTooLarge" | "PackedPolicyTooLargeException" => {
            "the session policy and tags are too large once packed: name fewer targets in one call"
        }
        "MalformedPolicyDocument" | "MalformedPolicyDocumentException" => {
            "the session policy that was made for this call is at fault: report it"
        }
        "RegionDisabledException" => "switch sts on in this region, or take another",
        "ExpiredToken" | "ExpiredTokenException" => "this server's own credentials have expired: renew them",
        "InvalidClientTokenId" | "UnrecognizedClientException" => "this server's own credentials are not known to AWS",
        "RequestExpired" | "RequestTimeTooSkewed" => CLOCK,
        "SignatureDoesNotMatch" | "InvalidSignatureException"
            if message.contains("expired") || message.contains("not yet current") =>
        {
            CLOCK
        }
        _ => {
            "its trust policy must allow this server's identity sts:AssumeRole, sts:SetSourceIdentity and \
             sts:TagSession, with the `external_id` of the configuration"
        }
    }
}

const CLOCK: &str = "this machine's clock is further off than AWS tolerates: set it";

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
        let posing = &odd[0];
        assert!(posing.starts_with("Jo-Bloggs-") && aws_name(posing) != *posing, "{posing}");
        let tag = tag_value("a ticket, odd");
        assert_ne!(tag_value(&tag), tag);
    }

    #[test]
    fn no_tag_begins_as_aws_s_own_do() {
        assert_eq!(tag_value("OPS-17 aws:x"), "OPS-17 aws:x");
        let values = ["aws:", "aws:ops-17", "AWS:ops-17", "aws-ops-17", "aWs:cloudformation:stack-name"].map(tag_value);
        for value in &values {
            assert!(!value.to_lowercase().starts_with("aws:"), "{value}");
        }
        let distinct: std::collections::HashSet<_> = values.iter().collect();
        assert_eq!(distinct.len(), values.len());
    }

    #[test]
    fn credentials_are_renewed_by_how_long_they_live() {
        for (life, before) in [(900, 420), (3600, 420), (840, 420), (600, 300), (60, 30), (0, 0)] {
            assert_eq!(renewed_before(Duration::from_secs(life)), Duration::from_secs(before), "{life}");
        }
    }

    #[test]
    fn a_role_of_another_account_is_refused() {
        assert!(check_account("arn:aws:iam::111111111111:role/r", "111111111111").is_ok());
        assert!(check_account("arn:aws:iam::222222222222:role/r", "111111111111").is_err());
        assert!(check_account("nonsense", "111111111111").is_err());
    }
}
