//! A passkey in software: does what an authenticator and a browser do together, without asking anybody.
//!
//! Formats: <https://www.w3.org/TR/webauthn-3/#sctn-authenticator-data>, <https://www.w3.org/TR/webauthn-3/#sctn-attestation>.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A passkey with one P-256 key. Its fields can be set so that it lies.
#[derive(Debug)]
pub struct SoftKey {
    key: EcdsaKeyPair,
    /// The credential's id.
    pub id: Vec<u8>,
    /// The origin that is written into what is signed, instead of the page's.
    pub origin: Option<String>,
    /// The host whose hash is signed, instead of the one that was asked for.
    pub host: Option<String>,
    /// True where it checks who its user is.
    pub verifies_user: bool,
    /// How often it has signed; it stays 0 where it doesn't count.
    pub counter: u32,
    /// True where it counts.
    pub counts: bool,
    /// What it writes besides into the client data, such as `crossOrigin`.
    pub client_data: Value,
    user_handle: Option<String>,
}

/// Why a soft key did nothing.
#[derive(Debug, thiserror::Error)]
#[error("the soft key can't: {0}")]
pub struct SoftKeyFailed(String);

impl SoftKey {
    /// A fresh one, which does everything right.
    pub fn new() -> Result<Self, SoftKeyFailed> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(failed)?;
        let mut id = vec![0; 16];
        getrandom::fill(&mut id).map_err(failed)?;
        Ok(Self {
            key,
            id,
            origin: None,
            host: None,
            verifies_user: true,
            counter: 0,
            counts: false,
            client_data: json!({}),
            user_handle: None,
        })
    }

    /// What `navigator.credentials.create(options)` answers on a page of `origin`.
    pub fn register(&mut self, options: &Value, origin: &str) -> Result<Value, SoftKeyFailed> {
        let options = member(options, "/publicKey")?;
        self.user_handle = options.pointer("/user/id").and_then(Value::as_str).map(str::to_owned);
        let host = text(options, "/rp/id")?;
        let client_data = self.client_data("webauthn.create", text(options, "/challenge")?, origin);
        let data = self.authenticator_data(host, Some(self.attested()?));
        // {"fmt": "none", "attStmt": {}, "authData": data}
        let mut object = vec![0xa3];
        object.extend(b"\x63fmt\x64none\x67attStmt\xa0\x68authData");
        object.extend(byte_string(&data)?);
        Ok(self.answer(json!({
            "clientDataJSON": BASE64.encode(client_data),
            "attestationObject": BASE64.encode(object),
            "transports": ["internal"],
        })))
    }

    /// What `navigator.credentials.get(options)` answers on a page of `origin`.
    pub fn sign(&mut self, options: &Value, origin: &str) -> Result<Value, SoftKeyFailed> {
        let options = member(options, "/publicKey")?;
        let host = text(options, "/rpId")?;
        if self.counts {
            self.counter = self.counter.saturating_add(1);
        }
        let client_data = self.client_data("webauthn.get", text(options, "/challenge")?, origin);
        let data = self.authenticator_data(host, None);
        let signed = [data.as_slice(), Sha256::digest(client_data.as_bytes()).as_slice()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).map_err(failed)?;
        Ok(self.answer(json!({
            "clientDataJSON": BASE64.encode(client_data),
            "authenticatorData": BASE64.encode(data),
            "signature": BASE64.encode(signature),
            "userHandle": self.user_handle,
        })))
    }

    /// A `PublicKeyCredential` of this key.
    fn answer(&self, response: Value) -> Value {
        json!({
            "id": BASE64.encode(&self.id),
            "rawId": BASE64.encode(&self.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        })
    }

    fn client_data(&self, kind: &str, challenge: &str, origin: &str) -> String {
        let origin = self.origin.as_deref().unwrap_or(origin);
        let mut data = json!({ "type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false });
        if let (Value::Object(data), Value::Object(more)) = (&mut data, &self.client_data) {
            data.extend(more.clone());
        }
        data.to_string()
    }

    fn authenticator_data(&self, host: &str, attested: Option<Vec<u8>>) -> Vec<u8> {
        const PRESENT: u8 = 1;
        const VERIFIED: u8 = 1 << 2;
        const ATTESTED: u8 = 1 << 6;

        let host = self.host.as_deref().unwrap_or(host);
        let mut flags = PRESENT;
        if self.verifies_user {
            flags |= VERIFIED;
        }
        if attested.is_some() {
            flags |= ATTESTED;
        }
        let mut data = Sha256::digest(host.as_bytes()).to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data.extend(attested.unwrap_or_default());
        data
    }

    /// Model, id and public key. The key: {1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, -3: y}.
    fn attested(&self) -> Result<Vec<u8>, SoftKeyFailed> {
        let point = self.key.public_key().as_ref();
        let (x, y) =
            point.strip_prefix(&[4]).and_then(|xy| xy.split_at_checked(32)).ok_or_else(|| failed("its key"))?;
        let mut data = vec![0; 16];
        data.extend(u16::try_from(self.id.len()).map_err(failed)?.to_be_bytes());
        data.extend(&self.id);
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21]);
        data.extend(byte_string(x)?);
        data.push(0x22);
        data.extend(byte_string(y)?);
        Ok(data)
    }
}

/// A CBOR byte string.
fn byte_string(bytes: &[u8]) -> Result<Vec<u8>, SoftKeyFailed> {
    let length = u16::try_from(bytes.len()).map_err(failed)?.to_be_bytes();
    Ok([&[0x59], length.as_slice(), bytes].concat())
}

fn member<'a>(options: &'a Value, pointer: &str) -> Result<&'a Value, SoftKeyFailed> {
    options.pointer(pointer).ok_or_else(|| failed(format!("the options have no {pointer}")))
}

fn text<'a>(options: &'a Value, pointer: &str) -> Result<&'a str, SoftKeyFailed> {
    member(options, pointer)?.as_str().ok_or_else(|| failed(format!("{pointer} is no text")))
}

fn failed(error: impl ToString) -> SoftKeyFailed {
    SoftKeyFailed(error.to_string())
}
