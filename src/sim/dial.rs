//! What `<Dial>` leads to: legs that ring, answer or do not, as the plan says, and the events that tell of it.

use std::time::Duration;

use super::report::Dialled;
use super::twiml::Element;

/// What becomes of everything that is dialled. Whatever it is, the far end rings for at most a second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DialOutcome {
    /// The first one answers, and talks for so long.
    Answered(Duration),
    /// Nobody answers.
    NoAnswer,
    /// It is busy.
    Busy,
    /// It cannot be reached.
    Failed,
}

impl DialOutcome {
    /// Returns what is told of a leg, and of the whole, when it is over.
    pub(super) fn status(self) -> &'static str {
        match self {
            DialOutcome::Answered(_) => "completed",
            DialOutcome::NoAnswer => "no-answer",
            DialOutcome::Busy => "busy",
            DialOutcome::Failed => "failed",
        }
    }
}

/// One leg of a `<Dial>`.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) sid: String,
    /// A number, or `client:` and an identity.
    pub(super) to: String,
    callback: Option<(String, String)>,
    events: Vec<String>,
    parameters: Vec<(String, String)>,
    sequence: u32,
}

impl Leg {
    /// Returns where and how an event is to be told, with its number; nothing where nobody asked for it.
    pub(super) fn event(&mut self, event: &str) -> Option<(String, String, u32)> {
        let (url, method) = self.callback.clone()?;
        if !self.events.iter().any(|wanted| wanted == event) {
            return None;
        }
        let number = self.sequence;
        self.sequence += 1;
        Some((url, method, number))
    }

    /// Returns what is reported of it.
    pub(super) fn report(&self, status: &str, caller_id: Option<&str>) -> Dialled {
        Dialled {
            to: self.to.clone(),
            status: status.to_owned(),
            caller_id: caller_id.map(str::to_owned),
            parameters: self.parameters.clone(),
        }
    }
}

/// Reads the legs out of a `<Dial>`, and what is strange in it.
pub(super) fn legs(dial: &Element) -> (Vec<Leg>, Vec<String>) {
    let mut legs = Vec::new();
    let mut strange = Vec::new();
    if !dial.text.is_empty() {
        legs.push(leg(dial, dial.text.clone()));
    }
    for noun in &dial.children {
        match noun.name.as_str() {
            "Number" => legs.push(leg(noun, noun.text.clone())),
            "Client" => {
                let identity = noun.child("Identity");
                let identity = identity.map_or(&noun.text, |inner| &inner.text);
                legs.push(leg(noun, format!("client:{identity}")));
            }
            other => strange.push(format!(
                "<{other}> inside <Dial> is not simulated; <Number> and <Client> are"
            )),
        }
    }
    if legs.len() > 10 {
        strange.push("<Dial> calls more than 10 at once".to_owned());
        legs.truncate(10);
    }
    (legs, strange)
}

fn leg(noun: &Element, to: String) -> Leg {
    let events = noun
        .attribute("statusCallbackEvent")
        .unwrap_or("completed")
        .split([' ', ',']);
    let method = noun.attribute("statusCallbackMethod").unwrap_or("POST");
    let callback = noun
        .attribute("statusCallback")
        .map(|url| (url.to_owned(), method.to_owned()));
    let parameters = noun.children.iter().filter(|c| c.name == "Parameter");
    Leg {
        sid: super::sid("CA"),
        to,
        callback,
        events: events.map(str::to_owned).collect(),
        parameters: parameters.filter_map(parameter).collect(),
        sequence: 0,
    }
}

/// Reads a `<Parameter>`.
pub(super) fn parameter(element: &Element) -> Option<(String, String)> {
    Some((
        element.attribute("name")?.to_owned(),
        element.attribute("value")?.to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_clients_become_legs_with_the_events_they_ask_for() {
        let document = super::super::parse(
            "<Response><Dial><Number statusCallback=\"/s\" statusCallbackEvent=\"initiated answered\">+15005550006</Number>\
             <Client><Identity>kitchen</Identity><Parameter name=\"call\" value=\"7\"/></Client><Sip>x</Sip></Dial></Response>",
        )
        .expect("a document");
        let (mut legs, strange) = legs(&document.children[0]);
        assert_eq!(legs[0].to, "+15005550006");
        assert_eq!(
            legs[0].event("initiated"),
            Some(("/s".into(), "POST".into(), 0))
        );
        assert_eq!(legs[0].event("ringing"), None);
        assert_eq!(
            legs[0].event("answered"),
            Some(("/s".into(), "POST".into(), 1))
        );
        assert_eq!(legs[1].to, "client:kitchen");
        assert_eq!(legs[1].event("completed"), None, "nobody is to be told");
        assert_eq!(
            legs[1].report("completed", None).parameters,
            [("call".to_owned(), "7".to_owned())]
        );
        assert_eq!(strange.len(), 1);
    }
}
