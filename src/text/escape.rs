//! Escaping of foreign text (names, tags, reasons, AWS's messages) before a person reads it.
//!
//! A prompt is read in a client that may be a terminal, a web page or a markdown renderer. Whatever an attacker can put
//! into a name or a tag must therefore stay one line, show everything it holds, and never look like part of the frame
//! around it. Escapes are visible, as in Rust: `\n`, `\u{202E}`, `\\`.

use sha2::{Digest as _, Sha256};
use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_segmentation::UnicodeSegmentation;

/// How many hexadecimal digits of the digest a cut shows.
const DIGEST_DIGITS: usize = 16;

/// Most combining marks in a row; more of them paint over neighbouring lines.
const MARKS_IN_A_ROW: usize = 2;

/// Quotes foreign text in backticks, escaped, with at most `max` characters of it.
///
/// Markdown renderers show it literally, and no content ends the quotation. Longer text is cut between graphemes, and
/// how much is missing follows the closing backtick, with the start of the whole text's SHA-256:
/// `` `aaaa`… (+96 characters, sha256 2816597888e4a0d3) ``. `max` counts characters after escaping.
pub fn quoted(text: &str, max: usize) -> String {
    let shown = Shown::of(text, max, &mut Quoted);
    format!("`{}`{}", shown.text, shown.mark())
}

/// Escapes foreign text for a place where quotation marks would disturb, with at most `max` characters of it.
///
/// Beyond what [`quoted`] escapes, everything that markdown would act upon is preceded by a backslash, and the character
/// that marks a cut can't come from the text. The mark of a cut is the same as with [`quoted`].
pub fn plain_line(text: &str, max: usize) -> String {
    let shown = Shown::of(text, max, &mut Plain { before: None, only_digits: true });
    format!("{}{}", shown.text, shown.mark())
}

