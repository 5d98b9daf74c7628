//! `open_to_world`: whether addresses let in are those of the whole world.
//!
//! From how many addresses on that is so is AWS's own measure of what is public, a range broader than /8 (IPv6: /32); here
//! all ranges together, so that halves and quarters don't help:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status>

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::parsed;

/// So many public IPv4 addresses and more are the world: one more than a /8 holds.
const MOST_V4: u128 = 1 << 24;

/// So many public IPv6 addresses: those of a /32.
const MOST_V6: u128 = 1 << 96;

/// Ranges that no route from outside leads to.
const PRIVATE_V4: [(Ipv4Addr, u8); 6] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
];

/// Members of EC2's permissions that say nothing of addresses.
const OTHERS: [&str; 14] = [
    "description",
    "fromport",
    "groupid",
    "groupname",
    "icmptypecode",
    "ipprotocol",
    "isegress",
    "portrange",
    "protocol",
    "referencedgroupinfo",
    "securitygroupruleid",
    "tags",
    "toport",
    "useridgrouppairs",
];

/// True where EC2's permissions (or rules, or ranges as text) let the whole world in. What is in a prefix list isn't known
/// here, so that it may be the world. Unreadable ones are.
pub(super) fn open_to_world(value: &Value) -> bool {
    let mut ranges = Vec::new();
    collect(value, &mut ranges).is_none() || !narrow(&ranges)
}

/// True where all ranges of a condition are readable and together less than the world.
pub(super) fn narrow_ranges(texts: &[&str]) -> bool {
    texts.iter().map(|text| range(text)).collect::<Option<Vec<_>>>().is_some_and(|ranges| narrow(&ranges))
}

#[derive(Clone, Copy, Debug)]
struct Range {
    address: IpAddr,
    prefix: u8,
}

/// Puts all ranges of a value together; `None` where something in it is unreadable.
fn collect(value: &Value, ranges: &mut Vec<Range>) -> Option<()> {
    match value {
        Value::Null => Some(()),
        Value::String(text) => match range(text) {
            Some(range) => {
                ranges.push(range);
                Some(())
            }
            None => match parsed(text)? {
                inner @ (Value::Array(_) | Value::Object(_)) => collect(&inner, ranges),
                _ => None,
            },
        },
        Value::Array(items) => items.iter().try_for_each(|item| collect(item, ranges)),
        Value::Object(members) => {
            members.iter().try_for_each(|(name, inner)| match name.to_ascii_lowercase().as_str() {
                _ if inner.is_null() => Some(()),
                "prefixlistids" if inner.as_array().is_some_and(Vec::is_empty) => Some(()),
                "iprangedescription" => Some(()),
                name if OTHERS.contains(&name) => Some(()),
                name if name.starts_with("cidr") || name.starts_with("ip") => collect(inner, ranges),
                _ => None,
            })
        }
        Value::Bool(_) | Value::Number(_) => None,
    }
}

fn range(text: &str) -> Option<Range> {
    let text = text.trim();
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    // An address that is none stands for all of them.
    let prefix: u8 = match prefix {
        Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= bits)?,
        None if address.is_unspecified() => 0,
        None => bits,
    };
    Some(match address {
        IpAddr::V6(v6) => match (v6.to_ipv4_mapped(), prefix.checked_sub(96)) {
            (Some(v4), Some(prefix)) => Range { address: IpAddr::V4(v4), prefix },
            _ => Range { address, prefix },
        },
        IpAddr::V4(_) => Range { address, prefix },
    })
}

/// True where the public addresses of all ranges together are less than the world.
fn narrow(ranges: &[Range]) -> bool {
    let (mut v4, mut v6) = (0_u128, 0_u128);
    for Range { address, prefix } in ranges {
        match address {
            IpAddr::V4(address) if !private_v4(*address, *prefix) => v4 = v4.saturating_add(size(32, *prefix)),
            IpAddr::V6(address) if !private_v6(*address, *prefix) => v6 = v6.saturating_add(size(128, *prefix)),
            _ => {}
        }
    }
    v4 <= MOST_V4 && v6 <= MOST_V6
}

