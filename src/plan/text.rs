//! A plan as people and models read it.

use serde_json::{Value, json};

use super::filed::{Change, DryRun, FiledPlan, Obligation, PlanContent, PlanState, Undo};
use super::kept::{UndoState, Undone};
use crate::credentials::session_policy::MOST_CHARACTERS;
use crate::digest::Digest;
use crate::text::escape::quoted;

/// Session policies are shown whole; their escaped form is a little longer than AWS's limit.
const LONGEST_POLICY: usize = 2 * MOST_CHARACTERS;

/// Rows of changes that are shown of one target, and characters of each side.
const MOST_ROWS: usize = 20;
const ROW_WIDTH: usize = 300;

/// Characters of a text of a target's state that an agent is given.
const LONGEST_TEXT: usize = 4000;

/// Resources of a change set that are shown.
const MOST_RESOURCES: usize = 40;

/// The structured form of a preview, for the agent.
pub fn structured(content: &PlanContent, digest: Digest) -> Value {
    let mut view = json!({
        "status": "preview",
        "plan_id": content.id,
        "digest": digest,
        "expires_at": content.expires_at,
        "effect": content.effect,
        "raised": content.raised,
        "steps": content.steps,
        "chains": content.chains,
        "other_open_plans": content.besides,
        "warnings": content.warnings,
        "account": content.account,
        "region": content.region,
        "operation": content.operation,
        "targets": brief(json!(content.targets)),
        "dependents": content.dependents,
        "changes": brief(json!(content.changes)),
        "change_set": content.change_set,
        "not_known": content.not_known().map(|(target, part)| {
            json!({ "target": target.id, "what": part.what, "why": part.why })
        }).collect::<Vec<_>>(),
        "undo": content.undo,
        "dry_run": content.dry_run,
        "needs": needs(content),
        "permitted_by": content.permitted_by,
        "credentials": content.credentials,
        "session_policy": content.session_policy,
        "request": content.request,
        "next": next(content),
    });
    if let Value::Object(members) = &mut view {
        if !content.recovery_points.is_empty() {
            members.insert("recovery_points".to_owned(), json!(content.recovery_points));
        }
        if let Some(undoes) = &content.undoes {
            members.insert("undoes".to_owned(), json!(undoes));
        }
    }
    view
}

/// The structured form of a filed plan, for `plan_status` and `plan show --json`.
pub fn status(filed: &FiledPlan) -> Value {
    let mut view = structured(&filed.content, filed.digest);
    if let Value::Object(members) = &mut view {
        members.insert("status".to_owned(), json!(filed.state));
        members.insert("tool".to_owned(), json!(filed.content.tool));
        members.insert("reason".to_owned(), json!(filed.content.reason));
        members.insert("outcome".to_owned(), json!(filed.outcome));
        members.insert("created_at".to_owned(), json!(filed.content.created_at));
        if let Some(kept) = filed.kept.as_deref().filter(|kept| !kept.points.is_empty()) {
            members.insert("recovery_points_taken".to_owned(), json!(kept.points));
        }
        if let Some(Undone { state, by, details }) = filed.undone.as_deref() {
            let by_hand = filed.content.undo.by_hand().filter(|_| *state == UndoState::Stuck);
            let undone = json!({ "state": state, "by": by, "details": details, "by_hand": by_hand });
            members.insert("undone".to_owned(), undone);
        }
        if filed.state != PlanState::Open {
            members.insert("next".to_owned(), json!(after(filed)));
        }
    }
    view
}

/// Adds to a status what the plan still waits for.
pub fn with_waiting(view: &mut Value, page: Option<&str>, needs: &[String], signatures: Value, next: &str) {
    if let Value::Object(members) = view {
        members.insert("approval_url".to_owned(), json!(page));
        members.insert("waits_for".to_owned(), json!(needs));
        members.insert("signatures".to_owned(), signatures);
        members.insert("next".to_owned(), json!(next));
    }
}

