//! Carries what was learned of pairs of devices between the engine and the store, so that it outlives the daemon.

use crate::audio::MediaHandle;
use crate::store::StoreHandle;

/// Tells the engine what was learned in earlier runs; before the first call.
pub(super) async fn take_up(media: &MediaHandle, store: &StoreHandle) {
    match store.pairs().await {
        Ok(pairs) => media.know(pairs),
        Err(cause) => {
            tracing::warn!(%cause, "what was learned of the devices is not known: the speakerphone learns it anew");
        }
    }
}

/// Hands the store what the engine has learned; at the end of a call and of the daemon.
pub(super) async fn keep(media: &MediaHandle, store: &StoreHandle) {
    let pairs = media.learned().await;
    if !pairs.is_empty() {
        store.keep_pairs(pairs);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::pure::audio::device::{AudioSettings, DeviceChoice};
    use crate::pure::audio::pair::Pair;
    use crate::pure::audio::speakerphone::Learned;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_restarted_engine_knows_what_was_learned_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = AudioSettings {
            capture: DeviceChoice::None,
            playout: DeviceChoice::None,
            ..AudioSettings::default()
        };
        let start = || MediaHandle::start(&settings, Instant::now()).expect("threads can be had");
        let pair = Pair {
            capture: "a microphone".to_owned(),
            playout: "a speaker".to_owned(),
            learned: Learned::new(-12, 31.5).expect("numbers"),
        };
        let (media, store) = (start(), StoreHandle::open(folder.path()).expect("it opens"));
        take_up(&media, &store).await;
        assert_eq!(media.learned().await, [], "nothing is known at first");
        media.know(vec![pair.clone()]);
        keep(&media, &store).await;
        store.flush().await;
        media.stop().await;
        drop(store);

        let (media, store) = (
            start(),
            StoreHandle::open(folder.path()).expect("it opens again"),
        );
        take_up(&media, &store).await;
        assert_eq!(media.learned().await, [pair]);
        media.stop().await;
        assert_eq!(media.learned().await, [], "nobody answers any more");
    }
}