fn size(bits: u8, prefix: u8) -> u128 {
    1_u128.checked_shl(u32::from(bits.saturating_sub(prefix))).unwrap_or(u128::MAX)
}

fn private_v4(address: Ipv4Addr, prefix: u8) -> bool {
    PRIVATE_V4.iter().any(|(net, bits)| {
        let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
        prefix >= *bits && address.to_bits() & mask == net.to_bits()
    })
}

/// Unique local addresses, those of a link, and loopback.
fn private_v6(address: Ipv6Addr, prefix: u8) -> bool {
    (prefix >= 7 && address.is_unique_local())
        || (prefix >= 10 && address.is_unicast_link_local())
        || (prefix == 128 && address.is_loopback())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_world_however_it_is_written() {
        for open in [
            json!("0.0.0.0/0"),
            json!("::/0"),
            json!("0:0:0:0:0:0:0:0/0"),
            json!("0.0.0.0/00"),
            json!(" 0.0.0.0/0 "),
            json!("1.2.3.4/0"),
            json!("::ffff:0:0/96"),
            json!("2000::/3"),
            json!("0.0.0.0/1"),
            json!("000.0.0.0/0"),
            json!("0.0.0.0"),
            json!("::"),
            json!("128.0.0.0/7"),
            json!("10.0.0.0/7"),
            json!("fc00::/6"),
            json!("x"),
            json!("10.0.0.0/33"),
            json!("10.0.0.0/-1"),
            json!(["10.0.0.0/8", "0.0.0.0/0"]),
            json!({ "x": 1 }),
            json!(""),
            json!(["0.0.0.0/1", "128.0.0.0/1"]),
            json!(["64.0.0.0/8", "65.0.0.0/32"]),
            json!([{ "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{ "CidrIp": "0.0.0.0/0", "Description": "x" }] }]),
            json!([{ "IpProtocol": "-1", "Ipv6Ranges": [{ "CidrIpv6": "::/0" }] }]),
            json!([{ "ipprotocol": "-1", "ipranges": [{ "cidrip": "0.0.0.0/0" }] }]),
            json!([{ "IpRanges": [{ "CidrIp": "0.0.0.0/2" }] }, { "IpRanges": [{ "CidrIp": "64.0.0.0/2" }] }]),
            json!([{ "IsEgress": false, "CidrIpv4": "0.0.0.0/0" }]),
            json!([{ "IpProtocol": "-1", "PrefixListIds": [{ "PrefixListId": "pl-1" }] }]),
            json!(r#"[{"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]"#),
        ] {
            assert!(open_to_world(&open), "{open}");
        }
        let quarters: Vec<String> = (0..4).map(|n| format!("{}.0.0.0/2", n * 64)).collect();
        let small: Vec<String> = (0..20).map(|n| format!("{n}.128.0.0/12")).collect();
        assert!(open_to_world(&json!(quarters)) && open_to_world(&json!(small)));
    }

    #[test]
    fn what_is_not_the_world() {
        for narrow in [
            json!("10.0.0.0/8"),
            json!("203.0.113.7/32"),
            json!("203.0.113.7"),
            json!("fd00::/8"),
            json!("2001:db8::/32"),
            json!(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "203.0.113.0/24"]),
            json!([]),
            json!(null),
            json!([{ "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{ "GroupId": "sg-1" }], "PrefixListIds": [], "IpRanges": [], "Ipv6Ranges": [] }]),
            json!([{ "IpRanges": [{ "CidrIp": "198.51.100.0/24", "Description": "0.0.0.0/0" }] }]),
        ] {
            assert!(!open_to_world(&narrow), "{narrow}");
        }
    }
}
