//! What a receipt proves, and what it doesn't, for people and for programs.

use serde_json::{Value, json};

use super::verify::{Consent, Ending, Intent, Story};
use crate::audit::event::{ResultWord, WaitWord};
use crate::plan::filed::{Obligation, PlanContent};
use crate::ports::GrantKind;
use crate::text::escape::quoted;

/// Most characters of a name.
const NAME: usize = 64;
/// Most characters of other foreign text.
const TEXT: usize = 200;
/// Targets that are told.
const SHOWN: usize = 5;

/// The receipt's story, one fact a line.
pub fn proven(story: &Story) -> String {
    let Story { content, digest, .. } = story;
    let PlanContent { agent, human, account, .. } = content;
    let mut lines = vec![
        headline(story),
        String::new(),
        format!("  plan        {}, digest {digest}", named(content.id.as_str())),
        format!("  operation   {} ({}), by tool {}", content.operation, content.effect, named(&content.tool)),
        format!("  account     {} ({}), {}", named(&account.name), account.stage, named(content.region.as_str())),
        format!("  targets     {}", targets(content)),
        format!("  asked by    agent {} for {}", named(agent.as_str()), named(human.as_str())),
        format!("  reason      {}", quoted(&content.reason, TEXT)),
    ];
    lines.extend(story.consents.iter().map(consent));
    if let Some((by, reason)) = &story.rejected {
        lines.push(format!("  rejected    by {}: {}", named(by.as_str()), quoted(reason, TEXT)));
    }
    lines.extend(story.intent.iter().map(intent));
    lines.extend(story.ending.iter().map(ending));
    lines.extend(story.waited.iter().map(waited));
    lines.push(format!("  manifest    {}", content.manifest));
    lines.push(format!("  policies    {}", content.policy));
    lines.push(format!("  record      {} of {} records, each in its place", story.records, story.size));
    let pinned = if story.pinned { "it is the one given, or follows from it" } else { "NOT PINNED" };
    lines.push(format!("  key         {}\n              {pinned}", story.key));
    lines.push(String::new());
    lines.push("not proven by this file:".to_owned());
    lines.extend(not_proven(story).into_iter().map(|one| format!("  - {one}")));
    lines.join("\n") + "\n"
}

/// What is wrong with a receipt.
pub fn refused(flaws: &[String]) -> String {
    let lines: Vec<String> = flaws.iter().map(|flaw| format!("  - {flaw}\n")).collect();
    format!("NOT VERIFIED: nothing in this file can be relied on\n\n{}", lines.concat())
}

/// The story for programs.
pub fn json(story: &Story) -> Value {
    let Story { content, digest, key, pinned, size, records, .. } = story;
    let consents: Vec<Value> = story
        .consents
        .iter()
        .map(|Consent { kind, by, at, signed, .. }| {
            let (passkey, groups) = signed.clone().unzip();
            json!({ "kind": kind, "by": by, "at": at, "passkey": passkey, "groups": groups })
        })
        .collect();
    json!({
        "verified": true,
        "plan": content.id,
        "digest": digest,
        "operation": content.operation,
        "effect": content.effect,
        "account": content.account,
        "region": content.region,
        "targets": content.targets.iter().map(|target| &target.arn).collect::<Vec<_>>(),
        "agent": content.agent,
        "human": content.human,
        "manifest": content.manifest,
        "policy": content.policy,
        "consents": consents,
        "rejected": story.rejected.as_ref().map(|(by, reason)| json!({ "by": by, "reason": reason })),
        "intent": story.intent.as_ref().map(|Intent { seq, at, role, session_policy }| {
            json!({ "record": seq, "at": at, "role": role, "session_policy": session_policy })
        }),
        "outcome": story.ending.as_ref().map(|Ending { result, request_ids, detail }| {
            json!({ "result": result, "request_ids": request_ids, "detail": detail })
        }),
        "waited": story.waited.as_ref().map(|(result, detail)| json!({ "result": result, "detail": detail })),
        "records": records,
        "record_size": size,
        "key": key.to_string(),
        "pinned": pinned,
        "not_proven": not_proven(story),
    })
}

/// The refusal for programs.
pub fn refused_json(flaws: &[String]) -> Value {
    json!({ "verified": false, "flaws": flaws })
}

