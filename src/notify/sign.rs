//! Signatures as in the Standard Webhooks specification (standardwebhooks.com), version 1: HMAC-SHA256 over id, time and
//! body.

use std::fmt;
use std::path::Path;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// Bytes of a secret, as the specification has it.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secret that a receiver shares.
pub struct Secret(hmac::Key);

impl Secret {
    /// The secret in a file.
    ///
    /// # Errors
    /// What is wrong with the file; what is in it isn't repeated.
    pub fn read(file: &Path) -> Result<Self, String> {
        let shown = file.display();
        let text = std::fs::read_to_string(file).map_err(|error| format!("`{shown}` can't be read: {error}"))?;
        Self::parse(text.trim()).ok_or_else(|| {
            format!(
                "`{shown}` does not hold a secret: `{PREFIX}` and the base64 of {} to {} bytes",
                BYTES.start(),
                BYTES.end()
            )
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        BYTES.contains(&bytes.len()).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of the header `webhook-signature`. `seconds` is the time of sending, since 1970.
    pub fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let signed = hmac::sign(&self.0, format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(signed))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_own_example() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn weak_secrets_are_none() {
        let encoded = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for none in ["", "whsec_", "hunter2", "whsec_!!!", &encoded(23), &encoded(65), &STANDARD.encode([7; 32])] {
            assert!(Secret::parse(none).is_none(), "{none}");
        }
        assert!(Secret::parse(&encoded(24)).is_some() && Secret::parse(&encoded(64)).is_some());
    }
}
