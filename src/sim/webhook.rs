//! Posts webhooks as the carrier does: signed, within 15 s, and reads at most 64 KB of answer.

use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use url::Url;

use super::lines::Lines;
use super::sign::sign;

/// The longest that a webhook may take.
pub(super) const LIMIT: Duration = Duration::from_secs(15);

/// The most that a document may have.
const MOST_TWIML: usize = 64 * 1024;

/// The most that a sound may have: ten minutes of the best that telephones are played.
const MOST_SOUND: usize = 64 * 1024 * 1024;

/// The most redirects that are followed.
const MOST_REDIRECTS: usize = 10;

/// What a server answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type, without its parameters, in lower case.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// Why there is no answer to use; with Twilio's code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoAnswer {
    /// Twilio's code.
    pub code: u32,
    /// What happened, and what to look at.
    pub text: String,
}

/// An answer as it came.
struct Fetched {
    status: u16,
    content_type: String,
    body: Vec<u8>,
    location: Option<String>,
}

/// Signs and posts.
#[derive(Clone)]
pub struct Poster {
    /// To the server itself.
    here: reqwest::Client,
    /// To everybody else; made when it is first needed, since a machine may have no certificates and need none.
    away: Arc<OnceLock<Result<reqwest::Client, String>>>,
    token: String,
    lines: Lines,
    limit: Duration,
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poster")
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

impl Poster {
    /// Prepares the way to a server.
    ///
    /// # Errors
    /// Where the system's certificates cannot be used and are needed.
    pub fn new(token: &str, lines: Lines) -> Result<Poster, String> {
        // Whoever came first has chosen the same; reqwest only asks that somebody did.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let away = Arc::new(OnceLock::new());
        let here = if lines.dialled(&lines.public()).starts_with("http:") {
            // The server is named as it is, and needs neither a way out nor certificates.
            build(client().no_proxy().tls_certs_only([]))?
        } else {
            away.get_or_init(|| build(client())).clone()?
        };
        Ok(Poster {
            here,
            away,
            token: token.to_owned(),
            lines,
            limit: LIMIT,
        })
    }

    /// Waits no longer than this for an answer: for tests, which have no 15 s.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Poster {
        self.limit = limit;
        self
    }

    /// Returns which address is signed and which dialled.
    #[must_use]
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Signs what is posted to a public address.
    #[must_use]
    pub fn signature(&self, public: &str, params: &[(String, String)]) -> String {
        sign(&self.token, public, params)
    }

    /// Asks for a public address, by POST with the parameters in a form, or by GET with them in the query. A redirect is
    /// an answer like any other.
    ///
    /// # Errors
    /// No answer, or more of it than the carrier takes. Any status is an answer.
    pub async fn ask(
        &self,
        public: &str,
        method: &str,
        params: &[(String, String)],
    ) -> Result<Answer, NoAnswer> {
        let asked = async { Ok(self.ask_once(public, method, params).await?.0) };
        self.within_the_limit(public, asked).await
    }

    /// Asks, and goes where redirects lead, as the carrier does; returns the address that answered in the end as well.
    ///
    /// # Errors
    /// As [`Poster::ask`], and where redirects find no end.
    pub(super) async fn follow(
        &self,
        public: &str,
        method: &str,
        params: &[(String, String)],
    ) -> Result<(Answer, String), NoAnswer> {
        let following = async {
            let (mut address, mut method, mut params) = (public.to_owned(), method, params);
            for _ in 0..=MOST_REDIRECTS {
                let (answer, location) = self.ask_once(&address, method, params).await?;
                let Some(location) = location else {
                    return Ok((answer, address));
                };
                address = resolve(&address, &location);
                if matches!(answer.status, 301 | 302) {
                    // As documented, the parameters are lost on the way.
                    (method, params) = ("GET", &[]);
                }
            }
            Err(NoAnswer {
                code: 11215,
                text: format!("{public} redirects more than {MOST_REDIRECTS} times"),
            })
        };
        self.within_the_limit(public, following).await
    }

    async fn within_the_limit<T>(
        &self,
        public: &str,
        asked: impl Future<Output = Result<T, NoAnswer>>,
    ) -> Result<T, NoAnswer> {
        tokio::time::timeout(self.limit, asked)
            .await
            .unwrap_or_else(|_| {
                Err(NoAnswer {
                    code: 11205,
                    text: format!(
                        "{public} did not answer within {} s; the carrier waits no longer either",
                        self.limit.as_secs_f32()
                    ),
                })
            })
    }

    /// Fetches sound, as the carrier does for `<Play>`: signed, by GET, without parameters; returns its media type, too.
    ///
    /// # Errors
    /// As [`Poster::ask`], and any status but 2xx.
    pub(super) async fn sound(&self, public: &str) -> Result<(String, Vec<u8>), NoAnswer> {
        let fetching = async { self.fetch(public, "GET", &[], MOST_SOUND).await };
        let fetched = self.within_the_limit(public, fetching).await?;
        if fetched.status >= 300 {
            return Err(NoAnswer {
                code: 11200,
                text: format!("{public} answered {}", fetched.status),
            });
        }
        Ok((fetched.content_type, fetched.body))
    }

