//! What is decided about vendors: `V-01` to `V-19`.

use super::{Rule, rows};

pub(super) const RULES: &[Rule] = rows! { Ours:
    "V-01" "Figures that no source gives are assumptions of the profiles and may be changed freely."
    "V-02" "A lock with numbered slots holds each one as free, occupied or reserved, and the controller writes to the lowest it believes free."
    "V-03" "A missing August bridge means that the lock's own Connect bridge is unplugged or not paired."
    "V-04" "Yale on Wi-Fi is August under another name."
    "V-05" "Salto KS chooses the PIN itself, unless the site paid for custom ones."
    "V-06" "A schedule that has not begun is no missing Salto subscription."
    "V-07" "igloohome's offline windows lie on full hours: the start is rounded down and the end up, and what falls between 28 and 29 days is refused."
    "V-08" "A code for which igloohome has no PIN left keeps its record without one until it is deleted or expires."
    "V-09" "An Oracode window without a user level is refused if that is known when asked, and becomes an error if it is found out later."
    "V-10" "A lock behind SmartThings keeps three slots for itself that no listing shows and whose PINs can collide."
    "V-11" "Five failures in a row make the SmartThings error of repeated failure."
    "V-12" "A name that Wyze may take for a duplicate gets a suffix first, and the error only if it is refused even so."
    "V-13" "Lockly takes custom PINs of six to eight digits online and chooses them itself offline."
    "V-14" "A code disabled in the Ultraloq app counts as modified by others."
    "V-15" "Any lock whose account stands behind an on-premises tunnel exercises the loss of that tunnel."
    "V-16" "One profile without a brand stands for all cloud locks that have no problems of their own."
    "V-17" "Refused credentials show at the first refused call and count as a lost account from the third on."
    "V-18" "A thermostat's error exists as a name only and never shows on a lock's code."
    "V-19" "The bare lock with slots has no brand, keeps no slot for itself, and when full shows the general failure alone."
};
