//! Patterns of IAM: `*` stands for any text, `?` for one character.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html>

/// True where a pattern matches all that `text` matches; `text` may be a pattern itself. Never true by mistake.
pub fn covers(pattern: &str, text: &str) -> bool {
    // Most patterns are plain, or end with their only wildcard.
    let plain = |text: &str| !text.contains(['*', '?']);
    match pattern.strip_suffix('*') {
        Some(beginning) if plain(beginning) => return text.starts_with(beginning),
        None if plain(pattern) => return pattern == text,
        _ => {}
    }
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Reachable prefixes of the pattern, after each character of the text.
    let mut reached = vec![false; pattern.len() + 1];
    let step_over = |reached: &mut Vec<bool>| {
        for (at, sign) in pattern.iter().enumerate() {
            if *sign == '*' && reached.get(at) == Some(&true) {
                set(reached, at + 1);
            }
        }
    };
    set(&mut reached, 0);
    step_over(&mut reached);
    for c in text {
        let mut next = vec![false; pattern.len() + 1];
        for (at, sign) in pattern.iter().enumerate().filter(|(at, _)| reached.get(*at) == Some(&true)) {
            match sign {
                '*' => set(&mut next, at),
                '?' if c != '*' => set(&mut next, at + 1),
                sign if *sign == c && c != '*' => set(&mut next, at + 1),
                _ => {}
            }
        }
        step_over(&mut next);
        reached = next;
    }
    reached.last() == Some(&true)
}

/// True where some text is matched by both patterns. Never false by mistake.
pub fn meets(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // Whether what is left of both meets, from the ends on: a row for each beginning of `one`.
    let ends = |rest: &[char]| rest.iter().all(|c| *c == '*');
    let mut below: Vec<bool> = (0..=other.len()).map(|at| ends(other.get(at..).unwrap_or_default())).collect();
    for (at, sign) in one.iter().enumerate().rev() {
        let mut row = vec![false; other.len() + 1];
        set_to(&mut row, other.len(), ends(one.get(at..).unwrap_or_default()));
        for (of, other) in other.iter().enumerate().rev() {
            let is = |row: &[bool], at: usize| row.get(at) == Some(&true);
            let met = match (sign, other) {
                // either stands for nothing, or for one more character of the other's
                ('*', _) | (_, '*') => is(&below, of) || is(&row, of + 1),
                ('?', _) | (_, '?') => is(&below, of + 1),
                (one, other) => one == other && is(&below, of + 1),
            };
            set_to(&mut row, of, met);
        }
        below = row;
    }
    below.first() == Some(&true)
}

/// As [`covers`], for actions, which IAM compares without regard to case.
pub fn covers_action(pattern: &str, action: &str) -> bool {
    covers(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

fn set_to(row: &mut [bool], at: usize, to: bool) {
    if let Some(place) = row.get_mut(at) {
        *place = to;
    }
}

fn set(reached: &mut [bool], at: usize) {
    if let Some(place) = reached.get_mut(at) {
        *place = true;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_cover_texts_and_narrower_patterns() {
        for (pattern, text, wanted) in [
            ("*", "", true),
            ("*", "a*b?", true),
            ("a*", "a", true),
            ("a*", "ab*", true),
            ("a?c", "abc", true),
            ("a?c", "a?c", true),
            ("a?c", "a*c", false),
            ("abc", "a?c", false),
            ("a*c", "a*b*c", true),
            ("a*b", "a*", false),
            ("a**", "a", true),
            ("", "", true),
            ("", "a", false),
            ("arn:aws:s3:::*", "arn:aws:s3:::b/*", true),
            ("arn:aws:s3:::b", "arn:aws:s3:::B", false),
        ] {
            assert_eq!(covers(pattern, text), wanted, "{pattern} {text}");
        }
        assert!(covers_action("EC2:describe*", "ec2:DescribeVpcs"));
    }

    #[test]
    fn patterns_meet_where_a_text_matches_both() {
        for (one, other, wanted) in [
            ("a*", "*b", true),
            ("a*", "b*", false),
            ("a?", "a", false),
            ("a*", "a", true),
            ("?", "*", true),
            ("", "*", true),
            ("", "?", false),
            ("arn:aws:s3:::a*", "arn:aws:s3:::*z", true),
            ("a*c", "ab", false),
        ] {
            assert_eq!(meets(one, other), wanted, "{one} {other}");
            assert_eq!(meets(other, one), wanted, "{other} {one}");
        }
    }

    proptest! {
        #[test]
        fn what_both_match_they_meet_in(a in "[ab*?]{0,5}", b in "[ab*?]{0,5}", text in "[ab]{0,6}") {
            if covers(&a, &text) && covers(&b, &text) {
                prop_assert!(meets(&a, &b));
            }
            if !a.contains(['*', '?']) {
                prop_assert_eq!(meets(&a, &b), covers(&b, &a));
            }
        }

        #[test]
        fn what_a_covered_pattern_matches_the_pattern_matches(a in "[ab*?]{0,6}", b in "[ab*?]{0,6}", text in "[ab]{0,8}") {
            if covers(&a, &b) && covers(&b, &text) {
                prop_assert!(covers(&a, &text));
            }
        }

        #[test]
        fn every_pattern_covers_itself(a in "[ab*?]{0,8}") {
            prop_assert!(covers(&a, &a));
        }
    }
}
