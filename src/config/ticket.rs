//! What a ticket looks like.

use fancy_regex::Regex;

/// Longer tickets match nothing, in characters.
pub(super) const LONGEST_TICKET: usize = 100;

/// What a ticket looks like.
#[derive(Clone, Debug)]
pub struct TicketConfig {
    pattern: String,
    whole: Regex,
}

impl TicketConfig {
    /// Takes a regular expression for the whole ticket.
    ///
    /// # Errors
    /// What is wrong with it, where it is none.
    pub fn new(pattern: &str) -> Result<Self, String> {
        // On its own first: `a)|(b` is none, though it would be one within the brackets.
        Regex::new(pattern).map_err(|error| error.to_string())?;
        let whole = Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(|error| error.to_string())?;
        if whole.is_match("").map_err(|error| error.to_string())? {
            return Err("it matches an empty ticket".to_owned());
        }
        Ok(Self { pattern: pattern.to_owned(), whole })
    }

    /// The regular expression as it was written.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// True where the whole text is a ticket. A text that can't be decided on is none.
    pub fn matches(&self, ticket: &str) -> bool {
        ticket.chars().count() <= LONGEST_TICKET && self.whole.is_match(ticket).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_ticket_matches() {
        let ticket = TicketConfig::new("CHG-[0-9]+|INC-[0-9]+").unwrap();
        assert!(ticket.matches("CHG-1") && ticket.matches("INC-22"));
        for none in ["", "CHG-", "xCHG-1", "CHG-1x", "CHG-1\n", "CHG-1 or INC-2", "chg-1"] {
            assert!(!ticket.matches(none), "{none:?}");
        }
        assert!(!ticket.matches(&format!("CHG-{}", "1".repeat(LONGEST_TICKET))));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for wrong in ["CHG-[0-9", "a)|(?:b", "(?x) a # ", ".*", "(", "a|"] {
            assert!(TicketConfig::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pattern_that_takes_for_ever_matches_nothing() {
        let ticket = TicketConfig::new(r"(?:(a|a)+)\1b").unwrap();
        assert!(!ticket.matches(&"a".repeat(60)));
    }
}
