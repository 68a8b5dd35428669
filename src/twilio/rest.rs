//! The way out to the carrier: its REST API over HTTPS.

use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tracing::debug;
use url::Host;

use crate::config::{Secret, Settings, TwilioAccount};
use crate::phone::Carrier;
use crate::pure::ids::LegId;
use crate::pure::phone::{CarrierRequest, LegStatus};
use crate::pure::twilio::rest::{RestApi, RestOutcome, RestRequest, read_answer};

/// How long a request may take with all its repetitions.
const LIMIT: Duration = Duration::from_secs(3);

/// The pause before a request that Twilio did not process is repeated; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The REST API of one account, with its key.
#[derive(Clone, Debug)]
pub(super) struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    api: RestApi,
    key: String,
    secret: Secret,
    after_stream: String,
    limit: Duration,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Client, String> {
        let after_stream = format!("{}/twilio/after-stream", settings.public_url.as_str());
        Client::of(&settings.twilio, after_stream, LIMIT)
    }

    fn of(
        account: &TwilioAccount,
        after_stream: String,
        limit: Duration,
    ) -> Result<Client, String> {
        let base = &account.api_base_url;
        // Whoever came first has chosen the same; reqwest only asks that somebody did.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("offhook/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none());
        if base.scheme() == "http" {
            // A simulator needs no roots, and a machine may have none.
            http = http.tls_certs_only([]);
        }
        if is_loopback(base) {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| {
            format!(
                "the way to Twilio's REST API cannot be prepared: {}\nhint: install the system's certificates (on Debian the package ca-certificates)",
                reasons(error)
            )
        })?;
        Ok(Client {
            inner: Arc::new(Inner {
                http,
                api: RestApi::new(base.clone(), account.account_sid.clone()),
                key: account.api_key.clone(),
                secret: account.api_secret.clone(),
                after_stream,
                limit,
            }),
        })
    }
}

impl Carrier for Client {
    fn perform(
        &self,
        request: CarrierRequest,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let done = match request {
                CarrierRequest::End(leg) => {
                    tokio::time::timeout(inner.limit, inner.end(&leg)).await
                }
                CarrierRequest::Redirect(leg) => {
                    let redirect = inner.api.redirect(&leg, inner.after_stream.clone());
                    tokio::time::timeout(inner.limit, inner.done(&leg, redirect)).await
                }
            };
            done.unwrap_or_else(|_| {
                Err("Twilio's REST API did not answer within 3 s\nhint: see https://status.twilio.com and the network of this machine".to_owned())
            })
        })
    }
}

impl Inner {
    /// Ends a leg. Where the answer leaves open whether it was done, the leg itself is asked.
    async fn end(&self, leg: &LegId) -> Result<(), String> {
        let Err(why) = self.done(leg, self.api.end(leg)).await else {
            return Ok(());
        };
        match self.send(leg, &self.api.fetch(leg)).await {
            Ok(RestOutcome::LegIs(
                LegStatus::Completed
                | LegStatus::Busy
                | LegStatus::NoAnswer
                | LegStatus::Failed
                | LegStatus::Canceled,
            )) => Ok(()),
            Ok(
                RestOutcome::LegIs(LegStatus::Queued | LegStatus::Ringing | LegStatus::InProgress)
                | RestOutcome::Done
                | RestOutcome::TryAgain
                | RestOutcome::Failed(_),
            )
            | Err(_) => Err(why),
        }
    }

    async fn done(&self, leg: &LegId, request: RestRequest) -> Result<(), String> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.send(leg, &request).await? {
                RestOutcome::Done | RestOutcome::LegIs(_) => return Ok(()),
                RestOutcome::Failed(why) => return Err(why.to_string()),
                RestOutcome::TryAgain => {
                    debug!(?pause, "Twilio has too many requests at once, trying again");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
            }
        }
    }

    async fn send(&self, leg: &LegId, request: &RestRequest) -> Result<RestOutcome, String> {
        let method = if request.form.is_some() {
            "POST"
        } else {
            "GET"
        };
        debug!(method, purpose = ?request.purpose, %leg, "asking Twilio");
        let builder = match &request.form {
            Some(form) => self.http.post(request.url.clone()).form(form),
            None => self.http.get(request.url.clone()),
        };
        let unreachable = |error: reqwest::Error| {
            format!(
                "Twilio's REST API cannot be reached: {}\nhint: see TWILIO_API_BASE_URL and the network of this machine",
                reasons(error)
            )
        };
        let answer = builder
            .basic_auth(&self.key, Some(self.secret.reveal()))
            .send()
            .await
            .map_err(unreachable)?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(unreachable)?;
        let outcome = read_answer(request.purpose, status, &body);
        debug!(method, purpose = ?request.purpose, %leg, status, ?outcome, "Twilio answers");
        Ok(outcome)
    }
}

