//! Reads what becomes of callers whom nobody answers.

use std::time::Duration;

use super::problem::Problem;
use super::source::Reader;
use super::table;
use super::value::{self, Exception};
use crate::pure::book::quiet::QuietTimes;
use crate::pure::ids::PhoneNumber;
use crate::pure::phone::{Forwarding, Voicemail};

/// Reads where callers are forwarded to.
pub(super) fn read_forwarding(reader: &mut Reader<'_>, own: Option<&PhoneNumber>) -> Forwarding {
    let mut number = |setting| {
        let to = reader.optional(setting, value::forwarded)??;
        if own == Some(&to) {
            reader.refuse(Problem::broken_file(format!(
                "{} is TWILIO_PHONE_NUMBER itself, so that every forwarded call would come back",
                setting.name
            )));
        }
        Some(to)
    };
    let always = number(&table::OFFHOOK_FORWARD_ALWAYS);
    let busy = number(&table::OFFHOOK_FORWARD_BUSY);
    let no_answer = number(&table::OFFHOOK_FORWARD_NO_ANSWER);
    let ring_for = reader.optional(&table::OFFHOOK_FORWARD_SECONDS, value::whole(5, 600));
    Forwarding {
        always,
        busy,
        no_answer,
        ring_for: ring_for.map_or(Forwarding::default().ring_for, Duration::from_secs),
    }
}

/// Reads how messages are taken.
pub(super) fn read_voicemail(reader: &mut Reader<'_>) -> Voicemail {
    let from = reader.optional(&table::OFFHOOK_VOICEMAIL, value::messages_from);
    let longest = reader.optional(&table::OFFHOOK_VOICEMAIL_SECONDS, value::whole(10, 1_800));
    let screening = reader.optional(&table::OFFHOOK_SCREENING, value::boolean);
    let default = Voicemail::default();
    Voicemail {
        from: from.unwrap_or(default.from),
        longest: longest.map_or(default.longest, Duration::from_secs),
        screening: screening.unwrap_or(default.screening),
    }
}

/// Reads when the desk does not ring.
pub(super) fn read_quiet(reader: &mut Reader<'_>) -> QuietTimes {
    let times = reader.optional(&table::OFFHOOK_QUIET, value::quiet_times);
    let except = reader.optional(&table::OFFHOOK_QUIET_EXCEPT, value::list(value::exception));
    let except = except.unwrap_or_default();
    let mut times = times.unwrap_or_default();
    times.favourites_ring = except.contains(&Exception::Favourites);
    times.repeated_rings = except.contains(&Exception::Repeated);
    times
}
