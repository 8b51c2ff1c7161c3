// Uses the studio as a person would: node studio.mjs ADDRESS FOLDER, the folder of the scenario that it was started with.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { chromium } from 'playwright-core';

const [address, folder] = process.argv.slice(2);
const shots = process.env.SHOTS;
let checks = 0;
const check = (condition, what) => { assert.ok(condition, what); checks++; };

// Who is no page of the studio's is not let in.
const status = (path, headers, method = 'GET') => new Promise((done, failed) => {
  const { port } = new URL(address);
  request({ host: '127.0.0.1', port, path, method, headers }, answer => { answer.resume(); done(answer.statusCode); }).on('error', failed).end();
});
const { pathname, host } = new URL(address);
check(await status(pathname, { host }) === 200, 'the page');
check(await status('/', { host }) === 403 && await status('/' + '0'.repeat(32) + '/', { host }) === 403, 'another token');
check(await status(pathname, { host: 'evil.example' }) === 403, 'another host');
check(await status(pathname + 'do/run', { host, origin: 'http://evil.example' }, 'POST') === 403, 'another origin');
check(await status(pathname + 'do/run', { host }, 'POST') === 403, 'no origin');

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || undefined, args: ['--no-sandbox'] });
const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, reducedMotion: 'reduce' });
const page = await context.newPage();
const wrong = [];
page.on('console', message => { if (['error', 'warning'].includes(message.type())) wrong.push(message.text()); });
page.on('pageerror', error => wrong.push(String(error)));
page.on('request', one => { if (!one.url().startsWith(address) && !one.url().startsWith('data:')) wrong.push(`loads ${one.url()}`); });
await page.goto(address);
const text = page.locator('#text'), state = page.locator('#state'), problem = page.locator('#problem');
const digest = () => state.getAttribute('data-digest');
const until = async (what, test) => {
  for (let n = 0; n < 200; n++) {
    if (await test()) { checks++; return; }
    await page.waitForTimeout(50);
  }
  assert.fail(`never: ${what}; ${await state.innerText()}; ${wrong}`);
};
const changes = async (what, act) => {
  const before = await digest();
  await act();
  await until(what, async () => await digest() !== before);
};
const report = () => page.frameLocator('#reports iframe:not(.next)');

await until('a first run', digest);
await until('its report', async () => await report().locator('figure[data-chart=sessions] svg path').count() > 0);
check(await page.locator('#raster rect.open').count() > 100, 'dots of sessions');

// Edit, and run on the change.
const written = await text.inputValue();
await changes('an edit', () => text.fill(written.replace('count = 3', 'count = 4')));
await text.fill(written);

// An error in place, and gone when it is mended.
const digestBefore = await digest();
await text.fill(written.replace('workers = 4', 'wrokers = 4'));
await until('an error', async () => /unknown key/.test(await problem.innerText()) && /workers/.test(await problem.innerText()));
const line = written.slice(0, written.indexOf('workers')).split('\n').length;
check(await page.locator('#lines .bad').innerText() === `${line}\n` || (await page.locator('#lines .bad').innerText()).trim() === String(line), 'its line');
await problem.locator('button').click();
check(await text.evaluate(one => one.value.slice(one.selectionStart, one.selectionEnd)) === 'wrokers', 'its place');
check(await digest() === digestBefore, 'nothing ran');
await text.fill(written);
await until('mended', async () => !await problem.isVisible());

// Completion.
await text.fill(written + '\n[servers.more]\nback');
await text.press('End');
await text.press('Control+Space');
await page.locator('#offers button', { hasText: /^backlog$/ }).waitFor();
await text.press('Tab');
check((await text.inputValue()).endsWith('[servers.more]\nbacklog'), await text.inputValue());
await text.fill(written);
await until('as it was', async () => !await problem.isVisible());

// A slider, a fault that is dragged, a variant, a seed.
const slider = page.locator('input[data-path="clients.players.count"]');
await changes('a slider', async () => { await slider.focus(); for (let n = 0; n < 5; n++) await page.keyboard.press('ArrowLeft'); });
await until('its value', async () => Number(await slider.evaluate(one => one.nextElementSibling.textContent)) < 600);
const fault = page.locator('#raster rect.fault').first();
const box = await fault.boundingBox();
await changes('a fault that moves', async () => {
  await page.mouse.move(box.x + box.width / 2, box.y + 3);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2 + 80, box.y + 3, { steps: 4 });
  await page.mouse.up();
});
await until('its place', async () => (await fault.boundingBox()).x > box.x + 40);
await changes('a seed', () => page.locator('#seed').fill('7'));

// The sequence diagram of a session, by its dot.
await page.locator('#raster rect.open').nth(40).click({ force: true });
const diagram = page.locator('#diagram img');
await diagram.waitFor();
check(await diagram.evaluate(one => one.complete && one.naturalWidth > 100), 'the diagram');
check(/^players-\d+$/.test(await page.locator('#session').inputValue()), 'its name');
if (shots) await page.screenshot({ path: `${shots}/studio-diagram.png` });
await page.keyboard.press('Escape');

// Two choices on the same seeds.
await page.locator('#side-1').click();
await changes('a variant', () => page.locator('#variant').selectOption('no-jitter'));
await page.locator('#seeds').fill('2');
await page.locator('#compare').click();
await until('a comparison', async () => /compared/.test(await state.innerText()));
await until('its report', async () => /choice-a/.test(await report().locator('body').innerText()) && /choice-b/.test(await report().locator('body').innerText()));
if (shots) await page.screenshot({ path: `${shots}/studio-compare.png` });

// Saved, and nothing is replaced unasked.
const file = `${folder}/failover.toml`, kept = readFileSync(file, 'utf8');
let said = 0, answer = false;
page.on('dialog', dialog => { said++; answer ? dialog.accept() : dialog.dismiss(); });
await page.locator('#side-0').click();
await until('a run', async () => /ran in/.test(await state.innerText()));
await page.locator('#name').fill('tried');
await page.locator('#keep').click();
await until('a variant of the text', async () => /\[variants\."?tried"?\]/.test(await text.inputValue()));
await until('its run', async () => await page.locator('#variant').inputValue() === 'tried');
await page.locator('#save').click();
await until('a question', () => said === 1);
check(readFileSync(file, 'utf8') === kept, 'not replaced');
answer = true;
await page.locator('#save').click();
await until('saved', async () => /saved/.test(await state.innerText()));
check(readFileSync(file, 'utf8').includes('clients.players.count'), 'with the variant');
await page.locator('#save-report').click();
await until('the report', () => existsSync(`${folder}/failover.html`));
await page.locator('#file').fill('../outside.toml');
await page.locator('#save').click();
await until('no file outside', async () => /no file below/.test(await problem.innerText()));
writeFileSync(file, kept);

check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no wider than the window');
if (shots) await page.screenshot({ path: `${shots}/studio.png` });
assert.deepEqual(wrong, []);
await browser.close();
console.log(`studio: ${checks} checks passed`);