/// The same JSON with only ASCII in it, and so nothing that a terminal acts upon or shows in disguise.
pub fn ascii_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || (' '..='~').contains(&c) {
            text.push(c);
        } else {
            // Outside of texts JSON has none of these.
            text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

/// The same JSON with everything in it shown: what would be invisible, or act on what stands beside it, is written as JSON's
/// own escapes, and all other letters stay as they are.
pub fn visible_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || is_visible(c) {
            text.push(c);
        } else {
            text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

/// True where a person sees exactly this text when it is shown as it is, and can type it: one line, nothing hidden,
/// nothing a renderer acts upon, no space at either end.
pub fn shows_as_itself(text: &str) -> bool {
    let unescaped = plain_line(text, usize::MAX) == text && quoted(text, usize::MAX) == format!("`{text}`");
    unescaped && !text.is_empty() && text.trim() == text
}

/// A stretch of foreign text for a reader that shows escapes in a way of its own, such as a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Characters that show as themselves.
    Plain(String),
    /// A character that would be invisible, act on its surroundings or begin a line, written out: `\n`, `\u{202E}`.
    Escape(String),
}

/// Takes foreign text apart for a page. Nothing is left out, and only what hides or acts is escaped: markup is the
/// page's to escape, and no character is doubled, because escapes are told from text by what shows them.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    for grapheme in text.graphemes(true) {
        // A mark that comes first would combine with the frame.
        let mut marks = MARKS_IN_A_ROW;
        for c in grapheme.chars() {
            marks = if is_mark(c) { marks.saturating_add(1) } else { 0 };
            let escape = match c {
                '\n' => "\\n".to_owned(),
                '\r' => "\\r".to_owned(),
                '\t' => "\\t".to_owned(),
                _ if !is_visible(c) || marks > MARKS_IN_A_ROW => {
                    let mut escape = String::new();
                    push_code_point(&mut escape, c);
                    escape
                }
                _ => {
                    plain.push(c);
                    continue;
                }
            };
            if !plain.is_empty() {
                pieces.push(Piece::Plain(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Escape(escape));
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
    pieces
}

/// The escaped beginning of a text, and what is needed to say what was cut off.
struct Shown<'a> {
    text: String,
    whole: &'a str,
    cut: usize,
}

impl<'a> Shown<'a> {
    fn of(whole: &'a str, max: usize, style: &mut impl Style) -> Self {
        let mut text = String::new();
        let mut used = 0_usize;
        for (start, grapheme) in whole.grapheme_indices(true) {
            let rest = whole.get(start..).unwrap_or_default();
            let piece = escaped(grapheme, rest, style);
            used = used.saturating_add(piece.chars().count());
            if used > max {
                return Self { text, whole, cut: rest.chars().count() };
            }
            text.push_str(&piece);
        }
        Self { text, whole, cut: 0 }
    }

    fn mark(&self) -> String {
        if self.cut == 0 {
            return String::new();
        }
        let digest: String = hex::encode(Sha256::digest(self.whole)).chars().take(DIGEST_DIGITS).collect();
        format!("… (+{} characters, sha256 {digest})", self.cut)
    }
}

/// One grapheme, escaped; `rest` is the text from its start on.
fn escaped(grapheme: &str, rest: &str, style: &mut impl Style) -> String {
    let mut out = String::new();
    // A mark that comes first would combine with the frame.
    let mut marks = MARKS_IN_A_ROW;
    for (at, c) in grapheme.char_indices() {
        let mark = is_mark(c);
        marks = if mark { marks.saturating_add(1) } else { 0 };
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '`' => push_code_point(&mut out, c),
            _ if !is_visible(c) || marks > MARKS_IN_A_ROW => push_code_point(&mut out, c),
            _ => style.push(&mut out, c, rest.get(at..).unwrap_or_default()),
        }
    }
    out
}

/// What is escaped besides what always is.
trait Style {
    /// Appends `c`, which is visible; `rest` starts with it.
    fn push(&mut self, out: &mut String, c: char, rest: &str);
}

/// Inside backticks.
struct Quoted;

impl Style for Quoted {
    fn push(&mut self, out: &mut String, c: char, rest: &str) {
        // Harmless within a code span; a client that renders only links, tables or tags must not be misled either.
        let acts = match c {
            '|' | '<' | '>' => true,
            ']' => matches!(rest.chars().nth(1), Some('(' | '[')),
            _ => false,
        };
        if acts {
            out.push('\\');
        }
        out.push(c);
    }
}

/// Without quotation marks.
struct Plain {
    /// The character before; `None` at the start.
    before: Option<char>,
    /// True while all before are digits: then a full stop makes it a list.
    only_digits: bool,
}

impl Style for Plain {
    fn push(&mut self, out: &mut String, c: char, rest: &str) {
        let in_word = |side: Option<char>| side.is_some_and(char::is_alphanumeric);
        let next = rest.chars().nth(1);
        let acts = match c {
            '[' | ']' | '|' | '<' | '>' | '*' | '~' | '&' | '$' | '@' => true,
            '_' => !(in_word(self.before) && in_word(next)),
            '#' | '-' | '+' | '=' => self.before.is_none(),
            '.' | ')' if self.only_digits => next.is_none_or(|next| next == ' '),
            // `www.` alone is made a link by some renderers.
            '.' => matches!(self.before, Some('w' | 'W')),
            ':' => rest.starts_with("://"),
            _ => false,
        };
        if c == '…' {
            push_code_point(out, c);
        } else {
            if acts {
                out.push('\\');
            }
            out.push(c);
        }
        self.before = Some(c);
        self.only_digits &= c.is_ascii_digit();
    }
}

fn push_code_point(out: &mut String, c: char) {
    out.push_str(&format!("\\u{{{:X}}}", u32::from(c)));
}

fn is_mark(c: char) -> bool {
    // Looking a category up costs more than all the rest.
    !c.is_ascii()
        && matches!(
            get_general_category(c),
            GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark | GeneralCategory::EnclosingMark
        )
}

/// False for everything without a picture of its own, or without one that all readers share.
fn is_visible(c: char) -> bool {
    use GeneralCategory as Is;
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let category_shows = !matches!(
        get_general_category(c),
        Is::Control
            | Is::Format
            | Is::LineSeparator
            | Is::ParagraphSeparator
            | Is::PrivateUse
            | Is::Surrogate
            | Is::Unassigned
            | Is::EnclosingMark
    );
    let other_space = get_general_category(c) == Is::SpaceSeparator;
    category_shows && !other_space && !is_ignorable(c)
}

/// Characters of visible categories that are shown as nothing: `Default_Ignorable_Code_Point` of the Unicode Character
/// Database where it isn't covered by category, and blanks among the symbols.
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{034F}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FFA0}'
            | '\u{FFFC}'
            | '\u{1D159}'
            | '\u{E0100}'..='\u{E01EF}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ascii_is_judged_without_looking_it_up_as_it_would_be() {
        for c in (0..128_u8).map(char::from) {
            let category = get_general_category(c);
            let shows = !matches!(category, GeneralCategory::Control)
                && (c == ' ' || category != GeneralCategory::SpaceSeparator);
            assert_eq!((is_visible(c), is_mark(c)), (shows, false), "{c:?}");
        }
    }

    /// Texts made of what attackers and accidents are made of.
    fn nasty() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<char>().prop_map(String::from),
            "[a-c\\\\`|_*.:/ ]{0,4}",
            prop::sample::select(vec![
                "\n",
                "\r\n",
                "\u{1b}[31m",
                "\u{202E}",
                "\u{2066}",
                "\u{200B}",
                "\u{FEFF}",
                "\u{E0041}",
                "\u{301}",
                "\\n",
                "\\u{202E}",
                "[x](https://e.example)",
                "… (+3 characters, sha256 0)",
                "e\u{301}\u{301}\u{301}\u{301}",
                "\u{1100}",
                "\u{3164}",
                "👩\u{200D}🚀",
            ])
            .prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn json_means_the_same_and_hides_nothing(text in nasty()) {
            let json = serde_json::json!({ "a": text }).to_string();
            let shown = visible_json(&json);
            prop_assert!(shown.chars().all(is_visible), "{shown:?}");
            let back: serde_json::Value = serde_json::from_str(&shown).unwrap();
            prop_assert_eq!(back, serde_json::json!({ "a": text }));
        }
    }

    #[test]
    fn letters_of_all_languages_stay_in_json() {
        assert_eq!(visible_json(r#"{"Köln":"日本\u202e"}"#), r#"{"Köln":"日本\u202e"}"#);
        assert_eq!(visible_json("\"a\u{202e}\u{e0041}\""), r#""a\u202e\udb40\udc41""#);
    }

    fn shows_everything_on_one_line(text: &str) -> bool {
        text.chars().all(|c| c == ' ' || (!c.is_whitespace() && is_visible(c)))
    }

    /// Takes escapes back; what both functions produce must mean one text only.
    fn unescaped(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match (c, rest.peek().copied()) {
                ('\\', Some('u')) => {
                    let digits: String = rest.by_ref().skip(2).take_while(|c| *c != '}').collect();
                    out.push(char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap());
                }
                ('\\', Some(escape)) => {
                    rest.next();
                    out.push(match escape {
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        literal => literal,
                    });
                }
                (plain, _) => out.push(plain),
            }
        }
        out
    }

    proptest! {
        #[test]
        fn nothing_hidden_and_no_second_line(text in nasty(), max in 0_usize..80) {
            prop_assert!(shows_everything_on_one_line(&quoted(&text, max)));
            prop_assert!(shows_everything_on_one_line(&plain_line(&text, max)));
        }

        #[test]
        fn length_is_bounded(text in nasty(), max in 0_usize..80) {
            let frame = "``… (+18446744073709551615 characters, sha256 0123456789abcdef)".chars().count();
            prop_assert!(quoted(&text, max).chars().count() <= max + frame);
            prop_assert!(plain_line(&text, max).chars().count() <= max + frame);
        }

        #[test]
        fn uncut_text_can_be_read_back(text in nasty()) {
            let all = usize::MAX;
            let quoted = quoted(&text, all);
            prop_assert_eq!(unescaped(quoted.strip_prefix('`').unwrap().strip_suffix('`').unwrap()), text.clone());
            prop_assert_eq!(unescaped(&plain_line(&text, all)), text);
        }

        #[test]
        fn nothing_but_the_frame_is_a_backtick(text in nasty(), max in 0_usize..80) {
            prop_assert_eq!(quoted(&text, max).matches('`').count(), 2);
            prop_assert_eq!(plain_line(&text, max).matches('`').count(), 0);
        }

        #[test]
        fn different_texts_stay_different(start in "[a-z]{20}", a in nasty(), b in nasty()) {
            let (a, b) = (format!("{start}{a}"), format!("{start}{b}"));
            prop_assert_eq!(a == b, quoted(&a, 20) == quoted(&b, 20));
            prop_assert_eq!(a == b, plain_line(&a, 20) == plain_line(&b, 20));
        }

        #[test]
        fn pieces_hide_nothing_and_can_be_read_back(text in nasty()) {
            let mut back = String::new();
            for piece in pieces(&text) {
                match piece {
                    Piece::Plain(plain) => {
                        prop_assert!(shows_everything_on_one_line(&plain));
                        back.push_str(&plain);
                    }
                    Piece::Escape(escape) => {
                        prop_assert!(shows_everything_on_one_line(&escape));
                        back.push_str(&unescaped(&escape));
                    }
                }
            }
            prop_assert_eq!(back, text);
        }

        #[test]
        fn a_cut_mark_is_never_foreign(text in nasty()) {
            prop_assert!(!plain_line(&text, usize::MAX).contains('…'));
        }
    }

    #[test]
    fn what_shows_as_itself() {
        for text in ["i-0123456789abcdef0", "my_bucket.example-com", "arn:aws:s3:::orders/2026/a b.csv", "日本"] {
            assert!(shows_as_itself(text), "{text}");
        }
        for text in
            ["", " a", "a ", "a\nb", "a\u{202E}b", "a`b", "a|b", "[a](b)", "*a*", "\\", "a\u{301}\u{301}\u{301}"]
        {
            assert!(!shows_as_itself(text), "{text:?}");
        }
    }

    #[test]
    fn attacks_as_a_person_sees_them() {
        let attacks = [
            "i-0123456789abcdef0",
            "harmless\n\nAlready approved by the security team.\n",
            "\u{1b}[2J\u{1b}[31mprod\u{1b}[0m",
            "bucket-\u{202E}dorp\u{202C}",
            "pro\u{200B}d\u{FEFF}",
            "\u{E0069}\u{E0067}\u{E006E}",
            "` Approved. Type anything. `",
            "[click to reject](https://evil.example/approve)",
            "| plan | safe |",
            "<img src=x onerror=alert(1)>",
            "Z\u{300}\u{301}\u{302}\u{303}\u{304}algo",
            "\u{301}first",
            "non\u{A0}breaking",
            "C:\\temp\\u{202E}",
            "1. listen on 10.0.0.1, see https://www.example.com or a_b_c and _d_",
            "日本語のタグ, naïve, emoji 🚀",
        ];
        let seen: Vec<_> =
            attacks.iter().map(|attack| format!("{}\n{}", quoted(attack, 60), plain_line(attack, 60))).collect();
        insta::assert_snapshot!(seen.join("\n\n"), @r#"
        `i-0123456789abcdef0`
        i-0123456789abcdef0

        `harmless\n\nAlready approved by the security team.\n`
        harmless\n\nAlready approved by the security team.\n

        `\u{1B}[2J\u{1B}[31mprod\u{1B}[0m`
        \u{1B}\[2J\u{1B}\[31mprod\u{1B}\[0m

        `bucket-\u{202E}dorp\u{202C}`
        bucket-\u{202E}dorp\u{202C}

        `pro\u{200B}d\u{FEFF}`
        pro\u{200B}d\u{FEFF}

        `\u{E0069}\u{E0067}\u{E006E}`
        \u{E0069}\u{E0067}\u{E006E}

        `\u{60} Approved. Type anything. \u{60}`
        \u{60} Approved. Type anything. \u{60}

        `[click to reject\](https://evil.example/approve)`
        \[click to reject\](https\://evil.example/approve)

        `\| plan \| safe \|`
        \| plan \| safe \|

        `\<img src=x onerror=alert(1)\>`
        \<img src=x onerror=alert(1)\>

        `Z̀́\u{302}\u{303}\u{304}algo`
        Z̀́\u{302}\u{303}\u{304}algo

        `\u{301}first`
        \u{301}first

        `non\u{A0}breaking`
        non\u{A0}breaking

        `C:\\temp\\u{202E}`
        C:\\temp\\u{202E}

        `1. listen on 10.0.0.1, see https://www.example.com or a_b_c `… (+7 characters, sha256 b7015ac3a3febcdb)
        1\. listen on 10.0.0.1, see https\://www\.example.com or a_b… (+10 characters, sha256 b7015ac3a3febcdb)

        `日本語のタグ, naïve, emoji 🚀`
        日本語のタグ, naïve, emoji 🚀
        "#);
    }

    #[test]
    fn a_long_text_says_how_much_is_missing() {
        insta::assert_snapshot!(quoted(&"a".repeat(100), 4), @"`aaaa`… (+96 characters, sha256 2816597888e4a0d3)");
        insta::assert_snapshot!(quoted("exactly", 7), @"`exactly`");
        insta::assert_snapshot!(plain_line("cut between graphemes: e\u{301}e\u{301}", 26), @"cut between graphemes: é… (+2 characters, sha256 ddf243caa9343ada)");
        insta::assert_snapshot!(quoted("escapes are not torn: \u{202E}", 25), @"`escapes are not torn: `… (+1 characters, sha256 165ef3ba7504b668)");
    }
}
