//! Who may sign, and how that changes: proposals that an admin signs, invitations, enrolling, signing in.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::approve::{Approvals, Asked, ids};
use super::ceremonies::{Asks, Owner, random};
use super::not_done::NotDone;
use super::passkey::{self, NotSigned, Registration};
use super::people::{Approver, Invitation, PeopleChange, Proposal, Standing, same};
use super::statement::Saying;
use crate::audit::event::{Event, What};
use crate::config::HttpConfig;
use crate::digest::{Digest, NotCanonical};
use crate::names::{Human, ProposalId};
use crate::policy::vocabulary::GROUPS;
use crate::ports::{Clock, Store};
use crate::text::escape::quoted;

/// How long a proposal waits for an admin.
pub const PROPOSAL_LIFE: SignedDuration = SignedDuration::from_hours(72);
/// How long the link of an invitation works.
pub const LINK_LIFE: SignedDuration = SignedDuration::from_hours(24);
/// Most characters of a name.
const LONGEST_NAME: usize = 64;
/// The domain of digests of invitations' tokens.
const TOKEN_DOMAIN: &str = "countersign.invitation.v1";

/// What is known of the installation when people change: where it is kept, and what it can be.
#[derive(Clone, Copy, Debug)]
pub struct Office<'a> {
    /// Where people are kept.
    pub store: &'a dyn Store,
    /// The time.
    pub clock: &'a dyn Clock,
    /// The groups people can belong to.
    pub groups: &'a BTreeSet<String>,
    /// The console's origin.
    pub origin: &'a str,
}

/// A change of people that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// What changed.
    pub change: PeopleChange,
    /// Where the invited person enrols; shown once, and kept nowhere.
    pub link: Option<String>,
}

impl Office<'_> {
    /// Invites the first admin, whom nobody can sign for. Returns the link. `by` is the operator.
    pub async fn invite_first(&self, standing: Standing, by: &str) -> Result<String, NotDone> {
        let change = self.valid(PeopleChange::Invite(Standing { admin: true, ..standing }))?;
        let now = self.clock.now();
        let (invitation, link) = self.invitation(&change, None, now)?.unzip();
        let what = What::PeopleChanged { proposal: None, change: change.clone(), by: by.to_owned(), signed: None };
        self.store.change_people(None, change, invitation, event(now, what)).await?;
        link.ok_or(NotDone::NoInvitation)
    }

    /// Records a change that waits for an admin's signature. `by` is an approver or the operator.
    pub async fn propose(&self, change: PeopleChange, by: &str) -> Result<Proposal, NotDone> {
        let change = self.valid(change)?;
        let now = self.clock.now();
        let expires_at = now.checked_add(PROPOSAL_LIFE).map_err(|error| NotDone::Failed(error.to_string()))?;
        let proposal = Proposal { id: ProposalId::fresh(), change, by: by.to_owned(), at: now, expires_at };
        let what = What::PeopleProposed { proposal: proposal.clone() };
        self.store.propose(proposal.clone(), event(now, what)).await?;
        Ok(proposal)
    }

    /// Takes a proposal back.
    pub async fn withdraw(&self, proposal: &ProposalId, by: &str) -> Result<(), NotDone> {
        let what = What::PeopleWithdrawn { proposal: proposal.clone(), by: by.to_owned() };
        match self.store.withdraw(proposal, event(self.clock.now(), what)).await? {
            true => Ok(()),
            false => Err(NotDone::NoProposal(proposal.clone())),
        }
    }

    /// The change with names and groups that can be. Everybody belongs to the group of all approvers.
    fn valid(&self, mut change: PeopleChange) -> Result<PeopleChange, NotDone> {
        if let PeopleChange::Invite(standing) | PeopleChange::Regroup(standing) = &mut change {
            standing.aliases.retain(|alias| !same(alias, &standing.name));
            if !is_name(standing.name.as_str()) {
                return Err(NotDone::BadName(standing.name.as_str().to_owned()));
            }
            if let Some(wrong) = standing.aliases.iter().find(|alias| !is_alias(alias.as_str())) {
                return Err(NotDone::BadName(wrong.as_str().to_owned()));
            }
            if let Some(group) = standing.groups.iter().find(|group| !self.groups.contains(*group)) {
                return Err(NotDone::UnknownGroup { group: group.clone(), known: self.groups.clone() });
            }
            standing.groups.extend(GROUPS.iter().map(|group| (*group).to_owned()));
        }
        Ok(change)
    }

    /// For an invitation: what is kept of it, and the link that is not.
    fn invitation(
        &self,
        change: &PeopleChange,
        by: Option<&Human>,
        now: Timestamp,
    ) -> Result<Option<(Invitation, String)>, NotDone> {
        let PeopleChange::Invite(standing) = change else { return Ok(None) };
        let token = BASE64.encode(random::<32>()?);
        let expires_at = now.checked_add(LINK_LIFE).map_err(|error| NotDone::Failed(error.to_string()))?;
        let invitation =
            Invitation { token: digest_of(&token), standing: standing.clone(), at: now, expires_at, by: by.cloned() };
        Ok(Some((invitation, HttpConfig::enrol_page(self.origin, &token))))
    }
}

