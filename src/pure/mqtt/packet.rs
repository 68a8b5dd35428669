//! The packets of MQTT 3.1.1 (OASIS standard, 29 October 2014) that a client needs which publishes and subscribes with
//! quality of service 0: what is lost with a connection is told anew by whoever opens the next one.

/// The longest packet that is read, in bytes: what we subscribe to are words.
pub const LONGEST: usize = 1 << 16;

/// The most bytes that a remaining length takes (section 2.2.3).
const LENGTH_BYTES: usize = 4;

/// What a client sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outgoing<'a> {
    /// The first packet of a connection, which begins without a memory of earlier ones.
    Connect {
        /// The client's name, of which the broker lets in only one at a time.
        client: &'a str,
        /// The connection is dead where nothing was sent for one and a half of these seconds.
        keep_alive: u16,
        /// The retained message that the broker publishes where the connection breaks: topic and payload.
        will: (&'a str, &'a str),
        /// Who connects.
        user: Option<&'a str>,
        /// Their password, which is sent with a user only (3.1.2.9).
        password: Option<&'a str>,
    },
    /// A message.
    Publish {
        /// Its topic.
        topic: &'a str,
        /// What it says.
        payload: &'a str,
        /// Whether the broker keeps it for those who come later.
        retain: bool,
    },
    /// Topics of which messages are wanted.
    Subscribe {
        /// A number of the packet's own, not 0.
        id: u16,
        /// The topics.
        topics: &'a [String],
    },
    /// Is anybody there?
    Ping,
    /// The end of a connection, without the will.
    Disconnect,
}

/// What a client receives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Incoming {
    /// The connection is taken where this is 0; else why not (table 3.1).
    Connected(u8),
    /// A message.
    Publish {
        /// Its topic.
        topic: String,
        /// What it says.
        payload: Vec<u8>,
        /// Whether the broker had kept it from before.
        retain: bool,
    },
    /// The topics that were wanted are, unless one was refused.
    Subscribed {
        /// Whether one was.
        refused: bool,
    },
    /// Somebody is there.
    Pong,
}

/// What is received is no MQTT, or nothing that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PacketError {
    /// A packet is too long.
    #[error("a packet is longer than {LONGEST} bytes")]
    TooLong,
    /// A packet is not as the standard has it, or comes unasked.
    #[error("a packet is none that a broker sends")]
    Malformed,
}

impl Outgoing<'_> {
    /// Writes the packet. Texts are cut at 65,535 bytes, which is the most that a field holds.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let first = match self {
            Outgoing::Connect {
                client,
                keep_alive,
                will,
                user,
                password,
            } => {
                text(&mut body, "MQTT");
                // Clean session, a will, retained.
                let mut flags = 0b0010_0110;
                if user.is_some() {
                    flags |= 0b1000_0000;
                    if password.is_some() {
                        flags |= 0b0100_0000;
                    }
                }
                body.extend([4, flags]);
                body.extend(keep_alive.to_be_bytes());
                for field in [client, will.0, will.1] {
                    text(&mut body, field);
                }
                if let Some(user) = user {
                    text(&mut body, user);
                    if let Some(password) = password {
                        text(&mut body, password);
                    }
                }
                0x10
            }
            Outgoing::Publish {
                topic,
                payload,
                retain,
            } => {
                text(&mut body, topic);
                body.extend(payload.as_bytes());
                0x30 | u8::from(*retain)
            }
            Outgoing::Subscribe { id, topics } => {
                body.extend(id.to_be_bytes());
                for topic in *topics {
                    text(&mut body, topic);
                    body.push(0);
                }
                0x82
            }
            Outgoing::Ping => 0xc0,
            Outgoing::Disconnect => 0xe0,
        };
        let mut packet = vec![first];
        let mut left = body.len();
        loop {
            let seven = u8::try_from(left % 128).unwrap_or(0);
            left /= 128;
            packet.push(if left > 0 { seven | 0x80 } else { seven });
            if left == 0 {
                break;
            }
        }
        packet.extend(body);
        packet
    }
}

fn text(body: &mut Vec<u8>, text: &str) {
    let most = text.floor_char_boundary(usize::from(u16::MAX));
    let length = u16::try_from(most).unwrap_or(u16::MAX);
    body.extend(length.to_be_bytes());
    body.extend(&text.as_bytes()[..most]);
}

/// Takes bytes as they come and gives packets.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
}

