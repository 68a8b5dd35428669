//! Origins: scheme, host and port of somebody's door, without anything behind it.

use std::net::IpAddr;

use url::{Host, Url};

/// An origin: scheme, host and, where it is not the scheme's own, port; no slash at its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin(String);

impl Origin {
    /// Reads an origin as it is written for `PUBLIC_URL`: a bare host gets `https://`, a slash at the end is dropped; a
    /// path, query, fragment or user part is refused, and so is plain http: the origin of a daemon that only this machine
    /// reaches is not written, but [`Origin::loopback`].
    ///
    /// # Errors
    /// What is wrong, as a clause that follows the setting's name. It never repeats the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Origin, String> {
        let url = parse_http_url(text)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("has a query or a fragment, and an origin ends with the host".to_owned());
        }
        if !matches!(url.path(), "" | "/") {
            return Err("has a path, and an origin ends with the host".to_owned());
        }
        if url.scheme() == "http" {
            return Err("is plain http, and Twilio sends calls to https only".to_owned());
        }
        Ok(Origin(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// Returns the origin of a daemon that is known to this machine only: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn loopback(port: u16) -> Origin {
        Origin(format!("http://127.0.0.1:{port}"))
    }

    /// Returns the origin, such as `https://phone.example.com`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the same with the scheme of a websocket: `wss://…`, or `ws://…` for a plain http origin.
    #[must_use]
    pub fn websocket(&self) -> String {
        let scheme = if self.0.starts_with("https:") {
            "wss"
        } else {
            "ws"
        };
        format!("{scheme}://{}", self.authority())
    }

    /// Returns host, and port where one is written.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0
            .split_once("://")
            .map_or(self.0.as_str(), |(_, rest)| rest)
    }

    /// Says whether it is this machine only: localhost, 127.0.0.0/8 or `[::1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| host_is_loopback(&url))
    }
}

/// Reads an absolute http or https address; a bare host gets `https://`.
///
/// # Errors
/// What is wrong, as a clause; it never repeats the text.
pub(super) fn parse_http_url(text: &str) -> Result<Url, String> {
    if text
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || c == '\\')
    {
        return Err("has a space, a backslash or a control character in it".to_owned());
    }
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let url = Url::parse(&whole).map_err(|_| "cannot be read as an address".to_owned())?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err("begins with something other than https://".to_owned());
    }
    let authority = whole.split("://").nth(1).unwrap_or_default();
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    // Url would skip the slashes, and take the path for a host.
    if authority.is_empty() {
        return Err("has no host".to_owned());
    }
    if authority.contains('@') {
        return Err(
            "has a user part, and whatever stands before an @ would be a secret".to_owned(),
        );
    }
    Ok(url)
}

/// Says whether an address leads to this machine.
pub(super) fn host_is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_origin_is_read_as_the_table_says() {
        for (text, origin) in [
            ("https://phone.example.com", "https://phone.example.com"),
            ("https://phone.example.com/", "https://phone.example.com"),
            ("phone.example.com", "https://phone.example.com"),
            ("phone.example.com/", "https://phone.example.com"),
            ("Phone.Example.COM", "https://phone.example.com"),
            ("phone.example.com:8443", "https://phone.example.com:8443"),
            ("https://phone.example.com:443", "https://phone.example.com"),
            ("https://localhost:3000/", "https://localhost:3000"),
            ("https://[::1]:3000", "https://[::1]:3000"),
        ] {
            assert_eq!(
                Origin::parse(text).expect(text).as_str(),
                origin,
                "for {text}"
            );
        }
    }

    #[test]
    fn whatever_is_more_than_an_origin_is_refused() {
        for (text, why) in [
            ("", "cannot be read"),
            ("https://", "cannot be read"),
            ("/app", "no host"),
            ("https://phone.example.com/twilio", "path"),
            ("phone.example.com//", "path"),
            ("https://phone.example.com?a=b", "query"),
            ("https://phone.example.com/?", "query"),
            ("https://phone.example.com#top", "fragment"),
            ("https://user:hush@phone.example.com", "user part"),
            ("https://@phone.example.com", "user part"),
            ("http://phone.example.com", "plain http"),
            ("http://localhost:3000", "plain http"),
            ("http://127.0.0.1:3000", "plain http"),
            ("wss://phone.example.com", "other than https"),
            ("https://phone.example.com\\x", "backslash"),
            ("https://phone .example.com", "space"),
        ] {
            let refusal = Origin::parse(text).expect_err(text);
            assert!(refusal.contains(why), "{text}: {refusal}");
            assert!(!refusal.contains("hush"));
        }
    }

    #[test]
    fn an_origin_knows_its_websocket_and_whether_it_is_this_machine() {
        let far = Origin::parse("https://phone.example.com:8443").expect("valid");
        assert_eq!(far.websocket(), "wss://phone.example.com:8443");
        assert_eq!(far.authority(), "phone.example.com:8443");
        assert!(!far.is_loopback());
        let near = Origin::loopback(3000);
        assert_eq!(near.websocket(), "ws://127.0.0.1:3000");
        assert!(near.is_loopback());
        assert!(
            !Origin::parse("https://localhost.example.com")
                .expect("valid")
                .is_loopback()
        );
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_becomes_an_origin_that_reads_back_as_itself(text in ".{0,40}") {
            if let Ok(origin) = Origin::parse(&text) {
                prop_assert!(!origin.as_str().ends_with('/'));
                prop_assert!(!origin.authority().contains(['/', '?', '#', '@']));
                prop_assert_eq!(Origin::parse(origin.as_str()), Ok(origin));
            }
        }
    }
}
