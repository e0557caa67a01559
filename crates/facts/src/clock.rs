//! The time on the host, in all the forms of `date_time`.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use model::Args;

use crate::host::Host;

pub(crate) fn date_time(host: &Host<'_>, facts: &mut Args) {
    let Ok(now) = Timestamp::try_from(host.probe.now()) else { return };
    let zoned = now.to_zoned(TimeZone::system());
    facts.insert("date_time".to_owned(), describe(&zoned).into());
}

fn describe(now: &Zoned) -> Args {
    let utc = now.timestamp().to_zoned(TimeZone::UTC);
    let local = |format: &str| now.strftime(format).to_string();
    let pairs = [
        ("year", local("%Y")),
        ("month", local("%m")),
        ("weekday", local("%A")),
        ("weekday_number", local("%w")),
        ("weeknumber", local("%W")),
        ("day", local("%d")),
        ("hour", local("%H")),
        ("minute", local("%M")),
        ("second", local("%S")),
        ("epoch", now.timestamp().as_second().to_string()),
        ("epoch_int", now.timestamp().as_second().to_string()),
        ("date", local("%Y-%m-%d")),
        ("time", local("%H:%M:%S")),
        ("iso8601_micro", utc.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()),
        ("iso8601", utc.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        ("iso8601_basic", local("%Y%m%dT%H%M%S%6f")),
        ("iso8601_basic_short", local("%Y%m%dT%H%M%S")),
        ("tz", local("%Z")),
        ("tz_dst", summer_name(now)),
        ("tz_offset", local("%z")),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}

/// The zone's abbreviation while daylight saving is in force; the usual one where there is none.
fn summer_name(now: &Zoned) -> String {
    let zone = now.time_zone();
    let months =
        (0..12).filter_map(|month| now.timestamp().checked_add((month * 730).hours()).ok());
    for time in months {
        let info = zone.to_offset_info(time);
        if info.dst().is_dst() {
            return info.abbreviation().to_owned();
        }
    }
    zone.to_offset_info(now.timestamp()).abbreviation().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_in_every_form() {
        let now: Timestamp = "2026-11-23T00:41:16.577787Z".parse().expect("a time");
        let facts = describe(&now.to_zoned(TimeZone::UTC));
        for (key, value) in [
            ("weekday", "Monday"),
            ("weekday_number", "1"),
            ("weeknumber", "47"),
            ("epoch", "1795394476"),
            ("iso8601", "2026-11-23T00:41:16Z"),
            ("iso8601_micro", "2026-11-23T00:41:16.577787Z"),
            ("iso8601_basic", "20261123T004116577787"),
            ("iso8601_basic_short", "20261123T004116"),
            ("tz", "UTC"),
            ("tz_dst", "UTC"),
            ("tz_offset", "+0000"),
        ] {
            assert_eq!(facts[key], value, "{key}");
        }
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let facts = describe(&now.to_zoned(berlin));
        assert_eq!((&facts["tz"], &facts["tz_dst"]), (&"CET".into(), &"CEST".into()));
        assert_eq!((&facts["tz_offset"], &facts["hour"]), (&"+0100".into(), &"01".into()));
    }
}
