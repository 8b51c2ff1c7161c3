//! `clients tokio-tungstenite|tungstenite|fastwebsockets|reqwest-websocket CASES SECONDS`: asks every case of a file at once and
//! prints its version, and `CASE OUTCOME SECONDS` lines.

use std::time::Duration;

use base64::Engine;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Request, Uri};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

type Failure = Box<dyn std::error::Error>;

/// A field of the application's own, where the case wants one.
fn authorization(case: &Value) -> Option<String> {
    (case["credentials"] == "header").then(|| {
        let encoded = base64::engine::general_purpose::STANDARD.encode("aladdin:open sesame");
        format!("Basic {encoded}")
    })
}

async fn tokio_tungstenite(case: &Value) -> Result<(), Failure> {
    let mut request = case["url"].as_str().unwrap_or_default().into_client_request()?;
    if let Some(value) = authorization(case) {
        request.headers_mut().insert("Authorization", value.parse()?);
    }
    tokio_tungstenite::connect_async(request).await?;
    Ok(())
}

fn tungstenite(case: &Value) -> Result<(), Failure> {
    let mut request = case["url"].as_str().unwrap_or_default().into_client_request()?;
    if let Some(value) = authorization(case) {
        request.headers_mut().insert("Authorization", value.parse()?);
    }
    tokio_tungstenite::tungstenite::connect(request)?;
    Ok(())
}

async fn reqwest_websocket(case: &Value) -> Result<(), Failure> {
    use reqwest_websocket::Upgrade;
    // A pool of connections for each case: what one leaves there is not for the next.
    let mut request = reqwest::Client::builder().no_proxy().build()?.get(case["url"].as_str().unwrap_or_default());
    if let Some(value) = authorization(case) {
        request = request.header("Authorization", value);
    }
    request.upgrade().send().await?.into_websocket().await?;
    Ok(())
}

/// The version of a package, from the lock file.
fn version(package: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let of = |entry: &&str| entry.starts_with(&format!("\nname = \"{package}\"\n"));
    // The latest, where there are several.
    let entry = lock.split("[[package]]").filter(of).last().unwrap_or_default();
    entry.split("version = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("unknown")
}

struct OnThisThread;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

async fn fastwebsockets(case: &Value) -> Result<(), Failure> {
    let uri: Uri = case["url"].as_str().unwrap_or_default().parse()?;
    let authority = uri.authority().ok_or("no authority")?.as_str();
    // It takes a request that is made already: credentials in the URL are nobody's.
    let host = authority.rsplit('@').next().unwrap_or(authority).to_string();
    let stream = TcpStream::connect(&host).await?;
    let mut request = Request::builder()
        .method("GET")
        .uri(uri.path())
        .header("Host", host)
        .header("Upgrade", "websocket")
        .header("Connection", "upgrade")
        .header("Sec-WebSocket-Key", fastwebsockets::handshake::generate_key())
        .header("Sec-WebSocket-Version", "13");
    if let Some(value) = authorization(case) {
        request = request.header("Authorization", value);
    }
    let request = request.body(Empty::<Bytes>::new())?;
    fastwebsockets::handshake::client(&OnThisThread, request, stream).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, which, cases, seconds] = &arguments[..] else { return Err("clients WHICH CASES SECONDS".into()) };
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(cases)?)?;
    let patience = Duration::from_secs_f64(seconds.parse()?);
    println!("version {}", version(which));
    let local = tokio::task::LocalSet::new();
    for case in cases {
        let which = which.clone();
        local.spawn_local(async move {
            let asked = async {
                match which.as_str() {
                    "tokio-tungstenite" => tokio_tungstenite(&case).await,
                    "fastwebsockets" => fastwebsockets(&case).await,
                    "reqwest-websocket" => reqwest_websocket(&case).await,
                    "tungstenite" => {
                        let case = case.clone();
                        let blocking = tokio::task::spawn_blocking(move || tungstenite(&case).map_err(|e| e.to_string()));
                        Ok(blocking.await??)
                    }
                    other => Err(format!("no such client: {other}").into()),
                }
            };
            let start = std::time::Instant::now();
            let outcome = match tokio::time::timeout(patience, asked).await {
                Ok(Ok(())) => "open",
                Ok(Err(_)) => "error",
                Err(_) => "pending",
            };
            println!("{} {outcome} {:.1}", case["case"].as_str().unwrap_or_default(), start.elapsed().as_secs_f64());
        });
    }
    local.await;
    // What is still pending is left as it is.
    std::process::exit(0)
}
