//! Who was who, as far as a receipt's records tell: invited by whom, enrolled with which passkey, revoked since when.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::verify::CheckSigned;
use crate::approval::people::{Approver, PeopleChange, Proposal, Standing, same};
use crate::approval::statement::{Saying, Signed};
use crate::audit::event::What;
use crate::names::{Human, ProposalId};
use crate::text::escape::quoted;

/// Most characters of a name.
const NAME: usize = 64;

/// People, after some of the records.
#[derive(Debug, Default)]
pub(super) struct People {
    everybody: Vec<Approver>,
    invited: Vec<Standing>,
    proposals: BTreeMap<ProposalId, Proposal>,
    /// Who invited the first admin, without a signature.
    founders: Vec<String>,
}

impl People {
    /// Takes a record about people; others change nothing.
    pub(super) fn take(&mut self, at: Timestamp, what: &What, check: CheckSigned<'_>) -> Result<(), String> {
        match what {
            What::PeopleProposed { proposal } => {
                self.proposals.insert(proposal.id.clone(), proposal.clone());
                Ok(())
            }
            What::PeopleChanged { proposal, change, by, signed } => {
                match (proposal, signed) {
                    (None, None) => self.found(change, by)?,
                    (Some(proposal), Some(signed)) => self.authorised(at, proposal, change, by, signed, check)?,
                    _ => return Err("a change of people has either proposal or signature, and not both".to_owned()),
                }
                self.change(at, change)
            }
            What::Enrolled { standing, passkey } => {
                let name = told(&standing.name);
                let Some(place) = self.invited.iter().position(|invited| same(&invited.name, &standing.name)) else {
                    return Err(format!("{name} enrolled without an invitation"));
                };
                let invited = self.invited.remove(place);
                match self.everybody.iter_mut().find(|person| same(&person.name, &standing.name)) {
                    Some(person) if person.is_active() && person.standing() == *standing => {
                        *person = person.clone().and((**passkey).clone());
                    }
                    Some(person) if !person.is_active() && invited == *standing => {
                        *person = Approver::new(invited, (**passkey).clone());
                    }
                    None if invited == *standing => self.everybody.push(Approver::new(invited, (**passkey).clone())),
                    _ => return Err(format!("{name} enrolled as somebody else than was invited")),
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Everybody, as they are now.
    pub(super) fn everybody(&self) -> &[Approver] {
        &self.everybody
    }

    /// Who invited first admins from the command line, as the operating system named them.
    pub(super) fn founders(&self) -> &[String] {
        &self.founders
    }

    /// The person whose signature this is: somebody who may sign now, with a passkey they enrolled.
    pub(super) fn signer(&self, signed: &Signed, check: CheckSigned<'_>) -> Result<&Approver, String> {
        let name = told(&signed.statement.by);
        let person = self.everybody.iter().find(|person| person.name == signed.statement.by);
        let person = person.ok_or_else(|| format!("{name} signed, and had not enrolled"))?;
        if !person.is_active() {
            return Err(format!("{name} signed, and had been revoked"));
        }
        if !person.passkeys.contains(&signed.passkey) {
            return Err(format!("{name} signed with a passkey that they had not enrolled"));
        }
        check(signed).map_err(|error| format!("the signature of {name} is not good: {error}"))?;
        Ok(person)
    }

    /// The first invitation of an installation needs no signature, and makes an admin.
    fn found(&mut self, change: &PeopleChange, by: &str) -> Result<(), String> {
        let has_admin = self.everybody.iter().any(|person| person.is_active() && person.admin);
        match change {
            PeopleChange::Invite(standing) if standing.admin && !has_admin => {
                self.founders.push(by.to_owned());
                Ok(())
            }
            change => Err(format!("a change that concerns {} was not signed", told(change.about()))),
        }
    }

    fn authorised(
        &self,
        at: Timestamp,
        id: &ProposalId,
        change: &PeopleChange,
        by: &str,
        signed: &Signed,
        check: CheckSigned<'_>,
    ) -> Result<(), String> {
        let about = told(change.about());
        let proposal = self.proposals.get(id).ok_or_else(|| format!("what was signed about {about} is not here"))?;
        let digest = proposal.digest().map_err(|error| error.to_string())?;
        if proposal.change != *change || signed.statement.saying != (Saying::People { change: digest }) {
            return Err(format!("what was signed about {about} is another change"));
        }
        if at >= proposal.expires_at || signed.statement.by.as_str() != by {
            return Err(format!("what was signed about {about} was signed too late, or by somebody else"));
        }
        match self.signer(signed, check)?.admin {
            true => Ok(()),
            false => Err(format!("what was signed about {about} was not signed by an admin")),
        }
    }

    fn change(&mut self, at: Timestamp, change: &PeopleChange) -> Result<(), String> {
        let name = change.about();
        if let PeopleChange::Invite(standing) = change {
            self.invited.retain(|invited| !same(&invited.name, name));
            self.invited.push(standing.clone());
            return Ok(());
        }
        let person = self.everybody.iter_mut().find(|person| same(&person.name, name));
        let person = person.ok_or_else(|| format!("{} changed, and had not enrolled", told(name)))?;
        match change {
            PeopleChange::Regroup(standing) => *person = person.clone().with(standing.clone()),
            PeopleChange::Revoke { .. } => {
                person.revoked_at = Some(at);
                self.invited.retain(|invited| !same(&invited.name, name));
            }
            PeopleChange::Invite(_) => {}
        }
        Ok(())
    }
}

fn told(name: &Human) -> String {
    quoted(name.as_str(), NAME)
}
