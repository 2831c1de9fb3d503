//! Salto KS: a user without a seat, and a site whose seats are all taken (vendors.md 5).

use super::{Problems, Symptom};
use crate::problem::ErrorCode;

/// What the account shows while its site has no seat left.
pub(super) const SITE_FULL: ErrorCode = ErrorCode::SaltoKsSubscriptionLimitExceeded;

pub(super) fn problems(symptom: Symptom) -> Option<Problems> {
    (symptom == Symptom::NoSeat).then_some(Problems { warning: None, error: Some(ErrorCode::SaltoKsUserNotSubscribed) })
}
