//! Rules of this repository that no other tool knows: who may use whom, what the pure part may not name, how a file
//! begins, how long it may grow, and that what documents point at is there.
//!
//! Every check is a function from texts to complaints, so that [`each_check_sees_what_it_is_for`] can show it a breach.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Lines of a source at most.
const MOST_LINES: usize = 800;

/// Lines of a file that holds only tests at most: tables of cases are long and still one subject.
const MOST_TEST_LINES: usize = 1_000;

/// The crates that [`ARCHITECTURE`](../ARCHITECTURE.md) means by "that only compute", and those of tests.
const COMPUTING: [&str; 20] = [
    "audioadapter_buffers",
    "audiopus",
    "base64",
    "form_urlencoded",
    "hmac",
    "jsonwebtoken",
    // Also the name of a module of ours.
    "ogg",
    "proptest",
    "quick_xml",
    "realfft",
    "rtrb",
    "rubato",
    "serde",
    "serde_json",
    "sha1",
    "sha2",
    "subtle",
    "thiserror",
    "toml",
    "url",
];

/// What the pure part does not name: clocks, sockets, files, threads, chance, and whatever waits.
const IMPURE: [&str; 13] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::sync::Condvar",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::mpsc",
    "std::thread",
    "std::time::Instant",
    // A moment of the calendar may be handed in, and be written as text; it may not be asked for.
    "std::time::SystemTime::now",
];

#[test]
fn every_folder_uses_only_what_the_table_in_architecture_allows() {
    let table = layers(&read("ARCHITECTURE.md"));
    let mut known = BTreeSet::new();
    let mut complaints = Vec::new();
    for (path, text) in sources("src") {
        let module = module_of(&path);
        let Some(layer) = module.first() else {
            continue; // lib.rs and main.rs hold the tree together.
        };
        known.insert(layer.clone());
        let Some(rule) = table.get(layer) else {
            complaints.push(format!("{path}: the table has no row for `src/{layer}`"));
            continue;
        };
        complaints.extend(
            breaches(rule, &module, &table, &text)
                .map(|used| format!("{path}: `{layer}` may not use `crate::{used}`")),
        );
    }
    complaints.extend(
        table
            .keys()
            .filter(|layer| !known.contains(*layer))
            .map(|layer| format!("ARCHITECTURE.md: there is no `src/{layer}`")),
    );
    none(&complaints);
}

#[test]
fn the_pure_part_names_no_clock_socket_file_thread_or_chance() {
    let dependencies = dependencies(&read("Cargo.toml"));
    none(
        &sources("src/pure")
            .iter()
            .flat_map(|(path, text)| {
                impurities(text, &dependencies)
                    .into_iter()
                    .map(move |name| format!("{path}: the pure part names `{name}`"))
            })
            .collect::<Vec<_>>(),
    );
}

#[test]
fn the_simulator_shares_nothing_of_twilios_protocol_with_us() {
    // The table says so as well; this holds whatever the table becomes.
    none(
        &sources("src/sim")
            .iter()
            .flat_map(|(path, text)| {
                used_of_ours(&module_of(path), &BTreeMap::new(), text)
                    .into_iter()
                    .filter(|used| within("twilio", used) || within("pure::twilio", used))
                    .map(move |used| format!("{path}: the simulator uses `crate::{used}`"))
            })
            .collect::<Vec<_>>(),
    );
}

