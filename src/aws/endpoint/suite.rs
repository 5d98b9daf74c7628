//! Runs AWS's own endpoint tests (`endpoint-tests-1.json`) against a rule set.

use serde_json::{Map, Value as Json};

use super::{Endpoint, EndpointError, EndpointRules, ParameterValue, Parameters, Partitions};

/// What came of a suite.
#[derive(Clone, Debug, Default)]
pub struct SuiteResult {
    /// How many cases passed.
    pub passed: usize,
    /// What each failed case says it tests, what was wanted, and what came.
    pub failed: Vec<String>,
}

/// Runs every test case of one service.
pub fn run(rules: &EndpointRules, tests: &Json, partitions: &Partitions) -> SuiteResult {
    let mut result = SuiteResult::default();
    let cases = tests.get("testCases").and_then(Json::as_array);
    for case in cases.into_iter().flatten() {
        let got = rules.resolve(&parameters(case), partitions);
        let expected = case.get("expect").unwrap_or(&Json::Null);
        if fits(&got, expected) {
            result.passed += 1;
        } else {
            let name = case.get("documentation").and_then(Json::as_str).unwrap_or("unnamed");
            result.failed.push(format!("{name}: wanted {expected}, got {got:?}"));
        }
    }
    result
}

fn parameters(case: &Json) -> Parameters {
    let mut parameters = Parameters::default();
    for (name, value) in case.get("params").and_then(Json::as_object).into_iter().flatten() {
        let value = match value {
            Json::String(text) => ParameterValue::Text(text.clone()),
            Json::Bool(flag) => ParameterValue::Bool(*flag),
            Json::Array(items) => {
                ParameterValue::Texts(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
            }
            _ => continue,
        };
        parameters.set(name.as_str(), value);
    }
    parameters
}

fn fits(got: &Result<Endpoint, EndpointError>, expected: &Json) -> bool {
    let empty = Json::Object(Map::new());
    match (got, expected.get("endpoint"), expected.get("error")) {
        (Ok(endpoint), Some(wanted), _) => {
            let headers: Map<String, Json> =
                endpoint.headers.iter().map(|(name, values)| (name.clone(), Json::from(values.clone()))).collect();
            wanted.get("url").and_then(Json::as_str) == Some(endpoint.url.as_str())
                && *wanted.get("properties").unwrap_or(&empty) == Json::Object(endpoint.properties.clone())
                && *wanted.get("headers").unwrap_or(&empty) == Json::Object(headers)
        }
        (Err(EndpointError::Refused(message)), None, Some(wanted)) => wanted == message,

        _ => false,
    }
}
