//! Cuts the sound of one stream into frames, whatever the size of its messages, and gives every frame its place.
//!
//! The carrier stamps messages in whole milliseconds, eight samples apart, so a stamp and the sum of what came before
//! disagree by a rounding here and there. Within that the sum is believed; beyond it the stamp is, and the gap, or the
//! step back, shows in [`DownFrame::at`].

use crate::pure::audio::{DownFrame, FRAME_LEN, LINE_RATE};
use crate::pure::time::Time;

/// Samples in a millisecond.
const PER_MS: u64 = (LINE_RATE / 1000) as u64;

/// How far stamp and sum may differ, in samples: each end of a message was rounded by less than a millisecond.
const ROUNDING: u64 = 2 * PER_MS;

/// Where one stream's sound stands.
#[derive(Clone, Debug, Default)]
pub struct Recut {
    /// Where the next sample belongs if nothing is missing; nothing before the first.
    next: Option<u64>,
}

impl Recut {
    /// Cuts the sound of one message; without a timestamp it follows what came before.
    pub fn cut<'a>(
        &mut self,
        ulaw: &'a [u8],
        timestamp_ms: Option<u64>,
        arrived: Time,
    ) -> impl Iterator<Item = DownFrame> + use<'a> {
        let stamped = timestamp_ms.map(|ms| ms.saturating_mul(PER_MS));
        let at = match (stamped, self.next) {
            (Some(stamped), Some(next)) if stamped.abs_diff(next) < ROUNDING => next,
            (Some(stamped), _) => stamped,
            (None, next) => next.unwrap_or(0),
        };
        let end = at.saturating_add(ulaw.len() as u64);
        // A message that comes late fills its place, but what is due next stays due.
        self.next = Some(self.next.map_or(end, |next| next.max(end)));
        let mut at = at;
        ulaw.chunks(FRAME_LEN).map(move |chunk| {
            let mut frame = DownFrame {
                at,
                len: u8::try_from(chunk.len()).expect("a chunk is at most 160 bytes"),
                ulaw: [0xff; FRAME_LEN],
                arrived,
            };
            frame.ulaw[..chunk.len()].copy_from_slice(chunk);
            at = at.saturating_add(chunk.len() as u64);
            frame
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Cuts messages of (timestamp, length) and returns the (position, length) of each frame.
    fn cut(messages: &[(Option<u64>, usize)]) -> Vec<(u64, u8)> {
        let mut recut = Recut::default();
        messages
            .iter()
            .flat_map(|(ms, len)| {
                recut
                    .cut(&vec![0; *len], *ms, Time::START)
                    .collect::<Vec<_>>()
            })
            .map(|frame| (frame.at, frame.len))
            .collect()
    }

    #[test]
    fn messages_of_a_frame_each_stay_as_they_are() {
        assert_eq!(
            cut(&[(Some(0), 160), (Some(20), 160), (Some(40), 160)]),
            [(0, 160), (160, 160), (320, 160)]
        );
    }

    #[test]
    fn a_long_message_becomes_many_frames_and_a_short_one_a_short_frame() {
        assert_eq!(
            cut(&[(Some(0), 350), (Some(43), 1)]),
            [(0, 160), (160, 160), (320, 30), (350, 1)]
        );
    }

    #[test]
    fn a_stamp_that_is_only_rounded_leaves_no_gap() {
        assert_eq!(
            cut(&[(Some(5), 100), (Some(17), 100), (Some(30), 100)]),
            [(40, 100), (140, 100), (240, 100)]
        );
    }

    #[test]
    fn a_real_gap_shows_in_the_position() {
        assert_eq!(
            cut(&[(Some(0), 160), (Some(60), 160)]),
            [(0, 160), (480, 160)]
        );
    }

    #[test]
    fn a_message_from_before_goes_to_its_place_and_the_next_is_not_moved() {
        assert_eq!(
            cut(&[
                (Some(20), 160),
                (Some(0), 160),
                (Some(40), 160),
                (None, 160)
            ]),
            [(160, 160), (0, 160), (320, 160), (480, 160)]
        );
    }

    #[test]
    fn without_a_stamp_sound_follows_sound() {
        assert_eq!(cut(&[(None, 160), (None, 10)]), [(0, 160), (160, 10)]);
    }

    #[test]
    fn no_sound_makes_no_frame() {
        assert_eq!(cut(&[(Some(0), 0)]), []);
    }

    proptest! {
        #[test]
        fn every_byte_arrives_once_in_order_and_without_a_gap_however_it_was_cut(
            pieces in prop::collection::vec(1_usize..3_000, 1..40),
            start_ms in 0_u64..1_000,
            round_up in any::<bool>(),
        ) {
            let total: usize = pieces.iter().sum();
            let sound: Vec<u8> = (0..total).map(|i| (i % 251) as u8).collect();
            let mut recut = Recut::default();
            let (mut heard, mut due, mut done) = (Vec::new(), start_ms * PER_MS, 0_usize);
            for piece in pieces {
                let exact = start_ms * PER_MS + done as u64;
                let ms = if round_up { exact.div_ceil(PER_MS) } else { exact / PER_MS };
                for frame in recut.cut(&sound[done..done + piece], Some(ms), Time::START) {
                    prop_assert!((1..=FRAME_LEN).contains(&usize::from(frame.len)));
                    prop_assert_eq!(frame.at, due);
                    due += u64::from(frame.len);
                    heard.extend_from_slice(&frame.ulaw[..usize::from(frame.len)]);
                }
                done += piece;
            }
            prop_assert_eq!(heard, sound);
        }

        #[test]
        fn any_stamps_are_survived(stamps in prop::collection::vec(any::<Option<u64>>(), 0..20)) {
            let messages: Vec<_> = stamps.into_iter().map(|stamp| (stamp, 200)).collect();
            prop_assert_eq!(cut(&messages).len(), messages.len() * 2);
        }
    }
}
