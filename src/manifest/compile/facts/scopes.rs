//! A tool's scopes against IAM's facts: what is missing, what is too much, what would never match.

use super::Checker;
use crate::aws::iam::arn::has_form;
use crate::aws::iam::{AccessLevel, ActionFact};
use crate::aws::models::nearest;
use crate::aws::{OperationModel, ServiceModel};
use crate::manifest::handed_on::{Kind, Operation, PASS_ROLE};
use crate::manifest::spec::{Place, Scope};
use crate::manifest::template::{Template, join_pointer};
use crate::names::{Effect, OperationId};

/// Stands for names that only a call knows. Nothing a person writes looks like it.
const HOLE: &str = "\u{fffd}";

/// What a name may be: one part of an ARN, or several, such as a bucket with a key, or with a `/` before it, as a parameter's.
const HOLES: [&str; 4] = [HOLE, "\u{fffd}/\u{fffd}", "\u{fffd}:\u{fffd}", "/\u{fffd}"];

/// How operations begin that make something, whose name AWS alone chooses.
const MAKING: [&str; 7] = ["Allocate", "Copy", "Create", "Import", "Register", "Restore", "Run"];

/// Actions that IAM counts as changes, and that only reveal: reading a secret that is encrypted needs it.
const ONLY_REVEALING: [&str; 1] = ["kms:Decrypt"];

/// Condition keys that every action knows.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>
const GLOBAL_KEYS: [&str; 15] = [
    "aws:CalledVia",
    "aws:CurrentTime",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:PrincipalTag/${TagKey}",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "aws:ResourceOrgID",
    "aws:SecureTransport",
    "aws:SourceIdentity",
    "aws:SourceIp",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:ViaAWSService",
];

/// A call with credentials of its own.
pub(super) struct Call<'a> {
    /// JSON pointer to its scopes.
    pub(super) at: String,
    pub(super) operation: &'a OperationId,
    pub(super) service: &'a ServiceModel,
    pub(super) model: &'a OperationModel,
    /// The members of its input that can be passed.
    pub(super) members: Vec<&'a str>,
    pub(super) scopes: &'a [Scope],
}

