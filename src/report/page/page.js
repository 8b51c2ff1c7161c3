(() => {
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const SVG = 'http://www.w3.org/2000/svg';
const make = (name, attributes, parent, text) => {
  const element = document.createElement(name);
  return finish(element, attributes, parent, text);
};
const draw = (name, attributes, parent, text) => finish(document.createElementNS(SVG, name), attributes, parent, text);
const finish = (element, attributes, parent, text) => {
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.appendChild(element);
  return element;
};
const color = name => `var(--${name})`;

// Numbers for readers.
const digits = (value, most) => value.toLocaleString('en-US', { maximumFractionDigits: most });
const fixed = (value, count) => value.toLocaleString('en-US', { minimumFractionDigits: count, maximumFractionDigits: count });
const three = value => fixed(value, value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2);
const time = ms => {
  const size = Math.abs(ms);
  if (size === 0) return '0 ms';
  if (size < 0.9995e-3) return three(ms * 1e6) + ' ns';
  if (size < 0.9995) return three(ms * 1e3) + ' µs';
  if (size < 999.5) return three(ms) + ' ms';
  return three(ms / 1e3) + ' s';
};
const moment = ms => ms < 1e3 ? digits(ms, 3) + ' ms' : ms < 6e5 ? digits(ms / 1e3, 3) + ' s' : digits(ms / 6e4, 2) + ' min';
const percent = share => (share * 100).toLocaleString('en-US', { maximumFractionDigits: 2, roundingMode: 'halfEven' }) + ' %';
const FORMATS = {
  count: value => digits(value, value < 10 ? 2 : 1),
  rate: value => digits(value, value < 10 ? 2 : value < 1000 ? 1 : 0),
  ms: time,
  share: percent,
};
const short = value => value >= 1e6 ? digits(value / 1e6, 1) + 'M' : value >= 1e4 ? digits(value / 1e3, 1) + 'k' : digits(value, 2);
const step = least => {
  const power = Math.pow(10, Math.floor(Math.log10(least)));
  return [1, 2, 5, 10].map(m => m * power).find(s => s >= least * 0.999) || power * 10;
};

// Axes: from a value to a share of the axis, and the places that have a name.
const linear = (hi, ticks, label) => {
  const every = step(hi / ticks), all = [];
  for (let at = 0; at <= hi * 1.0001; at += every) all.push([at / hi, label(at)]);
  return { at: value => value / hi, ticks: all };
};
const timeAxis = (from, until, ticks) => {
  const [unit, ms] = until < 1e3 ? ['ms', 1] : until <= 6e5 ? ['s', 1e3] : until <= 3.6e7 ? ['min', 6e4] : ['h', 3.6e6];
  return { ...numberAxis(from / ms, until / ms, ticks, '', at => digits(at, 3)), at: value => (value - from) / (until - from), back: share => from + share * (until - from), name: `time since start (${unit})`, say: moment };
};
const percentileAxis = most => {
  const all = [[0, '0 %'], [Math.log10(2), '50 %']];
  for (let nines = 1; nines <= most; nines++) all.push([nines, nines < 3 ? ['90 %', '99 %'][nines - 1] : '99.' + '9'.repeat(nines - 2) + ' %']);
  const place = share => Math.min(-Math.log10(Math.max(1 - share, 1e-12)), most);
  return { at: share => place(share) / most, back: at => 1 - Math.pow(10, -at * most), ticks: all.map(([at, label]) => [at / most, label]), name: 'percentile', say: share => 'p' + digits(share * 100, 4) };
};
const numberAxis = (lo, hi, ticks, name, label = short) => {
  const every = step((hi - lo || 1) / ticks), all = [];
  for (let at = Math.ceil(lo / every) * every; at <= hi + every * 1e-6; at += every) all.push([(at - lo) / (hi - lo || 1), label(at)]);
  return { at: value => (value - lo) / (hi - lo || 1), back: share => lo + share * (hi - lo), ticks: all, name, say: short };
};
const yAxis = (kind, values, name) => {
  const most = values.reduce((a, b) => Math.max(a, b), 0);
  if (kind === 'share') {
    // Labels have two decimals: an axis that ends lower would repeat them.
    const top = most > 0.5 || most === 0 ? 1 : Math.max(most * 1.06, 0.001);
    return { ...linear(top, 5, at => percent(at)), name };
  }
  if (kind !== 'ms') {
    const hi = most > 0 ? most * 1.06 : 1;
    const axis = linear(hi, 5, short);
    return { ...axis, name };
  }
  const least = values.reduce((a, b) => b > 0 ? Math.min(a, b) : a, Infinity);
  let lo = Math.log10((least === Infinity ? 1 : least) * 0.9), hi = Math.log10((most || 10) * 1.1);
  if (hi - lo < 0.7) { const middle = (hi + lo) / 2; lo = middle - 0.35; hi = middle + 0.35; }
  const all = [];
  for (let decade = Math.floor(lo); decade <= hi; decade++) for (const m of hi - lo < 2.2 ? [1, 2, 5] : [1]) {
    const at = decade + Math.log10(m);
    if (at >= lo && at <= hi) all.push([(at - lo) / (hi - lo), time(m * Math.pow(10, decade))]);
  }
  return { at: value => value > 0 ? Math.max(0, (Math.log10(value) - lo) / (hi - lo)) : 0, ticks: all, name };
};

// One chart over x: lines, dashed lines, areas and stacks. Charts whose x means the same share a cursor. Lines have their
// names at their right end; stacked areas, and narrow charts, have a legend.
const LEFT = 62, RIGHT = 14, BOTTOM = 38, NARROW = 330, LETTER = 7.3, LINE = 15;
// The part of the run that charts over time show; none: all of it. On paper, charts have a width of their own.
let view = null, paper = false;
const PAPER = 345;
const charts = [];
const cursors = {};
const live = document.getElementById('live');

class Chart {
  constructor(figure, spec) {
    this.figure = figure; this.spec = spec; this.hidden = new Set();
    this.legend = make('div', { class: 'legend', role: 'group', 'aria-label': 'series of ' + spec.title }, figure);
    this.plot = make('div', { class: 'plot', tabindex: '0', role: 'img', 'aria-label': `${spec.title}. Left and right arrow keys move the cursor.` }, figure);
    this.tip = make('div', { class: 'tip', hidden: '' }, this.plot);
    this.keys = spec.series.map((series, n) => {
      const button = make('button', { type: 'button', 'aria-pressed': 'true' }, this.legend);
      const kind = series.style === 'stack' || series.style === 'range' ? 'fill' : series.style === 'dash' ? 'dash' : '';
      make('i', { class: kind, style: kind === 'fill' ? `background:${color(series.color)}` : `border-color:${color(series.color)}` }, button);
      make('span', {}, button, series.name);
      const value = make('b', {}, button);
      button.addEventListener('click', () => {
        this.hidden.has(n) ? this.hidden.delete(n) : this.hidden.add(n);
        button.setAttribute('aria-pressed', String(!this.hidden.has(n)));
        this.redraw();
      });
      return value;
    });
    this.plot.addEventListener('pointermove', event => this.pointed(event));
    this.plot.addEventListener('pointerdown', event => this.pointed(event));
    this.plot.addEventListener('pointerleave', () => move(this, null));
    this.plot.addEventListener('blur', () => move(this, null));
    this.plot.addEventListener('keydown', event => this.key(event));
    this.width = 0;
  }
  xs(series) { return series.x || data.times || []; }
  // Where a value of an interval stands: at its end, or in its middle.
  place(series, n) {
    const xs = this.xs(series);
    return this.spec.mid && !series.x ? (xs[n] + (n ? xs[n - 1] : 0)) / 2 : xs[n];
  }
  shown() { return this.spec.series.map((series, n) => [series, n]).filter(([, n]) => !this.hidden.has(n)); }
  redraw() {
    const spec = this.spec, width = paper ? PAPER : Math.max(260, this.plot.clientWidth || 600), height = spec.tall ? 330 : 250;
    this.width = width;
    const isTime = spec.x.type === 'time', from = isTime && view ? view.from : 0, until = isTime ? view ? view.until : spec.x.end : Infinity;
    this.isSeen = (series, n) => { const x = this.xs(series)[n]; return !isTime || (x >= from && x <= until); };
    const svg = draw('svg', { viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' });
    const visible = this.shown();
    this.stacks = new Map();
    let values = [];
    const sum = [];
    for (const [series, n] of visible) {
      if (series.style === 'stack') {
        const top = series.y.map((value, i) => (sum[i] = (sum[i] || 0) + (value || 0)));
        this.stacks.set(n, top);
        values = values.concat(top.filter((_, i) => this.isSeen(series, i)));
      } else {
        for (const of of [series.y, series.low || []]) of.forEach((value, i) => { if (value !== null && this.isSeen(series, i)) values.push(value); });
      }
    }
    if (spec.bound) values.push(spec.bound.at);
    this.direct = width >= NARROW && spec.series.every(series => series.style !== 'stack');
    this.legend.hidden = this.direct;
    const letters = spec.series.filter(series => series.style !== 'range').map(series => series.name.length);
    this.beside = this.direct ? Math.min(width * 0.36, Math.max(...letters, spec.bound ? spec.bound.name.length : 7) * LETTER + 22) : RIGHT;
    const inner = width - LEFT - this.beside, ticks = Math.max(3, Math.floor(inner / 70));
    const within = mark => mark.from < until && (mark.until === null || mark.until >= from);
    const marks = spec.marks ? (data.faults || []).filter(within) : [], phases = spec.marks ? (data.phases || []).filter(within) : [];
    const top = 10 + (marks.length ? 16 : 0) + (phases.length ? 16 : 0) + (spec.knee ? 8 : 0), deep = height - BOTTOM - top;
    const X = isTime ? timeAxis(from, until, ticks) : spec.x.type === 'percentile' ? percentileAxis(spec.x.most) : numberAxis(spec.x.from, spec.x.until, ticks, spec.x.name);
    const Y = yAxis(spec.y.type, values, spec.y.name);
    this.X = X; this.Y = Y; this.box = { inner, top, deep, height, width };
    const px = value => LEFT + Math.min(isTime && view ? 3 : 1, Math.max(isTime && view ? -2 : 0, X.at(value))) * inner, py = value => top + (1 - Math.min(1, Math.max(0, Y.at(value)))) * deep;
    this.px = px; this.py = py;
    // Phases, and above them faults: each shaded, with its name above.
    const shade = (all, ink, opacity, y) => {
      let said = -Infinity;
      for (const mark of all) {
        const from = Math.max(LEFT, px(mark.from)), until = mark.until === null ? LEFT + inner : Math.min(LEFT + inner, px(mark.until));
        draw('rect', { x: from, y: top, width: Math.max(1.5, until - from), height: deep, fill: color(ink), opacity }, svg);
        draw('line', { x1: from, x2: from, y1: y, y2: top + deep, stroke: color(ink), opacity: '.6' }, svg);
        if (from > said && from < LEFT + inner) {
          const name = mark.name.length > (width - from) / 7 ? '' : mark.name;
          draw('text', { x: from + 3, y, style: `fill:${color(ink)}` }, svg, name);
          said = from + name.length * 7 + 8;
        }
      }
    };
    shade(phases, 'rule', '.1', top - 4);
    shade(marks, 'fault', '.13', top - (phases.length ? 20 : 4));
    for (const [at, label] of Y.ticks) {
      const y = top + (1 - at) * deep;
      draw('line', { x1: LEFT, x2: LEFT + inner, y1: y, y2: y, stroke: color('grid') }, svg);
      draw('text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, svg, label);
    }
    let last = -Infinity;
    for (const [at, label] of X.ticks) {
      const x = LEFT + at * inner;
      draw('line', { x1: x, x2: x, y1: top, y2: top + deep, stroke: color('faint') }, svg);
      if (x - last > label.length * 7 + 4) { draw('text', { x, y: top + deep + 16, 'text-anchor': 'middle' }, svg, label); last = x; }
    }
    draw('line', { x1: LEFT, x2: LEFT + inner, y1: top + deep, y2: top + deep, stroke: color('rule') }, svg);
    draw('text', { x: LEFT + inner / 2, y: height - 4, 'text-anchor': 'middle' }, svg, X.name);
    if (spec.knee !== undefined) {
      const x = px(spec.knee.at), left = x > LEFT + inner / 2;
      draw('line', { x1: x, x2: x, y1: top, y2: top + deep, stroke: color('vermillion'), 'stroke-dasharray': '4 3' }, svg);
      draw('text', { x: x + (left ? -5 : 5), y: top - 1, 'text-anchor': left ? 'end' : 'start', class: 'ink' }, svg, spec.knee.name);
    }
    if (spec.bound) {
      const y = py(spec.bound.at);
      draw('line', { x1: LEFT, x2: LEFT + inner, y1: y, y2: y, stroke: color('fault'), 'stroke-dasharray': '7 4', 'stroke-width': 1.6 }, svg);
    }
    // What is beyond the edges is cut off. What is lowest in a stack is drawn last, over the others' lower part.
    const inside = draw('svg', { x: LEFT, y: top - 3, width: inner, height: deep + 6, viewBox: `${LEFT} ${top - 3} ${inner} ${deep + 6}` }, svg);
    for (const [series, n] of visible.slice().reverse()) if (series.style === 'stack') this.stair(inside, series, this.stacks.get(n));
    for (const [series] of visible) if (series.style !== 'stack') this.line(inside, series);
    this.name(svg, visible);
    if (!values.length) draw('text', { x: LEFT + inner / 2, y: top + deep / 2, 'text-anchor': 'middle' }, svg, 'nothing to show');
    this.cursor = draw('g', { class: 'cursor' }, svg);
    if (this.svg) this.svg.remove();
    this.svg = svg;
    this.plot.insertBefore(svg, this.tip);
    this.at(cursors[this.link()], false);
  }
  // Names beside the lines' right ends, apart from each other. The cursor puts values in their place.
  name(svg, visible) {
    this.labels = new Map();
    if (!this.direct) return;
    const all = [];
    for (const [series, n] of visible) {
      if (series.style === 'range') continue;
      let at = series.y.length - 1;
      while (at >= 0 && (series.y[at] === null || !this.isSeen(series, at))) at--;
      if (at >= 0) all.push({ series, n, own: this.py(series.y[at]), x: this.px(this.place(series, at)) });
    }
    const bound = this.spec.bound;
    if (bound) all.push({ series: { name: bound.name, color: 'fault', style: 'dash' }, n: -1, own: this.py(bound.at), x: Infinity });
    all.sort((a, b) => a.own - b.own);
    const { top, deep, inner } = this.box;
    all.forEach((one, n) => { one.y = Math.max(one.own, n ? all[n - 1].y + LINE : top + 4); });
    for (let n = all.length - 1, most = top + deep; n >= 0; n--, most -= LINE) all[n].y = Math.min(all[n].y, most);
    for (const { series, n, own, x, y } of all) {
      const begin = LEFT + inner + 6, ink = color(series.color);
      // A line that ends early is led to its name by dots.
      if (x < LEFT + inner - 4) draw('line', { x1: x + 4, x2: LEFT + inner, y1: own, y2: own, stroke: ink, 'stroke-dasharray': '1 5', opacity: '.7' }, svg);
      draw('path', { d: `M${LEFT + inner},${own}L${begin},${y}h8`, fill: 'none', stroke: ink, 'stroke-width': 2, opacity: '.75', ...(series.style === 'dash' ? { 'stroke-dasharray': '3 2' } : {}) }, svg);
      const fits = Math.floor((this.beside - 20) / LETTER), name = series.name.length > fits ? series.name.slice(0, fits - 1) + '…' : series.name;
      const text = draw('text', { x: begin + 11, y: y + 4, class: 'ink' }, svg, name);
      this.labels.set(n, { text, name });
    }
  }
  stair(svg, series, tops) {
    const xs = this.xs(series), base = this.box.top + this.box.deep;
    let path = `M${this.px(0).toFixed(1)},${base}`, before = 0;
    tops.forEach((value, i) => { path += `L${this.px(before).toFixed(1)},${this.py(value).toFixed(1)}L${this.px(xs[i]).toFixed(1)},${this.py(value).toFixed(1)}`; before = xs[i]; });
    draw('path', { d: `${path}L${this.px(before).toFixed(1)},${base}Z`, fill: color(series.color) }, svg);
  }
  line(svg, series) {
    const runs = [[]];
    series.y.forEach((value, n) => value === null ? runs.push([]) : runs[runs.length - 1].push([this.px(this.place(series, n)), this.py(value), n]));
    const shape = points => points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join('L');
    if (series.low) {
      const back = series.low.map((value, n) => value === null ? null : [this.px(this.place(series, n)), this.py(value)]).filter(Boolean).reverse();
      draw('path', { d: `M${shape(runs.flat())}L${shape(back)}Z`, fill: color(series.color), opacity: '.22' }, svg);
      if (series.style === 'range') return;
    }
    for (const run of runs) {
      if (run.length > 1) {
        if (series.style === 'area') draw('path', { d: `M${run[0][0].toFixed(1)},${this.box.top + this.box.deep}L${shape(run)}L${run[run.length - 1][0].toFixed(1)},${this.box.top + this.box.deep}Z`, fill: color(series.color), opacity: '.2' }, svg);
        // A piece is faint where few samples say where its end is.
        const pieces = [];
        run.forEach((point, i) => {
          const faint = Boolean(i && series.few && series.few[point[2]]), last = pieces[pieces.length - 1];
          if (!i) return;
          if (last && last.faint === faint) last.points.push(point); else pieces.push({ faint, points: [run[i - 1], point] });
        });
        for (const { faint, points } of pieces) draw('path', { d: 'M' + shape(points), fill: 'none', stroke: color(series.color), 'stroke-width': series.style === 'dash' || faint ? 1.5 : 2, 'stroke-linejoin': 'round', ...(faint ? { opacity: '.28' } : {}), ...(series.style === 'dash' ? { 'stroke-dasharray': '6 4' } : {}) }, svg);
      }
      if (run.length === 1 || this.spec.dots) for (const [x, y, n] of run) draw('circle', { cx: x, cy: y, r: 2.6, fill: color(series.color), ...(series.few && series.few[n] ? { opacity: '.28' } : {}) }, svg);
    }
  }
  link() { return this.spec.x.type === 'time' ? 'time' : this.spec.id; }
  nearest(series, value) {
    const xs = this.xs(series);
    let low = 0, high = xs.length - 1;
    if (high < 0) return -1;
    while (low < high) { const middle = (low + high) >> 1; xs[middle] < value ? low = middle + 1 : high = middle; }
    // A value of an interval belongs to all of it; others to the nearest.
    if (!series.x) return low;
    return low > 0 && Math.abs(this.X.at(xs[low - 1]) - this.X.at(value)) < Math.abs(this.X.at(xs[low]) - this.X.at(value)) ? low - 1 : low;
  }
  pointed(event) {
    const box = this.svg.getBoundingClientRect(), scale = this.box.width / box.width;
    const share = ((event.clientX - box.left) * scale - LEFT) / this.box.inner;
    move(this, share < -0.02 || share > 1.02 ? null : this.X.back(Math.min(1, Math.max(0, share))));
  }
  key(event) {
    const first = this.shown()[0];
    if (!first || !['ArrowLeft', 'ArrowRight', 'Home', 'End', 'Escape'].includes(event.key)) return;
    event.preventDefault();
    if (event.key === 'Escape') return move(this, null);
    const xs = this.xs(first[0]), now = cursors[this.link()];
    const at = now === undefined || now === null ? -1 : this.nearest(first[0], now);
    const isTime = this.spec.x.type === 'time', begin = isTime && view ? this.nearest(first[0], view.from) : 0;
    const to = event.key === 'Home' ? begin : event.key === 'End' ? isTime && view ? this.nearest(first[0], view.until) : xs.length - 1 : at < 0 ? begin : at + (event.key === 'ArrowLeft' ? -1 : 1);
    move(this, xs[Math.min(xs.length - 1, Math.max(0, to))]);
    live.textContent = this.tip.innerText.replace(/\s+/g, ' ');
  }
  // Shows the cursor at a value of x; `own`: it is in this chart.
  at(value, own) {
    this.cursor.replaceChildren();
    const none = value === undefined || value === null;
    this.tip.hidden = none || !own;
    this.keys.forEach(key => { key.textContent = ''; });
    for (const { text, name } of this.labels.values()) text.textContent = name;
    if (none || (this.spec.x.type === 'time' && view && (value < view.from || value > view.until))) return;
    const rows = [], say = FORMATS[this.spec.y.type];
    let exact = value;
    for (const [series, n] of this.shown()) {
      const at = this.nearest(series, value);
      const y = at < 0 || at >= series.y.length ? null : series.y[at];
      const text = y === null || y === undefined ? '–' : series.low ? `${say(series.low[at])} to ${say(y)}` : say(y);
      this.keys[n].textContent = text;
      if (this.labels.has(n)) this.labels.get(n).text.textContent = text;
      rows.push([series, text]);
      if (at >= 0) exact = this.xs(series)[at];
      if (y !== null && y !== undefined && series.style !== 'stack') draw('circle', { cx: this.px(this.place(series, at)), cy: this.py(y), r: 3.5, fill: color(series.color), stroke: color('card') }, this.cursor);
    }
    const x = this.px(this.spec.x.type === 'time' ? value : exact);
    draw('line', { x1: x, x2: x, y1: this.box.top, y2: this.box.top + this.box.deep, stroke: color('rule'), 'stroke-dasharray': '3 3' }, this.cursor);
    if (!own) return;
    this.tip.replaceChildren(make('strong', {}, null, this.X.say(exact)));
    const table = make('table', {}, this.tip);
    for (const [series, text] of rows) {
      const row = make('tr', {}, table);
      make('i', { style: `background:${color(series.color)}` }, make('td', {}, row));
      make('td', {}, row, series.name);
      make('td', {}, row, text);
    }
    const left = x / this.box.width > 0.55;
    this.tip.style.left = left ? 'auto' : (x / this.box.width * 100) + '%';
    this.tip.style.right = left ? (100 - x / this.box.width * 100) + '%' : 'auto';
    this.tip.style.margin = left ? '0 12px 0 0' : '0 0 0 12px';
    // Where there is no room beside the cursor, it covers what is left of it.
    if (this.box.width < 420) Object.assign(this.tip.style, { left: '0', right: 'auto', margin: '0' });
  }
}
const move = (chart, value) => {
  cursors[chart.link()] = value;
  for (const other of charts) if (other.at && other.link() === chart.link()) other.at(value, other === chart);
};

// Bars: a row each, all with one scale from zero; a thin line is the range over the seeds.
class Bars {
  constructor(figure, spec) {
    this.spec = spec;
    this.plot = make('div', { class: 'plot', role: 'img', 'aria-label': spec.title + ': ' + spec.rows.map(row => `${row.name} ${row.shown}`).join('; ') }, figure);
    this.tip = make('div', { class: 'tip', hidden: '' }, this.plot);
  }
  redraw() {
    const rows = this.spec.rows, width = paper ? PAPER : Math.max(260, this.plot.clientWidth || 600), height = rows.length * 28 + 8;
    const svg = draw('svg', { viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' });
    const names = Math.min(width * 0.36, Math.max(...rows.map(row => row.name.length)) * 7.2 + 12), values = Math.max(...rows.map(row => row.shown.length)) * 7.2 + 12;
    const most = this.spec.whole ? 1 : Math.max(...rows.map(row => Math.max(row.value || 0, row.high || 0)), 1e-9);
    const room = Math.max(30, width - names - values - 10), at = value => names + value / most * room;
    rows.forEach((row, n) => {
      const y = n * 28 + 6, group = draw('g', {}, svg), fits = Math.max(3, Math.floor(names / 7.2) - 1);
      draw('rect', { x: 0, y: y - 4, width, height: 28, fill: color('faint'), opacity: n % 2 ? 0 : 0.7 }, group);
      draw('text', { x: 4, y: y + 14, class: 'ink' }, group, row.name.length > fits ? row.name.slice(0, fits - 1) + '…' : row.name);
      if (row.endless) {
        // Never: hatched to the end of the scale, and beyond any length.
        const bar = draw('svg', { x: names, y: y + 2, width: room, height: 15, viewBox: `0 0 ${room} 15`, class: 'never' }, group);
        let hatch = '';
        for (let x = -15; x < room; x += 7) hatch += `M${x},15l15,-15`;
        draw('path', { d: hatch, stroke: color('vermillion'), 'stroke-width': 2, fill: 'none' }, bar);
        draw('rect', { x: 0.5, y: 0.5, width: room - 1, height: 14, fill: 'none', stroke: color('vermillion') }, bar);
      } else if (row.value !== null) draw('rect', { x: names, y: y + 2, width: Math.max(1, at(row.value) - names), height: 15, fill: color('blue'), rx: 1.5 }, group);
      if (row.low !== null && row.high !== null) draw('path', { d: `M${at(row.low)},${y + 9.5}H${at(row.high)}M${at(row.low)},${y + 5}v9M${at(row.high)},${y + 5}v9`, stroke: color('ink'), fill: 'none', 'stroke-width': 1.3 }, group);
      draw('text', { x: width - 4, y: y + 14, 'text-anchor': 'end', class: 'ink rim' }, group, row.shown);
      const show = () => { this.tip.hidden = false; this.tip.textContent = `${row.name}: ${row.told || row.shown}`; this.tip.style.top = ((n + 1) * 28 / height * 100) + '%'; this.tip.style.left = '8px'; };
      group.addEventListener('pointerenter', show);
      group.addEventListener('pointerleave', () => { this.tip.hidden = true; });
    });
    if (this.svg) this.svg.remove();
    this.svg = svg;
    this.plot.insertBefore(svg, this.tip);
  }
}

// A map: a cell for each pair of values.
class HeatMap {
  constructor(figure, spec) {
    this.spec = spec;
    this.plot = make('div', { class: 'plot', role: 'img', 'aria-label': spec.title }, figure);
    this.tip = make('div', { class: 'tip', hidden: '' }, this.plot);
  }
  redraw() {
    const { columns, rows, cells, x, y } = this.spec, width = paper ? PAPER : Math.max(260, this.plot.clientWidth || 600);
    const left = Math.max(...rows.map(row => row.length)) * 7.4 + 12, above = 20, cell = Math.min(90, (width - left - 10) / columns.length), high = 30, height = rows.length * high + 44 + above;
    const svg = draw('svg', { viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' });
    rows.forEach((row, r) => {
      draw('text', { x: left - 6, y: above + r * high + 24, 'text-anchor': 'end' }, svg, row);
      columns.forEach((column, c) => {
        const value = cells[r][c], rect = draw('rect', { x: left + c * cell, y: above + r * high + 5, width: cell - 2, height: high - 2, fill: value === null ? color('faint') : color('vermillion'), 'fill-opacity': value === null ? 1 : 0.06 + 0.9 * value, rx: 2 }, svg);
        if (value !== null && cell > 34) draw('text', { x: left + c * cell + cell / 2 - 1, y: above + r * high + 24, 'text-anchor': 'middle', class: 'ink', 'pointer-events': 'none' }, svg, Math.round(value * 100) + ' %');
        rect.addEventListener('pointerenter', () => { this.tip.hidden = false; this.tip.textContent = `${y} ${row}, ${x} ${column}: ${value === null ? '–' : percent(value)}`; this.tip.style.top = (((r + 1.3) * high + above) / height * 100) + '%'; this.tip.style.left = '8px'; });
        rect.addEventListener('pointerleave', () => { this.tip.hidden = true; });
      });
    });
    columns.forEach((column, c) => draw('text', { x: left + c * cell + cell / 2, y: above + rows.length * high + 20, 'text-anchor': 'middle' }, svg, column));
    draw('text', { x: left + columns.length * cell / 2, y: height - 4, 'text-anchor': 'middle' }, svg, x);
    draw('text', { x: 2, y: 14 }, svg, y);
    if (this.svg) this.svg.remove();
    this.svg = svg;
    this.plot.insertBefore(svg, this.tip);
  }
}
for (const figure of document.querySelectorAll('figure[data-chart]')) {
  const spec = data.charts[figure.dataset.chart];
  spec.id = figure.dataset.chart;
  const Kind = spec.rows && spec.cells ? HeatMap : spec.rows ? Bars : Chart;
  const chart = new Kind(figure, spec);
  charts.push(chart);
  chart.redraw();
}
// Zoom: to a fault, with its recovery, and back.
const zoom = document.querySelector('.zoom');
if (zoom) {
  const spots = [{ name: 'whole run', view: null }, ...(data.faults || []).slice(0, 8).map(fault => {
    const end = charts.find(chart => chart.spec.x && chart.spec.x.type === 'time').spec.x.end;
    const until = Math.min(end, Math.max(fault.until === null ? end : fault.until, fault.recovered || 0));
    const pad = Math.max((until - fault.from) * 0.2, end / 200);
    return { name: fault.name, view: { from: Math.max(0, fault.from - pad), until: Math.min(end, until + pad) } };
  })];
  const buttons = spots.map(spot => {
    const button = make('button', { type: 'button', 'aria-pressed': String(spot.view === null) }, zoom, spot.name);
    button.addEventListener('click', () => {
      view = spot.view;
      buttons.forEach(other => other.setAttribute('aria-pressed', String(other === button)));
      charts.forEach(chart => { if (chart.spec.x && chart.spec.x.type === 'time') chart.redraw(); });
    });
    return button;
  });
}
// On paper, charts are as wide as they are printed, so that their text keeps its size.
const printing = is => { if (paper === is) return; paper = is; charts.forEach(chart => chart.redraw()); };
addEventListener('beforeprint', () => printing(true));
addEventListener('afterprint', () => printing(false));
matchMedia('print').addEventListener('change', event => printing(event.matches));
let waiting = 0;
const resized = () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(() => charts.forEach(chart => { if (chart.plot.clientWidth && chart.plot.clientWidth !== chart.width) chart.redraw(); })); };
addEventListener('resize', resized);

// Ladders: a line for each host, time goes down. Drawn when they are opened first.
const seconds = ns => (ns / 1e9).toFixed(6);
const sequence = (place, one) => {
  const FIRST = 112, ROW = 22, TOP = 40, FALL = 6;
  const servers = Math.max(1, one.hosts.length - 1);
  const gap = Math.max(230, Math.min(420, (place.clientWidth - FIRST - 110) / servers)), last = FIRST + servers * gap, width = last + 104;
  const height = TOP + ROW * (one.diagram.length + 1) + 10;
  const svg = draw('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': `Ladder of ${one.session}` }, place);
  const column = host => FIRST + gap * host;
  const say = (x, y, anchor, text, ink) => draw('text', { x, y, 'text-anchor': anchor, class: 'rim', style: ink ? `fill:${color(ink)}` : '' }, svg, text);
  const line = (x1, y1, x2, y2, ink, wide) => draw('line', { x1, y1, x2, y2, stroke: color(ink), 'stroke-width': wide || 1 }, svg);
  one.hosts.forEach((host, n) => { say(column(n), TOP - 14, 'middle', host, 'ink'); line(column(n), TOP - 6, column(n), height - 8, 'rule'); });
  say(FIRST - 8, TOP - 28, 'end', 'leaves (s)'); say(last + 8, TOP - 28, 'start', 'arrives (s)');
  one.diagram.forEach((row, n) => {
    const y = TOP + ROW * (n + 0.5);
    if (row.gap) return line(FIRST, y, last, y, 'grid');
    if (row.more) return say(FIRST + 8, y + 5, 'start', row.more);
    if (row.at_ns !== undefined) {
      say(FIRST - 8, y + 5, 'end', seconds(row.at_ns));
      if (row.fault) line(FIRST, y + 10, last, y + 10, 'fault');
      return say(FIRST + 8, y + 5, 'start', row.fault || row.note, row.fault ? 'fault' : 'ink');
    }
    const bad = row.arrives_ns === undefined, ink = bad ? 'vermillion' : row.from < row.to ? 'blue' : 'green';
    const from = column(row.from), to = column(row.to), ahead = to > from ? 1 : -1, tip = to - ahead * (bad ? 40 : 1), end = y + 2 + FALL;
    say(FIRST - 8, y + 5, 'end', seconds(row.left_ns));
    say(last + 8, y + 5, 'start', bad ? row.fate : seconds(row.arrives_ns), bad ? 'vermillion' : '');
    line(from, y + 2, tip, end, ink, 1.5);
    draw('path', { d: `M${tip},${end}l${-ahead * 9},-4.5l0,8z`, fill: color(ink) }, svg);
    if (bad) { const x = tip + ahead * 9; line(x - 4, end - 4, x + 4, end + 4, ink, 2); line(x - 4, end + 4, x + 4, end - 4, ink, 2); }
    const fits = Math.floor((Math.abs(to - from) - 24) / 6.8);
    const shown = say((from + to) / 2, y, 'middle', row.message.length > fits ? row.message.slice(0, fits - 1) + '…' : row.message, 'ink');
    if (row.message.length > fits) draw('title', {}, shown, row.message);
  });
};
document.querySelectorAll('details[data-exemplar]').forEach(details => {
  const place = details.querySelector('.diagram');
  const show = () => { if (details.open && !place.firstChild) sequence(place, data.exemplars[details.dataset.exemplar]); };
  details.addEventListener('toggle', show);
  show();
});

// Tables that sort: numbers by their value, text by its letters; what has no value stays last.
document.querySelectorAll('table.data').forEach(table => {
  table.querySelectorAll('th button').forEach(button => button.addEventListener('click', () => {
    const head = button.parentElement, column = head.cellIndex, body = table.tBodies[0];
    const down = head.getAttribute('aria-sort') === 'descending' || (!head.hasAttribute('aria-sort') && head.classList.contains('text'));
    table.querySelectorAll('th').forEach(other => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', down ? 'ascending' : 'descending');
    const key = row => { const cell = row.cells[column]; return cell.dataset.v !== undefined ? Number(cell.dataset.v) : cell.classList.contains('text') ? cell.textContent : null; };
    const rows = [...body.rows].map(row => [key(row), row]);
    rows.sort(([a], [b]) => a === null || b === null ? (a === null) - (b === null) : (typeof a === 'number' ? a - b : a.localeCompare(b, 'en', { numeric: true })) * (down ? 1 : -1));
    rows.forEach(([, row]) => body.appendChild(row));
  }));
});

// The theme: the system's, unless the reader has chosen one.
const theme = document.querySelector('button.theme');
const keep = (value) => { try { value ? localStorage.setItem('shakedown-theme', value) : localStorage.removeItem('shakedown-theme'); } catch { /* a page from disk may keep nothing */ } };
const isDark = () => document.documentElement.dataset.theme ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
const named = () => { theme.textContent = isDark() ? 'Light' : 'Dark'; theme.setAttribute('aria-label', `Switch to the ${isDark() ? 'light' : 'dark'} theme`); };
try { const kept = localStorage.getItem('shakedown-theme'); if (kept) document.documentElement.dataset.theme = kept; } catch { /* nothing kept */ }
theme.addEventListener('click', () => { document.documentElement.dataset.theme = isDark() ? 'light' : 'dark'; keep(document.documentElement.dataset.theme); named(); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', named);
named();
document.querySelectorAll('.command button').forEach(button => button.addEventListener('click', () => {
  const text = button.parentElement.querySelector('pre').textContent;
  const done = () => { button.textContent = 'Copied'; };
  const select = () => getSelection().selectAllChildren(button.parentElement.querySelector('pre'));
  navigator.clipboard ? navigator.clipboard.writeText(text).then(done, select) : select();
}));
})();
