//! What the daemon says of itself on the control socket, taken from the phone.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};

use super::memory::{self, Recalling};
use super::server::{Changing, Commanded, Desk, Refused, Remembered, Whole};
use super::watch::{self, Lines};
use super::{CallLevels, CallReport, Device, Devices, QuietTime, Recall, Status};
use crate::audio::DeviceState;
use crate::config::live::{self, NotChanged, SettingReport, Told};
use crate::phone::{NoAnswer, PhoneHandle};
use crate::pure::phone::{CallView, Command, Stage};
use crate::pure::time::rfc3339;

/// The running daemon, as the control socket sees it.
#[derive(Debug)]
pub struct DaemonDesk {
    phone: PhoneHandle,
    address: String,
    public_url: String,
    started: Instant,
    told: Vec<Told>,
}

impl DaemonDesk {
    /// Takes the phone, where it listens, where Twilio reaches it and where its settings stand; it is up from now on.
    #[must_use]
    pub fn new(
        phone: PhoneHandle,
        address: String,
        public_url: String,
        told: Vec<Told>,
    ) -> Arc<DaemonDesk> {
        Arc::new(DaemonDesk {
            phone,
            address,
            public_url,
            started: Instant::now(),
            told,
        })
    }

    fn report(&self, call: &CallView) -> CallReport {
        self.phone.report(call)
    }

    fn levels(&self, call: &CallView) -> Option<CallLevels> {
        if call.stage != Stage::Talking || call.held {
            return None;
        }
        let needles = self.phone.media().needles(call.stream?)?;
        Some(CallLevels {
            call: call.id.as_str().to_owned(),
            microphone_dbfs: needles.microphone_dbfs.filter(|_| !call.muted),
            far_end_dbfs: needles.far_end_dbfs,
        })
    }
}

/// Why settings are not changed.
enum NoChange {
    Refused(Vec<NotChanged>),
    NoAnswer(NoAnswer),
}

impl From<NoAnswer> for NoChange {
    fn from(cause: NoAnswer) -> NoChange {
        NoChange::NoAnswer(cause)
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
            number: self
                .phone
                .own_number()
                .map(|number| number.as_str().to_owned()),
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
            quiet: self.phone.quiet_until().map(|until| QuietTime {
                until: until.map(rfc3339),
            }),
            levels: snapshot
                .calls
                .iter()
                .filter_map(|call| self.levels(call))
                .collect(),
            voicemails_waiting: snapshot.voicemails_waiting,
        }
    }

    fn settings(&self) -> BTreeMap<String, SettingReport> {
        live::reports(&self.told, &self.phone.tuned())
    }

    fn change_settings<'a>(&'a self, change: &'a Map<String, Value>) -> Changing<'a> {
        Box::pin(async move {
            let changed = self
                .phone
                .tune(|tuned| live::change(tuned, change).map_err(NoChange::Refused));
            match changed.await {
                Ok(tuned) => Ok(live::reports(&self.told, &tuned)),
                Err(NoChange::Refused(why)) => {
                    let code = why.first().map_or("bad_request", NotChanged::code);
                    let sentences: Vec<String> = why.iter().map(ToString::to_string).collect();
                    Err((code, sentences.join("; ")))
                }
                Err(NoChange::NoAnswer(cause)) => Err(("no_answer", cause.to_string())),
            }
        })
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

    fn dial<'a>(&'a self, to: &'a str, key: Option<String>) -> Commanded<'a> {
        Box::pin(async move {
            let to = self.number_of(to).await?;
            let dialled = self.phone.dial_once(key, &to).await;
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

    fn watch(&self, after: Option<u64>) -> Lines {
        watch::lines(&self.phone, after)
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