impl Approvals {
    /// Proposes a change, as an admin.
    pub async fn propose(&self, change: PeopleChange, admin: &Human) -> Result<Proposal, NotDone> {
        self.admin(admin).await?;
        self.office().propose(change, admin.as_str()).await
    }

    /// Takes a proposal back, as an admin.
    pub async fn withdraw(&self, proposal: &ProposalId, admin: &Human) -> Result<(), NotDone> {
        self.admin(admin).await?;
        self.office().withdraw(proposal, admin.as_str()).await
    }

    /// Begins to sign a proposal. `shown` is the digest of the one on the page.
    pub async fn begin_sign_proposal(
        &self,
        proposal: &ProposalId,
        shown: &Digest,
        admin: &Human,
    ) -> Result<Asked, NotDone> {
        let person = self.admin(admin).await?;
        let now = self.clock.now();
        let found = self.store.proposals(now).await?.into_iter().find(|one| one.id == *proposal);
        let proposal = found.ok_or_else(|| NotDone::NoProposal(proposal.clone()))?;
        let digest = proposal.digest().map_err(no_digest)?;
        if digest != *shown {
            return Err(NotDone::NoProposal(proposal.id));
        }
        let statement = self.statement(Saying::People { change: digest }, admin.clone())?;
        let options = passkey::request(&self.site, &statement, &ids(&person))?;
        let asks = Asks::People { statement, proposal: Box::new(proposal) };
        Ok(Asked { ceremony: self.ceremonies.begin(Owner::Person(admin.clone()), asks, now)?, options })
    }

    /// Takes the browser's answer, and carries the change out.
    pub async fn finish_sign_proposal(
        &self,
        ceremony: &str,
        admin: &Human,
        answer: &Value,
    ) -> Result<Changed, NotDone> {
        let now = self.clock.now();
        let taken = self.ceremonies.take(ceremony, &Owner::Person(admin.clone()), now)?;
        let Asks::People { statement, proposal } = taken else { return Err(NotDone::NotBegun) };
        let person = self.admin(admin).await?;
        let signed = self.verify(&statement, &person, answer).await;
        let signed = self.refused(admin, None, signed).await?;
        let change = proposal.change;
        let (invitation, link) = self.office().invitation(&change, Some(admin), now)?.unzip();
        let what = What::PeopleChanged {
            proposal: Some(proposal.id.clone()),
            change: change.clone(),
            by: admin.as_str().to_owned(),
            signed: Some(Box::new(signed)),
        };
        self.store.change_people(Some(&proposal.id), change.clone(), invitation, event(now, what)).await?;
        Ok(Changed { change, link })
    }

    /// The invitation behind the token of a link.
    pub async fn invitation(&self, token: &str) -> Result<Invitation, NotDone> {
        let found = self.store.invitation(&digest_of(token), self.clock.now()).await?;
        found.ok_or(NotDone::NoInvitation)
    }

    /// Begins to enrol a passkey.
    pub async fn begin_enrol(&self, token: &str) -> Result<Asked, NotDone> {
        let standing = self.invitation(token).await?.standing;
        let people = self.store.people().await?;
        let person = people.into_iter().find(|person| same(&person.name, &standing.name) && person.is_active());
        let existing = person.as_ref().map(|person| person.passkeys.as_slice()).unwrap_or_default();
        let (options, registration) = Registration::begin(&self.site, &standing.name, existing)?;
        // Somebody who is there already only gets another passkey.
        let standing = person.as_ref().map_or(standing, Approver::standing);
        let asks = Asks::Enrol { standing, registration: Box::new(registration) };
        let ceremony = self.ceremonies.begin(Owner::Link(digest_of(token)), asks, self.clock.now())?;
        Ok(Asked { ceremony, options })
    }

