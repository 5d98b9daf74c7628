//! Conditions in plain words: what would have to be otherwise for one of them to come out as it should.

use serde_json::Value;

use super::question::{Evidence, Question};
use super::residual::{node, sides, text};
use crate::text::escape::quoted;

/// Longest foreign text in a reason, in characters.
const LONGEST: usize = 160;

/// What would have to be otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Missing {
    /// The person could have seen the plan.
    Preview,
    /// The human's own confirmation.
    Confirmation { readable: bool, milliseconds: i64 },
    /// So many people in all.
    Approvals(i64),
    /// Somebody of one of these groups.
    Of(Vec<String>),
    /// A person applies it.
    ByPerson,
    /// A ticket; in this form.
    Ticket(Option<String>),
    /// Anything else.
    Else(Burden, String),
}

/// Who could make it otherwise; the easiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Burden {
    /// People consent, or name a ticket.
    Consent,
    /// Time does.
    Wait,
    /// The agent does, by another call.
    Call,
    /// An admin or operator does.
    Admin,
    /// Nobody: it is a fact of this call.
    Fact,
}

impl Missing {
    /// Who could make it otherwise.
    pub(super) fn burden(&self) -> Burden {
        match self {
            Self::Else(burden, _) => *burden,
            _ => Burden::Consent,
        }
    }
}

/// How heavy a way is: what only an admin or nobody could change weighs more than any consent.
pub(super) fn weight(way: &[Missing]) -> usize {
    way.iter()
        .map(|missing| match missing.burden() {
            Burden::Consent => match missing {
                Missing::Approvals(count) => usize::try_from(*count).unwrap_or(1),
                _ => 1,
            },
            Burden::Wait => 2,
            Burden::Call => 3,
            Burden::Admin => 100,
            Burden::Fact => 1000,
        })
        .sum()
}

/// Takes together what says the same: the larger of two numbers of people, the stricter of two confirmations.
pub(super) fn tidied(mut way: Vec<Missing>) -> Vec<Missing> {
    let people =
        way.iter().filter_map(|one| if let Missing::Approvals(count) = one { Some(*count) } else { None }).max();
    let confirmations = way.iter().filter_map(|one| match one {
        Missing::Confirmation { readable, milliseconds } => Some((*readable, *milliseconds)),
        _ => None,
    });
    let confirmation = confirmations.reduce(|a, b| (a.0 || b.0, a.1.max(b.1)));
    let formed = way.iter().any(|one| matches!(one, Missing::Ticket(Some(_))));
    // Whoever signs for a group is one of the people.
    let signing = i64::from(way.iter().any(|one| matches!(one, Missing::Of(_))));
    way.retain(|one| match one {
        Missing::Approvals(_) | Missing::Confirmation { .. } => false,
        Missing::Ticket(None) => !formed,
        _ => true,
    });
    way.extend(people.filter(|people| *people > signing).map(Missing::Approvals));
    way.extend(confirmation.map(|(readable, milliseconds)| Missing::Confirmation { readable, milliseconds }));
    way.sort();
    way.dedup();
    way
}

/// What words are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    /// The question.
    pub(super) question: &'a Question,
    /// The consent there is.
    pub(super) evidence: &'a Evidence,
}

