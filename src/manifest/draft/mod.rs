//! First drafts of manifests, from AWS's service models and IAM's facts.
//!
//! A draft holds what the facts tell and what names make likely; what only a person can know stands in it as comments
//! that begin with `# decide:`. A manifest with such a comment is not taken, and `manifest check` lists them.

mod after;
mod ground;
mod input;
mod read;
mod state;
mod target;
#[cfg(test)]
mod tests;
mod words;
mod yaml;

use self::ground::Ground;
use self::input::Offered;
use self::read::Read;
use self::state::Tags;
use self::target::{Arn, Target};
use self::words::{snake, words as words_of};
use super::compile::{Facts, UNDECIDED};
use crate::aws::models::ModelError;
use crate::names::{Effect, OperationId};

/// The longest name of a tool.
const LONGEST_NAME: usize = 40;

/// Why there is no draft.
#[derive(Debug, thiserror::Error)]
pub enum NotDrafted {
    /// There is no such operation.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It can't be called here.
    #[error("`{0}` streams events, which can't be called here: choose an operation that answers at once")]
    Streams(OperationId),
}

/// A draft of the manifest of one operation.
///
/// # Errors
/// Where there is no such operation, or none that can be called.
pub fn draft(id: &OperationId, facts: Facts<'_>) -> Result<String, NotDrafted> {
    let ground = Ground::of(id, facts)?;
    if ground.operation.event_stream {
        return Err(NotDrafted::Streams(id.clone()));
    }
    let changes = ground.effect.changes();
    let target = target::guess(&ground).filter(|_| changes || ground.effect == Effect::Secret);
    let read = target.as_ref().filter(|_| changes).and_then(|target| read::guess(&ground, target));
    let tags = match &target {
        Some(target) if changes => state::tags(&ground, target, read.as_ref()),
        _ => Tags::Unknown,
    };
    let mut needed: Vec<String> = read.iter().flat_map(|read| read.uses.clone()).collect();
    let arn = target.as_ref().and_then(|target| target.arn.as_ref());
    needed.extend(arn.iter().flat_map(|arn| arn.uses.clone()));
    let (scopes, more) = scopes(&ground, target.as_ref());
    needed.extend(more);
    let offered = input::offer(&ground, target.as_ref(), &needed);
    let mut text = head(&ground);
    text += &input(&offered);
    if changes {
        text += &targets(&ground, target.as_ref(), read.as_ref(), &tags);
    }
    text += &scopes;
    if changes {
        text += &preview(&ground, target.as_ref(), read.as_ref());
        text += &after::raises(&ground, read.as_ref(), &offered.names);
        if ground.effect >= Effect::Destructive {
            text += "confirm: { type: \"{target}\" }\n";
        }
        text += &after::wait(&ground, target.as_ref(), &needed);
        text += &after::undo(&ground, target.as_ref(), read.as_ref(), (&offered.names, &needed), &name(id));
        text += &after::limits(&ground, target.as_ref());
    } else {
        text += &after::output(&ground);
    }
    text += &after::docs(id);
    Ok(text)
}

/// The tool's name by convention: the service, then the operation.
pub fn name(id: &OperationId) -> String {
    let full = format!("{}_{}", id.service().replace('-', "_"), snake(id.name()));
    if full.len() <= LONGEST_NAME {
        return full;
    }
    let cut = full.get(..=LONGEST_NAME).and_then(|start| start.rfind('_')).unwrap_or(LONGEST_NAME);
    full.get(..cut).unwrap_or_default().to_owned()
}

/// A comment that asks an admin to decide something.
fn decide(question: &str) -> String {
    format!("# {UNDECIDED} {question}")
}

