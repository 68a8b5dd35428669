//! Events of Linux's input devices (`struct input_event` of `linux/input.h`, codes of `linux/input-event-codes.h`).

use super::Press;

/// How large an event is: its time are two machine words, then type, code and value follow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Width {
    /// 16 bytes, on machines of 32 bits.
    Word32,
    /// 24 bytes, on machines of 64 bits.
    Word64,
}

impl Width {
    /// The size on the machine that this was compiled for.
    pub const HERE: Width = if cfg!(target_pointer_width = "64") {
        Width::Word64
    } else {
        Width::Word32
    };

    const fn time(self) -> usize {
        match self {
            Width::Word32 => 8,
            Width::Word64 => 16,
        }
    }
}

/// Types of events.
const EV_KEY: u16 = 1;
const EV_SW: u16 = 5;

/// What a key's value says: pressed. Released is 0, repeated 2.
const PRESSED: i32 = 1;

/// A switch: the device has closed its microphone.
const SW_MUTE_DEVICE: u16 = 0x0e;

/// Keys.
const KEY_MUTE: u16 = 113;
const KEY_PLAYPAUSE: u16 = 164;
const KEY_PHONE: u16 = 169;
const KEY_PLAYCD: u16 = 200;
const KEY_PAUSECD: u16 = 201;
const KEY_PLAY: u16 = 207;
const KEY_MICMUTE: u16 = 248;
const KEY_PICKUP_PHONE: u16 = 0x1bd;
const KEY_HANGUP_PHONE: u16 = 0x1be;
const KEY_NUMERIC_0: u16 = 0x200;
const KEY_NUMERIC_9: u16 = 0x209;
const KEY_NUMERIC_STAR: u16 = 0x20a;
const KEY_NUMERIC_POUND: u16 = 0x20b;

/// Puts the bytes of a device together to events.
#[derive(Clone, Debug)]
pub struct Events {
    width: Width,
    rest: Vec<u8>,
}

impl Events {
    /// Begins with the first byte of an event.
    #[must_use]
    pub fn new(width: Width) -> Events {
        Events {
            width,
            rest: Vec::new(),
        }
    }

    /// Takes bytes, cut anywhere, and returns what was done.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Press> {
        self.rest.extend_from_slice(bytes);
        let time = self.width.time();
        let size = time + 8;
        let whole = self.rest.len() / size * size;
        let presses = self.rest[..whole]
            .chunks_exact(size)
            .filter_map(|event| match event[time..] {
                [t0, t1, c0, c1, v0, v1, v2, v3] => press(
                    u16::from_ne_bytes([t0, t1]),
                    u16::from_ne_bytes([c0, c1]),
                    i32::from_ne_bytes([v0, v1, v2, v3]),
                ),
                _ => None,
            })
            .collect();
        self.rest.drain(..whole);
        presses
    }
}

fn press(kind: u16, code: u16, value: i32) -> Option<Press> {
    match (kind, code) {
        (EV_SW, SW_MUTE_DEVICE) => Some(Press::Muted(value != 0)),
        (EV_KEY, code) if value == PRESSED => key(code),
        _ => None,
    }
}

fn key(code: u16) -> Option<Press> {
    match code {
        KEY_PHONE | KEY_PLAYPAUSE | KEY_PLAYCD | KEY_PAUSECD | KEY_PLAY => Some(Press::Hook),
        KEY_PICKUP_PHONE => Some(Press::HookOff),
        KEY_HANGUP_PHONE => Some(Press::HangUp),
        KEY_MICMUTE | KEY_MUTE => Some(Press::Mute),
        KEY_NUMERIC_STAR => Some(Press::Key('*')),
        KEY_NUMERIC_POUND => Some(Press::Key('#')),
        KEY_NUMERIC_0..=KEY_NUMERIC_9 => {
            char::from_digit(u32::from(code - KEY_NUMERIC_0), 10).map(Press::Key)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What `evtest` shows of a media key on a machine of 64 bits: pressed, synchronised, repeated, released.
    fn events(width: Width, list: &[(u16, u16, i32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, code, value) in list {
            bytes.extend(vec![0x5a; width.time()]);
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(code.to_ne_bytes());
            bytes.extend(value.to_ne_bytes());
        }
        bytes
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn recorded_bytes_of_a_play_key_are_one_press() {
        // Scan code, key down, end of report; a moment later key up, end of report.
        let recorded = [
            "5c8e25690000000012d90b00000000000400040 0cd000c00",
            "5c8e25690000000012d90b00000000000100a40001000000",
            "5c8e25690000000012d90b00000000000000000000000000",
            "5c8e256900000000f66a0d00000000000100a40000000000",
            "5c8e256900000000f66a0d00000000000000000000000000",
        ];
        let hex: String = recorded.concat().replace(' ', "");
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hexadecimal"))
            .collect();
        assert_eq!(bytes.len(), 5 * 24);
        assert_eq!(Events::new(Width::Word64).push(&bytes), [Press::Hook]);
    }

    #[test]
    fn each_key_is_known_on_both_kinds_of_machines() {
        for width in [Width::Word32, Width::Word64] {
            for (code, press) in [
                (KEY_PHONE, Press::Hook),
                (KEY_PICKUP_PHONE, Press::HookOff),
                (KEY_HANGUP_PHONE, Press::HangUp),
                (KEY_MICMUTE, Press::Mute),
                (KEY_MUTE, Press::Mute),
                (0x205, Press::Key('5')),
                (KEY_NUMERIC_POUND, Press::Key('#')),
            ] {
                let bytes = events(width, &[(EV_KEY, code, 1), (0, 0, 0), (EV_KEY, code, 0)]);
                assert_eq!(Events::new(width).push(&bytes), [press], "{code}");
            }
            let bytes = events(width, &[(EV_SW, 14, 1), (EV_SW, 14, 0), (EV_SW, 2, 1)]);
            let switched = [Press::Muted(true), Press::Muted(false)];
            assert_eq!(Events::new(width).push(&bytes), switched);
        }
    }

    #[test]
    fn letters_repeats_and_the_volume_are_nobodys_business() {
        let (letter, volume) = (30, 115);
        let bytes = events(
            Width::Word64,
            &[
                (EV_KEY, letter, 1),
                (EV_KEY, volume, 1),
                (EV_KEY, KEY_PHONE, 2),
            ],
        );
        assert_eq!(Events::new(Width::Word64).push(&bytes), []);
    }

    proptest! {
        #[test]
        fn bytes_mean_the_same_however_they_are_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            cuts in prop::collection::vec(1_usize..40, 0..20),
        ) {
            let whole = Events::new(Width::Word64).push(&bytes);
            let mut events = Events::new(Width::Word64);
            let mut rest = bytes.as_slice();
            let mut parts = Vec::new();
            for cut in cuts {
                let (part, more) = rest.split_at(cut.min(rest.len()));
                parts.extend(events.push(part));
                rest = more;
            }
            parts.extend(events.push(rest));
            prop_assert_eq!(whole, parts);
        }
    }
}
