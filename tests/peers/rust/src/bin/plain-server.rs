//! A plain server for benches/load, on one thread: tokio-tungstenite, which opens every handshake and reads until the end; or, as
//! `plain-server http`, the least that answers every request by 200. Listens on the port in PORT (any free one without); prints
//! its address.

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Answers a request, which has no body, and ends the connection: its port rests here and not at the client.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let (mut chunk, mut head) = ([0; 4096], Vec::new());
    while !head.ends_with(b"\r\n\r\n") {
        let len = stream.read(&mut chunk).await?;
        if len == 0 {
            return Ok(());
        }
        head.extend_from_slice(&chunk[..len]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await?;
    stream.shutdown().await?;
    // Until the client has ended it, too.
    while stream.read(&mut chunk).await? > 0 {}
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "0".into());
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(format!("127.0.0.1:{port}").parse().map_err(std::io::Error::other)?)?;
    let listener = socket.listen(4096)?;
    println!("listening on {}", listener.local_addr()?);
    let http = std::env::args().nth(1).is_some_and(|how| how == "http");
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            if http {
                let _ = answer(stream).await;
                return;
            }
            let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
            // Pings and the close frame are answered while it reads.
            while let Some(Ok(_)) = socket.next().await {}
        });
    }
}
