//! What programs are told of this door: an OpenAPI document, of every path, every answer and every error.
//!
//! `tests/api_description.rs` asks the real daemon for everything that it lists and holds each answer against it.

use axum::http::header;
use axum::response::IntoResponse;

/// The document.
pub(super) const DOCUMENT: &str = include_str!("openapi.json");

/// `GET /api/openapi.json`.
pub(super) async fn description() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use axum::response::Response;
    use serde_json::Value;

    use super::*;
    use crate::config::live::NotChanged;
    use crate::phone::NoAnswer;
    use crate::phone::memory::RecallError;
    use crate::phone::shelf::ShelfError;
    use crate::pure::book::blocked::PatternError;
    use crate::pure::book::contact::ContactError;
    use crate::pure::book::history::QueryError;
    use crate::pure::call_report::{STAGES, reason_word};
    use crate::pure::event_report::EVENTS;
    use crate::pure::keys::Keys;
    use crate::pure::phone::{
        CommandError, DialError, DialRefusal, EndReason, Phrase, Stage, Standing,
    };
    use crate::pure::twilio::dialling::{self, Dialled};
    use crate::web::error::ApiError;
    use crate::web::memory::Problem;

    /// Every refusal of the carrier's.
    fn carriers() -> Vec<DialRefusal> {
        let refused = |code: u32| {
            let body = format!("{{\"code\":{code}}}");
            match dialling::read_dialled(400, body.as_bytes()) {
                Dialled::Refused(refusal) => Some(refusal),
                Dialled::Placed(_) | Dialled::TryAgain | Dialled::Unknown => None,
            }
        };
        // Each of Twilio's that has a word of its own, and one that has none.
        let codes = [
            20_003, 20_005, 21_210, 21_211, 21_215, 21_216, 21_219, 99_999,
        ];
        let mut all: Vec<DialRefusal> = codes.into_iter().filter_map(refused).collect();
        all.extend([
            dialling::unreachable("why"),
            dialling::too_many(),
            dialling::not_made(),
            DialRefusal::silence(),
        ]);
        all
    }

    /// Every error of the door. Whoever adds one is stopped below, and adds it here.
    fn errors() -> Vec<Response> {
        let door = |error: &ApiError| match error {
            ApiError::WrongHost(_)
            | ApiError::WrongOrigin
            | ApiError::Unauthorized
            | ApiError::TooManyWrongKeys(_)
            | ApiError::NotFound
            | ApiError::WrongMethod
            | ApiError::TooLarge
            | ApiError::Unreadable
            | ApiError::InvalidJson
            | ApiError::InvalidIdentity
            | ApiError::InvalidAfter
            | ApiError::NoWebsocket
            | ApiError::Missing(_)
            | ApiError::InvalidDigits(_)
            | ApiError::Command(
                CommandError::NoSuchCall
                | CommandError::WrongState(_)
                | CommandError::Standing(_)
                | CommandError::SameCall
                | CommandError::NoKeysLeft
                | CommandError::NotConsulted
                | CommandError::NotRecorded
                | CommandError::NoVoicemail
                | CommandError::NoBrowser
                | CommandError::NoDesk
                | CommandError::Destination(_),
            )
            | ApiError::Dial(
                DialError::Destination(_)
                | DialError::Keys(_)
                | DialError::NoSuchCall
                | DialError::WrongState(_)
                | DialError::NoOwnNumber
                | DialError::NoLine
                | DialError::NoDesk
                | DialError::Stopping
                | DialError::Carrier(_)
                | DialError::HungUp,
            )
            | ApiError::InvalidKey
            | ApiError::OtherWish
            | ApiError::Settings(_)
            | ApiError::InACall
            | ApiError::NoSpeaker
            | ApiError::Internal => error.clone().into_response(),
        };
        let memory = |error: RecallError| match error {
            RecallError::NoSuchCall
            | RecallError::NoSuchContact
            | RecallError::NotBlocked
            | RecallError::NoSuchRecording
            | RecallError::Undeletable(_)
            | RecallError::Query(_)
            | RecallError::Contact(_)
            | RecallError::Pattern(_)
            | RecallError::Note
            | RecallError::Shelf(
                ShelfError::NoSuchRecording
                | ShelfError::NoSuchVoicemail
                | ShelfError::DeskBusy
                | ShelfError::NoSpeaker
                | ShelfError::NoMicrophone
                | ShelfError::NotRecording
                | ShelfError::TooShort
                | ShelfError::TooLong
                | ShelfError::Unplayable(_)
                | ShelfError::Disk(_)
                | ShelfError::NoAnswer(_),
            )
            | RecallError::NoAnswer(_) => Problem::from(error).into_response(),
        };
        let no_keys = Keys::parse("x").expect_err("no keys");
        let mut all = vec![
            ApiError::WrongHost(None),
            ApiError::WrongOrigin,
            ApiError::Unauthorized,
            ApiError::TooManyWrongKeys(Duration::from_secs(1)),
            ApiError::NotFound,
            ApiError::WrongMethod,
            ApiError::TooLarge,
            ApiError::Unreadable,
            ApiError::InvalidJson,
            ApiError::InvalidIdentity,
            ApiError::InvalidAfter,
            ApiError::NoWebsocket,
            ApiError::Missing("what"),
            ApiError::InvalidDigits(no_keys),
            ApiError::Command(CommandError::NoSuchCall),
            ApiError::Command(CommandError::WrongState(Stage::Ended)),
            ApiError::Command(CommandError::Standing(Standing::Over)),
            ApiError::Command(CommandError::SameCall),
            ApiError::Command(CommandError::NoKeysLeft),
            ApiError::Command(CommandError::NotConsulted),
            ApiError::Command(CommandError::NotRecorded),
            ApiError::Command(CommandError::NoVoicemail),
            ApiError::Command(CommandError::NoBrowser),
            ApiError::Command(CommandError::NoDesk),
            ApiError::Dial(DialError::Keys(no_keys)),
            ApiError::Dial(DialError::NoSuchCall),
            ApiError::Dial(DialError::WrongState(Stage::Ended)),
            ApiError::Dial(DialError::NoOwnNumber),
            ApiError::Dial(DialError::NoLine),
            ApiError::Dial(DialError::NoDesk),
            ApiError::Dial(DialError::Stopping),
            ApiError::Dial(DialError::HungUp),
            ApiError::InvalidKey,
            ApiError::OtherWish,
            ApiError::Settings(vec![NotChanged::Unknown("x".to_owned())]),
            ApiError::Settings(vec![NotChanged::Fixed("port".to_owned(), "PORT")]),
            ApiError::Settings(vec![NotChanged::Value {
                name: "ring",
                value: "x".to_owned(),
                why: "is none".to_owned(),
                like: "desk",
            }]),
            ApiError::InACall,
            ApiError::NoSpeaker,
            ApiError::Internal,
        ];
        // What a person may dial is refused with these alone.
        let phrases = [
            Phrase::NotANumber,
            Phrase::DestinationNotAllowed,
            Phrase::EmergencyRefused,
        ];
        for phrase in phrases {
            all.push(ApiError::Command(CommandError::Destination(phrase)));
            all.push(ApiError::Dial(DialError::Destination(phrase)));
        }
        let carrier = |refusal| ApiError::Dial(DialError::Carrier(refusal));
        all.extend(carriers().into_iter().map(carrier));
        let mut all: Vec<Response> = all.iter().map(door).collect();
        all.extend(
            [
                RecallError::NoSuchCall,
                RecallError::NoSuchContact,
                RecallError::NotBlocked,
                RecallError::NoSuchRecording,
                RecallError::Undeletable("why".to_owned()),
                RecallError::Query(QueryError::Moment),
                RecallError::Contact(ContactError::Name),
                RecallError::Pattern(PatternError::NotAPattern),
                RecallError::Note,
                RecallError::Shelf(ShelfError::NoSuchRecording),
                RecallError::Shelf(ShelfError::NoSuchVoicemail),
                RecallError::Shelf(ShelfError::DeskBusy),
                RecallError::Shelf(ShelfError::NoSpeaker),
                RecallError::Shelf(ShelfError::NoMicrophone),
                RecallError::Shelf(ShelfError::NotRecording),
                RecallError::Shelf(ShelfError::TooShort),
                RecallError::Shelf(ShelfError::TooLong),
                RecallError::Shelf(ShelfError::Unplayable("why".to_owned())),
                RecallError::Shelf(ShelfError::Disk("why".to_owned())),
                RecallError::NoAnswer(NoAnswer),
            ]
            .map(memory),
        );
        all.push(Problem::TooLarge.into_response());
        for code in ["invalid_json", "invalid_query", "no_contacts"] {
            all.push(Problem::Malformed(code, "why".to_owned()).into_response());
        }
        all
    }

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).expect("JSON")
    }

    #[tokio::test]
    async fn the_codes_of_errors_are_those_that_there_are() {
        let mut there: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for error in errors() {
            let status = error.status().as_u16().to_string();
            let body = axum::body::to_bytes(error.into_body(), 10_000).await;
            let body: Value = serde_json::from_slice(&body.expect("a body")).expect("JSON");
            let code = body["error"]["code"].as_str().expect("a code").to_owned();
            there.entry(status).or_default().insert(code);
        }
        // That one is the connection's.
        there.insert("408".to_owned(), BTreeSet::from(["too_slow".to_owned()]));
        let document = document();
        let responses = document["components"]["responses"]
            .as_object()
            .expect("there");
        let codes = |response: &Value| -> BTreeSet<String> {
            let place =
                "/content/application~1json/schema/allOf/1/properties/error/properties/code/enum";
            let codes = response.pointer(place).and_then(Value::as_array);
            let codes = codes.into_iter().flatten().filter_map(Value::as_str);
            codes.map(str::to_owned).collect()
        };
        let described: BTreeMap<String, BTreeSet<String>> = responses
            .iter()
            .map(|(status, response)| (status.clone(), codes(response)))
            .collect();
        assert_eq!(described, there);
    }

    #[test]
    fn the_words_for_calls_and_events_are_those_that_there_are() {
        let document = document();
        let words = |schema: &str| -> BTreeSet<String> {
            let words = document["components"]["schemas"]
                .pointer(schema)
                .and_then(Value::as_array);
            let words = words.into_iter().flatten().filter_map(Value::as_str);
            words.map(str::to_owned).collect()
        };
        let set = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect();
        let stages: BTreeSet<String> = set(STAGES.map(Stage::word).to_vec());
        assert_eq!(words("/State/enum"), stages);
        // Whoever adds one is stopped here, and adds it below.
        let known = |reason: EndReason| match reason {
            EndReason::HungUpHere
            | EndReason::Rejected
            | EndReason::Blocked
            | EndReason::Busy
            | EndReason::TooLong
            | EndReason::HungUpThere
            | EndReason::NotAnswered
            | EndReason::Refused
            | EndReason::Failed
            | EndReason::LeftMessage
            | EndReason::StreamLost => reason_word(reason),
        };
        let reasons = [
            EndReason::HungUpHere,
            EndReason::Rejected,
            EndReason::Blocked,
            EndReason::Busy,
            EndReason::TooLong,
            EndReason::HungUpThere,
            EndReason::NotAnswered,
            EndReason::Refused,
            EndReason::Failed,
            EndReason::StreamLost,
            EndReason::LeftMessage,
        ];
        let reasons: BTreeSet<String> = set(reasons.map(known).to_vec());
        assert_eq!(words("/EndReason/enum"), reasons);
        let events: BTreeSet<String> = set(EVENTS.to_vec());
        assert_eq!(words("/Event/properties/event/enum"), events);
    }
}
