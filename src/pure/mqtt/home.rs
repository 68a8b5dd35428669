//! What Home Assistant is told over MQTT and may want: topics, payloads, and the entities that it discovers
//! (home-assistant.io/integrations/mqtt, "MQTT discovery").

use serde_json::{Value, json};

use crate::lang::Lang;
use crate::lang::home::Entity;
use crate::pure::call_report::CallReport;
use crate::pure::event_report::SnapshotReport;

/// What Home Assistant shows for a value that there is not.
const NOTHING: &str = "None";

/// The words for how the telephone stands.
const STATES: [&str; 6] = [
    "idle",
    "ringing",
    "dialing",
    "connecting",
    "talking",
    "held",
];

/// A message to be published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// What it says.
    pub payload: String,
    /// Whether the broker keeps it.
    pub retain: bool,
}

/// How the telephone stands, as Home Assistant shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    /// One of `idle`, `ringing`, `dialing`, `connecting`, `talking`, `held`.
    state: &'static str,
    /// The far end of the call that matters most.
    caller: Option<String>,
    /// What it is called among the contacts.
    caller_name: Option<String>,
    /// How many missed calls nobody has seen.
    missed: Option<u64>,
    /// How many messages nobody has heard.
    messages: Option<u64>,
    /// Whether the desk is kept from ringing.
    do_not_disturb: bool,
}

impl Standing {
    /// Takes it from how everything stands; what could not be counted is not known.
    #[must_use]
    pub fn new(snapshot: &SnapshotReport, missed: Option<u64>, messages: Option<u64>) -> Standing {
        let state_of = |call: &CallReport| match call.state.as_str() {
            "talking" if call.held => "held",
            "talking" | "voicemail" => "talking",
            "ringing" => "ringing",
            "dialing" => "dialing",
            "connecting" => "connecting",
            _ => "idle",
        };
        let order = ["ringing", "talking", "dialing", "connecting", "held"];
        let foremost = order.into_iter().find_map(|state| {
            let mut calls = snapshot.calls.iter();
            calls
                .find(|call| state_of(call) == state)
                .map(|call| (state, call))
        });
        let far_end = |call: &CallReport| match call.direction.as_str() {
            "outgoing" => call.to.clone(),
            _ => call.from.clone(),
        };
        Standing {
            state: foremost.map_or("idle", |(state, _)| state),
            caller: foremost.map(|(_, call)| far_end(call)),
            caller_name: foremost.and_then(|(_, call)| call.name.clone()),
            missed,
            messages,
            do_not_disturb: snapshot.do_not_disturb,
        }
    }
}

/// What Home Assistant wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// Pick up.
    Answer,
    /// Turn it away.
    Reject,
    /// Hang up.
    HangUp,
    /// Let the far end wait.
    Hold,
    /// Talk again.
    Resume,
    /// Keep the desk from ringing, or let it ring again.
    DoNotDisturb(bool),
    /// It has started anew and knows nothing.
    Everything,
}

/// The buttons: their names among the topics and payloads, their icons, what is wanted.
const BUTTONS: [(&str, &str, Entity, Wanted); 5] = [
    ("answer", "mdi:phone", Entity::Answer, Wanted::Answer),
    ("reject", "mdi:phone-cancel", Entity::Reject, Wanted::Reject),
    ("hangup", "mdi:phone-hangup", Entity::HangUp, Wanted::HangUp),
    ("hold", "mdi:phone-paused", Entity::Hold, Wanted::Hold),
    (
        "resume",
        "mdi:phone-in-talk",
        Entity::Resume,
        Wanted::Resume,
    ),
];

/// The telephone among the topics of a broker.
#[derive(Clone, Debug)]
pub struct Node {
    prefix: String,
    node: String,
    lang: Lang,
}

impl Node {
    /// Takes the prefix under which entities are discovered, and the telephone's name among the topics.
    #[must_use]
    pub fn new(prefix: &str, node: &str, lang: Lang) -> Node {
        Node {
            prefix: prefix.to_owned(),
            node: node.to_owned(),
            lang,
        }
    }

    fn topic(&self, name: &str) -> String {
        format!("offhook/{}/{name}", self.node)
    }

    /// Returns the topic that says whether the telephone is there.
    #[must_use]
    pub fn availability(&self) -> String {
        self.topic("availability")
    }

    /// Returns the message that says whether the telephone is there: `online` or `offline`.
    #[must_use]
    pub fn is_there(&self, is: bool) -> Message {
        Message {
            topic: self.availability(),
            payload: if is { "online" } else { "offline" }.to_owned(),
            retain: true,
        }
    }

