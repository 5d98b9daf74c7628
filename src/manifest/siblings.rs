//! What a family knows of single operations: those that do what a tool does in another form, or that don't tell what they
//! change, and those that do more harm than is known of the others.
//!
//! The rows stand in the family's manifest, each with its reason.

use std::collections::{HashMap, HashSet};

use super::catalog::{Catalog, same_as};
use super::raw::{RawRefusedOperations, RawWorseOperations};
use crate::document::{Document, Problems};
use crate::names::{Effect, OperationId};

/// Why a family doesn't call an operation, and what is called instead.
#[derive(Debug)]
pub struct Refusal {
    /// Why.
    pub because: String,
    /// The tools that do it.
    pub tools: Vec<String>,
    /// What to do where there is no such tool.
    hint: Option<String>,
}

/// What is known of an operation.
#[derive(Debug)]
pub struct Worse {
    /// The least harm it does.
    pub effect: Effect,
    /// Why.
    pub because: String,
}

/// The rows of one family.
#[derive(Debug, Default)]
pub(super) struct Siblings {
    refusals: Vec<Refusal>,
    known: Vec<Worse>,
    /// Which row an operation is in.
    refused: HashMap<OperationId, usize>,
    worse: HashMap<OperationId, usize>,
}

impl Refusal {
    /// What to do instead, with the tools that are offered here.
    pub fn hint(&self, catalog: &Catalog) -> String {
        let named = |offered: bool| {
            let of_kind = |name: &&String| catalog.get(name).is_some() == offered;
            let names: Vec<String> = self.tools.iter().filter(of_kind).map(|name| format!("`{name}`")).collect();
            names.join(" or ")
        };
        match (named(true), named(false), &self.hint) {
            (offered, _, _) if !offered.is_empty() => format!("call {offered} instead"),
            (_, off, _) if !off.is_empty() => format!("ask an operator to switch {off} on, and call that instead"),
            (_, _, Some(hint)) => hint.clone(),
            (_, _, None) => "ask an operator for a manifest that declares it".to_owned(),
        }
    }
}

impl Siblings {
    /// Each operation stands in one row only.
    pub(super) fn compile(
        document: &Document,
        refuse: Vec<RawRefusedOperations>,
        worse: Vec<RawWorseOperations>,
        treat_as: Effect,
        problems: &mut Problems,
    ) -> Self {
        let mut all = Self::default();
        let mut seen = HashSet::new();
        let mut named = |key: &str, row: usize, operations: &[String], problems: &mut Problems| {
            let mut found = Vec::new();
            for (index, name) in operations.iter().enumerate() {
                let at = format!("/{key}/{row}/operations/{index}");
                match name.parse::<OperationId>() {
                    Ok(operation) if seen.insert(operation.clone()) => found.push((operation, row)),
                    Ok(_) => {
                        let message = format!("`{name}` stands here twice");
                        problems.push(document.problem(&at, message, "keep one of the two"));
                    }
                    Err(error) => {
                        let mend = "`find_operations` finds operations by name";
                        problems.push(document.problem(&at, error.to_string(), mend));
                    }
                }
            }
            found
        };
        for (row, raw) in refuse.into_iter().enumerate() {
            all.refused.extend(named("refuse", row, &raw.operations, problems));
            all.refusals.push(Refusal { because: raw.because, tools: raw.tools, hint: raw.hint });
        }
        for (row, raw) in worse.into_iter().enumerate() {
            all.worse.extend(named("worse", row, &raw.operations, problems));
            if raw.effect <= treat_as {
                let message = format!("`{}` is no worse than `{treat_as}`, which all are taken for", raw.effect);
                problems.push(document.problem(&format!("/worse/{row}/effect"), message, "leave the row out"));
            }
            all.known.push(Worse { effect: raw.effect, because: raw.because });
        }
        all
    }

    /// The row of a refused operation, also under the name of a service that sends the same requests.
    pub(super) fn refused(&self, operation: &OperationId) -> Option<&Refusal> {
        self.refusals.get(*found(&self.refused, operation)?)
    }

    /// As [`Self::refused`], for one that is worse than others.
    pub(super) fn worse(&self, operation: &OperationId) -> Option<&Worse> {
        self.known.get(*found(&self.worse, operation)?)
    }

    /// All operations, with the tools that are named for them.
    #[cfg(test)]
    pub(super) fn rows(&self) -> impl Iterator<Item = (&OperationId, &[String])> {
        let tools = |row: &usize| self.refusals.get(*row).map_or(&[][..], |row| row.tools.as_slice());
        let refused = self.refused.iter().map(move |(operation, row)| (operation, tools(row)));
        refused.chain(self.worse.keys().map(|operation| (operation, &[][..])))
    }
}

