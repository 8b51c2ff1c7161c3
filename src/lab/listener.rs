//! turmoil's listener as axum's (feature `axum`).

use std::io;
use std::net::SocketAddr;

use turmoil::net::{TcpListener, TcpStream};

/// What `axum::serve` listens on: `axum::serve(Listener(cx.listener().await?), app)`.
pub struct Listener(pub TcpListener);

impl axum::serve::Listener for Listener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            // A connection that failed before it was accepted is not the server's to end for.
            if let Ok(accepted) = self.0.accept().await {
                return accepted;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
