//! Which address is signed and which is dialled: a public origin stands for the server that was named.

use url::Url;

/// The public origin, and where the server really is.
#[derive(Clone, Debug)]
pub struct Lines {
    origin: Url,
    server: Url,
}

impl Lines {
    /// Takes the webhook's real address and the origin that the carrier would see; without one the webhook's own.
    ///
    /// # Errors
    /// What is wrong with which of the two, as a sentence.
    pub fn new(webhook: &str, origin: Option<&str>) -> Result<Lines, String> {
        let server = read(webhook).map_err(|why| format!("the webhook `{webhook}` {why}"))?;
        let origin = match origin {
            Some(text) => read(text).map_err(|why| format!("the origin `{text}` {why}"))?,
            None => server.clone(),
        };
        if !matches!(origin.path(), "" | "/") && origin != server {
            return Err(format!(
                "the origin `{origin}` has a path, and an origin ends with the host"
            ));
        }
        Ok(Lines { origin, server })
    }

    /// Returns the public form of the webhook: what is signed.
    #[must_use]
    pub fn public(&self) -> String {
        let mut text = self.origin.as_str().to_owned();
        text.truncate(text.len() - tail(&self.origin).len());
        text + tail(&self.server)
    }

    /// Returns the address to dial for one that the carrier sees: under the origin it is at the server, else as it is.
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

    /// Says whether an address is under the origin, websockets included.
    #[must_use]
    pub fn is_ours(&self, url: &Url) -> bool {
        let secure = |url: &Url| matches!(url.scheme(), "https" | "wss");
        url.host_str() == self.origin.host_str()
            && url.port_or_known_default() == self.origin.port_or_known_default()
            && secure(url) == secure(&self.origin)
    }

    /// Says whether the carrier sees the server over plain http, as on the machine itself.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.origin.scheme() == "http"
    }
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
        assert!(lines.is_plain());
    }

    #[test]
    fn what_is_no_address_is_named() {
        for (webhook, origin, why) in [
            ("127.0.0.1", None, "cannot be read"),
            ("ftp://h/", None, "other than http"),
            ("http://h/", Some("https://o/path"), "has a path"),
            ("http://h/", Some("o"), "the origin"),
        ] {
            let error = Lines::new(webhook, origin).expect_err(webhook);
            assert!(error.contains(why), "{error}");
        }
    }
}
