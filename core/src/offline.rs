//! Codes that a vendor's server computes and a lock understands by itself (lifecycle 8.1): their kinds, what a vendor allows, and how an asked window
//! comes to lie on a vendor's grid. Nothing here knows how a PIN is computed.
//!
//! Times of day are those of UTC: zones are not modelled yet.

use serde::{Deserialize, Serialize};

use crate::time::{DAY_MS, HOUR_MS, Timestamp, Window};

/// A kind of offline code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OfflineKind {
    /// Valid for some hours.
    Hourly,
    /// Valid for whole days: the same time of day at both ends.
    Daily,
    /// Burnt by its first use.
    OneTime,
}

/// How the window of a one-time code comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OneTime {
    /// There are none.
    Never,
    /// It lasts so many hours from its start.
    Hours(i64),
    /// As asked.
    AsAsked,
}

/// What a vendor allows its offline codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OfflineTerms {
    /// Digits of each PIN.
    pub pin_length: u8,
    /// The fewest and the most hours of an hourly code.
    pub hours: (i64, i64),
    /// The fewest and the most days of a daily code; none: the vendor makes no difference.
    pub days: Option<(i64, i64)>,
    /// One-time codes.
    pub one_time: OneTime,
    /// How many PINs there are for one start: hourly and daily, one-time.
    pub variants: Option<(u32, u32)>,
    /// Windows follow the user levels of each door instead of full hours.
    pub by_user_level: bool,
    /// A code that lasts longer than this must be used within this time of its start, or it never works.
    pub first_use_within_ms: Option<i64>,
}

/// A time slot that an installer set up for a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UserLevel {
    /// Its number: PINs begin with it.
    pub number: u8,
    /// Time of day at which its codes begin, in milliseconds after midnight.
    pub check_in_ms: i64,
    /// Time of day at which they end.
    pub check_out_ms: i64,
    /// Whether its codes are for whole days.
    pub is_24_hour: bool,
}

/// What somebody wants of an offline code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its start.
    pub starts_at: Timestamp,
    /// Its end; may be absent where the kind tells it.
    pub ends_at: Option<Timestamp>,
    /// Whether its first use burns it.
    pub is_one_time: bool,
    /// How far each bound may be moved.
    pub rounding_ms: i64,
}

/// Why no offline code can be what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The vendor has no code of this kind or duration.
    Duration,
    /// A bound would be moved further than is allowed.
    Rounding,
    /// No user level is near enough.
    UserLevel,
}

impl OfflineTerms {
    /// The kind and window that come nearest to what is asked (`V-07`, `V-09`). Without a table of user levels nobody can tell, so what was asked stands.
    pub fn fit(&self, asked: &Asked, levels: Option<&[UserLevel]>) -> Result<(OfflineKind, Window), Misfit> {
        if !self.by_user_level {
            return self.fit_to_hours(asked);
        }
        let (false, Some(ends_at)) = (asked.is_one_time, asked.ends_at) else { return Err(Misfit::Duration) };
        let window = Window { starts_at: asked.starts_at, ends_at };
        let Some(levels) = levels else { return Ok((OfflineKind::Hourly, window)) };
        let (level, window) = self.level_for(window, asked.rounding_ms, levels).ok_or(Misfit::UserLevel)?;
        Ok((if level.is_24_hour { OfflineKind::Daily } else { OfflineKind::Hourly }, window))
    }

    /// The user level that moves a window least, and the moved window.
    #[must_use]
    pub fn level_for(&self, window: Window, rounding_ms: i64, levels: &[UserLevel]) -> Option<(UserLevel, Window)> {
        let fitted = levels.iter().map(|level| {
            let moved =
                Window { starts_at: nearest(window.starts_at, level.check_in_ms), ends_at: nearest(window.ends_at, level.check_out_ms) };
            (moved_by(window, moved), *level, moved)
        });
        let fits = |(by, _, moved): &(i64, UserLevel, Window)| *by <= rounding_ms && self.has_hours(moved);
        fitted.filter(fits).min_by_key(|(by, level, _)| (*by, level.number)).map(|(_, level, moved)| (level, moved))
    }

    fn has_hours(&self, window: &Window) -> bool {
        let length_ms = window.ends_at - window.starts_at;
        (self.hours.0 * HOUR_MS..=self.hours.1 * HOUR_MS).contains(&length_ms)
    }

