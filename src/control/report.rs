//! What the daemon says of itself on the control socket, taken from the phone.

use std::sync::Arc;
use std::time::Instant;

use super::memory::{self, Recalling};
use super::server::{Commanded, Desk, Refused, Remembered};
use super::{CallReport, Device, Devices, Recall, Status};
use crate::audio::DeviceState;
use crate::phone::PhoneHandle;
use crate::pure::phone::{CallView, Command, CommandError, Place, Snapshot, Stage};

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
            let evident = {
                let snapshots = self.phone.snapshots();
                evident_call(&snapshots.borrow(), command)
            };
            let id = match call {
                Some(id) => id.to_owned(),
                None => evident.ok_or_else(|| nothing_to(command))?,
            };
            match self.phone.command(&id, command).await {
                Ok(call) => Ok(self.report(&call)),
                Err(CommandError::NoSuchCall) => {
                    Err(("no_such_call", CommandError::NoSuchCall.to_string()))
                }
                Err(CommandError::WrongState) => {
                    Err(("wrong_state", CommandError::WrongState.to_string()))
                }
            }
        })
    }
}

/// Picks the call that a person means who names none: to answer, the one that rings at the desk; to hang up, the one
/// that talks there, else the one that rings.
fn evident_call(snapshot: &Snapshot, command: Command) -> Option<String> {
    let at_desk = |stage: Stage| {
        snapshot
            .calls
            .iter()
            .find(|call| call.stage == stage && call.place == Place::Desk)
    };
    let rings = at_desk(Stage::Ringing);
    let call = match command {
        Command::Answer => rings,
        Command::HangUp => at_desk(Stage::Talking).or(rings),
    };
    call.map(|call| call.id.as_str().to_owned())
}

/// Says that there is no call for a command.
fn nothing_to(command: Command) -> Refused {
    let sentence = match command {
        Command::Answer => "no call is ringing",
        Command::HangUp => "there is no call to hang up",
    };
    ("no_such_call", sentence.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::ids::{CallId, LegId, Party};
    use crate::pure::phone::Direction;
    use crate::pure::time::Time;

    #[test]
    fn without_a_name_the_call_is_the_one_that_is_meant() {
        let desk = |id, stage| call(id, stage, Place::Desk);
        let snapshot = Snapshot {
            calls: vec![
                call("browser", Stage::Ringing, Place::Browser),
                desk("over", Stage::Ended),
                desk("rings", Stage::Ringing),
                desk("talks", Stage::Talking),
            ],
            seq: 4,
        };
        assert_eq!(
            evident_call(&snapshot, Command::Answer).as_deref(),
            Some("rings")
        );
        assert_eq!(
            evident_call(&snapshot, Command::HangUp).as_deref(),
            Some("talks")
        );
        let rings = Snapshot {
            calls: vec![desk("rings", Stage::Ringing)],
            seq: 1,
        };
        assert_eq!(
            evident_call(&rings, Command::HangUp).as_deref(),
            Some("rings")
        );
        let nothing = Snapshot::default();
        assert_eq!(evident_call(&nothing, Command::Answer), None);
        assert_eq!(evident_call(&nothing, Command::HangUp), None);
    }

    fn call(id: &str, stage: Stage, place: Place) -> CallView {
        CallView {
            id: CallId::new(id),
            leg: LegId::new(format!("CA{id}")),
            direction: Direction::Incoming,
            from: Party::parse("+15145550100"),
            to: Party::parse("client:kitchen"),
            stage,
            place,
            since: Time::START,
            stream: None,
            end_reason: None,
        }
    }
}