impl Words<'_> {
    /// One thing for people.
    pub(super) fn say(&self, missing: &Missing) -> String {
        let human = quoted_name(self.question.human.as_str());
        let given = self.evidence.approvals.keys().filter(|who| **who != self.question.human).count();
        match missing {
            Missing::Preview => "a preview of this very plan".to_owned(),
            Missing::Confirmation { milliseconds, .. } if *milliseconds > 0 => {
                let took = std::time::Duration::from_millis(milliseconds.unsigned_abs());
                format!("a confirmation by {human} that takes at least {took:?}")
            }
            Missing::Confirmation { readable: true, .. } => {
                format!("a confirmation by {human} that takes long enough to have read the plan")
            }
            Missing::Confirmation { .. } => format!("a confirmation by {human}"),
            Missing::Approvals(wanted) => {
                let more = usize::try_from(*wanted).unwrap_or(1).saturating_sub(given).max(1);
                let more_word = if given > 0 { " more" } else { "" };
                match more {
                    1 => format!("one{more_word} approval by someone other than {human}"),
                    _ => format!("{}{more_word} approvals by people other than {human}", number(more)),
                }
            }
            Missing::Of(groups) => format!("an approval by someone of the group {}", groups.join(" or ")),
            Missing::ByPerson => "a person applying it from the approvals console".to_owned(),
            Missing::Ticket(None) => "a ticket".to_owned(),
            Missing::Ticket(Some(form)) => format!("a ticket {form}"),
            Missing::Else(_, words) => words.clone(),
        }
    }

    /// Each of several things.
    pub(super) fn all(&self, way: &[Missing]) -> Vec<String> {
        let people = way.iter().any(|one| matches!(one, Missing::Approvals(_)));
        let say = |missing: &Missing| match missing {
            // They are among the people who are told just before.
            Missing::Of(_) if people => self.say(missing).replacen("an approval", "one of them", 1),
            _ => self.say(missing),
        };
        way.iter().map(say).collect()
    }

    /// Several things in one sentence.
    pub(super) fn list(&self, way: &[Missing]) -> String {
        let said = self.all(way);
        match said.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
            None => String::new(),
        }
    }

    /// What it takes for a condition without `&&` and `||` to come out as wanted.
    pub(super) fn differently(&self, condition: &Value, wanted: bool) -> Missing {
        self.known(condition, wanted).unwrap_or_else(|| {
            let not = if wanted { "" } else { "not " };
            let burden = if condition.to_string().contains(r#""context""#) { Burden::Call } else { Burden::Fact };
            Missing::Else(burden, format!("{not}{}", quoted(&text(condition), LONGEST)))
        })
    }

    fn known(&self, condition: &Value, wanted: bool) -> Option<Missing> {
        if let Some(path) = path(condition) {
            return self.flag(&path, wanted);
        }
        let (word, inner) = node(condition)?;
        match word {
            "has" => self.has(&path(inner.get("left")?)?, inner.get("attr")?.as_str()?, wanted),
            "like" => self.like(&path_or_tag(inner.get("left")?)?, &pattern(inner.get("pattern")?)?, wanted),
            "in" => {
                let (left, right) = sides(inner)?;
                self.within(&path(left)?, &entities(right)?, wanted)
            }
            "contains" | "containsAny" | "containsAll" => {
                let (left, right) = sides(inner)?;
                self.contains(word, left, right, wanted)
            }
            "hasTag" => {
                let (_, key) = sides(inner)?;
                let tag = quoted(Literal::of(key)?.text()?, LONGEST);
                Some(fact(if wanted { format!("it has no tag {tag}") } else { format!("it has the tag {tag}") }))
            }
            "==" => {
                let (left, right) = sides(inner)?;
                match (path_or_tag(left), Literal::of(right)) {
                    (Some(path), Some(literal)) => self.equals(&path, &literal, wanted),
                    _ => self.equals(&path_or_tag(right)?, &Literal::of(left)?, wanted),
                }
            }
            "<" | "<=" | ">" | ">=" => {
                let (left, right) = sides(inner)?;
                let (name, literal, word) = match (path(left), Literal::of(right)) {
                    (Some(path), Some(literal)) => (path, literal, word),
                    _ => (path(right)?, Literal::of(left)?, mirrored(word)),
                };
                self.compared(&name, word, &literal, wanted)
            }
            "isInRange" => {
                let operands = inner.as_array()?;
                let range = Literal::of(operands.get(1)?)?;
                let range = range.text()?;
                (path(operands.first()?)? == "context.sourceIp").then(|| {
                    let not = if wanted { "" } else { "outside " };
                    Missing::Else(Burden::Call, format!("a call from {not}{range}"))
                })
            }
            _ => None,
        }
    }

    /// A yes or no.
    fn flag(&self, path: &str, wanted: bool) -> Option<Missing> {
        let account = quoted_name(&self.question.account.name);
        Some(match (path, wanted) {
            ("context.confirmed", true) => Missing::Confirmation { readable: false, milliseconds: 0 },
            ("context.readable", true) => Missing::Confirmation { readable: true, milliseconds: 0 },
            ("context.previewed", true) => Missing::Preview,
            ("context.appliedByPerson", true) => Missing::ByPerson,
            ("context.windowOpen", true) => Missing::Else(Burden::Wait, "an open change window".to_owned()),
            ("context.windowOpen", false) => Missing::Else(Burden::Wait, "the change window to close".to_owned()),
            ("context.dependentsKnown", true) => {
                Missing::Else(Burden::Call, "dependents that can all be counted".to_owned())
            }
            ("context.breakerOpen", false) => {
                Missing::Else(Burden::Admin, "a person closing the breaker that is open".to_owned())
            }
            ("context.scopedCredentials", true) => {
                Missing::Else(Burden::Admin, format!("a role for the account {account}, so that AWS narrows the call"))
            }
            ("resource.protected", false) => fact("it is protected".to_owned()),
            ("resource.protected", true) => fact("it is not protected".to_owned()),
            ("context.confirmed" | "context.readable", false) => fact("it is confirmed".to_owned()),
            ("context.previewed", false) => fact("it was previewed".to_owned()),
            ("context.appliedByPerson", false) => fact("a person applies it".to_owned()),
            ("context.scopedCredentials", false) => fact("AWS narrows the call".to_owned()),
            ("context.dependentsKnown", false) => fact("all dependents could be counted".to_owned()),
            ("context.revealsSecret", false) => fact("it returns a secret".to_owned()),
            ("context.revealsSecret", true) => fact("it returns no secret".to_owned()),
            ("context.breakerOpen", true) => fact("no breaker is open".to_owned()),
            _ => return None,
        })
    }

    fn has(&self, of: &str, attribute: &str, wanted: bool) -> Option<Missing> {
        Some(match (of, attribute, wanted) {
            ("context", "ticket", true) => Missing::Ticket(None),
            ("context", "ticket", false) => Missing::Else(Burden::Call, "a call without a ticket".to_owned()),
            ("context", "sourceIp", true) => {
                Missing::Else(Burden::Call, "a call over the network, not over stdio".to_owned())
            }
            ("resource", "owner", true) => fact("no tag says which team owns it".to_owned()),
            ("resource", "owner", false) => fact(format!("it is owned by {}", self.owner())),
            ("principal", "expires", true) => fact("the agent never expires".to_owned()),
            ("principal", "expires", false) => fact("the agent expires".to_owned()),
            _ => return None,
        })
    }

    fn like(&self, path: &str, pattern: &str, wanted: bool) -> Option<Missing> {
        let shown = quoted(pattern, LONGEST);
        Some(match (path, wanted) {
            ("context.ticket", true) => Missing::Ticket(Some(format!("like {shown}"))),
            (_, wanted) => self.is(path, &format!("like {shown}"), wanted)?,
        })
    }

    fn within(&self, of: &str, groups: &[(String, String)], wanted: bool) -> Option<Missing> {
        let names: Vec<String> = groups.iter().map(|(_, id)| quoted_name(id)).collect();
        let kind = &groups.first()?.0;
        match (of, kind.as_str(), wanted) {
            ("principal", "Role", true) => {
                Some(Missing::Else(Burden::Admin, format!("the role {}", names.join(" or "))))
            }
            ("principal", "Role", false) => Some(fact(format!("the agent has the role {}", names.join(" or ")))),
            _ => self.is(of, &names.join(" or "), wanted),
        }
    }

    fn contains(&self, word: &str, left: &Value, right: &Value, wanted: bool) -> Option<Missing> {
        if path(left).as_deref() == Some("principal.accounts") {
            let account = quoted_name(&self.question.account.name);
            let words = if wanted { "is not one of" } else { "is one of" };
            return Some(fact(format!("the account {account} {words} this agent's")));
        }
        if let (Some(path), Some(Literal::Set(items))) = (path_or_tag(right), Literal::of(left)) {
            let names: Vec<String> = items.iter().map(Literal::said).collect();
            return self.is(&path, &names.join(" or "), wanted);
        }
        if path(left).as_deref() != Some("context.approverGroups") || !wanted {
            return None;
        }
        let groups: Vec<String> = match Literal::of(right)? {
            Literal::Set(items) => items.iter().map(Literal::said).collect(),
            one => vec![one.said()],
        };
        match (word, groups.as_slice()) {
            ("containsAll", [_, _, ..]) => {
                let all = groups.join(" and of the group ");
                Some(Missing::Else(Burden::Consent, format!("approvals by people of the group {all}")))
            }
            _ => Some(Missing::Of(groups)),
        }
    }

    fn equals(&self, path: &str, literal: &Literal, wanted: bool) -> Option<Missing> {
        Some(match (path, literal, wanted) {
            (_, Literal::Flag(flag), _) => self.flag(path, *flag == wanted)?,
            ("context.approvals", Literal::Number(count), true) => Missing::Approvals(*count),
            ("context.ticket", _, true) => Missing::Ticket(Some(literal.said())),
            (_, Literal::Number(number), true) => self.limit(path, &format!("exactly {number}"))?,
            (_, Literal::Number(number), false) => self.limit(path, &format!("any number but {number} of"))?,
            (_, _, wanted) => self.is(path, &literal.said(), wanted)?,
        })
    }

    /// Numbers and times.
    fn compared(&self, path: &str, word: &str, literal: &Literal, wanted: bool) -> Option<Missing> {
        if let ("context.now", Literal::Other(time)) = (path, literal) {
            let before = matches!(word, "<" | "<=") == wanted;
            return Some(match before {
                true => fact(format!("it is past {time}")),
                false => Missing::Else(Burden::Wait, format!("waiting until {time}")),
            });
        }
        let Literal::Number(number) = literal else { return None };
        // as `at least` or `at most`
        let (least, bound) = match (word, wanted) {
            ("<", true) | (">=", false) => (false, number.saturating_sub(1)),
            ("<=", true) | (">", false) => (false, *number),
            (">", true) | ("<=", false) => (true, number.saturating_add(1)),
            _ => (true, *number),
        };
        match (path, least) {
            ("context.approvals", true) => Some(Missing::Approvals(bound)),
            ("context.confirmedAfter", true) => Some(Missing::Confirmation { readable: false, milliseconds: bound }),
            (_, true) => self.limit(path, &format!("at least {bound}")),
            (_, false) if bound < 0 => None,
            (_, false) if bound == 0 => self.limit(path, "no"),
            (_, false) => self.limit(path, &format!("at most {bound}")),
        }
    }

    fn limit(&self, path: &str, bound: &str) -> Option<Missing> {
        let about = &self.question.circumstances;
        let now = |number: u64| format!("there are {number}");
        let (burden, what, now) = match path {
            "context.resources" => (Burden::Call, "targets in one call", now(about.resources)),
            "context.dependents" => {
                let counted = about.dependents.map_or("they could not all be counted".to_owned(), now);
                (Burden::Call, "dependents of the targets", counted)
            }
            "context.changedInSession" => {
                (Burden::Admin, "resources changed before in this session", now(about.changed_in_session))
            }
            "context.changedInHour" => {
                (Burden::Wait, "resources changed within the last hour", now(about.changed_in_hour))
            }
            "context.errorsInHour" => (Burden::Wait, "failed calls within the last hour", now(about.errors_in_hour)),
            "context.denialsInHour" => (Burden::Wait, "refusals within the last hour", now(about.denials_in_hour)),
            "context.approvals" => {
                let count = self.evidence.approvals.len();
                (Burden::Fact, "approvals", now(u64::try_from(count).unwrap_or(u64::MAX)))
            }
            _ => return None,
        };
        Some(Missing::Else(burden, format!("{bound} {what} ({now})")))
    }

    /// What is, against what should be: the fact that stands in the way.
    fn is(&self, path: &str, wished: &str, wanted: bool) -> Option<Missing> {
        let question = self.question;
        let resource = &question.resource;
        let (burden, what, value) = match path {
            "resource.stage" => (Burden::Fact, "the stage is", resource.stage.to_string()),
            "resource.account.stage" => (Burden::Fact, "the account's stage is", question.account.stage.to_string()),
            "resource.account" => (Burden::Fact, "the account is", quoted_name(&question.account.name)),
            "resource.account.id" => (Burden::Fact, "the account is", question.account.id.clone()),
            "resource.region" => (Burden::Fact, "the region is", question.region.to_string()),
            "resource.kind" => (Burden::Fact, "its kind is", quoted_name(&resource.kind)),
            "resource.arn" | "resource" => (Burden::Fact, "it is", quoted(&resource.arn, LONGEST)),
            "resource.owner" if resource.owner.is_none() => {
                return Some(fact("no tag says which team owns it".to_owned()));
            }
            "resource.owner" => (Burden::Fact, "it is owned by", self.owner()),
            "principal" => (Burden::Fact, "the agent is", quoted_name(question.agent.as_str())),
            "principal.onBehalfOf" => (Burden::Fact, "the agent acts for", quoted_name(question.human.as_str())),
            "action" => (Burden::Fact, "the action is", format!("{}:{}", question.tool, question.effect)),
            "context.operation" => (Burden::Fact, "the operation is", question.operation.to_string()),
            "context.client" => {
                (Burden::Fact, "the client calls itself", quoted(&question.circumstances.client, LONGEST))
            }
            "context.clientTrust" => {
                (Burden::Admin, "the client's trust is", trust(question.circumstances.client_trust).to_owned())
            }
            "context.ticket" => {
                let ticket = question.circumstances.ticket.as_deref().unwrap_or_default();
                (Burden::Call, "the ticket is", quoted(ticket, LONGEST))
            }
            tag => {
                let key = tag.strip_prefix("tag ")?;
                let shown = quoted(key, LONGEST);
                return Some(fact(match resource.tags.get(key) {
                    Some(value) if wanted => format!("its tag {shown} is {}, not {wished}", quoted(value, LONGEST)),
                    Some(value) => format!("its tag {shown} is {}", quoted(value, LONGEST)),
                    None => format!("it has no tag {shown}"),
                }));
            }
        };
        let not = if wanted { format!(", not {wished}") } else { String::new() };
        Some(Missing::Else(burden, format!("{what} {value}{not}")))
    }

    fn owner(&self) -> String {
        self.question.resource.owner.as_deref().map_or("nobody".to_owned(), |owner| quoted(owner, LONGEST))
    }
}

