//! Words of names and of queries, and which operations they are found in.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::aws::models::OperationIndex;

/// Words of a query that count at most.
const MOST_WORDS: usize = 12;
/// A word this short must be a whole word of a name.
const TOO_SHORT: usize = 2;

/// How a word is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    /// It is not.
    #[default]
    Nothing,
    /// A word of the name begins with it.
    Start,
    /// It is a word of the name, perhaps in the plural.
    Whole,
}

/// Where one word of a query is found in one operation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) in_name: Match,
    pub(super) in_members: Match,
}

/// A word of a query with those it can stand for, in lower case and in the singular.
#[derive(Debug)]
pub(super) struct Word(Vec<String>);

/// The words of all operations' names and members, in lower case, and the operations each is in (by their place in the
/// index of operations).
#[derive(Debug)]
pub(super) struct Index {
    vocabulary: Vec<Entry>,
    name_lengths: Vec<u8>,
}

#[derive(Debug, Default)]
struct Entry {
    word: String,
    in_names: Vec<u32>,
    in_members: Vec<u32>,
}

impl Index {
    /// The index of the models in this binary, made once.
    pub(super) fn shared(operations: &OperationIndex) -> &'static Self {
        static INDEX: OnceLock<Index> = OnceLock::new();
        INDEX.get_or_init(|| Self::of(operations))
    }

    fn of(operations: &OperationIndex) -> Self {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut vocabulary: Vec<Entry> = Vec::new();
        let mut place_of = |word: String, vocabulary: &mut Vec<Entry>| {
            *places.entry(word).or_insert_with_key(|word| {
                vocabulary.push(Entry { word: word.clone(), ..Entry::default() });
                vocabulary.len() - 1
            })
        };
        // The same member names come up again and again: each is taken apart once.
        let mut members: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut name_lengths = Vec::new();
        for (operation, entry) in (0u32..).zip(operations.iter()) {
            let mut length = 0u8;
            for word in words(entry.operation) {
                length = length.saturating_add(1);
                let place = place_of(word, &mut vocabulary);
                add(vocabulary.get_mut(place).map(|entry| &mut entry.in_names), operation);
            }
            name_lengths.push(length);
            for member in entry.members() {
                let places = members
                    .entry(member)
                    .or_insert_with(|| words(member).map(|word| place_of(word, &mut vocabulary)).collect());
                for place in places {
                    add(vocabulary.get_mut(*place).map(|entry| &mut entry.in_members), operation);
                }
            }
        }
        vocabulary.sort_unstable_by(|a, b| a.word.cmp(&b.word));
        for entry in &mut vocabulary {
            entry.in_names.shrink_to_fit();
            entry.in_members.shrink_to_fit();
        }
        Self { vocabulary, name_lengths }
    }

    /// Where a query's words are found, for every operation.
    pub(super) fn matches(&self, words: &[Word]) -> Matches<'_> {
        let mut found = vec![Found::default(); self.name_lengths.len() * words.len()];
        for (nth, word) in words.iter().enumerate() {
            for wanted in &word.0 {
                let from = self.vocabulary.partition_point(|entry| entry.word < *wanted);
                let rest = self.vocabulary.get(from..).unwrap_or_default();
                for entry in rest.iter().take_while(|entry| entry.word.starts_with(wanted.as_str())) {
                    let how = how(&entry.word, wanted);
                    for operation in &entry.in_names {
                        if let Some(place) = found.get_mut(*operation as usize * words.len() + nth) {
                            place.in_name = place.in_name.max(how);
                        }
                    }
                    for operation in &entry.in_members {
                        if let Some(place) = found.get_mut(*operation as usize * words.len() + nth) {
                            place.in_members = place.in_members.max(how);
                        }
                    }
                }
            }
        }
        Matches { found, width: words.len().max(1), name_lengths: &self.name_lengths }
    }
}

/// For every operation, in the order of the index.
pub(super) struct Matches<'a> {
    found: Vec<Found>,
    width: usize,
    name_lengths: &'a [u8],
}

impl Matches<'_> {
    /// Where each word of the query is found, and how many words the operation's name has.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[Found], usize)> {
        self.found.chunks(self.width).zip(self.name_lengths.iter().map(|length| usize::from(*length)))
    }
}

fn add(to: Option<&mut Vec<u32>>, operation: u32) {
    if let Some(operations) = to.filter(|operations| operations.last() != Some(&operation)) {
        operations.push(operation);
    }
}

/// How a word of a name, known to begin with `wanted`, fits.
fn how(word: &str, wanted: &str) -> Match {
    match word.get(wanted.len()..) {
        Some("" | "s" | "es") => Match::Whole,
        Some(_) if wanted.len() > TOO_SHORT => Match::Start,
        _ => Match::Nothing,
    }
}