/// One line, for lists.
pub fn line(filed: &FiledPlan) -> String {
    let content = &filed.content;
    let targets = match content.targets.as_slice() {
        [] => content.operation.to_string(),
        [one] => quoted(&one.id, 64),
        [first, rest @ ..] => format!("{} and {} more", quoted(&first.id, 64), rest.len()),
    };
    let tagged = content.raised_stage().map(|stage| format!(", tagged {}", stage.loud())).unwrap_or_default();
    let undone = match filed.undone.as_deref() {
        None => String::new(),
        Some(Undone { state: UndoState::Stuck, by, .. }) => format!("  STUCK: its undo by {by} failed or is unknown"),
        Some(Undone { state, by, .. }) => format!("  {} by {by}", state.words()),
    };
    let undoes = content.undoes.as_ref().map(|undoes| format!("  undoes {}", undoes.plan)).unwrap_or_default();
    format!(
        "{}  {:.0}  {:<8}  {:<12}  {} in {} ({}{tagged}): {targets}{undoes}{undone}",
        content.id,
        content.created_at,
        filed.state.word(),
        content.effect.word(),
        content.tool,
        content.account.name,
        content.account.stage,
    )
}

/// What has become of undoing a plan, for a person; loud where it is stuck. Empty where nobody has tried.
pub fn undone(filed: &FiledPlan) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(kept) = filed.kept.as_deref() {
        lines.extend(kept.points.iter().map(|point| format!("  recovery    {point}")));
    }
    let Some(Undone { state, by, details }) = filed.undone.as_deref() else { return lines };
    lines.push(match state {
        UndoState::Stuck => format!("  STUCK       undoing it by plan {by} failed, or it is not known whether it did"),
        _ => format!("  undo        {} by plan {by}", state.words()),
    });
    lines.extend(details.iter().map(|detail| format!("              {}", quoted(detail, 400))));
    if *state == UndoState::Stuck {
        let by_hand = filed
            .content
            .undo
            .by_hand()
            .map_or_else(|| "see what AWS has, and put it right there".to_owned(), |text| quoted(text, 400));
        lines.push(format!("  BY HAND     {by_hand}"));
    }
    lines
}

