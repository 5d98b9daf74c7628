//! What every shipped manifest says of itself, held against its form, the models and the cases. No cloud is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use countersign::aws::iam::IamFacts;
use countersign::aws::models::Models;
use countersign::config::{Account, ManifestsConfig};
use countersign::manifest::catalog::Catalog;
use countersign::manifest::tool_schema::of_tool;
use countersign::names::{Region, Stage};
use serde_json::{Value, json};

use super::case::{self, Case, Undone};
use super::manifests::{self, Manifest};

/// Words that the summary of a tool says its effect with.
const WORDS: [(&str, &[&str]); 4] = [
    ("read", &["read only"]),
    ("secret", &["secret"]),
    ("destructive", &["destructive"]),
    ("irreversible", &["irreversible"]),
];

/// Operations that end a thing: a step of a chain, wherever they are called. So is what makes a target that wasn't there.
const ENDING: [&str; 2] = ["Delete", "Terminate"];

/// Most targets of one call, and in an hour, of what can't be put back by the same means.
const MOST_AT_ONCE: u64 = 100;
const MOST_IN_AN_HOUR: u64 = 1000;

#[test]
fn shipped_manifests_agree_with_all_facts() {
    let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
    Catalog::check_shipped(&models, &iam).unwrap_or_else(|problems| panic!("{}", problems.pretty(false)));
}

#[test]
fn every_manifest_is_whole() {
    let manifests = manifests::all();
    let mut wrong: Vec<String> = Vec::new();
    for manifest in &manifests {
        let gaps = gaps(manifest);
        wrong.extend(gaps.into_iter().map(|gap| format!("{}/{}: {gap}", manifest.service, manifest.file)));
    }
    let mut names = BTreeSet::new();
    wrong.extend(manifests.iter().filter(|one| !names.insert(one.tool())).map(|one| format!("{}: twice", one.tool())));
    for manifest in &manifests {
        let undos = manifest.undos().into_iter().filter_map(|undo| undo["tool"].as_str());
        let unknown = undos.filter(|tool| !names.contains(tool));
        wrong.extend(unknown.map(|tool| format!("{}: undone with `{tool}`, which there isn't", manifest.tool())));
    }
    assert!(wrong.is_empty(), "{} gaps:\n{}", wrong.len(), wrong.join("\n"));
}

/// What a manifest should say, and doesn't.
fn gaps(manifest: &Manifest) -> Vec<String> {
    let mut gaps = Vec::new();
    let mut needs = |said: bool, what: &str| {
        if !said {
            gaps.push(what.to_owned());
        }
    };
    let is = &manifest.is;
    let (effect, summary) = (manifest.text("effect"), manifest.text("summary"));
    needs(manifest.tool() == manifest.file, "the file is called otherwise than the tool");
    needs(!summary.is_empty() && !manifest.text("title").is_empty(), "no title or summary");
    needs(!manifest.text("toolset").is_empty(), "no toolset");
    let words = WORDS.iter().find(|(of, _)| *of == effect).map_or(&[][..], |(_, words)| words);
    let said = words.is_empty() || words.iter().any(|word| summary.to_lowercase().contains(word));
    needs(said, &format!("the summary does not say `{}`", words.join("` or `")));
    let page = manifest.text("docs").rsplit('/').next().unwrap_or_default().to_lowercase();
    needs(page.contains(&manifest.operation().to_lowercase()), "`docs` is not the page of the operation");
    if !manifest.changes() {
        return gaps;
    }
    let limit = |key: &str| is["limits"][key].as_u64();
    let limits = limit("per_call").zip(limit("per_hour"));
    needs(limits.is_some_and(|(call, hour)| call <= hour), "no limits, or more for a call than for an hour");
    let many = limits.is_some_and(|(call, hour)| call > MOST_AT_ONCE || hour > MOST_IN_AN_HOUR);
    needs(!many || effect == "write", "limits without sense for what can't be put back by the same means");
    needs(!is["targets"].is_null(), "no targets");
    needs(!is["targets"]["read"].is_null(), "the targets are not read");
    let listed = |key: &str| is["preview"][key].as_array().is_some_and(|list| !list.is_empty());
    needs(listed("changes"), "no rows of what changes (`preview.changes`)");
    let ends = ENDING.iter().any(|word| manifest.operation().starts_with(word)) && effect == "irreversible";
    let makes = is["targets"]["absent"] == true;
    let steps = is["steps"].as_array().is_some_and(|steps| !steps.is_empty());
    needs(steps || !(ends || makes), "it makes or ends a thing, and has no `steps`");
    let undos = manifest.undos();
    needs(!undos.is_empty(), "says neither how it is undone nor why not");
    for undo in &undos {
        needs(undo["tool"].is_string() != undo["none"].is_string(), "an undo without one of `tool` and `none`");
        needs(undo["tool"].is_null() || undo["by_hand"].is_string(), "an undo by a tool without `by_hand`");
    }
    if ["destructive", "irreversible"].contains(&effect) {
        needs(!is["confirm"].is_null(), "does not say what the person types");
    }
    gaps
}

