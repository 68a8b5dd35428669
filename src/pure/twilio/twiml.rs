//! TwiML: the documents that tell the carrier what to do with a leg.
//!
//! A document is built of [`Verb`]s and written by one function that escapes every text and every attribute, so that no
//! name, number or token can become markup. Element and attribute names are Twilio's, case and all
//! (<https://www.twilio.com/docs/voice/twiml>).
//!
//! Read [`render`] first: one arm per [`Document`] of the phone.

use std::time::Duration;

use super::phrases;
use crate::lang::Lang;
use crate::pure::ids::Identity;
use crate::pure::phone::{Document, Phrase};

/// The most browsers that one `<Dial>` can ring (Twilio's limit).
pub const MAX_CLIENTS: usize = 10;

/// What a status callback is wanted for: every step.
const STATUS_EVENTS: &str = "initiated ringing answered completed";

/// Where documents send the carrier, and how it speaks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Links {
    /// The public origin, such as `https://phone.example.com`.
    pub origin: String,
    /// The same for websockets, such as `wss://phone.example.com`.
    pub websocket: String,
    /// How long browsers ring, in seconds; Twilio takes 5 to 600.
    pub ring_seconds: u32,
    /// The language of what is said.
    pub lang: Lang,
}

impl Links {
    /// Returns the same, where browsers ring for so long.
    #[must_use]
    pub fn ringing_for(&self, time: Duration) -> Links {
        Links {
            ring_seconds: u32::try_from(time.as_secs()).unwrap_or(u32::MAX),
            ..self.clone()
        }
    }

    /// Returns the public address of a path of ours.
    #[must_use]
    pub fn to(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// One instruction of a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verb {
    /// Join the leg to a stream of ours; ask `action` when it is over.
    Connect {
        /// Whom to ask afterwards.
        action: String,
        /// The stream.
        stream: Stream,
    },
    /// Ring somebody, and join whoever answers first; ask `action` when it is over.
    Dial {
        /// Whom to ask afterwards.
        action: String,
        /// How long it may ring, in seconds.
        timeout: u32,
        /// The number shown to whoever is rung; the caller's own where there is none.
        caller_id: Option<String>,
        /// Whom.
        whom: Vec<Noun>,
    },
    /// Say a sentence.
    Say {
        /// The carrier's name for the language.
        language: &'static str,
        /// The sentence.
        text: String,
    },
    /// Leave it unanswered, so that nothing is billed.
    Reject,
    /// End the leg.
    Hangup,
}

/// A media socket that the carrier is to open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stream {
    /// Where, absolute, without a query (the carrier drops one).
    pub url: String,
    /// Who is told how it goes.
    pub status_callback: String,
    /// What its `start` must bring along.
    pub token: String,
}

/// Somebody to ring.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Noun {
    /// A telephone.
    Number {
        /// Its number.
        number: String,
        /// Who is told how it goes.
        status_callback: String,
    },
    /// A conference, made by whoever is first there and over when one of its parties leaves.
    Conference {
        /// Its name.
        name: String,
    },
    /// A browser.
    Client {
        /// Its identity.
        identity: String,
        /// Who is told how it goes.
        status_callback: String,
        /// Our name for the call, given to the browser as the parameter `call`.
        call: String,
    },
}