fn found<'a>(rows: &'a HashMap<OperationId, usize>, operation: &OperationId) -> Option<&'a usize> {
    rows.get(operation).or_else(|| rows.get(&same_as(operation)?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::aws::iam::IamFacts;
    use crate::aws::models::Models;
    use crate::config::ManifestsConfig;
    use crate::document::{self, Language, Source};
    use crate::manifest::family::Family;
    use crate::text::words::words;

    fn catalog(disabled: &[&str]) -> (Models, Catalog) {
        let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
        let disabled = disabled.iter().map(|&name| name.to_owned()).collect();
        let config = ManifestsConfig { disabled, ..ManifestsConfig::default() };
        let catalog = Catalog::load(&config, &models, &iam).unwrap();
        (models, catalog)
    }

    fn changing(catalog: &Catalog) -> &Family {
        catalog.families().find(|family| family.changes()).unwrap()
    }

    #[test]
    fn every_row_is_about_an_operation_of_the_family_and_names_tools_there_are() {
        let (models, catalog) = catalog(&[]);
        let family = changing(&catalog);
        for (operation, tools) in family.siblings().rows() {
            let model = models.operation(operation).unwrap_or_else(|error| panic!("{operation}: {error}"));
            assert!(!model.1.event_stream, "{operation} is never called anyway");
            assert_eq!(catalog.declared(operation), None, "{operation} has its own tool");
            let worse = family.worse(operation).is_some();
            assert_eq!(family.takes(operation, &catalog), worse, "{operation}");
            for tool in tools {
                assert!(catalog.get(tool).is_some(), "{operation}: there is no tool `{tool}`");
            }
        }
    }

    /// The words of a name without what tells how many, so that `BatchDeleteImage` and `DeleteImages` are `DeleteImage`.
    fn singular(name: &str) -> BTreeSet<String> {
        let plain = |word: &String| word.trim_end_matches('s').to_owned();
        let all: Vec<String> = words(name).into_iter().map(|word| word.to_lowercase()).collect();
        all.iter().filter(|word| !matches!(word.as_str(), "batch" | "bulk")).map(plain).collect()
    }

    #[test]
    fn no_bulk_form_of_a_tool_s_operation_goes_without_a_row() {
        let (models, catalog) = catalog(&[]);
        let family = changing(&catalog);
        let tools: Vec<&OperationId> =
            catalog.heads().filter(|head| head.effect.changes()).map(|head| &head.operation).collect();
        let creates = |id: &OperationId| id.name().starts_with("Create");
        let mut found = Vec::new();
        for entry in models.operation_index().unwrap().iter() {
            let id = entry.id();
            let same = same_as(&id).unwrap_or_else(|| id.clone());
            let alike =
                |of: &&&OperationId| of.service() == same.service() && singular(of.name()) == singular(id.name());
            let judged = family.refuses(&id).is_some() || family.worse(&id).is_some();
            if catalog.declared(&id).is_none() && !creates(&id) && tools.iter().any(|of| alike(&of)) && !judged {
                found.push(id.to_string());
            }
        }
        assert!(found.is_empty(), "bulk forms of tools' operations without a row in `aws_change.yaml`: {found:?}");
    }

    #[test]
    fn a_row_is_for_services_that_send_the_same_requests_too() {
        let (_, catalog) = catalog(&[]);
        let worse = |operation: &str| changing(&catalog).worse(&operation.parse().unwrap()).is_some();
        assert!(worse("rds:ModifyDBClusterSnapshotAttribute") && worse("docdb:ModifyDBClusterSnapshotAttribute"));
        assert!(worse("neptune:PromoteReadReplicaDBCluster"));
        assert!(!worse("docdb:CreateDBCluster"));
    }

    #[test]
    fn a_tool_that_is_switched_off_is_not_offered_instead() {
        let (_, catalog) = catalog(&["s3_put_bucket_lifecycle", "cloudformation_delete_stack"]);
        let hint = |operation: &str| changing(&catalog).refuses(&operation.parse().unwrap()).unwrap().hint(&catalog);
        let told = ["s3:PutBucketLifecycle", "cloudformation:UpdateStackSet", "cloudcontrol:DeleteResource"].map(hint);
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn rows_that_say_nothing_or_twice_are_problems() {
        let text = "family: f\ntitle: F\nsummary: S\ntoolset: t\nfrom: secret\nto: irreversible\ntreat_as: destructive\n\
                    undo_none: no\nrefuse:\n  - { operations: [s3:PutObject, nonsense], because: b }\nworse:\n  \
                    - { operations: [s3:PutObject], effect: irreversible, because: b }\n  \
                    - { operations: [s3:PutBucketAcl], effect: write, because: b }\n";
        let document = document::read(Source::new("f.yaml", text), Language::Yaml).unwrap();
        insta::assert_snapshot!(Family::compile(&document, true).unwrap_err().to_string());
    }
}
