//! Which elements and attributes TwiML has: what is none of its words is the carrier's complaint, what is only not played
//! here is ours.
//!
//! Written from the carrier's pages on TwiML and from the names in its libraries. Attributes are looked at for one thing
//! only, case: an unknown one may simply be newer than this table.

use crate::sim::twiml::Element;

/// What is strange in a document.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Strange {
    /// What the carrier complains of (12200).
    pub(super) wrong: Vec<String>,
    /// What it takes, and the simulator passes over.
    pub(super) not_simulated: Vec<String>,
}

/// Looks through a document, as deep as the simulator plays it.
pub(super) fn look_through(response: &Element) -> Strange {
    let mut strange = Strange::default();
    look_into(response, &mut strange);
    strange
}

/// Says whether an element stands in a parent that has it, and is played here.
pub(super) fn is_played(parent: &str, name: &str) -> bool {
    nouns(parent).is_some_and(|(played, _)| played.contains(&name))
}

fn look_into(parent: &Element, strange: &mut Strange) {
    let Some((played, others)) = nouns(&parent.name) else {
        // Whatever may stand in it is another language's, such as SSML.
        return;
    };
    for child in &parent.children {
        let name = child.name.as_str();
        if played.contains(&name) {
            look_at_attributes(child, strange);
            look_into(child, strange);
        } else if others.contains(&name) {
            let place = match parent.name.as_str() {
                "Response" => String::new(),
                other => format!(" inside <{other}>"),
            };
            strange.not_simulated.push(format!("<{name}>{place}"));
        } else {
            let all = || played.iter().chain(others);
            let meant = all().find(|known| known.eq_ignore_ascii_case(name));
            let meant = meant.map_or(String::new(), |known| format!("; <{known}> is"));
            strange.wrong.push(match parent.name.as_str() {
                "Response" => format!("<{name}> is no verb{meant}"),
                other => format!("<{name}> is nothing that stands inside <{other}>{meant}"),
            });
        }
    }
}

fn look_at_attributes(element: &Element, strange: &mut Strange) {
    let bare = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    for (name, _) in &element.attributes {
        let known = attributes(&element.name);
        let meant = known.iter().find(|known| bare(known) == bare(name));
        if let Some(meant) = meant.filter(|meant| *meant != name) {
            strange.wrong.push(format!(
                "<{}> has the attribute `{name}`, which is written `{meant}`",
                element.name
            ));
        }
    }
}

/// Returns what may stand in an element: what is played here, and what is not; nothing where anything may.
fn nouns(parent: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    Some(match parent {
        "Response" => (
            &[
                "Connect", "Dial", "Say", "Play", "Pause", "Redirect", "Hangup", "Reject",
                "Record", "Gather",
            ],
            &[
                "Echo", "Enqueue", "Leave", "Pay", "Prompt", "Queue", "Refer", "Sms", "Start",
                "Stop",
            ],
        ),
        "Connect" => (
            &["Stream"],
            &[
                "AiSession",
                "Assistant",
                "Autopilot",
                "Conversation",
                "ConversationRelay",
                "ConversationRelaySession",
                "Room",
                "VirtualAgent",
            ],
        ),
        "Dial" => (
            &["Number", "Client", "Conference"],
            &["Application", "Queue", "Sim", "Sip", "WhatsApp"],
        ),
        "Client" => (&["Identity", "Parameter"], &[]),
        "Gather" => (&["Say", "Play", "Pause"], &[]),
        "Stream" => (&["Parameter"], &[]),
        "Number" | "Play" | "Pause" | "Redirect" | "Hangup" | "Reject" | "Identity"
        | "Parameter" | "Conference" | "Record" => (&[], &[]),
        _ => return None,
    })
}