/// Writes the document that the phone decided upon.
#[must_use]
pub fn render(document: &Document, links: &Links) -> String {
    let status_callback = links.to("/twilio/call-status");
    let verbs = match document {
        Document::Stream { call: _, token } => vec![Verb::Connect {
            action: links.to("/twilio/after-stream"),
            stream: Stream {
                url: format!("{}/twilio/media", links.websocket),
                status_callback: links.to("/twilio/stream-status"),
                token: token.reveal().to_owned(),
            },
        }],
        // Nobody to ring would be an empty <Dial>, which fails: end it with a word instead.
        Document::RingBrowsers { identities, .. } if identities.is_empty() => {
            say_and_hang_up(Phrase::NobodyCanAnswer, links.lang)
        }
        Document::RingBrowsers { call, identities } => {
            let client = |identity: &Identity| Noun::Client {
                identity: identity.as_str().to_owned(),
                status_callback: status_callback.clone(),
                call: call.as_str().to_owned(),
            };
            vec![Verb::Dial {
                action: links.to("/twilio/after-dial"),
                timeout: links.ring_seconds.clamp(5, 600),
                caller_id: None,
                whom: identities.iter().take(MAX_CLIENTS).map(client).collect(),
            }]
        }
        Document::DialNumber {
            call: _,
            to,
            caller_id,
            rings_for,
        } => vec![Verb::Dial {
            action: links.to("/twilio/after-dial"),
            timeout: u32::try_from(rings_for.as_secs())
                .unwrap_or(u32::MAX)
                .clamp(5, 600),
            caller_id: Some(caller_id.as_str().to_owned()),
            whom: vec![Noun::Number {
                number: to.as_str().to_owned(),
                status_callback,
            }],
        }],
        Document::Conference { name } => vec![Verb::Dial {
            action: links.to("/twilio/after-dial"),
            timeout: links.ring_seconds.clamp(5, 600),
            caller_id: None,
            whom: vec![Noun::Conference {
                name: name.as_str().to_owned(),
            }],
        }],
        Document::Reject => vec![Verb::Reject],
        Document::SayAndHangUp(phrase) => say_and_hang_up(*phrase, links.lang),
        Document::HangUp => vec![Verb::Hangup],
    };
    write(&verbs)
}

fn say_and_hang_up(phrase: Phrase, lang: Lang) -> Vec<Verb> {
    vec![
        Verb::Say {
            language: phrases::voice_language(lang),
            text: phrases::spoken(phrase, lang).to_owned(),
        },
        Verb::Hangup,
    ]
}

