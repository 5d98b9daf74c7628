//! The handbook: each command in it is one of the command line, what is marked to be run is run, and what it says of
//! manifests, tests, files and configurations is so.

mod commands;
mod examples;
mod pages;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use self::pages::Page;
use crate::support::{Act, Installation, Instance, NEWEST, Ran, Session, Stub, repository};

/// Marks a block that is run for real.
const RUN: &str = "<!-- run by tests/it/handbook.rs -->";

/// Begins the mark of a block that is only parsed, and says why.
const NOT_RUN: &str = "<!-- not run: ";

/// The instance of the record that commands are run with.
const WEB: &str = "i-0123456789abcdef0";

#[test]
fn every_command_is_one_of_the_command_line() {
    let line = countersign::cli::command_line();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in Page::all() {
        for block in page.blocks.iter().filter(|block| ["", "sh", "console"].contains(&&*block.language)) {
            for words in commands::of_script(&block.text) {
                seen += 1;
                if let Err(error) = commands::parses(&line, &words) {
                    wrong.push(format!("{}:{}: {}: {error}", page.path, block.line, words.join(" ")));
                }
            }
        }
        for mention in page.mentions() {
            seen += 1;
            if let Err(error) = commands::exists(&line, &mention) {
                wrong.push(format!("{}: `{mention}`: {error}", page.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 100, "only {seen} commands were found");
}

#[test]
fn every_block_of_commands_is_run_or_says_why_not() {
    let mut wrong = Vec::new();
    for page in Page::handbook() {
        for block in page.blocks.iter().filter(|block| block.language == "sh") {
            if block.mark != RUN && !block.mark.starts_with(NOT_RUN) {
                wrong.push(format!("{}:{}", page.path, block.line));
            }
        }
    }
    assert!(wrong.is_empty(), "neither `{RUN}` nor `{NOT_RUN}...`:\n{}", wrong.join("\n"));
}

/// All blocks of a page that are marked, one after the other, in a folder with the examples and before a stub of AWS; the
/// record holds an applied plan, `$PLAN`.
#[tokio::test]
async fn marked_blocks_work_as_written() {
    let mut run = 0;
    for page in Page::handbook() {
        let marked: Vec<_> = page.blocks.iter().filter(|block| block.mark == RUN).collect();
        if marked.is_empty() {
            continue;
        }
        let (stub, installation, plan) = with_a_record().await;
        let script: String =
            marked.iter().map(|block| format!("echo '== line {}' >&2\n{}\n", block.line, block.text)).collect();
        let ran = commands::run(&installation, &script, &plan);
        assert_eq!(ran.code, Some(0), "{}: {}\n{}", page.path, ran.out, ran.err);
        assert_eq!(stub.changes(), ["StopInstances"], "{}: commands change nothing at AWS", page.path);
        run += marked.len();
    }
    assert!(run >= 10, "only {run} blocks are run");
}

/// An installation whose record holds one applied plan.
async fn with_a_record() -> (Stub, Installation, String) {
    let stub = Stub::start().await;
    stub.put(Instance::running(WEB).tagged("Name", "orders-web-1"));
    let installation = Installation::before_stub(&stub).with_config(
        "[agents.test-agent]\nroles = [\"operator\"]\naccounts = [\"shop-dev\", \"shop-prod\"]\n\
         [agents.kiro]\nroles = [\"operator\"]\naccounts = [\"shop-dev\"]\n\
         [http]\n",
    );
    let session = Session::start(&installation, NEWEST, Act::types(WEB)).await;
    let stop = json!({ "account": "shop-dev", "InstanceIds": [WEB], "reason": "it is idle" });
    let apply = session.preview("ec2_stop_instances", &stop).await;
    let plan = apply["plan_id"].as_str().unwrap().to_owned();
    session.call("ec2_stop_instances", apply).await.applied();
    session.end().await;
    (stub, installation, plan)
}

/// Each block of TOML is a configuration, alone or added to a small one.
#[test]
fn configurations_are_good() {
    let base = |block: &str| {
        let has = |table: &str| block.lines().any(|line| line.trim_start().starts_with(table));
        let mut text = String::new();
        if !has("[caller") {
            text.push_str("[caller]\nhuman = \"ann\"\nagent = \"kiro\"\n");
        }
        if !has("[accounts") {
            text.push_str(
                "[accounts.shop-dev]\nid = \"111122223333\"\nstage = \"dev\"\nregions = [\"eu-central-1\"]\n",
            );
        }
        if !has("[store") {
            text.push_str("[store]\npath = \"countersign.db\"\n");
        }
        // Who is told is told where the console is.
        let console = if has("[notify") && !has("[http") { "\n[http]\n" } else { "" };
        format!("{text}{block}{console}")
    };
    let (mut checked, mut wrong) = (0, Vec::new());
    for page in Page::handbook() {
        for block in page.blocks.iter().filter(|block| block.language == "toml") {
            let installation = Installation::empty();
            commands::copy(&repository().join("examples"), &installation.folder().join("examples"));
            installation.write("notify.secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
            installation.write("notify.url", "https://example.com/hook\n");
            installation.write("countersign.toml", &base(&block.text));
            let ran = installation.run(&["config", "check"]);
            checked += 1;
            if ran.code != Some(0) {
                wrong.push(format!("{}:{}: {}{}", page.path, block.line, ran.out, ran.err));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked >= 5, "only {checked} configurations");
}

#[test]
fn quoted_files_say_what_is_quoted() {
    let mut quotations = 0;
    for page in Page::handbook() {
        for block in &page.blocks {
            let Some(file) = block.mark.strip_prefix("<!-- from ").and_then(|rest| rest.strip_suffix(" -->")) else {
                continue;
            };
            let text = fs::read_to_string(repository().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(text.contains(&block.text), "{}:{}: {file} does not say\n{}", page.path, block.line, block.text);
            quotations += 1;
        }
    }
    assert!(quotations >= 2, "only {quotations} quotations");
}

#[test]
fn links_lead_somewhere() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for page in Page::all() {
        for link in page.links() {
            seen += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link.as_str(), ""));
            let target = match file {
                "" => repository().join(&page.path),
                file => repository().join(&page.path).parent().unwrap().join(file),
            };
            if !target.exists() {
                wrong.push(format!("{}: {link}", page.path));
            } else if !heading.is_empty() {
                let there = pages::headings(&fs::read_to_string(&target).unwrap());
                if !there.iter().any(|known| known == heading) {
                    wrong.push(format!("{}: {link}: there is no such heading", page.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 50, "only {seen} links");
}

#[test]
fn the_index_and_the_readme_name_every_page() {
    let index = Page::read("docs/README.md");
    let links: BTreeSet<String> = index.links().into_iter().collect();
    let readme: BTreeSet<String> = Page::read("README.md").links().into_iter().collect();
    for page in Page::handbook() {
        let Some(name) = page.path.strip_prefix("docs/") else { continue };
        if name != "README.md" {
            assert!(links.contains(name), "docs/README.md doesn't link {name}");
        }
    }
    assert!(readme.contains("docs/README.md"), "the README doesn't link the handbook");
}

/// `docs/manifests.md` names every key there is.
#[test]
fn every_key_of_manifests_is_explained() {
    let page = Page::read("docs/manifests.md").text;
    let mut missing = BTreeSet::new();
    for schema in ["tool-manifest.schema.json", "family-manifest.schema.json"] {
        let text = fs::read_to_string(repository().join("schemas").join(schema)).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        let mut keys = BTreeSet::new();
        properties(&schema, &mut keys);
        assert!(keys.len() > 3, "{keys:?}");
        missing.extend(keys.into_iter().filter(|key| !page.contains(&format!("`{key}`"))));
    }
    assert!(missing.is_empty(), "docs/manifests.md doesn't explain {missing:?}");
}

fn properties(schema: &Value, keys: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Object(properties)) = members.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            members.values().for_each(|member| properties(member, keys));
        }
        Value::Array(items) => items.iter().for_each(|item| properties(item, keys)),
        _ => {}
    }
}

/// The quick start tells of every client that `register` knows.
#[test]
fn every_client_is_in_the_quick_start() {
    let page = Page::read("docs/quick-start.md");
    let help = Installation::empty().run(&["register", "--help"]).out;
    let (_, list) = help.split_once("The client: ").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let words: Vec<&str> = list.split([',', ' ', '\n']).filter(|word| !["", "or"].contains(word)).collect();
    assert_eq!(words.len(), 9, "{words:?}");
    for word in words {
        assert!(page.text.contains(&format!("countersign register {word}")), "nothing on {word}");
    }
}

/// The threat model has its 23 rows, and the tests it names exist.
#[test]
fn threats_name_tests_that_exist() {
    let page = Page::read("docs/threats.md");
    let rows: Vec<&str> = page.text.lines().filter(|line| line.starts_with("| ") && digits(line) > 0).collect();
    let numbers: Vec<usize> = rows.iter().map(|row| digits(row)).collect();
    assert_eq!(numbers, (1..=23).collect::<Vec<_>>());
    let sources = commands::sources(&["src", "tests"]);
    let mut missing = Vec::new();
    for row in rows {
        let tests: Vec<&str> = row.rsplit('|').nth(1).unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty() || row.contains("none can"), "no test: {row}");
        missing.extend(tests.into_iter().filter(|name| !sources.contains(&format!("fn {name}("))).map(str::to_owned));
    }
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

fn digits(row: &str) -> usize {
    row.trim_start_matches("| ").split(' ').next().and_then(|cell| cell.parse().ok()).unwrap_or(0)
}

/// What a program of the examples printed, and how it ended.
fn ended(ran: &Ran) -> String {
    format!("{:?}\n{}\n{}", ran.code, ran.out, ran.err)
}
