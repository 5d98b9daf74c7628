//! MCP clients: which were seen last and what they could do, and which have the server in their files.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{About, Finding};
use crate::audit::event::{Event, What};
use crate::call::refused::Code;
use crate::cli::register::{Found, Registered, Surroundings, registered};
use crate::config::Config;
use crate::store::Reader;
use crate::text::escape::quoted;

/// The last records that are looked through.
const LAST: u64 = 2000;

/// Clients that are told of.
const SHOWN: usize = 5;

/// What the record tells of one client.
#[derive(Debug)]
struct Seen {
    last: Timestamp,
    protocol: String,
    /// When a form was last shown to a person in it.
    asked: Option<Timestamp>,
    /// When it was last found to show none.
    formless: Option<Timestamp>,
}

/// Clients on record, the latest first. Nothing where there is no record.
pub(super) async fn seen(config: &Config) -> Vec<Finding> {
    let Ok(reader) = Reader::open(&config.store).await else { return Vec::new() };
    let Ok(head) = reader.head().await else { return Vec::new() };
    let from = head.seq.saturating_sub(LAST).saturating_add(1);
    let mut all: BTreeMap<(String, String), Seen> = BTreeMap::new();
    for record in reader.records(from, LAST as u32).await.unwrap_or_default() {
        let Ok(Event { at, caller: Some(caller), what, .. }) = serde_json::from_str(&record.event) else { continue };
        let client = caller.client;
        let seen = all.entry((client.name, client.version)).or_insert_with(|| Seen {
            last: at,
            protocol: String::new(),
            asked: None,
            formless: None,
        });
        (seen.last, seen.protocol) = (at, client.protocol);
        match what {
            What::Asked { .. } => seen.asked = Some(at),
            What::Refused { code: Code::ElicitationUnavailable, .. } => seen.formless = Some(at),
            _ => {}
        }
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.last));
    all.into_iter().take(SHOWN).map(|((name, version), seen)| told(&name, &version, &seen)).collect()
}

fn told(name: &str, version: &str, seen: &Seen) -> Finding {
    let says = format!(
        "seen {:.0}: {} {}, MCP {}",
        seen.last,
        quoted(name, 60),
        quoted(version, 30),
        quoted(&seen.protocol, 30)
    );
    match (seen.asked, seen.formless) {
        (asked, Some(formless)) if asked.is_none_or(|asked| asked < formless) => Finding::warning(
            About::Clients,
            format!("{says}; it shows no forms, so what takes a typed confirmation is refused"),
            "use a client with elicitation, or add [http] and confirm in the console",
        ),
        (Some(_), _) => Finding::ok(About::Clients, format!("{says}; a person was asked in it")),
        (None, _) => Finding::ok(About::Clients, format!("{says}; nobody was asked anything in it yet")),
    }
}

/// Whether the server is in clients' files, and whether they ask before they call it.
pub(super) fn registrations(around: &Surroundings) -> Vec<Finding> {
    let all = registered(around);
    if all.is_empty() {
        let mend = "`countersign register --detect` lists clients, `countersign register CLIENT` registers";
        return vec![Finding::warning(About::Clients, "registered with no client here", mend)];
    }
    all.iter().flat_map(entry).collect()
}

fn entry(one: &Registered) -> Vec<Finding> {
    let says = format!("{}: `{}` in {}", one.client.name, one.name, one.file.display());
    let gone = one.program.as_ref().filter(|program| program.is_absolute() && !program.exists());
    let first = match gone {
        None => Finding::ok(About::Clients, says),
        Some(program) => Finding::problem(
            About::Clients,
            format!("{says} starts {}, which is not there", program.display()),
            format!("`countersign register {}` writes where it is now", one.client.word),
        ),
    };
    let approved = one.approved.iter().map(|Found { file, key, says }| {
        Finding::warning(
            About::Clients,
            format!("{} calls it without asking: `{key}` is {says} in {}", one.client.name, file.display()),
            "take that out; the server asks for what destroys all the same",
        )
    });
    std::iter::once(first).chain(approved).collect()
}
