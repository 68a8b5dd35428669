//! MQTT: tells a broker how the telephone stands, and obeys what Home Assistant wants.
//!
//! One task reads the log of events and holds one connection. What is told is kept by the broker and told anew with every
//! connection, so nothing waits here for a broker that is gone, and the phone never notices. `pure::mqtt` has the packets
//! and the words.
//!
//! Read [`start`] first.

mod link;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::{debug, info, warn};

use crate::config::MqttSettings;
use crate::lang::Lang;
use crate::phone::PhoneHandle;
use crate::phone::follow::{Followed, Follower};
use crate::pure::event_report::{EventReport, LogLine};
use crate::pure::mqtt::home::{Message, Node, Standing, Wanted};
use crate::pure::mqtt::packet::{Incoming, Outgoing};
use crate::pure::phone::Command;
use link::{Link, LinkError};

/// How long the broker may be silent before the connection is dead for it, in seconds; we are never silent for so long.
const KEEP_ALIVE: u16 = 30;

/// Orders that wait at most.
const ORDERS: usize = 16;

/// How long counting what nobody has seen may take.
const COUNTING: Duration = Duration::from_secs(1);

/// How often we ask whether it is there, and count what nobody has seen.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// How long after an event it is counted what nobody has seen: the history is written meanwhile.
const COUNT_AFTER: Duration = Duration::from_secs(1);

/// How long it may be silent before the connection is dead for us.
const SILENCE: Duration = Duration::from_secs(25);

/// How long we wait before the second try to connect; each later one waits twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A connection that held for so long was good: the next try comes soon again.
const GOOD: Duration = Duration::from_secs(30);

/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_millis(300);

