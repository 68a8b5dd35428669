//! Descriptors as headsets and telephones have them, written after the usage tables, and the reports that go with them.

use proptest::prelude::*;

use super::*;

/// A headset: hook, mute and flash, volume; lamps for off hook, mute, ring and hold. Reports are numbered.
#[rustfmt::skip]
const HEADSET: &[u8] = &[
    0x05, 0x0b, 0x09, 0x05, 0xa1, 0x01, // Telephony page, Headset, Application
    0x85, 0x02,                         // Report 2
    0x15, 0x00, 0x25, 0x01,             // 0 to 1
    0x75, 0x01, 0x95, 0x01,             // one bit
    0x09, 0x20, 0x81, 0x02,             // Hook Switch: absolute
    0x09, 0x2f, 0x81, 0x06,             // Phone Mute: relative
    0x09, 0x21, 0x81, 0x06,             // Flash: relative
    0x95, 0x05, 0x81, 0x03,             // padding
    0x05, 0x08,                         // LED page
    0x09, 0x17, 0x09, 0x09, 0x09, 0x18, 0x09, 0x20, // Off-Hook, Mute, Ring, Hold
    0x95, 0x04, 0x91, 0x02,
    0x05, 0x0b, 0x09, 0x9e, 0x95, 0x01, 0x91, 0x02, // Ringer, which is not the lamp
    0x95, 0x03, 0x91, 0x03,             // padding
    0xc0,
    0x05, 0x0c, 0x09, 0x01, 0xa1, 0x01, // Consumer Control
    0x85, 0x01, 0x09, 0xe9, 0x09, 0xea, 0x75, 0x01, 0x95, 0x02, 0x81, 0x06, // volume
    0x95, 0x06, 0x81, 0x03,
    0xc0,
];

/// A handset with a dial: its keys are a list of those that are down, its hook a bit; reports without a number.
#[rustfmt::skip]
const HANDSET: &[u8] = &[
    0x05, 0x0b, 0x09, 0x01, 0xa1, 0x01, // Telephony page, Phone, Application
    0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x01, 0x09, 0x20, 0x81, 0x02, // Hook Switch
    0x95, 0x07, 0x81, 0x03,             // padding
    0x15, 0x01, 0x25, 0x0c,             // 1 to 12
    0x19, 0xb0, 0x29, 0xbb,             // Phone Key 0 to Phone Key Pound
    0x75, 0x04, 0x95, 0x02, 0x81, 0x00, // two at once
    0xc0,
];

/// The control of a cable: the consumer page alone.
#[rustfmt::skip]
const CABLE: &[u8] = &[
    0x05, 0x0c, 0x09, 0x01, 0xa1, 0x01,
    0x15, 0x00, 0x26, 0xff, 0x03, 0x19, 0x00, 0x2a, 0xff, 0x03, // every usage to 0x3ff
    0x75, 0x10, 0x95, 0x01, 0x81, 0x00, // one at once, of 16 bits
    0xc0,
];

/// A mouse.
#[rustfmt::skip]
const MOUSE: &[u8] = &[
    0x05, 0x01, 0x09, 0x02, 0xa1, 0x01, 0x09, 0x01, 0xa1, 0x00, 0x05, 0x09, 0x19, 0x01, 0x29, 0x03,
    0x15, 0x00, 0x25, 0x01, 0x95, 0x03, 0x75, 0x01, 0x81, 0x02, 0x95, 0x01, 0x75, 0x05, 0x81, 0x03,
    0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x15, 0x81, 0x25, 0x7f, 0x75, 0x08, 0x95, 0x02, 0x81, 0x06, 0xc0, 0xc0,
];

#[test]
fn a_headset_answers_mutes_and_hangs_up() {
    let mut headset = Reports::new(Layout::read(HEADSET));
    assert!(headset.layout().is_telephone());
    for (report, presses) in [
        (&[2, 0b001][..], &[Press::HookOff][..]),
        (&[2, 0b001], &[]),
        (&[2, 0b011], &[Press::Mute]),
        (&[2, 0b001], &[]),
        (&[2, 0b011], &[Press::Mute]),
        (&[2, 0b101], &[Press::Flash]),
        (&[1, 0b11], &[]),
        (&[2, 0b000], &[Press::HookOn]),
        (&[2], &[]),
        (&[], &[]),
        (&[7, 0xff], &[]),
    ] {
        assert_eq!(headset.push(report), presses, "{report:?}");
    }
}

#[test]
fn a_handset_dials() {
    let mut handset = Reports::new(Layout::read(HANDSET));
    assert!(handset.layout().is_telephone());
    for (report, presses) in [
        ([1, 0x00], &[Press::HookOff][..]),
        ([1, 0x06], &[Press::Key('5')]),
        ([1, 0x00], &[]),
        ([1, 0x02], &[Press::Key('1')]),
        // A second finger, then the first is lifted.
        ([1, 0xc2], &[Press::Key('#')]),
        ([1, 0x0c], &[]),
        ([1, 0x0b], &[Press::Key('*')]),
        // Beyond the list.
        ([1, 0x0f], &[]),
        ([0, 0x01], &[Press::Key('0'), Press::HookOn]),
    ] {
        assert_eq!(handset.push(&report), presses, "{report:02x?}");
    }
    assert_eq!(handset.layout().light(Lamps::default()), [[0; 0]; 0]);
}

