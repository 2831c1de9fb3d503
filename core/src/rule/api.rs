//! Calls of the API, `A-01` to `A-16`, and the one rule about linked codes, `IN-01`.

use super::{Rule, rows};

pub(super) const RULES: &[Rule] = rows! { Ours:
    "A-01" "A call with an unknown field is refused."
    "A-02" "Refusals without a documented name have names of our own, and a refused call changes nothing."
    "A-03" "An attempt succeeds at the first confirmation or fails at a refusal for good or the failure threshold, and then stays as it is."
    "A-04" "A code without a name gets a numbered one."
    "A-05" "A group call names 1 to 50 devices, none twice."
    "A-06" "PUT does what POST does."
    "A-07" "An update answers with its attempt."
    "A-08" "One bound may be updated alone if the code already has the other."
    "A-09" "Deleting again what is already being deleted is accepted as the same attempt, and deleting what is gone finds nothing."
    "A-10" "Among several codes with the same PIN, reading by PIN gives the active one, else the next to start."
    "A-11" "A list wants one of its filters and is ordered by creation, then id, with backups and codes in removal."
    "A-12" "A generated PIN satisfies the device's constraints, meets no known PIN, and is refused where PINs cannot be chosen."
    "A-13" "Reported constraints replace the device's lengths: existing codes are not checked again, but an unfit one fails for good when it is programmed."
    "A-14" "Updating an unmanaged code is converting it."
    "A-15" "A conversion known to be impossible is still accepted and fails by its event."
    "A-16" "A simulated unmanaged code has its record in the instant of the answer."
    "IN-01" "A PIN changed by others is never taken over on a linked code, which is set again instead."
};
