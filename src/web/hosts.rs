//! Under which host names the person's door answers, so that no foreign name can be bent towards it.

use axum::http::{HeaderMap, Uri, header};
use url::{Host, Url};

use super::error::ApiError;
use crate::config::Settings;

/// The host names of the person's door.
#[derive(Clone, Debug)]
pub(super) struct Hosts(Vec<Host>);

impl Hosts {
    /// Takes the public host and those of `OFFHOOK_HOSTS`; this machine's own names are always among them.
    pub(super) fn new(settings: &Settings) -> Hosts {
        let own = ["localhost", "127.0.0.1", "[::1]"];
        let further = settings.hosts.iter().map(String::as_str);
        let names = own.into_iter().chain(further);
        Hosts(
            names
                .chain([settings.public_url.authority()])
                .filter_map(host_of)
                .collect(),
        )
    }

    /// Checks the host that a request asks for, whatever its port.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        // An absolute target overrides the header, as RFC 9112 has it.
        let named = match uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => only(headers, &header::HOST),
        };
        match named.and_then(host_of) {
            Some(host) if self.0.contains(&host) => Ok(()),
            Some(host) => Err(ApiError::WrongHost(Some(host.to_string()))),
            None => Err(ApiError::WrongHost(None)),
        }
    }

    /// Checks where the page comes from that sends a request; programs send no such header.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if !headers.contains_key(header::ORIGIN) {
            return Ok(());
        }
        let origin = only(headers, &header::ORIGIN).and_then(|text| Url::parse(text).ok());
        let ours = origin.is_some_and(|origin| {
            matches!(origin.scheme(), "http" | "https")
                && origin
                    .host()
                    .is_some_and(|host| self.0.contains(&host.to_owned()))
        });
        if ours {
            Ok(())
        } else {
            Err(ApiError::WrongOrigin)
        }
    }
}

/// Returns a header's value, if it is there exactly once and in ASCII.
fn only<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok();
    // Of two nobody can say which was meant.
    if values.next().is_some() { None } else { value }
}

/// Reads the host in `host` or `host:port`.
fn host_of(authority: &str) -> Option<Host> {
    let host = match authority.rsplit_once(':') {
        // The colons inside brackets are the address's own.
        Some((_, port)) if port.ends_with(']') => authority,
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        Some(_) => return None,
        None => authority,
    };
    Host::parse(host).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn hosts() -> Hosts {
        let names = ["localhost", "127.0.0.1", "[::1]", "phone.example.com"];
        Hosts(names.into_iter().filter_map(host_of).collect())
    }

    fn asked(host: &str) -> Result<(), ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).expect("a header"));
        hosts().check(&Uri::from_static("/api/calls"), &headers)
    }

    #[test]
    fn our_own_names_are_taken_with_any_port() {
        for host in [
            "localhost",
            "localhost:3000",
            "LOCALHOST:1",
            "127.0.0.1:3000",
            "[::1]",
            "[::1]:3000",
            "phone.example.com",
            "Phone.Example.Com:443",
        ] {
            assert_eq!(asked(host), Ok(()), "{host}");
        }
    }

    #[test]
    fn foreign_names_are_refused_and_named() {
        for host in [
            "evil.example",
            "phone.example.com.evil.example",
            "xphone.example.com",
            "localhost.",
            "192.168.1.5",
            "[::2]:3000",
        ] {
            assert!(
                matches!(asked(host), Err(ApiError::WrongHost(Some(_)))),
                "{host}"
            );
        }
        for host in ["", ":80", "localhost:evil.example", "a@localhost", "::1"] {
            assert!(asked(host).is_err(), "{host}");
        }
    }

    #[test]
    fn no_host_or_two_are_refused() {
        let uri = Uri::from_static("/");
        let mut headers = HeaderMap::new();
        assert_eq!(
            hosts().check(&uri, &headers),
            Err(ApiError::WrongHost(None))
        );
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        assert_eq!(
            hosts().check(&uri, &headers),
            Err(ApiError::WrongHost(None))
        );
    }

    #[test]
    fn an_absolute_target_overrides_the_header() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        let uri = Uri::from_static("http://evil.example/api/calls");
        assert_eq!(
            hosts().check(&uri, &headers),
            Err(ApiError::WrongHost(Some("evil.example".to_owned())))
        );
    }

    #[test]
    fn only_pages_of_ours_may_open_the_websocket() {
        for (origin, fine) in [
            ("https://phone.example.com", true),
            ("http://localhost:3000", true),
            ("http://[::1]:3000", true),
            ("https://evil.example", false),
            ("null", false),
            ("file://localhost", false),
            ("localhost", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            assert_eq!(hosts().check_origin(&headers).is_ok(), fine, "{origin}");
        }
        assert_eq!(hosts().check_origin(&HeaderMap::new()), Ok(()));
    }

    proptest! {
        #[test]
        fn a_foreign_name_is_refused_whatever_stands_around_ours(
            before in "[a-z.@:]{1,12}",
            after in "[.@a-z]{1,12}",
        ) {
            for host in [
                format!("{before}phone.example.com"),
                format!("phone.example.com{after}"),
            ] {
                prop_assert!(asked(&host).is_err(), "{}", host);
            }
        }

        #[test]
        fn a_name_that_is_taken_is_one_of_ours_in_some_case_and_with_some_port(
            text in "[ -~]{0,24}|(localhost|127\\.0\\.0\\.1|\\[::1\\])[ -~]{0,3}",
        ) {
            if asked(&text).is_ok() {
                let host = host_of(&text).map(|host| host.to_string());
                prop_assert!(
                    matches!(host.as_deref(), Some("localhost" | "127.0.0.1" | "[::1]")),
                    "{}",
                    text
                );
            }
        }
    }
}