#[test]
fn every_tool_has_a_case() {
    let services = case::load(&case::folder()).unwrap_or_else(|problems| panic!("{problems}"));
    let manifests: BTreeMap<String, Manifest> =
        manifests::all().into_iter().map(|manifest| (manifest.tool().to_owned(), manifest)).collect();
    let mut wrong = Vec::new();
    let mut tried = BTreeSet::new();
    for (service, case) in services.iter().flat_map(|service| service.cases.iter().map(move |case| (service, case))) {
        let mut told = |slip: &str| wrong.push(format!("{}/{}: {slip}", service.name, case.title()));
        case.slips().into_iter().for_each(&mut told);
        tried.insert(case.tool.as_str());
        match manifests.get(&case.tool) {
            None => told("there is no such tool"),
            Some(manifest) if manifest.service != service.name => told("its manifest lies in another folder"),
            Some(manifest) => disagreements(manifest, case).into_iter().for_each(&mut told),
        }
    }
    wrong.extend(manifests.keys().filter(|tool| !tried.contains(tool.as_str())).map(|tool| format!("{tool}: no case")));
    assert!(wrong.is_empty(), "{} gaps:\n{}", wrong.len(), wrong.join("\n"));
}

/// Where a case expects what its manifest does not say.
fn disagreements(manifest: &Manifest, case: &Case) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    if case.not_run.is_some() {
        return wrong;
    }
    let by_tool = manifest.undos().iter().any(|undo| undo["tool"].is_string());
    let never = manifest.undos().iter().any(|undo| undo["none"].is_string());
    match (manifest.changes() && case.not_applied.is_none(), case.undo) {
        (false, Some(_)) => wrong.push("nothing is applied, so nothing is undone"),
        (true, None) => wrong.push("says nothing of its undo"),
        (_, Some(Undone::Back | Undone::Done)) if !by_tool => {
            wrong.push("undone, and the manifest names no tool for it")
        }
        (_, Some(Undone::None)) if !never => wrong.push("not undone, and the manifest does not say why"),
        _ => {}
    }
    if manifest.changes() && case.expect.effect.is_none() {
        wrong.push("expects no effect");
    }
    let looks = !case.after.is_empty() || !case.undone.is_empty() || case.undo == Some(Undone::Back);
    if manifest.changes() && case.not_applied.is_none() && !looks {
        wrong.push("looks at nothing after");
    }
    if !manifest.changes() && case.expect.result.is_none() {
        wrong.push("expects nothing of the result");
    }
    wrong
}

#[test]
fn what_agents_may_pass_is_as_it_was() {
    let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
    let catalog = Catalog::load(&ManifestsConfig::default(), &models, &iam).unwrap();
    let mut services: BTreeMap<&str, String> = BTreeMap::new();
    for tool in catalog.tools() {
        let listing = of_tool(tool, &models, &[account()], None).unwrap();
        let required = listing.input_schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let text = services.entry(&tool.toolset).or_default();
        let _ = writeln!(text, "{} ({})\n  {}", tool.name, tool.effect, tool.summary);
        for input in &tool.input {
            let schema = &listing.input_schema["properties"][&input.member];
            let mark = if required.contains(&json!(input.member)) { ", required" } else { "" };
            let _ = writeln!(text, "  {}{mark}: {schema}", input.member);
        }
        if !tool.fixed.is_empty() {
            let _ = writeln!(text, "  always: {}", json!(tool.fixed));
        }
    }
    insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
        for (service, text) in services {
            insta::assert_snapshot!(format!("input_{service}"), text);
        }
    });
}

fn account() -> Account {
    Account {
        name: "shop-dev".to_owned(),
        id: "210987654321".to_owned(),
        stage: Stage::Dev,
        regions: vec![Region::new("eu-central-1")],
        read_role: None,
        change_role: None,
        external_id: None,
    }
}
