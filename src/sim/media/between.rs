//! The network between carrier and server, in real time: holds each message back until it would have arrived, and reads no
//! more than such a network would have taken in.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use tokio_tungstenite::tungstenite::{Error, Message};

use crate::sim::network::{Conditions, Network, Path, StallTimes, Way};
use crate::sim::report::{NetworkReport, WayReport};

/// Bytes on their way at most: the largest window of TCP without scaling (RFC 9293, section 3.1).
const WINDOW: usize = 1 << 16;

/// Bytes on their way at most while it stalls: about ten small messages, as many packets as TCP sends at first without an
/// answer (RFC 6928).
const WINDOW_IN_STALL: usize = 1 << 12;

/// Messages for the server that wait at most: a minute of sound.
const MOST_HELD: usize = 3_000;

/// Bytes of a frame beside its message, so that not even empty ones are without limit.
const HEADER: usize = 8;

/// What the server sent; nothing where the connection broke.
pub(super) type Heard = Option<Result<Message, Error>>;

/// Both ways of a network. Moments count from the stream's start.
pub(super) struct Between {
    pub(super) down: Lane<Message>,
    pub(super) up: Lane<Heard>,
    network: Network,
    thrown_away: u64,
}

impl Between {
    /// Begins the stream after so many others.
    pub(super) fn new(network: Network, before: u32) -> Between {
        let seed = network.seed.wrapping_add(u64::from(before));
        let network = Network { seed, ..network };
        let conditions = &network.conditions;
        let [down, up] = Path::pair(conditions, seed);
        let lane = |way, path| {
            let is_bad = !conditions.is_prompt() && [Way::Both, way].contains(&network.way);
            is_bad.then_some(path)
        };
        Between {
            down: Lane::new(lane(Way::ToServer, down), conditions, seed),
            up: Lane::new(lane(Way::ToCaller, up), conditions, seed),
            network,
            thrown_away: 0,
        }
    }

    /// Says whether anything holds up what the server sends.
    pub(super) fn narrows_reading(network: &Network) -> bool {
        !network.conditions.is_prompt() && network.way != Way::ToServer
    }

    /// Says whether a media message for the server finds room; where it does not, it is thrown away.
    pub(super) fn takes_media(&mut self) -> bool {
        let takes = self.down.held.len() < MOST_HELD;
        self.thrown_away += u64::from(!takes);
        takes
    }

    /// Returns when the next message arrives, either way.
    pub(super) fn due(&self) -> Option<Duration> {
        self.down.due().into_iter().chain(self.up.due()).min()
    }

    /// Adds what it did in so long to the books.
    pub(super) fn note(self, lasted: Duration, books: &mut NetworkReport) {
        books.thrown_away += self.thrown_away;
        let times = StallTimes::new(&self.network.conditions, self.network.seed);
        for stall in times.into_iter().flatten() {
            if stall.start >= lasted {
                break;
            }
            books.stalls += 1;
            books.stalled += stall.end.min(lasted) - stall.start;
        }
        books.to_server.add(&self.down.did);
        books.to_caller.add(&self.up.did);
    }
}

/// One way.
pub(super) struct Lane<T> {
    /// Nothing where this way is not bad.
    path: Option<Path>,
    stall: Option<(Range<Duration>, StallTimes)>,
    window: usize,
    held: VecDeque<Held<T>>,
    bytes: usize,
    /// When the last message arrived, and how many did at that moment.
    heap: (Duration, u64),
    did: WayReport,
}

struct Held<T> {
    due: Duration,
    bytes: usize,
    item: T,
}

impl<T> Lane<T> {
    fn new(path: Option<Path>, conditions: &Conditions, seed: u64) -> Lane<T> {
        // Routers hold about a second of what a narrow line carries.
        let window = conditions.bandwidth.map_or(WINDOW, |bandwidth| {
            usize::try_from(bandwidth.bits() / 8)
                .map_or(WINDOW, |second| second.clamp(WINDOW_IN_STALL, WINDOW))
        });
        Lane {
            path,
            stall: StallTimes::new(conditions, seed)
                .and_then(|mut times| times.next().map(|first| (first, times))),
            window,
            held: VecDeque::new(),
            bytes: 0,
            heap: (Duration::ZERO, 0),
            did: WayReport::default(),
        }
    }

    /// Sends a message; it is back at once where this way is not bad.
    pub(super) fn carry(&mut self, now: Duration, bytes: usize, item: T) -> Option<T> {
        let Some(path) = &mut self.path else {
            return Some(item);
        };
        let bytes = bytes + HEADER;
        let due = path.arrival(now, bytes);
        self.bytes += bytes;
        self.heap = match self.heap {
            (last, many) if last == due => (due, many + 1),
            _ => (due, 1),
        };
        let late = due - now;
        self.did.add(&WayReport {
            messages: 1,
            late_in_all: late,
            late_most: late,
            held_most: self.bytes,
            heap_most: self.heap.1,
        });
        self.held.push_back(Held { due, bytes, item });
        None
    }

