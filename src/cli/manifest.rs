//! `countersign manifest`: what tools there are, and whether manifests are good.

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::problems;
use crate::aws::iam::IamFacts;
use crate::aws::models::{Models, nearest};
use crate::config::{self, Account, Environment, ManifestsConfig};
use crate::document::Problems;
use crate::manifest::catalog::{Catalog, Entry};
use crate::manifest::compile::Facts;
use crate::manifest::draft::draft;
use crate::manifest::raw;
use crate::manifest::spec::{Condition, DryRunKind, RecoveryPoint, Tool, UndoHow, UndoWay};
use crate::names::{OperationId, Region, Stage};
use crate::roles::needs::{Families, Ground, Needs, RoleNeeds};
use crate::text::escape::quoted;

/// `countersign manifest ...`
#[derive(Debug, Args)]
pub struct ManifestArgs {
    #[command(subcommand)]
    command: ManifestCommand,
}

#[derive(Debug, Subcommand)]
enum ManifestCommand {
    /// Checks manifests, told all at once. Exits with 1 where one is wrong.
    Check {
        /// Files and folders; without any, the shipped ones and those of the configuration.
        paths: Vec<PathBuf>,
    },
    /// Drafts the manifest of an operation from AWS's models and IAM's facts, and tells what is left to decide.
    New {
        /// Such as `rds:DeleteDBInstance`.
        operation: OperationId,
        /// A new file to write it to; otherwise it is printed.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Lists the tools there are; those that clients are not shown are called by their operation, through a family.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows one tool: what it touches, how it is previewed and undone.
    Show {
        /// The tool's name.
        tool: String,
    },
    /// Prints the JSON Schema of manifests, for editors.
    Schema {
        /// Of which kind.
        #[arg(value_enum, default_value_t = Kind::Tool)]
        kind: Kind,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// A tool's manifest.
    Tool,
    /// A family's manifest.
    Family,
}

/// Runs the command. `config` is `--config`; without any configuration the shipped manifests are meant.
pub fn run(args: &ManifestArgs, config: Option<&Path>) -> Result<ExitCode, Box<dyn Error>> {
    let (models, iam) = (Models::embedded()?, IamFacts::embedded()?);
    let out = &mut anstream::stdout().lock();
    let done: Result<String, Problems> = match &args.command {
        ManifestCommand::Schema { kind } => {
            let schema = match kind {
                Kind::Tool => raw::tool_schema(),
                Kind::Family => raw::family_schema(),
            };
            Ok(format!("{}\n", serde_json::to_string_pretty(&schema)?))
        }
        ManifestCommand::Check { paths } if !paths.is_empty() => {
            Catalog::check(paths, &models, &iam).and_then(|count| {
                let manifests = ManifestsConfig { folders: paths.clone(), ..ManifestsConfig::default() };
                Ok(all_good(count) + &ways_up(&Catalog::load(&manifests, &models, &iam)?))
            })
        }
        ManifestCommand::Check { .. } => configured(config, &models).and_then(|manifests| {
            let count = Catalog::check(&manifests.folders, &models, &iam)? + Catalog::check_shipped(&models, &iam)?;
            Ok(all_good(count) + &ways_up(&Catalog::load(&manifests, &models, &iam)?))
        }),
        ManifestCommand::New { operation, output } => {
            let text = draft(operation, Facts { models: &models, iam: &iam })?;
            let path = output.as_deref().unwrap_or(Path::new("draft.yaml"));
            let left = Catalog::check_text(&path.display().to_string(), &text, &models, &iam).err().unwrap_or_default();
            if output.is_some() {
                let mut file = std::fs::File::create_new(path).map_err(|error| {
                    format!("{} can't be written: {error}; name a new file", quoted(&path.display().to_string(), 200))
                })?;
                file.write_all(text.as_bytes())?;
            }
            write!(anstream::stderr().lock(), "{}", what_is_left(&left, output.as_deref()))?;
            Ok(if output.is_some() { String::new() } else { text })
        }
        ManifestCommand::List { json } => load(config, &models, &iam).map(|catalog| match json {
            true => list_json(&catalog),
            false => list(&catalog),
        }),
        ManifestCommand::Show { tool } => match load(config, &models, &iam) {
            Ok(catalog) => Ok(show(&catalog, tool)?),
            Err(problems) => Err(problems),
        },
    };
    match done {
        Ok(text) => {
            out.write_all(text.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(wrong) => {
            write!(anstream::stderr().lock(), "{}", problems::shown(&wrong, std::io::stderr().is_terminal()))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn all_good(count: usize) -> String {
    format!("{count} manifests are good\n")
}

/// What an admin does next with a draft.
fn what_is_left(left: &Problems, path: Option<&Path>) -> String {
    let told: String = left.iter().map(|problem| format!("  {problem}\n")).collect();
    let file = path.map_or_else(|| "FILE".to_owned(), |path| path.display().to_string());
    match left.len() {
        0 => "nothing is left to decide; read it before you use it\n".to_owned(),
        count => format!("{told}{count} left; `countersign manifest check {file}` tells them again\n"),
    }
}

/// The known ways to more permissions: those that a tool's manifest accepts, and those that the tools of a role make up
/// together.
fn ways_up(catalog: &Catalog) -> String {
    let accepted = catalog.tools().flat_map(|tool| {
        tool.escalates.iter().map(|id| {
            format!("note: `{}` contains `{id}`, a known way to more permissions, as its manifest says\n", tool.name)
        })
    });
    let account = Account {
        name: "any".to_owned(),
        id: "111122223333".to_owned(),
        stage: Stage::Dev,
        regions: vec![Region::new("us-east-1")],
        read_role: None,
        change_role: None,
        external_id: None,
    };
    let signed_for = |_: &OperationId, region: &Region| region.as_str().to_owned();
    let needs = Needs::of(Ground {
        account: &account,
        catalog,
        families: Families::None,
        toolsets: &[],
        signed_for: &signed_for,
    });
    let of = |role: &str, needs: &RoleNeeds| {
        let found = needs.escalations(catalog.iam());
        found.iter().map(|escalation| format!("note: {}\n", super::iam::told(role, escalation))).collect::<String>()
    };
    accepted.collect::<String>() + &of("read", &needs.read) + &of("change", &needs.change)
}

fn configured(config: Option<&Path>, models: &Models) -> Result<ManifestsConfig, Problems> {
    let environment = Environment::of_process();
    match config::find(config, &environment) {
        Ok(path) => Ok(config::load(&path, models, &environment)?.manifests),
        Err(_) => Ok(ManifestsConfig::default()),
    }
}

fn load(config: Option<&Path>, models: &Models, iam: &IamFacts) -> Result<Catalog, Problems> {
    Catalog::load(&configured(config, models)?, models, iam)
}

fn list(catalog: &Catalog) -> String {
    let title = |tool: &Tool| match catalog.is_listed(&tool.name) {
        true => tool.title.clone(),
        false => format!("{} (by its operation)", tool.title),
    };
    let mut rows: Vec<[String; 4]> = catalog
        .tools()
        .map(|tool| [tool.toolset.clone(), tool.name.clone(), tool.effect.to_string(), title(tool)])
        .collect();
    rows.extend(catalog.families().map(|family| {
        [family.toolset().to_owned(), family.name().to_owned(), family.effect().to_string(), family.title().to_owned()]
    }));
    rows.sort();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let (first, second, third) = (width(0), width(1), width(2));
    rows.iter()
        .map(|[toolset, name, effect, title]| format!("{toolset:first$}  {name:second$}  {effect:third$}  {title}\n"))
        .collect()
}

fn list_json(catalog: &Catalog) -> String {
    let tools = catalog.tools().map(|tool| {
        json!({
            "tool": tool.name, "title": tool.title, "summary": tool.summary, "toolset": tool.toolset,
            "operation": tool.operation, "effect": tool.effect, "digest": tool.digest,
            "listed": catalog.is_listed(&tool.name),
        })
    });
    let families = catalog.families().map(|family| {
        json!({
            "tool": family.name(), "title": family.title(), "summary": family.summary(), "toolset": family.toolset(),
            "effect": family.effect(), "digest": family.digest(),
        })
    });
    format!("{:#}\n", json!({ "digest": catalog.digest(), "tools": tools.chain(families).collect::<Vec<_>>() }))
}

/// No tool of that name.
#[derive(Debug, thiserror::Error)]
#[error("there is no tool `{name}`{}", nearest.first().map(|best| format!("; did you mean `{best}`?")).unwrap_or_default())]
struct NoTool {
    name: String,
    nearest: Vec<String>,
}

fn show(catalog: &Catalog, name: &str) -> Result<String, NoTool> {
    match catalog.entry(name) {
        Some(Entry::Tool(tool)) => Ok(sheet(tool)),
        Some(Entry::Family(family)) => Ok(format!(
            "{} ({})\n  {}\n\n  effect      {} or worse, by the operation\n  toolset     {}\n  manifest    {}\n",
            family.title(),
            family.name(),
            family.summary(),
            family.effect(),
            family.toolset(),
            family.digest().short(),
        )),
        None => Err(NoTool { name: name.to_owned(), nearest: nearest(name, catalog.names()) }),
    }
}

/// One tool for people.
fn sheet(tool: &Tool) -> String {
    let mut text = format!("{} ({})\n  {}\n\n", tool.title, tool.name, tool.summary);
    let mut line = |label: &str, value: String| text.push_str(&format!("  {label:11} {value}\n"));
    line("operation", tool.operation.to_string());
    line("toolset", if tool.core == Some(true) { format!("{}, core", tool.toolset) } else { tool.toolset.clone() });
    line("effect", tool.effect.to_string());
    for raise in &tool.raise_effect {
        line("", format!("{} when {} ({})", raise.to, raise.when.text(), raise.because));
    }
    for warning in &tool.warn {
        line("warns", format!("when {} ({})", warning.when.text(), warning.because));
    }
    for refusal in &tool.refuse {
        line("refuses", format!("when {} ({})", refusal.when.text(), refusal.because));
    }
    for step in &tool.steps {
        let when = step.when.as_ref().map(|when| format!(" when {}", when.text())).unwrap_or_default();
        let of = if step.of.is_some() { "something else than its target" } else { "its target" };
        line("step", format!("{} {of}{when}", step.is.words()));
    }
    for input in &tool.input {
        let required = if input.required { ", required" } else { "" };
        let narrow = narrowing(input);
        line("argument", format!("{}{required}{narrow}", input.member));
    }
    for (member, value) in &tool.fixed {
        line("fixed", format!("{member} = {value}"));
    }
    if let Some(targets) = &tool.targets {
        line("acts on", targets.each.text().to_owned());
        if let Some(read) = &targets.read {
            line("read with", format!("{} at {}", read.operation, read.state.text()));
        }
        if targets.absent {
            line("", "it must not be there yet: the call makes it".to_owned());
        }
        for read in &targets.also {
            let optional = if read.optional { ", or not known" } else { "" };
            line("and", format!("{} with {} at {}{optional}", read.name, read.operation, read.state.text()));
        }
        for read in &targets.tags_read {
            line("tags with", format!("{} at {}", read.operation, read.list.text()));
        }
        if let Some(fingerprint) = &targets.fingerprint {
            line("unchanged", fingerprint.text().to_owned());
        }
        if let Some(protected) = &targets.protected {
            line("protected", protected.text().to_owned());
        }
    }
    for scope in &tool.scopes {
        let because = scope.because.as_ref().map(|because| format!(" ({because})")).unwrap_or_default();
        let only = |condition: &Condition| format!(", only by {} of {}", condition.operator, condition.key);
        let conditions: String = scope.conditions.iter().map(only).collect();
        line("allows", format!("{}{conditions}{because}", scope.actions.join(", ")));
    }
    for path in &tool.escalates {
        line("", format!("contains {path}, a known way to more permissions"));
    }
    if tool.effect.changes() {
        let dry_run = match tool.dry_run {
            DryRunKind::Native => "AWS's own, and the state before",
            DryRunKind::ChangeSet => "a change set, deleted again, and the state before",
            DryRunKind::None => "the state before",
        };
        line("preview", dry_run.to_owned());
        for scope in &tool.dry_run_scopes {
            line("", format!("for that {}", scope.actions.join(", ")));
        }
        for row in &tool.changes {
            line("shows", format!("{}: {} → {}", row.what, row.before.text(), row.after.text()));
        }
        for dependent in &tool.dependents {
            line("counts", format!("{}, with {}", dependent.label, dependent.operation));
        }
        if let Some(wait) = &tool.wait {
            line("waits", format!("for {}, at most {} s, with {}", wait.until, wait.most.as_secs(), wait.operation));
        }
        for point in &tool.recovery_points {
            line("before", taken(point));
            for scope in &point.scopes {
                line("", format!("allows for that: {}", scope.actions.join(", ")));
            }
        }
        for way in &tool.undo {
            line("undo", undone(way));
            if let Some(by_hand) = &way.by_hand {
                line("by hand", by_hand.clone());
            }
        }
    }
    let limit = |most: Option<u32>| most.map_or("no limit".to_owned(), |most| most.to_string());
    line("targets", format!("{} a call, {} an hour", limit(tool.limits.per_call), limit(tool.limits.per_hour)));
    if let Some(docs) = &tool.docs {
        line("docs", docs.clone());
    }
    line("manifest", tool.digest.short());
    text
}

/// A recovery point in one line.
fn taken(point: &RecoveryPoint) -> String {
    let when = point.when.as_ref().map(|when| format!(" when {}", when.text())).unwrap_or_default();
    let usable = &point.usable;
    format!(
        "{}{when}, with {}; usable when {}, read with {} for at most {} s",
        point.label,
        point.take,
        usable.when.text(),
        usable.operation,
        point.most.as_secs()
    )
}

/// A way to undo a call in one line.
fn undone(way: &UndoWay) -> String {
    let when = way.when.as_ref().map(|when| format!("when {}: ", when.text())).unwrap_or_default();
    match &way.how {
        UndoHow::Recipe { tool, loses, .. } if loses.is_empty() => format!("{when}by {tool}"),
        UndoHow::Recipe { tool, loses, .. } => format!("{when}by {tool}; lost: {}", loses.join(", ")),
        UndoHow::None { reason } => format!("{when}none: {reason}"),
    }
}

fn narrowing(input: &crate::manifest::spec::InputMember) -> String {
    let narrow = &input.narrowing;
    let mut said = Vec::new();
    for (word, bound) in [("at least", narrow.min_items), ("at most", narrow.max_items)] {
        said.extend(bound.map(|bound| format!("{word} {bound} items")));
    }
    for (word, bound) in [("at least", narrow.min), ("at most", narrow.max)] {
        said.extend(bound.map(|bound| format!("{word} {bound}")));
    }
    if !narrow.one_of.is_empty() {
        said.push(format!("one of {}", narrow.one_of.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
    }
    said.extend(narrow.pattern.as_ref().map(|pattern| format!("in the form {pattern}")));
    if said.is_empty() { String::new() } else { format!(", {}", said.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
        Catalog::load(&ManifestsConfig::default(), &models, &iam).unwrap()
    }

    #[test]
    fn the_list_for_people() {
        insta::assert_snapshot!(list(&catalog()));
    }

    #[test]
    fn one_tool_for_people() {
        let catalog = catalog();
        insta::assert_snapshot!(show(&catalog, "ec2_terminate_instances").unwrap());
        insta::assert_snapshot!(show(&catalog, "rds_delete_db_instance").unwrap());
        insta::assert_snapshot!(show(&catalog, "aws_change").unwrap());
        insta::assert_snapshot!(show(&catalog, "ec2_terminate_instance").unwrap_err().to_string(), @"there is no tool `ec2_terminate_instance`; did you mean `ec2_terminate_instances`?");
    }
}