    /// Returns the topics of which messages are wanted.
    #[must_use]
    pub fn wants(&self) -> Vec<String> {
        vec![
            self.topic("command"),
            self.topic("do_not_disturb/set"),
            format!("{}/status", self.prefix),
        ]
    }

    /// Reads what somebody wants; nothing where it is none of ours.
    ///
    /// What the broker kept from before was wanted of another moment, but for Home Assistant's being there.
    #[must_use]
    pub fn wanted(&self, topic: &str, payload: &[u8], retained: bool) -> Option<Wanted> {
        let payload = std::str::from_utf8(payload).ok()?;
        if topic == format!("{}/status", self.prefix) {
            return (payload == "online" && !retained).then_some(Wanted::Everything);
        }
        if retained {
            return None;
        }
        if topic == self.topic("do_not_disturb/set") {
            return match payload {
                "ON" => Some(Wanted::DoNotDisturb(true)),
                "OFF" => Some(Wanted::DoNotDisturb(false)),
                _ => None,
            };
        }
        let button = BUTTONS.iter().find(|(name, ..)| *name == payload)?;
        (topic == self.topic("command")).then_some(button.3)
    }

    /// Returns how the telephone stands, a message for each thing.
    #[must_use]
    pub fn tells(&self, standing: &Standing) -> Vec<Message> {
        let or_nothing = |text: &Option<String>| match text {
            Some(text) if !text.is_empty() => text.clone(),
            Some(_) | None => NOTHING.to_owned(),
        };
        let count = |count: Option<u64>| or_nothing(&count.map(|count| count.to_string()));
        let on = if standing.do_not_disturb { "ON" } else { "OFF" };
        [
            ("caller", or_nothing(&standing.caller)),
            ("caller_name", or_nothing(&standing.caller_name)),
            ("missed_calls", count(standing.missed)),
            ("messages_waiting", count(standing.messages)),
            ("do_not_disturb", on.to_owned()),
            // Whoever acts on this knows the caller by then.
            ("state", standing.state.to_owned()),
        ]
        .into_iter()
        .map(|(name, payload)| Message {
            topic: self.topic(name),
            payload,
            retain: true,
        })
        .collect()
    }

    /// Returns the message of an event, given as JSON; nobody keeps it.
    #[must_use]
    pub fn event(&self, json: String) -> Message {
        Message {
            topic: self.topic("event"),
            payload: json,
            retain: false,
        }
    }

    /// Returns what makes Home Assistant discover the telephone: a retained message for each entity.
    #[must_use]
    pub fn announces(&self) -> Vec<Message> {
        let sensor = |name: &str, entity, icon, more: Value| {
            let topic = json!({"state_topic": self.topic(name)});
            self.entity("sensor", name, entity, icon, &[topic, more])
        };
        let states = json!({"device_class": "enum", "options": STATES});
        let count = || json!({"state_class": "measurement"});
        let set = self.topic("do_not_disturb/set");
        let switch = json!({"state_topic": self.topic("do_not_disturb"), "command_topic": set});
        let mut messages = vec![
            sensor("state", Entity::State, "mdi:phone", states),
            sensor("caller", Entity::Caller, "mdi:phone-incoming", json!({})),
            sensor("caller_name", Entity::CallerName, "mdi:account", json!({})),
            sensor(
                "missed_calls",
                Entity::MissedCalls,
                "mdi:phone-missed",
                count(),
            ),
            sensor(
                "messages_waiting",
                Entity::Messages,
                "mdi:voicemail",
                count(),
            ),
            self.entity(
                "switch",
                "do_not_disturb",
                Entity::DoNotDisturb,
                "mdi:minus-circle",
                &[switch],
            ),
        ];
        messages.extend(BUTTONS.iter().map(|(name, icon, entity, _)| {
            let press = json!({"command_topic": self.topic("command"), "payload_press": name});
            self.entity("button", name, *entity, icon, &[press])
        }));
        messages
    }