#[test]
fn a_cable_has_one_key_and_is_no_telephone() {
    let mut cable = Reports::new(Layout::read(CABLE));
    assert!(!cable.layout().is_telephone());
    assert_eq!(cable.push(&[0xcd, 0x00]), [Press::Hook]);
    assert_eq!(cable.push(&[0x00, 0x00]), []);
    assert_eq!(cable.push(&[0xe9, 0x00]), [], "the volume is the system's");
    assert_eq!(cable.push(&[0xe2, 0x00]), [Press::Mute]);
}

#[test]
fn a_hook_that_only_moves_is_one_key_for_both() {
    let moving: Vec<u8> = HEADSET
        .windows(4)
        .position(|part| part == [0x09, 0x20, 0x81, 0x02])
        .map(|at| {
            let mut bytes = HEADSET.to_vec();
            bytes[at + 3] = 0x06;
            bytes
        })
        .expect("it has a hook");
    let mut headset = Reports::new(Layout::read(&moving));
    assert_eq!(headset.push(&[2, 1]), [Press::Hook]);
    assert_eq!(headset.push(&[2, 0]), []);
    assert_eq!(headset.push(&[2, 1]), [Press::Hook]);
}

#[test]
fn a_mouse_is_no_telephone_and_has_no_key_of_one() {
    let mut mouse = Reports::new(Layout::read(MOUSE));
    assert!(!mouse.layout().is_telephone());
    assert_eq!(mouse.push(&[0xff, 0xff, 0xff]), []);
    assert_eq!(mouse.layout().light(Lamps::default()), [[0; 0]; 0]);
}

#[test]
fn lamps_are_lit_by_the_report_that_holds_them() {
    let layout = Layout::read(HEADSET);
    let lamps = |off_hook, mute, ring, hold| Lamps {
        off_hook,
        ring,
        mute,
        hold,
    };
    for (lamps, byte) in [
        (lamps(false, false, false, false), 0b0000),
        (lamps(true, false, false, false), 0b0001),
        (lamps(true, true, false, false), 0b0011),
        (lamps(false, false, true, false), 0b0100),
        (lamps(true, false, false, true), 0b1001),
    ] {
        assert_eq!(layout.light(lamps), [[2, byte]], "{lamps:?}");
    }
}

#[test]
fn a_descriptor_may_push_name_pages_itself_and_hold_long_items() {
    #[rustfmt::skip]
    let descriptor = [
        0x05, 0x01, 0xa4, 0x05, 0x0b, 0xb4, // another page, pushed and popped
        0xfe, 0x02, 0x00, 0x81, 0x02,       // a long item
        0xa1, 0x01, 0x75, 0x01, 0x95, 0x01,
        0x0b, 0x20, 0x00, 0x0b, 0x00, 0x81, 0x02, // Hook Switch, with its page
        0x09, 0x30, 0x81, 0x02,             // X, of the page that was popped
        0xc0,
    ];
    let mut device = Reports::new(Layout::read(&descriptor));
    assert_eq!(device.push(&[0b11]), [Press::HookOff]);
}

proptest! {
    #[test]
    fn any_descriptor_and_any_reports_are_survived(
        descriptor in descriptors(),
        reports in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..10),
        lit in any::<[bool; 4]>(),
    ) {
        let layout = Layout::read(&descriptor);
        let [off_hook, ring, mute, hold] = lit;
        for report in layout.light(Lamps { off_hook, ring, mute, hold }) {
            prop_assert!(report.len() <= 1 + LONGEST_REPORT);
        }
        let mut device = Reports::new(layout);
        for report in reports {
            device.push(&report);
        }
    }

    #[test]
    fn what_is_held_down_is_told_once(value in any::<[u8; 2]>()) {
        let mut headset = Reports::new(Layout::read(HANDSET));
        headset.push(&value);
        prop_assert_eq!(headset.push(&value), []);
    }
}

/// Bytes, items put together at random, and true descriptors with a few bytes changed.
fn descriptors() -> impl Strategy<Value = Vec<u8>> {
    let tags = [
        0x05, 0x09, 0x0b, 0x15, 0x19, 0x1b, 0x29, 0x2b, 0x75, 0x77, 0x81, 0x85, 0x91, 0x95, 0x97,
        0xa1, 0xa4, 0xb4, 0xc0, 0xfe,
    ];
    let item = (prop::sample::select(tags.to_vec()), any::<[u8; 4]>()).prop_map(|(tag, data)| {
        let size = [0, 1, 2, 4][usize::from(tag & 3)];
        let mut bytes = vec![tag];
        bytes.extend(&data[..size]);
        bytes
    });
    let changed = (
        prop::sample::select(vec![HEADSET, HANDSET, CABLE, MOUSE]),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    )
        .prop_map(|(descriptor, changes)| {
            let mut bytes = descriptor.to_vec();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        prop::collection::vec(item, 0..60).prop_map(|items| items.concat()),
        changed,
    ]
}
