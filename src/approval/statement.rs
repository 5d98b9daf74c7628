//! What a passkey signs: a statement, of which the WebAuthn challenge is the digest.
//!
//! So a signature says what was signed, for whom, where and when, and anybody can check it later with nothing but the
//! statement, the assertion and the public key.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::people::Passkey;
use crate::digest::{Digest, NotCanonical};
use crate::names::{Human, PlanId};
use crate::ports::GrantKind;

/// The domain of challenges; a change of [`Statement`]'s form changes it.
pub const STATEMENT_DOMAIN: &str = "countersign.statement.v1";

/// What somebody says with a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "says", rename_all = "snake_case")]
pub enum Saying {
    /// This plan may be carried out.
    Approve {
        /// The plan.
        plan: PlanId,
        /// Its digest.
        digest: Digest,
    },
    /// I want this plan, made for me, to be carried out, and have typed the text it asks for.
    Confirm {
        /// The plan.
        plan: PlanId,
        /// Its digest.
        digest: Digest,
    },
    /// I carry this plan out, and have typed the text it asks for.
    Apply {
        /// The plan.
        plan: PlanId,
        /// Its digest.
        digest: Digest,
    },
    /// These people may sign from now on.
    People {
        /// The proposal's digest.
        change: Digest,
    },
    /// It is me.
    SignIn,
}

impl Saying {
    /// What a grant of a kind is signed with.
    pub fn of(kind: GrantKind, plan: PlanId, digest: Digest) -> Self {
        match kind {
            GrantKind::Confirmation => Self::Confirm { plan, digest },
            GrantKind::Approval => Self::Approve { plan, digest },
            GrantKind::Application => Self::Apply { plan, digest },
        }
    }
}

/// A saying, by whom, where and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// What is said.
    #[serde(flatten)]
    pub saying: Saying,
    /// Who says it.
    pub by: Human,
    /// The console's origin, such as `https://countersign.example.com`.
    pub origin: String,
    /// When the challenge was made.
    pub at: Timestamp,
    /// 32 random hexadecimal digits: no two challenges are equal.
    pub nonce: String,
}

impl Statement {
    /// The WebAuthn challenge: the 32 bytes of this digest.
    pub fn challenge(&self) -> Result<Digest, NotCanonical> {
        Digest::of(STATEMENT_DOMAIN, self)
    }
}

/// A signed statement, with everything that is needed to check it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// What was signed.
    pub statement: Statement,
    /// The passkey, as it was enrolled.
    pub passkey: Passkey,
    /// The browser's `PublicKeyCredential`, as WebAuthn's JSON has it.
    pub assertion: Value,
}
