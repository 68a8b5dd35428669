//! Whatever a device that claims to be a headset says of itself, and sends: read without a panic, and no lamp is written beyond
//! its reports. The first two bytes say how long its descriptor is, the next how long each report.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook::pure::handset::Lamps;
use offhook::pure::handset::evdev::{Events, Width};
use offhook::pure::handset::hid::{LONGEST_REPORT, Layout, Reports};

fuzz_target!(|data: &[u8]| {
    let whole = Events::new(Width::Word64).push(data).len();
    let mut events = Events::new(Width::Word64);
    let parts: usize = data.chunks(7).map(|part| events.push(part).len()).sum();
    assert_eq!(whole, parts);
    let [low, high, size, rest @ ..] = data else {
        return;
    };
    let length = usize::from(u16::from_le_bytes([*low, *high]));
    let (descriptor, reports) = rest.split_at(length.min(rest.len()));
    let layout = Layout::read(descriptor);
    for lamps in [
        Lamps::default(),
        Lamps {
            off_hook: true,
            ring: true,
            mute: true,
            hold: true,
        },
    ] {
        for report in layout.light(lamps) {
            assert!(report.len() <= 1 + LONGEST_REPORT);
        }
    }
    let mut device = Reports::new(layout);
    for report in reports.chunks(usize::from(*size).max(1)) {
        device.push(report);
    }
});
