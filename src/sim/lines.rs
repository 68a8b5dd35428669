//! Which address is signed and which is dialled: a public origin stands for the server that was named.

use url::{Host, Url};

/// The public origin, and where the server really is.
#[derive(Clone, Debug)]
pub struct Lines {
    origin: Url,
    server: Url,
}

impl Lines {
    /// Takes the webhook's real address and the origin that the carrier would see; without one the webhook's own. An
    /// origin that is a bare host gets `https://`.
    ///
    /// # Errors
    /// What is wrong with which of the two, as a sentence.
    pub fn new(webhook: &str, origin: Option<&str>) -> Result<Lines, String> {
        let server = read(webhook).map_err(|why| format!("the webhook `{webhook}` {why}"))?;
        let origin = match origin {
            Some(text) => read_origin(text).map_err(|why| format!("the origin `{text}` {why}"))?,
            None => server.clone(),
        };
        Ok(Lines { origin, server })
    }

    /// Returns the public form of the webhook: what is signed.
    #[must_use]
    pub fn public(&self) -> String {
        let mut text = self.origin.as_str().to_owned();
        text.truncate(text.len() - tail(&self.origin).len());
        text + tail(&self.server)
    }

    /// Returns the address to dial for one that the carrier sees: at the server where it is ours, else as it is.
    #[must_use]
    pub fn dialled(&self, public: &str) -> String {
        let Ok(url) = Url::parse(public) else {
            return public.to_owned();
        };
        if !self.is_ours(&url) {
            return public.to_owned();
        }
        let secure = self.server.scheme() == "https";
        let scheme = match (url.scheme(), secure) {
            ("ws" | "wss", true) => "wss",
            ("ws" | "wss", false) => "ws",
            (_, true) => "https",
            (_, false) => "http",
        };
        format!("{scheme}://{}{}", authority(&self.server), tail(&url))
    }

    /// Says whether an address leads to the server: it is under the origin, websockets included, or it is a secure one at
    /// the very host and port of a server that is reached in plain http. Programs write `wss://` before the `Host` that
    /// they were asked by, and on their own machine that is the plain port.
    #[must_use]
    pub fn is_ours(&self, url: &Url) -> bool {
        let same_place = |other: &Url| {
            url.host_str() == other.host_str()
                && url.port_or_known_default() == other.port_or_known_default()
        };
        let as_written =
            url.host_str() == self.server.host_str() && url.port() == self.server.port();
        (same_place(&self.origin) && is_secure(url) == is_secure(&self.origin))
            || (is_secure(url)
                && !is_secure(&self.server)
                && (same_place(&self.server) || as_written))
    }

    /// Says whether the carrier may be sent to a plain `ws://`: only where it sees the server on this machine itself.
    #[must_use]
    pub fn takes_plain(&self) -> bool {
        self.origin.scheme() == "http" && is_loopback(&self.origin)
    }

    /// Returns the headers that name the public address: the host, and behind it what a tunnel would say where one
    /// would stand between the origin and the server.
    #[must_use]
    pub fn headers(&self, public: &Url) -> Vec<(&'static str, String)> {
        let host = authority(public);
        let mut headers = vec![("Host", host.clone())];
        let tunnelled = authority(&self.origin) != authority(&self.server)
            || is_secure(&self.origin) != is_secure(&self.server);
        if tunnelled && self.is_ours(public) {
            let proto = if is_secure(public) { "https" } else { "http" };
            headers.extend([
                ("X-Forwarded-Proto", proto.to_owned()),
                ("X-Forwarded-Host", host),
                ("X-Forwarded-For", CALLED_FROM.to_owned()),
            ]);
        }
        headers
    }
}

/// Where a tunnel would have been reached from: an address that is kept for documents.
const CALLED_FROM: &str = "203.0.113.10";

fn is_secure(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "wss")
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Reads an origin: scheme and host, and nothing behind them.
fn read_origin(text: &str) -> Result<Url, String> {
    let url = if text.contains("://") {
        read(text)?
    } else {
        read(&format!("https://{text}"))?
    };
    if !matches!(url.path(), "" | "/") {
        return Err("has a path, and an origin ends with the host".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment, and an origin ends with the host".to_owned());
    }
    Ok(url)
}

/// Reads an http address.
fn read(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "cannot be read as an address".to_owned())?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err("begins with something other than http:// or https://".to_owned())
    }
}

