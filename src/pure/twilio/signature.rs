//! Who may speak at the carrier's door: the check of `X-Twilio-Signature`.
//!
//! A signature is the base64 of HMAC-SHA1, keyed with the account's auth token, over the full URL and, for a form, every
//! parameter (<https://www.twilio.com/docs/usage/security>). The URL is the one that the carrier was *configured* with,
//! so callers build it from the public origin and the raw path and query, never from `Host`.
//!
//! Read [`Verifier`] first. There is deliberately no function that signs: the simulator has its own, written apart.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

/// Why a request was not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignatureError {
    /// There is no `X-Twilio-Signature`.
    #[error("the request carries no signature")]
    Missing,
    /// What stands in the header is not the base64 of 20 bytes.
    #[error("the signature is not the base64 of 20 bytes")]
    Malformed,
    /// Signed with another key, or over something else.
    #[error("the signature does not fit the request")]
    Wrong,
    /// The body is not the one that the URL names by its hash.
    #[error("the body does not have the hash that the signed address names")]
    OtherBody,
}

/// Checks signatures with one key or, while tokens are rotated, with several.
///
/// Every check takes the same time whichever key fits, and whether one does.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<Vec<u8>>,
}

impl Verifier {
    /// Takes the auth tokens: primary, and next during a rotation. Without any, nothing is let in.
    #[must_use]
    pub fn new<T: AsRef<str>>(tokens: impl IntoIterator<Item = T>) -> Verifier {
        Verifier {
            keys: tokens
                .into_iter()
                .map(|token| token.as_ref().as_bytes().to_vec())
                .collect(),
        }
    }

    /// Checks a form POST: `params` are its decoded names and values, all of them, in any order.
    ///
    /// # Errors
    /// [`SignatureError`], but never [`SignatureError::OtherBody`].
    pub fn form(
        &self,
        url: &str,
        params: &[(String, String)],
        signature: Option<&str>,
    ) -> Result<(), SignatureError> {
        // By name in byte order; a repeated name's values sorted, each once. Sorting pairs does both.
        let mut sorted: Vec<&(String, String)> = params.iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut tail = String::new();
        for (name, value) in sorted {
            tail.push_str(name);
            tail.push_str(value);
        }
        self.check(&port_forms(url), &tail, signature).map(drop)
    }

    /// Checks a GET: the URL with its query, as it came, is all that is signed.
    ///
    /// # Errors
    /// [`SignatureError`], but never [`SignatureError::OtherBody`].
    pub fn get(&self, url: &str, signature: Option<&str>) -> Result<(), SignatureError> {
        self.check(&port_forms(url), "", signature).map(drop)
    }

    /// Checks a POST whose URL names the SHA-256 of its body as `bodySHA256`, as the carrier does for JSON.
    ///
    /// # Errors
    /// [`SignatureError`]; [`SignatureError::OtherBody`] also where the URL names no hash.
    pub fn hashed_body(
        &self,
        url: &str,
        body: &[u8],
        signature: Option<&str>,
    ) -> Result<(), SignatureError> {
        self.check(&port_forms(url), "", signature)?;
        let named = body_hash_named(url).ok_or(SignatureError::OtherBody)?;
        let hash = Sha256::digest(body);
        let mut hex = String::with_capacity(64);
        for byte in hash {
            hex.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
            hex.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        }
        if bool::from(named.to_ascii_lowercase().as_bytes().ct_eq(hex.as_bytes())) {
            Ok(())
        } else {
            Err(SignatureError::OtherBody)
        }
    }

