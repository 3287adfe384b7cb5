//! Cron expressions: five fields, UTC.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::domain::Timestamp;

/// Days that are looked at before an expression is taken to name none: February 29 comes within eight years.
const DAYS: usize = 366 * 8 + 3;

/// Minute, hour, day of the month, month, day of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// When both kinds of days are named, either one will do, as cron has always had it.
    either: bool,
}

impl Cron {
    /// Reads an expression or one of `@hourly`, `@daily`, `@weekly`, `@monthly`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err("cron: five fields: minute hour day month weekday".to_owned());
        };
        let weekday = field("weekday", weekdays, 0, 7)?;
        let cron = Self {
            minutes: field("minute", minutes, 0, 59)?,
            hours: field("hour", hours, 0, 23)?,
            days: field("day", days, 1, 31)?,
            months: field("month", months, 1, 12)?,
            // Sunday is 0 and 7.
            weekdays: (weekday | (weekday >> 7)) & 0x7f,
            either: !days.starts_with('*') && !weekdays.starts_with('*'),
        };
        match cron.after(Timestamp(0)) {
            Some(_) => Ok(cron),
            None => Err("cron: there is no such day".to_owned()),
        }
    }

    fn has_day(&self, date: Date) -> bool {
        let bit = |set: u64, number: i8| u32::try_from(number).is_ok_and(|number| set & (1 << number) != 0);
        let (day, weekday) = (bit(self.days, date.day()), bit(self.weekdays, date.weekday().to_sunday_zero_offset()));
        bit(self.months, date.month()) && if self.either { day || weekday } else { day && weekday }
    }

    /// The first minute after a time.
    pub(super) fn after(&self, at: Timestamp) -> Option<Timestamp> {
        let now = jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(TimeZone::UTC).datetime();
        let mut date = now.date();
        let mut from = i32::from(now.hour()) * 60 + i32::from(now.minute()) + 1;
        for _ in 0..DAYS {
            if self.has_day(date) {
                for minute in from..24 * 60 {
                    if self.hours & (1 << (minute / 60)) != 0 && self.minutes & (1 << (minute % 60)) != 0 {
                        let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
                        let zoned = date.at(hour, minute, 0, 0).to_zoned(TimeZone::UTC).ok()?;
                        return Some(Timestamp(zoned.timestamp().as_millisecond()));
                    }
                }
            }
            date = date.tomorrow().ok()?;
            from = 0;
        }
        None
    }
}

/// A field as a set of bits: `*`, numbers, ranges, steps, lists of them.
fn field(name: &str, text: &str, least: u32, most: u32) -> Result<u64, String> {
    let bad = || format!("cron: {name}: {least} to {most}, as *, N, A-B, A-B/STEP, */STEP or a list of them");
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u32>().ok().filter(|n| plain && (least..=most).contains(n)).ok_or_else(bad)
    };
    let mut set = 0_u64;
    for part in text.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((first, last)) => (number(first)?, number(last)?),
            None if step.is_some() => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        let step = step.map_or(Ok(1), |step| step.parse::<usize>().map_err(|_| bad()))?;
        if first > last || step == 0 {
            return Err(bad());
        }
        for value in (first..=last).step_by(step) {
            set |= 1 << value;
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(cron: &str, at: &str) -> String {
        Cron::parse(cron).unwrap().after(at.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn the_next_time_is_the_first_one_that_fits() {
        for (cron, at, next) in [
            ("* * * * *", "2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z"),
            ("0 3 * * *", "2026-01-31T03:00:00Z", "2026-02-01T03:00:00Z"),
            ("*/15 8-10 * * *", "2026-01-31T10:45:00Z", "2026-02-01T08:00:00Z"),
            ("30 4 1,15 * *", "2026-01-02T00:00:00Z", "2026-01-15T04:30:00Z"),
            ("0 0 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 * * 7", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("0 0 * * 0", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
            // Either the 13th or a Friday.
            ("0 0 13 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
            ("0 0 13 * 5", "2026-01-09T12:00:00Z", "2026-01-13T00:00:00Z"),
            ("@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("5/20 * * * *", "2026-01-01T00:05:00Z", "2026-01-01T00:25:00Z"),
        ] {
            assert_eq!(after(cron, at), next, "{cron} after {at}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for bad in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 8",
            "5-1 * * * *",
            "*/0 * * * *",
            "a * * * *",
            "-1 * * * *",
            "+1 * * * *",
            "1,,2 * * * *",
            "0 0 30 2 *",
            "@reboot",
            "1- * * * *",
        ] {
            assert!(Cron::parse(bad).is_err(), "{bad}");
        }
    }
}
