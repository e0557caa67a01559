//! Dates and times as Python's `datetime` shows them.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::civil::DateTime as Civil;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned};

use crate::args::Args;
use crate::error::Error;
use crate::eval::Scope;
use crate::value::{Object, Value};

/// A date and time without a zone, as `now()` and `to_datetime` give it.
pub(crate) struct DateTime(pub(crate) Civil);

impl DateTime {
    pub(crate) fn value(civil: Civil) -> Value {
        Value::object(Arc::new(Self(civil)))
    }

    fn iso(&self, separator: char) -> String {
        let at = self.0;
        let micros = at.subsec_nanosecond() / 1000;
        let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
        format!(
            "{:04}-{:02}-{:02}{separator}{:02}:{:02}:{:02}{fraction}",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )
    }

    fn local(&self) -> Result<Zoned, Error> {
        self.0.to_zoned(TimeZone::system()).map_err(|error| Error::value_error(error.to_string()))
    }
}

impl Object for DateTime {
    fn type_name(&self) -> &'static str {
        "datetime"
    }

    fn get(&self, key: &Value) -> Option<Result<Value, Error>> {
        let at = self.0;
        Some(Ok(match key.as_str()? {
            "year" => i64::from(at.year()).into(),
            "month" => i64::from(at.month()).into(),
            "day" => i64::from(at.day()).into(),
            "hour" => i64::from(at.hour()).into(),
            "minute" => i64::from(at.minute()).into(),
            "second" => i64::from(at.second()).into(),
            "microsecond" => i64::from(at.subsec_nanosecond() / 1000).into(),
            _ => return None,
        }))
    }

    fn call_method(&self, _scope: &Scope<'_>, name: &str, mut args: Args) -> Result<Value, Error> {
        let weekday = i64::from(self.0.weekday().to_monday_zero_offset());
        let result = match name {
            "strftime" => {
                let format = args.required("format")?.to_string();
                strftime(&format, &self.local()?)?.into()
            }
            "isoformat" => self.iso('T').into(),
            "timestamp" => {
                let nanos = self.local()?.timestamp().as_nanosecond();
                Value::from(nanos as f64 / 1e9)
            }
            "date" => Self::value(self.0.date().to_datetime(jiff::civil::Time::midnight())),
            "weekday" => weekday.into(),
            "isoweekday" => (weekday + 1).into(),
            _ => return Err(Error::no_attribute(self.type_name(), &Value::from(name))),
        };
        args.finish()?;
        Ok(result)
    }

    fn text(&self) -> String {
        self.iso(' ')
    }

    fn repr(&self) -> String {
        let at = self.0;
        let mut parts = vec![
            i64::from(at.year()),
            i64::from(at.month()),
            i64::from(at.day()),
            i64::from(at.hour()),
            i64::from(at.minute()),
        ];
        let micros = i64::from(at.subsec_nanosecond() / 1000);
        if at.second() != 0 || micros != 0 {
            parts.push(i64::from(at.second()));
        }
        if micros != 0 {
            parts.push(micros);
        }
        let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
        format!("datetime.datetime({})", parts.join(", "))
    }

    fn is_true(&self) -> bool {
        true
    }

    fn to_data(&self) -> Option<Value> {
        Some(self.iso('T').into())
    }

    fn compare(&self, other: &dyn Object) -> Option<Ordering> {
        let other: &dyn std::any::Any = other;
        other.downcast_ref::<Self>().map(|other| self.0.cmp(&other.0))
    }

    fn arithmetic(&self, op: char, other: &Value) -> Option<Result<Value, Error>> {
        if let Some(delta) = other.downcast::<TimeDelta>() {
            let shifted =
                if op == '+' { self.0.checked_add(delta.0) } else { self.0.checked_sub(delta.0) };
            return Some(shifted.map(Self::value).map_err(|e| Error::value_error(e.to_string())));
        }
        let other = other.downcast::<Self>().filter(|_| op == '-')?;
        Some(Ok(TimeDelta::value(self.0.duration_since(other.0))))
    }
}