/// Returns the attributes of an element that is played here.
fn attributes(element: &str) -> &'static [&'static str] {
    match element {
        "Connect" => &["action", "method"],
        "Stream" => &[
            "name",
            "url",
            "track",
            "statusCallback",
            "statusCallbackMethod",
            "connectorName",
        ],
        "Parameter" => &["name", "value"],
        "Dial" => &[
            "action",
            "method",
            "timeout",
            "answerOnBridge",
            "callerId",
            "callReason",
            "hangupOnStar",
            "timeLimit",
            "record",
            "recordingStatusCallback",
            "recordingStatusCallbackMethod",
            "recordingStatusCallbackEvent",
            "recordingTrack",
            "trim",
            "ringTone",
            "sequential",
            "referUrl",
            "referMethod",
            "events",
        ],
        "Number" => &[
            "sendDigits",
            "url",
            "method",
            "statusCallback",
            "statusCallbackEvent",
            "statusCallbackMethod",
            "byoc",
            "machineDetection",
            "amdStatusCallback",
            "amdStatusCallbackMethod",
        ],
        "Client" => &[
            "url",
            "method",
            "statusCallback",
            "statusCallbackEvent",
            "statusCallbackMethod",
            "clientNotificationUrl",
        ],
        "Conference" => &[
            "muted",
            "beep",
            "startConferenceOnEnter",
            "endConferenceOnExit",
            "participantLabel",
            "coach",
            "waitUrl",
            "waitMethod",
            "maxParticipants",
            "record",
            "region",
            "trim",
            "jitterBufferSize",
            "statusCallback",
            "statusCallbackEvent",
            "statusCallbackMethod",
            "recordingStatusCallback",
            "recordingStatusCallbackMethod",
            "recordingStatusCallbackEvent",
            "eventCallbackUrl",
        ],
        "Record" => &[
            "action",
            "method",
            "timeout",
            "finishOnKey",
            "maxLength",
            "playBeep",
            "trim",
            "recordingStatusCallback",
            "recordingStatusCallbackMethod",
            "recordingStatusCallbackEvent",
            "transcribe",
            "transcribeCallback",
        ],
        "Gather" => &[
            "action",
            "method",
            "input",
            "timeout",
            "numDigits",
            "finishOnKey",
            "actionOnEmptyResult",
            "speechTimeout",
            "speechModel",
            "hints",
            "language",
            "profanityFilter",
            "partialResultCallback",
            "partialResultCallbackMethod",
            "enhanced",
            "bargeIn",
            "debug",
        ],
        "Say" => &["voice", "language", "loop"],
        "Play" => &["loop", "digits"],
        "Pause" => &["length"],
        "Redirect" => &["method"],
        "Reject" => &["reason"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strange(verbs: &str) -> Strange {
        let document = format!("<Response>{verbs}</Response>");
        look_through(&crate::sim::parse(&document).expect("a document"))
    }

    #[test]
    fn what_is_played_is_not_strange() {
        let found = strange(
            "<Say voice=\"alice\">Hi <emphasis>you</emphasis></Say><Dial callerId=\"1\" newer=\"x\"><Client>\
             <Identity>k</Identity><Parameter name=\"a\" value=\"b\"/></Client><Number url=\"/w\">+1</Number></Dial>\
             <Connect><Stream url=\"wss://h/m\"><Parameter name=\"a\" value=\"b\"/></Stream></Connect>",
        );
        assert_eq!(found, Strange::default());
    }

    #[test]
    fn what_is_only_not_simulated_is_told_apart_from_what_is_no_twiml() {
        let found = strange(
            "<Enqueue>q</Enqueue><Gather><Say>Press</Say></Gather><Dial><Sip>sip:a@b</Sip></Dial><Connect><Room>r</Room></Connect>",
        );
        assert_eq!(found.wrong, [""; 0]);
        assert_eq!(
            found.not_simulated,
            [
                "<Enqueue>",
                "<Sip> inside <Dial>",
                "<Room> inside <Connect>"
            ]
        );
        let found = strange("<say>Hi</say><Shout/><Dial><Nummer>1</Nummer></Dial>");
        assert_eq!(
            found.wrong,
            [
                "<say> is no verb; <Say> is",
                "<Shout> is no verb",
                "<Nummer> is nothing that stands inside <Dial>"
            ]
        );
        assert_eq!(found.not_simulated, [""; 0]);
    }

    #[test]
    fn an_attribute_in_the_wrong_case_is_told() {
        let found =
            strange("<Dial callerid=\"+1\"><Number status_callback=\"/x\">+1</Number></Dial>");
        assert_eq!(
            found.wrong,
            [
                "<Dial> has the attribute `callerid`, which is written `callerId`",
                "<Number> has the attribute `status_callback`, which is written `statusCallback`"
            ]
        );
    }
}
