//! Approvers: who may sign, what they sign with, and how that changes. The store keeps them; changes are on record.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use crate::digest::{Digest, NotCanonical};
use crate::names::{Human, ProposalId};

/// The domain of digests of changes; an admin signs one.
pub const CHANGE_DOMAIN: &str = "countersign.people.v1";

/// A person who signs plans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approver {
    /// Who they are. Unique, whatever the case of letters.
    pub name: Human,
    /// Other names under which agents act for them, such as an e-mail address: they never sign those plans either.
    pub aliases: BTreeSet<Human>,
    /// The groups of approvers they belong to; policies ask for them.
    pub groups: BTreeSet<String>,
    /// True where they may sign changes of people.
    pub admin: bool,
    /// What they sign with; at least one.
    pub passkeys: Vec<Passkey>,
    /// When their first passkey was enrolled.
    pub enrolled_at: Timestamp,
    /// From then on nothing they signed counts any more; `None` while they are active.
    pub revoked_at: Option<Timestamp>,
}

impl Approver {
    /// True where this person is `human`, by name or alias, whatever the case of letters.
    pub fn is(&self, human: &Human) -> bool {
        std::iter::once(&self.name).chain(&self.aliases).any(|name| same(name, human))
    }

    /// True while what they sign counts.
    pub fn is_active(&self) -> bool {
        self.revoked_at.is_none()
    }

    /// Somebody with their first passkey.
    pub fn new(standing: Standing, passkey: Passkey) -> Self {
        let Standing { name, aliases, groups, admin } = standing;
        let enrolled_at = passkey.added_at;
        Self { name, aliases, groups, admin, passkeys: vec![passkey], enrolled_at, revoked_at: None }
    }

    /// The same person with another passkey.
    pub fn and(mut self, passkey: Passkey) -> Self {
        self.passkeys.push(passkey);
        self
    }

    /// The same person, who may do this from now on.
    pub fn with(self, standing: Standing) -> Self {
        let Standing { aliases, groups, admin, .. } = standing;
        Self { aliases, groups, admin, ..self }
    }

    /// What they may do.
    pub fn standing(&self) -> Standing {
        let Self { name, aliases, groups, admin, .. } = self.clone();
        Standing { name, aliases, groups, admin }
    }
}

/// True where two names mean one person: whatever the case of letters, and however they are composed.
pub fn same(one: &Human, other: &Human) -> bool {
    folded(one) == folded(other)
}

/// The one form of all spellings of a name. Through upper case, since some small letters have two forms (ς and σ).
pub fn folded(name: &Human) -> String {
    let upper: String = name.as_str().nfkc().flat_map(char::to_uppercase).collect();
    upper.chars().flat_map(char::to_lowercase).nfkc().collect()
}

/// A WebAuthn credential, as it was enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// The credential's id, base64url without padding.
    pub id: String,
    /// What its owner calls it.
    pub label: String,
    /// When it was enrolled.
    pub added_at: Timestamp,
    /// The public key and what the authenticator said of itself, in `webauthn-rs`'s form. Holds no secret.
    pub credential: Value,
}

/// A change of who may sign. All but the first of an installation needs an admin's signature over its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum PeopleChange {
    /// Somebody may enrol a passkey: a new person, or another passkey of one who is there.
    Invite(Standing),
    /// Somebody's aliases, groups and rights become these.
    Regroup(Standing),
    /// Nothing somebody signs counts any more.
    Revoke {
        /// Who.
        name: Human,
    },
}

/// What somebody may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Who.
    pub name: Human,
    /// Other names under which agents act for them.
    pub aliases: BTreeSet<Human>,
    /// Their groups.
    pub groups: BTreeSet<String>,
    /// True where they may sign changes of people.
    pub admin: bool,
}

impl Standing {
    /// All their names.
    pub fn names(&self) -> impl Iterator<Item = &Human> {
        std::iter::once(&self.name).chain(&self.aliases)
    }
}

impl PeopleChange {
    /// Whom it is about.
    pub fn about(&self) -> &Human {
        match self {
            Self::Invite(standing) | Self::Regroup(standing) => &standing.name,
            Self::Revoke { name } => name,
        }
    }
}

/// A change that waits for an admin's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its identifier.
    pub id: ProposalId,
    /// What would change.
    pub change: PeopleChange,
    /// Who proposed it: an approver, or the operating system's name of whoever used the command line.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// From then on it can't be signed any more.
    pub expires_at: Timestamp,
}

impl Proposal {
    /// What an admin signs.
    pub fn digest(&self) -> Result<Digest, NotCanonical> {
        Digest::of(CHANGE_DOMAIN, self)
    }
}

/// A one-time link to enrol a passkey. The link's token is not kept, only its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Digest of the token in the link.
    pub token: Digest,
    /// Who may enrol, and as what.
    pub standing: Standing,
    /// When it was made.
    pub at: Timestamp,
    /// From then on it is worth nothing.
    pub expires_at: Timestamp,
    /// The admin who signed it; `None` for the first of an installation. It ends with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Human>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_name_are_one_person() {
        let one = |a: &str, b: &str| same(&Human::new(a), &Human::new(b));
        assert!(one("Ann", "ANN") && one("Jos\u{e9}", "jose\u{301}") && one("ΑΣ", "ας") && one("STRASSE", "straße"));
        assert!(one("ann@example.com", "Ann@Example.COM") && one("\u{ff41}nn", "ann"));
        assert!(!one("ann", "anna") && !one("ann", "\u{430}nn"));
    }
}
