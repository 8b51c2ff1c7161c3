//! An axum gateway and a tokio-tungstenite client, both as they would be deployed, in `scenarios/failover.toml`: one of three
//! gateways crashes under the players and is restarted.
//!
//! All gateways share a store of which player is connected to which gateway. A gateway that restarts removes the players
//! that it had when it crashed. The intentional bug: it reads the list, and removes them a moment later, without checking
//! again. A player that reconnected to another gateway in between is removed there, and the next move of its open session
//! is answered with "who are you?". Most seeds do not show it.
//!
//! `cargo run --example own_code` looks for a seed that does, repeats it, and then runs it with the bug corrected.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use rand::RngExt;
use rand::seq::IndexedRandom;
use shakedown::lab::{self, ClientContext, End, Failure, Lab, LabError, Listener, ServerContext};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;
use turmoil::net::TcpStream;

/// At which gateway each player is; at none while it is away.
type Store = Arc<Mutex<BTreeMap<String, Option<String>>>>;

#[derive(Clone)]
struct Gateway {
    name: String,
    store: Store,
}

/// A gateway's process, from its start on.
async fn gateway(cx: ServerContext, store: Store, mended: bool) -> lab::Result {
    let gateway = Gateway { name: cx.name().to_string(), store };
    gateway.strike_out(mended).await;
    let app = Router::new().fallback(any(upgrade)).with_state(gateway);
    Ok(axum::serve(Listener(cx.listener().await?), app).await?)
}

async fn upgrade(State(gateway): State<Gateway>, upgrade: WebSocketUpgrade, request: Request) -> Response {
    let player = request.uri().path().trim_start_matches('/').to_string();
    upgrade.on_upgrade(|socket| gateway.play(player, socket))
}

impl Gateway {
    /// Whoever was here when this gateway died is nowhere now.
    async fn strike_out(&self, mended: bool) {
        let here = Some(self.name.clone());
        let store = || self.store.lock().expect("nobody panics with it");
        let were_here: Vec<String> =
            store().iter().filter(|(_, at)| **at == here).map(|(who, _)| who.clone()).collect();
        // A real store answers after a while.
        tokio::time::sleep(Duration::from_millis(150)).await;
        for player in were_here {
            if !mended || store().get(&player) == Some(&here) {
                store().insert(player, None);
            }
        }
    }

    async fn play(self, player: String, mut socket: WebSocket) {
        let here = Some(self.name.clone());
        self.store.lock().expect("nobody panics with it").insert(player.clone(), here.clone());
        while let Some(Ok(Message::Text(_))) = socket.recv().await {
            let known = self.store.lock().expect("nobody panics with it").get(&player) == Some(&here);
            let answer = if known { "ok" } else { "who are you?" };
            if socket.send(Message::Text(answer.into())).await.is_err() {
                return;
            }
        }
    }
}

/// One player: connects, moves every half second, and comes back when it lost its connection.
async fn player(mut cx: ClientContext) -> lab::Result {
    for tries in 0.. {
        let gateway = cx.endpoints().choose(&mut cx.random()).expect("there are some").clone();
        if let Ok(stream) = cx.connect(&gateway).await {
            let url = format!("ws://{gateway}/{}", cx.name());
            match timeout(Duration::from_secs(2), tokio_tungstenite::client_async(url, stream)).await {
                Ok(Ok((socket, _))) => {
                    cx.opened();
                    let end = moves(&mut cx, socket).await;
                    cx.lost(end);
                }
                Ok(Err(_)) => cx.failed(Failure::Closed),
                Err(_) => cx.failed(Failure::HandshakeTimeout),
            }
        }
        let most = 500 << tries.min(4);
        let delay = Duration::from_millis(cx.random().random_range(0..most));
        cx.retry_after(delay).await;
    }
    Ok(())
}

async fn moves(cx: &mut ClientContext, mut socket: tokio_tungstenite::WebSocketStream<TcpStream>) -> End {
    loop {
        match timeout(Duration::from_millis(500), socket.next()).await {
            Err(_) => {
                if socket.send(tungstenite::Message::text("north")).await.is_err() {
                    return End::Reset;
                }
            }
            Ok(Some(Ok(tungstenite::Message::Text(answer)))) => {
                cx.reporter().count("moves");
                if answer.as_str() != "ok" {
                    cx.reporter().fail("its session was forgotten while it played");
                }
            }
            Ok(Some(Ok(tungstenite::Message::Close(frame)))) => {
                return End::Close(frame.map_or(1005, |frame| frame.code.into()));
            }
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(_))) => return End::Reset,
            Ok(None) => return End::Fin,
        }
    }
}

/// The scenario, with both programs in it; everything fresh, as for each seed.
#[allow(unreachable_pub, reason = "a test includes this file as a module")]
pub fn failover(mended: bool) -> Result<Lab, LabError> {
    let store = Store::default();
    Ok(Lab::from_file(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/failover.toml"))?
        .set("clients.players.count=40")
        .set("clients.players.arrive={ evenly_over = '1s' }")
        .set("faults.gateway-dies.at='2s'")
        .set("faults.gateway-dies.for='1s'")
        .set("duration='5s'")
        .set("expect={ 'sessions.never_opened' = '== 0%' }")
        .server("gateway", move |cx| gateway(cx, Arc::clone(&store), mended))
        .client("players", player))
}

#[allow(dead_code, reason = "the test that runs all this has no use for it")]
fn main() -> Result<(), LabError> {
    let Some((seed, broken)) = lab::hunt(0..200, || failover(false)) else {
        println!("no seed of 200 breaks anything");
        return Ok(());
    };
    println!("seed {seed} of 0 to 199 breaks it:\n{broken}\n");
    println!("once more:\n{}\n", failover(false)?.seed(seed).run()?);
    if let Some(shrunk) = lab::shrink(seed, 200, || failover(false))? {
        println!("{shrunk}\n");
    }
    println!("mended:\n{}", failover(true)?.seed(seed).run()?);
    Ok(())
}
