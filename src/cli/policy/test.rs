//! `countersign policy test`: cases, and whether policies say of them what they shall.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::cases::{self, Case, Cases, Expected, ExpectedNeeds};
use super::ground::Ground;
use super::{Failure, told};
use crate::cli::policy_files;
use crate::config::AgentConfig;
use crate::document::{Problems, Source};
use crate::names::Agent;
use crate::policy::set::{Policies, Verdict};
use crate::policy::{obligations, reasons};

/// The shipped profiles' own cases.
const SHIPPED: [(&str, &str); 4] = [
    ("policies/tests/observe.yaml", include_str!("../../../policies/tests/observe.yaml")),
    ("policies/tests/suggest.yaml", include_str!("../../../policies/tests/suggest.yaml")),
    ("policies/tests/standard.yaml", include_str!("../../../policies/tests/standard.yaml")),
    ("policies/tests/regulated.yaml", include_str!("../../../policies/tests/regulated.yaml")),
];

/// `countersign policy test [FILES..]`
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Files of cases; without any, those of the shipped profiles.
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
    /// Prints the JSON Schema of such a file, for editors.
    #[arg(long, conflicts_with = "files")]
    schema: bool,
}

/// Runs the command.
pub(super) fn run(args: &TestArgs, config: Option<&Path>) -> Result<ExitCode, Failure> {
    let out = &mut anstream::stdout().lock();
    if args.schema {
        writeln!(out, "{}", serde_json::to_string_pretty(&cases::schema())?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = match args.files.as_slice() {
        [] => shipped(&Ground::shipped()?),
        files => match Ground::find(config)? {
            Ok(ground) => own(files, &ground),
            Err(wrong) => Err(wrong),
        },
    };
    match report {
        Ok(report) => {
            write!(out, "{}", report.text())?;
            Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(wrong) => told(&wrong),
    }
}

fn shipped(ground: &Ground) -> Result<Report, Problems> {
    let mut report = Report::default();
    for (path, text) in SHIPPED {
        let source = Source::new(path, text);
        report.files.push(file(source, ground)?);
    }
    Ok(report)
}

fn own(paths: &[PathBuf], ground: &Ground) -> Result<Report, Problems> {
    let mut problems = Problems::new();
    let mut report = Report::default();
    for path in paths {
        match Source::load(path).map_err(Problems::from).and_then(|source| file(source, ground)) {
            Ok(done) => report.files.push(done),
            Err(wrong) => problems.extend(wrong),
        }
    }
    problems.or(report)
}

fn file(source: Source, ground: &Ground) -> Result<Done, Problems> {
    let path = source.path().to_owned();
    let cases = cases::read(source.clone())?;
    let mut runner = Runner { ground, cases: &cases, folder: path.parent().unwrap_or(Path::new("")), sets: Vec::new() };
    let mut done = Done { path: path.clone(), passed: 0, failures: Vec::new() };
    for case in &cases.cases {
        match runner.run(case)? {
            None => done.passed += 1,
            Some(failure) => done.failures.push(failure),
        }
    }
    Ok(done)
}

/// Runs the cases of one file. Sets are compiled once for each agent the cases describe.
struct Runner<'a> {
    ground: &'a Ground,
    cases: &'a Cases,
    folder: &'a Path,
    sets: Vec<((Agent, AgentConfig), Policies)>,
}

impl Runner<'_> {
    /// `None` where everything came out as expected.
    fn run(&mut self, case: &Case) -> Result<Option<Failed>, Problems> {
        let people = case.request.people(self.ground);
        let (question, evidence) = match case.request.question(self.ground, &people) {
            Ok(asked) => asked,
            Err(wrong) => return Ok(Some(Failed::new(case, "a call that can be asked about", &wrong, ""))),
        };
        let agent = people.agents.get(&question.agent).cloned();
        let key = agent.map(|agent| (question.agent.clone(), agent));
        let policies = match self.sets.iter().position(|(known, _)| Some(known) == key.as_ref()) {
            Some(index) => index,
            None => {
                let policies = self.compile(&people)?;
                self.sets.extend(key.map(|key| (key, policies)));
                self.sets.len().saturating_sub(1)
            }
        };
        let Some((_, policies)) = self.sets.get(policies) else {
            return Ok(Some(Failed::new(case, "an agent", "none", "")));
        };
        let verdict = policies.ask(&question, &evidence);
        let why = || reasons::why(policies, &question, &evidence, &verdict).message;
        let by = |names: &[String]| match names {
            [] => String::new(),
            names => format!(" by {}", names.join(", ")),
        };
        let got = match &verdict {
            Verdict::Permitted { by: names } => format!("permitted{}", by(names)),
            Verdict::Denied { forbidden_by, .. } => format!("denied{}", by(forbidden_by)),
        };
        let permitted = matches!(verdict, Verdict::Permitted { .. });
        let found = obligations::find(policies, &question).map(|needs| needs.at_least_for(question.effect));
        let failed = match case.expect {
            Some(Expected::Permit) if !permitted => Some(Failed::new(case, "permitted", &got, &why())),
            Some(Expected::Deny) if permitted => Some(Failed::new(case, "denied", &got, "")),
            Some(Expected::Never) => match &found {
                Ok(needs) => {
                    let got = format!("permitted, with {}", ExpectedNeeds::of(needs).said());
                    Some(Failed::new(case, "denied whatever consent there is", &got, ""))
                }
                Err(_) => None,
            },
            _ => None,
        };
        if failed.is_some() {
            return Ok(failed);
        }
        if let Some(wanted) = &case.needs {
            let failed = match &found {
                Ok(needs) if ExpectedNeeds::of(needs) == *wanted => None,
                Ok(needs) => Some(Failed::new(case, &wanted.said(), &ExpectedNeeds::of(needs).said(), "")),
                Err(denied) => {
                    let why = reasons::why(policies, &question, &evidence, denied).message;
                    Some(Failed::new(case, &wanted.said(), "denied whatever consent there is", &why))
                }
            };
            if failed.is_some() {
                return Ok(failed);
            }
        }
        let forbids: &[String] = match (&verdict, &found, case.expect) {
            (_, Err(Verdict::Denied { forbidden_by, .. }), Some(Expected::Never)) => forbidden_by,
            (Verdict::Denied { forbidden_by, .. }, ..) => forbidden_by,
            _ => &[],
        };
        let missing = case.forbidden_by.iter().find(|wanted| !forbids.contains(wanted));
        Ok(missing.map(|wanted| Failed::new(case, &format!("forbidden by {wanted}"), &got, &why())))
    }

    fn compile(&self, people: &crate::policy::set::People) -> Result<Policies, Problems> {
        let profile = self.cases.profile.unwrap_or(self.ground.profile);
        let files = match &self.cases.policies {
            Some(named) => named.iter().map(|name| self.folder.join(name)).collect(),
            None => self.ground.files.clone(),
        };
        self.ground.compile(policy_files::read(&files)?, profile, people.clone())
    }
}

/// What came out, of all files.
#[derive(Debug, Default)]
struct Report {
    files: Vec<Done>,
}

/// What came out, of one file.
#[derive(Debug)]
struct Done {
    path: PathBuf,
    passed: usize,
    failures: Vec<Failed>,
}

/// A case that came out otherwise.
#[derive(Debug)]
struct Failed {
    name: String,
    expected: String,
    got: String,
    because: String,
}

impl Failed {
    fn new(case: &Case, expected: &str, got: &str, because: &str) -> Self {
        Self {
            name: case.name.clone(),
            expected: expected.to_owned(),
            got: got.to_owned(),
            because: because.to_owned(),
        }
    }
}

impl Report {
    fn failed(&self) -> usize {
        self.files.iter().map(|file| file.failures.len()).sum()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for file in &self.files {
            let all = file.passed + file.failures.len();
            text.push_str(&format!("{}: {} of {all} as expected\n", file.path.display(), file.passed));
            for failed in &file.failures {
                text.push_str(&format!("  {}\n", failed.name));
                text.push_str(&format!("    expected  {}\n    got       {}\n", failed.expected, failed.got));
                if !failed.because.is_empty() {
                    text.push_str(&format!("    because   {}\n", failed.because));
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_case_comes_out_as_expected() {
        let report = shipped(&Ground::shipped().unwrap()).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(report.failed(), 0, "{}", report.text());
        for (file, least) in report.files.iter().zip([5, 5, 15, 15]) {
            assert!(file.passed >= least, "{}: {}", file.path.display(), file.passed);
        }
    }

    #[test]
    fn what_comes_out_otherwise_is_shown_with_its_reasons() {
        let text = "profile: standard\ncases:\n  - name: deletes in prod are free\n    request: {tool: rds_delete_db_instance, account: prod}\n    \
                    expect: permit\n  - name: nobody stops anything in dev\n    request: {tool: ec2_stop_instances, account: dev}\n    \
                    expect: never\n  - name: one approval does\n    request: {tool: ec2_terminate_instances, account: prod}\n    \
                    needs: {approvals: 1}\n  - name: no such tool\n    request: {tool: ec2_stop_instance}\n    expect: deny\n  - name: it is the breaker\n    \
                    request: {tool: ec2_stop_instances, account: prod}\n    forbidden_by: [floor-breaker]\n";
        let done = file(Source::new("cases.yaml", text), &Ground::shipped().unwrap()).unwrap();
        insta::assert_snapshot!(Report { files: vec![done] }.text());
    }
}
