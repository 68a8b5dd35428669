//! What there is to speak into and to hear from.

use cpal::traits::{DeviceTrait, HostTrait};

use super::real;

/// One device of the sound system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeviceInfo {
    /// The sound system: `alsa`, `pulseaudio`, `pipewire`.
    pub host: String,
    /// Its name there; with the host before it, `host:name` chooses it in the settings.
    pub name: String,
    /// What the system says of it.
    pub description: String,
    /// Its own rate and channels for capturing, where it can.
    pub capture: Option<(u32, u16)>,
    /// Its own rate and channels for playing, where it can.
    pub playout: Option<(u32, u16)>,
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
            let shape = |config: Result<cpal::SupportedStreamConfig, cpal::Error>| {
                config
                    .ok()
                    .map(|config| (config.sample_rate(), config.channels()))
            };
            let (capture, playout) = (
                shape(device.default_input_config()),
                shape(device.default_output_config()),
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
