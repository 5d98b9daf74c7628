//! What is registered: the entry that a client should have, and what is different from the one it has.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use url::Url;

use super::clients::{Client, Piece, TRANSPORTS};
use super::formats::Edit;

/// The environment variable that clients take a token from.
pub(super) const TOKEN_VARIABLE: &str = "COUNTERSIGN_TOKEN";

/// How a client reaches the server.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// It starts the server itself.
    Stdio {
        /// This program.
        program: PathBuf,
        /// The configuration.
        config: PathBuf,
    },
    /// The server runs somewhere.
    Http {
        /// Its address.
        url: Url,
        /// Whether the client sends the token of [`TOKEN_VARIABLE`]; else a person signs in.
        token: bool,
    },
}

/// The entry as it is written into a file that has none.
pub(super) fn whole(client: &Client, name: &str, way: &Way) -> Value {
    Value::Object(members(client, name, way).into_iter().map(|(key, value, _)| (key.to_owned(), value)).collect())
}

/// The edits that make an entry what it should be. What a person added to it stays; nothing to do is no edit.
pub(super) fn edits(client: &Client, name: &str, way: &Way, file: &Value) -> Vec<Edit> {
    let path = vec![client.servers.to_owned(), name.to_owned()];
    let there = file.get(client.servers).and_then(|servers| servers.get(name)).and_then(Value::as_object);
    let Some(there) = there else {
        return vec![Edit { path, value: Some(whole(client, name, way)) }];
    };
    let at = |key: &str| [path.clone(), vec![key.to_owned()]].concat();
    let wanted = members(client, name, way);
    let mut edits: Vec<Edit> = Vec::new();
    let other = match way {
        Way::Stdio { .. } => TRANSPORTS[1],
        Way::Http { .. } => TRANSPORTS[0],
    };
    let stays = |key: &str| wanted.iter().any(|(name, ..)| *name == key);
    for key in other.iter().filter(|key| there.contains_key(**key) && !stays(key)) {
        edits.push(Edit { path: at(key), value: None });
    }
    for (key, value, fixed) in wanted {
        let value = match (there.get(key), value) {
            (Some(_), _) if !fixed => continue,
            (Some(now), value) if *now == value => continue,
            // Headers of a person's own stay beside ours.
            (Some(Value::Object(now)), Value::Object(ours)) => {
                let mut both: Map<String, Value> = now.clone();
                both.retain(|name, _| !ours.keys().any(|own| own.eq_ignore_ascii_case(name)));
                both.extend(ours);
                if *now == both {
                    continue;
                }
                Value::Object(both)
            }
            (_, value) => value,
        };
        edits.push(Edit { path: at(key), value: Some(value) });
    }
    edits
}

/// The edit that takes the entry away; none where there is none.
pub(super) fn removal(client: &Client, name: &str, file: &Value) -> Option<Edit> {
    file.get(client.servers)?.get(name)?;
    Some(Edit { path: vec![client.servers.to_owned(), name.to_owned()], value: None })
}

/// Keys with their values, and whether a value has to be that one.
fn members<'c>(client: &'c Client, name: &str, way: &Way) -> Vec<(&'c str, Value, bool)> {
    let pieces = match way {
        Way::Stdio { .. } => client.stdio,
        Way::Http { .. } => client.http,
    };
    pieces
        .iter()
        .filter_map(|(key, piece)| {
            let fixed = !matches!(piece, Piece::SwitchedOn | Piece::Seconds(_));
            Some((*key, value(*piece, name, way)?, fixed))
        })
        .collect()
}

fn value(piece: Piece, name: &str, way: &Way) -> Option<Value> {
    let shown = |path: &Path| path.display().to_string();
    Some(match (piece, way) {
        (Piece::Text(text), _) => json!(text),
        (Piece::Name, _) => json!(name),
        (Piece::SwitchedOn, _) => json!(true),
        (Piece::Seconds(seconds), _) => json!(seconds),
        (Piece::Program, Way::Stdio { program, .. }) => json!(shown(program)),
        (Piece::Arguments, Way::Stdio { config, .. }) => json!(["--config", shown(config), "serve"]),
        (Piece::Url, Way::Http { url, .. }) => json!(url.as_str()),
        (Piece::Bearer(written), Way::Http { token: true, .. }) => {
            json!({ "Authorization": format!("Bearer {written}") })
        }
        (Piece::TokenVariable, Way::Http { token: true, .. }) => json!(TOKEN_VARIABLE),
        (Piece::TokenVariables, Way::Http { token: true, .. }) => json!([TOKEN_VARIABLE]),
        (Piece::Bearer(_) | Piece::TokenVariable | Piece::TokenVariables, _) => return None,
        (Piece::Program | Piece::Arguments, Way::Http { .. }) | (Piece::Url, Way::Stdio { .. }) => return None,
    })
}
