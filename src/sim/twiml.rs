//! Reads TwiML: a small tree of elements, nothing more; what a verb means stands where it is carried out.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element: its name, attributes, text and children.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Element {
    /// The name, case and all.
    pub name: String,
    /// Attributes as they were written, references resolved.
    pub attributes: Vec<(String, String)>,
    /// All text directly inside, without spaces around it.
    pub text: String,
    /// Elements inside.
    pub children: Vec<Element>,
    /// All text inside, that of elements in it too, in its order.
    pub whole_text: String,
}

impl Element {
    /// Returns an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the first child of that name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Returns what would be spoken: all text inside, however deep, with single spaces.
    #[must_use]
    pub fn spoken(&self) -> String {
        let words: Vec<&str> = self.whole_text.split_whitespace().collect();
        words.join(" ")
    }

    /// Returns the name and value of every `<Parameter>` inside that has both.
    #[must_use]
    pub fn parameters(&self) -> Vec<(String, String)> {
        let of = |element: &Element| {
            let (name, value) = (element.attribute("name")?, element.attribute("value")?);
            Some((name.to_owned(), value.to_owned()))
        };
        let inside = self.children.iter().filter(|c| c.name == "Parameter");
        inside.filter_map(of).collect()
    }
}

/// Elements may stand this deep in each other; TwiML needs four.
const DEEPEST: usize = 16;

/// Reads a document and returns its `<Response>`.
///
/// # Errors
/// What is wrong, as a clause: no XML, or another element than `<Response>` outside.
pub fn parse(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let event = reader
            .read_event()
            .map_err(|error| format!("is no XML: {error}"))?;
        match event {
            Event::Start(tag) => {
                if open.len() >= DEEPEST {
                    return Err("has elements too deep in each other".to_owned());
                }
                open.push(element(&tag)?);
            }
            Event::Empty(tag) => close(element(&tag)?, &mut open, &mut root)?,
            Event::End(_) => {
                if let Some(mut done) = open.pop() {
                    done.text = done.text.trim().to_owned();
                    close(done, &mut open, &mut root)?;
                }
            }
            Event::Text(piece) => add_text(&piece, &mut open)?,
            Event::CData(piece) => add_text(&piece, &mut open)?,
            Event::GeneralRef(reference) => {
                let whole = format!("&{};", &*reference);
                let text = quick_xml::escape::unescape(&whole)
                    .map_err(|error| format!("is no XML: {error}"))?
                    .into_owned();
                add_text(&text, &mut open)?;
            }
            Event::DocType(_) => return Err("has a document type".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if let Some(left) = open.last() {
        return Err(format!("is no XML: <{}> is never closed", left.name));
    }
    let root: Element = root.ok_or("has no element in it")?;
    if root.name != "Response" {
        return Err(format!("has <{}> where <Response> should be", root.name));
    }
    Ok(root)
}

/// Reads a tag.
fn element(tag: &BytesStart<'_>) -> Result<Element, String> {
    let mut made = Element {
        name: tag.name().as_ref().to_owned(),
        ..Element::default()
    };
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| format!("is no XML: {error}"))?;
        let value = quick_xml::escape::unescape(&attribute.value)
            .map_err(|error| format!("is no XML: {error}"))?;
        let key: &str = attribute.key.as_ref();
        made.attributes.push((key.to_owned(), value.into_owned()));
    }
    Ok(made)
}

/// Puts a finished element where it belongs.
fn close(done: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), String> {
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None if root.is_none() => *root = Some(done),
        None => return Err("has more than one element outside".to_owned()),
    }
    Ok(())
}

/// Adds text to the innermost element; outside there may be spaces only.
fn add_text(text: &str, open: &mut [Element]) -> Result<(), String> {
    for element in open.iter_mut() {
        element.whole_text.push_str(text);
    }
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("has text outside of <Response>".to_owned()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_document_becomes_a_tree() {
        let root = parse(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><!-- c --><Connect action=\"/a?x=1&amp;y=2\">\
             <Stream url=\"wss://h/p\"><Parameter name=\"token\" value=\"&lt;t&gt;\"/></Stream></Connect>\
             <Say>Tom &amp; <![CDATA[<Ann>]]> &#233;</Say></Response>\n",
        )
        .expect("a document");
        let connect = &root.children[0];
        assert_eq!(connect.attribute("action"), Some("/a?x=1&y=2"));
        let stream = connect.child("Stream").expect("a stream");
        let parameter = stream.child("Parameter").expect("a parameter");
        assert_eq!(parameter.attribute("value"), Some("<t>"));
        assert_eq!(root.children[1].text, "Tom & <Ann> é");
    }

    #[test]
    fn what_is_marked_up_is_spoken_too() {
        let say = "<Response><Say>Call <say-as interpret-as=\"date\">1 May</say-as>,\n  <p>not <s>now</s></p>!</Say></Response>";
        let root = parse(say).expect("a document");
        assert_eq!(root.children[0].spoken(), "Call 1 May, not now!");
        assert_eq!(root.children[0].text, "Call ,\n  !");
    }

    #[test]
    fn what_is_no_twiml_is_told_apart() {
        for (text, why) in [
            ("", "has no element"),
            ("not found", "has text outside"),
            ("<html></html>", "<html> where <Response>"),
            ("<Response>", "never closed"),
            ("<Response></Say>", "is no XML"),
            ("<Response>&nope;</Response>", "is no XML"),
            ("<Response/><Response/>", "more than one"),
            ("<!DOCTYPE x><Response/>", "document type"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(parse(&"<Response>".repeat(10_000)).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(<|>|/|&|Response|Say|\"|=| |a|]]>|<!\\[CDATA\\[|é){0,40}") {
            let _ = parse(&text);
        }
    }
}
