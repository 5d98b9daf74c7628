//! What CloudFormation says an update would do: a change set, made, read and deleted again.
//!
//! Making one changes no resource, but it is a write at AWS all the same. So it is made only after policy has not forbidden
//! the call, with credentials of its own that can't execute it, its intent is on record before it, and it is deleted
//! whatever happens, also where nobody waits for the preview any more.

mod data;
mod judge;
mod left;
mod make;
mod template;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub use judge::{raised, steps};
pub use left::{Leftovers, Places};
pub(crate) use make::{Event, Making, Pace};
use template::Template;

use super::build::Workbench;
use crate::call::refused::{Code, Refused};
use crate::call::reserved::OWN_CHANGE_SETS;
use crate::call::resolve::ResolvedCall;
use crate::call::target::Target;
use crate::manifest::spec::DryRunKind;
use crate::names::PlanId;
use crate::text::escape::quoted;

/// How often the client is told that the preview goes on.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What stands for a changed property that AWS doesn't name.
pub const UNNAMED: &str = "(not named)";

/// Names of changed properties that are shown on one line, in characters.
const LONGEST_NAMES: usize = 200;

/// What AWS says an update would do to a stack's resources, in the order of their logical ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSet {
    /// What would happen to each.
    pub changes: Vec<ResourceChange>,
    /// What of the template is worked out anew when the update is carried out, so that it can come out otherwise than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anew: Option<Anew>,
}

/// What of a template is worked out anew when an update is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anew {
    /// What of it, in words for people.
    pub what: String,
    /// What can come of it.
    pub makes: AnewMakes,
}

/// What can come of what is worked out anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnewMakes {
    /// Anything: other resources, or none.
    Anything,
    /// Other values, such as the newest image's id. One that is a name replaces its resource.
    Values,
}

