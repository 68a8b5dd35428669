//! Clips over what a far end hears: something said once, and a sign that comes again and again.

use super::super::clip::{Clip, ClipPlayer};
use super::super::fader::Fader;
use super::super::{DeviceRate, FRAME_LEN};

/// What a far end hears beneath a clip of what it would hear without.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Beneath {
    /// Nothing.
    Nothing,
    /// All of it, 12 dB softer.
    Softly,
}

impl Beneath {
    fn gain(self) -> f32 {
        match self {
            Beneath::Nothing => 0.0,
            Beneath::Softly => 0.25,
        }
    }
}

/// The clips over one leg. A clip that is over stays where it is until another comes, since whoever makes frames frees no
/// memory.
#[derive(Debug)]
pub(super) struct Overlay {
    said: Option<(ClipPlayer, Beneath)>,
    /// What was said before and fades.
    fades: Option<ClipPlayer>,
    /// What comes again and again, and whether it is to.
    sign: Option<(Clip, ClipPlayer)>,
    others: Fader,
}

impl Default for Overlay {
    fn default() -> Overlay {
        Overlay {
            said: None,
            fades: None,
            sign: None,
            others: Fader::new(1.0, DeviceRate::LINE),
        }
    }
}

impl Overlay {
    /// Says something, in place of what is being said.
    pub(super) fn say(&mut self, clip: Clip, beneath: Beneath) {
        self.hush();
        let before = self.said.replace((ClipPlayer::new(clip), beneath));
        if let Some((before, _)) = before.filter(|(before, _)| !before.is_over()) {
            self.fades = Some(before);
        }
    }

    /// Lets what is being said fade.
    pub(super) fn hush(&mut self) {
        if let Some((said, _)) = &mut self.said {
            said.stop();
        }
    }

    /// Says whether nothing is being said.
    pub(super) fn is_through(&self) -> bool {
        self.said.as_ref().is_none_or(|(said, _)| said.is_over())
    }

    /// Adds a clip again and again, from now on without a pause, or lets it fade.
    pub(super) fn repeat(&mut self, clip: Option<Clip>) {
        match (clip, &mut self.sign) {
            (Some(clip), sign) => *sign = Some((clip.clone(), ClipPlayer::new(clip))),
            (None, Some((_, player))) => player.stop(),
            (None, None) => {}
        }
    }

    /// Says whether nothing is over anything.
    pub(super) fn is_idle(&self) -> bool {
        let over = |player: &ClipPlayer| player.is_over();
        self.is_through()
            && self.fades.as_ref().is_none_or(over)
            && self
                .sign
                .as_ref()
                .is_none_or(|(_, player)| player.is_stopped())
            && self.others.gain() == 1.0
    }

    /// Puts the clips over a frame.
    pub(super) fn process(&mut self, frame: &mut [f32; FRAME_LEN]) {
        let beneath = match &self.said {
            Some((said, beneath)) if !said.is_over() => beneath.gain(),
            Some(_) | None => 1.0,
        };
        self.others.set(beneath);
        self.others.process(frame);
        if let Some((said, _)) = &mut self.said {
            said.add_to(frame);
        }
        if let Some(fades) = &mut self.fades {
            fades.add_to(frame);
        }
        if let Some((clip, player)) = &mut self.sign {
            player.add_to(frame);
            if player.is_over() && !player.is_stopped() {
                *player = ClipPlayer::new(clip.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets so many frames of a steady voice pass.
    fn heard(overlay: &mut Overlay, frames: usize, voice: f32) -> Vec<f32> {
        let mut sound = Vec::new();
        for _ in 0..frames {
            let mut frame = [voice; FRAME_LEN];
            if !overlay.is_idle() {
                overlay.process(&mut frame);
            }
            sound.extend(frame);
        }
        sound
    }

    fn steady(level: i16, samples: usize) -> Clip {
        Clip::new(vec![level; samples])
    }

    #[test]
    fn a_clip_is_said_whole_and_the_voice_comes_back_behind_it() {
        for (beneath, left) in [(Beneath::Nothing, 0.0), (Beneath::Softly, 0.1)] {
            let mut overlay = Overlay::default();
            assert!(overlay.is_idle() && overlay.is_through());
            overlay.say(steady(8_192, 5 * FRAME_LEN), beneath);
            let sound = heard(&mut overlay, 4, 0.4);
            assert!(!overlay.is_through());
            assert!((sound[0] - 0.65).abs() < 0.01, "the voice fades beneath it");
            for sample in &sound[80..] {
                assert!((sample - 0.25 - left).abs() < 1e-4, "{sample}");
            }
            heard(&mut overlay, 1, 0.4);
            assert!(overlay.is_through(), "with its last sample");
            assert!(!overlay.is_idle(), "the voice is still soft");
            let sound = heard(&mut overlay, 2, 0.4);
            assert!(sound[80..].iter().all(|sample| *sample == 0.4));
            assert!(overlay.is_idle());
        }
    }

    #[test]
    fn whatever_stops_or_takes_the_place_of_something_else_does_not_click() {
        let mut overlay = Overlay::default();
        let mut sound = heard(&mut overlay, 1, 0.3);
        overlay.say(steady(0, 8_000), Beneath::Nothing);
        sound.extend(heard(&mut overlay, 2, 0.3));
        // One begins softly, as clips do.
        let rises: Vec<i16> = (0..8_000).map(|n: i16| n.min(160) * 50).collect();
        overlay.say(Clip::new(rises.clone()), Beneath::Nothing);
        sound.extend(heard(&mut overlay, 3, 0.3));
        overlay.say(Clip::new(rises), Beneath::Nothing);
        sound.extend(heard(&mut overlay, 3, 0.3));
        overlay.hush();
        sound.extend(heard(&mut overlay, 2, 0.3));
        assert!(overlay.is_idle(), "hushed and faded");
        let steps = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        let steepest = steps.fold(0.0, f32::max);
        assert!(steepest < 0.012, "{steepest}");
        assert_eq!(sound.last(), Some(&0.3));
    }

    #[test]
    fn a_sign_comes_again_and_again_over_the_whole_voice_until_it_is_stopped() {
        let mut overlay = Overlay::default();
        let sign = Clip::sequence(&[steady(3_277, FRAME_LEN), steady(0, 3 * FRAME_LEN)]);
        overlay.repeat(Some(sign));
        let sound = heard(&mut overlay, 12, 0.4);
        for (n, frame) in sound.chunks(FRAME_LEN).enumerate() {
            let wanted = if n % 4 == 0 { 0.5 } else { 0.4 };
            for sample in frame {
                assert!((sample - wanted).abs() < 1e-3, "frame {n}: {sample}");
            }
        }
        assert!(
            overlay.is_through() && !overlay.is_idle(),
            "it says nothing"
        );
        overlay.repeat(None);
        heard(&mut overlay, 1, 0.4);
        assert!(overlay.is_idle());
        let sound = heard(&mut overlay, 8, 0.4);
        assert!(sound.iter().all(|sample| *sample == 0.4));
    }
}
