//! Posts webhooks as the carrier does: signed, within 15 s, and reads at most 64 KB of answer.

use std::time::Duration;

use url::Url;

use super::lines::{Lines, authority};
use super::sign::sign;

/// The longest that a webhook may take.
pub(super) const LIMIT: Duration = Duration::from_secs(15);

/// The most that a document may have.
const MOST_TWIML: usize = 64 * 1024;

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

/// Signs and posts.
#[derive(Clone, Debug)]
pub struct Poster {
    http: reqwest::Client,
    token: String,
    lines: Lines,
}

impl Poster {
    /// Prepares the way to a server.
    ///
    /// # Errors
    /// Where the system's certificates cannot be used and are needed.
    pub fn new(token: &str, lines: Lines) -> Result<Poster, String> {
        // Whoever came first has chosen the same; reqwest only asks that somebody did.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .user_agent("TwilioProxy/1.1")
            .redirect(reqwest::redirect::Policy::none())
            .timeout(LIMIT)
            .connect_timeout(Duration::from_secs(5));
        if lines.dialled(&lines.public()).starts_with("http:") {
            // The server is named as it is, and needs neither a way out nor certificates.
            http = http.no_proxy().tls_certs_only([]);
        }
        let http = http
            .build()
            .map_err(|error| format!("the way to the webhook cannot be prepared: {error}"))?;
        Ok(Poster {
            http,
            token: token.to_owned(),
            lines,
        })
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

    /// Asks for a public address, by POST with the parameters in a form, or by GET with them in the query.
    ///
    /// # Errors
    /// No answer, or more of it than the carrier takes. Any status is an answer.
    pub async fn ask(
        &self,
        public: &str,
        method: &str,
        params: &[(String, String)],
    ) -> Result<Answer, NoAnswer> {
        tokio::time::timeout(LIMIT, self.ask_patiently(public, method, params))
            .await
            .unwrap_or_else(|_| {
                Err(NoAnswer {
                    code: 11205,
                    text: format!("{public} did not answer within {} s", LIMIT.as_secs()),
                })
            })
    }

    async fn ask_patiently(
        &self,
        public: &str,
        method: &str,
        params: &[(String, String)],
    ) -> Result<Answer, NoAnswer> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(params)
            .finish();
        let by_get = method.eq_ignore_ascii_case("GET");
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
        let host = Url::parse(&public).map_err(|_| unusable())?;
        let request = if by_get {
            self.http
                .get(url)
                .header("X-Twilio-Signature", self.signature(&public, &[]))
        } else {
            self.http
                .post(url)
                .header("X-Twilio-Signature", self.signature(&public, params))
                .header(
                    "Content-Type",
                    "application/x-www-form-urlencoded; charset=UTF-8",
                )
                .body(form)
        };
        let failed = |error: &reqwest::Error| NoAnswer {
            code: 11205,
            text: why(&dialled, error),
        };
        let mut response = request
            .header("Host", authority(&host))
            .header("Accept", "*/*")
            .send()
            .await
            .map_err(|error| failed(&error))?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| failed(&error))? {
            body.extend_from_slice(&piece);
            if body.len() > MOST_TWIML {
                return Err(NoAnswer {
                    code: 11750,
                    text: format!("{public} answered with more than 64 KB"),
                });
            }
        }
        let content_type = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        Ok(Answer {
            status: response.status().as_u16(),
            content_type,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}

/// Tells why a server did not answer, and what to do.
fn why(dialled: &str, error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!(
            "{dialled} did not answer within {} s; the carrier waits no longer either",
            LIMIT.as_secs()
        );
    }
    if error.is_connect() {
        return format!("{dialled} cannot be reached: is the server running, and on that port?");
    }
    format!("{dialled} broke off its answer")
}
