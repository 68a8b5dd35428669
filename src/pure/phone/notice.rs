//! Recordings that pause, and how far ends learn that they are recorded.
//!
//! Told from the calls' states after each input, as the desk's sound is: whoever's voice is in a recording hears the notice,
//! also who meets somebody that is recorded, since what they say is sent to that one.

use super::{CommandError, Effect, Happening, Phone, RecordNotice, Spoken};
use crate::pure::call::Call;
use crate::pure::ids::StreamId;
use crate::pure::recording::name::Kind;

impl Phone {
    /// Tells the recorder and the engine what has changed.
    pub(super) fn settle_notice(&mut self, effects: &mut Vec<Effect>) {
        let notice = self.settings.record_notice;
        for call in &mut self.calls {
            let paused = call.recording().filter(|_| call.recording_paused);
            if paused != call.paused {
                if let Some(stream) = call.recording() {
                    effects.push(Effect::PauseRecording(stream, paused.is_some()));
                }
                call.paused = paused;
            }
        }
        let is_heard = |call: &Call| match notice {
            RecordNotice::Off => false,
            // What is left out needs no sign; a sentence is said once.
            RecordNotice::Tone => call.recording().is_some() && call.paused.is_none(),
            RecordNotice::Spoken => call.recording().is_some(),
        };
        let meeting_is = self.calls.iter().any(|call| call.meets() && is_heard(call));
        for call in &mut self.calls {
            let attached = call.attached.map(|(stream, _)| stream);
            let wanted = attached.filter(|_| is_heard(call) || (meeting_is && call.meets()));
            if wanted != call.noticed {
                call.tell_of_recording(notice, attached, wanted, effects);
                call.noticed = wanted;
            }
        }
    }

    /// The notice was heard.
    pub(super) fn notice_is_over(&mut self, stream: StreamId) {
        let mut calls = self.calls.iter_mut();
        if let Some(call) = calls.find(|call| call.hears_notice == Some(stream)) {
            call.hears_notice = None;
        }
    }
}

impl Call {
    /// Returns the stream that is recorded because somebody wants it; whoever leaves a message knows it.
    fn recording(&self) -> Option<StreamId> {
        let of_call = self.records.filter(|(_, kind)| *kind == Kind::Call);
        of_call.map(|(stream, _)| stream)
    }

    /// Pauses its recording, or lets that go on.
    pub(super) fn pause_recording(
        &mut self,
        on: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), CommandError> {
        if !self.recorded {
            return Err(CommandError::NotRecorded);
        }
        if std::mem::replace(&mut self.recording_paused, on) != on {
            let happening = if on {
                Happening::RecordingPaused
            } else {
                Happening::RecordingResumed
            };
            self.note(happening, effects);
        }
        Ok(())
    }

    fn tell_of_recording(
        &mut self,
        notice: RecordNotice,
        attached: Option<StreamId>,
        wanted: Option<StreamId>,
        effects: &mut Vec<Effect>,
    ) {
        // A stream that was let go has taken the tone with it, and what was said.
        let had = self.noticed.filter(|_| self.noticed == attached);
        let hushed = self.hears_notice.take().filter(|_| had.is_some());
        match notice {
            RecordNotice::Off => {}
            RecordNotice::Tone => {
                effects.extend(had.map(|stream| Effect::RecordingTone(stream, false)));
                effects.extend(wanted.map(|stream| Effect::RecordingTone(stream, true)));
            }
            RecordNotice::Spoken => {
                effects.extend(hushed.map(Effect::Hush));
                effects.extend(wanted.map(|stream| Effect::Speak(stream, Spoken::Notice)));
                self.hears_notice = wanted;
            }
        }
    }
}
