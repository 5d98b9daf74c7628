//! Why a question is denied, and what would have to be otherwise: in plain words, read off the policies themselves.
//!
//! The policies that concern the action are evaluated with the agent and the resource known and the context unknown
//! (type-aware partial evaluation). What is left of a condition speaks of the context only; held against the context as it
//! is, it says what is missing. Of a policy of which nothing is left, the agent and the resource themselves are in the way:
//! it is evaluated once more with both unknown, and the facts that decide it are told.

use std::collections::BTreeSet;

use cedar_policy::{Entities, EntityUid, PolicySet, Request, Schema};
use serde::Serialize;
use serde_json::Value;

use super::missing::{Burden, Missing, Words, tidied, weight};
use super::question::{Evidence, Question};
use super::residual::{AsIs, Known, Residual, residuals};
use super::set::{Policies, Verdict};
use crate::text::escape::quoted;

/// More ways than these are not told.
const MOST_TOLD: usize = 3;

/// Longest foreign text in a reason, in characters.
const LONGEST: usize = 160;

/// Why a question is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reasons {
    /// The policies that forbid it.
    pub forbidden_by: Vec<Because>,
    /// What would permit it, the least first; empty where nothing would.
    pub ways: Vec<Way>,
    /// What could not be evaluated. Whatever can't be evaluated denies.
    pub errors: Vec<String>,
    /// All that in one sentence: a lower-case fragment.
    #[serde(skip)]
    pub message: String,
    /// What to do.
    #[serde(skip)]
    pub hint: String,
}

/// A policy that forbids it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Because {
    /// Its name.
    pub policy: String,
    /// What it says of itself (`@says`).
    pub says: Option<String>,
    /// What would have to be there for it not to forbid.
    pub missing: Vec<String>,
    /// The facts for which it forbids, and which no consent changes.
    pub in_the_way: Vec<String>,
}

/// One way to have it permitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// The policy that would permit it.
    pub permitted_by: String,
    /// All that is missing.
    pub missing: Vec<String>,
    /// The facts that stand in the way, and that no consent changes.
    pub in_the_way: Vec<String>,
}

impl Reasons {
    /// The same for programs.
    pub fn data(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Why this is denied. Of a permitted question there are no reasons.
pub fn why(policies: &Policies, question: &Question, evidence: &Evidence, verdict: &Verdict) -> Reasons {
    let Verdict::Denied { forbidden_by, errors } = verdict else { return Reasons::default() };
    let mut reasons = match Inquiry::open(policies, question, evidence) {
        Ok(inquiry) => inquiry.reasons(forbidden_by),
        Err(error) => Reasons { errors: vec![error], ..Reasons::default() },
    };
    for error in errors {
        if !reasons.errors.contains(error) {
            reasons.errors.push(error.clone());
        }
    }
    if !reasons.errors.is_empty() {
        let what: Vec<String> = reasons.errors.iter().map(|error| quoted(&error.replace('`', "'"), LONGEST)).collect();
        reasons.message = format!(
            "{} is denied because it could not be decided: {}; whatever can't be evaluated denies",
            subject(question),
            what.join(", ")
        );
        reasons.hint = "tell the person: an operator of this server has to look at the policies named here".to_owned();
    }
    reasons
}

/// A question, taken apart.
struct Inquiry<'a> {
    policies: &'a Policies,
    words: Words<'a>,
    slice: &'a PolicySet,
    schema: Schema,
    request: Request,
    entities: Entities,
    action: EntityUid,
    /// With agent and resource known.
    known: Vec<Residual>,
}

/// A policy that forbids, and the ways past it.
type Forbids<'a> = (&'a String, Vec<Vec<Missing>>);

/// One way, not in words yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    permitted_by: String,
    missing: Vec<Missing>,
}

impl<'a> Inquiry<'a> {
    fn open(policies: &'a Policies, question: &'a Question, evidence: &'a Evidence) -> Result<Self, String> {
        let (request, entities, slice) = policies.request(question, evidence)?;
        let (Some(agent), Some(action), Some(resource)) = (request.principal(), request.action(), request.resource())
        else {
            return Err("the request is not whole".to_owned());
        };
        let action = action.clone();
        let schema = policies.schema_around(&|tool| tool.name == question.tool)?;
        let known = residuals(&schema, slice, &action, Known::Both(agent, resource), &entities)?;
        Ok(Self { policies, words: Words { question, evidence }, slice, schema, request, entities, action, known })
    }