impl Checker<'_, '_, '_> {
    /// The scopes of the tool's own call.
    pub(super) fn scopes(&mut self) {
        let input = self.tool.input.iter().map(|input| input.member.as_str());
        let call = Call {
            at: "/scopes".to_owned(),
            operation: &self.tool.operation,
            service: self.service,
            model: self.operation,
            members: input.chain(self.tool.fixed.iter().map(|(name, _)| name.as_str())).collect(),
            scopes: &self.tool.scopes,
        };
        self.scopes_of(&call);
        self.escalation();
    }

    /// Actions exist, are needed, fit the effect, and act on what they can act on; the operation's own are among them.
    pub(super) fn scopes_of(&mut self, call: &Call<'_>) {
        let needed = self.facts.iam.actions_for(call.operation).unwrap_or_default();
        for (scope_index, scope) in call.scopes.iter().enumerate() {
            let at = format!("{}/{scope_index}", call.at);
            let mut known = Vec::new();
            for (index, action) in scope.actions.iter().enumerate() {
                let pointer = format!("{at}/actions/{index}");
                if let Some(fact) = self.known(&pointer, action) {
                    self.needed(&pointer, call, scope, &fact, &needed);
                    self.level(&pointer, &fact);
                    self.resources(&at, call, scope, &fact);
                    known.push(fact);
                }
            }
            self.conditions(&at, scope, &known);
        }
        let section = call.at.split('/').nth(1).unwrap_or_default();
        if self.report.has(section) {
            self.missing(call, &needed);
            self.handed_on(call, &needed);
        }
    }

    fn known(&mut self, pointer: &str, action: &str) -> Option<ActionFact> {
        let iam = self.facts.iam;
        match iam.action(action) {
            Some(known) if known.name == *action => return Some(known),
            Some(known) => {
                let message = format!("IAM writes `{action}` as `{}`", known.name);
                self.report.at(pointer, message, format!("write `{}`", known.name));
            }
            // A wildcard is told already.
            None if action.contains(['*', '?']) => {}
            None => {
                let mend = match iam.nearest_actions(action).first() {
                    Some(best) => format!("did you mean `{best}`?"),
                    None => "see the Service Authorization Reference".to_owned(),
                };
                self.report.at(pointer, format!("IAM knows no action `{action}`"), mend);
            }
        }
        None
    }

    fn needed(&mut self, pointer: &str, call: &Call<'_>, scope: &Scope, fact: &ActionFact, needed: &[ActionFact]) {
        let own = needed.iter().any(|need| need.name == fact.name || need.dependent.contains(&fact.name))
            || (fact.name == PASS_ROLE && !call.ways(needed, Kind::Role).is_empty());
        if own || scope.because.is_some() {
            return;
        }
        let names: Vec<&str> = needed.iter().map(|need| need.name.as_str()).collect();
        let needed = if names.is_empty() { String::new() } else { format!("; needed: `{}`", names.join("`, `")) };
        let message = format!("`{}` does not need `{}`", call.operation, fact.name);
        self.report.at(pointer, message, format!("take it out, or say why in `because`{needed}"));
    }

    /// What a tool may do by its scopes it must say by its effect.
    fn level(&mut self, pointer: &str, fact: &ActionFact) {
        let reveals = self.facts.iam.reveals_by(&fact.name);
        let (least, why) = if fact.level.only_reads() || ONLY_REVEALING.contains(&fact.name.as_str()) {
            let Some(what) = reveals else { return };
            (Effect::Secret, format!("reveals {what}"))
        } else {
            (Effect::Write, format!("is of IAM's level {}", fact.level.words()))
        };
        if self.tool.effect < least {
            let message = format!("`{}` {why}; this tool is `{}`", fact.name, self.tool.effect);
            self.report.at(pointer, message, format!("take it out, or write `effect: {least}` or worse"));
        }
    }

    /// A resource that has none of the forms of an action's resources would never match, and AWS would refuse the call;
    /// one that is wider than the call's targets would allow more than the call.
    fn resources(&mut self, at: &str, call: &Call<'_>, scope: &Scope, fact: &ActionFact) {
        let action = &fact.name;
        let forms = self.facts.iam.arn_formats(action);
        for (index, resource) in scope.resources.iter().enumerate() {
            let pointer = format!("{at}/resources/{index}");
            let Some(text) = self.anywhere(resource, HOLE) else {
                if self.whole {
                    self.report.at(&pointer, "`{arn}` is a target's, and there are no `targets`", "write the ARN");
                }
                continue;
            };
            match (text.as_str(), forms.as_slice()) {
                ("*", []) => {}
                ("*", forms) => {
                    let mend = format!("name the resource, such as {}", some(forms));
                    self.report.at(&pointer, format!("`{action}` must not be allowed on every resource"), mend);
                }
                (_, []) => self.report.at(&pointer, format!("`{action}` acts on no resource of its own"), "write `*`"),
                (_, forms) if !forms.iter().any(|form| self.can_have_form(resource, form)) => {
                    let mend = format!("write it in the form {}", some(forms));
                    self.report.at(&pointer, format!("`{action}` acts on nothing with such an ARN"), mend);
                }
                // What AWS is about to make has no name that anybody could write.
                (text, _) if is_any_of_a_type(text) && call.makes_by(fact) && scope.because.is_some() => {
                    self.width(&pointer, text, AccessLevel::Read);
                }
                (text, _) => self.width(&pointer, text, fact.level),
            }
        }
    }

    fn anywhere(&self, template: &Template, name: &str) -> Option<String> {
        let place = Place { partition: "aws", account: "111122223333", region: "eu-central-1", name };
        self.tool.form(template, place)
    }

    fn can_have_form(&self, template: &Template, form: &str) -> bool {
        // What names a resource within its account may have the form that its type has there.
        let own: String = form.splitn(6, ':').skip(5).collect();
        let mut pieces = own.split("${");
        let first = pieces.next().unwrap_or_default().to_owned();
        let own = pieces.fold(first, |text, piece| text + HOLE + piece.split_once('}').map_or("", |(_, rest)| rest));
        // A name may bring its type along, such as `alias/x`.
        HOLES.into_iter().chain([own.as_str()]).any(|name| {
            let place = Place { partition: "aws", account: "111122223333", region: "eu-central-1", name };
            self.tool.form_of(template, place, &own).is_some_and(|arn| has_form(&arn, form))
        })
    }

    /// A read may look at all resources of a type; a change names those it is about. Nothing crosses accounts or regions.
    fn width(&mut self, pointer: &str, arn: &str, level: AccessLevel) {
        let Some(at) = arn.find(['*', '?']) else { return };
        let (before, _) = arn.split_at_checked(at).unwrap_or((arn, ""));
        let touches =
            |wildcard| arn.contains(&format!("{HOLE}{wildcard}")) || arn.contains(&format!("{wildcard}{HOLE}"));
        if before.matches(':').count() < 5 {
            let mend = "write `{partition}`, `{region}` and `{account}`";
            self.report.at(pointer, "a wildcard stands for a partition, service, region or account", mend);
        } else if !level.only_reads() && !arn.contains(HOLE) {
            let mend = "name the resource, such as with `{target}`; or, where AWS chooses the name of what the call makes, \
                        say so in `because`";
            self.report.at(pointer, "a wildcard stands where the target's name belongs", mend);
        } else if !level.only_reads() && (touches('*') || touches('?')) {
            let message = "a wildcard beside a name matches other names too";
            self.report.at(pointer, message, "take it out, or set it off with `:` or `/`");
        }
    }

    fn conditions(&mut self, at: &str, scope: &Scope, known: &[ActionFact]) {
        for condition in &scope.conditions {
            let pointer = join_pointer(&format!("{at}/conditions"), &condition.operator);
            let pointer = join_pointer(&pointer, &condition.key);
            for fact in known {
                let keys = || fact.condition_keys.iter().map(String::as_str).chain(GLOBAL_KEYS);
                if keys().any(|key| is_key(&condition.key, key)) {
                    continue;
                }
                let mend = match nearest(&condition.key, keys()).first() {
                    Some(best) => format!("did you mean `{best}`?"),
                    None => "see the Service Authorization Reference".to_owned(),
                };
                let message =
                    format!("`{}` knows no condition key `{}`, so it would never hold", fact.name, condition.key);
                self.report.at_key(&pointer, message, mend);
            }
        }
    }

    /// What the operation always needs is granted, on a resource of each type that the action must be allowed on.
    fn missing(&mut self, call: &Call<'_>, needed: &[ActionFact]) {
        let scopes = || call.scopes.iter();
        let granted = |name: &str| scopes().any(|scope| scope.actions.iter().any(|action| action == name));
        let mut missing: Vec<&ActionFact> = needed.iter().filter(|need| need.always && !granted(&need.name)).collect();
        if !needed.iter().any(|need| need.always) && !needed.iter().any(|need| granted(&need.name)) {
            missing = needed.iter().collect();
        }
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|need| need.name.as_str()).collect();
            let message = format!("no scope allows what `{}` needs", call.operation);
            self.report.at_key(&call.at, message, format!("add the action `{}`", names.join("`, `")));
        }
        for need in needed.iter().filter(|need| need.always && granted(&need.name)) {
            self.types(call, need);
        }
    }

    /// A tool whose calls hand on a role, a key or tags is allowed what AWS asks for that, or `because` says why not.
    fn handed_on(&mut self, call: &Call<'_>, needed: &[ActionFact]) {
        let of_own = |scope: &&Scope| needed.iter().any(|need| scope.actions.contains(&need.name));
        if !self.tool.effect.changes() || call.scopes.iter().filter(of_own).any(|scope| scope.because.is_some()) {
            return;
        }
        let own = Operation { service: call.service, name: call.operation.name(), actions: needed };
        let (keys, tagging) = (own.of_keys(), own.tagging(self.facts.iam));
        let services = own.passed_to().join(", ");
        let passed_to = match services.as_str() {
            "" => String::new(),
            services => format!(", with `conditions: {{ StringEquals: {{ \"iam:PassedToService\": [{services}] }} }}`"),
        };
        let role = format!("with the ARNs of the roles it may hand on as `resources`{passed_to}");
        for (kind, what, actions, with) in [
            (Kind::Role, "a role", vec![PASS_ROLE], role.as_str()),
            (Kind::Profile, "an instance profile, and with it a role", vec![PASS_ROLE], role.as_str()),
            (Kind::Key, "a key", keys, "with the ARNs of the keys as `resources`"),
            (Kind::Tags, "tags", tagging, "on what is tagged"),
        ] {
            let granted = |action: &str| call.scopes.iter().any(|scope| scope.actions.iter().any(|own| own == action));
            let lacking: Vec<&str> = actions.iter().copied().filter(|action| !granted(action)).collect();
            if lacking.is_empty() {
                continue;
            }
            if let Some(way) = call.ways(needed, kind).first() {
                let (operation, lacking) = (call.operation, lacking.join("`, `"));
                let message = format!("`{operation}` hands on {what} by `{way}`, and no scope allows `{lacking}`");
                let mend = format!("add `{lacking}` {with}; or take the member out, or say in `because` why not");
                self.report.at_key(&call.at, message, mend);
            }
        }
    }

    /// Some types that AWS's facts call required stand for one another; then `because` says which is meant.
    fn types(&mut self, call: &Call<'_>, need: &ActionFact) {
        let scopes: Vec<&Scope> = call.scopes.iter().filter(|scope| scope.actions.contains(&need.name)).collect();
        if scopes.iter().any(|scope| scope.because.is_some()) {
            return;
        }
        let resources: Vec<&Template> = scopes.iter().flat_map(|scope| &scope.resources).collect();
        let prefix = need.name.split(':').next().unwrap_or_default();
        let types = self.facts.iam.resource_types(prefix);
        let required = need.resources.iter().filter(|resource| resource.required);
        let required: Vec<_> = required.filter_map(|of| types.iter().find(|known| known.name == of.name)).collect();
        // One that fits nothing at all is told at its place.
        let everything = |resource: &Template| self.anywhere(resource, HOLE).is_some_and(|arn| arn == "*");
        if required.len() < 2 || resources.iter().any(|resource| everything(resource)) {
            return;
        }
        for kind in required {
            if !resources.iter().any(|resource| self.can_have_form(resource, &kind.arn)) {
                let message = format!("`{}` must be allowed on a `{}` too", need.name, kind.name);
                let mend = format!(
                    "add an ARN of the form {}, or say in `because` why not",
                    some(std::slice::from_ref(&kind.arn))
                );
                self.report.at_key(&call.at, message, mend);
            }
        }
    }

    /// A known way to more permissions is refused, unless it is named. What takes recovery points counts too: the role
    /// that it all runs under is the same.
    fn escalation(&mut self) {
        let scopes = || {
            let of_points = self.tool.recovery_points.iter().flat_map(|point| &point.scopes);
            self.tool.scopes.iter().chain(of_points)
        };
        let allows =
            |action: &str| scopes().any(|scope| scope.actions.iter().any(|own| own.eq_ignore_ascii_case(action)));
        let found = self.facts.iam.escalations(allows);
        let named = &self.tool.escalates;
        for (index, id) in named.iter().enumerate().filter(|(_, id)| !found.iter().any(|path| path.id == **id)) {
            let message = format!("the scopes contain no known way to more permissions of the name `{id}`");
            self.report.at(&format!("/escalates/{index}"), message, "take it out");
        }
        for path in found.iter().filter(|path| !named.contains(&path.id)) {
            let message = format!(
                "the scopes contain `{}`, a known way to more permissions: `{}`",
                path.id,
                path.needs.join("`, `")
            );
            let mend = format!(
                "take an action out; or, where that is meant, add `escalates: [{}]` ({})",
                path.id,
                path.page()
            );
            self.report.at_key("/scopes", message, mend);
        }
    }
}

