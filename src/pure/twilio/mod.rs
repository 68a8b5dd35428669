//! Twilio's side of the telephone, as values: what it signs, asks and says, and what it is told.
//!
//! Nothing here opens a socket. [`signature`] decides who may speak, [`form`] reads what a webhook says, [`twiml`]
//! writes what it is answered, [`stream`] reads and writes the messages of a media socket, [`session`] holds the rules
//! of such a socket's life, [`recut`] cuts its sound into frames, [`far_keys`] finds the keys in it, [`upward`] keeps our
//! own from piling up at the carrier, told by marks ([`backlog`]), and [`rest`] and [`dialling`] word what is asked over
//! REST. Twilio's own words (CallSid, TwiML, inbound)
//! end here: outside, a CallSid is a `LegId` and inbound sound goes down.

pub mod access_token;
pub mod backlog;
pub mod dialling;
pub mod far_keys;
pub mod form;
pub mod phrases;
pub mod recut;
pub mod rest;
pub mod session;
pub mod signature;
pub mod stream;
pub mod twiml;
pub mod upward;
