//! Spans of the week as people write them: `Mon-Thu 09:00-16:00`, `Sat-Sun`, `Fri 12:00 - Mon 08:00`.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{DateTime, Weekday};

use crate::text::escape::quoted;

/// Minutes of a day.
pub(super) const DAY: u16 = 24 * 60;

const WEEK: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

/// Hours of some days of every week, or one stretch of every week. Read off the clock on the wall; the end is not part of
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeeklySpan(Form);

/// Times are minutes of their day; an end may be 24:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The same hours of each day from `first` to `last`. Where `to` is not after `from`, they run into the next day.
    Each { first: Weekday, last: Weekday, from: u16, to: u16 },
    /// From one time of the week to another, over days.
    Through { from: (Weekday, u16), to: (Weekday, u16) },
}

/// A text that is not a span or a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotASpan {
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub mend: String,
}

impl WeeklySpan {
    /// True where a time of the wall clock lies within it.
    pub fn contains(&self, wall: DateTime) -> bool {
        let (today, now) = (wall.weekday(), minute_of_day(wall));
        match self.0 {
            Form::Each { first, last, from, to } if from < to => {
                between(first, today, last) && (from..to).contains(&now)
            }
            Form::Each { first, last, from, to } => {
                let yesterday = today.previous();
                (between(first, today, last) && now >= from) || (between(first, yesterday, last) && now < to)
            }
            Form::Through { from, to } => {
                let (from, to, now) = (minute_of_week(from), minute_of_week(to), minute_of_week((today, now)));
                if from < to { (from..to).contains(&now) } else { now >= from || now < to }
            }
        }
    }

    /// The minutes of the day at which it begins or ends.
    pub(super) fn edges(&self) -> [u16; 2] {
        match self.0 {
            Form::Each { from, to, .. } => [from, to],
            Form::Through { from, to } => [from.1, to.1],
        }
    }
}

impl FromStr for WeeklySpan {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        use Token::{Dash, Day, Time};
        let form = match tokens(text)?.as_slice() {
            [Day(day)] => each(*day, *day, 0, DAY),
            [Day(first), Dash, Day(last)] => each(*first, *last, 0, DAY),
            [Day(day), Time(from), Dash, Time(to)] => each(*day, *day, *from, *to),
            [Day(first), Dash, Day(last), Time(from), Dash, Time(to)] => each(*first, *last, *from, *to),
            [Day(first), Time(from), Dash, Day(last), Time(to)] => through((*first, *from), (*last, *to)),
            _ => Err(not_a_span(format!("{} is not a span of the week", quoted(text, 60)))),
        };
        form.map(Self)
    }
}

impl fmt::Display for WeeklySpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        match self.0 {
            Form::Each { first, last, from, to } => {
                f.write_str(word(first))?;
                if first != last {
                    write!(f, "-{}", word(last))?;
                }
                if (from, to) != (0, DAY) {
                    write!(f, " {}-{}", time(from), time(to))?;
                }
                Ok(())
            }
            Form::Through { from, to } => {
                write!(f, "{} {} - {} {}", word(from.0), time(from.1), word(to.0), time(to.1))
            }
        }
    }
}

fn each(first: Weekday, last: Weekday, from: u16, to: u16) -> Result<Form, NotASpan> {
    if from == DAY {
        return Err(begins_at_24());
    }
    if from == to {
        return Err(not_a_span("a span that ends when it begins holds nothing".to_owned()));
    }
    Ok(Form::Each { first, last, from, to })
}

fn through(from: (Weekday, u16), to: (Weekday, u16)) -> Result<Form, NotASpan> {
    if from.1 == DAY {
        return Err(begins_at_24());
    }
    if minute_of_week(from) == minute_of_week(to) {
        return Err(not_a_span("a span that ends when it begins holds nothing".to_owned()));
    }
    Ok(Form::Through { from, to })
}

