//! What a bad network did to a call, as a value and as a person reads it.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::millis;
use crate::sim::network::Network;

/// What a bad network did to the streams of a call.
#[derive(Clone, Debug, Default)]
pub struct NetworkReport {
    /// The network.
    pub network: Network,
    /// How often it stalled.
    pub stalls: u64,
    /// For how long in all.
    pub stalled: Duration,
    /// Silence that a quiet far side did not send.
    pub quiet: Duration,
    /// Media messages for the server that it could not hold: a minute of sound waited already.
    pub thrown_away: u64,
    /// What it did to messages from the carrier to the server.
    pub to_server: WayReport,
    /// What it did to messages from the server to the carrier.
    pub to_caller: WayReport,
}

impl NetworkReport {
    /// Begins with nothing done.
    pub(in crate::sim) fn of(network: Network) -> NetworkReport {
        NetworkReport {
            network,
            ..NetworkReport::default()
        }
    }

    /// Returns it as JSON.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "network": self.network.to_string(),
            "seed": self.network.seed,
            "stalls": self.stalls,
            "stalled_ms": millis(self.stalled),
            "quiet_ms": millis(self.quiet),
            "thrown_away": self.thrown_away,
            "to_server": self.to_server.to_json(),
            "to_caller": self.to_caller.to_json(),
        })
    }
}

impl fmt::Display for NetworkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  network          {}", self.network)?;
        for (name, way) in [
            ("to the server", &self.to_server),
            ("to the caller", &self.to_caller),
        ] {
            if way.messages > 0 {
                writeln!(f, "  {name}    {way}")?;
            }
        }
        if self.stalls > 0 {
            let stalled = millis(self.stalled);
            writeln!(f, "  stalls           {}, {stalled} ms in all", self.stalls)?;
        }
        if !self.quiet.is_zero() {
            writeln!(f, "  not sent         {} ms of silence", millis(self.quiet))?;
        }
        if self.thrown_away > 0 {
            writeln!(
                f,
                "  thrown away      {} messages to the server: a minute of sound was waiting",
                self.thrown_away
            )?;
        }
        Ok(())
    }
}

/// What a bad network did to the messages of one way.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WayReport {
    /// How many it carried.
    pub messages: u64,
    /// By how much all of them together were late.
    pub late_in_all: Duration,
    /// By how much the latest of them was.
    pub late_most: Duration,
    /// The most bytes that were on their way.
    pub held_most: usize,
    /// The most messages that arrived at one moment.
    pub heap_most: u64,
}

impl WayReport {
    /// Adds what was done elsewhere.
    pub(in crate::sim) fn add(&mut self, more: &WayReport) {
        self.messages += more.messages;
        self.late_in_all += more.late_in_all;
        self.late_most = self.late_most.max(more.late_most);
        self.held_most = self.held_most.max(more.held_most);
        self.heap_most = self.heap_most.max(more.heap_most);
    }

    /// Returns by how much a message was late on average, in milliseconds.
    #[must_use]
    pub fn late_mean_ms(&self) -> f64 {
        self.late_in_all.as_secs_f64() * 1_000.0 / self.messages.max(1) as f64
    }

    fn to_json(&self) -> Value {
        json!({
            "messages": self.messages,
            "late_mean_ms": self.late_mean_ms(),
            "late_most_ms": millis(self.late_most),
            "held_most_bytes": self.held_most,
            "heap_most": self.heap_most,
        })
    }
}

impl fmt::Display for WayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages, {:.0} ms late on average, {} ms at most; {} bytes held at most, {} messages at once",
            self.messages,
            self.late_mean_ms(),
            millis(self.late_most),
            self.held_most,
            self.heap_most
        )
    }
}
