//! One case from its first step to its last.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use countersign::manifest::spec::ToolSpec;
use countersign::names::Effect;
use countersign::own_tools::OwnTool;
use countersign::ports::CloudError;
use serde_json::{Map, Value, json};

use super::case::{Case, Step, Undone};
use super::ground::Ground;
use super::names::{Names, look};
use crate::support::with;

/// The tool that undoes plans.
const UNDO: &str = "undo_plan";

/// How long a step is repeated until it says what it should.
const PATIENCE: Duration = Duration::from_secs(30);

/// How far a case got.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    pub(super) read: bool,
    pub(super) previewed: bool,
    pub(super) applied: bool,
    /// Undone by `undo_plan`.
    pub(super) undone: bool,
    /// The plan that was applied.
    pub(super) plan: Option<String>,
}

/// Runs a case. `done` says how far it got, whatever the result; the error is everything needed to mend it.
pub(super) async fn run(ground: &Ground, case: &Case, unique: &str, done: &mut Done) -> Result<(), String> {
    let names = Names::of(unique, &ground.account.id, ground.account.regions[0].as_str());
    let tool = ground.catalog.get(&case.tool).ok_or_else(|| format!("there is no tool `{}`", case.tool))?;
    Run { ground, case, tool, names, arguments: Map::new() }.all(done).await
}

struct Run<'a> {
    ground: &'a Ground,
    case: &'a Case,
    tool: &'a ToolSpec,
    names: Names,
    /// What the agent passes.
    arguments: Map<String, Value>,
}

