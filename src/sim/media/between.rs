//! The network between carrier and server, in real time: holds each message back until it would have arrived, and reads no
//! more than such a network would have taken in.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{FRAME_MS, MOST_WAITING};
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

/// How long a message that has arrived waits for the connection to take it. Then the server reads too slowly and the message
/// is lost (31930): in as long as it takes to send as many as may wait, even a minute of sound in one heap is read.
pub(super) const PATIENCE: Duration = Duration::from_millis(MOST_WAITING as u64 * FRAME_MS);

/// A message for the server.
pub(super) struct Parcel {
    pub(super) message: Message,
    /// Whether it is the caller's sound.
    pub(super) is_media: bool,
}

/// What became of messages that had arrived.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Poured {
    /// Media messages that the connection got.
    pub(super) media: u64,
    /// Messages of any kind that it did not take for too long.
    pub(super) thrown_away: u64,
}

/// What the server sent; nothing where the connection broke.
pub(super) type Heard = Option<Result<Message, Error>>;

/// Both ways of a network. Moments count from the stream's start.
pub(super) struct Between {
    pub(super) down: Lane<Parcel>,
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

    /// Returns when there is something to do: when the next message arrives, either way; or, where the connection takes none
    /// for the server, when the next of these is given up.
    pub(super) fn due(&self, is_full: bool) -> Option<Duration> {
        let patience = if is_full { PATIENCE } else { Duration::ZERO };
        let down = self.down.due().map(|due| due.saturating_add(patience));
        down.into_iter().chain(self.up.due()).min()
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

impl Lane<Parcel> {
    /// Gives the connection what has arrived, as far as it takes it; the rest waits here, and not for ever.
    pub(super) fn pour(&mut self, now: Duration, outbox: &mpsc::Sender<Parcel>) -> Poured {
        let mut poured = Poured::default();
        while let Some(waited) = self.due().and_then(|due| now.checked_sub(due)) {
            let permit = match outbox.try_reserve() {
                Ok(permit) => Some(permit),
                Err(TrySendError::Full(())) if waited < PATIENCE => break,
                Err(TrySendError::Full(())) => {
                    poured.thrown_away += 1;
                    None
                }
                // Nobody is left to hear it.
                Err(TrySendError::Closed(())) => None,
            };
            if let (Some(parcel), Some(permit)) = (self.let_go(), permit) {
                poured.media += u64::from(parcel.is_media);
                permit.send(parcel);
            }
        }
        poured
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::playout::Playout;
    use crate::sim::report::StreamReport;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn between(network: &str) -> Between {
        Between::new(network.parse().expect(network), 0)
    }

    fn message() -> Message {
        Message::text("x".repeat(300))
    }

    fn parcel() -> Parcel {
        Parcel {
            message: message(),
            is_media: true,
        }
    }

    #[test]
    fn a_way_that_is_not_bad_gives_everything_back_at_once() {
        for network in ["seed=3", "drift=100,quiet", "stall=500/1000,way=to-caller"] {
            let mut between = between(network);
            assert!(between.down.carry(ms(600), 300, parcel()).is_some());
            assert_eq!(between.due(false), None);
        }
        let mut other = between("stall=500/1000,way=to-server");
        assert!(other.up.carry(ms(600), 0, None).is_some());
        assert!(other.down.carry(ms(600), 300, parcel()).is_none());
        assert_eq!(other.due(false), Some(ms(1_000)));
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
            assert!(lane.carry(ms(0), 300, parcel()).is_none());
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
            assert!(between.down.carry(ms(20 * sent), 300, parcel()).is_none());
            sent += 1;
        }
        assert_eq!((sent, between.thrown_away), (3_000, 1));
    }

    /// A connection with a network that stalls for 7 s from 1 s on, and what is sent until 8 s: 400 frames.
    fn heap_of_seven_seconds() -> (Between, mpsc::Sender<Parcel>, mpsc::Receiver<Parcel>) {
        let mut between = between("stall=7000/8000,way=to-server");
        for n in 0..400 {
            let parcel = Parcel {
                message: Message::text(n.to_string()),
                is_media: n % 10 > 0,
            };
            let now = ms(20 * n);
            assert!(between.takes_media());
            assert!(between.down.carry(now, 300, parcel).is_none());
        }
        let (outbox, waiting) = mpsc::channel(MOST_WAITING);
        (between, outbox, waiting)
    }

    #[test]
    fn a_heap_larger_than_what_may_wait_for_the_connection_comes_through_whole_and_in_order() {
        let (mut between, outbox, mut waiting) = heap_of_seven_seconds();
        let mut came = Vec::new();
        let mut media = 0;
        for now in [7_999, 8_000, 8_001, 8_002] {
            let poured = between.down.pour(ms(now), &outbox);
            assert_eq!(poured.thrown_away, 0);
            media += poured.media;
            while let Ok(parcel) = waiting.try_recv() {
                came.push(parcel.message.to_string());
            }
        }
        let sent: Vec<_> = (0..400).map(|n| n.to_string()).collect();
        assert_eq!((came, media), (sent, 360));
        assert_eq!(between.down.did.heap_most, 350);
        assert_eq!(between.due(false), None);
    }

    #[test]
    fn what_a_connection_does_not_take_for_as_long_as_may_wait_is_lost() {
        let (mut between, outbox, mut waiting) = heap_of_seven_seconds();
        assert_eq!(between.due(false), Some(ms(0)));
        let at_first = between.down.pour(ms(8_000), &outbox);
        assert_eq!((at_first.media, at_first.thrown_away), (230, 0));
        assert_eq!(outbox.capacity(), 0);
        let given_up = ms(8_000) + PATIENCE;
        assert_eq!(between.due(true), Some(given_up));
        let just_before = between.down.pour(given_up - ms(1), &outbox);
        assert_eq!(just_before, Poured::default());
        // The server reads one, and one more of them comes through.
        assert!(waiting.try_recv().is_ok());
        let then = between.down.pour(given_up, &outbox);
        assert_eq!((then.media, then.thrown_away), (1, 143));
        assert_eq!((between.due(true), between.down.bytes), (None, 0));
    }

    #[test]
    fn behind_a_stall_a_program_that_sends_steadily_leaves_the_caller_as_much_delay() {
        let mut lane = between("stall=400/2000,way=to-caller").up;
        let mut playout = Playout::default();
        let mut report = StreamReport::default();
        let mut unread = 0;
        for now in 0..3_600 {
            unread += u32::from(now % 20 == 0);
            playout.advance(ms(now));
            loop {
                if lane.arrived(ms(now)).is_some() {
                    report.arrivals.push(ms(now));
                    report.waits.push(ms(playout.queued() as u64 / 8));
                    assert!(playout.media(ms(now), &[0x90; 160]).0);
                } else if unread > 0 && lane.has_room(ms(now)) {
                    unread -= 1;
                    assert!(lane.carry(ms(now), 300, None).is_none());
                } else {
                    break;
                }
            }
        }
        let delay = report.caller_delay().expect("it sent all the time");
        // Nobody took out what the stall from 1600 to 2000 ms put in; 20 ms were queued at most before.
        assert!(
            (ms(380)..=ms(400)).contains(&delay.above_least()),
            "{delay:?}"
        );
        assert_eq!(playout.underruns(), 1);
        // Fourteen set out in the stall, six waited behind them, and one was just sent.
        assert_eq!(lane.did.heap_most, 21);
    }
}
