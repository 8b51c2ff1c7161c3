//! `--metrics ADDRESS`: what a live run has come to so far, for a Prometheus that asks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::output::{Failure, machine};
use crate::explore::Watched;

/// A request is not longer, nor does it take longer to come.
const MOST: usize = 8 << 10;
const PATIENCE: Duration = Duration::from_secs(2);

/// Answers `GET /metrics` on a thread of its own, for as long as the process lives. Where it listens.
pub(super) fn serve(address: SocketAddr, watched: &Watched) -> Result<SocketAddr, Failure> {
    let failed = |error: std::io::Error| machine(format!("can't listen on {address} for --metrics: {error}"));
    let listener = TcpListener::bind(address).map_err(failed)?;
    let own = listener.local_addr().map_err(failed)?;
    let watched = watched.clone();
    let answering = move || {
        for stream in listener.incoming().flatten() {
            // Whoever asked and went away is no trouble of the run's.
            let _ = answer(stream, &watched);
        }
    };
    std::thread::Builder::new().name("metrics".into()).spawn(answering).map_err(failed)?;
    Ok(own)
}

fn answer(mut stream: TcpStream, watched: &Watched) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    let mut bytes = [0; 1024];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") && head.len() < MOST {
        match stream.read(&mut bytes)? {
            0 => break,
            length => head.extend_from_slice(&bytes[..length]),
        }
    }
    let (status, kind, body) = match head.starts_with(b"GET /metrics ") {
        true => ("200 OK", "application/openmetrics-text; version=1.0.0; charset=utf-8", watched.text()),
        false => ("404 Not Found", "text/plain; charset=utf-8", "GET /metrics\n".into()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all((head + &body).as_bytes())
}
