//! An issuer's public keys (RFC 7517): which there are, and which one a token asks for.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use crate::text::escape::quoted;

/// Most keys of a set; issuers have a handful.
const MOST_KEYS: usize = 100;

/// Bits of an RSA modulus: at least what RFC 7518 (section 3.3) demands, at most what is checked in reasonable time.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

const RSA_ALGORITHMS: [Algorithm; 6] =
    [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

/// The keys of an issuer that can check signatures. There are at least one, and none with a shared secret.
pub struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    /// The one algorithm it may be used with, where the issuer says so.
    only: Option<Algorithm>,
    /// What it can be used with by its kind.
    fits: &'static [Algorithm],
    key: DecodingKey,
}

/// Why a token's key is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// No key has this id, or none fits the algorithm.
    Unknown,
    /// Several do, so it can't be said which is meant.
    Ambiguous,
}

impl KeySet {
    /// Takes a JSON Web Key Set. Keys of kinds that are of no use here are passed over, as RFC 7517 says.
    ///
    /// # Errors
    /// What is wrong with the set: it is none, or holds no key that can be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let set: Value = serde_json::from_slice(bytes).map_err(|error| format!("they are not JSON: {error}"))?;
        let written = set.get("keys").and_then(Value::as_array).ok_or("there is no list `keys`")?;
        if written.len() > MOST_KEYS {
            return Err(format!("there are more than {MOST_KEYS}"));
        }
        let keys: Vec<Key> = written.iter().filter_map(usable).collect();
        match keys.is_empty() {
            true => Err("none of them can check signatures".to_owned()),
            false => Ok(Self(keys)),
        }
    }

    /// The one key for a token. Without an id it must be the only one that fits the algorithm.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<&DecodingKey, NoKey> {
        let named = |key: &&Key| id.is_none_or(|id| key.id.as_deref() == Some(id));
        let fits = |key: &&Key| key.fits.contains(&algorithm) && key.only.is_none_or(|only| only == algorithm);
        let mut found = self.0.iter().filter(named).filter(fits);
        match (found.next(), found.next()) {
            (None, _) => Err(NoKey::Unknown),
            (Some(key), None) => Ok(&key.key),
            (Some(_), Some(_)) => Err(NoKey::Ambiguous),
        }
    }

    /// The ids of the keys, for the log.
    pub(super) fn ids(&self) -> String {
        let ids = self.0.iter().map(|key| key.id.as_deref().map_or("(no id)".to_owned(), |id| quoted(id, 64)));
        ids.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({})", self.ids())
    }
}

fn usable(written: &Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(written.clone()).ok()?;
    let common = &jwk.common;
    let signs = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    let fits: &'static [Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) if RSA_BITS.contains(&bits(&rsa.n)?) => &RSA_ALGORITHMS,
        AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
            EllipticCurve::P256 => &[Algorithm::ES256],
            EllipticCurve::P384 => &[Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
        _ => return None,
    };
    let only = match common.key_algorithm {
        None => None,
        // One that isn't known here fits nothing.
        Some(KeyAlgorithm::UNKNOWN_ALGORITHM) => return None,
        Some(named) => Some(Algorithm::try_from(named).ok()?),
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    signs.then(|| Key { id: common.key_id.clone(), only, fits, key })
}

/// The bits of a base64url number, leading zeros left out.
fn bits(number: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(number).ok()?;
    let significant = bytes.iter().skip_while(|byte| **byte == 0);
    let first = significant.clone().next()?;
    Some(significant.count() * 8 - first.leading_zeros() as usize)
}
