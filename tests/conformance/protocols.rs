//! The protocol tests: requests and responses of made-up services, one suite a file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use countersign::aws::ServiceModel;
use countersign::aws::errors::ServiceError;
use countersign::aws::protocol::Wire;
use countersign::aws::service::Protocol;
use countersign::aws::value::Notation;
use serde_json::{Map, Value, json};

use crate::Failure;
use crate::compare::{cbor, form, normal, xml};

#[derive(Default)]
struct Count {
    passed: usize,
    all: usize,
    skipped_by_botocore: usize,
    of_those_passed: usize,
}

/// Prints a table and every failure; returns how many pass that botocore doesn't skip.
pub(crate) fn run(folder: &Path) -> Result<usize, Failure> {
    let skips: Value = serde_json::from_slice(&std::fs::read(folder.join("protocol-tests-ignore-list.json"))?)?;
    let mut counts: BTreeMap<(&str, String), Count> = BTreeMap::new();
    for direction in ["input", "output"] {
        let mut files: Vec<_> = std::fs::read_dir(folder.join(direction))?.collect::<Result<_, _>>()?;
        files.sort_by_key(std::fs::DirEntry::file_name);
        for file in files {
            let base = file.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let suites: Vec<Value> = serde_json::from_slice(&std::fs::read(file.path())?)?;
            let count = counts.entry((direction, base.clone())).or_default();
            for suite in &suites {
                for case in suite["cases"].as_array().into_iter().flatten() {
                    let result = if direction == "input" { input(suite, case) } else { output(suite, case) };
                    let skipped = is_skipped(&skips, direction, &base, suite, case);
                    count.all += 1;
                    count.passed += usize::from(result.is_ok());
                    count.skipped_by_botocore += usize::from(skipped);
                    count.of_those_passed += usize::from(skipped && result.is_ok());
                    if let (Err(error), false) = (result, skipped) {
                        println!("  {direction} {base} {}: {error}", case["id"]);
                    }
                }
            }
        }
    }
    let (mut passed, mut all) = (0, 0);
    for ((direction, base), count) in &counts {
        let (of, good) = (count.all - count.skipped_by_botocore, count.passed - count.of_those_passed);
        let (skipped, also) = (count.skipped_by_botocore, count.of_those_passed);
        println!(
            "  {direction:6} {base:45} {good:3} of {of:3}   (botocore skips {skipped} more; {also} of those pass)"
        );
        passed += good;
        all += of;
    }
    println!("protocol tests  {passed} of {all}");
    Ok(passed)
}

fn is_skipped(skips: &Value, direction: &str, base: &str, suite: &Value, case: &Value) -> bool {
    let has = |list: &Value, name: &Value| list.as_array().is_some_and(|list| list.contains(name));
    has(&skips["protocols"][base][direction]["cases"], &case["id"])
        || has(&skips["general"][direction]["suites"], &suite["description"])
}

fn prepare(suite: &Value, case: &Value) -> Result<(Wire, Notation, ConfigBag), Failure> {
    let mut given = case["given"].clone();
    let name = given["name"].as_str().unwrap_or("OperationName").to_owned();
    given["name"] = json!(name);
    let model = json!({
        "metadata": suite["metadata"],
        "shapes": suite["shapes"],
        "operations": { name.clone(): given },
    });
    let service = Arc::new(ServiceModel::from_json("suite", &model)?);
    let operation = service.operation(&name)?;
    let wire = Wire::new(service, operation)?;
    let config = ConfigBag::of_layers(vec![wire.layer()]);
    let token = Some("00000000-0000-4000-8000-000000000000".to_owned());
    Ok((wire, Notation { base64_blobs: false, text_timestamps: false, token }, config))
}

