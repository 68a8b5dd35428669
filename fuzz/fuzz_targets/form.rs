//! Whatever body is posted: every reader reads or refuses it, and a leg's name is always harmless.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook::pure::twilio::form::{self, Form};
use offhook::pure::twilio::signature::Verifier;

fuzz_target!(|body: &[u8]| {
    let form = Form::decode(body);
    let legs = [
        form::incoming(&form).map(|(leg, _)| leg),
        form::outgoing(&form).map(|(leg, _)| leg),
        form::after_stream(&form).map(|(leg, _)| leg),
        form::after_dial(&form).map(|(leg, _)| leg),
        form::call_status(&form).map(|news| news.leg),
        form::stream_status(&form).map(|(leg, _)| leg),
    ];
    for leg in legs.into_iter().flatten() {
        let harmless = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        assert!((1..=64).contains(&leg.as_str().len()) && leg.as_str().bytes().all(harmless));
    }
    let signature = Some("L/OH5YylLD5NRKLltdqwSvS0BnU=");
    let checked =
        Verifier::new(["key"]).form("https://phone.example.com/x", form.params(), signature);
    assert!(checked.is_err(), "a signature fits what was never signed");
});
