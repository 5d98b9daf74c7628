//! Who may sign: people, the changes that wait for an admin, invitations, and how often passkeys have signed.
//!
//! There are few of them, so what a change depends on is read whole and judged in Rust.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::plans::Transaction;
use super::{failure, grants};
use crate::approval::people::{Approver, Invitation, Passkey, PeopleChange, Proposal, Standing, folded, same};
use crate::approval::statement::{Saying, Signed};
use crate::digest::Digest;
use crate::names::{Human, ProposalId};
use crate::ports::StoreError;

/// Everybody, by name.
pub(super) const SELECT_PEOPLE: &str = "SELECT key, record FROM people ORDER BY key";
/// Unexpired proposals, oldest first. Parameter: now.
pub(super) const SELECT_PROPOSALS: &str = "SELECT id, record FROM proposals WHERE expires_at > ? ORDER BY id";
/// An unexpired invitation. Parameters: the token's digest, now.
pub(super) const SELECT_INVITATION: &str = "SELECT record FROM invitations WHERE token = ? AND expires_at > ?";

/// A change of what is kept of people.
#[derive(Debug)]
pub(super) enum PeopleWrite {
    /// A change that waits for a signature.
    Propose(Proposal),
    /// A proposal that won't be signed.
    Withdraw(ProposalId),
    /// A change that was signed, or is the first of all.
    Change(Carried),
    /// A passkey, by way of an invitation. `standing` is what the record will say of its owner.
    Enrol { token: Digest, passkey: Passkey, standing: Standing, at: Timestamp },
}

/// A change of people that is carried out.
#[derive(Debug)]
pub(super) struct Carried {
    /// The proposal; `None` for the first invitation.
    pub(super) proposal: Option<ProposalId>,
    /// What changes.
    pub(super) change: PeopleChange,
    /// What an invitation becomes.
    pub(super) invitation: Option<Invitation>,
    /// The admin's signature.
    pub(super) signed: Option<Box<Signed>>,
    /// When.
    pub(super) at: Timestamp,
}

impl PeopleWrite {
    /// Carries it out. False where there was nothing to change.
    pub(super) async fn apply(&self, db: &mut Transaction<'_>) -> Result<bool, StoreError> {
        match self {
            Self::Propose(proposal) => propose(db, proposal).await,
            Self::Withdraw(id) => withdraw(db, id).await,
            Self::Change(carried) => carried.apply(db).await,
            Self::Enrol { token, passkey, standing, at } => enrol(db, token, passkey, standing, *at).await,
        }
    }
}

/// Under what a person is filed.
pub(super) fn key(name: &Human) -> String {
    folded(name)
}

/// The person of exactly this name, who must be there and not be revoked.
pub(super) async fn active(db: &mut Transaction<'_>, name: &Human) -> Result<Approver, StoreError> {
    let query = sqlx::query("SELECT key, record FROM people WHERE key = ?").bind(key(name));
    match db.row(query).await?.map(|row| person(&row, db.path)).transpose()? {
        Some(person) if person.name != *name => refuse(format!("`{name}` is not how `{}` is written", person.name)),
        Some(person) if !person.is_active() => refuse(format!("`{name}` may not sign any more")),
        Some(person) => Ok(person),
        None => refuse(format!("there is no approver `{name}`")),
    }
}

/// Remembers how often a passkey has signed. False where it had signed as often before; one that doesn't count says 0
/// each time (<https://www.w3.org/TR/webauthn-3/#sctn-sign-counter>).
pub(super) async fn count_signature(
    db: &mut Transaction<'_>,
    name: &Human,
    passkey: &str,
    counter: u32,
) -> Result<bool, StoreError> {
    let person = active(db, name).await?;
    if !person.passkeys.iter().any(|own| own.id == passkey) {
        return refuse(format!("`{name}` has no such passkey"));
    }
    let row = db.row(sqlx::query("SELECT counter FROM signatures WHERE passkey = ?").bind(passkey)).await?;
    let before: Option<i64> =
        row.map(|row| row.try_get("counter")).transpose().map_err(|e| failure::database(db.path, &e))?;
    let before = before.unwrap_or_default();
    if i64::from(counter) <= before && (counter, before) != (0, 0) {
        return Ok(false);
    }
    let query = sqlx::query("INSERT OR REPLACE INTO signatures (passkey, counter) VALUES (?, ?)");
    db.write(query.bind(passkey).bind(i64::from(counter))).await?;
    Ok(true)
}