/// Writes a document of these instructions.
#[must_use]
pub fn write(verbs: &[Verb]) -> String {
    let mut xml = Xml(String::with_capacity(1024));
    xml.0.push_str(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
    xml.open("Response", &[]);
    for verb in verbs {
        xml.verb(verb);
    }
    xml.close("Response");
    xml.0
}

/// The writer: everything that is not one of its own literals goes through [`Xml::escape`].
struct Xml(String);

impl Xml {
    fn verb(&mut self, verb: &Verb) {
        match verb {
            Verb::Connect { action, stream } => {
                self.open("Connect", &[("action", action)]);
                self.open(
                    "Stream",
                    &[
                        ("url", &stream.url),
                        ("statusCallback", &stream.status_callback),
                    ],
                );
                self.empty("Parameter", &[("name", "token"), ("value", &stream.token)]);
                self.close("Stream");
                self.close("Connect");
            }
            Verb::Dial {
                action,
                timeout,
                caller_id,
                whom,
            } => {
                let timeout = timeout.to_string();
                let mut attributes = vec![
                    ("action", action.as_str()),
                    ("answerOnBridge", "true"),
                    ("timeout", &timeout),
                ];
                if let Some(number) = caller_id {
                    attributes.push(("callerId", number));
                }
                self.open("Dial", &attributes);
                for noun in whom {
                    self.noun(noun);
                }
                self.close("Dial");
            }
            Verb::Say { language, text } => self.element("Say", &[("language", language)], text),
            Verb::Reject => self.empty("Reject", &[]),
            Verb::Hangup => self.empty("Hangup", &[]),
        }
    }

    fn noun(&mut self, noun: &Noun) {
        match noun {
            Noun::Number {
                number,
                status_callback,
            } => self.element(
                "Number",
                &[
                    ("statusCallback", status_callback),
                    ("statusCallbackEvent", STATUS_EVENTS),
                ],
                number,
            ),
            // Without its default jitter buffer, which adds 300 ms and more, without its music and its beep.
            Noun::Conference { name } => self.element(
                "Conference",
                &[
                    ("beep", "false"),
                    ("jitterBufferSize", "off"),
                    ("endConferenceOnExit", "true"),
                    ("waitUrl", ""),
                ],
                name,
            ),
            Noun::Client {
                identity,
                status_callback,
                call,
            } => {
                self.open(
                    "Client",
                    &[
                        ("statusCallback", status_callback),
                        ("statusCallbackEvent", STATUS_EVENTS),
                    ],
                );
                self.element("Identity", &[], identity);
                self.empty("Parameter", &[("name", "call"), ("value", call)]);
                self.close("Client");
            }
        }
    }

    fn tag(&mut self, name: &'static str, attributes: &[(&'static str, &str)], end: &'static str) {
        self.0.push('<');
        self.0.push_str(name);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.escape(value);
            self.0.push('"');
        }
        self.0.push_str(end);
    }

    fn open(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.tag(name, attributes, ">");
    }

    fn empty(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.tag(name, attributes, "/>");
    }

    fn close(&mut self, name: &'static str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    fn element(&mut self, name: &'static str, attributes: &[(&'static str, &str)], text: &str) {
        self.open(name, attributes);
        self.escape(text);
        self.close(name);
    }

    /// Writes text so that it stays text, in an element and in an attribute alike.
    ///
    /// What XML 1.0 cannot hold even escaped (NUL, most control characters, U+FFFE and U+FFFF) becomes U+FFFD. White
    /// space other than a blank is written as a reference, since a reader may turn it into a blank in an attribute.
    fn escape(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&apos;"),
                '\t' => self.0.push_str("&#9;"),
                '\n' => self.0.push_str("&#10;"),
                '\r' => self.0.push_str("&#13;"),
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;
    use crate::pure::ids::{CallId, PhoneNumber, StreamToken};

    fn links() -> Links {
        Links {
            origin: "https://phone.example.com".to_owned(),
            websocket: "wss://phone.example.com".to_owned(),
            ring_seconds: 20,
            lang: Lang::En,
        }
    }

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text).expect("valid")
    }

    fn browsers(names: &[String]) -> Document {
        Document::RingBrowsers {
            call: CallId::new("call-1"),
            identities: names
                .iter()
                .map(|name| Identity::parse(name).expect("valid"))
                .collect(),
        }
    }

    #[test]
    fn a_stream_brings_its_token_along_and_its_end_is_asked_about() {
        let document = Document::Stream {
            call: CallId::new("call-1"),
            token: StreamToken::new("abc"),
        };
        assert_eq!(
            render(&document, &links()),
            concat!(
                r#"<?xml version="1.0" encoding="UTF-8"?><Response>"#,
                r#"<Connect action="https://phone.example.com/twilio/after-stream">"#,
                r#"<Stream url="wss://phone.example.com/twilio/media""#,
                r#" statusCallback="https://phone.example.com/twilio/stream-status">"#,
                r#"<Parameter name="token" value="abc"/></Stream></Connect></Response>"#
            )
        );
    }

    #[test]
    fn a_browser_is_rung_under_its_identity_and_told_our_name_for_the_call() {
        assert_eq!(
            render(&browsers(&["kitchen".to_owned()]), &links()),
            concat!(
                r#"<?xml version="1.0" encoding="UTF-8"?><Response>"#,
                r#"<Dial action="https://phone.example.com/twilio/after-dial" answerOnBridge="true" timeout="20">"#,
                r#"<Client statusCallback="https://phone.example.com/twilio/call-status""#,
                r#" statusCallbackEvent="initiated ringing answered completed">"#,
                r#"<Identity>kitchen</Identity><Parameter name="call" value="call-1"/></Client></Dial></Response>"#
            )
        );
    }

    #[test]
    fn ten_browsers_are_rung_and_no_eleventh() {
        let names: Vec<String> = (0..15).map(|i| format!("browser_{i}")).collect();
        let xml = render(&browsers(&names), &links());
        assert_eq!(xml.matches("<Client ").count(), 10);
        assert!(xml.contains(">browser_9<") && !xml.contains(">browser_10<"));
    }

    #[test]
    fn nobody_to_ring_is_a_spoken_end() {
        let xml = render(&browsers(&[]), &links());
        assert!(xml.contains("<Say ") && xml.contains("<Hangup/>") && !xml.contains("<Dial"));
    }

    #[test]
    fn a_number_is_dialled_under_our_own_and_answered_on_the_bridge() {
        let document = Document::DialNumber {
            call: CallId::new("call-1"),
            to: number("+18738402100"),
            caller_id: number("+18199754345"),
            rings_for: std::time::Duration::from_secs(60),
        };
        assert_eq!(
            render(&document, &links()),
            concat!(
                r#"<?xml version="1.0" encoding="UTF-8"?><Response>"#,
                r#"<Dial action="https://phone.example.com/twilio/after-dial" answerOnBridge="true" timeout="60""#,
                r#" callerId="+18199754345"><Number statusCallback="https://phone.example.com/twilio/call-status""#,
                r#" statusCallbackEvent="initiated ringing answered completed">+18738402100</Number></Dial></Response>"#
            )
        );
    }

    #[test]
    fn a_sentence_is_said_in_the_chosen_language() {
        let document = Document::SayAndHangUp(Phrase::CouldNotBeReached);
        let french = Links {
            lang: Lang::Fr,
            ..links()
        };
        assert!(render(&document, &links()).contains(r#"<Say language="en-US">Sorry, "#));
        assert!(render(&document, &french).contains(r#"<Say language="fr-CA">Désolé, "#));
    }

    #[test]
    fn a_hang_up_is_nothing_else() {
        assert!(render(&Document::HangUp, &links()).ends_with("<Response><Hangup/></Response>"));
    }

    #[test]
    fn markup_in_a_text_stays_text() {
        let say = Verb::Say {
            language: "en-US",
            text: "</Say><Dial>\"'&\0\u{202e}\u{ffff}\n".to_owned(),
        };
        assert!(write(&[say]).contains(
            ">&lt;/Say&gt;&lt;Dial&gt;&quot;&apos;&amp;\u{fffd}\u{202e}\u{fffd}&#10;</Say>"
        ));
    }

    /// What a reader of the document sees: the names of its elements, and every text and attribute value.
    fn read(xml: &str) -> (Vec<String>, Vec<String>) {
        let mut reader = Reader::from_str(xml);
        let (mut names, mut texts) = (Vec::new(), Vec::new());
        let mut text = String::new();
        loop {
            match reader.read_event().expect("well-formed") {
                Event::Start(tag) | Event::Empty(tag) => {
                    text.clear();
                    names.push(tag.name().as_ref().to_owned());
                    for attribute in tag.attributes() {
                        let attribute = attribute.expect("well-formed");
                        let value = quick_xml::escape::unescape(&attribute.value);
                        texts.push(value.expect("known references").into_owned());
                    }
                }
                Event::End(_) => texts.push(std::mem::take(&mut text)),
                Event::Text(part) => text.push_str(&part),
                Event::GeneralRef(reference) => {
                    let raw = format!("&{};", &*reference);
                    text.push_str(&quick_xml::escape::unescape(&raw).expect("known references"));
                }
                Event::Decl(_) => {}
                Event::Eof => return (names, texts),
                other
                @ (Event::CData(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_)) => {
                    panic!("nobody wrote {other:?}")
                }
            }
        }
    }

    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[<>&\"'/= a\\x00-\\x1f\u{202e}\u{200f}\u{fffe}\u{ffff}\\]\\[!-]{0,40}",
            Just("\"/></Stream><Redirect>https://evil.example</Redirect>".to_owned()),
            Just("]]><!--<![CDATA[&#0;&bogus;".to_owned()),
            Just("é\0".repeat(5_000)),
        ]
    }

    fn survivable(text: &str) -> String {
        text.chars()
            .map(|c| match c {
                '\t' | '\n' | '\r' => c,
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
                c => c,
            })
            .collect()
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_of_its_place(
            token in hostile(),
            call in hostile(),
            identity in hostile(),
            number in hostile(),
            say in hostile(),
        ) {
            let verbs = [
                Verb::Connect {
                    action: call.clone(),
                    stream: Stream {
                        url: number.clone(),
                        status_callback: say.clone(),
                        token: token.clone(),
                    },
                },
                Verb::Dial {
                    action: identity.clone(),
                    timeout: 20,
                    caller_id: Some(token.clone()),
                    whom: vec![
                        Noun::Number { number: number.clone(), status_callback: call.clone() },
                        Noun::Client {
                            identity: identity.clone(),
                            status_callback: number.clone(),
                            call: call.clone(),
                        },
                    ],
                },
                Verb::Say { language: "en-US", text: say.clone() },
                Verb::Hangup,
            ];
            let (names, texts) = read(&write(&verbs));
            prop_assert_eq!(
                names,
                ["Response", "Connect", "Stream", "Parameter", "Dial", "Number", "Client", "Identity",
                 "Parameter", "Say", "Hangup"]
            );
            for text in [token, call, identity, number, say] {
                prop_assert!(texts.contains(&survivable(&text)), "{:?} is missing", text);
            }
        }
    }
}
