//! Passkeys (WebAuthn): enrolling one, and checking what one has signed. The only place that knows `webauthn-rs`.
//!
//! The crate makes up its own challenges; ours are the digests of statements, so what a browser is asked to sign, and what
//! the crate compares with, is made here. Steps of the specification the crate leaves out are checked here too:
//! <https://www.w3.org/TR/webauthn-3/#sctn-verifying-assertion>.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::error::WebauthnError;
use webauthn_rs_core::proto::{
    AttestationConveyancePreference, AttestationFormat, COSEAlgorithm, Credential, ParsedAttestation,
    RegistrationState, UserVerificationPolicy,
};

use super::people::Passkey;
use super::statement::{Signed, Statement};
use crate::config::HttpConfig;
use crate::digest::{Digest, NotCanonical};
use crate::names::Human;
use crate::text::escape::quoted;

/// How long browsers let people look for their passkey.
pub const TIMEOUT: Duration = Duration::from_secs(300);

/// Most characters of a passkey's label that are kept.
const LONGEST_LABEL: usize = 64;

/// Where passkeys are used: the console's origin, and the host they are bound to.
#[derive(Clone, Debug)]
pub struct Site {
    origin: String,
    host: String,
    core: WebauthnCore,
}

/// Why something a passkey or a browser answered does not count.
#[derive(Debug, thiserror::Error)]
pub enum NotSigned {
    /// The address is no origin that passkeys could be bound to.
    #[error("{} is not the origin of a site", quoted(.0, 200))]
    NotASite(String),
    /// The answer has not the form that WebAuthn gives it.
    #[error("the browser's answer can't be read: {0}")]
    Unreadable(String),
    /// It answers another question, or was made on another site.
    #[error("the answer is for {0}")]
    Other(&'static str),
    /// The passkey is not one of those that may answer.
    #[error("the passkey is not enrolled for this person")]
    UnknownPasskey,
    /// The passkey didn't check who used it.
    #[error("the passkey did not verify who used it")]
    NotVerified,
    /// The signature is not one of this key over this statement.
    #[error("the signature is not valid")]
    Invalid,
    /// The passkey says that it has signed fewer times than before.
    #[error("the passkey has signed as often before: there may be a copy of it")]
    Copied,
    /// The passkey is enrolled already.
    #[error("the passkey is enrolled already")]
    Enrolled,
    /// The statement has no digest.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
}

impl NotSigned {
    /// What to do about it.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::NotASite(_) => {
                "set `public_url` under `[http]` to scheme and host, such as `https://guard.example.com`"
            }
            Self::Unreadable(_) | Self::Invalid | Self::NotCanonical(_) => {
                "try again; if it happens again, try another browser or passkey"
            }
            Self::Other(_) => "reload the page, and sign what it shows",
            Self::UnknownPasskey => "use a passkey you enrolled here, or ask an admin for an invitation",
            Self::NotVerified => {
                "use a passkey that asks for your fingerprint, face or PIN; set one up on the device if there is none"
            }
            Self::Copied => "tell an admin: this passkey should be revoked",
            Self::Enrolled => "use it to sign in, or enrol another one",
        }
    }
}

impl Site {
    /// The console's.
    pub fn of(http: &HttpConfig) -> Result<Self, NotSigned> {
        let site = Self::at(&http.origin())?;
        if site.host == http.host() { Ok(site) } else { Err(NotSigned::NotASite(http.origin())) }
    }

    /// The site of an origin, written exactly as browsers write it. Only `localhost` can do without https.
    pub fn at(origin: &str) -> Result<Self, NotSigned> {
        let not = || NotSigned::NotASite(origin.to_owned());
        let url = Url::parse(origin).map_err(|_| not())?;
        let Some(url::Host::Domain(host)) = url.host() else { return Err(not()) };
        let local = host == "localhost" || host.ends_with(".localhost");
        let secure = url.scheme() == "https" || (url.scheme() == "http" && local);
        if !secure || url.origin().ascii_serialization() != origin {
            return Err(not());
        }
        let host = host.to_owned();
        let core =
            WebauthnCore::new_unsafe_experts_only("countersign", &host, vec![url], TIMEOUT, Some(false), Some(false));
        Ok(Self { origin: origin.to_owned(), host, core })
    }

