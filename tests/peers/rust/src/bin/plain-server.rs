//! A plain server for benches/load: tokio-tungstenite on one thread, which opens every handshake and reads until the end. Listens
//! on the port in PORT (any free one without); prints its address.

use futures_util::StreamExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "0".into());
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(format!("127.0.0.1:{port}").parse().map_err(std::io::Error::other)?)?;
    let listener = socket.listen(4096)?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
            // Pings and the close frame are answered while it reads.
            while let Some(Ok(_)) = socket.next().await {}
        });
    }
}
