//! The way out to the carrier: its REST API over HTTPS.

use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::debug;
use url::Host;

use crate::config::{Secret, Settings, TwilioAccount};
use crate::phone::{Carrier, DialWish};
use crate::pure::ids::LegId;
use crate::pure::phone::{CarrierRequest, DialRefusal, Document, LegStatus};
use crate::pure::twilio::dialling::{self, Dialled, NewCall};
use crate::pure::twilio::rest::{RestApi, RestOutcome, RestRequest, read_answer};
use crate::pure::twilio::twiml::{self, Links};

/// How long Twilio may take; a person waits for a wish to dial for 15 s at most.
const LIMITS: Limits = Limits {
    request: Duration::from_secs(3),
    attempt: Duration::from_secs(8),
    dialling: Duration::from_secs(13),
};

/// The pause before which ending a leg is given up: four attempts, within the time that it may take.
const MOST_PAUSES: Duration = Duration::from_millis(400);

/// The pause before a wish to dial is given up.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// How long after a call was made the list of calls may not show it.
const LIST_IS_LATE: Duration = Duration::from_secs(1);

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
    links: Links,
    limits: Limits,
}

/// How long Twilio may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// For a request with all its repetitions.
    request: Duration,
    /// For one attempt to have somebody dialled.
    attempt: Duration,
    /// For dialling with all its repetitions and questions.
    dialling: Duration,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Client, String> {
        Client::of(&settings.twilio, super::links(settings), LIMITS)
    }

    fn of(account: &TwilioAccount, links: Links, limits: Limits) -> Result<Client, String> {
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
                links,
                limits,
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
                    tokio::time::timeout(inner.limits.request, inner.end(&leg)).await
                }
                CarrierRequest::Redirect(leg) => {
                    let after_stream = inner.links.to("/twilio/after-stream");
                    let redirect = inner.api.redirect(&leg, after_stream);
                    tokio::time::timeout(inner.limits.request, inner.done(&leg, redirect)).await
                }
            };
            done.unwrap_or_else(|_| {
                Err("Twilio's REST API did not answer within 3 s\nhint: see https://status.twilio.com and the network of this machine".to_owned())
            })
        })
    }

    fn dial(
        &self,
        wish: DialWish,
    ) -> Pin<Box<dyn Future<Output = Result<LegId, DialRefusal>> + Send>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            tokio::time::timeout(inner.limits.dialling, inner.dial(&wish))
                .await
                .unwrap_or_else(|_| Err(DialRefusal::silence()))
        })
    }
}

