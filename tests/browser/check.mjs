// Uses report.html as a reader would: node check.mjs PAGE..., named by the folders that they are in.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const shots = process.env.SHOTS;
if (shots) mkdirSync(shots, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || undefined, args: ['--no-sandbox'] });
let checks = 0;
const check = (condition, what) => { assert.ok(condition, what); checks++; };

const open = async (path, options) => {
  const context = await browser.newContext({ offline: true, reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  const wrong = [];
  page.on('console', message => { if (['error', 'warning'].includes(message.type())) wrong.push(message.text()); });
  page.on('pageerror', error => wrong.push(String(error)));
  page.on('request', request => { if (!/^(file|data):/.test(request.url())) wrong.push(`loads ${request.url()}`); });
  await page.goto(pathToFileURL(resolve(path)).href);
  return { context, page, wrong };
};

// Every chart is there, with something in it.
const drawn = async (page, name) => {
  const figures = page.locator('figure[data-chart]');
  const count = await figures.count();
  check(count > 0, `${name}: charts`);
  const marks = await figures.evaluateAll(all => all.map(one => [one.dataset.chart, one.querySelectorAll('svg path, svg rect').length]));
  for (const [chart, number] of marks) check(number > 0, `${name}: ${chart} is empty`);
  return count;
};

const hovered = async (page, name) => {
  const plot = page.locator('figure[data-chart] .plot').first();
  await plot.scrollIntoViewIfNeeded();
  // A chart over x shows values anywhere; bars and maps where one is.
  const own = await plot.evaluate(one => one.previousElementSibling?.classList.contains('legend'));
  const box = await (own ? plot : plot.locator('svg rect').nth(1)).boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.5);
  const tip = plot.locator('.tip');
  check(await tip.isVisible(), `${name}: no values under the pointer, over ${await page.evaluate(() => location.pathname)}`);
  check(/\d/.test(await tip.innerText()), `${name}: values without a number`);
  const place = await tip.boundingBox();
  check(place.x >= 0 && place.x + place.width <= page.viewportSize().width + 1, `${name}: values beyond the page's edge`);
  await page.mouse.move(2, 2);
  check(!(await tip.isVisible()), `${name}: values stay`);
};

// The cursor is in every chart over time, values stand in their legends.
const linked = async (page) => {
  const plot = page.locator('figure[data-chart=sessions] .plot');
  await plot.focus();
  for (const key of ['Home', 'ArrowRight', 'ArrowRight', 'End', 'ArrowLeft']) await page.keyboard.press(key);
  check(await plot.locator('.tip').isVisible(), 'the keyboard moves the cursor');
  check(/open/.test(await page.locator('#live').innerText()), 'the cursor is told to those who do not see it');
  const cursors = await page.locator('figure[data-chart] g.cursor').evaluateAll(all => all.filter(one => one.childElementCount > 0).length);
  check(cursors >= 5, `linked cursors: ${cursors}`);
  check(/\d/.test(await page.locator('figure[data-chart=attempts] .legend b').first().innerText()), 'values in the legend');
  await page.keyboard.press('Escape');
  check(!(await plot.locator('.tip').isVisible()), 'Escape takes it away');
};

const toggled = async (page, name) => {
  const figure = page.locator('figure[data-chart]:has(.legend:not([hidden]) button:nth-child(2))').first();
  const paths = () => figure.locator('svg path').count();
  const before = await paths(), button = figure.locator('.legend button').first();
  await button.click();
  check(await button.getAttribute('aria-pressed') === 'false', `${name}: the legend's button is not pressed`);
  check(await paths() < before, `${name}: the line stays`);
  await button.click();
  check(await paths() === before, `${name}: the line does not come back`);
};

const sorted = async (page, name) => {
  const table = page.locator('table.data:has(tbody tr:nth-child(2)):has(td[data-v])').first();
  const column = await table.evaluate(one => [...one.tBodies[0].rows[0].cells].findIndex(cell => cell.dataset.v !== undefined));
  const head = table.locator('th').nth(column);
  const values = () => table.evaluate((one, column) => [...one.tBodies[0].rows].map(row => row.cells[column].dataset.v).filter(value => value !== undefined).map(Number), column);
  const ordered = (all, sign) => all.every((value, n) => n === 0 || (value - all[n - 1]) * sign >= 0);
  await head.locator('button').click();
  check(await head.getAttribute('aria-sort') === 'descending' && ordered(await values(), -1), `${name}: largest first`);
  await head.locator('button').focus();
  await page.keyboard.press('Enter');
  check(await head.getAttribute('aria-sort') === 'ascending' && ordered(await values(), 1), `${name}: smallest first`);
};

const themed = async (page, name, scheme) => {
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const bright = color => color.match(/\d+/g).slice(0, 3).reduce((sum, one) => sum + Number(one), 0) > 380;
  const first = await paper();
  check(bright(first) === (scheme === 'light'), `${name}: the system's theme, ${scheme}, is ${first}`);
  await page.locator('button.theme').click();
  check(bright(await paper()) !== bright(first), `${name}: the other theme`);
  await page.locator('button.theme').click();
  check(await paper() === first, `${name}: and back`);
};

// A drawing of who connects to whom, with the fault marked; lines with their names; a zoom to the fault, and back.
const pictured = async (page) => {
  check(await page.locator('.topology .node').count() >= 2, 'the topology has nodes');
  check(await page.locator('.topology .cross').count() >= 1, 'the fault is marked in the topology');
  check(/gateway-0 crashed/.test(await page.locator('.topology').textContent()), 'the topology says what is struck');
  const sessions = page.locator('figure[data-chart=sessions] svg').first();
  const texts = () => sessions.locator('text').allTextContents();
  check((await texts()).includes('lowest') && !(await page.locator('figure[data-chart=sessions] .legend').isVisible()), 'lines have their names');
  const whole = await texts(), button = page.locator('.zoom button').nth(1);
  await button.focus();
  await page.keyboard.press('Enter');
  check(await button.getAttribute('aria-pressed') === 'true' && (await texts()).join() !== whole.join(), 'a zoom to the fault');
  await page.locator('figure[data-chart=sessions] .plot').focus();
  await page.keyboard.press('Home');
  const begin = await page.evaluate(() => JSON.parse(document.getElementById('data').textContent).faults[0].from / 1e3);
  const told = parseFloat(await page.locator('figure[data-chart=sessions] .tip strong').innerText());
  check(told > 0 && told <= begin, `the cursor is within the zoom: ${told}`);
  await page.keyboard.press('Escape');
  await page.locator('.zoom button').first().click();
  check((await texts()).join() === whole.join(), 'and back');
};

// Lines of a chart are told apart, also by those who see some colours as one (Machado, Oliveira and Fernandes 2009).
const apart = async (page, what) => {
  const charts = await page.evaluate(() => {
    const css = getComputedStyle(document.documentElement);
    const all = JSON.parse(document.getElementById('data').textContent).charts;
    const lines = chart => (chart.series || []).filter(line => ['line', 'area'].includes(line.style));
    return Object.entries(all).map(([name, chart]) => [name, lines(chart).map(line => css.getPropertyValue('--' + line.color).trim())]);
  });
  const sight = {
    normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  };
  const lab = (hex, matrix) => {
    const wide = hex.length === 4 ? hex.replace(/[^#]/g, '$&$&') : hex;
    const light = [1, 3, 5].map(at => parseInt(wide.slice(at, at + 2), 16) / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = matrix.map(row => Math.min(1, Math.max(0, row[0] * light[0] + row[1] * light[1] + row[2] * light[2])));
    const [x, y, z] = [(0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505, 0.2126 * r + 0.7152 * g + 0.0722 * b, (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089].map(t => t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
  };
  for (const [name, colors] of charts) for (const [who, matrix] of Object.entries(sight)) {
    const all = colors.map(color => lab(color, matrix));
    all.forEach((one, n) => all.slice(0, n).forEach((other, m) => {
      const far = Math.hypot(...one.map((value, i) => value - other[i]));
      check(far >= (who === 'normal' ? 25 : 15), `${what}: ${name}: ${colors[n]} and ${colors[m]} are alike with ${who} sight: ${far.toFixed(1)}`);
    }));
  }
};

// Pictures that were drawn as files are of the page's theme.
const followed = async (page, what, scheme) => {
  const image = page.locator('figure img').first();
  await image.scrollIntoViewIfNeeded();
  const shot = (await image.screenshot()).toString('base64');
  const bright = await page.evaluate(async data => {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(data), c => c.charCodeAt(0))], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height), context = canvas.getContext('2d');
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(4, bitmap.height >> 1, 1, 1).data.slice(0, 3).reduce((sum, one) => sum + one, 0) > 380;
  }, shot);
  check(bright === (scheme === 'light'), `${what}: an embedded picture has another theme`);
};

for (const path of process.argv.slice(2)) {
  const name = basename(dirname(path));
  let charts;
  for (const scheme of ['light', 'dark']) {
    for (const width of [1280, 390]) {
      const { context, page, wrong } = await open(path, { colorScheme: scheme, viewport: { width, height: 900 } });
      const what = `${name} ${scheme} ${width}`;
      charts = await drawn(page, what);
      const room = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      check(room[0] <= room[1], `${what}: wider than the window: ${room}`);
      await hovered(page, what);
      await themed(page, what, scheme);
      if (width === 1280) {
        await apart(page, what);
        if (await page.locator('figure img').count()) await followed(page, what, scheme);
      }
      if (width === 1280 && scheme === 'light') {
        if (await page.locator('.legend:not([hidden]) button:nth-child(2)').count()) await toggled(page, what);
        await sorted(page, what);
        if (name === 'run') {
          await linked(page);
          await pictured(page);
          check(await page.locator('details[data-exemplar] .diagram svg').count() === 1, 'the first sequence diagram is open');
          await page.locator('details[data-exemplar] summary').nth(1).click();
          await page.locator('details[data-exemplar] .diagram svg').nth(1).waitFor();
          check(await page.locator('#data').evaluate(one => one.textContent.length) > 1000, 'data');
        }
        // Everything that can be used can be reached.
        const unreachable = await page.evaluate(() => [...document.querySelectorAll('button, summary, .legend ~ .plot, .scroll, details pre')].filter(one => one.tabIndex < 0).length);
        check(unreachable === 0, `${what}: ${unreachable} can't be reached by keyboard`);
      }
      await page.evaluate(() => scrollTo(0, 0));
      if (shots) await page.screenshot({ path: `${shots}/${name}-${scheme}-${width}.png`, fullPage: true });
      assert.deepEqual(wrong, [], what);
      await context.close();
    }
  }
  const { context, page, wrong } = await open(path, { colorScheme: 'dark', viewport: { width: 800, height: 1100 } });
  await page.emulateMedia({ media: 'print' });
  const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  check(paper === 'rgb(255, 255, 255)', `${name}: paper is white, whatever the theme: ${paper}`);
  // A page of A4 has 718 pixels beside its margins: no text of a chart is below 7 points there.
  await page.setViewportSize({ width: 718, height: 1100 });
  // Charts are drawn anew for the new width a moment later.
  const smallest = () => page.evaluate(() => Math.min(...[...document.querySelectorAll('figure[data-chart] .plot > svg')].map(svg => {
    const text = svg.querySelector('text');
    return text ? parseFloat(getComputedStyle(text).fontSize) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 99;
  })));
  const least = 7 * 96 / 72;
  for (let tries = 0; tries < 40 && await smallest() < least; tries++) await page.waitForTimeout(50);
  check(await smallest() >= least, `${name}: text of charts is small on paper: ${await smallest()} px`);
  const pdf = await page.pdf({ format: 'A4', printBackground: false });
  check(pdf.length > 10_000, `${name}: prints`);
  if (shots) {
    await page.screenshot({ path: `${shots}/${name}-print.png`, fullPage: true });
    (await import('node:fs')).writeFileSync(`${shots}/${name}.pdf`, pdf);
  }
  assert.deepEqual(wrong, [], `${name} in print`);
  await context.close();
  console.log(`${name}: ${charts} charts, well in both themes, at 1280 and 390, and in print`);
}
await browser.close();
console.log(`tests/browser: ${checks} checks held`);