fn headline(story: &Story) -> String {
    let result = story.ending.as_ref().map(|ending| ending.result);
    let what = match (result, &story.intent, &story.rejected) {
        (Some(ResultWord::Applied), ..) => "the plan was carried out, with the consents it needs",
        (Some(ResultWord::Failed), ..) => "the plan had the consents it needs, and carrying it out failed",
        (Some(ResultWord::Unknown), ..) | (None, Some(_), _) => {
            "the plan had the consents it needs and was sent; what came of it is not known"
        }
        (None, None, Some(_)) => "the plan was rejected, and not carried out",
        (None, None, None) => "the plan was not carried out, as far as the record had got",
    };
    match story.pinned {
        true => format!("VERIFIED: {what}"),
        false => format!("CONSISTENT, signed with a key that was not given by `--key`: {what}"),
    }
}

fn consent(consent: &Consent) -> String {
    let Consent { kind, by, at, after_ms, signed } = consent;
    let word = match kind {
        GrantKind::Confirmation => "confirmed ",
        GrantKind::Approval => "approved  ",
        GrantKind::Application => "applied   ",
    };
    let how = match signed {
        Some((label, groups)) => {
            let groups: Vec<String> = groups.iter().map(|group| named(group)).collect();
            let of = if groups.is_empty() { String::new() } else { format!(" of {}", groups.join(", ")) };
            format!("{of}, signed with passkey {}", named(label))
        }
        None => ", typed in the agent's client".to_owned(),
    };
    format!("  {word}  by {}{how}, {at:.0}, after {} s", named(by.as_str()), after_ms / 1000)
}

fn intent(intent: &Intent) -> String {
    let role = match &intent.role {
        Some(role) => quoted(role, TEXT),
        None => "the server's own identity".to_owned(),
    };
    let narrowed = match &intent.session_policy {
        Some(digest) => format!("narrowed by session policy {}", digest.short()),
        None => "not narrowed".to_owned(),
    };
    format!("  sent        {:.0}, as {role}, {narrowed}", intent.at)
}

fn ending(ending: &Ending) -> String {
    let word = match ending.result {
        ResultWord::Applied => "applied",
        ResultWord::Failed => "failed",
        ResultWord::Unknown => "unknown",
    };
    let ids: Vec<String> = ending.request_ids.iter().map(|id| format!(", AWS request {}", named(id))).collect();
    let detail = ending.detail.as_ref().map(|detail| format!(": {}", quoted(detail, TEXT))).unwrap_or_default();
    format!("  outcome     {word}{}{detail}", ids.concat())
}

fn waited((result, detail): &(WaitWord, String)) -> String {
    let word = match result {
        WaitWord::Reached => "done",
        WaitWord::Failed => "FAILED",
        WaitWord::Going => "still going on when it was last looked at",
        WaitWord::Untold => "not known",
    };
    format!("  began       {word}: {}", quoted(detail, TEXT))
}

fn not_proven(story: &Story) -> Vec<String> {
    let mut open = Vec::new();
    if !story.pinned {
        open.push(
            "that the key is the installation's: compare it with what its operator tells you by other means, or give \
             that with `--key`"
                .to_owned(),
        );
    }
    if story.consents.iter().any(|consent| consent.signed.is_none()) {
        open.push("that a person typed the confirmation: it came from the agent's own client".to_owned());
    }
    if story.rejected.is_some() {
        open.push("that they rejected it: the server says so, nobody signs a rejection".to_owned());
    }
    if story.consents.iter().any(|consent| consent.signed.is_some()) {
        open.push(
            "that the passkeys are these people's: the server's record says so; compare their ids with what their owners \
             show"
                .to_owned(),
        );
    }
    for by in &story.founders {
        open.push(format!("who the first admin is: {} invited them on the server itself", named(by)));
    }
    if story.content.obligations.contains(&Obligation::Window) && story.intent.is_some() {
        open.push("that a change window was open: the server says so".to_owned());
    }
    if story.intent.is_some() {
        open.push("what AWS did: look for the request id in CloudTrail".to_owned());
    }
    open.push(
        "that whoever holds the key left nothing out, such as a revocation: `countersign audit verify` reads the whole \
         record"
            .to_owned(),
    );
    open
}

fn targets(content: &PlanContent) -> String {
    let mut shown: Vec<String> = content.targets.iter().take(SHOWN).map(|target| quoted(&target.arn, TEXT)).collect();
    match content.targets.len().saturating_sub(SHOWN) {
        0 if shown.is_empty() => shown.push("none named".to_owned()),
        0 => {}
        more => shown.push(format!("{more} more")),
    }
    shown.join(", ")
}

fn named(name: &str) -> String {
    quoted(name, NAME)
}
