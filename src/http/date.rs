//! The Date field (RFC 9110 section 6.6.1), formatted once per second.

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The last second of the year 9999: the format has four digits for the year.
const LAST_SECOND: u64 = 253_402_300_799;

/// The text of the second that was asked for last.
#[derive(Debug, Clone)]
pub struct DateCache {
    second: u64,
    text: String,
}

impl Default for DateCache {
    fn default() -> Self {
        Self { second: 0, text: format_date(0) }
    }
}

impl DateCache {
    /// The value of a Date field, such as `Sun, 06 Nov 1994 08:49:37 GMT`, for a time in seconds since 1970. Years
    /// after 9999 stay at its last second.
    pub fn at(&mut self, unix_second: u64) -> &str {
        if unix_second != self.second {
            self.second = unix_second;
            self.text = format_date(unix_second);
        }
        &self.text
    }
}

/// `IMF-fixdate` of RFC 9110 section 5.6.7.
fn format_date(unix_second: u64) -> String {
    let second = unix_second.min(LAST_SECOND);
    let (days, of_day) = (second / 86_400, second % 86_400);
    let (year, month, day) = civil(days);
    let weekday = DAYS[(days % 7) as usize];
    let month = MONTHS[month];
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Year, month from 0 and day from 1 of a number of days since 1970-01-01.
fn civil(days: u64) -> (u64, usize, u64) {
    // Years are counted from March, so that the leap day is a year's last, and in cycles of 400 years.
    let from_march_0000 = days + 719_468;
    let (cycle, of_cycle) = (from_march_0000 / 146_097, from_march_0000 % 146_097);
    let year_of_cycle = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    // Five months from March on always have 153 days.
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let next_year = u64::from(month_from_march >= 10);
    (cycle * 400 + year_of_cycle + next_year, ((month_from_march + 2) % 12) as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let mut cache = DateCache::default();
        assert_eq!(cache.at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(cache.at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(cache.at(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn every_day_until_2400_is_as_jiff_has_it() {
        let mut cache = DateCache::default();
        for day in 0..157_054_u64 {
            let second = day * 86_400 + day * 7919 % 86_400;
            let time = jiff::Timestamp::from_second(second as i64).unwrap();
            assert_eq!(cache.at(second), time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        }
    }
}