/// The time between two dates.
struct TimeDelta(SignedDuration);

impl TimeDelta {
    fn value(duration: SignedDuration) -> Value {
        Value::object(Arc::new(Self(duration)))
    }

    fn days(&self) -> i64 {
        self.0.as_secs().div_euclid(86_400)
    }

    fn seconds(&self) -> i64 {
        self.0.as_secs().rem_euclid(86_400)
    }
}

impl Object for TimeDelta {
    fn type_name(&self) -> &'static str {
        "timedelta"
    }

    fn get(&self, key: &Value) -> Option<Result<Value, Error>> {
        Some(Ok(match key.as_str()? {
            "days" => self.days().into(),
            "seconds" => self.seconds().into(),
            "microseconds" => i64::from(self.0.subsec_micros()).into(),
            _ => return None,
        }))
    }

    fn call_method(&self, _scope: &Scope<'_>, name: &str, args: Args) -> Result<Value, Error> {
        args.finish()?;
        match name {
            "total_seconds" => Ok(self.0.as_secs_f64().into()),
            _ => Err(Error::no_attribute(self.type_name(), &Value::from(name))),
        }
    }

    fn text(&self) -> String {
        let (days, seconds) = (self.days(), self.seconds());
        let clock = format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        match days {
            0 => clock,
            1 | -1 => format!("{days} day, {clock}"),
            _ => format!("{days} days, {clock}"),
        }
    }

    fn is_true(&self) -> bool {
        !self.0.is_zero()
    }

    fn is_storable(&self) -> bool {
        false
    }

    fn to_data(&self) -> Option<Value> {
        Some(self.text().into())
    }

    fn compare(&self, other: &dyn Object) -> Option<Ordering> {
        let other: &dyn std::any::Any = other;
        other.downcast_ref::<Self>().map(|other| self.0.cmp(&other.0))
    }
}

/// A time by Python's format codes.
pub(crate) fn strftime(format: &str, at: &Zoned) -> Result<String, Error> {
    strtime::format(format, at)
        .map_err(|error| Error::value_error(format!("invalid time format '{format}': {error}")))
}

/// A text as a time by Python's format codes.
pub(crate) fn strptime(text: &str, format: &str) -> Result<Civil, Error> {
    let unmatched =
        |_| Error::value_error(format!("time data '{text}' does not match format '{format}'"));
    let parsed = BrokenDownTime::parse(format, text).map_err(unmatched)?;
    if parsed.hour().is_none() {
        let date = parsed.to_date().map_err(unmatched)?;
        return Ok(date.to_datetime(jiff::civil::Time::midnight()));
    }
    parsed.to_datetime().or_else(|_| {
        // Python takes 1900-01-01 where the format has no date.
        let time = parsed.to_time().map_err(unmatched)?;
        Ok(jiff::civil::date(1900, 1, 1).to_datetime(time))
    })
}

/// A point in time by the seconds since 1970.
pub(crate) fn at_epoch(seconds: f64, utc: bool) -> Result<Zoned, Error> {
    let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
    let nanos = (seconds * 1e9) as i128;
    let stamp = Timestamp::from_nanosecond(nanos)
        .map_err(|error| Error::value_error(format!("timestamp out of range: {error}")))?;
    Ok(stamp.to_zoned(zone))
}

/// `now(utc=false, fmt=none)`.
pub(super) fn now(scope: &Scope<'_>, mut args: Args) -> Result<Value, Error> {
    let utc = args.flag("utc", false);
    let format = args.text("fmt")?;
    args.finish()?;
    scope.templar().mark_volatile();
    let now = if utc { Timestamp::now().to_zoned(TimeZone::UTC) } else { Zoned::now() };
    match format {
        Some(format) => strftime(&format, &now).map(Value::from),
        None => {
            let civil = now.datetime();
            let rounded = civil
                .checked_sub(i64::from(civil.subsec_nanosecond() % 1000).nanoseconds())
                .unwrap_or(civil);
            Ok(DateTime::value(rounded))
        }
    }
}