impl Run<'_> {
    async fn all(&mut self, done: &mut Done) -> Result<(), String> {
        for (index, step) in self.case.given.iter().enumerate() {
            self.given(step).await.map_err(|error| format!("given {} ({}): {error}", index + 1, step.call))?;
        }
        self.arguments = self.names.members(&self.case.arguments).map_err(|error| format!("arguments: {error}"))?;
        if self.tool.effect == Effect::Read {
            let answer = self.call(json!({})).await.map_err(|error| format!("the read: {error}"))?;
            self.result(&answer["result"])?;
            done.read = true;
            return Ok(());
        }
        self.changed(done).await
    }

    async fn changed(&mut self, done: &mut Done) -> Result<(), String> {
        let before = self.targets("before the preview").await?;
        let preview =
            self.call(json!({ "reason": "a case" })).await.map_err(|error| format!("the preview: {error}"))?;
        let unchanged = self.targets("after the preview").await?;
        if unchanged != before {
            let moved = differences("", &json!(before), &json!(unchanged)).join("\n");
            return Err(format!("the preview changed something, or the state moves by itself:\n{moved}"));
        }
        self.expected(&preview)?;
        done.previewed = true;
        if self.case.not_applied.is_some() {
            return Ok(());
        }
        let plan = preview["plan_id"].as_str().ok_or_else(|| format!("the preview has no plan: {preview:#}"))?;
        let bystanders = self.bystanders().await?;
        let consent = json!({ "reason": "a case", "dry_run": false, "plan_id": plan });
        let applied = self.call(consent).await.map_err(|error| format!("the apply: {error}"))?;
        if applied["status"] != "applied" {
            return Err(format!("it was not applied: {applied:#}"));
        }
        (done.applied, done.plan) = (true, Some(plan.to_owned()));
        self.result(&applied["result"])?;
        self.hold("after", &self.case.after).await?;
        let now = self.bystanders().await?;
        if now != bystanders {
            return Err(format!("a bystander was touched:\n{}\n{}", json!(bystanders), json!(now)));
        }
        match self.case.undo {
            Some(Undone::Back | Undone::Done) if self.case.not_undone.is_none() => self.undo(plan, &before, done).await,
            _ => Ok(()),
        }
    }

    /// A step of an administrator's before.
    async fn given(&mut self, step: &Step) -> Result<(), String> {
        let answer = self.until(step, true).await?;
        for (name, path) in &step.keep {
            self.names.keep(name, path, &answer)?;
        }
        Ok(())
    }

    /// What holds after, or comes to hold.
    async fn hold(&self, when: &str, steps: &[Step]) -> Result<(), String> {
        for (index, step) in steps.iter().enumerate() {
            self.until(step, false).await.map_err(|error| format!("{when} {} ({}): {error}", index + 1, step.call))?;
        }
        Ok(())
    }

    /// Repeats a call until it says what it should. `tolerant`: an error that is named counts as well as an answer.
    async fn until(&self, step: &Step, tolerant: bool) -> Result<Value, String> {
        let with = Value::Object(self.names.members(&step.with)?);
        let wanted = step.until.as_deref().map(|path| self.names.fill(&json!(path))).transpose()?;
        let deadline = Instant::now() + PATIENCE;
        let mut slips = 0;
        loop {
            let missed = match (self.ground.admin(&step.call, with.clone()).await, &wanted) {
                (Err(CloudError::Refused { code, .. }), _) if step.error.contains(&code) => return Ok(Value::Null),
                (Err(error), _) => {
                    // moto answers 500 now and then where several calls come at once.
                    slips += usize::from(!matches!(error, CloudError::Refused { .. }));
                    format!("AWS answered {error}\nto {with:#}")
                }
                (Ok(answer), None) if step.error.is_empty() || tolerant => return Ok(answer),
                (Ok(answer), None) => format!("no error came, but {answer:#}"),
                (Ok(answer), Some(path)) => match look(path.as_str().unwrap_or_default(), &answer)? {
                    Value::Bool(true) => return Ok(answer),
                    found => format!("`{path}` is {found} of {answer:#}"),
                },
            };
            let repeated = matches!(slips, 1..4) || wanted.is_some() || (!tolerant && !step.error.is_empty());
            if !repeated || Instant::now() > deadline {
                return Err(missed);
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    async fn bystanders(&self) -> Result<Vec<Value>, String> {
        let mut seen = Vec::new();
        for step in &self.case.bystander {
            let answer = self.until(step, true).await.map_err(|error| format!("bystander ({}): {error}", step.call))?;
            seen.push(step.look.as_deref().map_or(Ok(answer.clone()), |path| look(path, &answer))?);
        }
        Ok(seen)
    }

    /// Calls the tool as the agent does; the person types what the form asks for.
    async fn call(&self, more: Value) -> Result<Value, String> {
        let mut arguments = self.arguments.clone();
        arguments.insert("account".to_owned(), json!(self.ground.account.name));
        arguments.extend(more.as_object().cloned().unwrap_or_default());
        self.call_tool(&self.case.tool, Value::Object(arguments)).await
    }

    async fn call_tool(&self, tool: &str, arguments: Value) -> Result<Value, String> {
        let called = self.ground.session.try_call(tool, arguments.clone()).await;
        let result = called.map_err(|error| format!("{error}\n{}", self.ground.session.log()))?;
        let structured = result.structured_content.unwrap_or_default();
        match result.is_error {
            Some(true) => Err(format!("{:#}\nto {tool} {arguments:#}", structured["error"])),
            _ => Ok(structured),
        }
    }

    /// The targets as the manifest's own read finds them: what they are, comparable and shown.
    async fn targets(&self, when: &str) -> Result<Vec<Value>, String> {
        let found = self.ground.targets(self.tool, &self.arguments).await;
        let found = found.map_err(|error| format!("the manifest's own read {when}: {error}"))?;
        Ok(found.iter().map(|target| json!(target)).collect())
    }

    /// Holds the preview against what is expected of it.
    fn expected(&self, preview: &Value) -> Result<(), String> {
        let expect = &self.case.expect;
        let mut wrong = Vec::new();
        if let Some(effect) = &expect.effect
            && preview["effect"] != json!(effect)
        {
            wrong.push(format!("its effect is {}, not {effect}: {}", preview["effect"], preview["raised"]));
        }
        for (member, parts) in [("raised", &expect.raised), ("warnings", &expect.warnings)] {
            let told = preview[member].to_string();
            let missing = parts.iter().filter(|part| !told.contains(part.as_str()));
            wrong.extend(missing.map(|part| format!("`{part}` is not among {member}: {told}")));
        }
        let counted: BTreeMap<&str, u64> = preview["dependents"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|dependent| Some((dependent["label"].as_str()?, dependent["count"].as_u64()?)))
            .fold(BTreeMap::new(), |mut sums, (label, count)| {
                *sums.entry(label).or_default() += count;
                sums
            });
        for (label, count) in &expect.dependents {
            if counted.get(label.as_str()) != Some(count) {
                wrong.push(format!("{count} `{label}` expected: {}", preview["dependents"]));
            }
        }
        for (what, row) in &expect.changes {
            let row = self.names.fill(&json!(row))?;
            let found = rows(preview).into_iter().find(|found| found["what"] == json!(what));
            if found.as_ref().is_none_or(|found| json!([found["before"], found["after"]]) != row) {
                wrong.push(format!("`{what}` changes otherwise than {row}: {}", json!(rows(preview))));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("the preview: {}", wrong.join("\n"))) }
    }

    fn result(&self, answer: &Value) -> Result<(), String> {
        let Some(path) = &self.case.expect.result else { return Ok(()) };
        let path = self.names.fill(&json!(path))?;
        match look(path.as_str().unwrap_or_default(), answer)? {
            Value::Bool(true) => Ok(()),
            found => Err(format!("`{path}` is {found} of the answer {answer:#}")),
        }
    }

    /// Undoes the applied plan: a preview, which says what won't come back, and the call.
    async fn undo(&self, plan: &str, before: &[Value], done: &mut Done) -> Result<(), String> {
        if OwnTool::named(UNDO).is_none() {
            return Ok(());
        }
        let wanted = json!({ "plan_id": plan, "reason": "a case" });
        let preview =
            self.call_tool(UNDO, wanted.clone()).await.map_err(|error| format!("the undo's preview: {error}"))?;
        let consent = with(&wanted, json!({ "dry_run": false, "preview_id": preview["plan_id"] }));
        let undone = self.call_tool(UNDO, consent).await.map_err(|error| format!("the undo: {error}"))?;
        if undone["status"] != "applied" {
            return Err(format!("it was not undone: {undone:#}"));
        }
        self.hold("undone", &self.case.undone).await?;
        let fingerprints = |targets: &[Value]| targets.iter().map(|one| one["fingerprint"].clone()).collect::<Vec<_>>();
        let deadline = Instant::now() + PATIENCE / 3;
        loop {
            let now = self.targets("after the undo").await?;
            let back = fingerprints(&now) == fingerprints(before);
            match self.case.undo {
                Some(Undone::Back) if !back && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Some(Undone::Back) if !back => {
                    let (then, now) = (json!(fingerprints(before)), json!(fingerprints(&now)));
                    return Err(format!("undone, and it is not as it was:\nbefore {then}\nnow    {now}\n{undone:#}"));
                }
                Some(Undone::Done) if back => return Err("it is back as it was: say `undo: back`".to_owned()),
                _ => break,
            }
        }
        done.undone = true;
        Ok(())
    }
}

/// Where two values differ, by JSON pointer.
fn differences(at: &str, one: &Value, other: &Value) -> Vec<String> {
    match (one, other) {
        _ if one == other => Vec::new(),
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().flat_map(|key| differences(&format!("{at}/{key}"), &one[key], &other[key])).collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().flat_map(|(n, (a, b))| differences(&format!("{at}/{n}"), a, b)).collect()
        }
        _ => vec![format!("{at}: {one} and then {other}")],
    }
}

/// All rows of what changes, wherever the preview has them: at its top or at its targets.
fn rows(preview: &Value) -> Vec<Value> {
    let of_targets = preview["targets"].as_array().into_iter().flatten().map(|target| &target["changes"]);
    let all = [&preview["changes"]].into_iter().chain(of_targets);
    all.filter_map(Value::as_array).flatten().cloned().collect()
}
