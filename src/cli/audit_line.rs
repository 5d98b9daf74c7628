//! One record as a line for people: number, time, who, what, plan, result.

use serde_json::Value;

use crate::approval::people::PeopleChange;
use crate::audit::event::{Event, PointWord, ProbeWord, ResultWord, StoredRecord, WaitWord, What};
use crate::ports::GrantKind;
use crate::text::escape::quoted;

/// Most characters of a name that came from outside.
const NAME: usize = 64;
/// Most characters of a message that came from outside.
const MESSAGE: usize = 160;

/// The line of one record, without its end. Whatever came from outside is quoted.
pub(super) fn line(record: &StoredRecord) -> String {
    let Ok(event) = serde_json::from_str::<Event>(&record.event) else {
        return format!(
            "{:>6}  (written by another version of countersign) {}",
            record.seq,
            quoted(&record.event, MESSAGE)
        );
    };
    let who = match &event.caller {
        Some(caller) => {
            format!("{} for {}", quoted(caller.agent.as_str(), NAME), quoted(caller.human.as_str(), NAME))
        }
        None => "server".to_owned(),
    };
    format!("{:>6}  {:.0}  {who:<24}  {}", record.seq, event.at, what(&event.what))
}

fn what(what: &What) -> String {
    match what {
        What::Started { version, manifests, policy, config } => format!(
            "started      version {}, manifests {}, policy {}, configuration {}",
            quoted(version, NAME),
            manifests.short(),
            policy.short(),
            config.short()
        ),
        What::Requested { tool, arguments } => {
            format!("requested    {} {}", quoted(tool, NAME), quoted(&Value::to_string(arguments), MESSAGE))
        }
        What::Answered { operation, request_id } => {
            format!("answered     {operation}{}", request(request_id.as_deref()))
        }
        What::Served { tool } => format!("served       {}", quoted(tool, NAME)),
        What::Refused { code, message, operator_detail, plan } => {
            let plan = plan.as_ref().map(|plan| format!("{}  ", quoted(plan.as_str(), NAME))).unwrap_or_default();
            let detail = operator_detail.as_ref().map(|detail| format!("; {}", quoted(detail, MESSAGE)));
            format!("refused      {plan}{}: {}{}", code.word(), quoted(message, MESSAGE), detail.unwrap_or_default())
        }
        What::Previewed { plan, operation, effect, targets, .. } => {
            format!("previewed    {plan}  {effect} {operation} on {}", names(targets))
        }
        What::BreakerOpened { scope, why } => {
            format!("breaker      of {} opened: {}", quoted(&scope.to_string(), NAME), quoted(why, MESSAGE))
        }
        What::BreakerClosed { scope, by, reason } => format!(
            "breaker      of {} closed by {}: {}",
            quoted(&scope.to_string(), NAME),
            quoted(by, NAME),
            quoted(reason, MESSAGE)
        ),
        What::PolicyChanged { before, now } => format!("policy       {} instead of {}", now.short(), before.short()),
        What::PolicyRejected { kept, problems } => {
            format!("policy       {} stays, the changed one was refused: {}", kept.short(), quoted(problems, MESSAGE))
        }
        What::Probing { plan, target, name, .. } => {
            format!("probing      {plan}  change set {} of {}", quoted(name, MESSAGE), quoted(target, MESSAGE))
        }
        What::Probed { plan, name, result, detail } => {
            let word = match result {
                ProbeWord::NotMade => "not made",
                ProbeWord::Deleted => "deleted again",
                ProbeWord::Left => "NOT deleted, it lies there",
            };
            let detail = if detail.is_empty() { String::new() } else { format!(": {}", quoted(detail, MESSAGE)) };
            format!("probed       {plan}  change set {} {word}{detail}", quoted(name, MESSAGE))
        }
        What::Asked { plan, .. } => format!("asked        {plan}"),
        What::Confirmed { plan, answered_after_ms, faster_than_reading, .. } => {
            let (seconds, tenths) = (answered_after_ms / 1000, answered_after_ms / 100 % 10);
            let fast = if *faster_than_reading { ", faster than a person reads" } else { "" };
            format!("confirmed    {plan}  after {seconds}.{tenths} s{fast}")
        }
        What::Parked { plan, needs, .. } => {
            format!("parked       {plan}  waits for {}", quoted(&needs.join("; "), MESSAGE))
        }
        What::Signed { plan, kind, by, answered_after_ms, .. } => {
            let what = match kind {
                GrantKind::Confirmation => "confirmed",
                GrantKind::Approval => "approved",
                GrantKind::Application => "to be applied",
            };
            let (by, seconds) = (quoted(by.as_str(), NAME), answered_after_ms / 1000);
            format!("signed       {plan}  {what} by {by} after {seconds} s")
        }
        What::NotSigned { by, plan, code, message } => {
            let plan = plan.as_ref().map(|plan| format!("{}  ", quoted(plan.as_str(), NAME))).unwrap_or_default();
            let (by, code) = (quoted(by.as_str(), NAME), quoted(code, NAME));
            format!("not signed   {plan}by {by}, {code}: {}", quoted(message, MESSAGE))
        }
        What::Rejected { plan, by, reason, .. } => {
            format!("rejected     {plan}  by {}: {}", quoted(by.as_str(), NAME), quoted(reason, MESSAGE))
        }
        What::PeopleProposed { proposal } => format!(
            "people       {}  {} proposed by {}",
            quoted(proposal.id.as_str(), NAME),
            change(&proposal.change),
            quoted(&proposal.by, NAME)
        ),
        What::PeopleWithdrawn { proposal, by } => {
            format!("people       {}  withdrawn by {}", quoted(proposal.as_str(), NAME), quoted(by, NAME))
        }
        What::PeopleChanged { change: changed, by, signed, .. } => {
            let how = if signed.is_some() { "signed" } else { "the first, without a signature," };
            format!("people       {} {how} by {}", change(changed), quoted(by, NAME))
        }
        What::Enrolled { standing, passkey } => format!(
            "enrolled     {} with passkey {}",
            quoted(standing.name.as_str(), NAME),
            quoted(&passkey.label, NAME)
        ),
        What::SignedIn { by, .. } => format!("signed in    {}", quoted(by.as_str(), NAME)),
        What::CheckpointKey { verifier, .. } => format!("checkpoints  signed with key {}", quoted(verifier, MESSAGE)),
        What::Intent { plan, operation, targets, role, .. } => {
            let role = role.as_ref().map(|role| format!(" as {}", quoted(role, MESSAGE))).unwrap_or_default();
            format!("intent       {plan}  {operation} on {}{role}", names(targets))
        }
        What::Outcome { plan, result, request_id, detail } => {
            let detail = detail.as_ref().map(|detail| format!(": {}", quoted(detail, MESSAGE))).unwrap_or_default();
            format!("outcome      {plan}  {}{}{detail}", word(*result), request(request_id.as_deref()))
        }
        What::RecoveryPoint { plan, label, target, name, result, id, detail, .. } => {
            let result = match result {
                PointWord::Taking => "to be taken",
                PointWord::Taken => "taken",
                PointWord::Usable => "usable",
                PointWord::Failed => "NOT USABLE",
            };
            let id = id.as_ref().map(|id| format!(", {}", quoted(&id.to_string(), MESSAGE))).unwrap_or_default();
            let detail = detail.as_ref().map(|detail| format!(": {}", quoted(detail, MESSAGE))).unwrap_or_default();
            let (label, target, name) = (quoted(label, NAME), quoted(target, NAME), quoted(name, NAME));
            format!("recovery     {plan}  {label} of {target}, {name}{id}  {result}{detail}")
        }
        What::Undo { plan, by, state, details, by_hand } => {
            let details = match details.as_slice() {
                [] => String::new(),
                details => format!(": {}", quoted(&details.join("; "), MESSAGE)),
            };
            let by_hand = by_hand.as_ref().map(|text| format!("; by hand: {}", quoted(text, MESSAGE)));
            format!("undo         of {plan} by {by}  {}{details}{}", state.words(), by_hand.unwrap_or_default())
        }
        What::Waited { plan, until, result, detail } => format!(
            "waited       plan {plan}: {} {} ({})",
            quoted(until, NAME),
            match result {
                WaitWord::Reached => "reached",
                WaitWord::Failed => "failed",
                WaitWord::Going => "still going on",
                WaitWord::Untold => "can't be read",
            },
            quoted(detail, MESSAGE)
        ),
        What::Reconciled { plan, result, detail } => {
            format!("reconciled   {plan}  {}: {}", word(*result), quoted(detail, MESSAGE))
        }
    }
}