fn begins_at_24() -> NotASpan {
    let mend = "begin at `00:00` of the next day";
    NotASpan { message: "a span can end at `24:00`, not begin".to_owned(), mend: mend.to_owned() }
}

fn not_a_span(message: String) -> NotASpan {
    NotASpan { message, mend: "write `Mon-Thu 09:00-16:00`, `Sat-Sun` or `Fri 12:00 - Mon 08:00`".to_owned() }
}

#[derive(Clone, Copy, Debug)]
enum Token {
    Day(Weekday),
    Time(u16),
    Dash,
}

fn tokens(text: &str) -> Result<Vec<Token>, NotASpan> {
    let mut tokens = Vec::new();
    for chunk in text.split_whitespace() {
        for (index, word) in chunk.split('-').enumerate() {
            if index > 0 {
                tokens.push(Token::Dash);
            }
            if !word.is_empty() {
                tokens.push(token(word)?);
            }
        }
    }
    Ok(tokens)
}

fn token(text: &str) -> Result<Token, NotASpan> {
    if let Some((_, day)) = WEEK.iter().find(|(word, _)| *word == text) {
        return Ok(Token::Day(*day));
    }
    if text.contains(':') {
        return time(text).map(Token::Time);
    }
    let days = WEEK.map(|(word, _)| format!("`{word}`")).join(", ");
    let meant = WEEK.iter().find(|(word, _)| {
        text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(word))
            && text.bytes().all(|b| b.is_ascii_alphabetic())
    });
    let mend = match meant {
        Some((word, _)) => format!("did you mean `{word}`?"),
        None => format!("days are {days}, times such as `09:00`"),
    };
    Err(NotASpan { message: format!("{} is neither a day nor a time", quoted(text, 40)), mend })
}

fn time(text: &str) -> Result<u16, NotASpan> {
    let number = |digits: &str| match digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()) {
        true => digits.parse::<u16>().ok(),
        false => None,
    };
    let read = text.split_once(':').and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)));
    match read {
        Some((hour, minute)) if minute < 60 && (hour < 24 || (hour, minute) == (24, 0)) => Ok(hour * 60 + minute),
        _ => Err(NotASpan {
            message: format!("{} is not a time of the day", quoted(text, 40)),
            mend: "write hours and minutes with two digits each, `00:00` to `24:00`".to_owned(),
        }),
    }
}

/// True where a day is `first`, `last` or one in between; `Sat` to `Mon` goes over the end of the week.
fn between(first: Weekday, day: Weekday, last: Weekday) -> bool {
    let after_first = |day: Weekday| (day.to_monday_zero_offset() - first.to_monday_zero_offset()).rem_euclid(7);
    after_first(day) <= after_first(last)
}

fn minute_of_day(wall: DateTime) -> u16 {
    u16::from(wall.hour().unsigned_abs()) * 60 + u16::from(wall.minute().unsigned_abs())
}

fn minute_of_week((day, minute): (Weekday, u16)) -> u16 {
    u16::from(day.to_monday_zero_offset().unsigned_abs()) * DAY + minute
}

