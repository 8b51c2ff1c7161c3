//! `shakedown studio`: a scenario in an editor in the browser, and beside it its report, made anew on every change.
//!
//! Who can reach the page can run scenarios and write files as the user. So it listens on loopback only, its address has a
//! random token, and requests that name another host or come from another page are refused (`guard`). Work has limits
//! (`work`), and files are written below one folder only (`save`). The reports are those of `report::page`.

mod answer;
mod choice;
mod complete;
mod guard;
mod knobs;
mod raster;
mod save;
mod state;
mod work;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path as Parts, Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
};
use axum::http::header::{X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, body::Bytes};
use clap::Args;
use serde_json::Value as Json;

use super::options::read;
use super::output::{Failure, machine, print};
use super::start::STARTER;
use crate::text::quoted;
use guard::Guard;
use state::Studio;

pub(super) const EXAMPLES: &str = "\
Examples:
  shakedown studio scenarios/failover.toml
  shakedown studio --port 8200

Prints the address of a page for the browser of this machine, and serves it until Ctrl-C. What is saved goes below the
folder of the scenario; a file that is there is replaced only when you say so.";

const PAGE: &str = include_str!("studio.html");
const STYLE: &str = concat!(include_str!("../../report/page/page.css"), include_str!("studio.css"));
const SCRIPT: &str = include_str!("studio.js");

/// What a browser may do with the studio's pages.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; \
    connect-src 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'";
/// The largest request: a scenario, and what was changed in it.
const MOST_BYTES: usize = 2 << 20;
#[derive(Debug, Args)]
pub(super) struct StudioArgs {
    /// The scenario file to begin with; the starter of `shakedown init` unless given
    scenario: Option<PathBuf>,
    /// The port on 127.0.0.1; one that is free unless given
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
}

/// The studio's own page.
fn page(studio: &Studio) -> String {
    let begin = serde_json::json!({ "file": studio.file, "text": studio.text }).to_string().replace('<', "\\u003c");
    let parts = [("@TITLE@", quoted(&studio.file)), ("@STYLE@", STYLE.into()), ("@SCRIPT@", SCRIPT.into())];
    // What the user wrote comes last: nothing in it is a place to fill in.
    let page = parts.into_iter().fold(PAGE.to_string(), |page, (place, text)| page.replacen(place, &text, 1));
    page.replacen("@BEGIN@", &begin, 1)
}

pub(super) fn studio(args: &StudioArgs) -> Result<(), Failure> {
    let (text, file, root) = match &args.scenario {
        Some(path) => {
            let (_, text) = read(path)?;
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (text, file, parent.to_path_buf())
        }
        None => (STARTER.to_string(), "scenario.toml".to_string(), PathBuf::from(".")),
    };
    let root = root.canonicalize().map_err(|error| machine(format!("can't find {}: {error}", root.display())))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(|error| machine(format!("can't start: {error}")))?;
    runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
        let listener = tokio::net::TcpListener::bind(address).await;
        let listener = listener.map_err(|error| machine(format!("can't listen on {address}: {error}")))?;
        let port = listener.local_addr().map_err(|error| machine(error.to_string()))?.port();
        let guard = Guard::new(port).map_err(|error| machine(format!("can't draw a token: {error}")))?;
        print(&format!("studio of {file}: {}\nCtrl-C ends it\n", guard.address()))?;
        let studio = Arc::new(Studio::new(guard, root, &file, text));
        axum::serve(listener, router(studio)).await.map_err(|error| machine(error.to_string()))
    })
}

fn router(studio: Arc<Studio>) -> Router {
    Router::new()
        .route("/{token}/", get(|State(studio): State<Arc<Studio>>| async move { html(page(&studio)) }))
        .route("/{token}/report/{number}", get(report))
        .route("/{token}/do/{what}", post(act))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(from_fn_with_state(Arc::clone(&studio), guarded))
        .with_state(studio)
}

/// Refuses what the guard does not admit, and says to the browser what it may do with the rest.
async fn guarded(State(studio): State<Arc<Studio>>, request: Request, next: Next) -> Response {
    if !studio.guard.admits(request.method(), request.uri().path(), request.headers()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut response = next.run(request).await;
    let headers: [(HeaderName, &'static str); 5] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "SAMEORIGIN"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn html(page: String) -> Response {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

async fn report(State(studio): State<Arc<Studio>>, Parts((_, number)): Parts<(String, u64)>) -> Response {
    studio.report(number).map_or_else(|| StatusCode::NOT_FOUND.into_response(), html)
}

/// Everything that the page asks for: JSON in, JSON out, on a thread of its own, so that a newer request can end it.
async fn act(State(studio): State<Arc<Studio>>, Parts((_, what)): Parts<(String, String)>, body: Bytes) -> Response {
    let done = tokio::task::spawn_blocking(move || studio.act(&what, &body)).await;
    match done {
        Ok(Some(answer)) => ([(CONTENT_TYPE, "application/json")], answer.to_string()).into_response(),
        Ok(None) => StatusCode::BAD_REQUEST.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Studio {
    /// What the page asked for; nothing where it asked for nothing that there is.
    fn act(&self, what: &str, body: &[u8]) -> Option<Json> {
        Some(match what {
            "run" => self.run(&serde_json::from_slice(body).ok()?),
            "compare" => self.compare(&serde_json::from_slice(body).ok()?),
            "session" => self.session(&serde_json::from_slice(body).ok()?),
            "variant" => choice::variant(&serde_json::from_slice(body).ok()?),
            "complete" => complete::completions(&serde_json::from_slice(body).ok()?),
            "save" => self.save(&serde_json::from_slice(body).ok()?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