fn head(ground: &Ground<'_>) -> String {
    let Ground { id, .. } = ground;
    let service = ground.service.metadata().service_id.clone();
    let acronym = |word: &String| word.chars().all(|c| c.is_uppercase() || c.is_ascii_digit());
    let lower = |word: &String| if acronym(word) { word.clone() } else { word.to_lowercase() };
    let all = words_of(id.name());
    let rest: Vec<String> = all.iter().skip(1).map(lower).collect();
    let first = all.first().cloned().unwrap_or_default();
    let plural = rest.last().is_some_and(|word| words::singular(&word.to_lowercase()) != word.to_lowercase());
    let vowel = rest.first().and_then(|word| word.chars().next()).is_some_and(|c| "aeiouAEIO".contains(c));
    let article = if plural || rest.is_empty() {
        ""
    } else if vowel {
        "an "
    } else {
        "a "
    };
    let thing = format!("{article}{}", rest.join(" "));
    let title: String = format!("{first} {thing} ({service})").chars().take(60).collect();
    let says = match ground.effect {
        Effect::Read => "Read only.",
        Effect::Secret => "Returns a secret.",
        Effect::Write => "Changes state; can be put back.",
        Effect::Destructive => "Destructive.",
        Effect::Irreversible => "Irreversible.",
    };
    let summary = match ground.effect.changes() {
        true => decide("say in one or two sentences what it does and what is lost"),
        false => decide("say in a sentence what it returns"),
    };
    let effect = match ground.effect {
        Effect::Destructive => "   ".to_owned() + &decide("`irreversible`, if nothing brings back what it takes away?"),
        Effect::Write => "   ".to_owned() + &decide("does it lose state or service? then `destructive`"),
        _ => String::new(),
    };
    let name = name(id);
    let full = format!("{}_{}", id.service().replace('-', "_"), snake(id.name()));
    let shortened = if name == full { String::new() } else { "   ".to_owned() + &decide("a better short name?") };
    let toolset: String = id.service().replace('-', "_").chars().take(LONGEST_NAME).collect();
    format!(
        "tool: {name}{shortened}\ntitle: {}\nsummary: {}   {summary}\ntoolset: {toolset}\noperation: {id}\neffect: {}{effect}\n",
        yaml::text(&title),
        yaml::text(&format!("{first}s {thing}. {says}")),
        ground.effect,
    )
}

fn input(offered: &Offered) -> String {
    let mut text = String::new();
    if offered.lines.is_empty() && offered.left_out.is_empty() {
        return text;
    }
    text += if offered.lines.is_empty() { "input: {}\n" } else { "input:\n" };
    for line in &offered.lines {
        text += line;
        text.push('\n');
    }
    if !offered.left_out.is_empty() {
        text += &yaml::comment("  ", "not offered; add what agents need:", &offered.left_out);
    }
    if !offered.handing_on.is_empty() {
        text += &yaml::comment(
            "  ",
            "hand on a role, a key or tags, which takes scopes of their own:",
            &offered.handing_on,
        );
    }
    if !offered.sensitive.is_empty() {
        text += &yaml::comment("  ", "secret, so not an agent's to pass:", &offered.sensitive);
    }
    text
}

fn targets(ground: &Ground<'_>, target: Option<&Target>, read: Option<&Read>, tags: &Tags) -> String {
    let Some(target) = target else {
        let why = match ground.makes() {
            true => "it makes something new; name in `targets` what it is made in or from, as `each`, `arn` and `read`",
            false => "no member looks like the name of what it acts on; write `targets` with `each`, `arn` and `read`",
        };
        return format!("{}\n", decide(why));
    };
    let each = if target.several { format!("{}[]", target.member) } else { target.member.clone() };
    let mut text = format!("targets:\n  each: {}\n", yaml::text(&each));
    match &target.arn {
        Some(Arn { text: arn, wild, .. }) => {
            text += &format!("  arn: {}", yaml::quoted(arn));
            text += if *wild { "   # `*` is not known before the call\n" } else { "\n" };
        }
        None => {
            let region = "arn:{partition}:SERVICE:{region}:{account}:TYPE/{target}";
            text += &format!(
                "  arn: {}   {}\n",
                yaml::quoted(&region.replace("SERVICE", ground.service.metadata().signing_name())),
                decide("IAM knows no resource type here: which ARN names it in plans and records?")
            );
        }
    }
    match read {
        None => text += &format!("  {}\n", decide("no read fits: add `read` with `operation`, `with` and `state`")),
        Some(read) => {
            let id = OperationId::new(ground.service.name(), read.operation.name.as_str());
            text += &format!("  read:\n    operation: {id}\n    with: {}\n", yaml::flow(&read.with));
            text += &format!("    state: {}\n", yaml::quoted(&read.state));
            match read.missing.as_slice() {
                // An empty list says it already.
                [] if read.state.ends_with("[0]") => {}
                [] => text += &format!("    {}\n", decide("add `missing`: AWS's error codes that say there is none")),
                codes => text += &format!("    missing: {}\n", yaml::list(codes)),
            }
            text += &standing(ground, target, read, tags);
        }
    }
    text
}

