//! What there is to speak into and to hear from.

use cpal::traits::{DeviceTrait, HostTrait};

use super::real;

/// What a device can, one way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ability {
    /// Its own rate, in Hz: the one that is used.
    pub rate: u32,
    /// Its own number of channels: the one that is used.
    pub channels: u16,
    /// The lowest and the highest rate that it takes, in Hz.
    pub rates: (u32, u32),
    /// The most channels that it takes.
    pub most_channels: u16,
    /// The kinds of samples that it takes, as the sound system names them (`i16`, `f32` …).
    pub formats: Vec<String>,
}

/// One device of the sound system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeviceInfo {
    /// The sound system: `alsa`, `pulseaudio`, `pipewire`.
    pub host: String,
    /// Its name there; with the host before it, `host:name` chooses it in the settings.
    pub name: String,
    /// What the system says of it.
    pub description: String,
    /// What it can capture, if it can.
    pub capture: Option<Ability>,
    /// What it can play, if it can.
    pub playout: Option<Ability>,
    /// Whether it is the host's default for capturing.
    pub default_capture: bool,
    /// Whether it is the host's default for playing.
    pub default_playout: bool,
}

/// ALSA's entries that are no devices: they convert, or play to nobody at any pace.
const NO_DEVICES: [&str; 10] = [
    "null",
    "lavrate",
    "samplerate",
    "speexrate",
    "speex",
    "upmix",
    "vdownmix",
    "jack",
    "oss",
    "usbstream",
];

/// Lists the devices that can be opened, host by host, best host first. May block for seconds.
///
/// # Errors
/// A sentence for the person where `host` names a sound system that this program does not know.
pub fn devices(host: Option<&str>) -> Result<Vec<DeviceInfo>, String> {
    let _hush = real::hush();
    let mut list = Vec::new();
    for id in real::hosts(host)? {
        let Ok(host) = cpal::host_from_id(id) else {
            continue;
        };
        let id_of = |device: Option<cpal::Device>| device.and_then(|device| device.id().ok());
        let (default_in, default_out) = (
            id_of(host.default_input_device()),
            id_of(host.default_output_device()),
        );
        let Ok(devices) = host.devices() else {
            continue;
        };
        for device in devices {
            let Ok(device_id) = device.id() else { continue };
            let name = device_id.id().to_owned();
            if id.to_string() == "alsa" && NO_DEVICES.contains(&name.as_str()) {
                continue;
            }
            let (capture, playout) = (
                ability(
                    device.default_input_config(),
                    device.supported_input_configs(),
                ),
                ability(
                    device.default_output_config(),
                    device.supported_output_configs(),
                ),
            );
            // What does not open one way or the other is no use to anybody.
            if capture.is_none() && playout.is_none() {
                continue;
            }
            list.push(DeviceInfo {
                host: id.to_string(),
                description: device
                    .description()
                    .map(|text| text.name().to_owned())
                    .unwrap_or_default(),
                default_capture: capture.is_some() && default_in.as_ref() == Some(&device_id),
                default_playout: playout.is_some() && default_out.as_ref() == Some(&device_id),
                name,
                capture,
                playout,
            });
        }
    }
    Ok(list)
}

/// Sums up what a device can, one way; nothing where it does not open that way.
fn ability(
    own: Result<cpal::SupportedStreamConfig, cpal::Error>,
    all: Result<impl Iterator<Item = cpal::SupportedStreamConfigRange>, cpal::Error>,
) -> Option<Ability> {
    let own = own.ok()?;
    let mut ability = Ability {
        rate: own.sample_rate(),
        channels: own.channels(),
        rates: (own.sample_rate(), own.sample_rate()),
        most_channels: own.channels(),
        formats: vec![own.sample_format().to_string()],
    };
    for range in all.into_iter().flatten() {
        let (low, high) = ability.rates;
        ability.rates = (
            low.min(range.min_sample_rate()),
            high.max(range.max_sample_rate()),
        );
        ability.most_channels = ability.most_channels.max(range.channels());
        ability.formats.push(range.sample_format().to_string());
    }
    ability.formats.sort();
    ability.formats.dedup();
    Some(ability)
}