/// Returns host, and port where one is written.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Returns path and query, as they stand there.
fn tail(url: &Url) -> &str {
    &url[url::Position::BeforePath..url::Position::AfterQuery]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_under_the_origin_is_dialled_at_the_server() {
        let lines = Lines::new(
            "http://127.0.0.1:3000/handle_calls?a=1",
            Some("https://phone.example.com"),
        )
        .expect("lines");
        assert_eq!(lines.public(), "https://phone.example.com/handle_calls?a=1");
        for (public, dialled) in [
            (
                "https://phone.example.com/a?b=c",
                "http://127.0.0.1:3000/a?b=c",
            ),
            ("wss://phone.example.com/s", "ws://127.0.0.1:3000/s"),
            ("wss://phone.example.com:443/s", "ws://127.0.0.1:3000/s"),
            (
                "wss://phone.example.com:8443/s",
                "wss://phone.example.com:8443/s",
            ),
            ("http://phone.example.com/a", "http://phone.example.com/a"),
            ("https://elsewhere.example/a", "https://elsewhere.example/a"),
        ] {
            assert_eq!(lines.dialled(public), dialled);
        }
    }

    #[test]
    fn without_an_origin_the_server_is_its_own() {
        let lines = Lines::new("http://127.0.0.1:3000/x", None).expect("lines");
        assert_eq!(lines.public(), "http://127.0.0.1:3000/x");
        assert_eq!(
            lines.dialled("ws://127.0.0.1:3000/s"),
            "ws://127.0.0.1:3000/s"
        );
        assert!(lines.takes_plain());
        let far = Lines::new("http://192.0.2.7:8080/x", None).expect("lines");
        assert!(!far.takes_plain(), "only on the machine itself");
    }

    #[test]
    fn a_secure_address_at_the_servers_own_host_and_port_is_the_server() {
        let lines = Lines::new("http://127.0.0.1:8080/voice", None).expect("lines");
        for (public, dialled) in [
            ("wss://127.0.0.1:8080/media", "ws://127.0.0.1:8080/media"),
            ("https://127.0.0.1:8080/a", "http://127.0.0.1:8080/a"),
            ("wss://127.0.0.1:8443/media", "wss://127.0.0.1:8443/media"),
            ("wss://127.0.0.1/media", "wss://127.0.0.1/media"),
        ] {
            assert_eq!(lines.dialled(public), dialled);
        }
        let usual = Lines::new("http://voice.local/voice", None).expect("lines");
        assert_eq!(usual.dialled("wss://voice.local/m"), "ws://voice.local/m");
        let secure = Lines::new("https://voice.local/voice", None).expect("lines");
        assert_eq!(
            secure.dialled("http://voice.local/m"),
            "http://voice.local/m"
        );
    }

    #[test]
    fn a_tunnel_is_spoken_of_only_where_one_would_stand() {
        let names = |webhook, origin, public: &str| -> Vec<String> {
            let lines = Lines::new(webhook, origin).expect("lines");
            let headers = lines.headers(&Url::parse(public).expect("an address"));
            headers
                .into_iter()
                .map(|(n, v)| format!("{n}: {v}"))
                .collect()
        };
        let server = "http://127.0.0.1:3000/a";
        let origin = Some("phone.example.com");
        assert_eq!(
            names(server, origin, "wss://phone.example.com/s"),
            [
                "Host: phone.example.com",
                "X-Forwarded-Proto: https",
                "X-Forwarded-Host: phone.example.com",
                "X-Forwarded-For: 203.0.113.10"
            ]
        );
        assert_eq!(names(server, None, server), ["Host: 127.0.0.1:3000"]);
        assert_eq!(
            names(server, origin, "https://a.example/"),
            ["Host: a.example"]
        );
    }

    #[test]
    fn a_bare_host_as_origin_is_meant_securely() {
        let lines = Lines::new("http://h/x", Some("phone.example.com")).expect("lines");
        assert_eq!(lines.public(), "https://phone.example.com/x");
    }

    #[test]
    fn what_is_no_address_is_named() {
        for (webhook, origin, why) in [
            ("127.0.0.1", None, "cannot be read"),
            ("ftp://h/", None, "other than http"),
            ("http://h/", Some("https://o/path"), "has a path"),
            ("http://h/", Some("o?x=1"), "a query"),
            ("http://h/", Some("ftp://o"), "the origin `ftp://o` begins"),
        ] {
            let error = Lines::new(webhook, origin).expect_err(webhook);
            assert!(error.contains(why), "{error}");
        }
    }
}
