//! Words, times, badges, and foreign text as the pages show them.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation;

use crate::names::{Effect, Stage};
use crate::plan::filed::PlanState;
use crate::text::escape::{Piece, pieces};

/// Characters of a name, such as a person's or an agent's.
pub(crate) const NAME: usize = 60;
/// Characters of one line of anything.
pub(crate) const LINE: usize = 200;

/// Foreign text that people wrote: shown in its own direction, set apart from the page's words, cut at `max` characters
/// with a way to see all of it. For places that take blocks.
pub(crate) fn prose(text: &str, max: usize) -> Markup {
    unfold(text, max, &|part| html! { bdi.foreign { (escaped(part)) } })
}

/// Foreign text that programs wrote, such as an ARN: shown in the order it is stored, letter by letter. For places that
/// take blocks.
pub(crate) fn code(text: &str, max: usize) -> Markup {
    unfold(text, max, &code_part)
}

/// The same on one line, for headings and links: what is cut is said, and not shown.
pub(crate) fn code_line(text: &str, max: usize) -> Markup {
    let (start, cut) = beginning(text, max);
    html! { (code_part(start)) (more(cut)) }
}

/// People's text on one line, for headings and links.
pub(crate) fn prose_line(text: &str, max: usize) -> Markup {
    let (start, cut) = beginning(text, max);
    html! { bdi.foreign { (escaped(start)) } (more(cut)) }
}

/// The name of a person, agent, group or client.
pub(crate) fn name(text: &str) -> Markup {
    let (start, cut) = beginning(text, NAME);
    html! { bdi.name { (escaped(start)) } (more(cut)) }
}

/// A value of the plan, pretty-printed; every string in it is escaped.
pub(crate) fn json(value: &Value) -> Markup {
    let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
    // JSON writes line ends within strings as escapes: those that are there are the printer's.
    rows(text.lines())
}

/// Text in rows, as a listing; everything in a row that acts is escaped.
pub(crate) fn rows<'a>(rows: impl Iterator<Item = &'a str>) -> Markup {
    html! {
        pre.listing tabindex="0" {
            @for row in rows { span.row { (escaped(row)) } "\n" }
        }
    }
}

/// A value on one line.
pub(crate) fn value(value: &Value, max: usize) -> Markup {
    match value {
        Value::String(text) if !text.is_empty() => code(text, max),
        other => code(&other.to_string(), max),
    }
}

fn code_part(part: &str) -> Markup {
    html! { code.foreign { (escaped(part)) } }
}

fn unfold(text: &str, max: usize, show: &dyn Fn(&str) -> Markup) -> Markup {
    let (start, cut) = beginning(text, max);
    if cut == 0 {
        return show(text);
    }
    html! {
        details.long {
            summary { (show(start)) span.cut { "… show all " (grouped(text.chars().count())) " characters" } }
            div.all { (show(text)) }
        }
    }
}

/// The first `max` characters, ending with a grapheme, and how many are missing.
fn beginning(text: &str, max: usize) -> (&str, usize) {
    let mut used = 0_usize;
    for (at, grapheme) in text.grapheme_indices(true) {
        used = used.saturating_add(grapheme.chars().count());
        if used > max {
            let rest = text.get(at..).map_or(0, |rest| rest.chars().count());
            return (text.get(..at).unwrap_or_default(), rest);
        }
    }
    (text, 0)
}

fn more(cut: usize) -> Markup {
    html! { @if cut > 0 { span.cut { "… +" (grouped(cut)) " characters" } } }
}

/// Foreign text with what hides or acts in it written out and marked.
pub(crate) fn escaped(text: &str) -> Markup {
    html! {
        @for piece in pieces(text) {
            @match piece {
                Piece::Plain(text) => (text),
                Piece::Escape(escape) => span.escape { (escape) },
            }
        }
    }
}