    /// `V-07`: the start is rounded down and the end up, to full hours; daily codes end at the time of day at which they start.
    fn fit_to_hours(&self, asked: &Asked) -> Result<(OfflineKind, Window), Misfit> {
        let starts_at = asked.starts_at.floor_to(HOUR_MS);
        let (kind, ends_at) = match (asked.is_one_time, self.one_time, asked.ends_at) {
            (true, OneTime::Never, _) | (true, OneTime::AsAsked, None) | (false, _, None) => return Err(Misfit::Duration),
            // What is asked beyond that is no matter of rounding.
            (true, OneTime::Hours(hours), Some(ends_at)) if ends_at > starts_at + hours * HOUR_MS => return Err(Misfit::Duration),
            (true, OneTime::Hours(hours), _) => (OfflineKind::OneTime, starts_at + hours * HOUR_MS),
            (true, OneTime::AsAsked, Some(ends_at)) => (OfflineKind::OneTime, ends_at.ceil_to(HOUR_MS)),
            (false, _, Some(ends_at)) => self.kind_of(starts_at, ends_at.ceil_to(HOUR_MS))?,
        };
        let window = Window { starts_at, ends_at };
        let is_hourly = kind != OfflineKind::Daily;
        if is_hourly && !self.has_hours(&window) {
            return Err(Misfit::Duration);
        }
        let wanted = Window { starts_at: asked.starts_at, ends_at: asked.ends_at.unwrap_or(ends_at) };
        if moved_by(wanted, window) > asked.rounding_ms { Err(Misfit::Rounding) } else { Ok((kind, window)) }
    }

    fn kind_of(&self, starts_at: Timestamp, ends_at: Timestamp) -> Result<(OfflineKind, Timestamp), Misfit> {
        let length_ms = ends_at - starts_at;
        if length_ms <= self.hours.1 * HOUR_MS {
            return Ok((OfflineKind::Hourly, ends_at));
        }
        let (fewest, most) = self.days.ok_or(Misfit::Duration)?;
        let days = (length_ms + DAY_MS - 1).div_euclid(DAY_MS);
        let is_possible = length_ms >= fewest * DAY_MS && days <= most;
        if is_possible { Ok((OfflineKind::Daily, starts_at + days * DAY_MS)) } else { Err(Misfit::Duration) }
    }

    /// When a code must have been used for the first time; none: at any time of its window.
    #[must_use]
    pub fn first_use_until(&self, window: Window) -> Option<Timestamp> {
        let within_ms = self.first_use_within_ms.filter(|within_ms| window.ends_at - window.starts_at > *within_ms)?;
        Some(window.starts_at + within_ms)
    }

    /// The slot in which a vendor counts its variants: the start hour, for daily and one-time codes the start's day.
    #[must_use]
    pub fn variant_slot(kind: OfflineKind, starts_at: Timestamp) -> (OfflineKind, Timestamp) {
        match kind {
            OfflineKind::Hourly => (kind, starts_at),
            OfflineKind::Daily | OfflineKind::OneTime => (kind, starts_at.floor_to(DAY_MS)),
        }
    }

    /// How many PINs there are in one slot; none: nobody says.
    #[must_use]
    pub fn variants_of(&self, kind: OfflineKind) -> Option<u32> {
        let (bound, one_time) = self.variants?;
        Some(if kind == OfflineKind::OneTime { one_time } else { bound })
    }
}

/// The instant nearest to `at` at this time of day; of two the earlier.
fn nearest(at: Timestamp, time_of_day_ms: i64) -> Timestamp {
    let same_day = at.floor_to(DAY_MS) + time_of_day_ms;
    let all = [same_day - DAY_MS, same_day, same_day + DAY_MS];
    all.into_iter().min_by_key(|candidate| (*candidate - at).abs()).unwrap_or(same_day)
}