impl Call<'_> {
    /// True where the operation makes something, and the action is the very one for that, or tags what is made.
    fn makes_by(&self, fact: &ActionFact) -> bool {
        let name = self.operation.name();
        let own = fact.name.split(':').nth(1) == Some(name) || fact.level == AccessLevel::Tagging;
        own && MAKING.iter().any(|start| name.starts_with(start))
    }

    /// The members, of those that can be passed or are fixed, by which something is handed on.
    fn ways(&self, needed: &[ActionFact], kind: Kind) -> Vec<String> {
        let own = Operation { service: self.service, name: self.operation.name(), actions: needed };
        let input = self.model.input.as_ref().and_then(|input| self.service.shape(&input.shape).ok());
        own.members_for(input.as_deref(), kind, &self.members)
    }
}

/// True where an ARN stands for all of one type in its region and account, such as `...:volume/*`.
fn is_any_of_a_type(arn: &str) -> bool {
    let resource = arn.splitn(6, ':').nth(5).and_then(|resource| resource.strip_suffix("/*"));
    resource.is_some_and(|kind| !kind.is_empty() && kind.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
}

/// Up to three forms of ARNs, as a manifest would write them.
fn some(forms: &[String]) -> String {
    let written = forms.iter().take(3).map(|form| {
        let mut pieces = form.split("${");
        let first = pieces.next().unwrap_or_default().to_owned();
        let whole = pieces.fold(first, |whole, piece| match piece.split_once('}') {
            Some((name @ ("Partition" | "Region" | "Account"), rest)) => {
                format!("{whole}{{{}}}{rest}", name.to_lowercase())
            }
            Some((name, rest)) => format!("{whole}<{name}>{rest}"),
            None => whole + piece,
        });
        format!("`{whole}`")
    });
    let written: Vec<String> = written.collect();
    match forms.len().saturating_sub(3) {
        0 => written.join(" or "),
        more => format!("{} or one of {more} more", written.join(", ")),
    }
}

/// True where a key is a known one; `${TagKey}` in the known one stands for any name.
fn is_key(key: &str, known: &str) -> bool {
    match known.split_once("${") {
        None => key.eq_ignore_ascii_case(known),
        Some((before, _)) => {
            key.get(..before.len()).is_some_and(|start| start.eq_ignore_ascii_case(before)) && key.len() > before.len()
        }
    }
}
