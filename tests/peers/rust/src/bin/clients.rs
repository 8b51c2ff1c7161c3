//! `clients tokio-tungstenite|fastwebsockets CASES SECONDS`: asks every case of a file at once and prints `CASE OUTCOME` lines.

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
    let local = tokio::task::LocalSet::new();
    for case in cases {
        let which = which.clone();
        local.spawn_local(async move {
            let asked = async {
                match which.as_str() {
                    "tokio-tungstenite" => tokio_tungstenite(&case).await,
                    "fastwebsockets" => fastwebsockets(&case).await,
                    other => Err(format!("no such client: {other}").into()),
                }
            };
            let outcome = match tokio::time::timeout(patience, asked).await {
                Ok(Ok(())) => "open",
                Ok(Err(_)) => "error",
                Err(_) => "pending",
            };
            println!("{} {outcome}", case["case"].as_str().unwrap_or_default());
        });
    }
    local.await;
    Ok(())
}
