//! Calls as the account shows them: one, a list of them by pages, and what a form does to one.

use std::time::SystemTime;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Entry, Form, MOST_INLINE, Refusal, Shared, Steer};
use crate::sim::date::{Moment, rfc2822};

/// How many calls a page has where nobody says, and how many at most.
const PAGE: usize = 50;
const MOST_ON_A_PAGE: usize = 1_000;

/// Does to a call what a form asks for.
pub(super) fn change(shared: &Shared, sid: &str, body: &str) -> Result<(), Refusal> {
    let refused = |code, message: &str| Refusal::new(StatusCode::BAD_REQUEST, code, message);
    let form = Form::read(body);
    let mut calls = shared.calls();
    let Some(entry) = calls.get_mut(sid) else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, 20404, "no such call"));
    };
    if entry.ended.is_some() {
        return Err(refused(21220, "Call is not in-progress. Cannot redirect."));
    }
    let is_answered = entry.status == "in-progress";
    let steer = match (form.first("Status"), form.first("Url"), form.first("Twiml")) {
        (None, Some(_), Some(_)) => {
            return Err(refused(20001, "Url and Twiml are mutually exclusive"));
        }
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            let why = "Status cannot be given together with Url or Twiml";
            return Err(refused(20001, why));
        }
        (Some("canceled"), None, None) if is_answered => {
            return Err(refused(21220, "Call is in-progress. Cannot cancel."));
        }
        (Some(status @ ("canceled" | "completed")), None, None) => {
            let was_answered = is_answered || entry.direction == "inbound";
            // Whoever ends a call that nobody has answered cancels it, in either word.
            let status = if was_answered { status } else { "canceled" };
            status.clone_into(&mut entry.status);
            entry.ended = Some(SystemTime::now());
            Steer::Complete
        }
        (Some(_), None, None) => return Err(refused(21218, "Invalid Status")),
        // Whether a call that comes in can be redirected while it rings is documented nowhere; one that goes out cannot.
        (None, Some(_), None) | (None, None, Some(_))
            if !is_answered && entry.direction != "inbound" =>
        {
            return Err(refused(21220, "Call is not in-progress. Cannot redirect."));
        }
        (None, Some(url), None) => Steer::Url {
            url: url.to_owned(),
            method: form.first("Method").unwrap_or("POST").to_owned(),
        },
        (None, None, Some(twiml)) if twiml.chars().count() <= MOST_INLINE => {
            Steer::Twiml(twiml.to_owned())
        }
        (None, None, Some(_)) => {
            return Err(refused(20001, "Twiml is longer than 4000 characters"));
        }
        (None, None, None) => return Ok(()),
    };
    // A call that ends at this very moment has nobody left to steer.
    let _ = entry.steer.send(steer);
    Ok(())
}

/// Shows a call.
pub(super) fn show(shared: &Shared, sid: &str) -> Result<Value, Refusal> {
    let calls = shared.calls();
    let Some(entry) = calls.get(sid) else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, 20404, "no such call"));
    };
    Ok(resource(&shared.account.account_sid, sid, entry))
}

/// Writes a call: of the carrier's own fields those that are known here.
fn resource(account: &str, sid: &str, entry: &Entry) -> Value {
    let duration = entry.ended.map(|ended| {
        let talked = entry.answered.and_then(|at| ended.duration_since(at).ok());
        talked.unwrap_or_default().as_secs().to_string()
    });
    let uri = format!("/2010-04-01/Accounts/{account}/Calls/{sid}");
    let of = |name: &str| format!("{uri}/{name}.json");
    json!({
        "sid": sid,
        "account_sid": account,
        "api_version": "2010-04-01",
        "parent_call_sid": entry.parent,
        "from": entry.from,
        "from_formatted": entry.from,
        "to": entry.to,
        "to_formatted": entry.to,
        "status": entry.status,
        "direction": entry.direction,
        "date_created": rfc2822(entry.created),
        "date_updated": rfc2822(entry.ended.unwrap_or(entry.created)),
        "start_time": entry.started.map(rfc2822),
        "end_time": entry.ended.map(rfc2822),
        "duration": duration,
        "price": null,
        "price_unit": "USD",
        "answered_by": null,
        "forwarded_from": null,
        "caller_name": null,
        "phone_number_sid": null,
        "group_sid": null,
        "trunk_sid": null,
        "queue_time": entry.queued_ms().to_string(),
        "uri": format!("{uri}.json"),
        "subresource_uris": {
            "notifications": of("Notifications"),
            "recordings": of("Recordings"),
            "payments": of("Payments"),
            "events": of("Events"),
            "siprec": of("Siprec"),
            "streams": of("Streams"),
            "transcriptions": of("Transcriptions"),
            "user_defined_message_subscriptions": of("UserDefinedMessageSubscriptions"),
            "user_defined_messages": of("UserDefinedMessages"),
        },
    })
}

