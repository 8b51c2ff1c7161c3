(() => {
'use strict';
const begin = JSON.parse(document.getElementById('begin').textContent);
const by = id => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';
const make = (name, attributes, parent, text, space) => {
  const element = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.appendChild(element);
  return element;
};
const text = by('text'), state = by('state');
text.value = begin.text;
by('file').value = begin.file;

// Two choices, of which one is edited: a variant, and what is set on top of it.
const choices = [{ variant: null, sets: {} }, { variant: null, sets: {} }];
let side = 0, seed = null, last = null, report = null, compared = false;
const asked = choice => ({ variant: choice.variant, sets: Object.entries(choice.sets).map(([path, value]) => `${path}=${value}`) });
const ask = async (what, body) => {
  const response = await fetch('do/' + what, { method: 'POST', body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`the studio answered ${response.status}`);
  return response.json();
};
const whole = () => ({ text: text.value, choice: asked(choices[side]), seed });

// Line numbers; the one that is wrong stands out.
let wrong = null;
const number = () => {
  const lines = by('lines');
  lines.replaceChildren();
  const count = text.value.split('\n').length;
  for (let n = 1; n <= count; n++) make('span', n === wrong ? { class: 'bad' } : {}, lines, n + '\n');
  lines.scrollTop = text.scrollTop;
};
text.addEventListener('scroll', () => { by('lines').scrollTop = text.scrollTop; });
const offset = (line, column) => text.value.split('\n').slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + column - 1;

const complain = answer => {
  const box = by('problem');
  wrong = answer && answer.place ? answer.place.line : null;
  box.hidden = !answer;
  box.replaceChildren();
  if (answer) {
    const where = answer.place ? `line ${answer.place.line}, column ${answer.place.column}: ` : '';
    make('span', {}, box, where + answer.message + (answer.help ? `\nhelp: ${answer.help}` : ''));
    if (answer.place) {
      const button = make('button', { type: 'button' }, box, 'Show');
      button.addEventListener('click', () => {
        const from = offset(answer.place.line, answer.place.column);
        text.focus();
        text.setSelectionRange(from, from + answer.place.length);
        text.scrollTop = Math.max(0, (answer.place.line - 6) * 19.5);
      });
    }
  }
  number();
};

// The report's page comes in a frame behind the one that is shown, and takes its place when it is drawn.
const show = number => {
  const place = by('reports'), old = place.querySelector('iframe:not(.next)');
  place.querySelectorAll('iframe.next').forEach(one => one.remove());
  const frame = make('iframe', { class: 'next', title: 'report', src: 'report/' + number }, place);
  frame.addEventListener('load', () => {
    if (!frame.isConnected) return;
    if (old) frame.contentWindow.scrollTo(0, old.contentWindow.scrollY);
    frame.classList.remove('next');
    if (old) old.remove();
  });
};

const run = async () => {
  state.textContent = 'running…';
  let answer;
  try { answer = await ask('run', whole()); } catch (error) { answer = { message: error.message }; }
  if (answer.overtaken) return;
  if (!answer.ok) { state.textContent = 'not run'; return complain(answer); }
  complain(null);
  last = answer; compared = false; report = answer.report;
  state.textContent = `${answer.passed ? 'passed' : 'FAILED'} · ran in ${answer.took_ms.toFixed(0)} ms`;
  state.dataset.digest = answer.digest;
  if (document.activeElement !== by('seed')) by('seed').value = answer.seed;
  variants(answer.variants); knobs(answer.knobs); raster(answer);
  show(answer.report);
};
let timer;
const soon = (after = 150) => { clearTimeout(timer); timer = setTimeout(run, after); };
text.addEventListener('input', () => { number(); soon(); offer(); });
by('seed').addEventListener('input', event => { seed = event.target.value === '' ? null : Number(event.target.value); soon(); });

const variants = names => {
  const select = by('variant'), own = choices[side].variant;
  select.replaceChildren();
  make('option', { value: '' }, select, 'as written');
  names.forEach(name => make('option', { value: name }, select, name));
  select.value = own || '';
};
by('variant').addEventListener('change', event => { choices[side].variant = event.target.value || null; soon(0); });
[0, 1].forEach(n => by('side-' + n).addEventListener('click', () => {
  side = n;
  [0, 1].forEach(m => by('side-' + m).setAttribute('aria-pressed', String(m === n)));
  by('knobs').replaceChildren();
  soon(0);
}));
by('reset').addEventListener('click', () => { choices[side] = { variant: null, sets: {} }; by('knobs').replaceChildren(); soon(0); });

// A slider goes from a quarter of a number to four times it.
const rounded = (value, whole) => whole ? Math.round(value) : Number(value.toPrecision(3));
const written = (value, unit) => unit ? JSON.stringify(value + unit) : String(value);
const knobs = all => {
  const place = by('knobs');
  const known = new Map([...place.querySelectorAll('input')].map(input => [input.dataset.path, input]));
  for (const knob of all) {
    const old = known.get(knob.path), set = choices[side].sets[knob.path] !== undefined;
    if (old) {
      known.delete(knob.path);
      if (document.activeElement !== old) { old.dataset.base = knob.value || 1; old.value = 0; }
      old.nextElementSibling.textContent = knob.value + knob.unit;
      old.previousElementSibling.classList.toggle('set', set);
      continue;
    }
    const id = 'knob-' + knob.path;
    make('label', { for: id, class: set ? 'set' : '' }, place, knob.path);
    const input = make('input', { id, type: 'range', min: -2, max: 2, step: 0.02, value: 0, 'data-path': knob.path, 'data-base': knob.value || 1 }, place);
    const output = make('output', { for: id }, place, knob.value + knob.unit);
    input.addEventListener('input', () => {
      const value = rounded(Number(input.dataset.base) * Math.pow(2, Number(input.value)), knob.whole);
      output.textContent = value + knob.unit;
      choices[side].sets[knob.path] = written(value, knob.unit);
      soon(40);
    });
  }
  known.forEach(input => { input.previousElementSibling.remove(); input.nextElementSibling.remove(); input.remove(); });
};

// Sessions over time, with the faults behind them.
let dragged = null;
const raster = ({ raster: { sessions, dots, end }, faults }) => {
  if (dragged) return;
  const svg = by('raster'), rows = Math.max(1, sessions.length);
  svg.replaceChildren();
  const x = ms => ms / end * 1000, y = row => 4 + (row + 0.5) / rows * 192;
  for (const fault of faults) {
    const from = x(fault.from_ms), until = x(fault.until_ms ?? end);
    const box = make('rect', { class: 'fault', 'data-fault': fault.name, x: from, y: 0, width: Math.max(2, until - from), height: 200 }, svg, undefined, SVG);
    make('title', {}, box, fault.name, SVG);
    make('rect', { class: 'edge', 'data-fault': fault.name, 'data-edge': '1', x: Math.max(from, until - 3), y: 0, width: 4, height: 200 }, svg, undefined, SVG);
  }
  for (const [ms, row, what] of dots) {
    make('rect', { class: what, x: x(ms) - 1.5, y: y(row) - 1.5, width: 3.5, height: 3.5, 'data-session': sessions[row] }, svg, undefined, SVG);
  }
  if (!by('session').value && sessions.length) by('session').value = sessions[0];
};
by('raster').addEventListener('click', event => {
  const session = event.target.dataset.session;
  if (!session) return;
  by('session').value = session;
  draw();
});
by('raster').addEventListener('pointerdown', event => {
  const name = event.target.dataset.fault;
  if (!name || !last) return;
  const fault = last.faults.find(one => one.name === name);
  dragged = { fault, edge: event.target.dataset.edge, from: event.clientX };
  by('raster').setPointerCapture(event.pointerId);
  event.preventDefault();
});
by('raster').addEventListener('pointermove', event => {
  if (!dragged) return;
  const { fault, edge, from } = dragged, end = last.raster.end;
  const by_ms = (event.clientX - from) / event.currentTarget.getBoundingClientRect().width * end;
  const seconds = ms => JSON.stringify(Number((ms / 1000).toPrecision(4)) + 's');
  const sets = choices[side].sets, length = (fault.until_ms ?? end) - fault.from_ms;
  const box = [...event.currentTarget.querySelectorAll('.fault')].find(one => one.dataset.fault === fault.name);
  if (edge) box.setAttribute('width', Math.max(2, (length + by_ms) / end * 1000));
  else box.setAttribute('x', Math.max(0, fault.from_ms + by_ms) / end * 1000);
  if (edge) {
    if (last.knobs.some(knob => knob.path === `faults.${fault.name}.for`)) sets[`faults.${fault.name}.for`] = seconds(Math.max(1, length + by_ms));
  } else {
    sets[`faults.${fault.name}.at`] = seconds(Math.min(Math.max(0, fault.from_ms + by_ms), end - 1));
  }
  soon(60);
});
const dropped = () => { if (dragged) { dragged = null; soon(0); } };
by('raster').addEventListener('pointerup', dropped);
by('raster').addEventListener('pointercancel', dropped);

const draw = async () => {
  const answer = await ask('session', { ...whole(), session: by('session').value.trim() });
  if (!answer.ok) return answer.overtaken ? undefined : complain(answer);
  const place = by('diagram').querySelector('div');
  place.replaceChildren();
  make('img', { alt: 'sequence diagram of ' + by('session').value, src: 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(answer.svg) }, place);
  by('diagram').showModal();
};
by('draw').addEventListener('click', draw);
by('diagram').querySelector('button').addEventListener('click', () => by('diagram').close());

by('compare').addEventListener('click', async () => {
  state.textContent = 'comparing…';
  const answer = await ask('compare', { text: text.value, choices: choices.map(asked), seeds: Number(by('seeds').value) || 5 });
  if (answer.overtaken) return;
  if (!answer.ok) { state.textContent = 'not compared'; return complain(answer); }
  complain(null);
  compared = true; report = answer.report;
  state.textContent = `compared in ${answer.took_ms.toFixed(0)} ms`;
  show(answer.report);
});

// Nothing is replaced unasked.
const save = async body => {
  let answer = await ask('save', body);
  if (answer.exists && confirm(`${body.path} is there already. Replace it?`)) answer = await ask('save', { ...body, replace: true });
  if (answer.exists) return;
  if (!answer.ok) return complain(answer);
  state.textContent = `saved ${answer.path}`;
};
by('save').addEventListener('click', () => save({ path: by('file').value, text: text.value }));
by('save-report').addEventListener('click', () => {
  const path = by('file').value.replace(/\.toml$/, '') + (compared ? '-compared.html' : '.html');
  save({ path, report });
});
by('keep').addEventListener('click', async () => {
  const name = by('name').value.trim();
  const answer = await ask('variant', { text: text.value, name, choice: asked(choices[side]) });
  if (!answer.ok) return complain(answer);
  text.value = answer.text;
  choices[side] = { variant: name, sets: {} };
  number(); soon(0);
});

// Completion: Tab takes what is chosen, arrows choose, Escape puts it away; Ctrl+Space asks.
let offers = [], chosen = 0, waits;
const closed = () => { offers = []; by('offers').hidden = true; };
const listed = () => {
  const place = by('offers');
  place.replaceChildren();
  place.hidden = !offers.length;
  offers.forEach((one, n) => {
    const button = make('button', { type: 'button', role: 'option', tabindex: '-1', 'aria-selected': String(n === chosen) }, place, one.name);
    button.addEventListener('mousedown', event => { event.preventDefault(); chosen = n; take(); });
    if (n === chosen) button.scrollIntoView({ block: 'nearest' });
  });
  if (offers.length) make('p', {}, place, `Tab: ${offers[chosen].name} – ${offers[chosen].help}`);
};
const offer = (after = 120, always = false) => {
  clearTimeout(waits);
  waits = setTimeout(async () => {
    const before = text.value.slice(0, text.selectionStart), word = /[A-Za-z0-9_-]$/.test(before);
    if (!word && !always) return closed();
    const answer = await ask('complete', { before });
    if (before !== text.value.slice(0, text.selectionStart)) return;
    offers = answer.offered; chosen = 0;
    listed();
  }, after);
};
const take = () => {
  const at = text.selectionStart;
  text.setRangeText(offers[chosen].insert, at, at, 'end');
  closed(); number(); soon();
};
text.addEventListener('keydown', event => {
  if (event.key === ' ' && event.ctrlKey) { event.preventDefault(); return offer(0, true); }
  if (event.key === 's' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); return by('save').click(); }
  if (!offers.length) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) { event.preventDefault(); chosen = (chosen + step + offers.length) % offers.length; listed(); }
  else if (event.key === 'Tab') { event.preventDefault(); take(); }
  else if (event.key === 'Escape') closed();
});
text.addEventListener('blur', closed);
number();
run();
})();
