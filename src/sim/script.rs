//! What the simulated caller does while a stream is up: a script, and the caller who follows it frame by frame.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;

/// Samples of a frame: 20 ms at 8 kHz.
pub(super) const FRAME: usize = 160;

/// Frames between two digits that are pressed.
const DIGIT_FRAMES: usize = 5;

/// One thing that the caller does.
#[derive(Debug)]
pub enum Step {
    /// Plays sound, 8 kHz.
    Speak(Vec<i16>),
    /// Says nothing.
    Silence(Duration),
    /// Says nothing and hears out what comes.
    Listen(Duration),
    /// Remembers what it hears for so long, then plays it back.
    EchoTest {
        /// How long.
        record: Duration,
    },
    /// Says nothing until the other end of the channel is used or dropped.
    WaitFor(oneshot::Receiver<()>),
    /// Presses digits, one every 100 ms.
    Dtmf(String),
    /// Hangs up. The end of the script does the same.
    HangUp,
}

/// What comes of a frame's time.
#[derive(Debug, Eq, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment, on the stack"
)]
pub(super) enum Act {
    /// 20 ms of sound.
    Sound([i16; FRAME]),
    /// A digit, and 20 ms of silence.
    Digit(char),
    /// It is over.
    HangUp,
}

/// Follows a script. Lives as long as the call: a second stream goes on where the first one ended.
#[derive(Debug, Default)]
pub(super) struct Caller {
    steps: VecDeque<Step>,
    /// Where in the first step it is, in samples, frames or digits.
    at: usize,
    /// Where in what was heard the echo test began.
    from: Option<usize>,
}

impl Caller {
    pub(super) fn new(steps: Vec<Step>) -> Caller {
        Caller {
            steps: steps.into(),
            at: 0,
            from: None,
        }
    }

    /// Forgets where in the sound of a stream that is gone something began.
    pub(super) fn new_stream(&mut self) {
        self.from = None;
        if let Some(Step::EchoTest { .. }) = self.steps.front() {
            self.at = 0;
        }
    }

    /// Says whether it is remembering what it hears, for an echo.
    pub(super) fn remembers(&self) -> bool {
        self.from.is_some()
    }

    /// Returns what the next 20 ms bring; `heard` is everything heard on this stream.
    pub(super) fn next(&mut self, heard: &[i16]) -> Act {
        const QUIET: Act = Act::Sound([0; FRAME]);
        loop {
            let at = self.at;
            self.at += 1;
            match self.steps.front_mut() {
                None | Some(Step::HangUp) => return Act::HangUp,
                Some(Step::Speak(sound)) => {
                    if let Some(rest) = sound.get(at * FRAME..).filter(|rest| !rest.is_empty()) {
                        let mut frame = [0; FRAME];
                        let length = rest.len().min(FRAME);
                        frame[..length].copy_from_slice(&rest[..length]);
                        return Act::Sound(frame);
                    }
                }
                Some(Step::Silence(time) | Step::Listen(time)) => {
                    if at < frames(*time) {
                        return QUIET;
                    }
                }
                Some(Step::EchoTest { record }) => {
                    let from = *self.from.get_or_insert(heard.len());
                    let length = frames(*record) * FRAME;
                    // What was heard is a matter of time, and no frame may be missing at its end.
                    let Some(echo) = heard.get(from..from + length) else {
                        return QUIET;
                    };
                    let echo = echo.to_vec();
                    self.steps[0] = Step::Speak(echo);
                    (self.at, self.from) = (0, None);
                    continue;
                }
                Some(Step::WaitFor(sign)) => {
                    if sign.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
                        return QUIET;
                    }
                }
                Some(Step::Dtmf(digits)) => {
                    let digit = digits.chars().nth(at / DIGIT_FRAMES);
                    match digit {
                        Some(digit) if at.is_multiple_of(DIGIT_FRAMES) => return Act::Digit(digit),
                        Some(_) => return QUIET,
                        None => {}
                    }
                }
            }
            self.steps.pop_front();
            self.at = 0;
        }
    }
}

/// Returns how many frames a time takes.
fn frames(time: Duration) -> usize {
    usize::try_from(time.as_millis().div_ceil(20)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(caller: &mut Caller) -> Act {
        caller.next(&[])
    }

    #[test]
    fn steps_follow_each_other_and_the_end_hangs_up() {
        let mut caller = Caller::new(vec![
            Step::Speak(vec![7; 200]),
            Step::Silence(Duration::from_millis(40)),
            Step::Dtmf("1#".into()),
        ]);
        let mut last = [0; FRAME];
        last[..40].fill(7);
        assert_eq!(act(&mut caller), Act::Sound([7; FRAME]));
        assert_eq!(act(&mut caller), Act::Sound(last));
        assert_eq!(act(&mut caller), Act::Sound([0; FRAME]));
        assert_eq!(act(&mut caller), Act::Sound([0; FRAME]));
        assert_eq!(act(&mut caller), Act::Digit('1'));
        for _ in 1..DIGIT_FRAMES {
            assert_eq!(act(&mut caller), Act::Sound([0; FRAME]));
        }
        assert_eq!(act(&mut caller), Act::Digit('#'));
        for _ in 1..DIGIT_FRAMES {
            assert_eq!(act(&mut caller), Act::Sound([0; FRAME]));
        }
        assert_eq!(act(&mut caller), Act::HangUp);
        assert_eq!(act(&mut caller), Act::HangUp);
    }

    #[test]
    fn an_echo_test_plays_back_what_it_heard_and_nothing_from_before() {
        let mut caller = Caller::new(vec![Step::EchoTest {
            record: Duration::from_millis(40),
        }]);
        let mut heard = vec![1; 80];
        assert_eq!(caller.next(&heard), Act::Sound([0; FRAME]));
        heard.extend([2; 160]);
        assert_eq!(caller.next(&heard), Act::Sound([0; FRAME]));
        heard.extend([3; 160]);
        assert_eq!(caller.next(&heard), Act::Sound([2; FRAME]));
        assert_eq!(caller.next(&heard), Act::Sound([3; FRAME]));
        assert_eq!(caller.next(&heard), Act::HangUp);
    }

    #[test]
    fn waiting_ends_when_the_sign_is_given_or_can_never_be() {
        for give in [true, false] {
            let (sign, waits) = oneshot::channel();
            let mut caller = Caller::new(vec![Step::WaitFor(waits)]);
            for _ in 0..100 {
                assert_eq!(act(&mut caller), Act::Sound([0; FRAME]));
            }
            if give {
                sign.send(()).expect("somebody waits");
            } else {
                drop(sign);
            }
            assert_eq!(act(&mut caller), Act::HangUp);
        }
    }
}
