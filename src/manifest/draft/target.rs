//! Guesses what a call acts on: the member that names it, and its ARN.

use super::ground::{Given, Ground};
use super::words::{core, is_arn, is_url, likeness, names_a_thing, plain, same_way, words};
use crate::aws::iam::ActionFact;

/// What scores less is no guess.
const LEAST: i32 = 45;

/// What a call acts on.
pub(super) struct Target {
    /// The member of the input that names it, or lists names.
    pub(super) member: String,
    /// It lists several.
    pub(super) several: bool,
    /// It is named by what holds it besides, so that `{resource}` of an ARN or a URL stands in its own ARN.
    pub(super) whole: bool,
    /// Its ARN's template; `None` where IAM's facts name no resource type for it.
    pub(super) arn: Option<Arn>,
}

/// An ARN as a template.
#[derive(Clone)]
pub(super) struct Arn {
    /// With `{expressions}`.
    pub(super) text: String,
    /// IAM's type of resource.
    pub(super) kind: String,
    /// Members of the input that stand in it besides the target.
    pub(super) uses: Vec<String>,
    /// It holds a `*` for what is not known before the call.
    pub(super) wild: bool,
}

/// The likeliest target; `None` where no member looks like one.
pub(super) fn guess(ground: &Ground<'_>) -> Option<Target> {
    let nouns = ground.nouns();
    let best = ground
        .members
        .iter()
        .enumerate()
        .filter(|(_, member)| member.is_text() && !member.is_sensitive())
        .map(|(at, member)| (score(ground, &nouns, member, at), member))
        .filter(|(score, _)| *score >= LEAST)
        .max_by_key(|(score, _)| *score)?;
    let member = best.1;
    let whole = holds_arn(member) || is_url(&member.name);
    let arn = kinds(ground).into_iter().map(|kind| arn_of(ground, &kind, member, whole));
    let arn = arn.max_by_key(|(fit, arn)| (*fit, std::cmp::Reverse(arn.uses.len()))).map(|(_, arn)| arn);
    Some(Target { member: member.name.clone(), several: member.is_list_of_texts(), whole, arn })
}

fn score(ground: &Ground<'_>, nouns: &[String], member: &Given, at: usize) -> i32 {
    let name = member.name.as_str();
    let first = words(name).first().map(|word| word.to_lowercase()).unwrap_or_default();
    let mut score = 0;
    let by_noun = nouns.iter().enumerate().map(|(nth, noun)| {
        let like = likeness(name, noun).max(likeness(&member.shape.name, noun).saturating_sub(1));
        let worth = [0, 25, 50, 100];
        worth.get(like as usize).copied().unwrap_or(0) - 5 * i32::try_from(nth).unwrap_or(20).min(8)
    });
    // What is being made is not there to be acted on.
    let own = ground.makes() && likeness(name, &ground.noun) == 3;
    score += by_noun.max().unwrap_or(0).max(0);
    if own || (ground.makes() && plain(name) == "name") {
        return 0;
    }
    score += if names_a_thing(name) { 20 } else { -10 };
    score += if in_arns(ground).iter().any(|placed| plain(placed) == plain(name)) { 15 } else { 0 };
    score += if member.required { 30 } else { 0 };
    score -=
        if ["new", "final", "target", "source", "next", "max", "client"].contains(&first.as_str()) { 70 } else { 0 };
    score -= if is_arn(name) && member.required { 0 } else { i32::from(is_arn(name)) * 10 };
    score - i32::try_from(at.min(10)).unwrap_or(10)
}

/// The names that stand in the ARNs of what the operation may be about.
fn in_arns(ground: &Ground<'_>) -> Vec<String> {
    let forms = kinds(ground).into_iter().map(|(action, kind)| form_of(ground, &action, &kind));
    let names = |form: String| -> Vec<String> {
        form.split("${").skip(1).filter_map(|piece| Some(piece.split_once('}')?.0.to_owned())).collect()
    };
    forms.flat_map(names).collect()
}

/// True where a member holds ARNs: by its name, or by the form its model demands.
fn holds_arn(member: &Given) -> bool {
    let shape = member.item.as_ref().unwrap_or(&member.shape);
    let pattern = match &shape.kind {
        crate::aws::ShapeKind::String { pattern, .. } => pattern.as_deref(),
        _ => None,
    };
    let demanded = pattern.is_some_and(|pattern| pattern.trim_start_matches('^').starts_with("arn:"));
    is_arn(&member.name) || demanded
}

