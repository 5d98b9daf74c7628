//! Patterns of AWS's models.
//!
//! They are written for Java's `matches`, and most come into the model without anchors: so a pattern without any must
//! match the whole text, and one with an anchor is searched for as it is written. `.` matches line breaks too, and
//! classes such as `\w` mean Unicode's, which is wider than Java's: AWS itself checks once more, and a valid value must
//! never be refused here.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use fancy_regex::{Regex, RegexBuilder};
use lru::LruCache;

/// Compiled patterns that are kept; a compiled one takes some ten kilobytes.
const KEPT: NonZeroUsize = NonZeroUsize::new(64).unwrap();
/// A pattern that needs more than so many bytes compiled is not checked.
const LARGEST: usize = 4 << 20;
/// A match that needs more steps is given up, and the text passes.
const MOST_STEPS: usize = 200_000;

/// True where the text has the pattern's form; `None` where the pattern can't be used.
pub(super) fn matches(pattern: &str, text: &str) -> Option<bool> {
    compiled(pattern)?.is_match(text).ok()
}

fn compiled(pattern: &str) -> Option<Arc<Regex>> {
    static CACHE: OnceLock<Mutex<LruCache<String, Option<Arc<Regex>>>>> = OnceLock::new();
    let cache = CACHE.get_or_init(|| Mutex::new(LruCache::new(KEPT)));
    if let Some(found) = cache.lock().unwrap_or_else(PoisonError::into_inner).get(pattern) {
        return found.clone();
    }
    let regex = compile(pattern).map(Arc::new);
    cache.lock().unwrap_or_else(PoisonError::into_inner).put(pattern.to_owned(), regex.clone());
    regex
}

/// Compiles a pattern; `None` where it is not one in this dialect, or is plainly garbled.
pub(super) fn compile(pattern: &str) -> Option<Regex> {
    if is_garbled(pattern) {
        return None;
    }
    let body = translate(pattern);
    let anchored = pattern.starts_with('^') || (pattern.ends_with('$') && !pattern.ends_with("\\$"));
    let anchored = anchored || pattern.contains("|^") || pattern.contains("$|") || pattern.contains("(^");
    let whole = if anchored { format!("(?s){body}") } else { format!("(?s)^(?:{body})$") };
    RegexBuilder::new(&whole).backtrack_limit(MOST_STEPS).delegate_size_limit(LARGEST).build().ok()
}

/// Some patterns were escaped twice on their way into the model (`\\\\S` for `\\S`) and would match a backslash.
fn is_garbled(pattern: &str) -> bool {
    ["\\\\s", "\\\\S", "\\\\d", "\\\\D", "\\\\w", "\\\\W", "\\\\p", "\\\\-]", "$}"]
        .iter()
        .any(|sign| pattern.contains(sign))
}

/// From Java's dialect to this one: `\w` and `\d` mean ASCII only, POSIX classes have other names, surrogate pairs are
/// the characters they stand for, and a hyphen beside a class is a hyphen.
fn translate(pattern: &str) -> String {
    let pairs = [
        ("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\x{10000}-\\x{10FFFF}"),
        ("\\uD800\\uDBFF-\\uDC00\\uDFFF", "\\x{10000}-\\x{10FFFF}"),
        ("\\ud800\\udc00-\\udbff\\udfff", "\\x{10000}-\\x{10FFFF}"),
    ];
    let pattern = pairs.into_iter().fold(pattern.to_owned(), |text, (java, here)| text.replace(java, here));
    let pattern = POSIX.into_iter().fold(pattern, |text, class| {
        text.replace(&format!("\\p{{{class}}}"), &format!("[[:{}:]]", class.to_ascii_lowercase()))
    });
    let mut text = String::with_capacity(pattern.len() * 2);
    let mut rest = pattern.chars().peekable();
    let mut depth = 0usize;
    let mut after_class = false;
    let mut in_property = false;
    while let Some(c) = rest.next() {
        let was_after_class = std::mem::take(&mut after_class);
        match c {
            '\\' => match rest.next() {
                Some(name @ ('w' | 'd')) => {
                    let inside = if name == 'w' { "0-9A-Za-z_" } else { "0-9" };
                    if depth > 0 {
                        text.push_str(inside)
                    } else {
                        text.push_str(&format!("[{inside}]"))
                    }
                    after_class = true;
                }
                Some(name) => {
                    text.extend(['\\', name]);
                    after_class = matches!(name, 's' | 'S' | 'W' | 'D');
                    in_property = matches!(name, 'p' | 'P');
                }
                None => text.push('\\'),
            },
            '-' if depth > 0 && was_after_class => text.push_str("\\-"),
            '}' => {
                text.push('}');
                after_class = std::mem::take(&mut in_property);
            }
            '[' => {
                depth += 1;
                text.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    text.push('^');
                }
                if rest.next_if_eq(&']').is_some() {
                    text.push_str("\\]");
                }
            }
            ']' => {
                depth = depth.saturating_sub(1);
                text.push(']');
                after_class = depth > 0;
            }
            c => text.push(c),
        }
    }
    text
}

const POSIX: [&str; 13] = [
    "Alpha", "Digit", "Alnum", "Upper", "Lower", "Punct", "Graph", "Print", "Blank", "Cntrl", "Space", "ASCII",
    "XDigit",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::aws::{Models, ShapeKind};

    #[test]
    fn a_pattern_without_anchors_must_match_the_whole_text() {
        assert_eq!(matches("[a-z]+", "abc"), Some(true));
        assert_eq!(matches("[a-z]+", "abc1"), Some(false));
        assert_eq!(matches("a|b", "ab"), Some(false));
        assert_eq!(matches("^arn:aws", "arn:aws:s3:::x"), Some(true));
        assert_eq!(matches(r"\d{12}", "123456789012"), Some(true));
        assert_eq!(matches(r"\d{12}", "12345678901٢"), Some(false));
        assert_eq!(matches(".*", "two\nlines"), Some(true));
        assert_eq!(matches(r"[\w-/]+", "a-/b"), Some(true));
        assert_eq!(matches(r"[\p{Alpha}-_]+", "a-b_"), Some(true));
        assert_eq!(
            matches("[\\u0020-\\uD7FF\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF\\r\\n\\t]*", "a😀\n"),
            Some(true)
        );
        assert_eq!(matches("(", "("), None);
        assert_eq!(matches(r".*\\S.*", "x"), None);
    }

    #[test]
    fn a_pattern_that_explodes_is_given_up() {
        let started = std::time::Instant::now();
        let _ = matches(r"^(?!x)(a+)+(?<=b)$", &"a".repeat(40));
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
    }

    #[test]
    fn nearly_all_patterns_of_all_models_can_be_used() {
        let models = Models::embedded().unwrap();
        let mut patterns = BTreeSet::new();
        for name in models.services() {
            let service = models.service(name).unwrap();
            for shape in service.shape_names() {
                if let ShapeKind::String { pattern: Some(pattern), .. } = &service.shape(shape).unwrap().kind {
                    patterns.insert(pattern.clone());
                }
            }
        }
        let unusable: Vec<&str> =
            patterns.iter().map(String::as_str).filter(|pattern| compile(pattern).is_none()).collect();
        assert!(patterns.len() > 4_500, "{}", patterns.len());
        insta::assert_snapshot!("unusable_patterns", unusable.join("\n"));
    }
}