/// Tags, fingerprint and protection.
fn standing(ground: &Ground<'_>, target: &Target, read: &Read, tags: &Tags) -> String {
    let mut text = String::new();
    match tags {
        Tags::State(path) => text += &format!("  tags: {path}\n"),
        Tags::Read { operation, with, list } => {
            let id = OperationId::new(ground.service.name(), operation.as_str());
            let with = yaml::flow(with);
            text += &format!("  tags_read:\n    - {{ operation: {id}, with: {with}, list: {} }}\n", yaml::text(list));
        }
        Tags::Unknown => {
            text += &format!(
                "  {}\n",
                decide("has it tags? then add `tags`, or `tags_read` where they take a read of their own")
            );
        }
    }
    match state::fingerprint(ground, target, read, tags) {
        Some(fingerprint) => {
            text += &format!("  fingerprint: {}   # what must not change until the call\n", yaml::quoted(&fingerprint));
        }
        None => {
            text += &format!(
                "  {}\n",
                decide("add `fingerprint`, or else the whole state must stay the same until the call")
            );
        }
    }
    if let Some(protected) = state::protected(ground, read) {
        text += &format!("  protected: {}\n", yaml::text(&protected));
    }
    text
}

/// The scopes, and members of the input that their ARNs need.
fn scopes(ground: &Ground<'_>, target: Option<&Target>) -> (String, Vec<String>) {
    if ground.needed.is_empty() {
        return (format!("{}\n", decide("IAM's facts don't tell what it needs: add `scopes`")), Vec::new());
    }
    let (mut text, mut uses) = ("scopes:\n".to_owned(), Vec::new());
    let always = ground.needed.iter().any(|need| need.always);
    for need in &ground.needed {
        if always && !need.always {
            text +=
                &format!("  {}\n", decide(&format!("`{}` is needed by some calls; allow it for which?", need.name)));
            continue;
        }
        let mut resources: Vec<String> = Vec::new();
        let mut because = None;
        let demanded = need.resources.iter().any(|of| of.required);
        let kinds: Vec<_> = need.resources.iter().filter(|of| of.required || !demanded).collect();
        let own = target.and_then(|target| target.arn.as_ref());
        for of in &kinds {
            let arn = match own {
                Some(arn) if arn.kind == of.name => "{arn}".to_owned(),
                // Without a target of its own every type may be meant; with one, only what is demanded besides.
                Some(_) if !demanded => continue,
                _ if need.level.only_reads() => target::every(ground, &need.name, &of.name),
                _ => {
                    let arn = target::other(ground, &need.name, &of.name);
                    if arn.wild {
                        because = Some(of.name.clone());
                        continue;
                    }
                    uses.extend(arn.uses);
                    arn.text
                }
            };
            if !resources.contains(&arn) {
                resources.push(arn);
            }
        }
        let mut question = String::new();
        if resources.is_empty() {
            resources.push(if kinds.is_empty() { "*".to_owned() } else { "{arn}".to_owned() });
            question = if kinds.is_empty() || own.is_some() { String::new() } else { decide("on which resources?") };
        }
        let written: Vec<String> = resources.iter().map(|arn| yaml::quoted(arn)).collect();
        text += &format!("  - actions: [{}]\n    resources: [{}]", need.name, written.join(", "));
        text += &if question.is_empty() { "\n".to_owned() } else { format!("   {question}\n") };
        if let Some(kind) = because {
            text += &format!(
                "    because: no argument names its {kind}   {}\n",
                decide(&format!("is no `{kind}` needed? else add its ARN"))
            );
        }
        for action in &need.dependent {
            text += &format!("  # {action} may be needed besides, on what the arguments name\n");
        }
    }
    (text, uses)
}

fn preview(ground: &Ground<'_>, target: Option<&Target>, read: Option<&Read>) -> String {
    let input = ground.operation.input.as_ref().and_then(|input| ground.shape(&input.shape));
    let native = ground.service.name() == "ec2" && input.is_some_and(|shape| shape.member("DryRun").is_some());
    let mut text = format!("preview:\n  dry_run: {}\n", if native { "native" } else { "none" });
    if ground.effect < Effect::Destructive {
        return text;
    }
    let dependents = target.map(|target| state::dependents(ground, target, read)).unwrap_or_default();
    if dependents.is_empty() {
        text += &format!("  {}\n", decide("what is lost with it, or breaks? add `dependents`"));
        return text;
    }
    text += &format!("  dependents:   {}\n", decide("which of these matter to a person, and is anything missing?"));
    for dependent in dependents {
        let id = OperationId::new(ground.service.name(), dependent.operation.as_str());
        text += &format!("    - label: {}\n      operation: {id}\n", yaml::text(&dependent.label));
        text +=
            &format!("      with: {}\n      list: {}\n", yaml::flow(&dependent.with), yaml::quoted(&dependent.list));
    }
    text
}
