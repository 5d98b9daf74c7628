//! Digests: SHA-256 over a domain line and one canonical form of a value.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// The value could not be brought into canonical form.
#[derive(Debug, thiserror::Error)]
#[error("no canonical form: {0}")]
pub struct NotCanonical(#[from] serde_json::Error);

impl Digest {
    /// Digest of `value` in its canonical form, under a `domain` such as `countersign.plan.v1`.
    ///
    /// The domain keeps a digest of one kind from being taken for one of another kind.
    pub fn of(domain: &str, value: &impl Serialize) -> Result<Self, NotCanonical> {
        let canonical = canonical_json(&serde_json::to_value(value)?)?;
        Ok(Self::of_bytes(domain, &canonical))
    }

    /// Digest of bytes as they are, under a domain.
    pub fn of_bytes(domain: &str, bytes: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(domain.as_bytes());
        hash.update(b"\n");
        hash.update(bytes);
        Self(hash.finalize().into())
    }

    /// A digest that was computed before, from its 32 bytes.
    pub fn from_stored(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve hexadecimal digits, for people.
    pub fn short(&self) -> String {
        hex::encode(self.0).chars().take(12).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("not a digest: 64 hexadecimal digits expected")]
pub struct NotADigest;

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = hex::decode(text).map_err(|_| NotADigest)?;
        Ok(Self(bytes.try_into().map_err(|_| NotADigest)?))
    }
}

/// The one byte form of a JSON value: keys sorted by code point, no white space, numbers as serde_json prints them.
pub fn canonical_json(value: &Value) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&sorted(value))
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut entries: Vec<_> = members.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            Value::Object(entries.into_iter().map(|(key, member)| (key.clone(), sorted(member))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map(".{0,6}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn equal_values_and_only_those_share_a_digest(a in any_json(), b in any_json()) {
            let (da, db) = (Digest::of("t", &a).unwrap(), Digest::of("t", &b).unwrap());
            prop_assert_eq!(a == b, da == db);
        }

        #[test]
        fn a_digest_survives_its_text(a in any_json()) {
            let digest = Digest::of("t", &a).unwrap();
            prop_assert_eq!(Digest::try_from(digest.to_string()).unwrap(), digest);
        }
    }

    #[test]
    fn key_order_does_not_matter_but_the_domain_does() {
        let one = json!({"a": 1, "b": {"c": 2, "d": 3}});
        let other = json!({"b": {"d": 3, "c": 2}, "a": 1});
        assert_eq!(Digest::of("t", &one).unwrap(), Digest::of("t", &other).unwrap());
        assert_ne!(Digest::of("t", &one).unwrap(), Digest::of("u", &one).unwrap());
    }
}
