//! The accounts, their regions and roles.

use std::collections::{BTreeMap, HashMap};

use super::{Compiler, did_you_mean};
use crate::config::Account;
use crate::config::raw::RawAccount;
use crate::manifest::template::join_pointer;
use crate::names::Region;

impl Compiler<'_> {
    pub(super) fn accounts(&mut self, raw: BTreeMap<String, RawAccount>) -> Vec<Account> {
        if raw.is_empty() {
            self.wrong("/accounts", "there is no account", "add `[accounts.NAME]` with `id`, `stage` and `regions`");
        }
        let known = self.regions();
        let mut by_id: HashMap<String, String> = HashMap::new();
        let mut accounts = Vec::new();
        for (name, account) in raw {
            let pointer = join_pointer("/accounts", &name);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
            if name.is_empty() || name.len() > 32 || !name.chars().all(plain) {
                let message = format!("`{name}` is not an account's name here");
                let mend = "use at most 32 lower-case letters, digits, `-` and `_`";
                self.problems.push(self.document.problem_at_key(&pointer, message, mend));
            }
            if let Some(other) = by_id.insert(account.id.clone(), name.clone()) {
                let message = format!("the accounts `{other}` and `{name}` have the same id");
                self.wrong(&format!("{pointer}/id"), message, "an account is listed once");
            }
            let mut regions: Vec<Region> = Vec::new();
            for (index, region) in account.regions.iter().enumerate() {
                let pointer = format!("{pointer}/regions/{index}");
                if !known.iter().any(|known| known == region) {
                    self.wrong(&pointer, format!("there is no region `{region}`"), did_you_mean(region, &known));
                } else if regions.iter().any(|earlier| earlier.as_str() == region) {
                    self.wrong(&pointer, format!("`{region}` is here a second time"), "keep one of the two");
                }
                regions.push(Region::new(region));
            }
            for (key, role) in [("read_role", &account.read_role), ("change_role", &account.change_role)] {
                if let Some(role) = role {
                    self.role(&format!("{pointer}/{key}"), role, &account.id);
                }
            }
            let RawAccount { id, stage, read_role, change_role, external_id, .. } = account;
            accounts.push(Account { name, id, stage, regions, read_role, change_role, external_id });
        }
        accounts
    }

    fn role(&mut self, pointer: &str, role: &str, account: &str) {
        let parts: Vec<&str> = role.splitn(6, ':').collect();
        let mend = format!("write `arn:aws:iam::{account}:role/NAME`");
        match parts.as_slice() {
            ["arn", partition, "iam", "", owner, path]
                if partition.starts_with("aws") && path.strip_prefix("role/").is_some_and(|name| !name.is_empty()) =>
            {
                if *owner != account {
                    let message = format!("this role belongs to account {owner}, not to {account}");
                    self.wrong(pointer, message, mend);
                }
            }
            _ => self.wrong(pointer, "this is not a role's ARN", mend),
        }
    }

    /// Every region of every partition AWS had when the models were made.
    fn regions(&mut self) -> Vec<String> {
        let partitions = match self.models.partitions() {
            Ok(partitions) => partitions.get("partitions").and_then(serde_json::Value::as_array),
            Err(error) => {
                self.wrong("/accounts", format!("the regions can't be checked: {error}"), "install countersign again");
                None
            }
        };
        let regions = partitions.into_iter().flatten().filter_map(|partition| partition.get("regions")?.as_object());
        regions.flat_map(|regions| regions.keys().filter(|name| !name.ends_with("-global")).cloned()).collect()
    }
}
