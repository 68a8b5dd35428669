//! Whatever a server answers the simulator or tells it on the socket: read or refused, never a panic, and what is read of
//! TwiML is bounded by what came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook::sim::{Element, Told, parse, read_message};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(response) = parse(&text) {
        assert_eq!(response.name, "Response");
        assert!(deepest(&response) <= 16, "deeper than anything is read");
        assert!(response.spoken().len() <= text.len(), "more is spoken than came");
    }
    for line in text.lines() {
        match read_message(line, "MZ1") {
            Ok(Told::Media(codes)) => assert!(codes.len() <= line.len()),
            Ok(Told::Mark(name)) => assert!(name.len() <= line.len()),
            Ok(Told::Clear) => {}
            Err(why) => assert!(!why.chars().any(char::is_control), "what is told moves no cursor"),
        }
    }
});

fn deepest(element: &Element) -> usize {
    1 + element.children.iter().map(deepest).max().unwrap_or(0)
}
