//! Who may sign: reading it, proposing changes, signing them.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::decide::Finish;
use super::{asked, count_waiting, told, viewer};
use crate::approval::not_done::NotDone;
use crate::approval::people::{PeopleChange, Proposal, Standing, same};
use crate::console::Console;
use crate::console::ask::{Call, Form, SignedIn};
use crate::console::trouble::Trouble;
use crate::console::view::people::{People, people};
use crate::console::view::shell::framed;
use crate::digest::Digest;
use crate::names::{Human, ProposalId};

/// A change, as the forms send it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Wanted {
    change: Kind,
    name: String,
    #[serde(default)]
    groups: BTreeSet<String>,
    #[serde(default)]
    admin: bool,
    /// One a line.
    #[serde(default)]
    aliases: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Somebody new.
    Invite,
    /// Another passkey of somebody who is there.
    Passkey,
    /// What somebody may do.
    Regroup,
    /// Somebody's end.
    Revoke,
}

/// A proposal, as it stands on the page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Begin {
    proposal: String,
    digest: Digest,
}

/// `/people`
pub(in crate::console) async fn page(State(console): State<Console>, me: SignedIn) -> Result<Response, Trouble> {
    shown(&console, &me, None, StatusCode::OK).await
}

async fn shown(
    console: &Console,
    me: &SignedIn,
    problem: Option<String>,
    status: StatusCode,
) -> Result<Response, Trouble> {
    let now = console.clock().now();
    let all = People {
        people: console.store().people().await?,
        proposals: console.store().proposals(now).await?,
        groups: console.groups().clone(),
        problem,
        now,
    };
    let viewer = viewer(me, count_waiting(console, &me.person).await?);
    Ok((status, framed(&people(&all, &viewer), &viewer)).into_response())
}

/// `/people/propose`: without a script, a change is proposed and signed later.
pub(in crate::console) async fn propose(State(console): State<Console>, form: Form) -> Result<Response, Trouble> {
    let change = serde_json::from_value(Value::from(form.get("change"))).map_err(|_| Trouble::malformed())?;
    let wanted = Wanted {
        change,
        name: form.get("name").to_owned(),
        groups: form.all("group").map(str::to_owned).collect(),
        admin: form.get("admin") == "yes",
        aliases: form.get("aliases").to_owned(),
    };
    match proposed(&console, &form.me, wanted).await {
        Ok(_) => Ok(Redirect::to("/people").into_response()),
        Err(not) => shown(&console, &form.me, Some(Trouble::from(not).line()), StatusCode::UNPROCESSABLE_ENTITY).await,
    }
}

/// `/api/people/propose`: what the script then has signed at once.
pub(in crate::console) async fn propose_to_sign(State(console): State<Console>, call: Call<Wanted>) -> Response {
    let proposal = proposed(&console, &call.me, call.body).await;
    told(proposal.map_err(Trouble::from).and_then(|proposal| {
        let digest = proposal.digest().map_err(|error| NotDone::Failed(error.to_string()))?;
        Ok(json!({ "proposal": proposal.id, "digest": digest }))
    }))
}

async fn proposed(console: &Console, me: &SignedIn, wanted: Wanted) -> Result<Proposal, NotDone> {
    let Wanted { change, name, groups, admin, aliases } = wanted;
    let name = Human::new(name.trim());
    let aliases = aliases.lines().map(str::trim).filter(|alias| !alias.is_empty()).map(Human::new).collect();
    let change = match change {
        Kind::Invite => PeopleChange::Invite(Standing { name, aliases, groups, admin }),
        Kind::Regroup => PeopleChange::Regroup(Standing { name, aliases, groups, admin }),
        Kind::Revoke => PeopleChange::Revoke { name },
        Kind::Passkey => {
            let people = console.store().people().await?;
            let person = people.iter().find(|person| same(&person.name, &name));
            PeopleChange::Invite(person.ok_or(NotDone::NotAnApprover(name))?.standing())
        }
    };
    console.approvals().propose(change, me.name()).await
}

/// `/people/withdraw`
pub(in crate::console) async fn withdraw(State(console): State<Console>, form: Form) -> Result<Response, Trouble> {
    let proposal = ProposalId::from_outside(form.get("proposal"));
    match console.approvals().withdraw(&proposal, form.me.name()).await {
        Ok(()) => Ok(Redirect::to("/people").into_response()),
        Err(not) => shown(&console, &form.me, Some(Trouble::from(not).line()), StatusCode::UNPROCESSABLE_ENTITY).await,
    }
}

/// `/api/people/begin`
pub(in crate::console) async fn begin(State(console): State<Console>, call: Call<Begin>) -> Response {
    let proposal = ProposalId::from_outside(&call.body.proposal);
    let begun = console.approvals().begin_sign_proposal(&proposal, &call.body.digest, call.me.name()).await;
    told(begun.map(asked).map_err(Trouble::from))
}

/// `/api/people/finish`: carries the change out. An invitation's link is in this answer and nowhere else.
pub(in crate::console) async fn finish(State(console): State<Console>, call: Call<Finish>) -> Response {
    let Finish { ticket, credential } = call.body;
    let changed = console.approvals().finish_sign_proposal(&ticket, call.me.name(), &credential).await;
    if let Ok(changed) = &changed
        && let PeopleChange::Revoke { name } = &changed.change
    {
        console.sessions().end_all_of(name);
    }
    let done = changed.map(|changed| json!({ "done": "The change is signed and on record.", "link": changed.link }));
    told(done.map_err(Trouble::from))
}