/// A row of [`SELECT_PEOPLE`].
pub(super) fn person(row: &SqliteRow, path: &Path) -> Result<Approver, StoreError> {
    let person: Approver = parse(row, "an approver", path)?;
    let filed: &str = row.try_get("key").map_err(|error| failure::database(path, &error))?;
    if key(&person.name) != filed {
        return Err(failure::unreadable(path, &format!("approver `{filed}`"), "they are filed under another name"));
    }
    Ok(person)
}

/// A row that holds a proposal.
pub(super) fn proposal(row: &SqliteRow, path: &Path) -> Result<Proposal, StoreError> {
    parse(row, "a proposal", path)
}

/// A row that holds an invitation.
pub(super) fn invitation(row: &SqliteRow, path: &Path) -> Result<Invitation, StoreError> {
    parse(row, "an invitation", path)
}

async fn propose(db: &mut Transaction<'_>, proposal: &Proposal) -> Result<bool, StoreError> {
    let known = Known::read(db, proposal.at).await?;
    if !known.has_admin() {
        return refuse("no admin has enrolled yet, so nobody could sign it: invite the first".to_owned());
    }
    known.check(&proposal.change)?;
    let old = sqlx::query("DELETE FROM proposals WHERE expires_at <= ?").bind(proposal.at.as_microsecond());
    db.write(old).await?;
    let query = sqlx::query("INSERT INTO proposals (id, expires_at, record) VALUES (?, ?, ?)")
        .bind(proposal.id.as_str())
        .bind(proposal.expires_at.as_microsecond())
        .bind(text(proposal)?);
    db.write(query).await?;
    Ok(true)
}

async fn withdraw(db: &mut Transaction<'_>, id: &ProposalId) -> Result<bool, StoreError> {
    let gone = db.write(sqlx::query("DELETE FROM proposals WHERE id = ?").bind(id.as_str())).await?;
    Ok(gone.rows_affected() > 0)
}

impl Carried {
    async fn apply(&self, db: &mut Transaction<'_>) -> Result<bool, StoreError> {
        let known = Known::read(db, self.at).await?;
        match &self.proposal {
            Some(id) => self.check_signed(db, id, &known).await?,
            None => self.check_first(&known)?,
        }
        known.check(&self.change)?;
        let invited = match (&self.change, &self.invitation) {
            (PeopleChange::Invite(standing), Some(invitation)) => invitation.standing == *standing,
            (PeopleChange::Regroup(_) | PeopleChange::Revoke { .. }, None) => true,
            _ => false,
        };
        if !invited {
            return refuse("the invitation is not for this change".to_owned());
        }
        if let Some(id) = &self.proposal {
            withdraw(db, id).await?;
        }
        self.carry_out(db, &known).await?;
        Ok(true)
    }

    /// The proposal is there, in time, for this change, and signed by somebody who is an admin now.
    async fn check_signed(&self, db: &mut Transaction<'_>, id: &ProposalId, known: &Known) -> Result<(), StoreError> {
        let query = sqlx::query("SELECT record, expires_at FROM proposals WHERE id = ? AND expires_at > ?");
        let row = db.row(query.bind(id.as_str()).bind(self.at.as_microsecond())).await?;
        let Some(row) = row else {
            return refuse(format!("there is no proposal `{id}`: it was signed, withdrawn, or has expired"));
        };
        let proposal = proposal(&row, db.path)?;
        if proposal.id != *id || proposal.change != self.change || proposal.expires_at <= self.at {
            return refuse(format!("proposal `{id}` is for another change"));
        }
        let digest = proposal.digest().map_err(|error| StoreError::Failed(error.to_string()))?;
        let Some(signed) = &self.signed else { return refuse(format!("proposal `{id}` is not signed")) };
        if signed.statement.saying != (Saying::People { change: digest }) {
            return refuse(format!("what was signed is not proposal `{id}`"));
        }
        let admin = active(db, &signed.statement.by).await?;
        if !admin.admin {
            return refuse(format!("`{}` is no admin", admin.name));
        }
        if !admin.passkeys.contains(&signed.passkey) {
            return refuse(format!("it is not signed with a passkey of `{}`", admin.name));
        }
        // Else they could drop an alias, and approve what an agent does for them under it.
        let about_self = matches!(&self.change, PeopleChange::Regroup(standing) if same(&standing.name, &admin.name));
        if about_self && known.has_other_admin(&admin) {
            return refuse(format!("`{}` is not signed by the person it is about: another admin signs it", admin.name));
        }
        Ok(())
    }