/// How far the bound that moved most was moved.
#[must_use]
pub fn moved_by(from: Window, to: Window) -> i64 {
    (to.starts_at - from.starts_at).abs().max((to.ends_at - from.ends_at).abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MINUTE_MS;
    use crate::vendor::Vendor;

    fn terms(vendor: Vendor) -> OfflineTerms {
        vendor.profile().offline.expect("an offline vendor")
    }

    fn asked(from_min: i64, to_min: i64) -> Asked {
        let at = |minutes: i64| Timestamp(100 * DAY_MS + minutes * MINUTE_MS);
        Asked { starts_at: at(from_min), ends_at: Some(at(to_min)), is_one_time: false, rounding_ms: HOUR_MS }
    }

    fn minutes(window: Window) -> (i64, i64) {
        let of = |at: Timestamp| (at.0 - 100 * DAY_MS) / MINUTE_MS;
        (of(window.starts_at), of(window.ends_at))
    }

    const DAY: i64 = 24 * 60;

    #[test]
    fn igloohome_rounds_outward_to_full_hours() {
        let igloohome = terms(Vendor::IgloohomeOffline);
        let (kind, window) = igloohome.fit(&asked(15, 125), None).unwrap();
        assert_eq!((kind, minutes(window)), (OfflineKind::Hourly, (0, 180)));
        let one_time = Asked { ends_at: None, is_one_time: true, ..asked(30, 0) };
        let (kind, window) = igloohome.fit(&one_time, None).unwrap();
        assert_eq!((kind, minutes(window)), (OfflineKind::OneTime, (0, DAY)));
        let longer = Asked { is_one_time: true, rounding_ms: DAY_MS, ..asked(0, DAY + 1) };
        assert_eq!(igloohome.fit(&longer, None), Err(Misfit::Duration), "nothing is cut off");
    }

    #[test]
    fn between_28_and_29_days_igloohome_has_nothing() {
        let igloohome = terms(Vendor::IgloohomeOffline);
        assert_eq!(igloohome.fit(&asked(0, 28 * DAY), None).unwrap().0, OfflineKind::Hourly);
        assert_eq!(igloohome.fit(&asked(0, 28 * DAY + 1), None), Err(Misfit::Duration));
        assert_eq!(igloohome.fit(&asked(0, 29 * DAY), None).unwrap().0, OfflineKind::Daily);
        assert_eq!(igloohome.fit(&asked(0, 367 * DAY), None).unwrap().0, OfflineKind::Daily);
        assert_eq!(igloohome.fit(&asked(0, 367 * DAY + 60), None), Err(Misfit::Duration));
    }

    #[test]
    fn a_daily_code_ends_at_the_time_of_day_of_its_start_if_that_may_be_moved() {
        let igloohome = terms(Vendor::IgloohomeOffline);
        let wanted = asked(0, 30 * DAY + 180);
        assert_eq!(igloohome.fit(&wanted, None), Err(Misfit::Rounding));
        let (kind, window) = igloohome.fit(&Asked { rounding_ms: DAY_MS, ..wanted }, None).unwrap();
        assert_eq!((kind, minutes(window)), (OfflineKind::Daily, (0, 31 * DAY)));
    }

    #[test]
    fn oracode_takes_the_user_level_that_moves_least() {
        let oracode = terms(Vendor::Oracode);
        let level = |number, check_in: i64, check_out: i64| UserLevel {
            number,
            check_in_ms: check_in * HOUR_MS,
            check_out_ms: check_out * HOUR_MS,
            is_24_hour: check_in == check_out,
        };
        let levels = [level(11, 16, 11), level(12, 12, 12)];
        let fit = |wanted: &Asked| oracode.fit(wanted, Some(&levels));
        let (kind, window) = fit(&asked(15 * 60 + 45, DAY + 11 * 60)).unwrap();
        assert_eq!((kind, minutes(window)), (OfflineKind::Hourly, (16 * 60, DAY + 11 * 60)), "3:45 pm becomes 4 pm");
        assert_eq!(fit(&asked(12 * 60 + 10, 3 * DAY + 11 * 60 + 30)).unwrap().0, OfflineKind::Daily);
        assert_eq!(fit(&asked(14 * 60 + 30, DAY + 11 * 60)), Err(Misfit::UserLevel), "90 minutes are too far");
        assert_eq!(fit(&asked(16 * 60, 32 * DAY + 11 * 60)), Err(Misfit::UserLevel), "31 days are the most");
        assert_eq!(oracode.fit(&asked(1, 2), None).unwrap().1, asked(1, 2).window(), "without a table nobody can tell");
        assert_eq!(fit(&Asked { is_one_time: true, ..asked(16 * 60, DAY) }), Err(Misfit::Duration));
    }

    #[test]
    fn an_algopin_longer_than_a_day_has_a_day_for_its_first_use() {
        let igloohome = terms(Vendor::IgloohomeOffline);
        assert_eq!(igloohome.first_use_until(asked(0, DAY).window()), None);
        let window = asked(0, DAY + 60).window();
        assert_eq!(igloohome.first_use_until(window), Some(window.starts_at + DAY_MS));
        assert_eq!(terms(Vendor::LocklyOffline).first_use_until(window), None);
    }

    impl Asked {
        fn window(&self) -> Window {
            Window { starts_at: self.starts_at, ends_at: self.ends_at.unwrap() }
        }
    }
}
