//! Calls about a device as a whole: giving it up with all its codes (T30), and PIN lengths that somebody knows it to take.

use alloc::vec::Vec;

use super::Platform;
use super::state::Goal;
use super::step::At;
use crate::id::WorkspaceId;
use crate::pin::{Lengths, PinRules};
use crate::request::device::DeviceRequest;
use crate::request::{Refusal, Response};

impl Platform {
    pub(super) fn serve_device(&mut self, workspace: WorkspaceId, request: &DeviceRequest) -> Result<Response, Refusal> {
        let device = self.known_device_in(workspace, request.device())?;
        match request {
            DeviceRequest::Update(update) => match update.is_managed {
                Some(false) if self.device(device).is_managed => self.give_up(device),
                Some(true) if !self.device(device).is_managed => self.device_mut(device).is_managed = true,
                Some(_) | None => {}
            },
            DeviceRequest::ReportConstraints(report) => {
                let lengths = report.lengths().ok_or(Refusal::InvalidInput)?;
                if !self.profile(device).takes_reported_lengths {
                    return Err(Refusal::DeviceTypeNotSupported);
                }
                // what is set stays; what the lock refused for its length may be another matter now.
                self.device_mut(device).reported_lengths = Some(lengths);
                self.unblock(device);
            }
        }
        Ok(Response::Done)
    }

    /// The PIN lengths that count on a device: those reported, else those that its vendor tells.
    pub(super) fn lengths(&self, device: u32) -> Lengths {
        self.device(device).reported_lengths.unwrap_or(self.device(device).info.lengths)
    }

    /// What a device takes for a PIN, as far as is told (lifecycle 5.1).
    pub(super) fn pin_rules(&self, device: u32) -> PinRules<'_> {
        PinRules { lengths: self.lengths(device), constraints: &self.device(device).info.constraints }
    }

    /// T30 for all that is on the device. Its pool ends (`R-32`), and with it the backups that nobody has pulled; what is being removed goes on to its end.
    fn give_up(&mut self, device: u32) {
        let state = self.device_mut(device);
        (state.is_managed, state.is_pool_active) = (false, false);
        let codes: Vec<At> = self.device(device).live().map(|code| At { device, n: code.n }).collect();
        for at in codes {
            let code = self.code(at);
            let is_pooled = code.record.is_backup && !code.is_pulled;
            match (code.record.is_managed, code.goal) {
                (false, _) => self.fail_conversion(at),
                (true, Goal::End) => {}
                (true, _) if is_pooled => self.begin_removal(at, Goal::End),
                (true, _) => self.release(at),
            }
        }
        self.refresh_pool(device);
    }
}