    /// Checks the handshake of a websocket at `url`, which has the scheme `wss`, `ws`, `https` or `http`.
    ///
    /// The carrier signs the stream's URL as the TwiML wrote it; its documents add that a slash may stand at the end,
    /// and others saw the scheme of plain HTTP. All four forms are accepted; returned is the one that was signed.
    ///
    /// # Errors
    /// [`SignatureError`], but never [`SignatureError::OtherBody`].
    pub fn handshake(&self, url: &str, signature: Option<&str>) -> Result<String, SignatureError> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("wss", url));
        let schemes: [&str; 2] = match scheme {
            "ws" | "http" => ["ws", "http"],
            _ => ["wss", "https"],
        };
        let rest = rest.split('#').next().unwrap_or(rest);
        let mut forms = Vec::with_capacity(12);
        for scheme in schemes {
            for form in port_forms(&format!("{scheme}://{rest}")) {
                forms.push(format!("{form}/"));
                forms.push(form);
            }
        }
        let which = self.check(&forms, "", signature)?;
        Ok(forms.swap_remove(which))
    }

    /// Returns which of the URLs was signed.
    fn check(
        &self,
        urls: &[String],
        tail: &str,
        signature: Option<&str>,
    ) -> Result<usize, SignatureError> {
        let claimed = STANDARD
            .decode(signature.ok_or(SignatureError::Missing)?)
            .map_err(|_| SignatureError::Malformed)?;
        if claimed.len() != 20 {
            return Err(SignatureError::Malformed);
        }
        let mut fits = Choice::from(0);
        let mut which = 0_u64;
        for key in &self.keys {
            for (n, url) in (0..).zip(urls) {
                let mut mac =
                    Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes a key of any length");
                mac.update(url.as_bytes());
                mac.update(tail.as_bytes());
                let this_fits = mac.finalize().into_bytes().as_slice().ct_eq(&claimed);
                which.conditional_assign(&n, this_fits);
                fits |= this_fits;
            }
        }
        if bool::from(fits) {
            Ok(usize::try_from(which).expect("it counts a dozen forms at most"))
        } else {
            Err(SignatureError::Wrong)
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({} keys)", self.keys.len())
    }
}

/// Says whether the URL names the hash of its body, so that [`Verifier::hashed_body`] is the check to make.
#[must_use]
pub fn names_body_hash(url: &str) -> bool {
    body_hash_named(url).is_some()
}

fn body_hash_named(url: &str) -> Option<Cow<'_, str>> {
    let query = url.split('#').next()?.split_once('?')?.1;
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "bodySHA256")
        .map(|(_, hash)| hash)
}

