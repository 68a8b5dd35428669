//! The entry page, for whoever opens the daemon's address in a browser. It is public, and so tells nothing.

use axum::http::header;
use axum::response::{Html, IntoResponse};

use crate::lang::Lang;

/// What the page may load: its own style and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The paths of the page.
pub(super) const PATHS: [&str; 2] = ["/", "/page.css"];

/// Returns the page in a language.
pub(super) fn page(lang: Lang) -> impl IntoResponse {
    let text = match lang {
        Lang::En => include_str!("../../static/index.en.html"),
        Lang::Fr => include_str!("../../static/index.fr.html"),
    };
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(text))
}

/// Returns its style.
pub(super) fn style() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("../../static/page.css"),
    )
}
