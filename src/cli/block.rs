//! `offhook block`: who is not let through.

use std::collections::BTreeMap;

use clap::Subcommand;

use super::failure::Failure;
use super::flags::{Control, Flags};
use super::history::{another_question, recall};
use super::{Context, output};
use crate::control::{Recall, Recalled};
use crate::lang::Lang;
use crate::lang::book::Told;
use crate::pure::book::blocked::Blocked;

/// What `offhook block` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        offhook block list\n  \
        offhook block add \"514 555 0100\" --note \"sells windows\"\n  \
        offhook block add \"+1900*\"\n  \
        offhook block add anonymous\n  \
        offhook block remove \"+1900*\"")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

impl Args {
    /// Returns the settings that were given as flags.
    pub(super) fn given(&self) -> &BTreeMap<String, String> {
        match &self.what {
            What::List { flags, .. } | What::Add { flags, .. } | What::Remove { flags, .. } => {
                flags.given()
            }
        }
    }
}

#[derive(Debug, Subcommand)]
enum What {
    /// List who is blocked, and how often that was of use
    List {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags<Control>,
    },
    /// Block a number, a pattern such as +1900* or *555010?, or anonymous
    Add {
        /// Whom
        pattern: String,
        /// A note
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
        /// Print the entry as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags<Control>,
    },
    /// Let somebody through again
    Remove {
        /// The pattern, or the number before it in the list
        entry: String,
        /// Print the entry as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags<Control>,
    },
}

/// Does what is asked.
pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let lang = context.local.lang;
    let (what, json, blocks) = match &args.what {
        What::List { json, .. } => return list(context, *json),
        What::Add {
            pattern,
            note,
            json,
            ..
        } => {
            let (pattern, note) = (pattern.clone(), note.clone());
            (Recall::Block { pattern, note }, *json, true)
        }
        What::Remove { entry, json, .. } => {
            let entry = entry.clone();
            (Recall::Unblock { entry }, *json, false)
        }
    };
    let Recalled::Blocked(entry) = recall(context, what)? else {
        return Err(another_question());
    };
    if json {
        return output::print_json(&entry);
    }
    let told = if blocks {
        Told::Blocked
    } else {
        Told::Unblocked
    };
    output::print(&told(&entry.pattern).text(lang))
}

fn list(context: &Context, json: bool) -> Result<(), Failure> {
    let Recalled::BlockList(list) = recall(context, Recall::Blocked)? else {
        return Err(another_question());
    };
    if json {
        return output::print_json(&list);
    }
    let lang = context.local.lang;
    if list.is_empty() {
        return output::print(&Told::NobodyBlocked.text(lang));
    }
    let lines: Vec<String> = list.iter().map(|entry| line(entry, lang)).collect();
    output::print(&lines.join("\n"))
}

fn line(entry: &Blocked, lang: Lang) -> String {
    let mut line = format!("{}  {}", entry.id, entry.pattern);
    if !entry.note.is_empty() {
        line.push_str("  ");
        line.push_str(&entry.note);
    }
    if let Some(last) = &entry.last_hit {
        line.push_str("  ");
        line.push_str(&Told::Hits(entry.hits, last).text(lang));
    }
    line
}
