//! Voice access tokens: what a browser shows to Twilio so that it may ring, and dial.
//!
//! A JSON web token signed with HS256 and the API key's secret.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::pure::ids::Identity;

/// The longest life of a token; Twilio refuses longer ones with 31207.
pub const LONGEST_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// What kind of token it is, as Twilio's `cty` header says it.
const CONTENT_TYPE: &str = "twilio-fpa;v=1";

/// What tokens are made with.
#[derive(Clone)]
pub struct TokenMaker {
    account_sid: String,
    api_key: String,
    twiml_app_sid: String,
    key: EncodingKey,
}

impl std::fmt::Debug for TokenMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenMaker").finish_non_exhaustive()
    }
}

/// A token could not be written; it holds nothing but strings and numbers, so that this never happens.
#[derive(Debug, thiserror::Error)]
#[error("the access token could not be written")]
pub struct Unwritten;

impl TokenMaker {
    /// Takes the account (`AC…`), the API key (`SK…`) with its secret, and the application (`AP…`) that browsers dial by.
    #[must_use]
    pub fn new(account_sid: &str, api_key: &str, api_secret: &str, twiml_app_sid: &str) -> Self {
        TokenMaker {
            account_sid: account_sid.to_owned(),
            api_key: api_key.to_owned(),
            twiml_app_sid: twiml_app_sid.to_owned(),
            key: EncodingKey::from_secret(api_secret.as_bytes()),
        }
    }

    /// Writes a token for an identity, good from `now` (Unix time in seconds) for `ttl`, at most [`LONGEST_TTL`].
    ///
    /// # Errors
    /// [`Unwritten`]: never, as far as is known.
    pub fn token(&self, identity: &Identity, now: u64, ttl: Duration) -> Result<String, Unwritten> {
        let mut header = Header::new(Algorithm::HS256);
        header.cty = Some(CONTENT_TYPE.to_owned());
        let claims = Claims {
            jti: format!("{}-{now}", self.api_key),
            iss: &self.api_key,
            sub: &self.account_sid,
            nbf: now,
            exp: now.saturating_add(ttl.min(LONGEST_TTL).as_secs()),
            grants: Grants {
                identity: identity.as_str(),
                voice: Voice {
                    incoming: Incoming { allow: true },
                    outgoing: Outgoing {
                        application_sid: &self.twiml_app_sid,
                    },
                },
            },
        };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|_| Unwritten)
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    jti: String,
    grants: Grants<'a>,
    iss: &'a str,
    exp: u64,
    nbf: u64,
    sub: &'a str,
}

#[derive(Serialize)]
struct Grants<'a> {
    voice: Voice<'a>,
    identity: &'a str,
}

#[derive(Serialize)]
struct Voice<'a> {
    incoming: Incoming,
    outgoing: Outgoing<'a>,
}

#[derive(Serialize)]
struct Incoming {
    allow: bool,
}

#[derive(Serialize)]
struct Outgoing<'a> {
    application_sid: &'a str,
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use serde_json::{Value, json};
    use sha2::Sha256;

    use super::*;

    const NOW: u64 = 1_767_225_600;
    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn id(kind: &str) -> String {
        format!("{kind}{:032}", 1)
    }

    fn token(ttl: Duration) -> String {
        TokenMaker::new(&id("AC"), &id("SK"), SECRET, &id("AP"))
            .token(&Identity::parse("alice").expect("good"), NOW, ttl)
            .expect("written")
    }

    fn part(token: &str, n: usize) -> Vec<u8> {
        let part = token.split('.').nth(n).expect("three parts");
        URL_SAFE_NO_PAD.decode(part).expect("base64")
    }

    fn read(token: &str, n: usize) -> Value {
        serde_json::from_slice(&part(token, n)).expect("JSON")
    }

    #[test]
    fn a_token_claims_what_twilios_own_library_claims() {
        let token = token(Duration::from_secs(3600));
        assert_eq!(
            read(&token, 0),
            json!({"alg": "HS256", "cty": "twilio-fpa;v=1", "typ": "JWT"})
        );
        assert_eq!(
            read(&token, 1),
            json!({
                "jti": "SK00000000000000000000000000000001-1767225600",
                "grants": {
                    "voice": {
                        "incoming": {"allow": true},
                        "outgoing": {"application_sid": "AP00000000000000000000000000000001"},
                    },
                    "identity": "alice",
                },
                "iss": "SK00000000000000000000000000000001",
                "exp": 1_767_229_200,
                "nbf": 1_767_225_600,
                "sub": "AC00000000000000000000000000000001",
            })
        );
    }

    #[test]
    fn the_signature_is_that_of_the_api_keys_secret() {
        let token = token(Duration::from_secs(3600));
        let (signed, _) = token.rsplit_once('.').expect("three parts");
        let verify = |secret: &str| {
            Hmac::<Sha256>::new_from_slice(secret.as_bytes())
                .expect("any length")
                .chain_update(signed)
                .verify_slice(&part(&token, 2))
        };
        assert!(verify(SECRET).is_ok());
        assert!(verify("another").is_err());
    }

    #[test]
    fn no_token_lives_longer_than_a_day() {
        for (ttl, lived) in [
            (60, 60),
            (86_400, 86_400),
            (86_401, 86_400),
            (u64::MAX, 86_400),
        ] {
            let token = token(Duration::from_secs(ttl));
            assert_eq!(read(&token, 1)["exp"], json!(NOW + lived), "{ttl}");
        }
    }

    #[test]
    fn the_secret_is_never_printed() {
        let maker = TokenMaker::new(&id("AC"), &id("SK"), SECRET, &id("AP"));
        assert!(!format!("{maker:?}").contains(SECRET));
    }
}