    /// The origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The host.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// An enrolment that waits for the browser's answer.
#[derive(Debug)]
pub struct Registration {
    state: RegistrationState,
    existing: Vec<String>,
}

impl Registration {
    /// Begins to enrol a passkey for `name`, who has `existing` ones. Returns what goes to
    /// `navigator.credentials.create`.
    pub fn begin(site: &Site, name: &Human, existing: &[Passkey]) -> Result<(Value, Self), NotSigned> {
        let exclude: Vec<Vec<u8>> = existing.iter().map(|passkey| decoded(&passkey.id)).collect::<Result<_, _>>()?;
        let handle = user_handle(name);
        let builder = site.core.new_challenge_register_builder(handle.as_bytes(), name.as_str(), name.as_str());
        let builder = builder
            .map_err(refused)?
            .attestation(AttestationConveyancePreference::None)
            .user_verification_policy(UserVerificationPolicy::Required)
            .exclude_credentials(Some(exclude))
            .credential_algorithms(vec![COSEAlgorithm::ES256, COSEAlgorithm::RS256]);
        let (challenge, state) = site.core.generate_challenge_register(builder).map_err(refused)?;
        let mut options = serde_json::to_value(challenge).map_err(unreadable)?;
        // Found without a name at sign-in, where the authenticator has room for that.
        if let Some(Value::Object(selection)) = options.pointer_mut("/publicKey/authenticatorSelection") {
            selection.insert("residentKey".to_owned(), json!("preferred"));
            selection.insert("requireResidentKey".to_owned(), json!(false));
        }
        Ok((options, Self { state, existing: existing.iter().map(|passkey| passkey.id.clone()).collect() }))
    }

    /// The enrolled passkey, from the browser's answer. `label`: what its owner calls it.
    pub fn finish(self, site: &Site, answer: &Value, label: &str, now: Timestamp) -> Result<Passkey, NotSigned> {
        check_client_data(site, "webauthn.create", &decoded(text(answer, "/response/clientDataJSON")?)?)?;
        if self.existing.iter().any(|id| id == passkey_id(answer).unwrap_or_default()) {
            return Err(NotSigned::Enrolled);
        }
        let typed = serde_json::from_value(answer.clone()).map_err(unreadable)?;
        let mut credential = site.core.register_credential(&typed, &self.state, None).map_err(refused)?;
        // What the authenticator's maker says of it is not asked for, and proves nothing here.
        credential.attestation = ParsedAttestation::default();
        credential.attestation_format = AttestationFormat::None;
        let id = BASE64.encode(&credential.cred_id);
        if text(answer, "/rawId")? != id || text(answer, "/id")? != id || text(answer, "/type")? != "public-key" {
            return Err(NotSigned::Unreadable("it names another passkey than it describes".to_owned()));
        }
        let label = label.trim().chars().filter(|c| !c.is_control()).take(LONGEST_LABEL).collect();
        let credential = serde_json::to_value(credential).map_err(unreadable)?;
        Ok(Passkey { id, label, added_at: now, credential })
    }
}

/// What goes to `navigator.credentials.get`, so that one of `passkeys` signs the statement; any that the browser knows
/// for this site where there are none.
pub fn request(site: &Site, statement: &Statement, passkeys: &[&str]) -> Result<Value, NotSigned> {
    let allowed: Vec<Value> = passkeys.iter().map(|id| json!({ "type": "public-key", "id": id })).collect();
    Ok(json!({
        "publicKey": {
            "challenge": BASE64.encode(statement.challenge()?.as_bytes()),
            "timeout": TIMEOUT.as_millis() as u64,
            "rpId": site.host,
            "allowCredentials": allowed,
            "userVerification": "required",
        }
    }))
}

/// Checks the browser's answer to [`request`]: that one of `passkeys`, which are the signer's, signed this statement on
/// this site, after verifying its user. Also returns how often it says it has signed; 0 where it doesn't count.
pub fn verify(
    site: &Site,
    statement: &Statement,
    signer: &Human,
    passkeys: &[Passkey],
    answer: &Value,
) -> Result<(Signed, u32), NotSigned> {
    if statement.origin != site.origin {
        return Err(NotSigned::Other("another site"));
    }
    let id = passkey_id(answer)?;
    let passkey = passkeys.iter().find(|passkey| passkey.id == id).ok_or(NotSigned::UnknownPasskey)?;
    match answer.pointer("/response/userHandle") {
        None | Some(Value::Null) => {}
        Some(handle) if decoded(handle.as_str().unwrap_or_default())? == user_handle(signer).as_bytes() => {}
        Some(_) => return Err(NotSigned::UnknownPasskey),
    }
    let assertion = serde_json::to_value(Assertion::of_browser(answer)?).map_err(unreadable)?;
    let signed = Signed { statement: statement.clone(), passkey: passkey.clone(), assertion };
    let counter = check(site, &signed)?;
    Ok((signed, counter))
}

/// The id of the passkey that gave an answer; nothing is checked.
pub fn passkey_id(answer: &Value) -> Result<&str, NotSigned> {
    text(answer, "/rawId")
}

/// Checks a signature again, with nothing but what it carries: that the passkey in it signed the statement in it, on the
/// site the statement names, after verifying its user. Whose passkey it is, the record says.
pub fn verify_signed(signed: &Signed) -> Result<(), NotSigned> {
    check(&Site::at(&signed.statement.origin)?, signed).map(|_| ())
}

/// A browser's `PublicKeyCredential`, as far as it is signed. The rest of it is not kept: it could be changed unnoticed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Assertion {
    id: String,
    #[serde(rename = "rawId")]
    raw_id: String,
    #[serde(rename = "type")]
    kind: String,
    response: Response,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Response {
    #[serde(rename = "authenticatorData")]
    authenticator_data: String,
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    signature: String,
}

impl Assertion {
    fn of_browser(answer: &Value) -> Result<Self, NotSigned> {
        let member = |pointer| text(answer, pointer).map(str::to_owned);
        Ok(Self {
            id: member("/id")?,
            raw_id: member("/rawId")?,
            kind: member("/type")?,
            response: Response {
                authenticator_data: member("/response/authenticatorData")?,
                client_data: member("/response/clientDataJSON")?,
                signature: member("/response/signature")?,
            },
        })
    }
}

/// What the browser adds to the challenge. Members that are not named here are for later versions of the specification.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
    #[serde(rename = "topOrigin", default)]
    top_origin: Option<Value>,
}

