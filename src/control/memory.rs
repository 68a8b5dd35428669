//! What the phone remembers, on the control socket.

use std::future::Future;
use std::pin::Pin;

use super::server::{Desk, Refused, error};
use super::{Recall, Recalled, Reply};
use crate::phone::PhoneHandle;

/// An answer on its way from the database.
pub type Recalling<'a> = Pin<Box<dyn Future<Output = Result<Recalled, Refused>> + Send + 'a>>;

/// Asks the phone.
pub(super) async fn recall(phone: &PhoneHandle, what: Recall) -> Result<Recalled, Refused> {
    let answer = phone.recall(what).await;
    answer.map_err(|why| (why.code(), why.to_string()))
}

/// Puts the question to the desk.
pub(super) async fn reply(desk: &dyn Desk, what: Recall) -> Reply {
    match desk.recall(what).await {
        Ok(recalled) => Reply::Recalled(Box::new(recalled)),
        Err((code, message)) => error(code, &message),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::*;
    use crate::pure::book::contact::ContactDraft;
    use crate::pure::book::history::HistoryQuery;

    #[test]
    fn questions_about_the_memory_are_read_and_written_as_documented() {
        let query = HistoryQuery {
            missed: true,
            ..HistoryQuery::default()
        };
        let contact = ContactDraft {
            name: "Anna".to_owned(),
            ..ContactDraft::default()
        };
        for (text, what) in [
            (r#"{"request":"recall","what":"blocked"}"#, Recall::Blocked),
            (
                r#"{"request":"recall","what":"history","query":{"missed":true,"unseen":false}}"#,
                Recall::History { query },
            ),
            (
                r#"{"request":"recall","what":"add_contact","contact":{"name":"Anna","numbers":[],"note":"","favourite":false,"auto_answer":false}}"#,
                Recall::AddContact { contact },
            ),
        ] {
            let request = Request::Recall(what);
            assert_eq!(serde_json::from_str::<Request>(text).expect(text), request);
            assert_eq!(serde_json::to_string(&request).expect("plain"), text);
        }
    }
}
