//! Turns the written configuration into [`Config`], or tells everything that is wrong with it.

mod accounts;
mod auth;
mod aws;
mod http;
mod notify;
mod policy;
mod windows;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;

use super::raw::{RawConfig, RawLimits, RawManifests, schema};
use super::{CallerConfig, Config, Environment, LimitsConfig, ManifestsConfig};
use crate::aws::models::{Models, nearest};
use crate::digest::Digest;
use crate::document::{self, Document, Language, Problems, Source};
use crate::names::{Agent, Human};
use policy::{breakers, budgets};

const MINUTE: u64 = 60;

/// Loads a configuration file.
pub fn load(path: &Path, models: &Models, environment: &Environment) -> Result<Config, Problems> {
    let document = document::read(Source::load(path)?, Language::Toml)?;
    document::schema::check(&document, &schema()).or(())?;
    let raw: RawConfig = document.parse()?;
    let mut compiler = Compiler { document: &document, models, environment, problems: Problems::new() };
    let config = compiler.config(raw);
    compiler.problems.or(config)
}

struct Compiler<'a> {
    document: &'a Document,
    models: &'a Models,
    environment: &'a Environment,
    problems: Problems,
}

impl Compiler<'_> {
    fn config(&mut self, raw: RawConfig) -> Config {
        let source = self.document.source();
        let store = match raw.store.path {
            Some(written) => self.path(&written),
            None => self.environment.default_store().unwrap_or_else(|| {
                self.wrong("", "there is no place for the store: HOME is not set", "add `[store]` with `path`");
                PathBuf::new()
            }),
        };
        let caller = CallerConfig {
            human: Human::new(self.name("/caller/human", raw.caller.human)),
            agent: Agent::new(self.name("/caller/agent", raw.caller.agent.unwrap_or_else(|| "agent".to_owned()))),
        };
        let accounts = self.accounts(raw.accounts);
        let policy = self.policy(raw.policy);
        let agents = self.agents(raw.agents, &caller.agent, &accounts, &policy);
        Config {
            notify: raw.notify.and_then(|notify| self.notify(notify, raw.http.is_some())),
            http: raw.http.map(|raw| self.http(raw, &agents)),
            agents,
            caller,
            accounts,
            policy,
            store,
            aws: self.aws(raw.aws),
            limits: self.limits(&raw.limits),
            manifests: self.manifests(raw.manifests),
            clients: self.clients(raw.clients),
            tag_rules: self.tag_rules(raw.tags),
            windows: raw.windows.map(|raw| self.windows(raw)).unwrap_or_default(),
            ticket: raw.ticket.and_then(|raw| self.ticket(&raw)),
            budgets: budgets(&raw.budgets),
            breakers: breakers(&raw.breakers),
            digest: Digest::of_bytes("countersign.config.v1", source.text().as_bytes()),
            path: source.path().to_owned(),
        }
    }

    fn wrong(&mut self, pointer: &str, message: impl Into<String>, mend: impl Into<String>) {
        let problem = self.document.problem(pointer, message, mend);
        self.problems.push(problem);
    }

    /// A name that goes into prompts, records and AWS's session names.
    fn name(&mut self, pointer: &str, name: String) -> String {
        if name.trim() != name || name.chars().any(char::is_control) {
            self.wrong(
                pointer,
                "this name has white space around it or control characters in it",
                "write a plain name",
            );
        }
        name
    }

    /// Relative to the file's folder; `~/` is the home directory.
    fn path(&self, written: &str) -> PathBuf {
        match (written.strip_prefix("~/"), &self.environment.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.document.source().path().parent().unwrap_or(Path::new("")).join(written),
        }
    }

    fn limits(&mut self, raw: &RawLimits) -> LimitsConfig {
        LimitsConfig {
            plan_ttl: self.duration("plan_ttl", &raw.plan_ttl, 15 * MINUTE, MINUTE, 24 * 60 * MINUTE),
            approval_ttl: self.duration("approval_ttl", &raw.approval_ttl, 240 * MINUTE, 5 * MINUTE, 72 * 60 * MINUTE),
            chain: self.duration("chain", &raw.chain, 24 * 60 * MINUTE, 60 * MINUTE, 7 * 24 * 60 * MINUTE),
            confirmation_timeout: self.duration("confirmation_timeout", &raw.confirmation_timeout, 240, 10, 270),
            call_timeout: self.duration("call_timeout", &raw.call_timeout, 60, 1, 15 * MINUTE),
            result_bytes: raw.result_bytes.unwrap_or(64 << 10),
            concurrent_calls: raw.concurrent_calls.unwrap_or(64),
        }
    }

    fn duration(&mut self, key: &str, written: &Option<String>, default: u64, least: u64, most: u64) -> Duration {
        self.duration_at(&format!("/limits/{key}"), written, Duration::from_secs(default), least, most)
    }

    /// A duration between two numbers of seconds.
    fn duration_at(
        &mut self,
        pointer: &str,
        written: &Option<String>,
        default: Duration,
        least: u64,
        most: u64,
    ) -> Duration {
        let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
        let Some(written) = written else { return default };
        let bounds = format!("write between {least:?} and {most:?}, such as `\"240s\"` or `\"15m\"`");
        match written.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok()) {
            None => self.wrong(pointer, format!("`{written}` is not a duration"), bounds),
            Some(duration) if duration < least || duration > most => {
                self.wrong(pointer, format!("`{written}` is out of bounds"), bounds);
            }
            Some(duration) => return duration,
        }
        Duration::ZERO
    }

    fn manifests(&mut self, raw: RawManifests) -> ManifestsConfig {
        let folders: Vec<PathBuf> = raw.folders.iter().map(|written| self.path(written)).collect();
        for (index, folder) in folders.iter().enumerate() {
            if !folder.is_dir() {
                let message = format!("there is no folder `{}`", folder.display());
                self.wrong(&format!("/manifests/folders/{index}"), message, "create it, or take it out");
            }
        }
        let pointers = |key: &str, names: &[String]| -> Vec<String> {
            (0..names.len()).map(|index| format!("/manifests/{key}/{index}")).collect()
        };
        let pointers = pointers("toolsets", &raw.toolsets).into_iter().chain(pointers("disabled", &raw.disabled));
        let places = pointers.map(|pointer| (pointer.clone(), self.document.problem(&pointer, "", ""))).collect();
        ManifestsConfig { folders, toolsets: raw.toolsets, disabled: raw.disabled, places }
    }
}

fn did_you_mean(wanted: &str, known: &[String]) -> String {
    match nearest(wanted, known.iter().map(String::as_str)).as_slice() {
        [] => "correct it".to_owned(),
        names => format!("did you mean `{}`?", names.join("` or `")),
    }
}

#[cfg(test)]
mod tests;
