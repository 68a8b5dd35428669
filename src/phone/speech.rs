//! What is said into calls: read beside the phone's task, played in its order, and told when it is over.

use std::collections::HashMap;
use std::path::PathBuf;

use tokio::sync::mpsc;

use super::task::Message;
use crate::audio::MediaHandle;
use crate::lang::Lang;
use crate::pure::audio::clip::Clip;
use crate::pure::audio::mouth::Beneath;
use crate::pure::ids::StreamId;
use crate::pure::phone::Spoken;
use crate::recorder::clips;

/// What is being said, and to whom.
pub(super) struct Speeches {
    greetings: PathBuf,
    lang: Lang,
    /// The number of what is said to each stream: what became of anything else is of no interest.
    said: HashMap<StreamId, u64>,
    last: u64,
    tone: Clip,
}

impl Speeches {
    /// Makes it with nothing said.
    pub(super) fn new(greetings: PathBuf, lang: Lang) -> Speeches {
        Speeches {
            greetings,
            lang,
            said: HashMap::new(),
            last: 0,
            tone: Clip::recording_tone(),
        }
    }

    /// Returns the tone of a call that is recorded.
    pub(super) fn tone(&self) -> Clip {
        self.tone.clone()
    }

    /// Has a clip read that is to be said to a stream; it comes back as [`Message::SpeechRead`].
    pub(super) fn begin(
        &mut self,
        stream: StreamId,
        spoken: Spoken,
        inputs: &mpsc::WeakSender<Message>,
    ) {
        self.last += 1;
        let speech = self.last;
        self.said.insert(stream, speech);
        let (greetings, lang, inputs) = (self.greetings.clone(), self.lang, inputs.clone());
        tokio::spawn(async move {
            let read = move || match spoken {
                Spoken::Greeting => greeting(greetings, lang),
                Spoken::Beep => Clip::beep(),
                Spoken::Notice => clips::notice(lang),
            };
            // What cannot be read for a fault of ours is said as nothing.
            let clip = tokio::task::spawn_blocking(read).await;
            let clip = clip.unwrap_or_else(|_| Clip::new(Vec::new()));
            let beneath = match spoken {
                Spoken::Greeting | Spoken::Beep => Beneath::Nothing,
                Spoken::Notice => Beneath::Softly,
            };
            if let Some(inputs) = inputs.upgrade() {
                let read = Message::SpeechRead {
                    stream,
                    speech,
                    clip,
                    beneath,
                };
                let _ = inputs.send(read).await;
            }
        });
    }

    /// Plays what was read, where it is still wanted; its end comes back as [`Message::SpeechOver`].
    pub(super) fn play(
        &self,
        media: &MediaHandle,
        (stream, speech): (StreamId, u64),
        (clip, beneath): (Clip, Beneath),
        inputs: &mpsc::WeakSender<Message>,
    ) {
        if self.said.get(&stream) != Some(&speech) {
            return;
        }
        let is_over = media.say(stream, clip, beneath);
        let inputs = inputs.clone();
        tokio::spawn(async move {
            // Where it cannot be played it is over as well.
            let _ = is_over.await;
            if let Some(inputs) = inputs.upgrade() {
                let _ = inputs.send(Message::SpeechOver(stream, speech)).await;
            }
        });
    }

    /// Says whether this was what is said to a stream, which is now over.
    pub(super) fn is_over(&mut self, stream: StreamId, speech: u64) -> bool {
        let is_it = self.said.get(&stream) == Some(&speech);
        if is_it {
            self.said.remove(&stream);
        }
        is_it
    }

    /// Forgets what is said to a stream; says whether there was anything.
    pub(super) fn forget(&mut self, stream: StreamId) -> bool {
        self.said.remove(&stream).is_some()
    }
}

/// The owner's greeting, or ours, with the beep.
fn greeting(folder: PathBuf, lang: Lang) -> Clip {
    let own = clips::own_greeting_in(&folder).and_then(|path| {
        let read = clips::own_greeting(&path);
        let path = path.display();
        match read {
            Ok(loaded) => {
                if loaded.is_cut {
                    let most = clips::LONGEST_GREETING;
                    tracing::warn!(%path, ?most, "the greeting is longer than what is played of it");
                }
                Some(loaded.clip)
            }
            Err(cause) => {
                tracing::warn!(%path, %cause, "the greeting cannot be played; the built-in one is");
                None
            }
        }
    });
    clips::before_message(&own.unwrap_or_else(|| clips::greeting(lang)))
}