fn change(change: &PeopleChange) -> String {
    let (what, standing) = match change {
        PeopleChange::Invite(standing) => ("invitation of", Some(standing)),
        PeopleChange::Regroup(standing) => ("new standing of", Some(standing)),
        PeopleChange::Revoke { .. } => ("end of", None),
    };
    let groups = standing.map(|standing| {
        let groups: Vec<String> = standing.groups.iter().map(|group| quoted(group, NAME)).collect();
        format!(" ({}{})", groups.join(", "), if standing.admin { ", admin" } else { "" })
    });
    format!("{what} {}{}", quoted(change.about().as_str(), NAME), groups.unwrap_or_default())
}

fn names(targets: &[String]) -> String {
    match targets {
        [] => "no targets".to_owned(),
        [first] => quoted(first, MESSAGE),
        [first, rest @ ..] => format!("{} and {} more", quoted(first, MESSAGE), rest.len()),
    }
}

fn request(id: Option<&str>) -> String {
    id.map(|id| format!(", AWS request {}", quoted(id, NAME))).unwrap_or_default()
}

fn word(result: ResultWord) -> &'static str {
    match result {
        ResultWord::Applied => "applied",
        ResultWord::Failed => "failed",
        ResultWord::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::people::{Passkey, Proposal, Standing};
    use crate::approval::statement::{Saying, Signed, Statement};
    use crate::audit::chain;
    use crate::call::refused::Code;
    use crate::call::request::{Caller, ClientInfo};
    use crate::digest::Digest;
    use crate::names::{Agent, Effect, GrantId, Human, OperationId, PlanId, ProposalId, SessionId};
    use crate::plan::kept::UndoState;
    use crate::ports::BreakerScope;

    #[test]
    fn every_kind_of_event_is_one_line() {
        let (plan, digest) = (PlanId::from_outside("plan-1"), Digest::of_bytes("t", b""));
        let operation = OperationId::new("ec2", "TerminateInstances");
        let targets = vec!["arn:aws:ec2:eu-central-1:111122223333:instance/i-1".to_owned(), "arn:2".to_owned()];
        let parked = PlanId::from_outside("plan-2");
        let standing = Standing {
            name: Human::new("bob\u{1b}[1m"),
            aliases: [Human::new("bob@example.com")].into(),
            groups: ["senior\n".to_owned(), "owners".to_owned()].into(),
            admin: true,
        };
        let proposal = Proposal {
            id: ProposalId::from_outside("change-1\u{1b}"),
            change: PeopleChange::Regroup(standing.clone()),
            by: "ann\n".into(),
            at: jiff::Timestamp::UNIX_EPOCH,
            expires_at: jiff::Timestamp::UNIX_EPOCH,
        };
        let passkey = Passkey {
            id: "id".into(),
            label: "phone\u{1b}[8m".into(),
            added_at: jiff::Timestamp::UNIX_EPOCH,
            credential: Value::Null,
        };
        let statement = Statement {
            saying: Saying::SignIn,
            by: Human::new("bob"),
            origin: "https://guard.example.com".into(),
            at: jiff::Timestamp::UNIX_EPOCH,
            nonce: String::new(),
        };
        let signed = Box::new(Signed { statement, passkey: passkey.clone(), assertion: Value::Null });
        let events = [
            What::Started { version: "0.1.0".into(), manifests: digest, policy: digest, config: digest },
            What::Requested { tool: "ec2_stop\n\u{1b}[2J".into(), arguments: serde_json::json!({ "a": "\u{202e}x" }) },
            What::Answered { operation: operation.clone(), request_id: Some("req-1".into()) },
            What::Served { tool: "whoami".into() },
            What::Refused {
                code: Code::NotConfirmed,
                message: "the person typed `no`".into(),
                operator_detail: Some("typed:\nno".into()),
                plan: Some(plan.clone()),
            },
            What::Previewed {
                plan: plan.clone(),
                digest,
                operation: operation.clone(),
                effect: Effect::Irreversible,
                targets: targets.clone(),
            },
            What::Asked { plan: plan.clone(), digest, prompt: digest },
            What::Confirmed { plan: plan.clone(), digest, answered_after_ms: 400, faster_than_reading: true },
            What::Intent {
                plan: plan.clone(),
                digest,
                operation,
                targets,
                role: Some("arn:role".into()),
                session_policy: None,
            },
            What::Outcome {
                plan: plan.clone(),
                result: ResultWord::Failed,
                request_id: Some("req-2".into()),
                detail: Some("UnauthorizedOperation".into()),
            },
            What::Reconciled { plan, result: ResultWord::Applied, detail: "i-1 is gone".into() },
            What::RecoveryPoint {
                plan: parked.clone(),
                label: "manual snapshot".into(),
                target: "orders\u{1b}[2J".into(),
                name: "cs-1".into(),
                operation: OperationId::new("rds", "CreateDBSnapshot"),
                result: PointWord::Failed,
                id: Some("arn:aws:rds:\n".into()),
                request_id: None,
                detail: Some("it can't become usable".into()),
            },
            What::Undo {
                plan: parked.clone(),
                by: PlanId::from_outside("plan-3"),
                state: UndoState::Stuck,
                details: vec!["AWS refused\u{1b}[2J it".into()],
                by_hand: Some("restore it\nin the console".into()),
            },
            What::PolicyChanged { before: digest, now: digest },
            What::PolicyRejected { kept: digest, problems: "own.cedar:1\n\u{9b}2J".into() },
            What::Parked { plan: parked.clone(), digest, needs: vec!["a person\n".into(), "`two`".into()] },
            What::Signed {
                plan: parked.clone(),
                digest,
                kind: GrantKind::Approval,
                grant: GrantId::from_outside("grant-1"),
                by: Human::new("bob\u{202e}"),
                answered_after_ms: 61_500,
                signed: signed.clone(),
            },
            What::NotSigned {
                by: Human::new("ann\n"),
                plan: Some(parked.clone()),
                code: "own_plan".into(),
                message: "the plan is made for `ann\u{1b}[2J`".into(),
            },
            What::Rejected { plan: parked, digest, by: Human::new("cleo\u{200b}"), reason: "no,\r\u{1b}]0;x".into() },
            What::PeopleProposed { proposal },
            What::PeopleWithdrawn { proposal: ProposalId::from_outside("change-1\n"), by: "ann\t(uid 0)".into() },
            What::PeopleChanged {
                proposal: None,
                change: PeopleChange::Invite(standing.clone()),
                by: "ann\u{7f}".into(),
                signed: None,
            },
            What::PeopleChanged {
                proposal: Some(ProposalId::from_outside("change-1")),
                change: PeopleChange::Revoke { name: Human::new("bob\n") },
                by: "ann".into(),
                signed: Some(signed),
            },
            What::Enrolled { standing, passkey: Box::new(passkey) },
            What::SignedIn { by: Human::new("bob\u{2066}"), passkey: "id".into() },
            What::CheckpointKey { verifier: "countersign.x\n+00000000+AQ==".into(), signed_by_previous: None },
            What::BreakerOpened { scope: BreakerScope::Agent(Agent::new("kiro")), why: "5 refusals".into() },
            What::BreakerClosed {
                scope: BreakerScope::Account("111122223333".into()),
                by: "bob (uid 1000)".into(),
                reason: "the quota\nis raised".into(),
            },
        ];
        let caller = Caller {
            agent: Agent::new("kiro"),
            human: Human::new("dana"),
            session: SessionId::new("s-1"),
            client: ClientInfo::default(),
            source: None,
        };
        let mut head = chain::empty();
        let mut lines = Vec::new();
        for what in events {
            let of_server = matches!(
                what,
                What::Started { .. }
                    | What::BreakerOpened { .. }
                    | What::BreakerClosed { .. }
                    | What::PolicyChanged { .. }
                    | What::PolicyRejected { .. }
                    | What::CheckpointKey { .. }
            );
            let caller = (!of_server).then(|| caller.clone());
            let event = Event { at: jiff::Timestamp::UNIX_EPOCH, call: None, caller, what };
            let record = chain::next(&head, chain::canonical_event(&event).unwrap());
            head = crate::audit::event::Head { seq: record.seq, hash: record.hash };
            lines.push(line(&record));
        }
        lines.push(line(&chain::next(&head, "{\"what\":{\"event\":\"new\"}}".into())));
        insta::assert_snapshot!(lines.join("\n"));
    }
}
