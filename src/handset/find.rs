//! Which devices there are.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::libc::{O_NOCTTY, O_NONBLOCK};

use super::device::{Decoder, Device};
use crate::pure::handset::HandsetChoice;
use crate::pure::handset::evdev::{Events, Width};
use crate::pure::handset::hid::{LONGEST_DESCRIPTOR, Layout, Reports};

/// Where the system tells of its devices, and where they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Roots {
    /// A folder for each device that speaks HID: `/sys/class/hidraw`.
    pub hidraw: PathBuf,
    /// The devices themselves: `/dev`.
    pub dev: PathBuf,
}

impl Default for Roots {
    fn default() -> Roots {
        Roots {
            hidraw: PathBuf::from("/sys/class/hidraw"),
            dev: PathBuf::from("/dev"),
        }
    }
}

/// A device that is to be used.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Where its keys stand in its reports; nothing for an input device of Linux.
    layout: Option<Layout>,
}

/// Returns the devices that are chosen and there.
pub(super) fn find(choice: &HandsetChoice, roots: &Roots) -> Vec<Found> {
    match choice {
        HandsetChoice::None => Vec::new(),
        HandsetChoice::Auto => telephones(roots),
        HandsetChoice::Device(path) => named(path, roots).into_iter().collect(),
    }
}

/// Returns every device that speaks the telephony page.
fn telephones(roots: &Roots) -> Vec<Found> {
    let Ok(names) = fs::read_dir(&roots.hidraw) else {
        return Vec::new();
    };
    let mut found: Vec<Found> = names
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let layout = layout_of(&roots.hidraw, Path::new(&name))?;
            layout.is_telephone().then(|| Found {
                path: roots.dev.join(name),
                layout: Some(layout),
            })
        })
        .collect();
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Returns the device that somebody named, by whatever link.
fn named(path: &Path, roots: &Roots) -> Option<Found> {
    let real = fs::canonicalize(path).ok()?;
    let name = Path::new(real.file_name()?);
    Some(Found {
        layout: layout_of(&roots.hidraw, name),
        path: path.to_owned(),
    })
}

fn layout_of(hidraw: &Path, name: &Path) -> Option<Layout> {
    let path = hidraw.join(name).join("device/report_descriptor");
    let descriptor = fs::read(path).ok()?;
    (descriptor.len() <= LONGEST_DESCRIPTOR).then(|| Layout::read(&descriptor))
}

impl Found {
    /// Opens it, for its lamps too where that is allowed.
    pub(super) fn open(&self) -> io::Result<Device> {
        let open = |write: bool| {
            fs::OpenOptions::new()
                .read(true)
                .write(write)
                .custom_flags(O_NONBLOCK | O_NOCTTY)
                .open(&self.path)
        };
        let kind = fs::metadata(&self.path)?.file_type();
        if !(kind.is_char_device() || kind.is_fifo()) {
            return Err(io::Error::other("it is no device"));
        }
        let real = fs::canonicalize(&self.path)?;
        let is_raw = real
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"hidraw"));
        if is_raw && self.layout.is_none() {
            return Err(io::Error::other("what its keys are cannot be read"));
        }
        let (decoder, lamps) = match &self.layout {
            Some(layout) => (
                Decoder::Hid(Reports::new(layout.clone())),
                Some(layout.clone()),
            ),
            None => (Decoder::Input(Events::new(Width::HERE)), None),
        };
        // An input device has no lamps of ours, and nothing is written to it.
        if lamps.is_some()
            && let Ok(file) = open(true)
        {
            return Ok(Device::new(file, decoder, lamps));
        }
        Ok(Device::new(open(false)?, decoder, None))
    }
}