/// The whole plan, for a person. Everything from outside is quoted.
pub fn full(content: &PlanContent, digest: Digest) -> String {
    let mut lines = vec![
        format!("{} ({})", content.title, content.effect),
        format!("  plan        {} good until {}", content.id, content.expires_at),
        format!("  digest      {digest}"),
        format!(
            "  where       account {} ({}, {}), {}",
            content.account.name, content.account.id, content.account.stage, content.region
        ),
        format!(
            "  asked by    agent {} for {}",
            quoted(content.agent.as_str(), 60),
            quoted(content.human.as_str(), 60)
        ),
        format!("  reason      {}", quoted(&content.reason, 500)),
        format!("  call        {} {}", content.operation, quoted(&content.arguments.to_string(), 1000)),
    ];
    for raised in &content.raised {
        lines.push(format!("  raised      to {}: {}", raised.to, raised.because));
    }
    for chain in &content.chains {
        lines.push(format!("  chain       {}", chain.words()));
        lines.extend(chain.earlier.iter().map(|step| format!("    before    {}, {}", step.words(), step.at)));
    }
    lines.extend(content.besides.iter().map(|step| format!("  also open   {}", step.words())));
    for warning in &content.warnings {
        lines.push(format!("  warning     {warning}"));
    }
    if let Some(undoes) = &content.undoes {
        lines.push(format!("  undoes      plan {}: {}", undoes.plan, quoted(&undoes.title, 80)));
        lines.extend(undoes.targets.iter().map(|arn| format!("    of        {}", quoted(arn, 200))));
        lines.extend(undoes.loses.iter().map(|lost| format!("    NOT BACK  {}", quoted(lost, 200))));
        lines.extend(undoes.since.iter().map(|since| format!("    SINCE     {since}")));
        lines.extend(undoes.by_hand.iter().map(|text| format!("    by hand   {}", quoted(text, 400))));
    }
    for target in &content.targets {
        lines.push(format!("  target      {}", quoted(&target.arn, 200)));
        lines.push(format!("    state     {}", quoted(&target.fingerprint.to_string(), 400)));
        if !target.tags.is_empty() {
            let tags: Vec<String> = target
                .tags
                .iter()
                .take(12)
                .map(|(key, value)| format!("{}={}", quoted(key, 60), quoted(value, 60)))
                .collect();
            lines.push(format!("    tags      {}", tags.join(" ")));
        }
        if target.stage > content.account.stage {
            let (tagged, account) = (target.stage.loud(), content.account.stage);
            lines.push(format!("    stage     {tagged}, by its tags; its account is {account}"));
        }
        if let Some(owner) = &target.owner {
            lines.push(format!("    owner     {}", quoted(owner, 60)));
        }
        if target.protected {
            lines.push("    protected from deletion".to_owned());
        }
        lines.extend(
            target
                .not_known
                .iter()
                .map(|part| format!("    NOT KNOWN {}: {}", quoted(&part.what, 60), quoted(&part.why, 200))),
        );
        let rows: Vec<&Change> = content.changes.iter().filter(|row| row.target == target.id).collect();
        lines.extend(capped(
            &rows,
            MOST_ROWS,
            |row| format!("    changes   {}", row.line(ROW_WIDTH)),
            "    changes   ",
        ));
    }
    if let Some(set) = &content.change_set {
        lines.push(format!("  change set  of AWS: {}", set.counts()));
        lines.extend(capped(&set.worst_first(), MOST_RESOURCES, |change| format!("    {}", change.line()), "    "));
    }
    for dependents in &content.dependents {
        let count = dependents.count.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
        let why = dependents.unknown_because.as_ref().map(|why| format!(" ({})", quoted(why, 200))).unwrap_or_default();
        let sample: Vec<String> = dependents.sample.iter().map(|name| quoted(name, 60)).collect();
        lines.push(
            format!("  depends     {count} {}{why} {}", dependents.label, sample.join(", ")).trim_end().to_owned(),
        );
    }
    for point in &content.recovery_points {
        lines.push(format!(
            "  before      {} of {} is taken as {} with {}, and seen to be usable within {} s; else nothing is sent",
            point.label,
            quoted(&point.target, 80),
            quoted(&point.name, 60),
            point.operation,
            point.seconds
        ));
        lines.extend(
            point.session_policy.iter().map(|policy| format!("    may do    {}", quoted(policy, LONGEST_POLICY))),
        );
    }
    lines.push(format!("  undo        {}", undo(content)));
    lines.push(format!("  dry run     {}", dry_run(content)));
    lines.push(format!(
        "  credentials {}",
        content.credentials.role.as_deref().unwrap_or("the server's own: no role is configured for this account")
    ));
    if let Some(policy) = &content.session_policy {
        lines.push(format!("    may do    {}", quoted(policy, LONGEST_POLICY)));
    }
    lines.push(format!("  request     {} {}", content.request.method, quoted(&content.request.url, 300)));
    if !content.request.body.is_empty() {
        lines.push(format!("    body      {}", quoted(&content.request.body, 600)));
    }
    if let Some(ticket) = &content.ticket {
        lines.push(format!("  ticket      {}", quoted(ticket, 100)));
    }
    lines.push(format!("  needs       {}", needs(content).join("; ")));
    if !content.permitted_by.is_empty() {
        let names: Vec<String> = content.permitted_by.iter().map(|name| quoted(name, 80)).collect();
        lines.push(format!("  permitted   by {} then", names.join(", ")));
    }
    lines.join("\n")
}