    /// Asks once; a redirect's address comes beside the answer.
    async fn ask_once(
        &self,
        public: &str,
        method: &str,
        params: &[(String, String)],
    ) -> Result<(Answer, Option<String>), NoAnswer> {
        let fetched = self.fetch(public, method, params, MOST_TWIML).await?;
        let answer = Answer {
            status: fetched.status,
            content_type: fetched.content_type,
            body: String::from_utf8_lossy(&fetched.body).into_owned(),
        };
        Ok((answer, fetched.location))
    }

    async fn fetch(
        &self,
        public: &str,
        method: &str,
        params: &[(String, String)],
        most: usize,
    ) -> Result<Fetched, NoAnswer> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(params)
            .finish();
        let by_get = method.eq_ignore_ascii_case("GET");
        // A fragment stays with whoever asks.
        let public = public.split('#').next().unwrap_or_default();
        let public = if by_get && !form.is_empty() {
            let joint = if public.contains('?') { '&' } else { '?' };
            format!("{public}{joint}{form}")
        } else {
            public.to_owned()
        };
        let dialled = self.lines.dialled(&public);
        let unusable = || NoAnswer {
            code: 11100,
            text: format!("`{public}` is no address that can be asked"),
        };
        let url = Url::parse(&dialled).map_err(|_| unusable())?;
        let named = Url::parse(&public).map_err(|_| unusable())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(unusable());
        }
        let http = self.client_to(&named).map_err(|why| NoAnswer {
            code: 11205,
            text: why,
        })?;
        let mut request = if by_get {
            http.get(url)
                .header("X-Twilio-Signature", self.signature(&public, &[]))
        } else {
            http.post(url)
                .header("X-Twilio-Signature", self.signature(&public, params))
                .header(
                    "Content-Type",
                    "application/x-www-form-urlencoded; charset=UTF-8",
                )
                .body(form)
        };
        for (name, value) in self.lines.headers(&named) {
            request = request.header(name, value);
        }
        let failed = |error: &reqwest::Error| NoAnswer {
            code: 11205,
            text: why(&dialled, error),
        };
        let mut response = request
            .header("Accept", "*/*")
            .send()
            .await
            .map_err(|error| failed(&error))?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| failed(&error))? {
            body.extend_from_slice(&piece);
            if body.len() > most {
                return Err(NoAnswer {
                    code: 11750,
                    text: format!("{public} answered with more than {} KB", most / 1024),
                });
            }
        }
        let header = |name: &str| {
            let value = response.headers().get(name);
            value.and_then(|value| value.to_str().ok())
        };
        let content_type = header("content-type")
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let status = response.status().as_u16();
        let location = header("location")
            .filter(|_| matches!(status, 301 | 302 | 307 | 308))
            .map(str::to_owned);
        Ok(Fetched {
            status,
            content_type,
            body,
            location,
        })
    }

    /// Returns the client for an address.
    fn client_to(&self, named: &Url) -> Result<&reqwest::Client, String> {
        if self.lines.is_ours(named) {
            return Ok(&self.here);
        }
        let away = self.away.get_or_init(|| build(client()));
        away.as_ref().map_err(Clone::clone)
    }
}

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent("TwilioProxy/1.1")
        .redirect(reqwest::redirect::Policy::none())
        .http1_only()
        .timeout(LIMIT)
        .connect_timeout(Duration::from_secs(5))
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, String> {
    builder.build().map_err(|error| {
        let causes = causes(&error);
        format!("the way to the webhook cannot be prepared: {error}{causes}")
    })
}

/// Says whether an address is a whole one that can be asked.
pub(super) fn is_address(url: &str) -> bool {
    let url = Url::parse(url).ok();
    url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Reads an address as seen from the document that holds it.
pub(super) fn resolve(base: &str, url: &str) -> String {
    if Url::parse(url).is_ok() {
        return url.to_owned();
    }
    let joined = Url::parse(base).and_then(|base| base.join(url));
    joined.map_or_else(|_| url.to_owned(), String::from)
}

/// Tells why a server did not answer, and what to do.
fn why(dialled: &str, error: &reqwest::Error) -> String {
    let causes = causes(error);
    if error.is_connect() {
        return format!(
            "{dialled} cannot be reached{causes}: is the server running, and on that port?"
        );
    }
    if error.is_timeout() {
        return format!(
            "{dialled} did not answer within {} s; the carrier waits no longer either",
            LIMIT.as_secs()
        );
    }
    format!("{dialled} broke off its answer{causes}")
}

/// Writes what caused an error, from the outside in, each behind a colon.
fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let told = cause.to_string();
        // Layers like to repeat what lies beneath them.
        if !text.contains(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_relative_unless_it_reads_as_a_whole_one() {
        let base = "https://phone.example.com/a/voice?x=1";
        for (url, whole) in [
            ("", base),
            ("next", "https://phone.example.com/a/next"),
            (
                "/next?to=https://b.example/",
                "https://phone.example.com/next?to=https://b.example/",
            ),
            (
                "?back=http://b.example",
                "https://phone.example.com/a/voice?back=http://b.example",
            ),
            ("//b.example/x", "https://b.example/x"),
            ("http://b.example/x#rc=2", "http://b.example/x#rc=2"),
        ] {
            assert_eq!(resolve(base, url), whole, "{url}");
        }
    }

    #[test]
    fn the_token_never_prints() {
        let lines = Lines::new("http://127.0.0.1:1/x", None).expect("lines");
        let poster = Poster::new("hush", lines).expect("a poster");
        assert!(!format!("{poster:?}").contains("hush"));
    }
}