/// Lists the calls that a query asks for, the newest first, and one page of them.
pub(super) fn list(shared: &Shared, query: &str) -> Result<Value, Refusal> {
    let query = Form::read(query);
    let wrong = |name: &str| {
        let message = format!("{name} is not valid");
        Refusal::new(StatusCode::BAD_REQUEST, 20001, message)
    };
    let times = ["StartTime", "EndTime"].map(|name| {
        let read = |key: &str| match query.first(key) {
            None => Ok(None),
            Some(text) => Moment::read(text).map(Some).ok_or_else(|| wrong(key)),
        };
        let (on, before, after) = (
            read(name)?,
            read(&format!("{name}<"))?,
            read(&format!("{name}>"))?,
        );
        Ok(move |time: Option<SystemTime>| match time {
            None => on.is_none() && before.is_none() && after.is_none(),
            Some(time) => {
                on.is_none_or(|on| on.contains(time))
                    && before.is_none_or(|before| time <= before.start())
                    && after.is_none_or(|after| time >= after.start())
            }
        })
    });
    let [started, ended] = times;
    let (started, ended) = (started?, ended?);
    let whole = |name: &str, usual: usize| match query.first(name) {
        None => Ok(usual),
        Some(text) => text.parse().map_err(|_| wrong(name)),
    };
    let size = whole("PageSize", PAGE)?.clamp(1, MOST_ON_A_PAGE);
    let page = whole("Page", 0)?;
    let is = |name: &str, value: &str| query.first(name).is_none_or(|wanted| wanted == value);
    let calls = shared.calls();
    let mut found: Vec<(&String, &Entry)> = calls
        .iter()
        .filter(|(_, entry)| {
            is("To", &entry.to)
                && is("From", &entry.from)
                && is("Status", &entry.status)
                && is("ParentCallSid", entry.parent.as_deref().unwrap_or_default())
                && started(entry.started)
                && ended(entry.ended)
        })
        .collect();
    found.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.number));
    // A token names the last call of the page before, so that new calls push nothing from page to page.
    let from = match query.first("PageToken").and_then(|t| t.strip_prefix("PA")) {
        Some(last) => {
            let last = calls.get(last).ok_or_else(|| wrong("PageToken"))?;
            found.partition_point(|(_, entry)| entry.number >= last.number)
        }
        None => page.saturating_mul(size).min(found.len()),
    };
    let on_page = &found[from..found.len().min(from.saturating_add(size))];
    let account = &shared.account.account_sid;
    let address = |page: usize, token: Option<&str>| {
        let mut address =
            form_urlencoded::Serializer::new(format!("/2010-04-01/Accounts/{account}/Calls.json?"));
        for (name, value) in query.pairs() {
            if !matches!(name, "PageSize" | "Page" | "PageToken") {
                address.append_pair(name, value);
            }
        }
        address.append_pair("PageSize", &size.to_string());
        address.append_pair("Page", &page.to_string());
        if let Some(token) = token {
            address.append_pair("PageToken", &format!("PA{token}"));
        }
        address.finish()
    };
    let is_more = from + on_page.len() < found.len();
    let last = on_page.last().filter(|_| is_more);
    let before = page.checked_sub(1);
    // The page before ends where this one begins, less its own length.
    let token_before = from
        .checked_sub(size + 1)
        .and_then(|index| Some(found.get(index)?.0.as_str()));
    let start = page.saturating_mul(size);
    Ok(json!({
        "first_page_uri": address(0, None),
        "previous_page_uri": before.map(|page| address(page, token_before)),
        "uri": address(page, None),
        "next_page_uri": last.map(|(sid, _)| address(page + 1, Some(sid))),
        "page": page,
        "page_size": size,
        "start": start,
        "end": start + on_page.len().saturating_sub(1),
        "calls": on_page.iter().map(|(sid, entry)| resource(account, sid, entry)).collect::<Vec<_>>(),
    }))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;

    use super::super::Listing;
    use super::*;
    use crate::sim::Account;

    fn shared() -> Arc<Shared> {
        let shared = Shared::new(Account::made_up());
        add(&shared, "CA1", "inbound");
        shared
    }

    /// Lists a call that rings, and that nobody steers.
    fn add(shared: &Arc<Shared>, sid: &str, direction: &'static str) {
        let listed = shared.join(Listing {
            sid,
            parent: None,
            from: "+15005550010",
            to: "+15005550006",
            direction,
            status: "ringing",
        });
        // To drop it would end the call.
        std::mem::forget(listed);
    }

    fn code(result: Result<(), Refusal>) -> Option<u32> {
        result.err().map(|refusal| refusal.code)
    }

    #[test]
    fn a_form_that_makes_no_sense_is_refused_and_changes_nothing() {
        let shared = shared();
        let long = |length: usize| format!("Twiml={}", "x".repeat(length));
        for (form, refused) in [
            ("Status=paused", Some(21218)),
            ("Url=http://h/&Twiml=x", Some(20001)),
            ("Status=completed&Url=http://h/", Some(20001)),
            ("Status=completed&Twiml=x", Some(20001)),
            (&long(4_001), Some(20001)),
            (&long(4_000), None),
            ("", None),
        ] {
            assert_eq!(code(change(&shared, "CA1", form)), refused, "{form}");
            assert_eq!(shared.calls()["CA1"].status, "ringing", "{form}");
        }
    }

    #[test]
    fn only_a_call_that_rings_can_be_canceled_and_then_it_stays_so() {
        let ringing = shared();
        assert_eq!(code(change(&ringing, "CA1", "Status=canceled")), None);
        assert_eq!(ringing.calls()["CA1"].status, "canceled");
        assert_eq!(
            code(change(&ringing, "CA1", "Status=completed")),
            Some(21220)
        );
        let answered = shared();
        "in-progress".clone_into(&mut answered.calls().get_mut("CA1").expect("it is there").status);
        assert_eq!(
            code(change(&answered, "CA1", "Status=canceled")),
            Some(21220)
        );
        assert_eq!(code(change(&answered, "CA1", "Status=completed")), None);
        assert_eq!(answered.calls()["CA1"].status, "completed");
    }

    #[test]
    fn a_call_that_goes_out_is_redirected_once_it_is_answered_and_not_before() {
        let shared = shared();
        add(&shared, "CA2", "outbound-api");
        for form in ["Url=http://h/", "Twiml=x"] {
            assert_eq!(code(change(&shared, "CA2", form)), Some(21220), "{form}");
        }
        "in-progress".clone_into(&mut shared.calls().get_mut("CA2").expect("it is there").status);
        assert_eq!(code(change(&shared, "CA2", "Twiml=x")), None);
    }

    /// Follows the pages of a list, and returns what was on each.
    fn pages(shared: &Shared, query: &str) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut next = Some(query.to_owned());
        while let Some(query) = next {
            let page = list(shared, &query).ok().expect("a page");
            let calls = page["calls"].as_array().expect("calls");
            let sids = calls.iter().filter_map(|call| call["sid"].as_str());
            pages.push(sids.map(str::to_owned).collect());
            assert_eq!(page["page"], pages.len() - 1);
            let uri = page["next_page_uri"].as_str();
            next = uri.map(|uri| {
                let (path, query) = uri.split_once('?').expect("a query");
                assert!(path.ends_with("/Calls.json") && path.starts_with("/2010-04-01/"));
                query.to_owned()
            });
        }
        pages
    }

    #[test]
    fn calls_are_listed_by_pages_the_newest_first() {
        let shared = shared();
        for number in 2..=5 {
            add(&shared, &format!("CA{number}"), "outbound-api");
        }
        let two = pages(&shared, "To=%2B15005550006&PageSize=2");
        assert_eq!(two, [vec!["CA5", "CA4"], vec!["CA3", "CA2"], vec!["CA1"]]);
        assert_eq!(pages(&shared, "")[0].len(), 5);
        assert_eq!(pages(&shared, "PageSize=5").len(), 1, "no page is empty");
        let first = list(&shared, "PageSize=2").ok().expect("a page");
        add(&shared, "CA6", "outbound-api");
        let next = first["next_page_uri"].as_str().expect("more");
        let next = next.split_once('?').expect("a query").1;
        let second = list(&shared, next).ok().expect("a page");
        assert_eq!(
            second["calls"][0]["sid"], "CA3",
            "a new call pushes nothing"
        );
        let before = second["previous_page_uri"].as_str().expect("one before");
        let before = before.split_once('?').expect("a query").1;
        let before = list(&shared, before).ok().expect("a page");
        assert_eq!(before["calls"][0]["sid"], "CA5", "as it was");
    }

    #[test]
    fn a_list_holds_what_was_asked_for() {
        let shared = shared();
        add(&shared, "CA2", "outbound-api");
        code(change(&shared, "CA2", "Status=canceled"));
        for (query, found) in [
            ("From=%2B15005550010", 2),
            ("From=%2B15005550011", 0),
            ("Status=canceled", 1),
            ("Status=ringing&To=%2B15005550006", 1),
            ("ParentCallSid=CA9", 0),
            ("StartTime%3E=2020-01-01", 2),
            ("StartTime%3C=2020-01-01", 0),
            ("StartTime=2020-01-01", 0),
            ("StartTime>=2020-01-01T00:00:00Z", 2),
            ("EndTime>=2020-01-01", 1),
        ] {
            assert_eq!(pages(&shared, query).concat().len(), found, "{query}");
        }
        for query in ["StartTime>=soon", "PageSize=many", "PageToken=PACA9"] {
            assert_eq!(list(&shared, query).err().map(|r| r.code), Some(20001));
        }
    }

    /// The description is Twilio's own `twilio_api_v2010.json`, which is theirs to give out: where `TWILIO_OPENAPI` does
    /// not say where it lies there is nothing to compare with.
    #[test]
    fn a_call_is_shown_with_the_fields_of_twilios_own_description() {
        let Some(path) = std::env::var_os("TWILIO_OPENAPI") else {
            let told = "TWILIO_OPENAPI is not set: the fields of a call are compared with nothing";
            let _ = writeln!(std::io::stderr(), "{told}");
            return;
        };
        let text = std::fs::read_to_string(path).expect("the description can be read");
        let all: Value = serde_json::from_str(&text).expect("the description is JSON");
        let schema = &all["components"]["schemas"]["api.v2010.account.call"];
        let known = schema["properties"]
            .as_object()
            .expect("it describes a call");
        let shown = show(&shared(), "CA1").ok().expect("it is there");
        let shown = shown.as_object().expect("an object");
        for (field, value) in shown {
            let described = known.get(field).expect(field);
            let nullable = described["nullable"] == true;
            assert!(!value.is_null() || nullable, "{field} is never null");
            if described["type"] == "string" {
                assert!(value.is_string() || value.is_null(), "{field} is a text");
            }
        }
        let required = schema["required"].as_array().into_iter().flatten();
        let required = required.filter_map(Value::as_str);
        for field in required.chain(known.keys().map(String::as_str)) {
            assert!(shown.contains_key(field), "{field} is missing");
        }
        let update = &all["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json"]["post"];
        let form = &update["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
        for field in ["Status", "Url", "Method", "Twiml"] {
            assert!(form["properties"][field].is_object(), "{field}");
        }
    }
}
