//! What the simulator can do wrong on request, to see what a server makes of it.

use std::time::Duration;

/// One way to misbehave. Faults of a stream come one second into it, unless they are about its very beginning or end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Misbehaviour {
    /// The connection is reset.
    Reset,
    /// Our half of the connection is shut, without a close frame.
    HalfClose,
    /// A text message that is no JSON.
    Garbage,
    /// A binary message.
    Binary,
    /// A message that breaks off.
    TruncatedJson,
    /// A message of more than a megabyte.
    Oversized,
    /// Every media message of a second comes twice.
    Duplicates,
    /// Every two media messages of a second are swapped.
    OutOfOrder,
    /// Nothing for so long, then all of it at once.
    Stall(Duration),
    /// `start` promises another format than mu-law at 8 kHz.
    WrongFormat,
    /// `start` never comes.
    NoStart,
    /// Every custom parameter is another than the TwiML said.
    WrongToken,
    /// `start`, and never any media.
    SilentLine,
    /// `stop`, and then the socket is left open for five seconds.
    StopWithoutClose,
    /// A second socket comes with the same parameters.
    TwoSocketsOneToken,
    /// Nothing that the server sends is read.
    NeverReads,
    /// The first webhook is sent a second time, as after a retry.
    WebhookTwice,
}

impl Misbehaviour {
    /// Every one of them.
    pub const ALL: [Misbehaviour; 17] = [
        Misbehaviour::Reset,
        Misbehaviour::HalfClose,
        Misbehaviour::Garbage,
        Misbehaviour::Binary,
        Misbehaviour::TruncatedJson,
        Misbehaviour::Oversized,
        Misbehaviour::Duplicates,
        Misbehaviour::OutOfOrder,
        Misbehaviour::Stall(Duration::from_millis(500)),
        Misbehaviour::WrongFormat,
        Misbehaviour::NoStart,
        Misbehaviour::WrongToken,
        Misbehaviour::SilentLine,
        Misbehaviour::StopWithoutClose,
        Misbehaviour::TwoSocketsOneToken,
        Misbehaviour::NeverReads,
        Misbehaviour::WebhookTwice,
    ];

    /// Returns its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Misbehaviour::Reset => "reset",
            Misbehaviour::HalfClose => "half-close",
            Misbehaviour::Garbage => "garbage",
            Misbehaviour::Binary => "binary",
            Misbehaviour::TruncatedJson => "truncated-json",
            Misbehaviour::Oversized => "oversized",
            Misbehaviour::Duplicates => "duplicates",
            Misbehaviour::OutOfOrder => "out-of-order",
            Misbehaviour::Stall(_) => "stall",
            Misbehaviour::WrongFormat => "wrong-format",
            Misbehaviour::NoStart => "no-start",
            Misbehaviour::WrongToken => "wrong-token",
            Misbehaviour::SilentLine => "silent-line",
            Misbehaviour::StopWithoutClose => "stop-without-close",
            Misbehaviour::TwoSocketsOneToken => "two-sockets",
            Misbehaviour::NeverReads => "never-reads",
            Misbehaviour::WebhookTwice => "webhook-twice",
        }
    }

    /// Finds one by its name; a stall then lasts half a second.
    #[must_use]
    pub fn parse(name: &str) -> Option<Misbehaviour> {
        Misbehaviour::ALL
            .into_iter()
            .find(|misbehaviour| misbehaviour.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_misbehaviour_is_found_by_its_own_name() {
        for misbehaviour in Misbehaviour::ALL {
            assert_eq!(Misbehaviour::parse(misbehaviour.name()), Some(misbehaviour));
        }
        assert_eq!(Misbehaviour::parse("politeness"), None);
    }
}
