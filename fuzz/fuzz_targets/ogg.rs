//! Whatever lies in a file that claims to be Ogg Opus: read, mended or refused, never a panic, and no more is told than came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook::pure::ogg::{self, opus};
use offhook::pure::recording;

fuzz_target!(|data: &[u8]| {
    let pages: usize = ogg::pages(data).map(|(_, page)| page.length()).sum();
    assert!(pages <= data.len());
    let packets: Vec<ogg::Packet> = ogg::packets(data).collect();
    assert!(packets.iter().map(|packet| packet.data.len()).sum::<usize>() <= data.len());
    for packet in &packets {
        if let Some(head) = opus::Head::parse(&packet.data) {
            assert_eq!(opus::Head::parse(&head.to_packet()), Some(head));
        }
        for streams in 1..4 {
            if let Some(split) = opus::split(&packet.data, streams) {
                assert_eq!(split.len(), usize::from(streams));
            }
        }
    }
    if let Some(mended) = ogg::mend(data) {
        let mut whole = data[..mended.at].to_vec();
        whole.extend(&mended.page);
        assert!(ogg::is_finished(&whole) && ogg::mend(&whole).is_none());
    }
    if let Ok(sound) = recording::opus::read(data, 16_000) {
        assert!(sound.channels.iter().all(|channel| channel.len() <= 16_000));
    }
});