    /// Says whether anything more would set out now.
    pub(super) fn has_room(&mut self, now: Duration) -> bool {
        let window = if self.is_stalled(now) {
            WINDOW_IN_STALL
        } else {
            self.window
        };
        self.bytes < window
    }

    fn is_stalled(&mut self, now: Duration) -> bool {
        while let Some((stall, times)) = &mut self.stall {
            if now < stall.end {
                return now >= stall.start;
            }
            match times.next() {
                Some(next) => *stall = next,
                None => self.stall = None,
            }
        }
        false
    }

    pub(super) fn due(&self) -> Option<Duration> {
        self.held.front().map(|held| held.due)
    }

    /// Takes a message off that has arrived.
    pub(super) fn arrived(&mut self, now: Duration) -> Option<T> {
        self.due().filter(|due| *due <= now)?;
        self.let_go()
    }

    /// Takes a message off whether it has arrived or not.
    pub(super) fn let_go(&mut self) -> Option<T> {
        let held = self.held.pop_front()?;
        self.bytes -= held.bytes;
        Some(held.item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn between(network: &str) -> Between {
        Between::new(network.parse().expect(network), 0)
    }

    fn message() -> Message {
        Message::text("x".repeat(300))
    }

    #[test]
    fn a_way_that_is_not_bad_gives_everything_back_at_once() {
        for network in ["seed=3", "drift=100,quiet", "stall=500/1000,way=to-caller"] {
            let mut between = between(network);
            assert!(between.down.carry(ms(600), 300, message()).is_some());
            assert_eq!(between.due(), None);
        }
        let mut other = between("stall=500/1000,way=to-server");
        assert!(other.up.carry(ms(600), 0, None).is_some());
        assert!(other.down.carry(ms(600), 300, message()).is_none());
        assert_eq!(other.due(), Some(ms(1_000)));
    }

    #[test]
    fn in_a_stall_about_ten_messages_set_out_and_the_next_stream_has_the_next_seed() {
        let mut between = between("stall=500/1000");
        let mut sent = 0;
        while between.up.has_room(ms(600)) {
            assert!(
                between
                    .up
                    .carry(ms(600), 300, Some(Ok(message())))
                    .is_none()
            );
            sent += 1;
        }
        assert_eq!(sent, 14, "of 308 bytes each");
        assert!(between.up.arrived(ms(999)).is_none());
        assert!(!between.up.has_room(ms(999)));
        let mut came = 0;
        while between.up.arrived(ms(1_000)).is_some() {
            came += 1;
        }
        assert_eq!(came, sent);
        assert!(between.up.has_room(ms(1_000)));
        let mut books = NetworkReport::default();
        between.note(ms(1_700), &mut books);
        assert_eq!((books.stalls, books.stalled), (2, ms(700)));
        assert_eq!(books.to_caller.messages, 14);
        assert_eq!(books.to_caller.heap_most, 14);
        assert_eq!(books.to_caller.late_most, ms(400));
        assert_eq!(books.to_caller.held_most, 14 * 308);

        let moments = |before| {
            let network = "jitter=exponential:100".parse().expect("a network");
            let mut lane = Between::new(network, before).down;
            assert!(lane.carry(ms(0), 300, message()).is_none());
            lane.due()
        };
        assert_eq!(moments(1), moments(1));
        assert_ne!(moments(0), moments(1));
    }

    #[test]
    fn a_narrow_line_holds_a_second_of_what_it_carries() {
        for (network, most) in [
            ("bandwidth=80000", 10_000),
            ("bandwidth=100", WINDOW_IN_STALL),
            ("bandwidth=100000000,delay=1", WINDOW),
            ("delay=1", WINDOW),
        ] {
            let mut lane = between(network).up;
            while lane.has_room(ms(0)) {
                assert!(lane.carry(ms(0), 100, None).is_none());
            }
            assert!((most..most + 108).contains(&lane.bytes), "{network}");
        }
    }

    #[test]
    fn what_a_network_cannot_hold_for_the_server_is_thrown_away_and_counted() {
        let mut between = between("delay=60000");
        let mut sent = 0;
        while between.takes_media() {
            assert!(between.down.carry(ms(20 * sent), 300, message()).is_none());
            sent += 1;
        }
        assert_eq!((sent, between.thrown_away), (3_000, 1));
    }
}
