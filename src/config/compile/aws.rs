//! How AWS is reached.

use super::{Compiler, did_you_mean};
use crate::config::AwsConfig;
use crate::config::raw::RawAws;
use crate::manifest::template::join_pointer;

impl Compiler<'_> {
    pub(super) fn aws(&mut self, raw: RawAws) -> AwsConfig {
        if let Some(url) = &raw.endpoint_url {
            self.endpoint("/aws/endpoint_url", url);
        }
        for (service, url) in &raw.endpoint_urls {
            let pointer = join_pointer("/aws/endpoint_urls", service);
            if !self.models.services().any(|known| known == service) {
                let known: Vec<String> = self.models.services().map(str::to_owned).collect();
                let (message, mend) = (format!("there is no service `{service}`"), did_you_mean(service, &known));
                self.problems.push(self.document.problem_at_key(&pointer, message, mend));
            }
            self.endpoint(&pointer, url);
        }
        AwsConfig {
            profile: raw.profile,
            credentials_file: raw.credentials_file.map(|written| self.path(&written)),
            endpoint_url: raw.endpoint_url,
            endpoint_urls: raw.endpoint_urls,
            use_fips: raw.use_fips,
            use_dual_stack: raw.use_dual_stack,
        }
    }

    /// What travels to AWS holds secrets, so it goes unencrypted only within this machine.
    fn endpoint(&mut self, pointer: &str, url: &str) {
        let (encrypted, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return self.wrong(pointer, "this is not an address", "write `https://HOST[:PORT]`"),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => authority.split(':').next().unwrap_or_default(),
        };
        if host.is_empty() || authority.contains('@') || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return self.wrong(pointer, "this address has no plain host", "write `https://HOST[:PORT]`");
        }
        let local = host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        if !encrypted && !local {
            self.wrong(pointer, "plain HTTP goes to this machine only", "write `https://`");
        }
    }
}