    fn entity(
        &self,
        kind: &str,
        name: &str,
        entity: Entity,
        icon: &str,
        more: &[Value],
    ) -> Message {
        let mut config = json!({
            "name": entity.text(self.lang),
            "unique_id": format!("offhook_{}_{name}", self.node),
            "icon": icon,
            "availability_topic": self.availability(),
            "device": {
                "identifiers": [format!("offhook_{}", self.node)],
                "name": "Offhook",
                "model": "Offhook",
                "sw_version": env!("CARGO_PKG_VERSION"),
            },
        });
        for fields in more.iter().filter_map(Value::as_object) {
            for (key, value) in fields {
                config[key] = value.clone();
            }
        }
        Message {
            topic: format!("{}/{kind}/{}/{name}/config", self.prefix, self.node),
            payload: config.to_string(),
            retain: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node {
        Node::new("homeassistant", "desk", Lang::En)
    }

    fn call(state: &str, held: bool, from: &str) -> CallReport {
        serde_json::from_value(json!({
            "id": "c1", "sid": null, "direction": "incoming", "from": from, "to": "+15145550199",
            "name": "Anna", "state": state, "place": "desk", "since": "2026-01-01T00:00:00Z",
            "muted": false, "held": held, "end_reason": null,
        }))
        .expect("a call")
    }

    fn told(calls: Vec<CallReport>) -> Vec<(String, String)> {
        let snapshot = SnapshotReport {
            voicemails_waiting: 0,
            seq: 1,
            calls,
            do_not_disturb: true,
        };
        let standing = Standing::new(&snapshot, Some(2), None);
        let tells = node().tells(&standing).into_iter();
        tells
            .map(|message| {
                assert!(message.retain);
                (message.topic, message.payload)
            })
            .collect()
    }

    #[test]
    fn the_call_that_matters_most_is_told_and_nothing_where_there_is_none() {
        let is = |told: &[(String, String)], name: &str, payload: &str| {
            let pair = (format!("offhook/desk/{name}"), payload.to_owned());
            assert!(told.contains(&pair), "{pair:?} in {told:?}");
        };
        let idle = told(vec![call("ended", false, "+15145550100")]);
        is(&idle, "state", "idle");
        is(&idle, "caller", "None");
        is(&idle, "missed_calls", "2");
        is(&idle, "messages_waiting", "None");
        is(&idle, "do_not_disturb", "ON");
        let two = told(vec![
            call("talking", true, "+15145550100"),
            call("ringing", false, "+15145550101"),
        ]);
        is(&two, "state", "ringing");
        is(&two, "caller", "+15145550101");
        is(&two, "caller_name", "Anna");
        is(&told(vec![call("talking", true, "x")]), "state", "held");
    }

    #[test]
    fn what_is_wanted_is_read_and_what_was_wanted_long_ago_is_not() {
        let node = node();
        for (topic, payload, wanted) in [
            ("offhook/desk/command", "answer", Some(Wanted::Answer)),
            ("offhook/desk/command", "hangup", Some(Wanted::HangUp)),
            ("offhook/desk/command", "dance", None),
            ("offhook/hall/command", "answer", None),
            (
                "offhook/desk/do_not_disturb/set",
                "ON",
                Some(Wanted::DoNotDisturb(true)),
            ),
            ("offhook/desk/do_not_disturb/set", "on", None),
            ("homeassistant/status", "online", Some(Wanted::Everything)),
            ("homeassistant/status", "offline", None),
        ] {
            assert_eq!(
                node.wanted(topic, payload.as_bytes(), false),
                wanted,
                "{topic} {payload}"
            );
            assert_eq!(node.wanted(topic, payload.as_bytes(), true), None);
        }
        assert_eq!(node.wanted("offhook/desk/command", b"\xff", false), None);
    }

    #[test]
    fn every_entity_is_announced_once_with_topics_that_are_used() {
        let node = node();
        let told: Vec<String> = told(Vec::new())
            .into_iter()
            .map(|(topic, _)| topic)
            .collect();
        let mut names = std::collections::BTreeSet::new();
        for message in node.announces() {
            assert!(message.retain && message.topic.ends_with("/config"));
            assert!(
                message.topic.starts_with("homeassistant/"),
                "{}",
                message.topic
            );
            let config: Value = serde_json::from_str(&message.payload).expect("JSON");
            assert!(names.insert(config["unique_id"].to_string()));
            assert_eq!(config["availability_topic"], "offhook/desk/availability");
            if let Some(topic) = config["state_topic"].as_str() {
                assert!(told.iter().any(|known| known == topic), "{topic} is told");
            }
            if let Some(topic) = config["command_topic"].as_str() {
                assert!(
                    node.wants().iter().any(|known| known == topic),
                    "{topic} is heard"
                );
                let press = config["payload_press"].as_str().unwrap_or("ON");
                assert!(
                    node.wanted(topic, press.as_bytes(), false).is_some(),
                    "{press}"
                );
            }
        }
        assert_eq!(names.len(), 11);
        let french = Node::new("homeassistant", "desk", Lang::Fr).announces();
        assert!(
            french
                .iter()
                .any(|message| message.payload.contains("Décrocher"))
        );
    }
}
