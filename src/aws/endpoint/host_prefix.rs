//! Host prefixes: what an operation puts before the endpoint's host, such as `{AccountId}.`.

use super::functions::is_host_label;

/// Why a host prefix can't be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostPrefixError {
    /// The member named in the prefix has no text value.
    #[error("`{0}` goes into the host name and is missing")]
    Missing(String),
    /// The member's value can't be part of a host name.
    #[error("`{member}` goes into the host name: 1 to 63 letters, digits or hyphens are possible there, not `{value}`")]
    NotALabel {
        /// The member.
        member: String,
        /// Its value, cut.
        value: String,
    },
    /// The prefix itself is malformed.
    #[error("the host prefix `{0}` is malformed")]
    Malformed(String),
}

/// Fills in a host prefix. Each value must be one host label, so that an argument never chooses the host.
///
/// # Errors
/// Where a value is missing or is not a host label.
pub fn expand(template: &str, value_of: impl Fn(&str) -> Option<String>) -> Result<String, HostPrefixError> {
    let mut prefix = String::new();
    let mut rest = template;
    while let Some((literal, after)) = rest.split_once('{') {
        let (member, after) =
            after.split_once('}').ok_or_else(|| HostPrefixError::Malformed(template.chars().take(80).collect()))?;
        let value = value_of(member).ok_or_else(|| HostPrefixError::Missing(member.to_owned()))?;
        if !is_host_label(&value, false) {
            let value = value.chars().take(80).collect();
            return Err(HostPrefixError::NotALabel { member: member.to_owned(), value });
        }
        prefix.push_str(literal);
        prefix.push_str(&value);
        rest = after;
    }
    prefix.push_str(rest);
    Ok(prefix)
}

/// Puts a prefix before the host of an address, such as `data-` before `https://example.amazonaws.com/path`.
///
/// `None` where the address has no scheme, or its host is an IP address, which takes no prefix.
pub fn prepend(url: &str, prefix: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', ':']).next()?;
    if rest.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok() {
        return None;
    }
    Some(format!("{scheme}://{prefix}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fill_the_prefix_only_as_host_labels() {
        let value = |value: &'static str| move |name: &str| (name == "AccountId").then(|| value.to_owned());
        assert_eq!(expand("{AccountId}.data-", value("123456789012")).unwrap(), "123456789012.data-");
        assert_eq!(expand("api.", value("x")).unwrap(), "api.");
        for hostile in ["evil.example/", "a.b", "", "-a", "a@b", "a:80", "ä"] {
            let error = expand("{AccountId}.", value(hostile)).unwrap_err();
            assert!(matches!(error, HostPrefixError::NotALabel { .. }), "{hostile}");
        }
        assert_eq!(expand("{Bucket}.", value("x")), Err(HostPrefixError::Missing("Bucket".into())));
        assert!(matches!(expand("{AccountId", value("x")), Err(HostPrefixError::Malformed(_))));
    }

    #[test]
    fn a_prefix_goes_before_host_names_but_not_before_addresses() {
        assert_eq!(prepend("https://a.example/p", "data-").as_deref(), Some("https://data-a.example/p"));
        assert_eq!(prepend("http://localhost:4566", "data-").as_deref(), Some("http://data-localhost:4566"));
        assert_eq!(prepend("http://127.0.0.1:4566", "data-"), None);
        assert_eq!(prepend("http://[::1]:4566", "data-"), None);
    }
}
