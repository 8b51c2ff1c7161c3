// `node clients.mjs ws|ws-follow-redirects|undici|node20|chromium CASES SECONDS`: asks every case of a file at once and
// prints its version, and `CASE OUTCOME SECONDS` lines.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [which, file, seconds] = process.argv.slice(2);
const cases = JSON.parse(readFileSync(file, "utf8"));
// Packages are installed beside the build, not beside this file.
const require = createRequire(process.env.PEERS_MODULES);
const field = { Authorization: "Basic " + Buffer.from("aladdin:open sesame").toString("base64") };

// What both kinds of interface have: an event for either outcome.
function ask(open, { credentials }) {
  return new Promise((resolve) => {
    const socket = open(credentials === "header" ? field : {});
    socket.addEventListener("open", () => resolve("open"));
    socket.addEventListener("error", () => resolve("error"));
    socket.addEventListener("close", () => resolve("error"));
  });
}

const version = (text) => console.log("version", text);

// So many at a time.
async function print(client, atOnce = cases.length) {
  const late = () => new Promise((resolve) => setTimeout(resolve, seconds * 1000, "pending"));
  const one = async (of) => {
    const start = performance.now();
    const outcome = await Promise.race([client(of).catch(() => "error"), late()]);
    console.log(of.case, outcome, ((performance.now() - start) / 1000).toFixed(1));
  };
  const queue = cases.values();
  const worker = async () => {
    for (const of of queue) await one(of);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

// What a client throws past its own events ends no other case.
process.on("uncaughtException", () => {});
process.on("unhandledRejection", () => {});

if (which === "chromium") {
  const { chromium } = require("playwright-core");
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  version(browser.version());
  const page = await browser.newPage();
  // A page of an origin that may send credentials: one without an origin of its own has them left out.
  const pages = createServer((_, response) => response.end("<title>Peers</title>"));
  // At the address of the servers: credentials in a URL count only within one site.
  const { hostname } = new URL(cases[0].url);
  await new Promise((resolve) => pages.listen(0, hostname, resolve));
  await page.goto(`http://${hostname}:${pages.address().port}/`);
  // Its WebSocket takes no header fields. More of them at once would meet its throttle, which waits for seconds.
  await print(
    ({ url }) =>
    page.evaluate(
      (url) =>
        new Promise((resolve) => {
          const socket = new WebSocket(url);
          socket.onopen = () => resolve("open");
          socket.onclose = () => resolve("error");
        }),
      url,
    ),
    6,
  );
  await browser.close();
} else if (which === "undici") {
  version(require("undici/package.json").version);
  const { WebSocket } = require("undici");
  await print((of) => ask((headers) => new WebSocket(of.url, { headers }), of));
} else if (which === "node20") {
  version(process.versions.node);
  await print((of) => ask(() => new WebSocket(of.url), of));
} else {
  version(require("ws/package.json").version);
  const { WebSocket } = require("ws");
  const followRedirects = which === "ws-follow-redirects";
  await print((of) => ask((headers) => new WebSocket(of.url, { headers, followRedirects }), of));
}
process.exit(0);
