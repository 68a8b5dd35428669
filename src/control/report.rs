//! What the daemon says of itself on the control socket, taken from the phone.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use super::memory::{self, Recalling};
use super::server::{Commanded, Desk, Refused, Remembered, Whole};
use super::{CallReport, Device, Devices, Recall, Status};
use crate::audio::DeviceState;
use crate::phone::PhoneHandle;
use crate::pure::phone::{CallView, Command};

/// The running daemon, as the control socket sees it.
#[derive(Debug)]
pub struct DaemonDesk {
    phone: PhoneHandle,
    address: String,
    public_url: String,
    started: Instant,
}

impl DaemonDesk {
    /// Takes the phone, where it listens and where Twilio reaches it; it is up from now on.
    #[must_use]
    pub fn new(phone: PhoneHandle, address: String, public_url: String) -> Arc<DaemonDesk> {
        Arc::new(DaemonDesk {
            phone,
            address,
            public_url,
            started: Instant::now(),
        })
    }

    fn report(&self, call: &CallView) -> CallReport {
        CallReport::new(call, self.phone.wall_time(call.since))
            .with_quality(self.phone.quality(&call.id))
    }
}

impl DaemonDesk {
    /// Returns the whole number that a person at the command line means.
    async fn number_of(&self, typed: &str) -> Result<String, Refused> {
        let number = self.phone.number_of(typed).await;
        number.map_err(|why| ("ambiguous", why.to_string()))
    }
}

impl Desk for DaemonDesk {
    fn status(&self) -> Status {
        let devices = self.phone.media().status().borrow().clone();
        let snapshot = Arc::clone(&self.phone.snapshots().borrow());
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            address: self.address.clone(),
            public_url: self.public_url.clone(),
            uptime_seconds: self.started.elapsed().as_secs(),
            devices: Devices {
                capture: device(&devices.capture),
                playout: device(&devices.playout),
                ringer: device(&devices.ringer),
            },
            calls: snapshot
                .calls
                .iter()
                .map(|call| self.report(call))
                .collect(),
            do_not_disturb: snapshot.do_not_disturb,
            voicemails_waiting: snapshot.voicemails_waiting,
        }
    }

    fn past_calls(&self) -> Remembered<'_> {
        Box::pin(async {
            let calls = self.phone.past_calls().await;
            calls.map_err(|cause| ("no_answer", cause.to_string()))
        })
    }

    fn recall(&self, what: Recall) -> Recalling<'_> {
        Box::pin(memory::recall(&self.phone, what))
    }

    fn command<'a>(&'a self, call: Option<&'a str>, command: Command) -> Commanded<'a> {
        Box::pin(async move {
            let done = match call {
                Some(id) => self.phone.command(id, command).await,
                None => self.phone.command_current(command).await,
            };
            done.map(|call| self.report(&call))
                .map_err(|why| (why.code(), why.to_string()))
        })
    }

    fn dial<'a>(&'a self, to: &'a str) -> Commanded<'a> {
        Box::pin(async move {
            let to = self.number_of(to).await?;
            let dialled = self.phone.dial(&to, None).await;
            dialled
                .map(|call| self.report(&call))
                .map_err(|why| (why.code(), why.to_string()))
        })
    }

    fn consult<'a>(&'a self, call: Option<&'a str>, to: &'a str) -> Commanded<'a> {
        Box::pin(async move {
            let to = self.number_of(to).await?;
            let dialled = self.phone.consult(call, &to).await;
            dialled
                .map(|call| self.report(&call))
                .map_err(|why| (why.code(), why.to_string()))
        })
    }

    fn whole_number<'a>(&'a self, typed: &'a str) -> Whole<'a> {
        Box::pin(self.number_of(typed))
    }

    fn do_not_disturb(&self, on: bool) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.phone.do_not_disturb(on))
    }
}

fn device(state: &DeviceState) -> Device {
    match state {
        DeviceState::Works(detail) => Device {
            works: true,
            detail: detail.clone(),
        },
        DeviceState::Broken(detail) => Device {
            works: false,
            detail: detail.clone(),
        },
    }
}
