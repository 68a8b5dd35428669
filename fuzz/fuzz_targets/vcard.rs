//! Whatever file of contacts comes: it is read without a panic, and what can be kept of it is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook::pure::book::contact::ContactDraft;
use offhook::pure::book::numbering::to_e164;
use offhook::pure::book::vcard::{self, Version};
use offhook::pure::ids::PhoneNumber;

fuzz_target!(|data: &[u8]| {
    let own = PhoneNumber::parse("+18195550100").expect("E.164");
    let _ = to_e164(&String::from_utf8_lossy(data), Some(&own));
    let kept: Vec<ContactDraft> = vcard::read(data)
        .into_iter()
        .filter_map(|card| card.salvaged(Some(&own)))
        .map(|(card, _)| card)
        .collect();
    for version in [Version::V3, Version::V4] {
        let text: String = kept.iter().map(|card| vcard::write(card, version)).collect();
        let again: Vec<ContactDraft> = vcard::read(text.as_bytes())
            .into_iter()
            .filter_map(|card| card.checked(None).ok())
            .collect();
        assert_eq!(again, kept, "what is written reads otherwise");
    }
});