    /// Only an admin can be invited without a signature, and only while there is nobody who could sign.
    fn check_first(&self, known: &Known) -> Result<(), StoreError> {
        if known.has_admin() {
            return refuse("an admin has enrolled, who must sign this".to_owned());
        }
        match &self.change {
            PeopleChange::Invite(standing) if standing.admin && self.signed.is_none() => Ok(()),
            _ => refuse("the first person to be invited must become an admin".to_owned()),
        }
    }

    async fn carry_out(&self, db: &mut Transaction<'_>, known: &Known) -> Result<(), StoreError> {
        match (&self.change, &self.invitation) {
            (PeopleChange::Invite(_), Some(invitation)) => invite(db, invitation, self.proposal.is_none()).await,
            (PeopleChange::Regroup(standing), _) => match known.find(&standing.name) {
                Some(person) => {
                    if !standing.admin {
                        known.end_invitations_by(db, &person.name).await?;
                    }
                    write(db, &person.clone().with(standing.clone())).await
                }
                None => Err(StoreError::Failed(format!("approver `{}` is gone", standing.name))),
            },
            (PeopleChange::Revoke { name }, _) => {
                if let Some(person) = known.find(name).filter(|person| person.is_active()) {
                    write(db, &Approver { revoked_at: Some(self.at), ..person.clone() }).await?;
                }
                grants::void(db, &key(name)).await?;
                db.write(sqlx::query("DELETE FROM invitations WHERE person = ?").bind(key(name))).await?;
                known.end_invitations_by(db, name).await
            }
            (PeopleChange::Invite(_), None) => Err(StoreError::Failed("the invitation is gone".to_owned())),
        }
    }
}

/// Files an invitation in place of an earlier one of that person, and of whatever first one there was.
async fn invite(db: &mut Transaction<'_>, invitation: &Invitation, first: bool) -> Result<(), StoreError> {
    let person = key(&invitation.standing.name);
    let old = sqlx::query("DELETE FROM invitations WHERE person = ?1 OR first = 1 OR expires_at <= ?2");
    db.write(old.bind(&person).bind(invitation.at.as_microsecond())).await?;
    let query =
        sqlx::query("INSERT INTO invitations (token, person, first, expires_at, record) VALUES (?, ?, ?, ?, ?)")
            .bind(invitation.token.as_bytes().as_slice())
            .bind(person)
            .bind(first)
            .bind(invitation.expires_at.as_microsecond())
            .bind(text(invitation)?);
    db.write(query).await?;
    Ok(())
}

async fn enrol(
    db: &mut Transaction<'_>,
    token: &Digest,
    passkey: &Passkey,
    standing: &Standing,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let query = sqlx::query("SELECT record, first FROM invitations WHERE token = ? AND expires_at > ?");
    let row = db.row(query.bind(token.as_bytes().as_slice()).bind(at.as_microsecond())).await?;
    let Some(row) = row else {
        return refuse("the link was used already, has expired, or a newer one took its place".to_owned());
    };
    let invitation = invitation(&row, db.path)?;
    let first: bool = row.try_get("first").map_err(|error| failure::database(db.path, &error))?;
    if invitation.token != *token || invitation.expires_at <= at {
        return Err(failure::unreadable(db.path, "an invitation", "its columns differ from its content"));
    }
    let known = Known::read(db, at).await?;
    if first && known.has_admin() {
        return refuse("an admin has enrolled already".to_owned());
    }
    if known.people.iter().flat_map(|person| &person.passkeys).any(|other| other.id == passkey.id) {
        return refuse("this passkey is enrolled already".to_owned());
    }
    known.check_free(&invitation.standing)?;
    let enrolled = match known.find(&invitation.standing.name) {
        Some(person) if person.is_active() => person.clone().and(passkey.clone()),
        _ => Approver::new(invitation.standing, passkey.clone()),
    };
    if enrolled.standing() != *standing {
        return refuse(format!("what `{}` may do has changed in the meantime: begin again", enrolled.name));
    }
    db.write(sqlx::query("DELETE FROM invitations WHERE token = ?").bind(token.as_bytes().as_slice())).await?;
    write(db, &enrolled).await?;
    Ok(true)
}

/// Everybody and every invitation, as a change finds them.
struct Known {
    people: Vec<Approver>,
    invitations: Vec<Invitation>,
}

