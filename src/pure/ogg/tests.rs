//! Behaviours of the container.

use proptest::collection::vec;
use proptest::prelude::*;

use super::opus::{self, Head, Mapping};
use super::*;

/// Writes packets, with a page's end behind those that say so.
fn write(given: &[(Vec<u8>, bool)]) -> Vec<u8> {
    let mut writer = PageWriter::new(7);
    let mut bytes = Vec::new();
    for (n, (packet, ends)) in given.iter().enumerate() {
        writer.push(packet, 960 * (n as u64 + 1));
        if *ends {
            bytes.extend(writer.flush());
        }
    }
    bytes.extend(writer.finish());
    bytes
}

fn any_packets() -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
    let length = prop_oneof![
        4 => 0..300_usize,
        1 => Just(255),
        1 => Just(510),
        1 => 60_000..70_000_usize
    ];
    let packet = (any::<u8>(), length).prop_map(|(byte, length)| vec![byte; length]);
    vec((packet, any::<bool>()), 0..12)
}

#[test]
fn a_page_has_the_bytes_and_the_checksum_of_the_standard() {
    // Reckoned by hand from RFC 3533, section 6, and with another program's division.
    let mut writer = PageWriter::new(0x0102_0304);
    writer.push(b"abc", 5);
    let bytes = writer.finish();
    assert_eq!(&bytes[..6], b"OggS\0\x06", "first and last of its stream");
    assert_eq!(&bytes[6..14], &5_u64.to_le_bytes());
    assert_eq!(&bytes[14..18], &[4, 3, 2, 1]);
    assert_eq!(&bytes[18..22], &[0; 4]);
    assert_eq!(&bytes[26..], b"\x01\x03abc");
    let mut zeroed = bytes.clone();
    zeroed[22..26].fill(0);
    assert_eq!(&bytes[22..26], &long_division(&zeroed).to_le_bytes());
}

/// The remainder as long division gives it, a bit at a time, without a table.
fn long_division(bytes: &[u8]) -> u32 {
    let bits = bytes
        .iter()
        .copied()
        .chain([0; 4])
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let mut rest = 0_u64;
    for bit in bits {
        rest = rest << 1 | u64::from(bit);
        if rest >> 32 != 0 {
            rest ^= 0x1_04C1_1DB7;
        }
    }
    rest as u32
}

#[test]
fn a_spoiled_page_costs_its_own_packets_and_that_is_told() {
    let given: Vec<_> = (0..5_u8).map(|n| (vec![n; 40], true)).collect();
    let mut bytes = write(&given);
    let (at, page) = pages(&bytes).nth(2).expect("the third");
    let middle = at + page.length() / 2;
    bytes[middle] ^= 1;
    let read: Vec<_> = packets(&bytes).map(|p| (p.data[0], p.after_gap)).collect();
    assert_eq!(read, [(0, false), (1, false), (3, true), (4, false)]);
}

#[test]
fn pages_of_another_stream_and_bytes_between_pages_are_passed_over() {
    let mut bytes = b"OggOggS and something else".to_vec();
    bytes.extend(write(&[(vec![1; 10], true), (vec![2; 10], false)]));
    let mut other = PageWriter::new(8);
    other.push(b"of another", 1);
    bytes.splice(26..26, *b"more");
    bytes.extend(other.finish());
    let read: Vec<_> = packets(&bytes).map(|packet| packet.data[0]).collect();
    assert_eq!(read, [1, 2]);
}

#[test]
fn a_stream_is_finished_when_its_last_page_is_the_end_of_its_file() {
    let whole = write(&[(vec![1; 500], true), (vec![2; 500], false)]);
    assert!(is_finished(&whole));
    assert!(!is_finished(&whole[..whole.len() - 1]));
    assert!(!is_finished(&[]));
    assert_eq!(mend(&whole), None, "nothing is to be mended");
    assert_eq!(last_granule(&whole), Some(1_920));
    assert_eq!(last_granule(&whole[..whole.len() - 1]), Some(960));
}

#[test]
fn a_head_is_read_as_it_was_written() {
    let plain = Head {
        channels: 2,
        pre_skip: 312,
        input_rate: 8_000,
        gain: -256,
        mapping: Mapping::Plain,
    };
    let streams = Head {
        mapping: Mapping::Streams {
            family: 1,
            streams: 2,
            coupled: 0,
            channels: vec![0, 1],
        },
        ..plain.clone()
    };
    for head in [plain, streams] {
        let packet = head.to_packet();
        assert_eq!(Head::parse(&packet), Some(head));
        for cut in 0..packet.len() {
            assert_eq!(Head::parse(&packet[..cut]), None);
        }
    }
    for wrong in [
        b"OpusHead\x11\x01\0\0\0\0\0\0\0\0\0".as_slice(), // another version
        b"OpusHead\x01\x00\0\0\0\0\0\0\0\0\0",            // no channel
        b"OpusHead\x01\x03\0\0\0\0\0\0\0\0\0",            // three in one stream
        b"OpusHead\x01\x01\0\0\0\0\0\0\0\0\x01\x01\x00\x01", // a channel that no stream has
    ] {
        assert_eq!(Head::parse(wrong), None, "{wrong:?}");
    }
}