/// Starts to tell the broker; the task ends with the phone.
#[must_use]
pub fn start(phone: &PhoneHandle, settings: MqttSettings, lang: Lang) -> JoinHandle<()> {
    let node = Node::new(&settings.prefix, &settings.node, lang);
    let (follower, _) = phone.follow(None);
    let (orders, ordered) = mpsc::channel(ORDERS);
    tokio::spawn(obey_all(phone.clone(), ordered));
    let teller = Teller {
        phone: phone.clone(),
        settings,
        node,
        follower,
        orders,
        told: Vec::new(),
    };
    tokio::spawn(teller.run())
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
enum Over {
    #[error("the phone has stopped")]
    PhoneStopped,
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("the broker is silent")]
    Silent,
    #[error("the broker refuses: {0}")]
    Refused(&'static str),
}

/// The task.
struct Teller {
    phone: PhoneHandle,
    settings: MqttSettings,
    node: Node,
    follower: Follower,
    /// What is wanted and not done yet.
    orders: mpsc::Sender<Wanted>,
    /// What the broker was told last of how the telephone stands.
    told: Vec<Message>,
}

impl Teller {
    async fn run(mut self) {
        let mut wait = FIRST_WAIT;
        let mut warned = false;
        loop {
            let begun = Instant::now();
            let over = match self.connect().await {
                Ok(link) => {
                    info!(
                        broker = self.settings.broker.host,
                        "the MQTT broker is told"
                    );
                    warned = false;
                    self.tell(link).await
                }
                Err(over) => over,
            };
            if matches!(over, Over::PhoneStopped) {
                return;
            }
            let broker = &self.settings.broker;
            if warned {
                debug!(why = %over, "the MQTT broker is not reached");
            } else {
                warn!(
                    broker = broker.host,
                    port = broker.port,
                    why = %over,
                    "the MQTT broker is not reached; it is tried again until it is, and the telephone goes on without it"
                );
                warned = true;
            }
            if begun.elapsed() > GOOD {
                wait = FIRST_WAIT;
            }
            if self.phone_stops_within(wait).await {
                return;
            }
            wait = LONGEST_WAIT.min(2 * wait);
        }
    }

    /// Waits, and forgets what happens meanwhile; says whether the phone has stopped.
    async fn phone_stops_within(&mut self, wait: Duration) -> bool {
        let forget = async { while self.follower.next().await.is_some() {} };
        timeout(wait, forget).await.is_ok()
    }

    /// Opens a connection, subscribes, and tells everything.
    async fn connect(&mut self) -> Result<Link, Over> {
        let mut link = Link::open(&self.settings.broker).await?;
        let client = format!("offhook-{}", self.settings.node);
        let gone = self.node.is_there(false);
        link.send(&Outgoing::Connect {
            client: &client,
            keep_alive: KEEP_ALIVE,
            will: (&gone.topic, &gone.payload),
            user: self.settings.broker.user.as_deref(),
            password: self.settings.password.as_ref().map(|key| key.reveal()),
        })
        .await?;
        match timeout(SILENCE, link.next()).await {
            Ok(packet) => match packet? {
                Incoming::Connected(0) => {}
                Incoming::Connected(code) => return Err(Over::Refused(refusal(code))),
                Incoming::Publish { .. } | Incoming::Subscribed { .. } | Incoming::Pong => {
                    return Err(Over::Refused("it speaks before it has let us in"));
                }
            },
            Err(_) => return Err(Over::Silent),
        }
        let topics = self.node.wants();
        link.send(&Outgoing::Subscribe {
            id: 1,
            topics: &topics,
        })
        .await?;
        self.tell_everything(&mut link).await?;
        Ok(link)
    }

    async fn tell_everything(&mut self, link: &mut Link) -> Result<(), Over> {
        self.told.clear();
        for message in self.node.announces() {
            publish(link, &message).await?;
        }
        self.tell_standing(link).await?;
        // Whoever reads this finds all the rest.
        publish(link, &self.node.is_there(true)).await
    }

    /// Tells what has changed of how the telephone stands.
    async fn tell_standing(&mut self, link: &mut Link) -> Result<(), Over> {
        let store = self.phone.store();
        let counts = async {
            let missed = store.unseen_calls().await.ok();
            (missed, store.unheard_voicemails().await.ok())
        };
        // A disk that hangs is no reason to be silent.
        let (missed, messages) = timeout(COUNTING, counts).await.unwrap_or_default();
        let snapshot = self.phone.snapshot_report();
        let standing = Standing::new(&snapshot, missed, messages);
        let now = self.node.tells(&standing);
        for message in now.iter().filter(|message| !self.told.contains(message)) {
            publish(link, message).await?;
        }
        self.told = now;
        Ok(())
    }

    /// Tells what happens, and obeys, until the connection or the phone is gone.
    async fn tell(&mut self, mut link: Link) -> Over {
        match self.attend(&mut link).await {
            Ok(never) => match never {},
            Err(Over::PhoneStopped) => {
                let farewell = async {
                    publish(&mut link, &self.node.is_there(false)).await?;
                    link.send(&Outgoing::Disconnect).await?;
                    Ok::<(), Over>(())
                };
                // Where the broker does not take it, it publishes the will.
                let _ = timeout(FAREWELL, farewell).await;
                Over::PhoneStopped
            }
            Err(over) => over,
        }
    }

    async fn attend(&mut self, link: &mut Link) -> Result<std::convert::Infallible, Over> {
        let mut asks = interval(ASK_EVERY);
        asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let mut count_at = None;
        loop {
            tokio::select! {
                followed = self.follower.next() => {
                    let followed = followed.ok_or(Over::PhoneStopped)?;
                    let lines = match followed {
                        Followed::Events(events) => {
                            let line = |event| LogLine::Event(Box::new(EventReport::new(event)));
                            events.iter().map(line).collect()
                        }
                        Followed::Lost(lost, _) => vec![LogLine::Lost(lost)],
                    };
                    for line in lines {
                        let json = serde_json::to_string(&line).unwrap_or_default();
                        publish(link, &self.node.event(json)).await?;
                    }
                    self.tell_standing(link).await?;
                    count_at = count_at.or(Some(Instant::now() + COUNT_AFTER));
                }
                () = sleep_until(count_at.unwrap_or(heard)), if count_at.is_some() => {
                    count_at = None;
                    self.tell_standing(link).await?;
                }
                packet = link.next() => {
                    heard = Instant::now();
                    match packet? {
                        Incoming::Publish { topic, payload, retain } => {
                            match self.node.wanted(&topic, &payload, retain) {
                                Some(Wanted::Everything) => self.tell_everything(link).await?,
                                Some(wanted) => self.obey(wanted),
                                None => debug!("a message of the MQTT broker's is none of ours"),
                            }
                        }
                        Incoming::Subscribed { refused: true } => warn!(
                            "the MQTT broker lets nobody order anything here: its user may not read the topics `{}`",
                            self.node.wants().join("`, `")
                        ),
                        Incoming::Connected(_)
                        | Incoming::Subscribed { refused: false }
                        | Incoming::Pong => {}
                    }
                }
                _ = asks.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(Over::Silent);
                    }
                    link.send(&Outgoing::Ping).await?;
                    self.tell_standing(link).await?;
                }
            }
        }
    }

    /// Does what is wanted, beside this task: what becomes of it is told like everything else.
    fn obey(&self, wanted: Wanted) {
        if self.orders.try_send(wanted).is_err() {
            info!("orders come over MQTT faster than they can be done");
        }
    }
}

/// Does what is wanted, in the order in which it came.
async fn obey_all(phone: PhoneHandle, mut orders: mpsc::Receiver<Wanted>) {
    while let Some(wanted) = orders.recv().await {
        let command = match wanted {
            Wanted::Answer => Command::Answer,
            Wanted::Reject => Command::Reject,
            Wanted::HangUp => Command::HangUp,
            Wanted::Hold => Command::Hold,
            Wanted::Resume => Command::Resume,
            Wanted::DoNotDisturb(on) => {
                phone.do_not_disturb(on).await;
                continue;
            }
            Wanted::Everything => continue,
        };
        if let Err(why) = phone.command_current(command).await {
            info!(?wanted, %why, "what came over MQTT could not be done");
        }
    }
}

async fn publish(link: &mut Link, message: &Message) -> Result<(), Over> {
    link.send(&Outgoing::Publish {
        topic: &message.topic,
        payload: &message.payload,
        retain: message.retain,
    })
    .await?;
    Ok(())
}

/// Says why a broker lets nobody in (MQTT 3.1.1, table 3.1).
fn refusal(code: u8) -> &'static str {
    match code {
        1 => "it does not speak MQTT 3.1.1",
        2 => "it does not take the client's name; another OFFHOOK_MQTT_NODE may do",
        3 => "it is not ready",
        4 => "user or password are wrong; see OFFHOOK_MQTT_URL and OFFHOOK_MQTT_PASSWORD",
        5 => "the user is not allowed in; see OFFHOOK_MQTT_URL and OFFHOOK_MQTT_PASSWORD",
        _ => "it does not say why",
    }
}
