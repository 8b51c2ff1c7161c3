// An echo server by npm ws, on the port in PORT (any free one without); prints its address.
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(process.env.PEERS_MODULES)("ws");
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.env.PORT ?? 0), backlog: 1024 });
server.on("listening", () => console.log(`listening on 127.0.0.1:${server.address().port}`));
server.on("connection", (socket) => socket.on("message", (message, isBinary) => socket.send(message, { binary: isBinary })));