/// The same without the greater part of long texts, such as templates: the plan holds them whole.
fn brief(value: Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > LONGEST_TEXT => {
            let more = text.chars().count() - LONGEST_TEXT;
            let begins: String = text.chars().take(LONGEST_TEXT).collect();
            Value::String(format!("{begins}… (+{more} characters)"))
        }
        Value::Array(items) => items.into_iter().map(brief).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, brief(value))).collect(),
        other => other,
    }
}

/// Lines, at most so many of them, and what is missing.
fn capped<T>(items: &[T], most: usize, line: impl Fn(&T) -> String, before: &str) -> Vec<String> {
    let mut lines: Vec<String> = items.iter().take(most).map(line).collect();
    if let Some(more) = items.len().checked_sub(most).filter(|more| *more > 0) {
        lines.push(format!("{before}and {more} more"));
    }
    lines
}

/// What the agent is told to do next.
pub fn next(content: &PlanContent) -> String {
    let needs = |what: fn(&Obligation) -> bool| content.obligations.iter().any(what);
    let again = again(content);
    if needs(|obligation| *obligation == Obligation::Ticket) {
        return "this can't be applied without a ticket: preview it again with `ticket`".to_owned();
    }
    match () {
        () if needs(|obligation| *obligation == Obligation::Person) => format!(
            "nothing was changed; an agent can't apply this, a person does; show it to the person you work for; to put \
             it before people {again}"
        ),
        () if needs(|obligation| matches!(obligation, Obligation::Approvals { .. })) => format!(
            "nothing was changed; show this to the person you work for; to put it before the people who must approve \
             it {again}; it is carried out only when they have, with one more such call"
        ),
        () => format!("nothing was changed; show this to the person you work for; to apply it {again}"),
    }
}

/// The call that applies a plan.
pub fn again(content: &PlanContent) -> String {
    let PlanContent { tool, id, .. } = content;
    match &content.undoes {
        None => format!(
            "make the call that was previewed ({tool}, or its family) again with the same arguments, `dry_run: false` \
             and `plan_id: {id}`"
        ),
        Some(undoes) => format!(
            "call undo_plan again with the same `plan_id: {}` and reason, `dry_run: false` and `preview_id: {id}`",
            undoes.plan
        ),
    }
}

fn after(filed: &FiledPlan) -> String {
    if let Some(Undone { state: UndoState::Stuck, .. }) = filed.undone.as_deref() {
        let by_hand = filed.content.undo.by_hand().map(|text| format!(": {}", quoted(text, 400))).unwrap_or_default();
        return format!(
            "STUCK: tell the person you work for at once that the undo failed, and what to do by hand{by_hand}"
        );
    }
    let next = match filed.state {
        PlanState::Open => "",
        PlanState::Applying => "being applied now; ask again",
        PlanState::Applied => "done; for anything else make a new preview",
        PlanState::Failed => "it failed and can't be used again; make a new preview",
        PlanState::Unknown => "don't repeat the call; an operator or `plan_status` settles it by reading the targets",
        PlanState::Expired => "expired; make a new preview",
        PlanState::Rejected => {
            "rejected by a person, see `outcome`; don't ask for the same again, change what they object to"
        }
    };
    next.to_owned()
}

fn needs(content: &PlanContent) -> Vec<String> {
    if content.obligations.is_empty() {
        return vec!["nothing more".to_owned()];
    }
    let word = |obligation: &Obligation| match obligation {
        Obligation::Preview => "this preview".to_owned(),
        Obligation::Confirmation { .. } => format!("a confirmation typed by {}", content.human),
        Obligation::Approvals { count, groups } => {
            let of = groups.iter().map(|group| format!(", somebody of {group} among them")).collect::<String>();
            match count {
                1 => format!("a second person, other than {}{of}", content.human),
                count => format!("{count} people other than {}{of}", content.human),
            }
        }
        Obligation::Ticket => "a ticket".to_owned(),
        Obligation::Window => "an open change window".to_owned(),
        Obligation::Person => "a person who applies it, in place of the agent".to_owned(),
    };
    content.obligations.iter().map(word).collect()
}