/// A point in time, in UTC.
pub(crate) fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(format!("{at:.0}")) { (at.strftime("%-d %b %Y, %H:%M UTC")) } }
}

/// The same for a day that is clear: the time only.
pub(crate) fn clock(at: Timestamp) -> Markup {
    html! { time datetime=(format!("{at:.0}")) { (at.strftime("%H:%M:%S")) } }
}

/// How long something is good for; the script counts on.
pub(crate) fn left(until: Timestamp, now: Timestamp) -> Markup {
    html! {
        time.left data-until=(until.as_millisecond()) data-now=(now.as_millisecond()) datetime=(format!("{until:.0}")) {
            (span(until.duration_since(now)))
        }
    }
}

/// A span of time in its two largest units.
pub(crate) fn span(span: SignedDuration) -> String {
    let minutes = span.as_mins();
    match (minutes, minutes / 60, minutes / 1440) {
        (..0, ..) => "0 min".to_owned(),
        (0, ..) => format!("{} s", span.as_secs().max(0)),
        (_, 0, _) => format!("{minutes} min"),
        (_, hours, 0) => format!("{hours} h {} min", minutes % 60),
        (_, hours, days) => format!("{days} d {} h", hours % 24),
    }
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 person`, `2 people`.
pub(crate) fn count(number: usize, one: &str, several: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { several })
}

/// What an account or a target is used for; production can't be overlooked.
pub(crate) fn stage(stage: Stage) -> Markup {
    html! { span class={ "tag stage-" (stage) } { (stage.loud()) } }
}

/// How much harm it can do. The sign says the same as the colour.
pub(crate) fn effect(effect: Effect) -> Markup {
    let sign = match effect {
        Effect::Read => "○",
        Effect::Secret => "◇",
        Effect::Write => "△",
        Effect::Destructive => "▲",
        Effect::Irreversible => "⬣",
    };
    html! { span class={ "tag effect-" (effect) } { span.sign aria-hidden="true" { (sign) } (effect.word()) } }
}

/// What has become of a plan, as a badge.
pub(crate) fn state(state: PlanState) -> Markup {
    html! { span class={ "tag state-" (state) } { (state_word(state)) } }
}

/// What has become of a plan, in words.
pub(crate) fn state_word(state: PlanState) -> &'static str {
    match state {
        PlanState::Open => "waiting",
        PlanState::Applying => "being applied",
        PlanState::Applied => "applied",
        PlanState::Failed => "failed",
        PlanState::Unknown => "outcome unknown",
        PlanState::Expired => "expired",
        PlanState::Rejected => "rejected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_written_out_and_markup_is_text() {
        let text = prose("a\u{202e}b\n<script>x</script>\u{200b}", 100).into_string();
        insta::assert_snapshot!(text, @r#"<bdi class="foreign">a<span class="escape">\u{202E}</span>b<span class="escape">\n</span>&lt;script&gt;x&lt;/script&gt;<span class="escape">\u{200B}</span></bdi>"#);
    }

    #[test]
    fn long_text_says_its_length_and_can_be_seen() {
        let text = code(&"a".repeat(1234), 4).into_string();
        assert!(text.contains("show all 1,234 characters") && text.contains(&"a".repeat(1234)), "{text}");
        assert_eq!(
            code_line("abcdef", 4).into_string(),
            "<code class=\"foreign\">abcd</code><span class=\"cut\">… +2 characters</span>"
        );
    }

    #[test]
    fn a_cut_does_not_tear_a_character() {
        assert_eq!(beginning("ae\u{301}\u{301}b", 2), ("a", 4));
        assert_eq!(beginning("", 0), ("", 0));
    }

    #[test]
    fn spans_have_two_units_at_most() {
        let say = |seconds| span(SignedDuration::from_secs(seconds));
        assert_eq!([say(-5), say(9), say(61), say(7260), say(90_000)], ["0 s", "9 s", "1 min", "2 h 1 min", "1 d 1 h"]);
    }
}