fn fact(words: String) -> Missing {
    Missing::Else(Burden::Fact, words)
}

/// A name by itself where it is a plain word, in quotes otherwise.
fn quoted_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@:".contains(c);
    if !name.is_empty() && name.len() <= 64 && name.chars().all(plain) {
        name.to_owned()
    } else {
        quoted(name, LONGEST)
    }
}

fn number(count: usize) -> String {
    match count {
        2 => "two".to_owned(),
        3 => "three".to_owned(),
        count => count.to_string(),
    }
}

fn trust(trust: crate::config::Trust) -> &'static str {
    match trust {
        crate::config::Trust::Unknown => "unknown",
        crate::config::Trust::Known => "known",
        crate::config::Trust::Managed => "managed",
    }
}

fn mirrored(word: &str) -> &'static str {
    match word {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        _ => "<=",
    }
}

/// `context.approvals`, `resource.account.stage`.
fn path(expression: &Value) -> Option<String> {
    match node(expression)? {
        ("Var", Value::String(name)) => Some(name.clone()),
        (".", inner) => Some(format!("{}.{}", path(inner.get("left")?)?, inner.get("attr")?.as_str()?)),
        _ => None,
    }
}

/// A path, or `tag KEY` for the value of a tag.
fn path_or_tag(expression: &Value) -> Option<String> {
    path(expression).or_else(|| match node(expression)? {
        ("getTag", inner) => Some(format!("tag {}", Literal::of(sides(inner)?.1)?.text()?)),
        _ => None,
    })
}

