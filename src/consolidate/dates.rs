//! Calendar dates in text. UTC; no clock.

use std::sync::LazyLock;

use jiff::civil::Date;
use regex::Regex;

use crate::domain::Timestamp;

/// ISO dates with an optional time, as one pattern piece.
pub(super) const ISO: &str = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?";

static ISO_ONLY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!("^(?:{ISO})$")).ok());

/// True for a whole chunk that is a date such as `2026-01-31`, `2026/01/31` or `31.01.2026`.
pub(super) fn is_date(text: &str) -> bool {
    ISO_ONLY.as_ref().is_some_and(|iso| iso.is_match(text)) || {
        let parts: Vec<&str> = text.split(['.', '/']).collect();
        parts.len() == 3
            && parts.iter().all(|part| !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit()))
            && parts.iter().filter(|part| part.len() == 4).count() == 1
    }
}

/// The time an ISO date names; a bare date means its first moment in UTC.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.replacen(' ', "T", 1).parse::<Timestamp>() {
        return Some(time);
    }
    let date: Date = text.get(..10)?.parse().ok()?;
    let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}

/// The last moment of the day, for "until DATE" (the day itself still counts).
pub(super) fn parse_end(text: &str) -> Option<Timestamp> {
    let start = parse(text)?;
    Some(if text.len() > 10 { start } else { start.plus_ms(86_400_000 - 1) })
}

/// The UTC day some days away from `at`, as `2026-01-31`.
pub(super) fn day(at: Timestamp, offset_days: i64) -> Option<String> {
    let shifted = at.0.checked_add(offset_days.checked_mul(86_400_000)?)?;
    let time = jiff::Timestamp::from_millisecond(shifted).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).date().to_string())
}
