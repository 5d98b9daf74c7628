//! The README: what it says of tools and files is what they are.

use countersign::aws::iam::IamFacts;
use countersign::aws::models::Models;
use countersign::config::ManifestsConfig;
use countersign::manifest::catalog::Catalog;
use countersign::own_tools::OwnTool;

use crate::catalogue::table::{MEND, by_service};
use crate::support::Installation;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const BEGIN: &str = "<!-- tools: checked by tests/it/readme.rs -->\n";
const END: &str = "<!-- end of tools -->";

/// With `UPDATE_README` set the table is written instead of compared.
#[test]
fn the_table_of_tools_is_that_of_the_catalog() {
    let readme = std::fs::read_to_string(README).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (present, after) = rest.split_once(END).unwrap();
    let wanted = table();
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(README, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(present, wanted, "{}", MEND);
}

fn table() -> String {
    let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
    let catalog = Catalog::load(&ManifestsConfig::default(), &models, &iam).unwrap();
    let families = catalog.families().map(|family| {
        let (effect, calls) = match family.changes() {
            true => (format!("{} or worse", family.effect()), "any other operation"),
            false => (family.effect().to_string(), "any other read but of secrets"),
        };
        (family.name().to_owned(), effect, calls, family.title().to_owned())
    });
    let own = OwnTool::ALL.into_iter().map(|own| {
        let listing = own.listing();
        let calls = match own {
            OwnTool::UndoPlan => "the inverse call of an applied plan",
            _ => "nothing that changes",
        };
        (listing.name, listing.effect.to_string(), calls, listing.title)
    });
    let row = |(name, effect, calls, title)| format!("| `{name}` | {effect} | {calls} | {title} |\n");
    let rows: String = families.chain(own).map(row).collect();
    format!("{}\nBesides:\n\n| tool | effect | calls | |\n|---|---|---|---|\n{rows}", by_service())
}

#[test]
fn quoted_files_say_what_is_quoted() {
    let readme = std::fs::read_to_string(README).unwrap();
    let mut quotations = 0;
    for quotation in readme.split("<!-- from ").skip(1) {
        let (file, rest) = quotation.split_once(" -->\n```").unwrap();
        let (_language, rest) = rest.split_once('\n').unwrap();
        let (text, _) = rest.split_once("```").unwrap();
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        assert!(std::fs::read_to_string(&path).unwrap().contains(text), "{file} does not say\n{text}");
        quotations += 1;
    }
    assert_eq!(quotations, 5);
}

#[test]
fn linked_files_exist() {
    let readme = std::fs::read_to_string(README).unwrap();
    let links = readme.split("](").skip(1).filter_map(|link| link.split_once(')')).map(|(target, _)| target);
    let local: Vec<&str> = links.filter(|target| !target.starts_with("http")).collect();
    assert!(local.len() > 5, "{local:?}");
    let headings = readme.lines().filter_map(|line| line.strip_prefix("## "));
    let headings: Vec<String> = headings.map(|heading| heading.to_lowercase().replace(' ', "-")).collect();
    for target in local {
        if let Some(heading) = target.strip_prefix('#') {
            assert!(headings.iter().any(|known| known == heading), "{target} is linked and missing");
            continue;
        }
        let file = target.split('#').next().unwrap();
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        assert!(path.exists(), "{target} is linked and missing");
    }
}

#[test]
fn commands_work_as_written() {
    let readme = std::fs::read_to_string(README).unwrap();
    let installation = Installation::empty();
    let mut commands = 0;
    for block in readme.split("<!-- commands: run by tests/it/readme.rs -->\n```sh\n").skip(1) {
        let (lines, _) = block.split_once("```").unwrap();
        let mut config = None;
        for line in lines.lines().filter_map(|line| line.split('#').next()).map(str::trim) {
            if let Some(set) = line.strip_prefix("export COUNTERSIGN_CONFIG=") {
                config = Some(set);
                continue;
            }
            let arguments = line.strip_prefix("countersign ").unwrap().split_whitespace();
            let mut command = installation.command();
            command
                .args(arguments)
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .envs(config.map(|set| ("COUNTERSIGN_CONFIG", set)));
            let output = command.output().unwrap();
            assert!(output.status.success(), "{line}: {output:?}");
            commands += 1;
        }
    }
    assert!(commands >= 4);
}
