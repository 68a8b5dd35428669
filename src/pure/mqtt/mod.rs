//! MQTT: the packets that a client needs, and what Home Assistant is told and may want.

pub mod home;
pub mod packet;
