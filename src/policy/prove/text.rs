//! What proofs say, for people.

use std::fmt;

use super::difference::{Difference, Wider};
use super::slice::Asked;
use super::{Outcome, Proof, Report};
use crate::policy::vocabulary::ANY;

/// Most tools that are named one by one.
const MOST_NAMED: usize = 8;

impl Proof {
    /// What is to be said where it isn't proved.
    pub fn bad_news(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Proved => None,
            Outcome::Fails(asked, _) => {
                Some(format!("the invariant `{}` does not hold ({}): {}", self.invariant, named(asked), self.says))
            }
            Outcome::Unknown(why) => {
                Some(format!("the invariant `{}` is not proved, {why}: {}", self.invariant, self.says))
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.proofs.iter().map(|proof| proof.invariant.len()).max().unwrap_or_default();
        for Proof { invariant, says, outcome } in &self.proofs {
            match outcome {
                Outcome::Proved => writeln!(f, "proved      {invariant:widest$}  {says}")?,
                Outcome::Unknown(why) => {
                    writeln!(f, "NOT PROVED  {invariant:widest$}  {says}")?;
                    writeln!(f, "{:12}{why}", "")?;
                }
                Outcome::Fails(asked, example) => {
                    writeln!(f, "FAILS       {invariant:widest$}  {says}")?;
                    writeln!(f, "{:12}for {}; this request is permitted:", "", named(asked))?;
                    indented(f, &example.to_string())?;
                }
            }
        }
        let review = &self.review;
        match review.can_fail.is_empty() {
            true => writeln!(f, "\nno policy can fail when it is evaluated")?,
            false => listed(f, "\nCAN FAIL", &review.can_fail)?,
        }
        listed(f, "never matches anything", &review.dead)?;
        listed(f, "changes nothing besides the others", &review.redundant)?;
        listed(f, "not found out", &review.unknown)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (wider, what) in [(&self.more, "MORE is permitted"), (&self.less, "less is permitted")] {
            for Wider { asked, example } in wider {
                writeln!(f, "{what}: {}", named(asked))?;
                indented(f, &example.to_string())?;
            }
        }
        listed(f, "not found out", &self.unknown)?;
        match (self.more.is_empty(), self.less.is_empty(), self.unknown.is_empty()) {
            (_, _, false) => Ok(()),
            (true, true, true) => writeln!(f, "both permit exactly the same"),
            (true, false, true) => writeln!(f, "the new set permits nothing that the old one doesn't"),
            (false, true, true) => writeln!(f, "the new set permits all that the old one does, and more"),
            (false, false, true) => writeln!(f, "each permits something that the other doesn't"),
        }
    }
}

/// Tools with their effects, a few of them by name.
fn named(asked: &[Asked]) -> String {
    let tools: Vec<String> =
        asked.iter().filter(|one| one.tool != ANY).map(|one| format!("{}:{}", one.tool, one.effect)).collect();
    let mut effects: Vec<String> =
        asked.iter().filter(|one| one.tool == ANY).map(|one| one.effect.to_string()).collect();
    effects.dedup();
    let mut text = match tools.len() {
        0 => String::new(),
        few if few <= MOST_NAMED => tools.join(", "),
        many => format!(
            "{} and {} more",
            tools.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", "),
            many - MOST_NAMED
        ),
    };
    if !effects.is_empty() {
        let to_come = format!("any tool to come that is {}", effects.join(" or "));
        text = if text.is_empty() { to_come } else { format!("{text}, and {to_come}") };
    }
    text
}

fn listed(f: &mut fmt::Formatter<'_>, what: &str, all: &[String]) -> fmt::Result {
    match all {
        [] => Ok(()),
        all => writeln!(f, "{what}: {}", all.join(", ")),
    }
}

fn indented(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.lines().try_for_each(|line| writeln!(f, "{:14}{line}", ""))
}
