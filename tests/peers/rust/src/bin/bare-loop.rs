//! `bare-loop URL USERS SECONDS`: the least that a load generator by tokio-tungstenite can be: so many users on one thread, each of
//! which opens a connection, closes it with a close frame and begins again. Prints how many opened.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::net::TcpSocket;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, url, users, seconds] = &arguments[..] else { panic!("bare-loop URL USERS SECONDS") };
    let users: u8 = users.parse().expect("users");
    let until = Instant::now() + Duration::from_secs_f64(seconds.parse().expect("seconds"));
    let address = url.trim_start_matches("ws://").trim_end_matches('/').parse().expect("ws://ADDRESS:PORT/");
    let opened = Rc::new(Cell::new(0u64));
    let local = tokio::task::LocalSet::new();
    for user in 0..users {
        let (url, opened) = (url.clone(), Rc::clone(&opened));
        local.spawn_local(async move {
            while Instant::now() < until {
                let socket = TcpSocket::new_v4().expect("a socket");
                // A port rests for a minute: each user has an address of its own.
                socket.bind(([127, 0, 1, 1 + user], 0).into()).expect("a port");
                let stream = socket.connect(address).await.expect("a connection");
                stream.set_nodelay(true).expect("an open connection");
                let (mut socket, _) = tokio_tungstenite::client_async(&url, stream).await.expect("a handshake");
                opened.set(opened.get() + 1);
                let _ = socket.close(None).await;
                while let Some(Ok(_)) = socket.next().await {}
            }
        });
    }
    local.await;
    println!("{}", opened.get());
}
