//! Checksums of request bodies.

use std::str::FromStr;

use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};
use serde_json::{Map, Value};

use super::operation::Checksum;
use super::protocol::Wire;

/// Adds the checksum that the operation asks for, or that the caller's choice of an algorithm does.
///
/// CRC32 where the caller names none (as the SDKs do since 2025); MD5 for operations that know only that. A checksum that the
/// caller brings stays.
pub(crate) fn add(request: &mut HttpRequest, wire: &Wire, input: &Map<String, Value>) -> Result<(), BoxError> {
    let Some(checksum) = &wire.operation().checksum else { return Ok(()) };
    match &checksum.algorithm_member {
        None => {
            if request.headers().get("content-md5").is_none() {
                let digest = Md5::digest(body(request)?);
                request.headers_mut().insert("content-md5", BASE64.encode(digest));
            }
        }
        Some(member) => add_chosen(request, wire, checksum, member, input)?,
    }
    Ok(())
}

fn add_chosen(
    request: &mut HttpRequest,
    wire: &Wire,
    checksum: &Checksum,
    member: &str,
    input: &Map<String, Value>,
) -> Result<(), BoxError> {
    let brought = |(name, _): (&str, &str)| {
        name == "content-md5" || (name.starts_with("x-amz-checksum-") && name != "x-amz-checksum-algorithm")
    };
    if request.headers().iter().any(brought) {
        return Ok(());
    }
    let chosen = input.get(member).and_then(Value::as_str);
    if chosen.is_none() && !checksum.required {
        return Ok(());
    }
    let name = chosen.unwrap_or("CRC32");
    let algorithm = ChecksumAlgorithm::from_str(name).map_err(|_| {
        format!("checksum algorithm `{name}` is not supported: use CRC32, CRC32C, CRC64NVME, SHA1 or SHA256")
    })?;
    let mut calculation = algorithm.into_impl();
    calculation.update(body(request)?);
    let header = calculation.header_name();
    let value = calculation.header_value().to_str()?.to_owned();
    request.headers_mut().insert(header, value);
    if chosen.is_none()
        && let Some(header) = header_of(wire, member)
    {
        request.headers_mut().insert(header, name.to_owned());
    }
    Ok(())
}

/// The header in which a request names its algorithm.
fn header_of(wire: &Wire, member: &str) -> Option<String> {
    let reference = wire.operation().input.as_ref()?;
    let shape = wire.service().shape(&reference.shape).ok()?;
    Some(shape.member(member)?.wire.location_name.as_ref()?.to_ascii_lowercase())
}

fn body(request: &HttpRequest) -> Result<&[u8], BoxError> {
    request.body().bytes().ok_or_else(|| "the body is not in memory".into())
}
