//! The functions of the rule language.

use super::rules::Expression;
use super::value::{ArnParts, UrlParts, Value};
use super::{EndpointError, Scope};

/// A function of the language; `getAttr` is compiled to a path instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    IsSet,
    Not,
    BooleanEquals,
    StringEquals,
    IsValidHostLabel,
    IsVirtualHostableBucket,
    ParseUrl,
    ParseArn,
    Partition,
    Substring,
    UriEncode,
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "isSet" => Self::IsSet,
            "not" => Self::Not,
            "booleanEquals" => Self::BooleanEquals,
            "stringEquals" => Self::StringEquals,
            "isValidHostLabel" => Self::IsValidHostLabel,
            "aws.isVirtualHostableS3Bucket" => Self::IsVirtualHostableBucket,
            "parseURL" => Self::ParseUrl,
            "aws.parseArn" => Self::ParseArn,
            "aws.partition" => Self::Partition,
            "substring" => Self::Substring,
            "uriEncode" => Self::UriEncode,
            _ => return None,
        })
    }

    pub(super) fn arity(self) -> usize {
        match self {
            Self::IsSet | Self::Not | Self::ParseUrl | Self::ParseArn | Self::Partition | Self::UriEncode => 1,
            Self::BooleanEquals | Self::StringEquals | Self::IsValidHostLabel | Self::IsVirtualHostableBucket => 2,
            Self::Substring => 4,
        }
    }

    /// The result; nothing where an argument has no value or is of another kind than the function takes.
    pub(super) fn call<'a>(self, arguments: &'a [Expression], scope: &Scope<'a>) -> Result<Value<'a>, EndpointError> {
        let argument = |index: usize| match arguments.get(index) {
            Some(expression) => expression.evaluate(scope),
            None => Ok(Value::Absent),
        };
        let first = argument(0)?;
        Ok(match (self, &first) {
            (Self::IsSet, value) => Value::Bool(*value != Value::Absent),
            (Self::Not, value) => Value::Bool(matches!(value, Value::Absent | Value::Bool(false))),
            (Self::BooleanEquals | Self::StringEquals, value) => Value::Bool(*value == argument(1)?),
            (Self::IsValidHostLabel, Value::Text(text)) => {
                Value::Bool(is_host_label(text, argument(1)? == Value::Bool(true)))
            }
            (Self::IsVirtualHostableBucket, Value::Text(text)) => {
                Value::Bool(is_virtual_hostable_bucket(text, argument(1)? == Value::Bool(true)))
            }
            (Self::IsValidHostLabel | Self::IsVirtualHostableBucket, _) => Value::Bool(false),
            (Self::ParseUrl, Value::Text(text)) => parse_url(text).map_or(Value::Absent, |url| Value::Url(url.into())),
            (Self::ParseArn, Value::Text(text)) => parse_arn(text).map_or(Value::Absent, |arn| Value::Arn(arn.into())),
            (Self::Partition, Value::Text(region)) => {
                scope.partitions.find(region).map_or(Value::Absent, Value::Partition)
            }
            (Self::UriEncode, Value::Text(text)) => Value::owned(uri_encode(text)),
            (Self::Substring, Value::Text(text)) => match (argument(1)?, argument(2)?, argument(3)?) {
                (Value::Integer(start), Value::Integer(stop), Value::Bool(reverse)) => {
                    substring(text, start, stop, reverse).map_or(Value::Absent, |part| Value::owned(part.to_owned()))
                }
                _ => Value::Absent,
            },
            _ => Value::Absent,
        })
    }
}

/// True for a host label (RFC 1123): 1 to 63 letters, digits and hyphens, no hyphen at either end; with `dots`, several
/// of them.
pub(crate) fn is_host_label(text: &str, dots: bool) -> bool {
    if dots {
        return text.split('.').all(|label| is_host_label(label, false));
    }
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// True for a bucket name that can be part of a host name.
fn is_virtual_hostable_bucket(text: &str, dots: bool) -> bool {
    (3..=63).contains(&text.len())
        && !text.bytes().any(|b| b.is_ascii_uppercase())
        && !is_ipv4(text)
        && is_host_label(text, dots)
}

fn is_ipv4(text: &str) -> bool {
    text.parse::<std::net::Ipv4Addr>().is_ok()
}

fn is_ip(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(inside) => inside.split('%').next().is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok()),
        None => is_ipv4(host),
    }
}

/// An `http` or `https` URL without a query.
fn parse_url(text: &str) -> Option<UrlParts> {
    let (scheme, rest) = text.split_once("://")?;
    if !matches!(scheme, "http" | "https") || text.contains(['?', '#']) || text.contains(char::is_whitespace) {
        return None;
    }
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at_checked(slash)?,
        None => (rest, ""),
    };
    let (host, port) = match authority.rfind(':') {
        Some(colon) if !authority.ends_with(']') => authority.split_at_checked(colon)?,
        _ => (authority, ""),
    };
    let port_is_number = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if host.is_empty() || !port_is_number {
        return None;
    }
    Some(UrlParts {
        scheme: scheme.to_owned(),
        authority: authority.to_owned(),
        path: path.to_owned(),
        normalized_path: if path.ends_with('/') { path.to_owned() } else { format!("{path}/") },
        is_ip: is_ip(host),
    })
}

fn parse_arn(text: &str) -> Option<ArnParts> {
    let mut parts = text.splitn(6, ':');
    let ("arn", partition, service, region, account_id, resource) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?)
    else {
        return None;
    };
    if partition.is_empty() || service.is_empty() || resource.is_empty() {
        return None;
    }
    Some(ArnParts {
        partition: partition.to_owned(),
        service: service.to_owned(),
        region: region.to_owned(),
        account_id: account_id.to_owned(),
        resource_id: resource.split([':', '/']).map(str::to_owned).collect(),
    })
}

/// Characters `start..stop`, counted from the end where `reverse`; nothing where the text is too short or not ASCII.
fn substring(text: &str, start: i64, stop: i64, reverse: bool) -> Option<&str> {
    let (start, stop) = (usize::try_from(start).ok()?, usize::try_from(stop).ok()?);
    if !text.is_ascii() || start >= stop {
        return None;
    }
    let length = text.len();
    if reverse { text.get(length.checked_sub(stop)?..length.checked_sub(start)?) } else { text.get(start..stop) }
}

fn uri_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