fn word(day: Weekday) -> &'static str {
    WEEK.iter().find(|(_, known)| *known == day).map_or("", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(text: &str) -> WeeklySpan {
        text.parse().unwrap()
    }

    /// 2026-06-01 is a Monday.
    fn wall(day: i8, hour: i8, minute: i8) -> DateTime {
        jiff::civil::date(2026, 6, day).at(hour, minute, 59, 0)
    }

    #[test]
    fn spans_hold_their_beginning_and_not_their_end() {
        let office = span("Mon-Thu 09:00-16:00");
        for (at, within) in [
            (wall(1, 8, 59), false),
            (wall(1, 9, 0), true),
            (wall(4, 15, 59), true),
            (wall(4, 16, 0), false),
            (wall(5, 10, 0), false),
        ] {
            assert_eq!(office.contains(at), within, "{at}");
        }
        assert!(span("Sat-Sun").contains(wall(7, 23, 59)) && !span("Sat-Sun").contains(wall(8, 0, 0)));
        assert!(span("Wed").contains(wall(3, 12, 0)) && !span("Wed").contains(wall(4, 0, 0)));
    }

    #[test]
    fn spans_run_over_midnight_and_over_the_end_of_the_week() {
        let weekend = span("Fri 12:00 - Mon 08:00");
        for (at, within) in [
            (wall(5, 11, 59), false),
            (wall(5, 12, 0), true),
            (wall(7, 23, 59), true),
            (wall(1, 7, 59), true),
            (wall(1, 8, 0), false),
            (wall(3, 0, 0), false),
        ] {
            assert_eq!(weekend.contains(at), within, "{at}");
        }
        let nights = span("Sat-Sun 22:00-06:00");
        for (at, within) in [
            (wall(6, 5, 0), false),
            (wall(6, 22, 0), true),
            (wall(7, 5, 59), true),
            (wall(8, 5, 59), true),
            (wall(8, 6, 0), false),
            (wall(8, 22, 0), false),
        ] {
            assert_eq!(nights.contains(at), within, "{at}");
        }
        let over = span("Sat-Mon 10:00-11:00");
        assert!(over.contains(wall(8, 10, 0)) && over.contains(wall(6, 10, 0)) && !over.contains(wall(5, 10, 0)));
        let whole = span("Mon 00:00 - Sun 24:00");
        assert!(whole.contains(wall(1, 0, 0)) && whole.contains(wall(7, 23, 59)));
        let late = span("Tue 20:00-24:00");
        assert!(late.contains(wall(2, 23, 59)) && !late.contains(wall(3, 0, 0)));
    }

    #[test]
    fn what_is_no_span_is_told_with_a_mend() {
        let told: Vec<String> = [
            "",
            "always",
            "mon-Fri",
            "Monday",
            "Mon 9:00-16:00",
            "Mon 09:00",
            "Mon 09:00-25:00",
            "Mon 09:60-10:00",
            "Mon 09:00-09:00",
            "Mon 24:00-10:00",
            "Fri 24:00 - Mon 08:00",
            "Fri 12:00 - Fri 12:00",
            "09:00-16:00",
            "Mon--Tue",
            "Mon 09:00-16:00, Tue",
            "Mon +9:00-16:00",
            "\u{2066}Mon",
        ]
        .iter()
        .map(|text| {
            let NotASpan { message, mend } = text.parse::<WeeklySpan>().unwrap_err();
            format!("{text:?}: {message} ({mend})")
        })
        .collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn spans_are_shown_as_they_are_best_written() {
        for (written, shown) in [
            ("Mon-Thu 09:00-16:00", "Mon-Thu 09:00-16:00"),
            (" Mon - Thu  09:00 - 16:00 ", "Mon-Thu 09:00-16:00"),
            ("Sat-Sat", "Sat"),
            ("Sat 00:00-24:00", "Sat"),
            ("Fri 12:00-Mon 08:00", "Fri 12:00 - Mon 08:00"),
        ] {
            assert_eq!(span(written).to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn every_shown_span_reads_back(first in 0..7usize, last in 0..7usize, from in 0..DAY, to in 0..=DAY, each: bool) {
            let (first, last) = (WEEK[first].1, WEEK[last].1);
            let form = if each { super::each(first, last, from, to) } else { through((first, from), (last, to)) };
            if let Ok(form) = form {
                let span = WeeklySpan(form);
                prop_assert_eq!(span.to_string().parse::<WeeklySpan>(), Ok(span));
            }
        }

        #[test]
        fn no_text_breaks_the_reader(text in "[A-Za-z0-9: \\-é\u{202e}]{0,24}|\\PC{0,40}") {
            let _ = text.parse::<WeeklySpan>();
        }
    }
}