/// Returns the forms of a URL that the carrier may have signed: with the port as written, without one, and with the
/// scheme's own. Over https its voice requests drop the port, over http they keep it, and it has not always been so.
/// A user part and a fragment are never signed.
fn port_forms(url: &str) -> Vec<String> {
    let url = url.split('#').next().unwrap_or(url);
    let Some((scheme, rest)) = url.split_once("://") else {
        return vec![url.to_owned()];
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    // A colon inside the brackets of an IPv6 address is no port's.
    let bare = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        Some(_) | None => host,
    };
    let own_port = match scheme {
        "https" | "wss" => 443,
        _ => 80,
    };
    let mut forms = vec![
        format!("{scheme}://{host}{tail}"),
        format!("{scheme}://{bare}{tail}"),
        format!("{scheme}://{bare}:{own_port}{tail}"),
    ];
    forms.sort_unstable();
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T: &str = "0123456789abcdef0123456789abcdef";
    const VOICE: &str = "https://phone.example.com/twilio/voice";
    const MEDIA: &str = "wss://phone.example.com/twilio/media";
    const INCOMING: &[(&str, &str)] = &[
        ("AccountSid", "AC00000000000000000000000000000001"),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", "CA00000000000000000000000000000001"),
        ("CallStatus", "ringing"),
        ("Called", "+15005550006"),
        ("Caller", "+15005550010"),
        ("CallerCity", ""),
        ("Direction", "inbound"),
        ("From", "+15005550010"),
        ("To", "+15005550006"),
    ];

    fn verifier() -> Verifier {
        Verifier::new([T])
    }

    fn pairs(params: &[(&str, &str)]) -> Vec<(String, String)> {
        params
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn form(url: &str, params: &[(&str, &str)], signature: &str) -> Result<(), SignatureError> {
        verifier().form(url, &pairs(params), Some(signature))
    }

    #[test]
    fn the_example_of_the_carriers_documents_is_let_in() {
        let params = pairs(&[
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675310"),
            ("Digits", "1234"),
            ("From", "+14158675310"),
            ("To", "+18005551212"),
        ]);
        let url = "https://example.com/myapp.php?foo=1&bar=2";
        let signature = Some("L/OH5YylLD5NRKLltdqwSvS0BnU=");
        assert_eq!(
            Verifier::new(["12345"]).form(url, &params, signature),
            Ok(())
        );
    }

    #[test]
    fn an_incoming_call_is_let_in_whether_the_port_was_signed_or_not() {
        for signature in [
            "YI38dKxz/tQM4fwSKKBmpr3opQs=",
            "Ztz+ODMdkno2v3gWGSjLHXObzHA=",
        ] {
            for url in [
                VOICE,
                "https://phone.example.com:443/twilio/voice",
                "https://user:password@phone.example.com/twilio/voice",
                "https://phone.example.com/twilio/voice#rc=2",
            ] {
                assert_eq!(form(url, INCOMING, signature), Ok(()), "{url} {signature}");
            }
        }
    }

    #[test]
    fn a_port_of_its_own_is_dropped_as_voice_over_https_drops_it() {
        let url = "https://phone.example.com:8443/twilio/voice";
        assert_eq!(form(url, INCOMING, "YI38dKxz/tQM4fwSKKBmpr3opQs="), Ok(()));
    }

    #[test]
    fn the_order_of_the_parameters_does_not_matter() {
        let mut reversed = INCOMING.to_vec();
        reversed.reverse();
        assert_eq!(
            form(VOICE, &reversed, "YI38dKxz/tQM4fwSKKBmpr3opQs="),
            Ok(())
        );
    }

    #[test]
    fn a_parameter_more_less_or_changed_is_refused() {
        let signature = "YI38dKxz/tQM4fwSKKBmpr3opQs=";
        let mut more = INCOMING.to_vec();
        more.push(("Extra", ""));
        let mut changed = INCOMING.to_vec();
        changed[9].1 = "+15005550007";
        for wrong in [&more[..], &INCOMING[1..], &changed[..]] {
            assert_eq!(form(VOICE, wrong, signature), Err(SignatureError::Wrong));
        }
    }

    #[test]
    fn another_address_scheme_or_slash_is_refused() {
        let signature = "YI38dKxz/tQM4fwSKKBmpr3opQs=";
        for url in [
            "http://phone.example.com/twilio/voice",
            "https://phone.example.org/twilio/voice",
            "https://phone.example.com/twilio/voice/",
            "https://phone.example.com/twilio/voice?x=1",
            "https://phone.example.com/Twilio/voice",
        ] {
            assert_eq!(
                form(url, INCOMING, signature),
                Err(SignatureError::Wrong),
                "{url}"
            );
        }
    }

    #[test]
    fn a_get_is_signed_with_its_query_as_it_came() {
        let url = "https://phone.example.com/twilio/voice?CallSid=CA00000000000000000000000000000001&From=%2B15005550010";
        let signature = Some("n+7lQ/Jjbz9Hs+KFk5d23GXb1FM=");
        assert_eq!(verifier().get(url, signature), Ok(()));
        let decoded = url.replace("%2B", "+");
        assert_eq!(
            verifier().get(&decoded, signature),
            Err(SignatureError::Wrong)
        );
    }

    #[test]
    fn a_json_body_must_have_the_hash_that_the_address_names() {
        let body = br#"{"CallSid":"CA00000000000000000000000000000001","CallStatus":"completed"}"#;
        let url = "https://phone.example.com/twilio/events?bodySHA256=824e9c6fbe5682df1abd878986827880e2dd1f2973cc7a791e8da9ca9ef0c747";
        let signature = Some("UabKEQfpJ/rcjWl9TAFGeGJ3XgY=");
        assert!(names_body_hash(url));
        assert_eq!(verifier().hashed_body(url, body, signature), Ok(()));
        assert_eq!(
            verifier().hashed_body(url, b"{}", signature),
            Err(SignatureError::OtherBody)
        );
        assert_eq!(
            verifier().hashed_body(VOICE, body, signature),
            Err(SignatureError::Wrong)
        );
    }

    #[test]
    fn a_handshake_is_let_in_with_and_without_a_slash_at_the_end() {
        for signature in [
            "Q5sScuIFjNZayIztoyj03eg5r5o=",
            "1Yg/diClnqFKj0mCry9WzapBb8s=",
        ] {
            for url in [
                MEDIA,
                "https://phone.example.com/twilio/media",
                "wss://phone.example.com:443/twilio/media",
            ] {
                assert!(verifier().handshake(url, Some(signature)).is_ok(), "{url}");
            }
        }
        assert_eq!(
            verifier().handshake(
                "wss://phone.example.com/twilio/other",
                Some("Q5sScuIFjNZayIztoyj03eg5r5o=")
            ),
            Err(SignatureError::Wrong)
        );
    }

    #[test]
    fn a_handshake_signed_with_the_scheme_of_plain_http_is_let_in() {
        for signed in [
            "https://phone.example.com/twilio/media",
            "https://phone.example.com/twilio/media/",
            "wss://phone.example.com:443/twilio/media",
        ] {
            let signature = signature_of(T, signed);
            assert_eq!(
                verifier().handshake(MEDIA, Some(&signature)).as_deref(),
                Ok(signed),
                "the form that was signed is told"
            );
        }
        let plain = signature_of(T, "ws://127.0.0.1:3000/twilio/media");
        assert_eq!(
            verifier()
                .handshake("http://127.0.0.1:3000/twilio/media", Some(&plain))
                .as_deref(),
            Ok("ws://127.0.0.1:3000/twilio/media")
        );
        assert_eq!(
            verifier().handshake(
                MEDIA,
                Some(&signature_of(T, "ws://phone.example.com/twilio/media"))
            ),
            Err(SignatureError::Wrong)
        );
    }

    #[test]
    fn repeated_names_count_once_with_each_of_their_values_in_order() {
        let params = [("A", "2"), ("A", "1"), ("A", "1"), ("b", "z"), ("B", "y")];
        assert_eq!(
            form(
                "https://phone.example.com/x",
                &params,
                "Yo91MpRLAiCoJE42vz7kKvbRTNI="
            ),
            Ok(())
        );
    }

    #[test]
    fn letters_beyond_ascii_are_signed_as_utf_8() {
        assert_eq!(
            form(
                "https://phone.example.com/x",
                &[("CallerName", "Zoë")],
                "2MeQB9/wqqCRBB4cCco7/wl31NE="
            ),
            Ok(())
        );
    }

    #[test]
    fn plain_http_keeps_its_port() {
        let url = "http://127.0.0.1:3000/handle_calls";
        assert_eq!(verifier().get(url, Some(&signature_of(T, url))), Ok(()));
        let ipv6 = "http://[::1]:3000/handle_calls";
        assert_eq!(verifier().get(ipv6, Some(&signature_of(T, ipv6))), Ok(()));
        assert_eq!(
            port_forms("http://[::1]/x"),
            ["http://[::1]/x", "http://[::1]:80/x"]
        );
    }

    #[test]
    fn both_tokens_of_a_rotation_are_accepted_and_no_third() {
        let signature = Some("YI38dKxz/tQM4fwSKKBmpr3opQs=");
        let params = pairs(INCOMING);
        for keys in [vec![T, "next"], vec!["old", T]] {
            assert_eq!(Verifier::new(keys).form(VOICE, &params, signature), Ok(()));
        }
        for keys in [vec!["old", "next"], vec![]] {
            assert_eq!(
                Verifier::new(keys).form(VOICE, &params, signature),
                Err(SignatureError::Wrong)
            );
        }
    }

    #[test]
    fn a_missing_or_malformed_signature_is_named_as_such() {
        let params = pairs(INCOMING);
        let check = |signature| verifier().form(VOICE, &params, signature);
        assert_eq!(check(None), Err(SignatureError::Missing));
        for malformed in ["", "=", "ÿ", "YI38", "YI38dKxz/tQM4fwSKKBmpr3opQs=="] {
            assert_eq!(
                check(Some(malformed)),
                Err(SignatureError::Malformed),
                "{malformed}"
            );
        }
    }

    #[test]
    fn keys_never_print() {
        assert!(!format!("{:?}", verifier()).contains("0123"));
    }

    proptest! {
        #[test]
        fn whatever_stands_in_address_and_header_is_refused_without_a_panic(
            url in any::<String>(),
            signature in any::<Option<String>>(),
            body in any::<Vec<u8>>(),
        ) {
            let signature = signature.as_deref();
            let refused = verifier().get(&url, signature).is_err()
                && verifier().handshake(&url, signature).is_err()
                && verifier().hashed_body(&url, &body, signature).is_err();
            prop_assert!(refused);
        }

        #[test]
        fn one_bit_turned_in_a_signature_refuses_it(bit in 0_usize..160) {
            let mut raw = STANDARD.decode("YI38dKxz/tQM4fwSKKBmpr3opQs=").expect("base64");
            raw[bit / 8] ^= 1 << (bit % 8);
            let turned = STANDARD.encode(&raw);
            prop_assert_eq!(form(VOICE, INCOMING, &turned), Err(SignatureError::Wrong));
        }
    }

    /// For the forms that no published vector covers.
    fn signature_of(token: &str, signed: &str) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("any length");
        mac.update(signed.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }
}
