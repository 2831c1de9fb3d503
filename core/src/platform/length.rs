//! Lengths that a lock refuses though its description allows them (`R-20`): for a while, or because it takes one length at a time.

use alloc::vec::Vec;

use super::Platform;
use super::obstacle::Obstacle;
use super::state::{Block, Code};
use super::step::At;
use crate::pin::Pin;
use crate::time::Timestamp;

impl Platform {
    /// Such a refusal concerns the code alone that met it. Once a description that was read later still allows the length, the lock's demands have changed
    /// since, as far as anybody can tell; where it is refused once more, nobody knows what it hangs on, and it is tried as seldom as after a twin (`R-54`).
    pub(super) fn block_length(&mut self, at: At, pin: Pin, closed_at: Timestamp) {
        let (now, is_odd, retry_ms) = (self.now, self.is_of_other_length(at, pin), self.config.policy.refused_retry_ms);
        let is_second = matches!(self.code(at).block, Some(Block::Length { until: Some(_), .. }));
        let until = is_second.then_some(now + retry_ms);
        self.code_mut(at).block = Some(Block::Length { since: now, is_odd, until });
        self.attempt_failed(at, closed_at, 0);
    }

    /// Whether such a refusal of this PIN still stands.
    pub(super) fn refused_length(&self, at: At, pin: Pin) -> Option<Obstacle> {
        let Some(Block::Length { is_odd, until, .. }) = self.code(at).block else { return None };
        let stands = until.is_none_or(|until| until > self.now) && (!is_odd || self.is_of_other_length(at, pin));
        stands.then_some(Obstacle::Length { until })
    }

    /// A description that was asked for at `sent_at` allows what was refused before.
    pub(super) fn reconsider_lengths(&mut self, device: u32, sent_at: Timestamp) {
        let (now, lengths, lag_ms) = (self.now, self.lengths(device), self.profile(device).read_lag_ms);
        let is_older = |code: &Code| matches!(code.block, Some(Block::Length { since, until: None, .. }) if since + lag_ms <= sent_at);
        let is_allowed = |code: &Code| code.record.code.is_some_and(|pin| lengths.contains(pin.length()));
        let codes = self.device(device).codes.iter().filter(|code| is_older(code) && is_allowed(code));
        let numbers: Vec<u64> = codes.map(|code| code.n).collect();
        for n in numbers {
            let at = At { device, n };
            if let Some(Block::Length { until, .. }) = &mut self.code_mut(at).block {
                *until = Some(now);
            }
            self.again(at);
        }
    }

    /// Whether PINs are known to be in the lock, and each of another length.
    pub(super) fn is_of_other_length(&self, at: At, pin: Pin) -> bool {
        let others = || self.device(at.device).codes.iter().filter(|code| code.n != at.n).flat_map(Code::known_pins);
        others().next().is_some() && others().all(|other| other.length() != pin.length())
    }
}