impl Decoder {
    /// Takes bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Gives the next packet; nothing where it is not there as a whole. After an error the connection is of no use.
    ///
    /// # Errors
    /// [`PacketError`].
    pub fn next_packet(&mut self) -> Result<Option<Incoming>, PacketError> {
        let Some((first, rest)) = self.bytes.split_first() else {
            return Ok(None);
        };
        let mut length = 0;
        let mut begin = 1;
        loop {
            let Some(byte) = rest.get(begin - 1) else {
                return Ok(None);
            };
            length += usize::from(byte & 0x7f) << (7 * (begin - 1));
            begin += 1;
            if byte & 0x80 == 0 {
                break;
            }
            if begin > LENGTH_BYTES {
                return Err(PacketError::Malformed);
            }
        }
        if length > LONGEST {
            return Err(PacketError::TooLong);
        }
        let Some(body) = self.bytes.get(begin..begin + length) else {
            return Ok(None);
        };
        let packet = read(*first, body)?;
        self.bytes.drain(..begin + length);
        Ok(Some(packet))
    }
}

fn read(first: u8, body: &[u8]) -> Result<Incoming, PacketError> {
    match (first, body) {
        (0x20, [_, code]) => Ok(Incoming::Connected(*code)),
        // Quality of service 0 is all that we subscribe with.
        (0x30 | 0x31, [high, low, rest @ ..]) => {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let topic = rest.get(..length).ok_or(PacketError::Malformed)?;
            let topic = std::str::from_utf8(topic).map_err(|_| PacketError::Malformed)?;
            Ok(Incoming::Publish {
                topic: topic.to_owned(),
                payload: rest[length..].to_vec(),
                retain: first == 0x31,
            })
        }
        (0x90, [_, _, codes @ ..]) => Ok(Incoming::Subscribed {
            refused: codes.contains(&0x80),
        }),
        (0xd0, []) => Ok(Incoming::Pong),
        (_, _) => Err(PacketError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn packets_are_written_as_the_standard_has_them() {
        let connect = Outgoing::Connect {
            client: "o",
            keep_alive: 60,
            will: ("a", "b"),
            user: Some("u"),
            password: Some("p"),
        };
        assert_eq!(
            connect.encode(),
            b"\x10\x19\x00\x04MQTT\x04\xe6\x00\x3c\x00\x01o\x00\x01a\x00\x01b\x00\x01u\x00\x01p"
        );
        let publish = Outgoing::Publish {
            topic: "a/b",
            payload: "on",
            retain: true,
        };
        assert_eq!(publish.encode(), b"\x31\x07\x00\x03a/bon");
        let subscribe = Outgoing::Subscribe {
            id: 1,
            topics: &["a".to_owned(), "b".to_owned()],
        };
        assert_eq!(
            subscribe.encode(),
            b"\x82\x0a\x00\x01\x00\x01a\x00\x00\x01b\x00"
        );
        assert_eq!(Outgoing::Ping.encode(), b"\xc0\x00");
        assert_eq!(Outgoing::Disconnect.encode(), b"\xe0\x00");
        let long = "x".repeat(200);
        let publish = Outgoing::Publish {
            topic: "a",
            payload: &long,
            retain: false,
        };
        assert_eq!(
            publish.encode()[..3],
            [0x30, 0xcb, 0x01],
            "203 in two bytes"
        );
    }

    #[test]
    fn what_a_broker_sends_is_read_in_any_pieces() {
        let stream = b"\x20\x02\x00\x00\x90\x04\x00\x01\x00\x80\x31\x07\x00\x03a/bon\xd0\x00";
        let all = [
            Incoming::Connected(0),
            Incoming::Subscribed { refused: true },
            Incoming::Publish {
                topic: "a/b".to_owned(),
                payload: b"on".to_vec(),
                retain: true,
            },
            Incoming::Pong,
        ];
        for size in 1..stream.len() {
            let mut decoder = Decoder::default();
            let mut got = Vec::new();
            for piece in stream.chunks(size) {
                decoder.push(piece);
                while let Some(packet) = decoder.next_packet().expect("good") {
                    got.push(packet);
                }
            }
            assert_eq!(got, all, "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_packet_of_a_broker_is_refused() {
        for wrong in [
            &b"\x30\xff\xff\xff\xff\x01"[..],
            b"\x30\xff\xff\x7f",
            b"\x32\x07\x00\x03a/bon",
            b"\x30\x02\x00\x05",
            b"\x30\x03\x00\x01\xff",
            b"HTTP/1.1 400 Bad Request\r\n\r\n                                                                          ",
        ] {
            let mut decoder = Decoder::default();
            decoder.push(wrong);
            assert!(decoder.next_packet().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            let mut packets = 0;
            while let Ok(Some(_)) = decoder.next_packet() {
                packets += 1;
                prop_assert!(packets <= bytes.len());
            }
        }

        #[test]
        fn a_message_of_ours_reads_as_it_was_written(topic in "[a-z/é]{1,40}", payload in "\\PC{0,300}", retain: bool) {
            let mut decoder = Decoder::default();
            decoder.push(&Outgoing::Publish { topic: &topic, payload: &payload, retain }.encode());
            let payload = payload.into_bytes();
            prop_assert_eq!(decoder.next_packet(), Ok(Some(Incoming::Publish { topic, payload, retain })));
            prop_assert_eq!(decoder.next_packet(), Ok(None));
        }
    }
}
