//! One device: its bytes become wishes, and its lamps follow the phone.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::phone::PhoneHandle;
use crate::pure::handset::evdev::Events;
use crate::pure::handset::hid::{Layout, Reports};
use crate::pure::handset::{Keys, Lamps, Press, Wish};

/// The most bytes that are read at once. A report of a telephone has 64 at most (USB 2.0, section 5.7.3).
const READ: usize = 1024;

/// What was typed is dialled within this, or no more: as long as telephones wait for another digit.
const TYPED_FOR: Duration = Duration::from_secs(15);

/// How its bytes are to be read.
#[derive(Debug)]
pub(super) enum Decoder {
    /// One report for each read.
    Hid(Reports),
    /// Events, whole ones.
    Input(Events),
}

impl Decoder {
    fn push(&mut self, bytes: &[u8]) -> Vec<Press> {
        match self {
            Decoder::Hid(reports) => reports.push(bytes),
            Decoder::Input(events) => events.push(bytes),
        }
    }
}

/// An open device.
#[derive(Debug)]
pub(super) struct Device {
    file: File,
    decoder: Decoder,
    /// Where its lamps are, where they may be lit.
    lamps: Option<Layout>,
}

impl Device {
    pub(super) fn new(file: File, decoder: Decoder, lamps: Option<Layout>) -> Device {
        Device {
            file,
            decoder,
            lamps,
        }
    }

    /// Reads it and lights its lamps until it is gone; returns why.
    pub(super) async fn attend(
        self,
        phone: &PhoneHandle,
        wishes: &mpsc::Sender<Wish>,
    ) -> io::Error {
        match self.serve(phone, wishes).await {
            Ok(never) => match never {},
            Err(why) => why,
        }
    }

    async fn serve(
        mut self,
        phone: &PhoneHandle,
        wishes: &mpsc::Sender<Wish>,
    ) -> io::Result<std::convert::Infallible> {
        let file = Arc::new(self.file.try_clone()?);
        // No pipe perhaps, but waited for and read alike: it was opened so that it never blocks, and a read of a `hidraw`
        // device is one report.
        let reader = pipe::Receiver::from_file_unchecked(self.file)?;
        let mut snapshots = phone.snapshots();
        let mut keys = Keys::default();
        let mut pressed = Instant::now();
        let mut lit = None;
        let mut lighting: Option<JoinHandle<io::Result<()>>> = None;
        loop {
            if lighting.is_none()
                && let Some(layout) = &self.lamps
            {
                // What a device has no lamp for changes nothing.
                let reports = layout.light(Lamps::of(&snapshots.borrow_and_update()));
                if lit.as_ref() != Some(&reports) {
                    lit = Some(reports.clone());
                    lighting = Some(light(Arc::clone(&file), reports));
                }
            }
            let lights = async {
                match &mut lighting {
                    Some(task) => task.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = snapshots.changed(), if self.lamps.is_some() => {
                    changed.map_err(|_| io::Error::other("the phone has ended"))?;
                }
                done = lights => {
                    lighting = None;
                    if let Ok(Err(why)) = done {
                        // Its keys may do all the same.
                        tracing::debug!(%why, "the lamps of a handset cannot be lit");
                        self.lamps = None;
                    }
                }
                readable = reader.readable() => {
                    readable?;
                    let mut bytes = [0; READ];
                    match reader.try_read(&mut bytes) {
                        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                        Ok(count) => {
                            if pressed.elapsed() > TYPED_FOR {
                                keys.forget();
                            }
                            pressed = Instant::now();
                            for press in self.decoder.push(&bytes[..count]) {
                                let wish = keys.wish(press, &phone.snapshots().borrow());
                                if let Some(wish) = wish
                                    && wishes.try_send(wish).is_err()
                                {
                                    tracing::debug!("keys come faster than they can be obeyed");
                                }
                            }
                        }
                        Err(why) if why.kind() == io::ErrorKind::WouldBlock => {}
                        Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                        Err(why) => return Err(why),
                    }
                }
            }
        }
    }
}

/// Writes reports beside the runtime's threads: a device may take its time, whatever was asked of its file.
fn light(file: Arc<File>, reports: Vec<Vec<u8>>) -> JoinHandle<io::Result<()>> {
    tokio::task::spawn_blocking(move || {
        for report in reports {
            (&*file).write_all(&report)?;
        }
        Ok(())
    })
}
