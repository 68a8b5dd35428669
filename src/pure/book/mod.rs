//! What the phone remembers, as plain values: calls, contacts, who is blocked, when nobody is to be disturbed.
//!
//! The database that keeps them is `store`; who asks for them is `phone::memory`. Here is what they are, how they are
//! checked, and how they are written for other programs.

pub mod blocked;
pub mod contact;
pub mod fold;
pub mod history;
pub mod numbering;
pub mod quiet;
pub mod recording;
pub mod vcard;