/// A pattern as it is written in Cedar, without its quotes.
fn pattern(parts: &Value) -> Option<String> {
    parts
        .as_array()?
        .iter()
        .map(|part| match part {
            Value::String(_) => Some("*".to_owned()),
            part => Some(part.get("Literal")?.as_str()?.replace('*', r"\*")),
        })
        .collect()
}

fn entities(expression: &Value) -> Option<Vec<(String, String)>> {
    match Literal::of(expression)? {
        Literal::Entity(kind, id) => Some(vec![(kind, id)]),
        Literal::Set(items) => items
            .into_iter()
            .map(|item| match item {
                Literal::Entity(kind, id) => Some((kind, id)),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

/// A value that stands in a policy.
#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Flag(bool),
    Number(i64),
    Text(String),
    Entity(String, String),
    Set(Vec<Literal>),
    /// A date, a duration or an address, as it is written.
    Other(String),
}

impl Literal {
    fn of(expression: &Value) -> Option<Self> {
        match node(expression)? {
            ("Value", value) => Self::value(value),
            ("Set", items) => items.as_array()?.iter().map(Self::of).collect::<Option<_>>().map(Self::Set),
            ("datetime" | "duration" | "ip" | "decimal", operands) => {
                Some(Self::Other(operands.get(0)?.get("Value")?.as_str()?.to_owned()))
            }
            // A time that was evaluated is so many milliseconds from 1970 on.
            ("offset", operands) => {
                let Self::Other(after) = Self::of(operands.get(1)?)? else { return None };
                let after = after.strip_suffix("ms")?.parse().ok()?;
                jiff::Timestamp::from_millisecond(after).ok().map(|time| Self::Other(time.to_string()))
            }
            _ => None,
        }
    }

    fn value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(Self::Flag(*flag)),
            Value::Number(number) => number.as_i64().map(Self::Number),
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Array(items) => items.iter().map(Self::value).collect::<Option<_>>().map(Self::Set),
            Value::Object(members) => {
                let text = |of: &Value, key: &str| of.get(key)?.as_str().map(str::to_owned);
                if let Some(entity) = members.get("__entity") {
                    return Some(Self::Entity(text(entity, "type")?, text(entity, "id")?));
                }
                text(members.get("__extn")?, "arg").map(Self::Other)
            }
            Value::Null => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Other(text) => Some(text),
            _ => None,
        }
    }

    /// For people.
    fn said(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => quoted(text, LONGEST),
            Self::Entity(_, id) => quoted_name(id),
            Self::Set(items) => items.iter().map(Self::said).collect::<Vec<_>>().join(" or "),
            Self::Other(text) => text.clone(),
        }
    }
}
