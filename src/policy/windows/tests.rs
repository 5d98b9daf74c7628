use proptest::prelude::*;

use super::*;

fn windows(zone_name: &str, allowed: &[&str], frozen: &[&str]) -> Windows {
    let spans = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Windows { zone: zone(zone_name).unwrap(), allowed: spans(allowed), frozen: spans(frozen), freezes: Vec::new() }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn freeze(from: &str, to: &str, why: &str) -> Freeze {
    Freeze { from: at(from), to: at(to), why: why.to_owned() }
}

/// The state at a time, and when it opens.
fn seen(windows: &Windows, time: &str) -> (bool, Option<String>) {
    let state = windows.at(at(time));
    assert_eq!(state.open, state.why_closed.is_empty());
    (state.open, state.opens.map(|opens| opens.to_string()))
}

fn opens(text: &str) -> (bool, Option<String>) {
    (false, Some(text.to_owned()))
}

const OPEN: (bool, Option<String>) = (true, None);

#[test]
fn without_any_span_everything_is_open() {
    assert_eq!(seen(&Windows::default(), "2026-06-01T00:00:00Z"), OPEN);
}

#[test]
fn without_allowed_spans_all_is_open_but_what_is_frozen() {
    let weekends = windows("Europe/Berlin", &[], &["Sat-Sun"]);
    assert_eq!(seen(&weekends, "2026-06-05T21:59:59Z"), OPEN);
    assert_eq!(seen(&weekends, "2026-06-05T22:00:00Z"), opens("2026-06-07T22:00:00Z"));
}

#[test]
fn it_opens_when_the_last_of_all_that_closes_it_is_over() {
    let mut all = windows("Europe/Berlin", &["Mon-Thu 09:00-16:00", "Fri 09:00-12:00"], &["Mon 00:00 - Mon 10:00"]);
    all.freezes = vec![
        freeze("2026-12-20T00:00:00+01:00", "2026-12-30T00:00:00+01:00", "year-end"),
        freeze("2026-12-24T00:00:00+01:00", "2027-01-04T09:30:00+01:00", "moving house"),
    ];
    assert_eq!(seen(&all, "2026-12-17T15:00:00Z"), opens("2026-12-18T08:00:00Z"));
    assert_eq!(seen(&all, "2026-12-21T08:00:00Z"), opens("2027-01-04T09:00:00Z"));
    assert_eq!(seen(&all, "2027-01-04T09:00:00Z"), OPEN);
    let told = |time: &str| all.at(at(time)).why_closed;
    insta::assert_snapshot!(
        [
            told("2026-12-21T08:00:00Z"),
            told("2026-12-25T08:00:00Z"),
            told("2027-01-11T08:30:00Z"),
            told("2027-01-12T20:00:00Z")
        ]
        .join("\n")
    );
}

#[test]
fn beyond_the_horizon_nobody_knows() {
    let freezes = vec![freeze("2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "merger")];
    let long = Windows { freezes, ..Windows::default() };
    assert_eq!(seen(&long, "2026-01-02T00:00:00Z"), (false, None));
    assert_eq!(seen(&long, "2026-05-01T00:00:00Z"), opens("2026-06-01T00:00:00Z"));
    assert_eq!(seen(&windows("UTC", &[], &["Mon-Sun"]), "2026-05-01T00:00:00Z"), (false, None));
    assert!(!Windows { freezes: long.freezes, ..windows("UTC", &[], &["Sat"]) }.at(at("2026-01-02T00:00:00Z")).open);
    assert_eq!(windows("UTC", &[], &["Mon-Sun"]).at(Timestamp::MAX).opens, None);
    assert_eq!(windows("UTC", &[], &["Mon-Sun"]).at(Timestamp::MIN).opens, None);
}

#[test]
fn in_berlin_an_hour_is_skipped_in_spring() {
    // 2026-03-29, 02:00 is 03:00
    let night = windows("Europe/Berlin", &["Sun 01:30-02:30", "Sun 04:00-05:00"], &[]);
    assert_eq!(seen(&night, "2026-03-29T00:30:00Z"), OPEN);
    assert_eq!(seen(&night, "2026-03-29T00:59:59Z"), OPEN);
    assert_eq!(seen(&night, "2026-03-29T01:00:00Z"), opens("2026-03-29T02:00:00Z"));
    // what begins within the skipped hour begins at its end
    let within = windows("Europe/Berlin", &["Sun 02:30-04:00"], &[]);
    assert_eq!(seen(&within, "2026-03-29T00:59:59Z"), opens("2026-03-29T01:00:00Z"));
    // what lies within it is a week later
    let lost = windows("Europe/Berlin", &["Sun 02:10-02:50"], &[]);
    assert_eq!(seen(&lost, "2026-03-28T12:00:00Z"), opens("2026-04-05T00:10:00Z"));
}

#[test]
fn in_berlin_an_hour_is_repeated_in_autumn() {
    // 2026-10-25, 03:00 is 02:00 again
    let night = windows("Europe/Berlin", &["Sun 02:15-02:45"], &[]);
    assert_eq!(seen(&night, "2026-10-25T00:00:00Z"), opens("2026-10-25T00:15:00Z"));
    assert_eq!(seen(&night, "2026-10-25T00:15:00Z"), OPEN);
    assert_eq!(seen(&night, "2026-10-25T00:45:00Z"), opens("2026-10-25T01:15:00Z"));
    assert_eq!(seen(&night, "2026-10-25T01:30:00Z"), OPEN);
    assert_eq!(seen(&night, "2026-10-25T01:45:00Z"), opens("2026-11-01T01:15:00Z"));
    // a stretch over the change is an hour longer
    let weekend = windows("Europe/Berlin", &[], &["Fri 12:00 - Mon 08:00"]);
    assert_eq!(seen(&weekend, "2026-10-23T10:00:00Z"), opens("2026-10-26T07:00:00Z"));
}

#[test]
fn west_of_utc_the_day_is_another_one() {
    // New York: 2026-03-08 02:00 is 03:00; 2026-11-01 02:00 is 01:00 again
    let day = windows("America/New_York", &["Sun 01:30-03:30"], &[]);
    assert_eq!(seen(&day, "2026-03-08T06:29:59Z"), opens("2026-03-08T06:30:00Z"));
    assert_eq!(seen(&day, "2026-03-08T07:29:59Z"), OPEN);
    assert_eq!(seen(&day, "2026-03-08T07:30:00Z"), opens("2026-03-15T05:30:00Z"));
    assert_eq!(seen(&day, "2026-11-01T05:30:00Z"), OPEN);
    assert_eq!(seen(&day, "2026-11-01T06:00:00Z"), opens("2026-11-01T06:30:00Z"));
    assert_eq!(seen(&day, "2026-11-01T08:29:59Z"), OPEN);
    let sunday = windows("America/New_York", &[], &["Sun"]);
    assert_eq!(seen(&sunday, "2026-06-07T03:59:59Z"), OPEN);
    assert_eq!(seen(&sunday, "2026-06-08T03:59:59Z"), opens("2026-06-08T04:00:00Z"));
}

#[test]
fn where_midnight_is_skipped_the_day_begins_later() {
    // Beirut: 2026-03-29 00:00 is 01:00
    let sunday = windows("Asia/Beirut", &["Sun"], &[]);
    assert_eq!(seen(&sunday, "2026-03-28T21:59:59Z"), opens("2026-03-28T22:00:00Z"));
}

#[test]
fn doubtful_ends_make_a_freeze_longer() {
    let berlin = zone("Europe/Berlin").unwrap();
    let read = |text: &str, end: Edge| edge(text, &berlin, end).map(|at| at.to_string());
    assert_eq!(read("2026-12-20T00:00", Edge::From).unwrap(), "2026-12-19T23:00:00Z");
    assert_eq!(read("2026-10-25T02:30", Edge::From).unwrap(), "2026-10-25T00:30:00Z");
    assert_eq!(read("2026-10-25T02:30", Edge::To).unwrap(), "2026-10-25T01:30:00Z");
    assert_eq!(read("2026-03-29T02:30", Edge::From).unwrap(), "2026-03-29T00:30:00Z");
    assert_eq!(read("2026-03-29T02:30", Edge::To).unwrap(), "2026-03-29T01:30:00Z");
    assert_eq!(read("2026-12-20T00:00-05:00", Edge::To).unwrap(), "2026-12-20T05:00:00Z");
    assert_eq!(read("2026-12-20T00:00Z", Edge::To).unwrap(), "2026-12-20T00:00:00Z");
    for wrong in ["", "2026-12-20", "2026-12-20T", "tomorrow", "2026-12-20T00:00[Asia/Tokyo]", "2026-13-20T00:00"] {
        assert!(read(wrong, Edge::From).is_err(), "{wrong}");
    }
}

#[test]
fn zones_are_known_by_their_names() {
    assert_eq!(zone("Europe/Berlln").unwrap_err().first().unwrap(), "Europe/Berlin");
    for wrong in ["", "Berlin time", "../../etc/passwd"] {
        assert!(zone(wrong).is_err(), "{wrong}");
    }
}

/// Hours of days as the oracle has them: first day, how many days, first minute, how many minutes.
type Hours = (usize, usize, u16, u16);

fn hours() -> impl Strategy<Value = Hours> {
    (0..7usize, 0..7usize, prop_oneof![0..1440u16, 60..200u16], prop_oneof![1..1440u16, 1..90u16])
}

fn written((first, days, from, length): Hours) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let to = (from + length) % 1440;
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    format!("{}-{} {}-{}", DAYS[first], DAYS[(first + days) % 7], time(from), time(to))
}

/// Every minute of the week that some hours cover.
fn covered(all: &[Hours]) -> Vec<bool> {
    let mut week = vec![false; 7 * 1440];
    for (first, days, from, length) in all {
        for day in *first..=first + days {
            for minute in 0..usize::from(*length) {
                week[(day * 1440 + usize::from(*from) + minute) % (7 * 1440)] = true;
            }
        }
    }
    week
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Minute by minute, with tables instead of spans.
    #[test]
    fn states_and_openings_are_those_of_a_slow_clock(
        allowed in prop::collection::vec(hours(), 0..3),
        frozen in prop::collection::vec(hours(), 0..3),
        freezes in prop::collection::vec((0..14_400i64, 1..7_200i64), 0..3),
        place in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago"]),
        // around both changes of Berlin's clocks, and of New York's
        week in prop::sample::select(vec!["2026-03-26T00:00:00Z", "2026-10-22T00:00:00Z", "2026-03-06T00:00:00Z", "2026-10-30T00:00:00Z", "2026-04-02T00:00:00Z"]),
        start in 0..7_200i64,
    ) {
        let texts = |all: &[Hours]| all.iter().map(|hours| written(*hours)).collect::<Vec<_>>();
        let (allowed_texts, frozen_texts) = (texts(&allowed), texts(&frozen));
        let strs = |texts: &[String]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<WeeklySpan>>();
        let begin = at(week);
        let minutes = |minutes: i64| SignedDuration::from_mins(minutes);
        let tested = Windows {
            zone: zone(place).unwrap(),
            allowed: strs(&allowed_texts),
            frozen: strs(&frozen_texts),
            freezes: freezes
                .iter()
                .map(|(from, length)| Freeze {
                    from: begin + minutes(*from),
                    to: begin + minutes(from + length),
                    why: "x".to_owned(),
                })
                .collect(),
        };
        let (may, must_not) = (covered(&allowed), covered(&frozen));
        let open = |minute: i64| {
            let wall = tested.zone.to_datetime(begin + minutes(minute));
            let day = wall.weekday().to_monday_zero_offset() as usize;
            let at = day * 1440 + wall.hour() as usize * 60 + wall.minute() as usize;
            (allowed.is_empty() || may[at])
                && !must_not[at]
                && !freezes.iter().any(|(from, length)| (*from..from + length).contains(&minute))
        };
        let state = tested.at(begin + minutes(start));
        prop_assert_eq!(state.open, open(start));
        let expected = match open(start) {
            true => None,
            false => (start + 1..=start + HORIZON * 1440).find(|minute| open(*minute)).map(|at| begin + minutes(at)),
        };
        prop_assert_eq!(state.opens, expected, "{:?} {:?} {:?}", allowed_texts, frozen_texts, freezes);
    }

    #[test]
    fn no_text_breaks_the_readers(text in "[0-9TZ:+.\\-]{0,30}|\\PC{0,30}") {
        let _ = edge(&text, &TimeZone::UTC, Edge::From);
        let _ = zone(&text);
    }
}

#[test]
#[ignore = "prints a measurement"]
fn asking_takes() {
    let mut office = windows("Europe/Berlin", &["Mon-Thu 09:00-16:00", "Fri 09:00-12:00"], &["Fri 12:00 - Mon 08:00"]);
    office.freezes = vec![freeze("2026-12-20T00:00:00Z", "2027-01-03T00:00:00Z", "year-end")];
    for time in ["2026-06-01T08:00:00Z", "2026-06-01T20:00:00Z", "2026-12-20T08:00:00Z"] {
        let start = std::time::Instant::now();
        for _ in 0..100 {
            std::hint::black_box(office.at(at(time)));
        }
        eprintln!("{time}: {:?}", start.elapsed() / 100);
    }
}