fn input(suite: &Value, case: &Value) -> Result<(), Failure> {
    let (wire, notation, config) = prepare(suite, case)?;
    let params = case["params"].as_object().cloned().unwrap_or_else(Map::new);
    let request = wire.request(&params, &notation, &config).map_err(|error| error.to_string())?;
    let wanted = &case["serialized"];
    if let Some(uri) = wanted["uri"].as_str() {
        let (path, query) = request.uri().split_once('?').unwrap_or((request.uri(), ""));
        let (wanted_path, wanted_query) = uri.split_once('?').unwrap_or((uri, ""));
        if path != wanted_path || form(query) != form(wanted_query) {
            return Err(format!("address {} instead of {uri}", request.uri()).into());
        }
    }
    let header = |name: &str| request.headers().get(name.to_ascii_lowercase());
    for (name, value) in wanted["headers"].as_object().into_iter().flatten() {
        if header(name) != value.as_str() {
            return Err(format!("header {name}: {:?} instead of {value}", header(name)).into());
        }
    }
    for name in wanted["forbidHeaders"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if header(name).is_some() {
            return Err(format!("header {name} must not be there").into());
        }
    }
    for name in wanted["requireHeaders"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        // the HTTP client adds the length
        if name != "Content-Length" && header(name).is_none() {
            return Err(format!("header {name} is missing").into());
        }
    }
    let Some(body) = wanted["body"].as_str() else { return Ok(()) };
    let got = request.body().bytes().unwrap_or_default();
    let text = String::from_utf8_lossy(got);
    let same = match wire.protocol() {
        Protocol::Query | Protocol::Ec2 => form(body) == form(&text),
        Protocol::RestXml => body == text || (body.trim_start().starts_with('<') && xml(body) == xml(&text)),
        Protocol::Cbor => cbor(&BASE64.decode(body)?) == cbor(got),
        Protocol::Json | Protocol::RestJson => body == text || same_json(body, &text),
    };
    if same { Ok(()) } else { Err(format!("body {text:?} instead of {body:?}").into()) }
}

fn same_json(one: &str, other: &str) -> bool {
    match (serde_json::from_str::<Value>(one), serde_json::from_str::<Value>(other)) {
        (Ok(one), Ok(other)) => normal(&one) == normal(&other),
        _ => false,
    }
}

fn output(suite: &Value, case: &Value) -> Result<(), Failure> {
    let (wire, notation, config) = prepare(suite, case)?;
    let given = &case["response"];
    let body = given["body"].as_str().unwrap_or_default();
    let body = match wire.protocol() {
        Protocol::Cbor => BASE64.decode(body).unwrap_or_else(|_| body.as_bytes().to_vec()),
        _ => body.as_bytes().to_vec(),
    };
    let status = u16::try_from(given["status_code"].as_u64().unwrap_or(200))?;
    let mut response = HttpResponse::new(status.try_into()?, SdkBody::from(body));
    for (name, value) in given["headers"].as_object().into_iter().flatten() {
        response.headers_mut().insert(name.to_ascii_lowercase(), value.as_str().unwrap_or_default().to_owned());
    }
    if let Some(wanted) = case.get("error") {
        let error = ServiceError::read(&wire, &response, &notation, &config);
        let code = case["errorCode"].as_str().unwrap_or_default();
        if error.code() != code {
            return Err(format!("code {} instead of {code}", error.code()).into());
        }
        let fields = normal(&Value::Object(error.fields.clone()));
        for (name, value) in normal(wanted).as_object().into_iter().flatten() {
            if fields.get(name) != Some(value) && !name.eq_ignore_ascii_case("message") {
                return Err(format!("error {fields} instead of {wanted}").into());
            }
        }
        return Ok(());
    }
    let result = wire.result(&response, &notation, &config).map_err(|error| error.to_string())?;
    let (got, wanted) = (normal(&result), normal(&case["result"]));
    if got == wanted || (got == json!({}) && wanted.is_null()) {
        return Ok(());
    }
    Err(format!("{got} instead of {wanted}").into())
}