    /// Takes the browser's answer, and enrols the passkey. `label` is what its owner calls it. Returns who they are.
    pub async fn finish_enrol(
        &self,
        ceremony: &str,
        token: &str,
        label: &str,
        answer: &Value,
    ) -> Result<Human, NotDone> {
        let (token, now) = (digest_of(token), self.clock.now());
        let taken = self.ceremonies.take(ceremony, &Owner::Link(token), now)?;
        let Asks::Enrol { standing, registration } = taken else { return Err(NotDone::NotBegun) };
        let passkey = registration.finish(&self.site, answer, label, now)?;
        let name = standing.name.clone();
        let what = What::Enrolled { standing, passkey: Box::new(passkey.clone()) };
        self.store.enrol(&token, passkey, event(now, what)).await?;
        Ok(name)
    }

    /// Begins to sign in, by a name or by whatever passkey the browser knows for this site. It doesn't tell whether there is
    /// somebody of that name.
    pub async fn begin_sign_in(&self, name: Option<&str>) -> Result<Asked, NotDone> {
        let people = self.store.people().await?;
        let named = name.map(|name| Human::new(name.trim()));
        let person =
            named.as_ref().and_then(|name| people.iter().find(|person| same(&person.name, name) && person.is_active()));
        let nobody = named.as_ref().map(|name| self.ceremonies.no_passkey(name.as_str()));
        let allowed = person.map_or_else(|| nobody.iter().map(String::as_str).collect(), ids);
        let by = person.map(|person| person.name.clone()).or(named).unwrap_or_else(|| Human::new(""));
        let statement = self.statement(Saying::SignIn, by)?;
        let options = passkey::request(&self.site, &statement, &allowed)?;
        let ceremony = self.ceremonies.begin(Owner::Unknown, Asks::SignIn { statement }, self.clock.now())?;
        Ok(Asked { ceremony, options })
    }

    /// Takes the browser's answer, and says who it is.
    pub async fn finish_sign_in(&self, ceremony: &str, answer: &Value) -> Result<Approver, NotDone> {
        let taken = self.ceremonies.take(ceremony, &Owner::Unknown, self.clock.now())?;
        let Asks::SignIn { statement } = taken else { return Err(NotDone::NotBegun) };
        let id = passkey::passkey_id(answer)?;
        let people = self.store.people().await?;
        let owns = |person: &Approver| person.is_active() && ids(person).contains(&id);
        let person = people.into_iter().find(owns).ok_or(NotSigned::UnknownPasskey)?;
        if !statement.by.as_str().is_empty() && person.name != statement.by {
            return Err(NotSigned::UnknownPasskey.into());
        }
        let signed = self.verify(&statement, &person, answer).await;
        let signed = self.refused(&person.name, None, signed).await?;
        let what = What::SignedIn { by: person.name.clone(), passkey: signed.passkey.id };
        self.store.append(vec![self.event(what)]).await?;
        Ok(person)
    }

    async fn admin(&self, name: &Human) -> Result<Approver, NotDone> {
        let person = self.active(name).await?;
        if person.admin { Ok(person) } else { Err(NotDone::NotAdmin(name.clone())) }
    }

    fn office(&self) -> Office<'_> {
        Office {
            store: self.store.as_ref(),
            clock: self.clock.as_ref(),
            groups: &self.groups,
            origin: self.site.origin(),
        }
    }
}

/// A name that people read as it is and that stands in links and lists without harm.
fn is_name(name: &str) -> bool {
    let shown = quoted(name, LONGEST_NAME) == format!("`{name}`");
    shown && !name.is_empty() && name.trim() == name && !name.contains(['/', '\\'])
}

/// Whatever a caller can be called: who can't be told of is their own second person.
fn is_alias(alias: &str) -> bool {
    // Issuers name people by these, too.
    let plain: String = alias.chars().map(|c| if "|<>/\\".contains(c) { '-' } else { c }).collect();
    is_name(&plain)
}

/// What is kept of a link's token.
fn digest_of(token: &str) -> Digest {
    Digest::of_bytes(TOKEN_DOMAIN, token.as_bytes())
}

fn event(at: Timestamp, what: What) -> Event {
    Event { at, call: None, caller: None, what }
}

fn no_digest(error: NotCanonical) -> NotDone {
    NotDone::Failed(error.to_string())
}

#[cfg(test)]
mod tests;