fn is_loopback(base: &url::Url) -> bool {
    match base.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Returns an error with all its causes, but without the address, which names the account.
fn reasons(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::Router;
    use axum::body::Bytes;
    use axum::extract::State;
    use axum::http::{HeaderMap, Method, StatusCode, Uri};

    use super::*;
    use crate::pure::ids::PhoneNumber;

    /// Answers with one line of a script after the other, and keeps what it was asked.
    #[derive(Clone, Default)]
    struct Api {
        script: Arc<Mutex<Vec<(u16, &'static str)>>>,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Api {
        async fn answer(
            State(api): State<Api>,
            method: Method,
            uri: Uri,
            headers: HeaderMap,
            body: Bytes,
        ) -> (StatusCode, &'static str) {
            let auth = headers["authorization"].to_str().expect("text");
            let body = String::from_utf8_lossy(&body);
            let asked = format!("{method} {uri} {auth} {body}");
            api.asked.lock().expect("whole").push(asked);
            let next = {
                let mut script = api.script.lock().expect("whole");
                (!script.is_empty()).then(|| script.remove(0))
            };
            match next {
                Some((status, body)) => (StatusCode::from_u16(status).expect("valid"), body),
                None => std::future::pending().await,
            }
        }
    }

    /// Performs a request against a script; returns how it went and what was asked.
    async fn perform(
        request: CarrierRequest,
        script: &[(u16, &'static str)],
        limit: Duration,
    ) -> (Result<(), String>, Vec<String>) {
        let api = Api::default();
        api.script.lock().expect("whole").extend(script);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        let router = Router::new().fallback(Api::answer).with_state(api.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let done = client(&format!("http://{address}"), limit)
            .perform(request)
            .await;
        server.abort();
        let asked = api.asked.lock().expect("whole").clone();
        (done, asked)
    }

    fn client(base: &str, limit: Duration) -> Client {
        let account = TwilioAccount {
            account_sid: "AC1".to_owned(),
            api_key: "SK1".to_owned(),
            api_secret: Secret::new("hush"),
            twiml_app_sid: "AP1".to_owned(),
            phone_number: PhoneNumber::parse("+18199754345").expect("valid"),
            api_base_url: base.parse().expect("valid"),
        };
        let after_stream = "https://phone.example.com/twilio/after-stream".to_owned();
        Client::of(&account, after_stream, limit).expect("a client")
    }

    fn end() -> CarrierRequest {
        CarrierRequest::End(LegId::new("CA1"))
    }

    const LONG: Duration = Duration::from_secs(60);
    // base64 of `SK1:hush`
    const AUTH: &str = "Basic U0sxOmh1c2g=";

    #[tokio::test]
    async fn a_leg_is_ended_with_the_api_key() {
        let (done, asked) = perform(end(), &[(200, "{}")], LONG).await;
        assert_eq!(done, Ok(()));
        assert_eq!(
            asked,
            [format!(
                "POST /2010-04-01/Accounts/AC1/Calls/CA1.json {AUTH} Status=completed"
            )]
        );
    }

    #[tokio::test]
    async fn a_leg_is_sent_to_ask_us_anew() {
        let redirect = CarrierRequest::Redirect(LegId::new("CA1"));
        let (done, asked) = perform(redirect.clone(), &[(200, "{}")], LONG).await;
        assert_eq!(done, Ok(()));
        assert!(
            asked[0].ends_with(
                " Url=https%3A%2F%2Fphone.example.com%2Ftwilio%2Fafter-stream&Method=POST"
            )
        );
        let (done, _) = perform(redirect, &[(400, r#"{"code":21220}"#)], LONG).await;
        assert_eq!(
            done,
            Err("Twilio says that the call is over already".to_owned())
        );
    }

    #[tokio::test]
    async fn a_leg_that_is_over_already_was_ended() {
        let (done, _) = perform(end(), &[(404, r#"{"code":20404}"#)], LONG).await;
        assert_eq!(done, Ok(()));
    }

    #[tokio::test]
    async fn too_many_requests_are_tried_again() {
        let script = [(429, ""), (429, ""), (200, "{}")];
        let (done, asked) = perform(end(), &script, LONG).await;
        assert_eq!((done, asked.len()), (Ok(()), 3));
    }

    #[tokio::test]
    async fn after_an_answer_that_leaves_it_open_the_leg_is_asked() {
        let over = [(502, "<html>"), (200, r#"{"status":"completed"}"#)];
        let (done, asked) = perform(end(), &over, LONG).await;
        assert_eq!(done, Ok(()));
        assert!(asked[1].starts_with("GET /2010-04-01/Accounts/AC1/Calls/CA1.json"));
        let up = [(502, "<html>"), (200, r#"{"status":"in-progress"}"#)];
        let (done, _) = perform(end(), &up, LONG).await;
        assert_eq!(
            done,
            Err("the answer was HTTP 502 and not what Twilio answers".to_owned())
        );
    }

    #[tokio::test]
    async fn no_answer_is_an_error_after_the_limit() {
        let (done, asked) = perform(end(), &[], Duration::from_millis(100)).await;
        assert!(done.expect_err("no answer").contains("did not answer"));
        assert!(asked.len() <= 1);
    }

    #[tokio::test]
    async fn no_error_tells_a_secret_or_the_account() {
        let refused = r#"{"code":20003,"message":"hush"}"#;
        let (wrong_key, _) = perform(end(), &[(401, refused), (401, refused)], LONG).await;
        let nobody = client("http://127.0.0.1:1", LONG).perform(end()).await;
        for error in [wrong_key, nobody] {
            let error = error.expect_err("refused");
            assert!(error.contains("hint:"), "{error}");
            assert!(!error.contains("hush") && !error.contains("AC1"), "{error}");
        }
        let printed = format!("{:?}", client("http://127.0.0.1:1", LONG));
        assert!(!printed.contains("hush"));
    }
}