/// IAM's types of resources that the operation's actions are about, as `(action, type)`.
fn kinds(ground: &Ground<'_>) -> Vec<(String, String)> {
    let always = |need: &&ActionFact| need.always || ground.needed.len() == 1;
    let own = ground.needed.iter().filter(always);
    own.flat_map(|need| {
        let demanded = need.resources.iter().any(|of| of.required);
        let kept = need.resources.iter().filter(move |of| of.required || !demanded);
        kept.map(|of| (need.name.clone(), of.name.clone()))
    })
    .collect()
}

/// The ARN of one type, and how well it fits the target's name.
fn arn_of(ground: &Ground<'_>, (action, kind): &(String, String), target: &Given, whole: bool) -> (u32, Arn) {
    let form = form_of(ground, action, kind);
    let fit = 2 * likeness(&target.name, kind);
    let (like, arn) = fill(ground, &form, kind, Some((target, whole)));
    (fit + like, arn)
}

/// The form of a type's ARN, as AWS writes it.
fn form_of(ground: &Ground<'_>, action: &str, kind: &str) -> String {
    let prefix = action.split(':').next().unwrap_or_default();
    let types = ground.facts.iam.resource_types(prefix);
    types.into_iter().find(|known| known.name == kind).map(|known| known.arn).unwrap_or_default()
}

/// Puts the target, and arguments that name what holds it, into the form of an ARN. What no argument names is `*`.
fn fill(ground: &Ground<'_>, form: &str, kind: &str, target: Option<(&Given, bool)>) -> (u32, Arn) {
    let places = ["Partition", "Region", "Account"];
    let mut names: Vec<&str> =
        form.split("${").skip(1).filter_map(|piece| piece.split_once('}')).map(|(name, _)| name).collect();
    names.retain(|name| !places.contains(name));
    let likest = |member: &str| {
        let scored = names.iter().enumerate().map(|(at, name)| (likeness(member, name), at));
        scored.max_by_key(|(like, at)| (*like, names.get(*at).is_some_and(|name| same_way(member, name)), *at))
    };
    let own = target.and_then(|(member, _)| likest(&member.name));
    let mut arn = Arn { text: String::new(), kind: kind.to_owned(), uses: Vec::new(), wild: false };
    if let Some((member, true)) = target {
        let tail = form.splitn(6, ':').take(5).collect::<Vec<_>>().join(":");
        arn.text = format!("{}:{{resource}}", placed(&tail));
        return (likeness(&member.name, kind), arn);
    }
    let mut nth = 0;
    let mut pieces = form.split("${");
    arn.text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, rest) = piece.split_once('}').unwrap_or((piece, ""));
        if places.contains(&name) {
            arn.text.push_str(&format!("{{{}}}", name.to_lowercase()));
        } else {
            let value = if own.is_some_and(|(_, at)| at == nth) {
                "{target}".to_owned()
            } else {
                argument(ground, name, target.map(|(member, _)| member.name.as_str()), &mut arn)
            };
            arn.text.push_str(&value);
            nth += 1;
        }
        arn.text.push_str(rest);
    }
    (own.map_or(0, |(like, _)| like), arn)
}

fn placed(form: &str) -> String {
    let names = [("${Partition}", "{partition}"), ("${Region}", "{region}"), ("${Account}", "{account}")];
    names.iter().fold(form.to_owned(), |text, (name, put)| text.replace(name, put))
}

/// The argument that stands for a name in an ARN, or `*`.
fn argument(ground: &Ground<'_>, name: &str, target: Option<&str>, arn: &mut Arn) -> String {
    let members = ground.members.iter().filter(|member| Some(member.name.as_str()) != target);
    let texts = members.filter(|member| super::ground::is_text(&member.shape) && !is_arn(&member.name));
    let best = texts
        .map(|member| (likeness(&member.name, name), member))
        .filter(|(like, member)| *like == 3 || (*like == 2 && member.required))
        .max_by_key(|(like, _)| *like);
    match best {
        Some((_, member)) if !core(name).is_empty() => {
            arn.uses.push(member.name.clone());
            format!("{{arguments.{}}}", member.name)
        }
        _ => {
            arn.wild = true;
            "*".to_owned()
        }
    }
}

/// The ARN of another type that an action must be allowed on, from the arguments alone.
pub(super) fn other(ground: &Ground<'_>, action: &str, kind: &str) -> Arn {
    fill(ground, &form_of(ground, action, kind), kind, None).1
}

/// Every ARN of a type, for a read that lists them.
pub(super) fn every(ground: &Ground<'_>, action: &str, kind: &str) -> String {
    let form = placed(&form_of(ground, action, kind));
    let mut pieces = form.split("${");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + "*" + piece.split_once('}').map_or("", |(_, rest)| rest))
}