impl Known {
    async fn read(db: &mut Transaction<'_>, now: Timestamp) -> Result<Self, StoreError> {
        let people = db.rows(sqlx::query(SELECT_PEOPLE)).await?;
        let query = sqlx::query("SELECT record FROM invitations WHERE expires_at > ?").bind(now.as_microsecond());
        let invitations = db.rows(query).await?;
        Ok(Self {
            people: people.iter().map(|row| person(row, db.path)).collect::<Result<_, _>>()?,
            invitations: invitations.iter().map(|row| invitation(row, db.path)).collect::<Result<_, _>>()?,
        })
    }

    fn find(&self, name: &Human) -> Option<&Approver> {
        self.people.iter().find(|person| same(&person.name, name))
    }

    fn has_admin(&self) -> bool {
        self.people.iter().any(|person| person.admin && person.is_active())
    }

    /// Refuses a change that can't be made, as things are now.
    fn check(&self, change: &PeopleChange) -> Result<(), StoreError> {
        let name = change.about();
        let person = self.find(name);
        if let Some(person) = person.filter(|person| person.name != *name) {
            return refuse(format!("write `{name}` as `{}`", person.name));
        }
        match (change, person.filter(|person| person.is_active())) {
            (PeopleChange::Invite(standing), Some(person)) if person.standing() != *standing => refuse(format!(
                "`{name}` has enrolled already, with other groups, aliases or rights: an invitation only adds a \
                 passkey; change the others by regrouping"
            )),
            (PeopleChange::Invite(standing), _) => self.check_free(standing),
            (PeopleChange::Regroup(standing), Some(person)) => {
                self.check_free(standing)?;
                if standing.admin { Ok(()) } else { self.check_not_last(person) }
            }
            (PeopleChange::Revoke { .. }, Some(person)) => self.check_not_last(person),
            (PeopleChange::Revoke { .. }, None) if self.is_invited(name) => Ok(()),
            (PeopleChange::Regroup(_) | PeopleChange::Revoke { .. }, None) => {
                refuse(format!("there is no active approver `{name}`"))
            }
        }
    }

    /// Refuses names that mean somebody else: one of the enrolled, revoked or not, or of the invited.
    fn check_free(&self, standing: &Standing) -> Result<(), StoreError> {
        let others = self.people.iter().map(Approver::standing);
        let others = others.chain(self.invitations.iter().map(|invitation| invitation.standing.clone()));
        for other in others.filter(|other| !same(&other.name, &standing.name)) {
            if let Some(taken) = standing.names().find(|name| other.names().any(|theirs| same(theirs, name))) {
                return refuse(format!("`{taken}` is `{}` already: choose another name or alias", other.name));
            }
        }
        Ok(())
    }

    /// True where somebody else could sign.
    fn has_other_admin(&self, person: &Approver) -> bool {
        self.people.iter().any(|other| other.admin && other.is_active() && other.name != person.name)
    }

    /// An admin's signature lets nobody in any more when they are none.
    async fn end_invitations_by(&self, db: &mut Transaction<'_>, admin: &Human) -> Result<(), StoreError> {
        for invitation in &self.invitations {
            if invitation.by.as_ref().is_some_and(|by| same(by, admin)) {
                let token = invitation.token.as_bytes().as_slice();
                db.write(sqlx::query("DELETE FROM invitations WHERE token = ?").bind(token)).await?;
            }
        }
        Ok(())
    }

    fn check_not_last(&self, person: &Approver) -> Result<(), StoreError> {
        let others = self.people.iter().filter(|other| other.admin && other.is_active() && other.name != person.name);
        if person.admin && others.count() == 0 {
            return refuse(format!("`{}` is the last admin: make somebody else an admin first", person.name));
        }
        Ok(())
    }

    fn is_invited(&self, name: &Human) -> bool {
        self.invitations.iter().any(|invitation| same(&invitation.standing.name, name))
    }
}

async fn write(db: &mut Transaction<'_>, person: &Approver) -> Result<(), StoreError> {
    let query = sqlx::query("INSERT OR REPLACE INTO people (key, record) VALUES (?, ?)").bind(key(&person.name));
    db.write(query.bind(text(person)?)).await?;
    Ok(())
}

fn refuse<T>(why: String) -> Result<T, StoreError> {
    Err(StoreError::NotGranted(why))
}

fn text(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(format!("people can't be written: {error}")))
}

fn parse<T: DeserializeOwned>(row: &SqliteRow, what: &str, path: &Path) -> Result<T, StoreError> {
    let record: &str = row.try_get("record").map_err(|error| failure::database(path, &error))?;
    serde_json::from_str(record).map_err(|error| failure::unreadable(path, what, &error.to_string()))
}