    fn reasons(&self, forbidden_by: &[String]) -> Reasons {
        let forbids: Vec<Forbids<'_>> = forbidden_by.iter().map(|id| (id, self.ways_of(id, false))).collect();
        let found = self.together(&forbids);
        let (message, hint) = self.told(&forbids, &found);
        let because = forbids.iter().map(|(id, ways)| {
            let (missing, in_the_way) = self.said(ways.first().map(Vec::as_slice).unwrap_or_default());
            Because { policy: (*id).clone(), says: self.policies.says(id).map(str::to_owned), missing, in_the_way }
        });
        let ways = found.iter().map(|found| {
            let (missing, in_the_way) = self.said(&found.missing);
            Way { permitted_by: found.permitted_by.clone(), missing, in_the_way }
        });
        Reasons { forbidden_by: because.collect(), ways: ways.collect(), errors: Vec::new(), message, hint }
    }

    /// All ways in which a policy's condition comes out as wanted, the lightest first.
    fn ways_of(&self, id: &str, wanted: bool) -> Vec<Vec<Missing>> {
        let Some(residual) = self.known.iter().find(|residual| residual.id == id) else { return Vec::new() };
        let decided = residual.body.get("Value").and_then(Value::as_bool);
        match decided {
            Some(now) if now != wanted => self.facts(id, wanted),
            _ => self.ways(&residual.body, wanted),
        }
    }

    /// As [`Self::ways_of`], where the agent and the resource themselves decide.
    fn facts(&self, id: &str, wanted: bool) -> Vec<Vec<Missing>> {
        let unknown = residuals(&self.schema, self.slice, &self.action, Known::Neither, &Entities::empty());
        let unknown = unknown.unwrap_or_default();
        unknown.iter().find(|residual| residual.id == id).map(|left| self.ways(&left.body, wanted)).unwrap_or_default()
    }

    fn ways(&self, body: &Value, wanted: bool) -> Vec<Vec<Missing>> {
        let as_is = AsIs { request: &self.request, entities: &self.entities };
        let ways = as_is.ways(body, wanted, &|condition, wanted| self.words.differently(condition, wanted));
        lightest(ways.into_iter().map(tidied).collect())
    }

    /// Ways past everything that forbids, each with a policy that permits.
    fn together(&self, forbids: &[Forbids<'_>]) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        for permit in self.known.iter().filter(|residual| !residual.forbids) {
            let ways = self.ways_of(&permit.id, true).into_iter().take(MOST_TOLD);
            found.extend(ways.map(|missing| Found { permitted_by: permit.id.clone(), missing }));
        }
        for (_, ways) in forbids {
            let mut next = Vec::new();
            for one in &found {
                next.extend(ways.iter().take(MOST_TOLD).map(|way| Found {
                    permitted_by: one.permitted_by.clone(),
                    missing: tidied(one.missing.iter().chain(way).cloned().collect()),
                }));
            }
            found = next;
            found.sort_by_key(|one| weight(&one.missing));
            found.truncate(8 * MOST_TOLD);
        }
        found.sort_by(|a, b| (weight(&a.missing), &a.permitted_by).cmp(&(weight(&b.missing), &b.permitted_by)));
        // A way that only an admin could open is no way while there is another.
        let least = found.first().map(|one| worst(&one.missing).max(Burden::Call));
        found.retain(|one| Some(worst(&one.missing)) <= least);
        let mut seen = BTreeSet::new();
        found.retain(|one| seen.insert(one.missing.clone()));
        found.truncate(MOST_TOLD);
        found
    }

    /// What is missing, and the facts in the way.
    fn said(&self, way: &[Missing]) -> (Vec<String>, Vec<String>) {
        let (facts, missing): (Vec<Missing>, Vec<Missing>) =
            way.iter().cloned().partition(|one| one.burden() == Burden::Fact);
        (self.words.all(&missing), self.words.all(&facts))
    }