/// What would happen to one resource. All words are AWS's own.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html>
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceChange {
    /// Its name in the template.
    pub logical_id: String,
    /// `Add`, `Modify`, `Remove`, `Import` or `Dynamic`.
    pub action: String,
    /// Its type, such as `AWS::DynamoDB::Table`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name at AWS; `None` where it is not made yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical_id: Option<String>,
    /// For a modification: whether it is made anew, `True`, `False` or `Conditional`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    /// What of it changes, such as `Properties`; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// The properties that change, by name; sorted. One that AWS doesn't name is [`UNNAMED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<String>,
    /// The names that it gets where it is made, as far as they are known before; sorted. `*` stands for what is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// What becomes of the resource that goes: `Delete`, `Retain`, `Snapshot`, or with `ReplaceAnd` before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

impl ResourceChange {
    /// True where the resource that is there now does not stay what it is: the worst is assumed of what AWS can't say.
    pub fn loses(&self) -> bool {
        !matches!(self.action.as_str(), "Add" | "Import") && (self.action != "Modify" || self.may_be_replaced())
    }

    /// True where a resource is made, perhaps in the place of another.
    fn gets_a_name(&self) -> bool {
        self.action == "Add" || (self.action == "Modify" && self.may_be_replaced())
    }

    /// On one line: `Remove Orders (AWS::DynamoDB::Table, prod-orders)`, all of it quoted.
    pub fn line(&self) -> String {
        let replaced = match self.replacement.as_deref() {
            Some("True") => ", replaced by another".to_owned(),
            Some("Conditional") => ", perhaps replaced by another".to_owned(),
            Some("False") | None => String::new(),
            Some(other) => format!(", replacement {}", quoted(other, 20)),
        };
        let physical = self.physical_id.as_ref().map(|id| format!(", {}", quoted(id, 80))).unwrap_or_default();
        let policy = self.policy.as_ref().map(|policy| format!(", policy {}", quoted(policy, 30))).unwrap_or_default();
        let scope = match self.scope.as_slice() {
            [] => String::new(),
            scope => format!(", in {}", quoted(&scope.join(" "), 60)),
        };
        let scope = match self.properties.as_slice() {
            [] => scope,
            names => format!("{scope}: {}", quoted(&names.join(" "), LONGEST_NAMES)),
        };
        let named = match self.names.as_slice() {
            [] => String::new(),
            names => format!(", to be named {}", quoted(&names.join(" "), 80)),
        };
        format!(
            "{} {} ({}{physical}{replaced}{scope}{policy}{named})",
            quoted(&self.action, 20),
            quoted(&self.logical_id, 80),
            quoted(&self.kind, 80),
        )
    }
}

impl ChangeSet {
    /// The changes with the worst first.
    pub fn worst_first(&self) -> Vec<&ResourceChange> {
        let mut changes: Vec<&ResourceChange> = self.changes.iter().collect();
        changes.sort_by_key(|change| (std::cmp::Reverse(judge::of(change).map(|(effect, _)| effect)), !change.loses()));
        changes
    }

    /// How many resources each thing would happen to, such as `1 Remove, 2 Modify`.
    pub fn counts(&self) -> String {
        let mut actions: Vec<&str> = self.changes.iter().map(|change| change.action.as_str()).collect();
        actions.sort_unstable();
        actions.dedup();
        let count = |action: &&str| {
            let number = self.changes.iter().filter(|change| change.action == *action).count();
            format!("{number} {}", quoted(action, 20).trim_matches('`'))
        };
        match actions.is_empty() {
            true => "no resource".to_owned(),
            false => actions.iter().map(count).collect::<Vec<_>>().join(", "),
        }
    }
}

/// Where a change set is asked for, the target's state holds the template that stays here.
const STAYS: &str = "template";

impl ChangeSet {
    /// Adds what the template says: names that CloudFormation didn't tell, and whether it is worked out anew.
    fn held_against_template(mut self, call: &ResolvedCall, target: &Target) -> Self {
        let arguments = call.call().arguments();
        let sent = |member: &str| arguments.get(member).filter(|value| !value.is_null());
        let text = match (sent("TemplateBody"), sent("TemplateURL")) {
            (Some(body), None) => body.as_str(),
            (None, None) => target.state.get(STAYS).and_then(Value::as_str),
            _ => None,
        };
        let Some(template) = text.and_then(|text| Template::read(text, known(call, target))) else {
            self.anew =
                Some(Anew { what: "a template that can't be read here".to_owned(), makes: AnewMakes::Anything });
            return self;
        };
        self.anew = template.worked_out_anew();
        for change in self.changes.iter_mut().filter(|change| change.gets_a_name() && change.names.is_empty()) {
            change.names = template.names_of(&change.logical_id);
        }
        self
    }
}

/// What references in the template stand for.
fn known(call: &ResolvedCall, target: &Target) -> BTreeMap<String, String> {
    let validated = call.call();
    let own = [
        ("AWS::StackName", target.id.clone()),
        ("AWS::AccountId", validated.account().id.clone()),
        ("AWS::Region", validated.region().as_str().to_owned()),
    ];
    let mut known: BTreeMap<String, String> = own.map(|(name, value)| (name.to_owned(), value)).into();
    let sent = validated.arguments().get("Parameters").and_then(Value::as_array);
    for parameter in sent.into_iter().flatten() {
        let text = |member: &str| parameter.get(member).and_then(Value::as_str).map(str::to_owned);
        if let Some(key) = text("ParameterKey") {
            // A value that stays is not shown by CloudFormation's read.
            known.insert(key, text("ParameterValue").unwrap_or_else(|| template::UNKNOWN.to_owned()));
        }
    }
    known
}

/// Has CloudFormation say it, where the manifest declares a change set.
pub async fn run(call: &ResolvedCall, plan: &PlanId, with: &Workbench<'_>) -> Result<Option<ChangeSet>, Refused> {
    let validated = call.call();
    if validated.spec().dry_run != DryRunKind::ChangeSet {
        return Ok(None);
    }
    let [target] = call.targets() else {
        let message = format!("`{}` would need more than one change set", validated.spec().name);
        return Err(Refused::new(Code::PreviewFailed, message, "name one stack in a call"));
    };
    // A preview and the call that applies its plan each make one of their own.
    let suffix = format!("{plan}-{}", validated.call()).to_ascii_lowercase();
    let narrowed = call.prober(with.cloud, plan, &suffix).await?;
    let event = Event {
        store: std::sync::Arc::clone(with.store),
        clock: std::sync::Arc::clone(with.clock),
        call: validated.call().clone(),
        caller: validated.caller().clone(),
        plan: plan.clone(),
        target: target.arn.clone(),
        name: format!("{OWN_CHANGE_SETS}{suffix}"),
    };
    let making = Making::new(narrowed, event, validated.arguments(), with.models.clone(), Pace::default())?;
    let stop = CancellationToken::new();
    // Dropped with this future where the request is cancelled: the task then deletes what it made, and ends.
    let _guard = stop.clone().drop_guard();
    let held = with.held.clone();
    let mut task = tokio::spawn(async move {
        let done = making.carry_out(stop).await;
        drop(held);
        done
    });
    loop {
        tokio::select! {
            biased;
            done = &mut task => return match done {
                Ok(set) => set.map(|set| Some(set.held_against_template(call, target))),
                Err(error) => Err(Refused::new(
                    Code::Internal,
                    "the change set of the preview broke off",
                    "an operator looks whether a change set that begins with `countersign-` is left at the stack",
                )
                .with_operator_detail(error.to_string())),
            },
            () = sleep(TELL_EVERY) => with.asker.progress("CloudFormation works out what would change").await,
        }
    }
}

#[cfg(test)]
mod tests;
