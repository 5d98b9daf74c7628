//! Runs AWS's official protocol and endpoint tests, which botocore's source package holds, and prints the pass rates.
//!
//! `make conformance` (scripts/conformance.sh) downloads that package and calls this with its unpacked folder. Exits with 1
//! where fewer tests pass than the floors below.

mod compare;
mod protocols;

use std::path::Path;
use std::process::ExitCode;

use countersign::aws::Models;
use countersign::aws::endpoint::{EndpointRules, Partitions, suite};
use serde_json::Value;

/// What must pass at least, of 654 protocol tests (without those that botocore itself skips) and of all endpoint tests.
const PROTOCOLS_FLOOR: usize = 654;
const ENDPOINTS_MOST_FAILURES: usize = 0;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let Some(folder) = arguments.next() else {
        eprintln!("give the folder of botocore's unpacked source package; `make conformance` does");
        return ExitCode::from(2);
    };
    match run(Path::new(&folder)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(botocore: &Path) -> Result<bool, Failure> {
    let protocols = protocols::run(&botocore.join("tests/unit/protocols"))?;
    let endpoints = endpoints(&botocore.join("tests/functional/endpoint-rules"))?;
    let good = protocols >= PROTOCOLS_FLOOR && endpoints <= ENDPOINTS_MOST_FAILURES;
    println!("{}", if good { "at or above the floor" } else { "BELOW THE FLOOR" });
    Ok(good)
}

/// Prints the endpoint tests' results; returns the number of failures.
fn endpoints(folder: &Path) -> Result<usize, Failure> {
    let models = Models::embedded()?;
    let partitions = Partitions::from_json(models.partitions()?.to_string().as_bytes())?;
    let (mut passed, mut failed, mut without_model) = (0, 0, 0);
    let mut services: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    services.sort_by_key(std::fs::DirEntry::file_name);
    for service in services {
        let Ok(tests) = std::fs::read(service.path().join("endpoint-tests-1.json")) else { continue };
        let tests: Value = serde_json::from_slice(&tests)?;
        let name = service.file_name().to_string_lossy().into_owned();
        let Ok(model) = models.service(&name) else {
            without_model += tests["testCases"].as_array().map_or(0, Vec::len);
            continue;
        };
        let rules = model.endpoint_rules()?.ok_or_else(|| format!("`{name}` has endpoint tests and no rules"))?;
        let result = suite::run(&EndpointRules::compile(&rules)?, &tests, &partitions);
        passed += result.passed;
        failed += result.failed.len();
        for failure in result.failed {
            println!("  endpoint {name}: {failure}");
        }
    }
    println!("endpoint tests  {passed} of {}", passed + failed);
    if without_model > 0 {
        println!("                {without_model} more are for services without a model");
    }
    Ok(failed)
}