impl Word {
    /// The best match of the word in a name.
    pub(super) fn best_in(&self, name: &str) -> Match {
        let of_name = words(name).flat_map(|word| {
            let fits = self.0.iter().filter(|wanted| word.starts_with(wanted.as_str()));
            fits.map(|wanted| how(&word, wanted)).max()
        });
        of_name.max().unwrap_or_default()
    }

    /// True where it is the whole name.
    pub(super) fn is_exactly(&self, name: &str) -> bool {
        self.0.iter().any(|wanted| wanted == name)
    }
}

/// The words of a name in lower case: `DeleteDBInstance` is delete, db, instance; `elb-v2` is elb, v2.
fn words(name: &str) -> impl Iterator<Item = String> + '_ {
    let starts: Vec<usize> = word_starts(name).chain([name.len()]).collect();
    let pairs: Vec<(usize, usize)> = starts.iter().copied().zip(starts.iter().copied().skip(1)).collect();
    pairs.into_iter().filter_map(|(from, to)| {
        let word = name.get(from..to)?.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        (!word.is_empty()).then(|| word.to_ascii_lowercase())
    })
}

/// Where words begin: at upper-case letters after others, at the last of several, and after other signs.
fn word_starts(name: &str) -> impl Iterator<Item = usize> + '_ {
    let bytes = name.as_bytes();
    bytes.iter().enumerate().filter_map(move |(index, byte)| {
        let Some(before) = index.checked_sub(1).and_then(|before| bytes.get(before)) else { return Some(index) };
        let after_is_lower = bytes.get(index + 1).is_some_and(u8::is_ascii_lowercase);
        let starts = !before.is_ascii_alphanumeric()
            || (byte.is_ascii_uppercase() && (!before.is_ascii_uppercase() || after_is_lower));
        starts.then_some(index)
    })
}

/// The words of a query that count. A name in it, such as `ec2:TerminateInstances`, is words too.
pub(super) fn query_words(query: &str) -> Vec<Word> {
    let query: String = query.chars().take(400).collect();
    let parts = query.split(|c: char| !c.is_ascii_alphanumeric());
    let said: Vec<String> = parts
        .flat_map(|part| match part.bytes().any(|b| b.is_ascii_lowercase()) {
            true => words(part).collect(),
            false => vec![part.to_ascii_lowercase()],
        })
        .filter(|word: &String| word.len() > 1 && !FILLERS.contains(&word.as_str()))
        .collect();
    said.iter()
        .take(MOST_WORDS)
        .map(|word| {
            let word = singular(word);
            let others = SYNONYMS.iter().filter(|(said, _)| *said == word).flat_map(|(_, meant)| meant.iter());
            Word(std::iter::once(word.to_owned()).chain(others.map(|meant| (*meant).to_owned())).collect())
        })
        .collect()
}

fn singular(word: &str) -> &str {
    match word.strip_suffix("ies").or_else(|| word.strip_suffix('s')) {
        Some(stem) if stem.len() > 2 && !stem.ends_with('s') => stem,
        _ => word,
    }
}

/// Words that tell nothing.
const FILLERS: &[&str] = &[
    "all", "am", "an", "and", "are", "aws", "can", "do", "for", "from", "how", "in", "is", "it", "my", "of", "on",
    "the", "to", "what", "which", "who", "with",
];

/// What people say, and how AWS's names say it.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("balancer", &["elb", "elasticloadbalancing"]),
    ("change", &["modify", "update", "put"]),
    ("container", &["ecs", "ecr", "eks"]),
    ("database", &["db", "rds", "dynamodb"]),
    ("destroy", &["delete", "terminate"]),
    ("dns", &["route53"]),
    ("email", &["ses"]),
    ("fetch", &["get", "describe"]),
    ("file", &["object"]),
    ("find", &["search", "list", "describe"]),
    ("get", &["describe", "list"]),
    ("kill", &["terminate", "stop", "delete"]),
    ("kubernete", &["eks"]),
    ("launch", &["run"]),
    ("list", &["describe"]),
    ("machine", &["instance"]),
    ("make", &["create"]),
    ("metric", &["cloudwatch"]),
    ("read", &["get", "describe"]),
    ("remove", &["delete"]),
    ("rename", &["update", "modify"]),
    ("resize", &["modify", "update", "set"]),
    ("scale", &["scaling", "capacity", "count"]),
    ("server", &["instance"]),
    ("show", &["describe", "get", "list"]),
    ("shutdown", &["stop", "terminate"]),
    ("step", &["stepfunctions", "states"]),
    ("update", &["modify", "put", "set"]),
    ("view", &["describe", "get", "list"]),
    ("vm", &["instance"]),
];