fn undo(content: &PlanContent) -> String {
    match &content.undo {
        Undo::None { reason, by_hand: None } => format!("none: {reason}"),
        Undo::None { reason, by_hand: Some(by_hand) } => format!("none: {reason}; by hand: {}", quoted(by_hand, 400)),
        Undo::Recipe { tool, loses, .. } => {
            let but =
                if loses.is_empty() { String::new() } else { format!("; does not bring back: {}", loses.join(", ")) };
            let arguments = content.undo.shown_arguments().unwrap_or_default();
            format!("{tool} {}{but}", quoted(&arguments.to_string(), 400))
        }
    }
}

fn dry_run(content: &PlanContent) -> String {
    match &content.dry_run {
        DryRun::Passed => "passed at AWS".to_owned(),
        DryRun::ChangeSet => "AWS made a change set, which is deleted again".to_owned(),
        DryRun::NotOffered => "AWS offers none for this operation".to_owned(),
        DryRun::NotTrusted { reason } => format!("not made: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Stage;
    use crate::plan::filed::tests::sample;

    fn filed(state: PlanState) -> FiledPlan {
        let content = sample();
        FiledPlan {
            digest: content.digest().unwrap(),
            content,
            state,
            outcome: None,
            input: None,
            parked_at: None,
            kept: None,
            undone: None,
        }
    }

    #[test]
    fn the_whole_plan() {
        let content = sample();
        insta::assert_snapshot!(full(&content, content.digest().unwrap()));
    }

    #[test]
    fn a_plan_without_a_role_says_so() {
        let mut content = sample();
        (content.credentials.role, content.session_policy) = (None, None);
        content.recovery_points.iter_mut().for_each(|point| point.session_policy = None);
        let text = full(&content, content.digest().unwrap());
        assert!(text.contains("the server's own: no role is configured for this account"), "{text}");
        assert!(!text.contains("may do"), "{text}");
    }

    #[test]
    fn a_stage_that_tags_raise_is_loud() {
        let mut content = sample();
        content.targets[0].stage = Stage::Prod;
        content.targets[0].owner = Some("team-orders\n  needs nothing".into());
        let digest = content.digest().unwrap();
        let text = full(&content, digest);
        let (_, told) = text.split_once("  target").unwrap();
        let listed = line(&FiledPlan {
            digest,
            content,
            state: PlanState::Open,
            outcome: None,
            input: None,
            parked_at: None,
            kept: None,
            undone: None,
        });
        insta::assert_snapshot!(format!("{}\n{listed}", told.split("  depends").next().unwrap()));
    }

    #[test]
    fn long_texts_of_a_state_are_cut_for_the_agent_and_kept_in_the_plan() {
        let mut content = sample();
        content.targets[0].state = json!({ "template": "é".repeat(LONGEST_TEXT + 5), "size": 3 });
        let shown = structured(&content, content.digest().unwrap());
        let template = shown["targets"][0]["state"]["template"].as_str().unwrap();
        assert!(template.ends_with("é… (+5 characters)"), "{}", template.len());
        assert_eq!(shown["targets"][0]["state"]["size"], 3);
    }

    #[test]
    fn a_line_of_a_list() {
        insta::assert_snapshot!(line(&filed(PlanState::Unknown)));
    }

    #[test]
    fn a_plan_that_ended_says_what_to_do() {
        for state in
            [PlanState::Applied, PlanState::Failed, PlanState::Unknown, PlanState::Expired, PlanState::Applying]
        {
            assert!(!status(&filed(state))["next"].as_str().unwrap().is_empty());
            assert_eq!(status(&filed(state))["status"], state.word());
        }
    }
}