#[test]
fn nothing_is_left_for_later() {
    none(
        &everything()
            .iter()
            .flat_map(|(path, text)| unfinished(path, text))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_rust_file_begins_by_saying_what_it_is() {
    none(
        &rust_files()
            .filter(|(_, text)| !text.starts_with("//! "))
            .map(|(path, _)| format!("{path}: it does not begin with `//! `"))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn no_source_is_too_long_for_one_subject() {
    none(
        &sources("src")
            .iter()
            .filter_map(|(path, text)| too_long(path, text.lines().count()))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn whatever_a_document_points_at_is_there() {
    none(
        &documents()
            .iter()
            .flat_map(|(path, text)| dead_ends(path, text))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    none(
        &everything()
            .iter()
            .flat_map(|(path, text)| homes(path, text))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn each_check_sees_what_it_is_for() {
    let table = layers(
        "| `src/low` | below | nothing |\n| `src/mid` | between | `low`; ports: `high::Port` |\n\
         | `src/side` | beside | everything but `high` |\n| `src/high` | above | everything |",
    );
    let breaches_of = |path: &str, text: &str| -> Vec<String> {
        let module = module_of(path);
        breaches(&table[&module[0]], &module, &table, text).collect()
    };
    assert_eq!(
        breaches_of("src/mid/x.rs", "use crate::low::{a, b::*};"),
        [""; 0]
    );
    assert_eq!(
        breaches_of(
            "src/mid/x.rs",
            "use crate::{low, high::{Port as P, Other, deep::{X, Y}}, mid::z};"
        ),
        ["high::Other", "high::deep::X", "high::deep::Y"]
    );
    assert_eq!(
        breaches_of(
            "src/mid/x.rs",
            "/* crate::high::A /* crate::high::B */ */ // crate::high::C\nlet a = \"crate::high::D\";\nlet b = r#\"crate::high::\"E\"#;\nlet c = ['\"', crate::high::F(1), '\\''];"
        ),
        ["high::F"],
        "comments and texts use nothing"
    );
    assert_eq!(
        breaches_of(
            "src/low/x.rs",
            "use super::y; use super::super::mid::z; use super::mid;"
        ),
        ["mid::z"],
        "`super` may climb to the top"
    );
    assert_eq!(
        breaches_of("src/low.rs", "use super::mid;"),
        ["mid"],
        "and does so sooner in a file beside lib.rs"
    );
    assert_eq!(
        breaches_of("src/side.rs", "use crate::{low, mid, high};"),
        ["high"]
    );
    assert_eq!(
        breaches_of("src/high.rs", "use crate::{low, mid, side};"),
        [""; 0]
    );

    let dependencies = dependencies("[dependencies]\ntokio = \"1\"\nrtrb = \"0\"");
    for (text, named) in [
        (
            "use std::{fmt, time::{Duration, Instant}};",
            "std::time::Instant",
        ),
        ("fn f(path: &std::fs::File) {}", "std::fs::File"),
        ("let now = SystemTime::now();", "SystemTime::now"),
        ("let age = arrived.elapsed();", ".elapsed"),
        ("tokio::spawn(x);", "tokio"),
    ] {
        assert_eq!(impurities(text, &dependencies), [named]);
    }
    assert_eq!(
        impurities(
            "use std::time::{Duration, SystemTime}; use rtrb::Consumer; // tokio::spawn",
            &dependencies
        ),
        [""; 0]
    );

    let later = concat!("// TO", "DO: more\nto", "do!();\ndb", "g!(1);");
    assert_eq!(unfinished("x", later).len(), 3);
    assert!(too_long("src/x.rs", MOST_LINES + 1).is_some());
    assert!(too_long("src/x.rs", MOST_LINES).is_none());
    assert!(too_long("src/x/tests.rs", MOST_TEST_LINES + 1).is_some());
    assert_eq!(
        dead_ends(
            "docs/x.md",
            "[a](../README.md#b) [c](gone.md) [d](https://x.org/) `src/lib.rs` `src/gone.rs` `tests/tidy`\n[e]: gone-too.md"
        )
        .len(),
        3
    );
    assert_eq!(
        homes("x", concat!("/ho", "me/ada/x /ho", "me/me/x /ro", "ot/y")).len(),
        2
    );
}

/// What one folder may use of ours.
enum Rule {
    /// These paths and what lies in them.
    Only(Vec<String>),
    /// All but these.
    AllBut(Vec<String>),
}

/// Reads the table whose rows begin with a folder of `src`: what stands in backticks in its last column is allowed, or
/// forbidden where the cell begins with "everything".
fn layers(architecture: &str) -> BTreeMap<String, Rule> {
    architecture
        .lines()
        .filter_map(|line| {
            let row = line.strip_prefix("| `src/")?;
            let (layer, _) = row.split_once('`')?;
            let cell = row.trim_end_matches([' ', '|']).rsplit(" | ").next()?;
            let names = cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned);
            let rule = if cell.starts_with("everything") {
                Rule::AllBut(names.collect())
            } else {
                Rule::Only(names.collect())
            };
            Some((layer.to_owned(), rule))
        })
        .collect()
}

/// Returns the paths of ours that a file uses and may not.
fn breaches<'a>(
    rule: &'a Rule,
    module: &'a [String],
    table: &BTreeMap<String, Rule>,
    text: &str,
) -> impl Iterator<Item = String> + 'a {
    used_of_ours(module, table, text)
        .into_iter()
        .filter(move |used| match rule {
            Rule::Only(names) => {
                !within(&module[0], used) && !names.iter().any(|name| within(name, used))
            }
            Rule::AllBut(names) => names.iter().any(|name| within(name, used)),
        })
}

/// Returns all paths of ours that a file uses, from the top and without `crate`.
fn used_of_ours(module: &[String], table: &BTreeMap<String, Rule>, text: &str) -> Vec<String> {
    let code = code_of(text);
    let words = words_of(&code);
    let mut used = paths_from("crate", &words);
    // `super` so often that it reaches the top (more often within a module of this very file), then a folder's name.
    let mut at = 0;
    while at < words.len() {
        let mut climbed = 0;
        while words[at..].starts_with(&["super", "::"]) {
            climbed += 1;
            at += 2;
        }
        if climbed >= module.len() && climbed > 0 {
            let mut found = Vec::new();
            paths(&words, &mut at, "", &mut found);
            used.extend(found.into_iter().filter(|path| {
                let top = path.split("::").next().unwrap_or_default();
                table.contains_key(top)
            }));
        } else {
            at += 1;
        }
    }
    used
}

/// Says whether `path` is `name` or lies in it.
fn within(name: &str, path: &str) -> bool {
    path.strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Returns what a text of the pure part names and should not.
fn impurities(text: &str, dependencies: &[String]) -> Vec<String> {
    let code = code_of(text);
    let words = words_of(&code);
    let mut named: Vec<String> = paths_from("std", &words)
        .into_iter()
        .map(|path| format!("std::{path}"))
        .filter(|path| IMPURE.iter().any(|name| within(name, path)))
        .collect();
    // What was imported by its own name, and the one method that asks a clock.
    for asked in [&["SystemTime", "::", "now"][..], &[".", "elapsed"]] {
        if words.windows(asked.len()).any(|words| words == asked) {
            named.push(asked.concat());
        }
    }
    named.extend(
        dependencies
            .iter()
            .filter(|name| !COMPUTING.contains(&name.as_str()))
            .filter(|name| {
                words
                    .windows(2)
                    .any(|pair| pair[0] == name.as_str() && pair[1] == "::")
            })
            .cloned(),
    );
    named
}

/// Returns the crates that a manifest names, as code names them.
fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("the manifest is TOML");
    ["dependencies", "dev-dependencies"]
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table())
        .flat_map(|table| table.keys().map(|name| name.replace('-', "_")))
        .collect()
}

/// Returns what was left for later.
fn unfinished(path: &str, text: &str) -> Vec<String> {
    let signs = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("PLACE", "HOLDER"),
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
        concat!("db", "g!"),
    ];
    text.lines()
        .enumerate()
        .flat_map(|(n, line)| {
            signs
                .iter()
                .filter(move |sign| line.contains(**sign))
                .map(move |sign| format!("{path}:{}: `{sign}`", n + 1))
        })
        .collect()
}

fn too_long(path: &str, lines: usize) -> Option<String> {
    let tests = path.ends_with("/tests.rs") || path.ends_with("_tests.rs");
    let most = if tests { MOST_TEST_LINES } else { MOST_LINES };
    (lines > most).then(|| format!("{path}: {lines} lines, more than {most}"))
}

/// Returns the links of a document, and the paths in its backticks, that lead nowhere.
fn dead_ends(path: &str, text: &str) -> Vec<String> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let inline = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let named = text
        .lines()
        .filter(|line| line.starts_with('['))
        .filter_map(|line| Some(line.split_once("]: ")?.1));
    let links = inline
        .chain(named)
        .filter(|link| !link.contains("://") && !link.starts_with(['#', '<']))
        .map(|link| link.split('#').next().unwrap_or(link).trim())
        .map(|link| (link, folder.join(link)));
    let quoted = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|quoted| {
            ["src/", "tests/", "benches/", "docs/", "fuzz/", ".ci/"]
                .iter()
                .any(|top| quoted.starts_with(top))
                && !quoted.contains([' ', '*', '…'])
        })
        .map(|quoted| (quoted, PathBuf::from(quoted)));
    links
        .chain(quoted)
        .filter(|(_, target)| {
            let target = root().join(target);
            // A module's name stands for its file.
            !target.exists() && !target.with_extension("rs").exists()
        })
        .map(|(link, _)| format!("{path}: there is no `{link}`"))
        .collect()
}

/// Returns the folders of somebody's own that a text names; `me` is nobody.
fn homes(path: &str, text: &str) -> Vec<String> {
    [
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("/ro", "ot/"),
    ]
    .iter()
    .flat_map(|sign| text.split(sign).skip(1).map(move |rest| (sign, rest)))
    .filter(|(_, rest)| {
        let owner = rest.split(|c: char| !c.is_alphanumeric()).next();
        owner.is_some_and(|owner| !owner.is_empty() && owner != "me")
    })
    .map(|(sign, rest)| {
        let more: String = rest.chars().take(20).collect();
        format!("{path}: {sign}{more}")
    })
    .collect()
}

/// Returns a Rust text without its comments and without what stands in quotes.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let after_word = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest)
        } else if next == '"' {
            quoted(rest)
        } else if !after_word && rest.trim_start_matches(['b', 'c']).starts_with("r") {
            raw(rest)
        } else if next == '\'' {
            character(rest)
        } else {
            0
        };
        if skipped == 0 {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

/// The length of a comment that may hold others.
fn comment(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of a text in quotes.
fn quoted(text: &str) -> usize {
    let mut escaped = true; // The first quote opens.
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw text, or 0 where there is none.
fn raw(text: &str) -> usize {
    let prefix = text.find('r').map_or(0, |at| at + 1);
    let hashes = text[prefix..].bytes().take_while(|b| *b == b'#').count();
    let open = prefix + hashes + 1;
    if text.as_bytes().get(open - 1) != Some(&b'"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    text[open..]
        .find(&end)
        .map_or(text.len(), |at| open + at + end.len())
}

/// The length of a character in quotes, or 0 where a lifetime begins.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            chars.next();
            chars.find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            Some(_) | None => 0,
        },
        None => 0,
    }
}

/// Cuts code into names, `::` and single signs.
fn words_of(code: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let name = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let length = match name {
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            _ => name,
        };
        words.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    words
}

/// Returns all that is named below `top`, each branch of a `use` on its own.
fn paths_from(top: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if words[at..].starts_with(&[top, "::"]) {
            at += 2;
            paths(words, &mut at, "", &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads a path, or a group of them in braces, from `at` on.
fn paths(words: &[&str], at: &mut usize, above: &str, found: &mut Vec<String>) {
    let word = words.get(*at).copied().unwrap_or_default();
    if word == "{" {
        let mut begins = true;
        while let Some(word) = words.get(*at) {
            match *word {
                "}" => {
                    *at += 1;
                    return;
                }
                "{" | "," => {
                    begins = true;
                    *at += 1;
                }
                _ if begins => {
                    begins = false;
                    paths(words, at, above, found);
                }
                // `as another`
                _ => *at += 1,
            }
        }
        return;
    }
    let path = if above.is_empty() {
        word.to_owned()
    } else {
        format!("{above}::{word}")
    };
    *at += 1;
    let goes_on = |word: &&str| *word == "{" || word.starts_with(|c: char| c.is_alphabetic());
    if words.get(*at) == Some(&"::") && words.get(*at + 1).is_some_and(goes_on) {
        *at += 1;
        paths(words, at, &path, found);
    } else {
        found.push(path);
    }
}

/// Returns the modules that a file of `src` is: `src/audio/mod.rs` is `audio`, `src/audio/real.rs` is `audio::real`.
fn module_of(path: &str) -> Vec<String> {
    path.trim_start_matches("src/")
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| !["mod", "lib", "main"].contains(part))
        .map(ToOwned::to_owned)
        .collect()
}

#[track_caller]
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("a text of this repository")
}

/// Returns the Rust files of a folder with their texts.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(folder, &["rs"], &mut files);
    assert!(!files.is_empty(), "there are sources in {folder}");
    files
}

fn rust_files() -> impl Iterator<Item = (String, String)> {
    ["src", "tests", "benches", "fuzz/fuzz_targets"]
        .into_iter()
        .flat_map(sources)
}

/// Returns the documents with their texts.
fn documents() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"]
        .map(|path| (path.to_owned(), read(path)))
        .into();
    collect("docs", &["md"], &mut files);
    files
}

/// Returns sources, documents, scripts and manifests with their texts.
fn everything() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = rust_files().chain(documents()).collect();
    for folder in ["src", "tests", ".ci"] {
        collect(folder, &["sh", "", "txt", "jsonl"], &mut files);
    }
    for path in [
        "Cargo.toml",
        "deny.toml",
        "fuzz/Cargo.toml",
        "offhook.example.toml",
        "start-auto.sh",
        "test.sh",
    ] {
        files.push((path.to_owned(), read(path)));
    }
    files
}

/// Collects the files below `folder` whose names end in one of `kinds`, by name.
fn collect(folder: &str, kinds: &[&str], files: &mut Vec<(String, String)>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .expect("a folder of this repository")
        .map(|entry| entry.expect("readable").path())
        .collect();
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        let path = format!("{folder}/{name}");
        let kind = entry.extension().unwrap_or_default().to_string_lossy();
        if entry.is_dir() {
            collect(&path, kinds, files);
        } else if kinds.contains(&kind.as_ref()) {
            let text = std::fs::read_to_string(&entry).expect("a text");
            files.push((path, text));
        }
    }
}