#[test]
fn packets_of_every_code_come_out_of_a_packet_of_two_streams() {
    let long = [7; 300];
    for (delimited, plain) in [
        (vec![0x08, 3, 1, 2, 3], vec![0x08, 1, 2, 3]),
        (vec![0x09, 2, 1, 2, 3, 4], vec![0x09, 1, 2, 3, 4]),
        (vec![0x0A, 1, 2, 9, 8, 8], vec![0x0A, 1, 9, 8, 8]),
        // Three frames of lengths of their own, and two bytes of padding.
        (
            vec![0x0B, 0xC3, 2, 1, 2, 1, 9, 8, 8, 7, 0, 0],
            vec![0x0B, 0xC3, 2, 1, 2, 9, 8, 8, 7, 0, 0],
        ),
        // Two frames of one length.
        (vec![0x0B, 0x02, 1, 5, 6], vec![0x0B, 0x02, 5, 6]),
        // A length of two bytes: 252 + 0 + 4 × 12.
        (
            [&[0x08, 252, 12], long.as_slice()].concat(),
            [&[0x08], long.as_slice()].concat(),
        ),
    ] {
        let both = [delimited.as_slice(), &[0x08, 42]].concat();
        let split = opus::split(&both, 2).expect("two");
        assert_eq!(split, [plain, vec![0x08, 42]]);
        for cut in 0..delimited.len() {
            assert_eq!(opus::split(&both[..cut], 2), None, "cut at {cut}");
        }
    }
}

proptest! {
    #[test]
    fn packets_come_back_as_they_were_with_positions_that_only_rise(given in any_packets()) {
        let bytes = write(&given);
        let read: Vec<Packet> = packets(&bytes).collect();
        prop_assert_eq!(read.len(), given.len());
        let mut before = 0;
        for (n, (packet, (data, _))) in read.iter().zip(&given).enumerate() {
            prop_assert_eq!(&packet.data, data);
            prop_assert!(!packet.after_gap);
            if let Some(granule) = packet.granule {
                prop_assert!(granule > before && granule <= 960 * (n as u64 + 1));
                before = granule;
            }
        }
        for (n, (_, page)) in pages(&bytes).enumerate() {
            prop_assert_eq!(page.sequence, n as u32);
            prop_assert_eq!(page.first, n == 0);
        }
        prop_assert!(is_finished(&bytes));
    }

    #[test]
    fn a_file_cut_off_at_any_byte_is_mended_to_its_last_whole_page(
        given in any_packets(),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = write(&given);
        let cut = cut.index(whole.len());
        let mut bytes = whole[..cut].to_vec();
        let kept: Vec<Packet> = packets(&bytes).collect();
        match mend(&bytes) {
            Some(mended) => {
                bytes.truncate(mended.at);
                bytes.extend(mended.page);
                prop_assert!(is_finished(&bytes));
                prop_assert_eq!(mend(&bytes), None);
                let again: Vec<Packet> = packets(&bytes).collect();
                prop_assert_eq!(again.len(), kept.len());
                prop_assert!(again.iter().zip(&kept).all(|(a, b)| a.data == b.data));
            }
            None => prop_assert_eq!(pages(&bytes).count(), 0),
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic_or_tell_more_than_there_is(
        mut bytes in vec(any::<u8>(), 0..400),
        spoiled in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        given in any_packets(),
    ) {
        bytes.extend(write(&given));
        for (at, byte) in spoiled {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let read: usize = packets(&bytes).map(|packet| packet.data.len()).sum();
        prop_assert!(read <= bytes.len());
        let _ = (mend(&bytes), is_finished(&bytes), last_granule(&bytes));
        let _ = Head::parse(&bytes);
        let _ = opus::split(&bytes, 2);
    }

    #[test]
    fn two_packets_joined_are_two_again(
        first in vec(any::<u8>(), 1..1_270),
        second in vec(any::<u8>(), 1..100),
    ) {
        let mut first = first;
        first[0] &= 0xFC;
        let joined = opus::join(&first, &second).expect("one frame each");
        prop_assert_eq!(opus::split(&joined, 2), Some(vec![first, second]));
    }
}
