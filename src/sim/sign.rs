//! Twilio's signature, written from its documentation and on nothing of the daemon's: two readings that must agree.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use url::Url;

/// Signs a request: base64 of the HMAC-SHA1, under the account's token, of the address and then every parameter's name
/// and value in the byte order of names.
///
/// Repeated names: every different value once, in order. User part and fragment are left out; so is the port of https
/// and wss, which the carrier drops for voice. A GET or a handshake has no parameters.
#[must_use]
pub fn sign(token: &str, url: &str, params: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> = params.iter().collect();
    sorted.sort();
    sorted.dedup();
    let mut text = signed_url(url);
    for (name, value) in sorted {
        text.push_str(name);
        text.push_str(value);
    }
    // HMAC takes keys of any length, so the other branch is never taken.
    match Hmac::<Sha1>::new_from_slice(token.as_bytes()) {
        Ok(mut mac) => {
            mac.update(text.as_bytes());
            STANDARD.encode(mac.finalize().into_bytes())
        }
        Err(_) => String::new(),
    }
}

/// Returns the address as it is signed.
fn signed_url(text: &str) -> String {
    let text = text.split('#').next().unwrap_or_default();
    let Ok(url) = Url::parse(text) else {
        return text.to_owned();
    };
    let drops_port = matches!(url.scheme(), "https" | "wss");
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    // Cut by hand: a parsed address is written anew, and the carrier signs what stands there.
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    let port = host
        .rfind(':')
        .filter(|colon| !host[*colon..].contains(']'))
        .unwrap_or(host.len());
    let host = if drops_port { &host[..port] } else { host };
    format!("{scheme}://{host}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn params(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// The sum of a documented example and of what Twilio's own library computed.
    #[test]
    fn signatures_are_those_of_twilios_library() {
        let example = params(&[
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675310"),
            ("Digits", "1234"),
            ("From", "+14158675310"),
            ("To", "+18005551212"),
        ]);
        let url = "https://example.com/myapp.php?foo=1&bar=2";
        assert_eq!(sign("12345", url, &example), "L/OH5YylLD5NRKLltdqwSvS0BnU=");
        let voice = params(&[
            ("To", "+15005550006"),
            ("AccountSid", "AC00000000000000000000000000000001"),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", "CA00000000000000000000000000000001"),
            ("CallStatus", "ringing"),
            ("Called", "+15005550006"),
            ("Caller", "+15005550010"),
            ("CallerCity", ""),
            ("Direction", "inbound"),
            ("From", "+15005550010"),
        ]);
        let twice = params(&[("A", "2"), ("A", "1"), ("A", "1"), ("b", "z"), ("B", "y")]);
        for (url, params, signature) in [
            (
                "https://phone.example.com/twilio/voice",
                &voice,
                "YI38dKxz/tQM4fwSKKBmpr3opQs=",
            ),
            (
                "https://phone.example.com/twilio/voice?CallSid=CA00000000000000000000000000000001&From=%2B15005550010",
                &vec![],
                "n+7lQ/Jjbz9Hs+KFk5d23GXb1FM=",
            ),
            (
                "https://phone.example.com/twilio/events?bodySHA256=824e9c6fbe5682df1abd878986827880e2dd1f2973cc7a791e8da9ca9ef0c747",
                &vec![],
                "UabKEQfpJ/rcjWl9TAFGeGJ3XgY=",
            ),
            (
                "wss://phone.example.com/twilio/media",
                &vec![],
                "Q5sScuIFjNZayIztoyj03eg5r5o=",
            ),
            (
                "wss://phone.example.com/twilio/media/",
                &vec![],
                "1Yg/diClnqFKj0mCry9WzapBb8s=",
            ),
            (
                "https://phone.example.com/x",
                &twice,
                "Yo91MpRLAiCoJE42vz7kKvbRTNI=",
            ),
            (
                "https://phone.example.com/x",
                &params(&[("CallerName", "Zoë")]),
                "2MeQB9/wqqCRBB4cCco7/wl31NE=",
            ),
        ] {
            assert_eq!(sign(TOKEN, url, params), signature, "{url}");
        }
    }

    #[test]
    fn the_port_is_signed_over_http_and_dropped_over_https() {
        for (url, signed) in [
            ("https://a.example:8443/x", "https://a.example/x"),
            ("wss://u:p@a.example:1/x?y=1", "wss://a.example/x?y=1"),
            ("http://127.0.0.1:3000/x", "http://127.0.0.1:3000/x"),
            ("https://[::1]:1/x", "https://[::1]/x"),
            ("https://[::1]/x#rc=1", "https://[::1]/x"),
            ("https://a.example", "https://a.example"),
        ] {
            assert_eq!(signed_url(url), signed);
        }
    }
}