impl Inner {
    /// Ends a leg, and tries again where it is not ended: a telephone that rings on costs whoever is woken by it.
    async fn end(&self, leg: &LegId) -> Result<(), String> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.try_to_end(leg).await {
                Err(why) if pause > MOST_PAUSES => return Err(why),
                Err(_) => {
                    tokio::time::sleep(jittered(pause)).await;
                    pause *= 2;
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Ends a leg. Where the answer leaves open whether it was done, the leg itself is asked.
    async fn try_to_end(&self, leg: &LegId) -> Result<(), String> {
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

    /// Dials. Where an answer leaves open whether it was done, the list of calls is looked at before anything is
    /// repeated: there are never two calls for one wish.
    async fn dial(&self, wish: &DialWish) -> Result<LegId, DialRefusal> {
        let document = Document::Stream {
            call: wish.call.clone(),
            token: wish.token.clone(),
        };
        let request = self.api.dial(&NewCall {
            to: wish.to.clone(),
            from: wish.caller_id.clone(),
            twiml: twiml::render(&document, &self.links),
            status_callback: self
                .links
                .to(&format!("/twilio/call-status?call={}", wish.call)),
            longest: wish.longest.as_secs(),
        });
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0));
        let mut pause = FIRST_PAUSE;
        let mut repeated = false;
        loop {
            let attempt = tokio::time::timeout(self.limits.attempt, self.asked(&request)).await;
            let (dialled, may_repeat) = match attempt {
                Ok(Ok((status, body))) => (dialling::read_dialled(status, &body), true),
                // Nothing was sent.
                Ok(Err(error)) if error.is_connect() => {
                    return Err(dialling::unreachable(&reasons(error)));
                }
                // It may be made yet, so it is not asked for again.
                Ok(Err(_)) | Err(_) => (Dialled::Unknown, false),
            };
            debug!(call = %wish.call, ?dialled, "Twilio answers a wish to dial");
            match dialled {
                Dialled::Placed(leg) => return Ok(leg),
                Dialled::Refused(refusal) => return Err(refusal),
                Dialled::TryAgain if pause > LONGEST_PAUSE => return Err(dialling::too_many()),
                Dialled::TryAgain => {
                    tokio::time::sleep(jittered(pause)).await;
                    pause *= 2;
                }
                Dialled::Unknown => {
                    if let Some(leg) = self.made(wish, since).await? {
                        return Ok(leg);
                    }
                    if !may_repeat {
                        return Err(DialRefusal::silence());
                    }
                    if repeated {
                        return Err(dialling::not_made());
                    }
                    repeated = true;
                }
            }
        }
    }

    /// Looks whether a wish was fulfilled after all; a second time where the list does not show it yet.
    async fn made(&self, wish: &DialWish, since: i64) -> Result<Option<LegId>, DialRefusal> {
        let find = self.api.find(&wish.caller_id, &wish.to);
        for pause in [Duration::ZERO, LIST_IS_LATE] {
            tokio::time::sleep(pause).await;
            let (status, body) = self.asked(&find).await.map_err(|error| {
                debug!(
                    error = reasons(error),
                    "Twilio's list of calls cannot be had"
                );
                DialRefusal::silence()
            })?;
            match dialling::find_made(&body, since, &wish.known) {
                Ok(Some(leg)) => return Ok(Some(leg)),
                Ok(None) => {}
                Err(_) => {
                    debug!(status, "Twilio's list of calls cannot be read");
                    return Err(DialRefusal::silence());
                }
            }
        }
        Ok(None)
    }

    /// Sends a request, and returns the status and the body of the answer.
    async fn asked(&self, request: &RestRequest) -> Result<(u16, Vec<u8>), reqwest::Error> {
        let builder = match &request.form {
            Some(form) => self.http.post(request.url.clone()).form(form),
            None => self.http.get(request.url.clone()),
        };
        let answer = builder
            .basic_auth(&self.key, Some(self.secret.reveal()))
            .send()
            .await?;
        let status = answer.status().as_u16();
        Ok((status, answer.bytes().await?.to_vec()))
    }

    async fn done(&self, leg: &LegId, request: RestRequest) -> Result<(), String> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.send(leg, &request).await? {
                RestOutcome::Done | RestOutcome::LegIs(_) => return Ok(()),
                RestOutcome::Failed(why) => return Err(why.to_string()),
                RestOutcome::TryAgain => {
                    debug!(?pause, "Twilio has too many requests at once, trying again");
                    tokio::time::sleep(jittered(pause)).await;
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
        let unreachable = |error: reqwest::Error| {
            format!(
                "Twilio's REST API cannot be reached: {}\nhint: see TWILIO_API_BASE_URL and the network of this machine",
                reasons(error)
            )
        };
        let (status, body) = self.asked(request).await.map_err(unreachable)?;
        let outcome = read_answer(request.purpose, status, &body);
        debug!(method, purpose = ?request.purpose, %leg, status, ?outcome, "Twilio answers");
        Ok(outcome)
    }
}

/// Returns a pause that is up to a tenth longer or shorter, so that not everybody comes again at once.
fn jittered(pause: Duration) -> Duration {
    let mut chance = [0_u8; 1];
    // Without chance it is the pause itself.
    if getrandom::fill(&mut chance).is_err() {
        return pause;
    }
    pause.mul_f64(0.9 + 0.2 * f64::from(chance[0]) / 255.0)
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
    use crate::pure::ids::{CallId, PhoneNumber, StreamToken};

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

    /// Serves a script while something is done with a client; returns what came of it and what was asked.
    async fn against<T, F: Future<Output = T>>(
        script: &[(u16, &'static str)],
        limits: Limits,
        act: impl FnOnce(Client) -> F,
    ) -> (T, Vec<String>) {
        let api = Api::default();
        api.script.lock().expect("whole").extend(script);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        let router = Router::new().fallback(Api::answer).with_state(api.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let done = act(client(&format!("http://{address}"), limits)).await;
        server.abort();
        let asked = api.asked.lock().expect("whole").clone();
        (done, asked)
    }

    /// Performs a request against a script; returns how it went and what was asked.
    async fn perform(
        request: CarrierRequest,
        script: &[(u16, &'static str)],
        limits: Limits,
    ) -> (Result<(), String>, Vec<String>) {
        against(script, limits, |client| client.perform(request)).await
    }

    /// Dials against a script; returns how it went and what was asked.
    async fn dial(
        script: &[(u16, &'static str)],
        limits: Limits,
    ) -> (Result<LegId, DialRefusal>, Vec<String>) {
        let wish = DialWish {
            call: CallId::new("c1"),
            to: PhoneNumber::parse("+15145550100").expect("valid"),
            caller_id: PhoneNumber::parse("+18199754345").expect("valid"),
            token: StreamToken::new("token"),
            longest: Duration::from_secs(14_400),
            known: vec![LegId::new("CA7")],
        };
        against(script, limits, |client| client.dial(wish)).await
    }

    fn client(base: &str, limits: Limits) -> Client {
        let account = TwilioAccount {
            account_sid: "AC1".to_owned(),
            api_key: "SK1".to_owned(),
            api_secret: Secret::new("hush"),
            twiml_app_sid: "AP1".to_owned(),
            phone_number: PhoneNumber::parse("+18199754345").expect("valid"),
            api_base_url: base.parse().expect("valid"),
        };
        let links = Links {
            origin: "https://phone.example.com".to_owned(),
            websocket: "wss://phone.example.com".to_owned(),
            ring_seconds: 20,
            lang: crate::lang::Lang::En,
        };
        Client::of(&account, links, limits).expect("a client")
    }

    fn end() -> CarrierRequest {
        CarrierRequest::End(LegId::new("CA1"))
    }

    const LONG: Limits = Limits {
        request: Duration::from_secs(60),
        attempt: Duration::from_secs(60),
        dialling: Duration::from_secs(60),
    };
    const SHORT: Limits = Limits {
        request: Duration::from_millis(100),
        attempt: Duration::from_millis(100),
        dialling: Duration::from_secs(60),
    };
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
        let rings_on = [
            (502, "<html>"),
            (200, r#"{"status":"ringing"}"#),
            (200, "{}"),
        ];
        let (done, asked) = perform(end(), &rings_on, LONG).await;
        assert_eq!((done, asked.len()), (Ok(()), 3), "it is tried again");
        let up = [(502, "<html>"), (200, r#"{"status":"in-progress"}"#)].repeat(4);
        let (done, _) = perform(end(), &up, LONG).await;
        assert_eq!(
            done,
            Err("the answer was HTTP 502 and not what Twilio answers".to_owned())
        );
    }

    #[tokio::test]
    async fn no_answer_is_an_error_after_the_limit() {
        let (done, asked) = perform(end(), &[], SHORT).await;
        assert!(done.expect_err("no answer").contains("did not answer"));
        assert!(asked.len() <= 1);
    }

    const MADE: &str = r#"{"calls":[{"sid":"CA8","direction":"outbound-api","date_created":null},{"sid":"CA7","direction":"outbound-api","date_created":null}]}"#;
    const NONE_MADE: &str =
        r#"{"calls":[{"sid":"CA7","direction":"outbound-api","date_created":null}]}"#;

    #[tokio::test]
    async fn dialling_brings_the_far_end_to_our_stream_and_its_news_to_us() {
        let (leg, asked) = dial(&[(201, r#"{"sid":"CA9"}"#)], LONG).await;
        assert_eq!(leg, Ok(LegId::new("CA9")));
        assert!(asked[0].starts_with(&format!("POST /2010-04-01/Accounts/AC1/Calls.json {AUTH} ")));
        for part in [
            "To=%2B15145550100",
            "Twiml=%3C%3Fxml",
            "%3CStream",
            "StatusCallback=https%3A%2F%2Fphone.example.com%2Ftwilio%2Fcall-status%3Fcall%3Dc1",
        ] {
            assert!(asked[0].contains(part), "{part}: {}", asked[0]);
        }
    }

    #[tokio::test]
    async fn an_answer_that_leaves_it_open_is_followed_by_a_look_at_the_calls() {
        let lost = [(502, "<html>"), (200, MADE)];
        let (leg, asked) = dial(&lost, LONG).await;
        assert_eq!((leg, asked.len()), (Ok(LegId::new("CA8")), 2));
        assert!(asked[1].starts_with("GET /2010-04-01/Accounts/AC1/Calls.json?To="));
    }

    #[tokio::test]
    async fn what_was_not_made_is_asked_for_once_more_and_not_again() {
        let then_made = [
            (503, ""),
            (200, NONE_MADE),
            (200, NONE_MADE),
            (201, r#"{"sid":"CA9"}"#),
        ];
        let (leg, asked) = dial(&then_made, LONG).await;
        assert_eq!((leg, asked.len()), (Ok(LegId::new("CA9")), 4));
        let never = [
            (503, ""),
            (200, NONE_MADE),
            (200, NONE_MADE),
            (503, ""),
            (200, NONE_MADE),
            (200, NONE_MADE),
        ];
        let (refused, asked) = dial(&never, LONG).await;
        assert_eq!(
            (refused.map_err(|why| why.code), asked.len()),
            (Err("not_dialled"), 6)
        );
    }

    #[tokio::test]
    async fn a_wish_that_got_no_answer_is_never_repeated() {
        // The first is never answered, so the client hangs up on it; the list is the script's.
        let api = Api::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        let lists = api.clone();
        let router = Router::new().fallback(
            move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                let lists = lists.clone();
                async move {
                    if method == Method::GET {
                        lists.script.lock().expect("whole").push((200, NONE_MADE));
                    }
                    Api::answer(State(lists), method, uri, headers, body).await
                }
            },
        );
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let wish = DialWish {
            call: CallId::new("c1"),
            to: PhoneNumber::parse("+15145550100").expect("valid"),
            caller_id: PhoneNumber::parse("+18199754345").expect("valid"),
            token: StreamToken::new("token"),
            longest: Duration::from_secs(14_400),
            known: vec![LegId::new("CA7")],
        };
        let refused = client(&format!("http://{address}"), SHORT).dial(wish).await;
        server.abort();
        assert_eq!(refused.map_err(|why| why.code), Err("carrier_silent"));
        let asked = api.asked.lock().expect("whole").clone();
        let posts = asked.iter().filter(|asked| asked.starts_with("POST"));
        assert_eq!(posts.count(), 1, "{asked:?}");
    }

    #[tokio::test]
    async fn too_many_requests_are_waited_out_and_a_refusal_is_not() {
        let (leg, asked) = dial(&[(429, ""), (429, ""), (201, r#"{"sid":"CA9"}"#)], LONG).await;
        assert_eq!((leg, asked.len()), (Ok(LegId::new("CA9")), 3));
        let (refused, asked) = dial(&[(400, r#"{"code":21215}"#)], LONG).await;
        let code = refused.map_err(|why| why.code);
        assert_eq!((code, asked.len()), (Err("geo_permission"), 1));
    }

    #[tokio::test]
    async fn where_nobody_listens_nothing_was_dialled() {
        let wish = DialWish {
            call: CallId::new("c1"),
            to: PhoneNumber::parse("+15145550100").expect("valid"),
            caller_id: PhoneNumber::parse("+18199754345").expect("valid"),
            token: StreamToken::new("token"),
            longest: Duration::from_secs(14_400),
            known: Vec::new(),
        };
        let refused = client("http://127.0.0.1:1", LONG).dial(wish).await;
        let why = refused.expect_err("nobody listens");
        assert_eq!(why.code, "carrier_unreachable");
        assert!(!why.message.contains("AC1"), "{}", why.message);
    }

    #[tokio::test]
    async fn no_error_tells_a_secret_or_the_account() {
        let refused = r#"{"code":20003,"message":"hush"}"#;
        let (wrong_key, _) = perform(end(), &[(401, refused); 8], LONG).await;
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
