//! Cursors: where a read that was cut goes on.
//!
//! A cursor holds all there is to know (AWS's own tokens, and how many items of that page were given), sealed with a key
//! that this process alone has, and bound to the call it came from: the same tool, place, arguments and query by the same
//! caller. Nothing is kept for it. After a restart old cursors are refused, and the read begins anew.

use std::sync::OnceLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::call::refused::{Code, Refused};
use crate::digest::Digest;

/// The domain of what cursors are bound to.
const DOMAIN: &str = "countersign.cursor.v1";

/// Bytes of a nonce of AES-GCM.
const NONCE: usize = 12;

/// The longest cursor that is looked at, in characters.
const LONGEST: usize = 16 * 1024;

/// Where a read goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Members of the input that lead to the page.
    #[serde(default)]
    pub tokens: Map<String, Value>,
    /// Items of that page that were given already.
    #[serde(default)]
    pub given: usize,
    /// JSON pointer to the list that they are in.
    #[serde(default)]
    pub list: String,
}

/// What a cursor is good for.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bound<'a> {
    /// The tool.
    pub tool: &'a str,
    /// The operation.
    pub operation: &'a str,
    /// The account's twelve digits.
    pub account: &'a str,
    /// The region.
    pub region: &'a str,
    /// The operation's arguments, without what leads to a page.
    pub arguments: &'a Value,
    /// The projection that was asked for.
    pub query: Option<&'a str>,
    /// The agent.
    pub agent: &'a str,
    /// The human it acts for.
    pub human: &'a str,
}

impl Position {
    /// Seals a position. `None` where this machine has no randomness to give; then there is no way on.
    pub fn seal(&self, bound: Bound<'_>) -> Option<String> {
        let digest = Digest::of(DOMAIN, &bound).ok()?;
        let mut sealed = serde_json::to_vec(self).ok()?;
        let nonce = key()?.seal_in_place_append_tag(Aad::from(digest.to_string()), &mut sealed).ok()?;
        let whole: Vec<u8> = nonce.as_ref().iter().copied().chain(sealed).collect();
        Some(URL_SAFE_NO_PAD.encode(whole))
    }

    /// Opens a cursor. All that can be wrong with one looks alike from outside.
    ///
    /// # Errors
    /// Where it wasn't made by this process for this very call.
    pub fn open(cursor: &str, bound: Bound<'_>) -> Result<Self, Refused> {
        Self::opened(cursor, bound).ok_or_else(|| {
            Refused::new(
                Code::InvalidArguments,
                "`cursor` was not given by this server for this call",
                "pass a cursor with the very arguments of the call that gave it; after a restart of the server begin \
                 again without one",
            )
        })
    }

    fn opened(cursor: &str, bound: Bound<'_>) -> Option<Self> {
        if cursor.len() > LONGEST {
            return None;
        }
        let digest = Digest::of(DOMAIN, &bound).ok()?;
        let mut whole = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let mut sealed = whole.split_off(NONCE.min(whole.len()));
        let nonce = Nonce::try_assume_unique_for_key(&whole).ok()?;
        let opened = key()?.open_in_place(nonce, Aad::from(digest.to_string()), &mut sealed).ok()?;
        serde_json::from_slice(opened).ok()
    }
}

/// The key of this process.
fn key() -> Option<&'static RandomizedNonceKey> {
    static KEY: OnceLock<Option<RandomizedNonceKey>> = OnceLock::new();
    let make = || {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).ok()?;
        RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok()
    };
    KEY.get_or_init(make).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn bound<'a>(arguments: &'a Value) -> Bound<'a> {
        Bound {
            tool: "s3_list_objects",
            operation: "s3:ListObjectsV2",
            account: "111122223333",
            region: "eu-central-1",
            arguments,
            query: None,
            agent: "agent",
            human: "ann",
        }
    }

    fn position() -> Position {
        let tokens = Map::from_iter([("ContinuationToken".to_owned(), json!("next"))]);
        Position { tokens, given: 7, list: "/Contents".to_owned() }
    }

    #[test]
    fn a_cursor_is_good_for_its_own_call_only() {
        let own = json!({ "Bucket": "orders" });
        let other = json!({ "Bucket": "secrets" });
        let cursor = position().seal(bound(&own)).unwrap();
        assert_eq!(Position::open(&cursor, bound(&own)).unwrap(), position());
        for wrong in [
            bound(&other),
            Bound { tool: "aws_read", ..bound(&own) },
            Bound { operation: "s3:ListObjects", ..bound(&own) },
            Bound { account: "444455556666", ..bound(&own) },
            Bound { region: "us-east-1", ..bound(&own) },
            Bound { query: Some("Contents"), ..bound(&own) },
            Bound { agent: "other", ..bound(&own) },
            Bound { human: "bob", ..bound(&own) },
        ] {
            assert_eq!(Position::open(&cursor, wrong).unwrap_err().code, Code::InvalidArguments);
        }
        assert!(!cursor.contains("next") && position().seal(bound(&own)).unwrap() != cursor);
    }

    proptest! {
        #[test]
        fn nothing_made_elsewhere_opens(text in ".{0,200}", at in 0usize..60) {
            let own = json!({});
            prop_assert!(Position::open(&text, bound(&own)).is_err());
            let mut cursor = position().seal(bound(&own)).unwrap().into_bytes();
            let index = at % cursor.len();
            cursor[index] = if cursor[index] == b'A' { b'B' } else { b'A' };
            prop_assert!(Position::open(&String::from_utf8(cursor).unwrap(), bound(&own)).is_err());
        }
    }
}