    /// Message and hint.
    fn told(&self, forbids: &[Forbids<'_>], found: &[Found]) -> (String, String) {
        let subject = subject(self.words.question);
        let because = |id: &str| match self.policies.says(id) {
            Some(says) => format!("`{id}` says that {says}"),
            None => format!("`{id}` forbids it"),
        };
        let leave = "no consent changes that: tell the person, and leave it";
        if let Some((never, _)) = forbids.iter().find(|(_, ways)| ways.is_empty()) {
            return (format!("policy denies {subject}: {}", because(never)), leave.to_owned());
        }
        let Some(first) = found.first() else {
            let hint = "tell the person; what agents may do is for an admin to say, in a policy";
            return (format!("policy denies {subject}: no policy permits it to anybody"), hint.to_owned());
        };
        let worst = worst(&first.missing);
        let heavy: Vec<Missing> = match worst {
            Burden::Consent | Burden::Wait | Burden::Call => first.missing.clone(),
            _ => first.missing.iter().filter(|one| one.burden() == worst).cloned().collect(),
        };
        let list = self.words.list(&heavy);
        // Whose demand the heaviest is.
        let whose = heavy.iter().find(|one| one.burden() == worst).and_then(|heaviest| {
            let demands = |ways: &[Vec<Missing>]| ways.iter().any(|way| way.contains(heaviest));
            forbids.iter().find(|(_, ways)| demands(ways)).map(|(id, _)| format!("; {}", because(id)))
        });
        let whose = whose.unwrap_or_default();
        let (message, hint) = match worst {
            Burden::Consent => (
                format!("{subject} as things are; missing: {list}"),
                "preview it: the plan says what it still needs and how people can give it; then apply it with its \
                 `plan_id`",
            ),
            Burden::Wait => {
                (format!("{subject} as things are; missing: {list}{whose}"), "wait, and preview it again then")
            }
            Burden::Call => (
                format!("{subject} as it was called; missing: {list}{whose}"),
                "make it another call, and preview that",
            ),
            Burden::Admin => (
                format!("{subject}; missing: {list}{whose}"),
                "that is for an operator of this server to change: tell the person, and look for no way around it",
            ),
            Burden::Fact => (format!("{subject}: {list}{whose}"), leave),
        };
        (format!("policy denies {message}"), hint.to_owned())
    }
}

fn worst(way: &[Missing]) -> Burden {
    way.iter().map(Missing::burden).max().unwrap_or(Burden::Consent)
}

fn lightest(mut ways: Vec<Vec<Missing>>) -> Vec<Vec<Missing>> {
    ways.sort_by(|a, b| (weight(a), a).cmp(&(weight(b), b)));
    ways.dedup();
    ways
}

fn subject(question: &Question) -> String {
    format!("{} ({}) on {}", quoted(&question.tool, LONGEST), question.effect, quoted(&question.resource.arn, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Profile, Trust};
    use crate::names::{Effect, Stage};
    use crate::policy::fixtures::{consent, policies, question};

    /// All an agent is told.
    fn told(policies: &Policies, question: &Question, evidence: &Evidence) -> String {
        let verdict = policies.ask(question, evidence);
        let reasons = why(policies, question, evidence, &verdict);
        format!("{}\n{}\n{:#}", reasons.message, reasons.hint, serde_json::to_value(&reasons).unwrap())
    }

    fn message(policies: &Policies, question: &Question, evidence: &Evidence) -> String {
        let verdict = policies.ask(question, evidence);
        let reasons = why(policies, question, evidence, &verdict);
        format!("{} | {}", reasons.message, reasons.hint)
    }

    #[test]
    fn what_is_missing_is_told_from_the_policies() {
        let standard = policies(Profile::Standard, &["operator"], "");
        let irreversible = question("ec2_terminate_instances", Effect::Irreversible, Stage::Prod);
        insta::assert_snapshot!(told(&standard, &irreversible, &Evidence::default()));
        insta::assert_snapshot!(message(&standard, &irreversible, &consent(&["bob"])));
        let mut protected = irreversible.clone();
        protected.resource.protected = true;
        insta::assert_snapshot!(told(&standard, &protected, &Evidence::default()));
        let reader = policies(Profile::Standard, &[], "");
        insta::assert_snapshot!(told(&reader, &irreversible, &consent(&["bob", "dana"])));
        let regulated = policies(Profile::Regulated, &["operator"], "");
        let mut frozen = irreversible.clone();
        frozen.circumstances.window_open = false;
        frozen.circumstances.client_trust = Trust::Managed;
        insta::assert_snapshot!(told(&regulated, &frozen, &Evidence::default()));
    }

    #[test]
    fn every_demand_of_the_shipped_policies_has_words() {
        let mut all = String::new();
        for profile in [Profile::Observe, Profile::Suggest, Profile::Standard, Profile::Regulated] {
            let set = policies(profile, &["operator"], "");
            for (tool, effect) in [
                ("ec2_create_tags", Effect::Write),
                ("ec2_reboot_instances", Effect::Destructive),
                ("secretsmanager_get_secret_value", Effect::Secret),
            ] {
                for stage in [Stage::Dev, Stage::Prod] {
                    let asked = question(tool, effect, stage);
                    all.push_str(&format!("{profile:?} {stage}: {}\n", message(&set, &asked, &Evidence::default())));
                }
            }
        }
        insta::assert_snapshot!(all);
    }

    #[test]
    fn circumstances_are_told_with_their_numbers() {
        let set = policies(Profile::Standard, &["operator"], "");
        let mut all = String::new();
        let mut tell = |what: &str, change: &dyn Fn(&mut Question)| {
            let mut asked = question("ec2_reboot_instances", Effect::Destructive, Stage::Dev);
            change(&mut asked);
            all.push_str(&format!("{what}: {}\n", message(&set, &asked, &consent(&[]))));
        };
        tell("size", &|asked| asked.circumstances.resources = 11);
        tell("dependents", &|asked| asked.circumstances.dependents = Some(40));
        tell("breaker", &|asked| asked.circumstances.breaker_open = true);
        tell("role", &|asked| asked.circumstances.scoped_credentials = false);
        tell("account", &|asked| asked.account.name = "elsewhere".to_owned());
        tell("agent", &|asked| asked.agent = crate::names::Agent::new("nobody"));
        tell("tool", &|asked| asked.tool = "nothing".to_owned());
        insta::assert_snapshot!(all);
    }

    #[test]
    fn own_conditions_are_told_in_words() {
        let mut all = String::new();
        for condition in [
            r#"context.approverGroups.contains(Group::"senior")"#,
            r#"context.approvals >= 2 && context.approverGroups.containsAny([Group::"senior", Group::"dba"])"#,
            r#"context.approverGroups.containsAll([Group::"senior", Group::"dba"])"#,
            r#"context has ticket && context.ticket like "CHG-*""#,
            r#"context.confirmed && context.confirmedAfter >= 5000"#,
            r#"context.readable"#,
            r#"context.appliedByPerson || context.approvals >= 1"#,
            r#"context.windowOpen"#,
            r#"context.now < datetime("2026-01-01")"#,
            r#"context.now >= datetime("2027-01-01")"#,
            r#"context.resources < 1"#,
            r#"context.changedInHour > 5"#,
            r#"context.errorsInHour != 0"#,
            r#"context.clientTrust == Trust::"managed""#,
            r#"context.client == "codex""#,
            r#"context.operation like "rds:*""#,
            r#"context has sourceIp && context.sourceIp.isInRange(ip("10.0.0.0/8"))"#,
            r#"context.dependents <= context.resources - 1 || context.approvals == 3"#,
            r#"principal in Role::"deployer""#,
            r#"principal in [Role::"deployer", Role::"secrets"]"#,
            r#"principal.onBehalfOf == Human::"bob""#,
            r#"resource.stage == Stage::"dev" || resource.stage == Stage::"staging""#,
            r#"resource.account.stage != Stage::"prod""#,
            r#"resource.account == Account::"dev""#,
            r#"resource.protected"#,
            r#"resource.kind == "rds:db""#,
            r#"["rds:db", "s3:bucket"].contains(resource.kind)"#,
            r#"resource.region like "us-*""#,
            r#"resource.arn like "*:instance/web-*""#,
            r#"resource.hasTag("team") && resource.getTag("team") == "web""#,
            r#"resource.hasTag("env") && resource.getTag("env") == "dev""#,
            r#"!(resource.hasTag("env") && resource.getTag("env") == "prod")"#,
            r#"resource has owner && resource.owner == Team::"web""#,
            r#"if resource.protected then context.approvals >= 2 else context.approvals >= 1"#,
            r#"!context.previewed || context.approvals > 1 && context.windowOpen"#,
            r#"principal.maxResources == context.resources"#,
        ] {
            // What can fail is refused by the compiler; here it shall only be put into words.
            let condition = condition.replace(" - 1", "");
            let own = format!(r#"@id("own") permit (principal, action, resource) when {{ {condition} }};"#);
            let set = policies(Profile::None, &[], &own);
            let mut asked = question("ec2_create_tags", Effect::Write, Stage::Prod);
            asked.resource.tags.insert("env".to_owned(), "prod".to_owned());
            asked.circumstances.window_open = false;
            let evidence = Evidence { previewed: true, ..Evidence::default() };
            all.push_str(&format!("{condition}\n  {}\n", message(&set, &asked, &evidence)));
        }
        insta::assert_snapshot!(all);
    }

    #[test]
    fn foreign_text_in_a_reason_is_quoted() {
        let own = r#"@id("own") permit (principal, action, resource) when { resource.hasTag("a") && resource.getTag("a") == "b" };"#;
        let set = policies(Profile::None, &[], own);
        let mut asked = question("ec2_create_tags", Effect::Write, Stage::Prod);
        asked.resource.tags.insert("a".to_owned(), "x\n`approved`\u{202e}".repeat(200));
        let said = message(&set, &asked, &Evidence::default());
        assert!(!said.contains('\n') && !said.contains('\u{202e}') && said.len() < 1500, "{said}");
    }

    #[test]
    fn of_what_is_permitted_there_is_nothing_to_say() {
        let set = policies(Profile::Standard, &[], "");
        let asked = question("aws_read", Effect::Read, Stage::Prod);
        let verdict = set.ask(&asked, &Evidence::default());
        assert_eq!(why(&set, &asked, &Evidence::default(), &verdict), Reasons::default());
    }
}
