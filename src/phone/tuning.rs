//! What a person changes while the telephone runs: kept first, then told to whoever it concerns.

use std::sync::{Mutex, PoisonError};

use super::PhoneHandle;
use super::task::Message;
use crate::pure::phone::PhoneSettings;
use crate::pure::tuning::{Knob, Tuned, Tuning};
use crate::store::NoAnswer;

/// Where it stands, and who changes it.
#[derive(Debug)]
pub(super) struct Tuner {
    /// What else the phone is to behave like.
    settings: PhoneSettings,
    tuned: Mutex<Tuned>,
    /// One changes after the other, so that none is lost.
    turn: tokio::sync::Mutex<()>,
}

impl Tuner {
    pub(super) fn new(settings: PhoneSettings) -> Tuner {
        Tuner {
            tuned: Mutex::new(Tuned::new(Tuning::of(&settings))),
            settings,
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn tuned(&self) -> Tuned {
        self.tuned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, tuned: Tuned) {
        *self.tuned.lock().unwrap_or_else(PoisonError::into_inner) = tuned;
    }
}

impl PhoneHandle {
    /// Returns what holds now of all that may be changed.
    #[must_use]
    pub fn tuned(&self) -> Tuned {
        self.shared.tuner.tuned()
    }

    /// Takes over what the phone was started with, and what a person had changed before that.
    pub async fn take_up(&self, tuned: Tuned) {
        let do_not_disturb = tuned.now().do_not_disturb;
        self.shared.tuner.set(tuned);
        if do_not_disturb {
            self.told(Message::DoNotDisturb(true)).await;
        }
    }

    /// Changes what may be changed while the phone runs. It is kept first; the phone's next decision follows it.
    ///
    /// # Errors
    /// What `change` fails with, and [`NoAnswer`] where it cannot be kept; either way nothing is changed.
    pub async fn tune<E: From<NoAnswer>>(
        &self,
        change: impl FnOnce(&mut Tuned) -> Result<(), E>,
    ) -> Result<Tuned, E> {
        let tuner = &self.shared.tuner;
        let _turn = tuner.turn.lock().await;
        let before = tuner.tuned();
        let mut tuned = before.clone();
        change(&mut tuned)?;
        if tuned.changes() != before.changes() {
            let kept = tuned.changes().into_iter();
            let kept = kept.map(|(knob, text)| (knob.name().to_owned(), text));
            self.store().keep_settings(kept.collect()).await?;
        }
        self.obey(&before, &tuned).await;
        tuner.set(tuned.clone());
        Ok(tuned)
    }

    /// Tells everybody whom a change concerns.
    async fn obey(&self, before: &Tuned, tuned: &Tuned) {
        let (was, is) = (before.now(), tuned.now());
        for knob in Knob::ALL {
            if was.text(knob) == is.text(knob) {
                continue;
            }
            // Its value may be somebody's number.
            tracing::info!(setting = knob.name(), "a setting is changed");
            match knob {
                Knob::Ring
                | Knob::RingSeconds
                | Knob::AutoAnswer
                | Knob::CallWaiting
                | Knob::LongestCall
                | Knob::ForwardAlways
                | Knob::ForwardBusy
                | Knob::ForwardNoAnswer
                | Knob::Voicemail
                | Knob::Screening => {
                    let mut settings = self.shared.tuner.settings.clone();
                    is.apply_to(&mut settings);
                    self.told(Message::Settings(Box::new(settings))).await;
                }
                Knob::Volume => self.media().set_volume(is.volume),
                Knob::RingVolume => self.media().set_ring_volume(is.ring_volume),
                Knob::DoNotDisturb => self.told(Message::DoNotDisturb(is.do_not_disturb)).await,
            }
        }
    }

    /// Keeps the desk from ringing, or lets it ring again; also after the next start.
    pub async fn do_not_disturb(&self, on: bool) {
        let kept = self.tune(|tuned| {
            if on {
                let wanted = Tuning {
                    do_not_disturb: true,
                    ..tuned.now().clone()
                };
                tuned.change(Knob::DoNotDisturb, &wanted);
            } else {
                tuned.give_up(Knob::DoNotDisturb);
            }
            Ok::<(), NoAnswer>(())
        });
        if kept.await.is_err() {
            tracing::warn!("that the desk is not to be disturbed holds until the next start only");
        }
        // Also where it was so already by what is kept, which may not be what the phone was told.
        self.told(Message::DoNotDisturb(on)).await;
    }
}
