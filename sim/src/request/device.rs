//! Calls about a device as a whole.

use keyway_core::request::device::{DeviceRequest, ReportDeviceConstraints, UpdateDevice};

use crate::plan::device::DeviceAction;
use crate::setup::Setup;

/// The call.
pub fn call(action: &DeviceAction, setup: &Setup) -> Option<DeviceRequest> {
    let device_id = setup.device(action.on())?;
    Some(match action {
        DeviceAction::GiveUp(_) => DeviceRequest::Update(UpdateDevice { device_id, is_managed: Some(false) }),
        DeviceAction::ManageAgain(_) => DeviceRequest::Update(UpdateDevice { device_id, is_managed: Some(true) }),
        DeviceAction::ReportLengths(report) => DeviceRequest::ReportConstraints(ReportDeviceConstraints {
            device_id,
            supported_code_lengths: report.lengths.clone(),
            min_code_length: report.min,
            max_code_length: report.max,
        }),
    })
}