fn check(site: &Site, signed: &Signed) -> Result<u32, NotSigned> {
    let Signed { statement, passkey, assertion } = signed;
    let assertion: Assertion = serde_json::from_value(assertion.clone()).map_err(unreadable)?;
    if assertion.id != passkey.id || assertion.raw_id != passkey.id || assertion.kind != "public-key" {
        return Err(NotSigned::UnknownPasskey);
    }
    check_client_data(site, "webauthn.get", &decoded(&assertion.response.client_data)?)?;

    let credential = credential(passkey)?;
    let state = json!({
        "credentials": [&credential],
        "policy": UserVerificationPolicy::Required,
        "challenge": BASE64.encode(statement.challenge()?.as_bytes()),
        "appid": null,
        "allow_backup_eligible_upgrade": false,
    });
    let state = serde_json::from_value(state).map_err(unreadable)?;
    let answer = serde_json::to_value(&assertion).and_then(serde_json::from_value).map_err(unreadable)?;
    let result = site.core.authenticate_single_credential(&answer, &state, &credential).map_err(refused)?;
    if result.user_verified() { Ok(result.counter()) } else { Err(NotSigned::NotVerified) }
}

/// The crate compares origins as addresses, and lets pages in frames of other sites sign.
fn check_client_data(site: &Site, kind: &str, bytes: &[u8]) -> Result<(), NotSigned> {
    let data: ClientData = serde_json::from_slice(bytes).map_err(unreadable)?;
    if data.kind != kind {
        return Err(NotSigned::Other("another kind of request"));
    }
    if data.origin != site.origin || data.cross_origin || data.top_origin.is_some() {
        return Err(NotSigned::Other("another site"));
    }
    Ok(())
}

/// The credential of a passkey, where it is written exactly as the crate writes it.
fn credential(passkey: &Passkey) -> Result<Credential, NotSigned> {
    let credential: Credential = serde_json::from_value(passkey.credential.clone()).map_err(unreadable)?;
    let written = serde_json::to_value(&credential).map_err(unreadable)?;
    if written != passkey.credential || BASE64.encode(&credential.cred_id) != passkey.id {
        return Err(NotSigned::Unreadable("the passkey is not as it was enrolled".to_owned()));
    }
    Ok(credential)
}

/// By what authenticators tell people apart; says nothing of them to who doesn't know their name.
fn user_handle(name: &Human) -> Digest {
    Digest::of_bytes("countersign.user.v1", name.as_str().to_lowercase().as_bytes())
}

fn text<'a>(answer: &'a Value, pointer: &str) -> Result<&'a str, NotSigned> {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    text.ok_or_else(|| NotSigned::Unreadable(format!("it has no `{pointer}`")))
}

fn decoded(text: &str) -> Result<Vec<u8>, NotSigned> {
    BASE64.decode(text).map_err(unreadable)
}

fn unreadable(error: impl std::fmt::Display) -> NotSigned {
    NotSigned::Unreadable(quoted(&error.to_string(), 200))
}

fn refused(error: WebauthnError) -> NotSigned {
    match error {
        WebauthnError::MismatchedChallenge => NotSigned::Other("another request"),
        WebauthnError::InvalidClientDataType => NotSigned::Other("another kind of request"),
        WebauthnError::InvalidRPOrigin | WebauthnError::InvalidRPIDHash | WebauthnError::CredentialCrossOrigin => {
            NotSigned::Other("another site")
        }
        WebauthnError::UserNotPresent | WebauthnError::UserNotVerified => NotSigned::NotVerified,
        WebauthnError::CredentialNotFound => NotSigned::UnknownPasskey,
        WebauthnError::AuthenticationFailure | WebauthnError::SignatureInvalid => NotSigned::Invalid,
        WebauthnError::CredentialPossibleCompromise => NotSigned::Copied,
        other => unreadable(other),
    }
}

#[cfg(test)]
mod tests;
