// Draws one run: lanes over time, a scrubber through its instants, and at each of them the locks beside the API.
'use strict';
(() => {
  const run = JSON.parse(document.getElementById('data').textContent);
  const byId = (id) => document.getElementById(id);
  const canvas = byId('picture');
  const pen = canvas.getContext('2d');
  const scene = document.createElement('canvas');
  // A run ends with what was broken; some room after it shows what was left.
  const END = run.violated_at_ms === null ? run.to_ms : run.to_ms + Math.max(1, Math.round((run.to_ms - run.from_ms) * .06));
  for (const entry of run.entries) {
    const last = entry.opens[entry.opens.length - 1];
    if (entry.to === null && last && last[1] === run.to_ms) last[1] = END + 1;
  }
  const LABELS = 176, AXIS = 48, RIGHT = 18;

  const look = { a: 0, b: 1, shortens: true, masked: true, reads: false, at: 0 };
  let width = 0, height = 0, ratio = 1, rows = [], groups = [], hits = [], colours = {}, patterns = {}, isStale = true, isAsked = false;

  // ---- words

  const pad = (number) => String(number).padStart(2, '0');

  function clock(ms, isExact = true) {
    const sign = ms < 0 ? '−' : '+';
    let rest = Math.abs(Math.round(ms));
    const hours = Math.floor(rest / 3600000); rest %= 3600000;
    const minutes = Math.floor(rest / 60000); rest %= 60000;
    const seconds = Math.floor(rest / 1000); rest %= 1000;
    const parts = [hours && hours + 'h', minutes && minutes + 'm', seconds && seconds + 's', isExact && rest && rest + 'ms'];
    return sign + (parts.filter(Boolean).join('') || '0s');
  }

  function date(ms) {
    const at = new Date(run.start_unix_ms + ms);
    const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
    return `${days[at.getUTCDay()]} ${at.getUTCFullYear()}-${pad(at.getUTCMonth() + 1)}-${pad(at.getUTCDate())} ` +
      `${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}:${pad(at.getUTCSeconds())} UTC`;
  }

  const lasting = (from, to) => clock(to - from, false).slice(1);
  const subscript = (number) => String(number).replace(/\d/g, (digit) => '₀₁₂₃₄₅₆₇₈₉'[digit]);

  function pin(at) {
    if (at === null || at === undefined) return '';
    return look.masked ? '•'.repeat(run.pins[at].length) + subscript(at + 1) : run.pins[at];
  }

  /** The text with what stands in backticks as code. */
  const rich = (text) => text.split('`').map((part, nth) => nth % 2 ? element('code', {}, part) : part);
  const plain = (text) => (text || '').replaceAll('`', '');
  const shownText = (text) => text.replace(/⟦(\d+)⟧/g, (_, at) => pin(Number(at)));
  const owner = (entry) => entry.code === null ? 'nobody' : run.codes[entry.code].label;
  const word = (name) => name.replaceAll('_', ' ');
  const status = (shown) => shown.status === 'unset' && shown.is_scheduled ? 'scheduled' : shown.status;
  const windowText = (window) => window ? `${clock(window[0])} to ${clock(window[1])}` : '';

  function element(name, properties = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key === 'class') made.className = value; else if (key in made) made[key] = value; else made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined && child !== ''));
    return made;
  }

  // ---- time: u in 0..1 is a place on the whole strip

  const edges = [...new Set([run.from_ms, run.to_ms, END, ...run.moments.map((moment) => moment.at),
    ...run.entries.flatMap((entry) => entry.opens.flat()), ...run.bands.flatMap((band) => [band.from, band.to ?? END])])]
    .filter((at) => at >= run.from_ms && at <= END).sort((one, other) => one - other);
  const weights = [0];
  for (let i = 1; i < edges.length; i++) weights.push(weights[i - 1] + (edges[i] > run.to_ms ? weights[i - 1] * .08 : Math.pow(edges[i] - edges[i - 1], 0.3) + 2));
  const whole = weights[weights.length - 1] || 1;

  function before(list, value) {
    let low = 0, high = list.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (list[middle] <= value) low = middle; else high = middle - 1;
    }
    return low;
  }

  function between(froms, tos, value) {
    const at = Math.min(before(froms, value), froms.length - 2);
    if (at < 0) return tos[0];
    const share = (value - froms[at]) / (froms[at + 1] - froms[at] || 1);
    return tos[at] + Math.max(0, Math.min(1, share)) * (tos[at + 1] - tos[at]);
  }

  const u = (ms) => look.shortens ? between(edges, weights, ms) / whole : (ms - run.from_ms) / (END - run.from_ms);
  const time = (place) => look.shortens ? between(weights, edges, place * whole) : run.from_ms + place * (END - run.from_ms);
  const room = () => width - LABELS - RIGHT;
  const x = (ms) => LABELS + (u(ms) - look.a) / (look.b - look.a) * room();
  const at = (px) => time(look.a + (px - LABELS) / room() * (look.b - look.a));

  // ---- rows

  function layOut() {
    rows = []; groups = [];
    let y = AXIS;
    const add = (kind, height, more) => { rows.push({ kind, y, height, ...more }); y += height; };
    run.locks.forEach((lock, number) => {
      const group = { lock: number, from: y };
      add('lock', 38, { lock: number, label: lock.name });
      if (run.devices.some((device) => device.lock === number)) add('device', 26, { lock: number, label: 'device' });
      if (run.entered.some((entered) => entered.lock === number)) add('keypad', 24, { lock: number, label: 'at the keypad' });
      lock.places.forEach((place, nth) => add('place', 25, { lock: number, place: nth, label: place }));
      add('messages', 54, { lock: number, label: 'commands' });
      group.controller = y;
      run.codes.forEach((code, nth) => { if (code.lock === number) add('code', 43, { code: nth, label: code.label }); });
      y += 10;
      groups.push({ ...group, to: y });
      y += 8;
    });
    const homeless = run.codes.map((code, nth) => nth).filter((nth) => run.codes[nth].lock === null);
    homeless.forEach((nth) => add('code', 43, { code: nth, label: run.codes[nth].label }));
    height = y + 6;
    // What a row shows is found once, not with every frame.
    const first = rows.find((row) => row.kind === 'messages');
    const shows = {
      device: (row) => ({ devices: run.devices.filter((device) => device.lock === row.lock) }),
      keypad: (row) => ({ entered: run.entered.filter((entered) => entered.lock === row.lock) }),
      place: (row) => ({ entries: run.entries.filter((entry) => entry.lock === row.lock && entry.place === row.place) }),
      messages: (row) => ({ messages: run.messages.filter((message) => message.lock === row.lock || (message.lock === null && row === first)) }),
      code: (row) => ({
        wishes: run.wishes.filter((wish) => wish.code === row.code), shown: run.shown.filter((shown) => shown.code === row.code),
        events: run.events.filter((event) => event.code === row.code),
      }),
    };
    rows.forEach((row) => Object.assign(row, shows[row.kind]?.(row)));
  }

  function resize() {
    ratio = window.devicePixelRatio || 1;
    width = Math.max(560, canvas.parentElement.clientWidth);
    canvas.style.height = height + 'px';
    for (const each of [canvas, scene]) { each.width = Math.round(width * ratio); each.height = Math.round(height * ratio); }
    isStale = true; ask();
  }

  // ---- paint

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ['paper', 'sheet', 'ink', 'soft', 'faint', 'line', 'wash', 'accent', 'accent-wash', 'trouble', 'trouble-wash', 'on-accent']) {
      colours[name] = style.getPropertyValue('--' + name).trim();
    }
    colours.sans = style.getPropertyValue('--sans'); colours.mono = style.getPropertyValue('--mono');
    patterns = {
      setting: pattern(8, (p) => { stripe(p, 0, 8, 8, 0); stripe(p, -2, 2, 2, -2); stripe(p, 6, 10, 10, 6); }, colours.soft, 1.3),
      removing: pattern(8, (p) => { stripe(p, 0, 0, 8, 8); stripe(p, -2, 6, 2, 10); stripe(p, 6, -2, 10, 2); }, colours.soft, 1.3),
      fault: pattern(12, (p) => { stripe(p, 0, 12, 12, 0); stripe(p, -3, 3, 3, -3); stripe(p, 9, 15, 15, 9); }, colours.trouble, 1),
      down: pattern(9, (p) => { stripe(p, 0, 9, 9, 0); stripe(p, 0, 0, 9, 9); }, colours.soft, 1),
      dots: pattern(6, (p) => { p.beginPath(); p.arc(3, 3, 1.1, 0, 7); p.fill(); }, colours.soft, 1),
      stranger: pattern(6, (p) => { p.beginPath(); p.arc(3, 3, 1, 0, 7); p.fill(); }, colours.sheet, 1),
    };
  }

  function stripe(p, x0, y0, x1, y1) { p.beginPath(); p.moveTo(x0, y0); p.lineTo(x1, y1); p.stroke(); }

  function pattern(size, draw, colour, weight) {
    const tile = document.createElement('canvas');
    tile.width = tile.height = size * ratio;
    const p = tile.getContext('2d');
    p.scale(ratio, ratio);
    p.strokeStyle = p.fillStyle = colour; p.lineWidth = weight;
    draw(p);
    const made = pen.createPattern(tile, 'repeat');
    made.setTransform(new DOMMatrix().scale(1 / ratio));
    return made;
  }

  const hit = (x0, y0, w, h, tip) => hits.push({ x0, y0, x1: x0 + w, y1: y0 + h, tip });

  function text(p, what, px, py, colour, font = `12px ${colours.sans}`) {
    p.font = font; p.fillStyle = colour; p.textBaseline = 'middle'; p.fillText(what, px, py);
  }

  /** Text inside a bar, cut at its end, with a plate under it where the bar has a pattern. */
  function caption(p, what, x0, x1, y, h, colour, plate, font) {
    const from = Math.max(x0, LABELS) + 7, space = Math.min(x1, width - RIGHT) - from - 4;
    if (space < 16) return;
    p.font = font || `12px ${colours.sans}`;
    let shown = what;
    if (p.measureText(shown).width > space) {
      while (shown.length > 1 && p.measureText(shown + '…').width > space) shown = shown.slice(0, -1);
      if (shown.length < 3) return;
      shown += '…';
    }
    if (plate) { p.fillStyle = plate; round(p, from - 4, y + 2, p.measureText(shown).width + 8, h - 4, 3); p.fill(); }
    p.fillStyle = colour; p.textBaseline = 'middle'; p.fillText(shown, from, y + h / 2 + .5);
  }

  function round(p, x0, y, w, h, r) { p.beginPath(); p.roundRect(x0, y, Math.max(w, 1), h, Math.min(r, Math.max(w, 1) / 2)); }

  function line(p, x0, y0, x1, y1, colour, weight = 1, dash = []) {
    p.strokeStyle = colour; p.lineWidth = weight; p.setLineDash(dash);
    p.beginPath(); p.moveTo(x0, y0); p.lineTo(x1, y1); p.stroke(); p.setLineDash([]);
  }

  const isIn = (x0, x1) => x1 >= LABELS && x0 <= width - RIGHT;
  const until = (span) => span.to ?? END;

  function paint() {
    readColours();
    const p = scene.getContext('2d');
    p.setTransform(ratio, 0, 0, ratio, 0, 0);
    p.clearRect(0, 0, width, height);
    hits = [];
    p.save();
    p.beginPath(); p.rect(LABELS - 1, 0, width - LABELS + 1, height); p.clip();
    paintBands(p);
    paintAxis(p);
    for (const row of rows) {
      p.globalAlpha = 1;
      if (row.kind === 'lock') continue;
      line(p, LABELS, row.y + row.height - .5, width - RIGHT, row.y + row.height - .5, colours.line, row.kind === 'messages' ? 1 : .5);
      painters[row.kind](p, row);
    }
    p.restore();
    paintLabels(p);
    isStale = false;
  }

  function paintAxis(p) {
    const step = 116;
    let last = -1e9;
    for (let px = LABELS; px < width - RIGHT; px += step / 2) {
      const gap = at(Math.min(px + step, width - RIGHT)) - at(px);
      const unit = [1, 10, 100, 1000, 5000, 15000, 60000, 300000, 900000, 3600000, 10800000, 21600000, 43200000, 86400000]
        .filter((unit) => unit <= Math.max(gap, 1)).pop();
      const ms = Math.ceil(at(px) / unit) * unit, here = x(ms), label = clock(ms);
      p.font = `11.5px ${colours.mono}`;
      const wide = p.measureText(label).width;
      if (here < last + 14 || here + wide > width || ms > END) continue;
      line(p, here, AXIS - 8, here, height, colours.line, .6);
      text(p, label, here + 4, AXIS - 13, colours.faint, `11.5px ${colours.mono}`);
      last = here + wide;
    }
    line(p, LABELS, AXIS - .5, width, AXIS - .5, colours.line);
  }

  function paintLabels(p) {
    for (const row of rows) {
      const middle = row.y + row.height / 2;
      if (row.kind === 'lock') {
        text(p, row.label, 16, row.y + 13, colours.ink, `620 14px ${colours.sans}`);
        text(p, run.locks[row.lock].vendor.replaceAll('_', ' '), 16, row.y + 29, colours.faint, `11px ${colours.sans}`);
        continue;
      }
      const isWorld = row.kind === 'place' || row.kind === 'keypad';
      const font = `${row.kind === 'code' ? '560 ' : ''}12.5px ${colours.sans}`;
      p.font = font;
      let label = row.label;
      while (label.length > 4 && p.measureText(label).width > LABELS - 40) label = label.slice(0, -2) + '…';
      text(p, label, 26, middle + (row.kind === 'code' ? 3 : 0), isWorld || row.kind === 'messages' ? colours.soft : colours.ink, font);
    }
    for (const group of groups) {
      // Truth has a filled edge, belief an open one.
      p.fillStyle = colours.accent;
      p.fillRect(15, group.from + 37, 3, Math.max(0, group.controller - 54 - group.from - 39));
      p.strokeStyle = colours.soft; p.lineWidth = 1;
      p.strokeRect(15.5, group.controller + 2.5, 2, Math.max(0, group.to - group.controller - 16));
    }
  }

  function paintBands(p) {
    for (const band of run.bands) {
      const x0 = x(band.from), x1 = x(until(band));
      if (!isIn(x0, x1)) continue;
      const over = band.lock === null ? groups : groups.filter((group) => group.lock === band.lock);
      for (const group of over) {
        const [from, to] = band.sort === 'down' ? [group.controller, group.to - 8] : [group.from + 30, group.to - 8];
        if (band.sort === 'unreachable' || band.sort === 'dead') {
          p.fillStyle = colours.trouble; p.globalAlpha = .85;
          p.fillRect(x0, group.from + 31, Math.max(x1 - x0, 2), 3); p.globalAlpha = 1;
        } else if (band.sort === 'heal') {
          p.fillStyle = colours.wash; p.globalAlpha = .7; p.fillRect(x0, from, x1 - x0, to - from); p.globalAlpha = 1;
        } else {
          if (band.sort === 'fault') { p.globalAlpha = .4; p.fillStyle = colours['trouble-wash']; p.fillRect(x0, from, Math.max(x1 - x0, 2), to - from); }
          p.globalAlpha = band.sort === 'fault' ? .3 : .45;
          p.fillStyle = band.sort === 'fault' ? patterns.fault : patterns.down;
          p.fillRect(x0, from, Math.max(x1 - x0, 2), to - from); p.globalAlpha = 1;
          line(p, x0, from, x0, to, band.sort === 'fault' ? colours.trouble : colours.soft, 1, [2, 3]);
          line(p, x1, from, x1, to, band.sort === 'fault' ? colours.trouble : colours.soft, 1, [2, 3]);
        }
        hit(x0, from, Math.max(x1 - x0, 3), to - from, () => tipOf(word(band.name), [band.about, `${clock(band.from)} to ${clock(until(band))}`]));
      }
    }
    // Names in the heads of the groups, side by side where they would lie over each other.
    for (const group of groups) {
      let taken = LABELS - 20;
      const here = run.bands.filter((band) => band.lock === group.lock || (band.lock === null && group === groups[0]));
      for (const band of here.sort((one, other) => one.from - other.from)) {
        const x0 = x(band.from), x1 = x(until(band));
        if (!isIn(x0, x1)) continue;
        p.font = `560 11.5px ${colours.sans}`;
        const name = word(band.name), from = Math.max(x0, LABELS, taken + 12), wide = p.measureText(name).width;
        if (from > Math.max(x1, x0 + 140) || from + wide > width - RIGHT) continue;
        text(p, name, from + 2, group.from + 19, band.sort === 'heal' || band.sort === 'down' ? colours.soft : colours.trouble, `560 11.5px ${colours.sans}`);
        taken = from + wide;
      }
    }
  }

  const painters = {
    device(p, row) {
      for (const device of row.devices) {
        const x0 = x(device.from), x1 = x(until(device));
        if (!isIn(x0, x1)) continue;
        p.fillStyle = colours['trouble-wash']; round(p, x0, row.y + 4, x1 - x0 - 1, 17, 3); p.fill();
        p.strokeStyle = colours.trouble; p.lineWidth = 1; p.stroke();
        caption(p, '▲ ' + device.problems, x0, x1, row.y + 4, 17, colours.trouble);
        hit(x0, row.y + 4, x1 - x0, 17, () => tipOf(device.problems, ['what the API shows of the device', spanText(device)], 'R-10'));
      }
    },

    keypad(p, row) {
      let last = -1e9;
      for (const entered of row.entered) {
        const here = x(entered.at), y = row.y + 12;
        if (!isIn(here, here) || (entered.opened && here - last < 2)) continue;
        last = here;
        hit(here - 6, row.y, 12, 24, () => tipOf(`${pin(entered.pin)} ${entered.opened ? 'opens the door' : 'is refused'}`,
          [clock(entered.at)], entered.opened ? 'I-WIN-01' : 'I-WIN-05'));
        p.lineWidth = 1.6;
        if (entered.opened) { p.fillStyle = colours.accent; p.beginPath(); p.arc(here, y, 4.5, 0, 7); p.fill(); }
        else { line(p, here - 4, y - 4, here + 4, y + 4, colours.ink, 1.8); line(p, here - 4, y + 4, here + 4, y - 4, colours.ink, 1.8); }
      }
    },

    place(p, row) {
      for (const entry of row.entries) {
        const x0 = x(entry.from), x1 = x(until(entry)), y = row.y + 3, h = 19;
        if (!isIn(x0, x1)) continue;
        const isOurs = entry.code !== null, colour = isOurs ? colours.accent : colours.soft;
        p.fillStyle = isOurs ? colours['accent-wash'] : colours.wash;
        round(p, x0, y, x1 - x0 - 1, h, 4); p.fill();
        p.save(); p.clip();
        let isDark = false, isMixed = false;
        const label = Math.max(x0, LABELS) + 8;
        for (const [from, to] of entry.opens) {
          const o0 = x(from), o1 = x(to);
          p.fillStyle = colour; p.fillRect(o0, y, o1 - o0, h);
          if (!isOurs) { p.globalAlpha = .45; p.fillStyle = patterns.stranger; p.fillRect(o0, y, o1 - o0, h); p.globalAlpha = 1; }
          isDark = isDark || (o0 <= label && o1 >= label + 24);
          isMixed = isMixed || (o0 > label && o0 < label + 90);
        }
        p.restore();
        p.strokeStyle = colour; p.lineWidth = 1; p.setLineDash(entry.is_hidden ? [3, 3] : []);
        round(p, x0 + .5, y + .5, x1 - x0 - 2, h - 1, 4); p.stroke(); p.setLineDash([]);
        const ink = isDark ? (isOurs ? colours['on-accent'] : colours.sheet) : colours.ink;
        caption(p, `${owner(entry)}  ${pin(entry.pin)}${entry.is_enabled ? '' : '  disabled'}`, x0, x1, y, h, ink,
          isDark ? (isOurs ? '' : colours.soft) : isMixed ? colours['accent-wash'] : '', `560 12px ${colours.sans}`);
        hit(x0, y, Math.max(x1 - x0, 4), h, () => tipOf(`${owner(entry)}, ${pin(entry.pin)}, in ${row.label} of ${run.locks[row.lock].name}`, [
          spanText(entry), entry.window ? `kept window: ${windowText(entry.window)}` : 'kept without a window',
          entry.opens.length ? 'opens the door ' + entry.opens.slice(0, 3).map(windowText).join(', ') : 'never opens the door',
          entry.is_enabled ? '' : 'disabled', entry.is_hidden ? 'no read shows it' : '', `by: ${shownText(entry.cause)}`], entry.rule));
      }
    },

    messages(p, row) {
      const top = row.y + 5, bottom = row.y + row.height - 6;
      line(p, LABELS, top - .5, width - RIGHT, top - .5, colours.line, .5);
      let last = [-1e9, -1e9];
      for (const message of row.messages) {
        const isQuiet = message.sort === 'read' && message.fate === 'fine';
        if (isQuiet && !look.reads) continue;
        const heard = message.heard.length ? message.heard[message.heard.length - 1] : END;
        const sent = x(message.sent), end = Math.max(x(heard), x(message.landed ?? message.sent));
        if (!isIn(sent, end)) continue;
        const isBad = !['fine', 'open'].includes(message.fate);
        // What would lie on the one before it adds nothing but time.
        if (!isBad && sent - last[0] < 1.5 && end - last[1] < 1.5) continue;
        last = [sent, end];
        const colour = isBad ? colours.trouble : isQuiet ? colours.faint : colours.soft;
        arrows(p, message, top, bottom, colour, isBad ? 1.8 : isQuiet ? .7 : 1.2);
      }
    },

    code(p, row) {
      const y = row.y + 19, h = 18;
      for (const wish of row.wishes) {
        const from = Math.max(wish.window[0] ?? wish.from, wish.from), to = Math.min(wish.window[1] ?? Infinity, until(wish));
        const x0 = x(wish.from), x1 = x(from), x2 = x(Math.min(to, END)), level = row.y + 9.5;
        if (!isIn(x0, x2)) continue;
        line(p, x0, level, Math.min(x1, x2), level, colours.accent, 1, [1, 3]);
        if (to > from) {
          line(p, x1, level, x2, level, colours.accent, 2);
          line(p, x1, level - 4, x1, level + 4, colours.accent, 2);
          if (wish.to !== null || wish.window[1] !== null) line(p, x2, level - 4, x2, level + 4, colours.accent, 2);
        }
        hit(x0, row.y + 2, Math.max(x2 - x0, 4), 13, () => tipOf(`asked: ${run.codes[row.code].label}${wish.pin === null ? '' : ' with ' + pin(wish.pin)}`, [
          wish.window[0] !== null || wish.window[1] !== null
            ? `shall open from ${clock(wish.window[0] ?? wish.from)}${wish.window[1] === null ? ' on' : ' to ' + clock(wish.window[1])}` : 'shall open from now on',
          `asked at ${clock(wish.from)}: ${shownText(wish.why)}`], 'I-WIN-05'));
      }
      for (const shown of row.shown) {
        const x0 = x(shown.from), x1 = x(until(shown));
        if (!isIn(x0, x1)) continue;
        ribbon(p, shown, x0, x1, y, h);
        hit(x0, y, Math.max(x1 - x0, 4), h, () => tipOf(`${run.codes[row.code].label} is shown as ${status(shown)}`, [
          spanText(shown), shown.pin === null ? 'without a PIN' : `PIN ${pin(shown.pin)}`, shown.window ? `window ${windowText(shown.window)}` : 'ongoing',
          shown.is_managed ? '' : 'unmanaged', ...shown.problems.map((problem) => '▲ ' + problem)], shown.rule));
      }
      let last = -1e9;
      for (const event of row.events) {
        const here = x(event.at);
        if (!isIn(here, here) || here - last < 1.5) continue;
        last = here;
        hit(here - 5, row.y + 14, 10, 9, () => tipOf('event ' + event.name, [`of ${run.codes[row.code].label}, logged at ${clock(event.at)}`], event.rule));
        p.fillStyle = colours.ink; p.beginPath(); p.moveTo(here, y + 4); p.lineTo(here - 4, y - 3); p.lineTo(here + 4, y - 3); p.fill();
        p.strokeStyle = colours.sheet; p.lineWidth = .8; p.stroke();
      }
    },
  };

  function ribbon(p, shown, x0, x1, y, h) {
    const name = status(shown), wide = x1 - x0 - 1;
    const said = (shown.is_managed ? '' : 'unmanaged, ') + name + (shown.problems.length ? '  ▲ ' + shown.problems.join(', ') : '');
    round(p, x0, y, wide, h, 3);
    if (name === 'set') { p.fillStyle = colours.soft; p.fill(); }
    else {
      p.fillStyle = colours.sheet; p.fill();
      const hatch = { setting: patterns.setting, removing: patterns.removing, unknown: patterns.dots }[name];
      if (hatch) { p.globalAlpha = .55; p.fillStyle = hatch; p.fill(); p.globalAlpha = 1; }
      p.strokeStyle = colours.soft; p.lineWidth = 1; p.setLineDash(name === 'scheduled' ? [5, 3] : name === 'unset' ? [1, 3] : []);
      p.stroke(); p.setLineDash([]);
    }
    if (shown.problems.length) { p.fillStyle = colours.trouble; p.fillRect(x0 + 1, y + h - 3, Math.max(wide - 2, 1), 3); }
    caption(p, said, x0, x1, y, h, name === 'set' ? colours.sheet : shown.problems.length ? colours.trouble : colours.ink, name === 'set' ? '' : colours.sheet);
  }

  function arrows(p, message, top, bottom, colour, weight) {
    const heards = message.heard, sent = x(message.sent), fate = message.fate, middle = (top + bottom) / 2;
    const dash = fate === 'late' ? [5, 4] : [];
    const tip = () => tipOf(shownText(message.what), [
      message.sort === 'notice' ? `fact at ${clock(message.sent)}` : `sent at ${clock(message.sent)}`,
      message.landed === null ? '' : `changed the lock at ${clock(message.landed)}`,
      heards.length ? `${message.sort === 'notice' ? 'heard' : 'answered'} at ${heards.map((ms) => clock(ms)).join(', ')}${message.answer ? ': ' + message.answer : ''}` : 'no answer before the end',
      { fine: '', refused: 'refused', unclear: 'the answer leaves open what happened', lost: 'lost', answer_lost: 'it was done, and the answer got lost',
        late: 'late', doubled: 'came more than once', open: '' }[fate]], message.rule);
    if (message.sort === 'notice') {
      heards.forEach((ms, nth) => { arrow(p, sent, top, x(ms), bottom, colour, nth ? weight + .6 : weight, [2, 3]); });
      if (heards.length > 1) text(p, heards.length + '×', x(heards[heards.length - 1]) + 5, bottom - 5, colour, `600 11px ${colours.sans}`);
      const last = heards.length ? x(heards[heards.length - 1]) : sent;
      hit(Math.min(sent, last) - 5, top, Math.abs(last - sent) + 10, bottom - top, tip);
      return;
    }
    const isWide = x(heards[0] ?? message.sent) - sent > 14;
    const first = heards.length ? heards[0] : message.landed ?? message.sent;
    const apex = x(message.landed !== null && message.landed <= first ? message.landed : (message.sent + first) / 2);
    if (fate === 'lost') {
      const end = sent + Math.max(4, (apex - sent) / 2);
      line(p, sent, bottom, end, middle, colour, weight); cross(p, end, middle, colour);
      if (heards.length) text(p, '⌛', x(first) - 4, bottom - 6, colour, `11px ${colours.sans}`);
    } else {
      arrow(p, sent, bottom, apex, top, colour, weight, dash);
      if (fate === 'answer_lost') { line(p, apex, top, apex + 6, middle, colour, weight); cross(p, apex + 6, middle, colour); }
      heards.forEach((ms, nth) => arrow(p, apex, top, x(ms), bottom, colour, nth ? weight + .8 : weight, dash));
      if (heards.length > 1) text(p, heards.length + '×', x(heards[heards.length - 1]) + 5, bottom - 6, colour, `600 11px ${colours.sans}`);
      if (fate === 'refused') { p.strokeStyle = colour; p.fillStyle = colours.sheet; p.lineWidth = 1.5; p.beginPath(); p.arc(apex, top + 5, 3.5, 0, 7); p.fill(); p.stroke(); line(p, apex - 2.5, top + 7.5, apex + 2.5, top + 2.5, colour, 1.5); }
      if (fate === 'unclear' && isWide) text(p, '?', x(first) + 4, bottom - 7, colour, `700 12px ${colours.sans}`);
      if (message.landed !== null && message.landed > first) { arrow(p, x(first), bottom, x(message.landed), top, colour, weight, [5, 4]); }
    }
    const right = Math.max(apex, x(first), x(message.landed ?? message.sent));
    hit(sent - 4, top, right - sent + 8, bottom - top, tip);
  }

  function cross(p, px, py, colour) { line(p, px - 4, py - 4, px + 4, py + 4, colour, 2); line(p, px - 4, py + 4, px + 4, py - 4, colour, 2); }

  function arrow(p, x0, y0, x1, y1, colour, weight, dash) {
    line(p, x0, y0, x1, y1, colour, weight, dash);
    const angle = Math.atan2(y1 - y0, x1 - x0), size = 5 + weight;
    p.fillStyle = colour; p.beginPath(); p.moveTo(x1, y1);
    p.lineTo(x1 - size * Math.cos(angle - .4), y1 - size * Math.sin(angle - .4));
    p.lineTo(x1 - size * Math.cos(angle + .4), y1 - size * Math.sin(angle + .4)); p.fill();
  }

  function draw() {
    isAsked = false;
    if (isStale) paint();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(scene, 0, 0);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (run.violated_at_ms !== null) {
      const here = x(run.violated_at_ms);
      if (isIn(here, here)) {
        line(pen, here, 16, here, height, colours.trouble, 2.5);
        const ids = [...new Set(run.broken.map((broken) => broken.id))];
        flag(here, '▲ ' + ids.slice(0, 2).join(' ') + (ids.length > 2 ? ` +${ids.length - 2}` : ''), colours.trouble, colours.paper);
      }
    }
    const moment = run.moments[look.at];
    if (moment) {
      const here = x(moment.at);
      if (isIn(here, here)) {
        line(pen, here, AXIS - 10, here, height, colours.ink, 1);
        pen.fillStyle = colours.ink; pen.beginPath(); pen.moveTo(here, AXIS); pen.lineTo(here - 6, AXIS - 10); pen.lineTo(here + 6, AXIS - 10); pen.fill();
      }
    }
  }

  function flag(here, what, colour, ink) {
    pen.font = `650 11.5px ${colours.sans}`;
    const wide = pen.measureText(what).width + 14, from = here + wide > width ? here - wide : here;
    pen.fillStyle = colour; round(pen, from, 2, wide, 18, 4); pen.fill();
    text(pen, what, from + 7, 11.5, ink, `650 11.5px ${colours.sans}`);
  }

  function ask() { if (!isAsked) { isAsked = true; requestAnimationFrame(draw); } }
  function repaint() { isStale = true; ask(); }

  // ---- under the pointer

  const spanText = (span) => `${clock(span.from)} to ${span.to === null ? 'the end' : clock(span.to)} (${lasting(span.from, until(span))})`;

  function tipOf(head, lines, rule) {
    return { head, lines: lines.filter(Boolean), rule };
  }

  function showTip(event) {
    const box = canvas.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
    let found = null;
    for (let i = hits.length - 1; i >= 0 && !found; i--) {
      const each = hits[i];
      if (px >= each.x0 && px <= each.x1 && py >= each.y0 && py <= each.y1 && px >= LABELS) found = each;
    }
    const tip = byId('tip');
    tip.hidden = !found;
    if (!found) return null;
    const { head, lines, rule } = found.tip();
    tip.replaceChildren(element('b', {}, head), ...lines.map((line) => element('div', {}, line)));
    if (rule) tip.append(element('span', { class: 'rule-says' }, element('em', {}, rule), ' ', ...rich(run.rules[rule] || '')));
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8), under = event.clientY + 16;
    tip.style.left = Math.max(8, left) + 'px';
    tip.style.top = (under + tip.offsetHeight > innerHeight ? Math.max(8, event.clientY - tip.offsetHeight - 12) : under) + 'px';
    return found;
  }

  // ---- the chosen instant

  const isAt = (span, ms) => span.from <= ms && (span.to === null || span.to > ms);

  function go(number, keepsView = false) {
    look.at = Math.max(0, Math.min(run.moments.length - 1, number));
    const moment = run.moments[look.at];
    byId('scrub').value = look.at;
    if (!moment) return;
    byId('scrub').setAttribute('aria-valuetext', clock(moment.at));
    byId('when').replaceChildren(clock(moment.at), element('small', {}, `${date(moment.at)}, instant ${look.at + 1} of ${run.moments.length}`));
    byId('said').replaceChildren(...moment.said.map(saidLine), ...brokenLines(moment));
    byId('compare').replaceChildren(...run.locks.map((lock, nth) => table(nth, moment.at)));
    if (!keepsView) follow(moment.at);
    ask();
  }

  function saidLine(line) {
    return element('li', { class: line.is_change ? '' : 'is-quiet' }, element('span', { class: 'who' }, line.is_controller ? 'controller' : 'world'),
      element('span', { class: 'what' }, shownText(line.what)), ruleOf(line.rule));
  }

  function brokenLines(moment) {
    if (run.violated_at_ms !== moment.at) return [];
    return run.broken.map((broken) => element('li', {}, element('span', { class: 'who' }, '▲ broken'),
      element('span', { class: 'what' }, shownText(broken.what)), element('span', { class: 'rule', title: plain(broken.statement) }, broken.id)));
  }

  const ruleOf = (rule) => rule ? element('span', { class: 'rule', title: plain(run.rules[rule]) }, rule) : element('span');

  /** A lock's memory beside the API's records, row by row, with what differs. */
  function table(lock, ms) {
    const entries = run.entries.filter((entry) => entry.lock === lock && isAt(entry, ms));
    const shown = run.shown.filter((shown) => run.codes[shown.code].lock === lock && isAt(shown, ms));
    const pairs = shown.map((shown) => ({ shown, entry: entries.find((entry) => entry.code === shown.code) ?? null }));
    for (const shownAlone of pairs.filter((pair) => !pair.entry && !pair.shown.is_managed)) {
      shownAlone.entry = entries.find((entry) => entry.code === null && entry.pin === shownAlone.shown.pin) ?? null;
    }
    entries.filter((entry) => !pairs.some((pair) => pair.entry === entry)).forEach((entry) => pairs.push({ shown: null, entry }));
    const device = run.devices.find((device) => device.lock === lock && isAt(device, ms));
    const bands = run.bands.filter((band) => (band.lock === lock || band.lock === null) && band.sort !== 'heal' && isAt(band, ms)).map((band) => word(band.name));
    const head = element('tr', {}, ...['whose', 'in the lock', '', 'the API shows', 'problems'].map((name) => element('th', { scope: 'col' }, name)));
    const body = pairs.map(({ shown, entry }) => {
      const [kind, sign] = difference(shown, entry, ms);
      const opens = entry && entry.opens.some(([from, to]) => from <= ms && ms < to);
      return element('tr', { class: kind },
        element('td', {}, shown ? run.codes[shown.code].label : owner(entry)),
        element('td', {}, ...(entry ? [element('span', { class: 'pin' }, pin(entry.pin)), ` ${run.locks[lock].places[entry.place]}, ${opens ? 'opens now' : 'does not open now'}`] : [element('span', { class: 'quiet' }, '—')])),
        element('td', { class: 'sign' }, sign),
        element('td', {}, ...(shown ? [status(shown) + ' ', element('span', { class: 'pin' }, pin(shown.pin)), shown.window ? ` ${windowText(shown.window)}` : ''] : [element('span', { class: 'quiet' }, '—')])),
        element('td', {}, shown ? shown.problems.map(word).join(', ') : ''));
    });
    if (!body.length) body.push(element('tr', {}, element('td', { colSpan: 5, class: 'quiet' }, 'nothing in the lock, and nothing shown')));
    const notes = [...(device ? [device.problems.split(', ').map(word).join(', ')] : []), ...bands.map((name) => `(${name})`)].join(' ');
    return element('table', {}, element('caption', {}, run.locks[lock].name, notes ? element('small', {}, '  ' + notes) : ''), element('thead', {}, head), element('tbody', {}, ...body));
  }

  /** How truth and belief differ: with a sign and in words, never by colour alone. */
  function difference(shown, entry, ms) {
    const opens = entry && entry.opens.some(([from, to]) => from <= ms && ms < to);
    if (!shown) return entry.code === null ? ['waits', '~ nobody shows it'] : ['differs', '≠ no record, but it is there'];
    if (!shown.is_managed) return entry ? ['', ''] : ['differs', '≠ not in the lock'];
    const name = status(shown);
    if (name === 'set' && !entry) return ['differs', '≠ not in the lock'];
    if (entry && shown.pin !== null && entry.pin !== shown.pin) return [name === 'set' ? 'differs' : 'waits', (name === 'set' ? '≠' : '~') + ' another PIN'];
    if (name === 'set' && !opens && (!shown.window || (shown.window[0] <= ms && ms < shown.window[1]))) return ['differs', '≠ it does not open'];
    if (entry && name === 'setting') return ['waits', '~ not confirmed yet'];
    if (!entry && name === 'setting') return ['waits', '~ on its way'];
    if (entry && name === 'removing') return ['waits', '~ still there'];
    if (!entry && name === 'removing') return ['waits', '~ gone, not confirmed'];
    if (entry && name === 'unset') return ['differs', opens ? '≠ it opens' : '~ it is there'];
    if (!entry && name === 'scheduled') return ['differs', '≠ not in the lock'];
    return ['', name === 'set' && entry ? '=' : ''];
  }

  // ---- moving

  function view(a, b) {
    const span = Math.max(1e-6, Math.min(1, b - a));
    look.a = Math.max(0, Math.min(1 - span, a));
    look.b = look.a + span;
    repaint();
  }

  function zoom(factor, px = null) {
    const moment = run.moments[look.at];
    const centre = px === null ? (moment && isIn(x(moment.at), x(moment.at)) ? u(moment.at) : (look.a + look.b) / 2) : look.a + (px - LABELS) / room() * (look.b - look.a);
    const span = Math.min(1, (look.b - look.a) * factor), share = (centre - look.a) / (look.b - look.a);
    view(centre - share * span, centre + (1 - share) * span);
  }

  function follow(ms) {
    const here = u(ms), span = look.b - look.a;
    if (here < look.a + span * .02 || here > look.b - span * .02) view(here - span / 2, here + span / 2);
  }

  function toggle(name, id) {
    const centre = time((look.a + look.b) / 2), span = look.b - look.a;
    look[name] = !look[name];
    byId(id).setAttribute('aria-pressed', String(name === 'masked' ? !look.masked : look[name]));
    if (name === 'shortens' && span < 1) view(u(centre) - span / 2, u(centre) + span / 2);
    if (name === 'masked') { head(); go(look.at, true); }
    repaint();
  }

  const nearest = (ms) => {
    const list = run.moments, ats = list.map((moment) => moment.at), low = before(ats, ms);
    return low + 1 < list.length && Math.abs(x(list[low + 1].at) - x(ms)) < Math.abs(x(list[low].at) - x(ms)) ? low + 1 : low;
  };
  const toViolation = () => { if (run.violated_at_ms !== null) go(nearest(run.violated_at_ms)); };

  const actions = {
    ArrowLeft: (event) => go(look.at - (event.shiftKey ? 10 : 1)), ArrowRight: (event) => go(look.at + (event.shiftKey ? 10 : 1)),
    Home: () => go(0), End: () => go(run.moments.length - 1),
    '+': () => zoom(.6), '=': () => zoom(.6), '-': () => zoom(1 / .6), 0: () => view(0, 1),
    '[': () => view(look.a - (look.b - look.a) / 4, look.b - (look.b - look.a) / 4), ']': () => view(look.a + (look.b - look.a) / 4, look.b + (look.b - look.a) / 4),
    v: toViolation, t: () => toggle('shortens', 'scale'), r: () => toggle('reads', 'reads'), p: () => toggle('masked', 'masks'), '?': () => byId('keys').showModal(),
  };

  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId('keys').open || !actions[event.key]) return;
    actions[event.key](event);
    event.preventDefault();
  });

  let held = null;
  canvas.addEventListener('pointerdown', (event) => { held = { px: event.clientX, a: look.a, b: look.b, moved: false }; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener('pointermove', (event) => {
    if (!held) { showTip(event); return; }
    const moved = event.clientX - held.px;
    held.moved = held.moved || Math.abs(moved) > 4;
    if (held.moved) { const shift = moved / room() * (held.b - held.a); view(held.a - shift, held.b - shift); byId('tip').hidden = true; }
  });
  canvas.addEventListener('pointerup', (event) => {
    if (held && !held.moved) { const px = event.clientX - canvas.getBoundingClientRect().left; if (px > LABELS) go(nearest(at(px)), true); }
    held = null;
  });
  canvas.addEventListener('pointerleave', () => { byId('tip').hidden = true; });
  canvas.addEventListener('dblclick', (event) => zoom(.4, event.clientX - canvas.getBoundingClientRect().left));
  canvas.addEventListener('wheel', (event) => {
    const isSideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
    if (!event.ctrlKey && !event.metaKey && !isSideways) return;
    event.preventDefault();
    if (isSideways) { const shift = (event.deltaX || event.deltaY) / room() * (look.b - look.a); view(look.a + shift, look.b + shift); }
    else zoom(Math.exp(event.deltaY / 300), event.clientX - canvas.getBoundingClientRect().left);
  }, { passive: false });

  byId('scrub').addEventListener('input', (event) => go(Number(event.target.value)));
  byId('back').onclick = () => go(look.at - 1);
  byId('next').onclick = () => go(look.at + 1);
  byId('in').onclick = () => zoom(.6);
  byId('out').onclick = () => zoom(1 / .6);
  byId('fit').onclick = () => view(0, 1);
  byId('scale').onclick = () => toggle('shortens', 'scale');
  byId('reads').onclick = () => toggle('reads', 'reads');
  byId('masks').onclick = () => toggle('masked', 'masks');
  byId('violation').onclick = toViolation;
  byId('help').onclick = () => byId('keys').showModal();
  byId('copy').onclick = () => {
    const range = document.createRange();
    range.selectNodeContents(byId('replay'));
    getSelection().removeAllRanges(); getSelection().addRange(range);
    navigator.clipboard?.writeText(run.replay).catch(() => {});
  };
  addEventListener('resize', resize);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { repaint(); legend(); });

  // ---- the rest of the page

  function head() {
    byId('title').textContent = run.title;
    byId('about').textContent = shownText(run.about);
    const isBad = !run.is_as_expected;
    const named = run.broken.length ? `${run.verdict}, ${run.broken[0].id}` : run.verdict;
    const what = (run.is_as_expected && run.broken.length ? `${named}, as the story expects` : named) + (run.violated_at_ms === null ? '' : ` at ${clock(run.violated_at_ms)}`);
    byId('verdict').replaceChildren(element('span', { class: 'verdict' + (isBad ? ' is-bad' : '') }, element('span', { 'aria-hidden': 'true' }, isBad ? '▲' : '✓'), element('span', {}, what)));
    byId('broken').replaceChildren(...run.broken.slice(0, 6).map((broken) => element('li', {}, element('b', {}, broken.id),
      element('span', {}, ...rich(broken.statement)), element('span', { class: 'what' }, shownText(broken.what)))));
    byId('replay').textContent = run.replay;
    byId('hash').textContent = run.hash ? `Every run of this plan has the hash ${run.hash}.` : '';
  }

  function legend() {
    readColours();
    const kinds = [
      ['opens the door', (p) => { p.fillStyle = colours.accent; p.fillRect(0, 1, 34, 12); }],
      ['stored, does not open', (p) => { p.fillStyle = colours['accent-wash']; p.fillRect(0, 1, 34, 12); p.strokeStyle = colours.accent; p.strokeRect(.5, 1.5, 33, 11); }],
      ["nobody's", (p) => { p.fillStyle = colours.soft; p.fillRect(0, 1, 34, 12); p.fillStyle = patterns.stranger; p.globalAlpha = .45; p.fillRect(0, 1, 34, 12); }],
      ['asked window', (p) => { line(p, 1, 7, 33, 7, colours.accent, 2); line(p, 1, 3, 1, 11, colours.accent, 2); line(p, 33, 3, 33, 11, colours.accent, 2); }],
      ['shown as set', (p) => { p.fillStyle = colours.soft; p.fillRect(0, 1, 34, 12); }],
      ['setting', (p) => { p.fillStyle = patterns.setting; p.fillRect(0, 1, 34, 12); p.strokeStyle = colours.soft; p.strokeRect(.5, 1.5, 33, 11); }],
      ['removing', (p) => { p.fillStyle = patterns.removing; p.fillRect(0, 1, 34, 12); p.strokeStyle = colours.soft; p.strokeRect(.5, 1.5, 33, 11); }],
      ['event', (p) => { p.fillStyle = colours.ink; p.beginPath(); p.moveTo(17, 11); p.lineTo(12, 3); p.lineTo(22, 3); p.fill(); }],
      ['command and answer', (p) => { arrow(p, 4, 13, 14, 1, colours.soft, 1.2, []); arrow(p, 14, 1, 26, 13, colours.soft, 1.2, []); }],
      ['lost', (p) => { line(p, 6, 13, 15, 7, colours.trouble, 1.8); cross(p, 17, 6, colours.trouble); }],
      ['late', (p) => { line(p, 2, 2, 32, 12, colours.trouble, 1.8, [5, 4]); }],
      ['came twice', (p) => { arrow(p, 3, 2, 7, 13, colours.soft, 1.2, []); arrow(p, 3, 2, 13, 13, colours.soft, 2, []); text(p, '2×', 19, 8, colours.ink, `600 11px ${colours.sans}`); }],
      ['a fault', (p) => { p.fillStyle = colours['trouble-wash']; p.fillRect(0, 0, 34, 14); p.fillStyle = patterns.fault; p.globalAlpha = .6; p.fillRect(0, 0, 34, 14); }],
    ];
    byId('legend').replaceChildren(...kinds.map(([name, paintSample]) => {
      const sample = element('canvas', { width: 34 * ratio, height: 14 * ratio });
      const p = sample.getContext('2d');
      p.scale(ratio, ratio);
      paintSample(p);
      return element('span', {}, sample, name);
    }));
  }

  head();
  layOut();
  byId('violation').hidden = run.violated_at_ms === null;
  byId('scrub').max = Math.max(0, run.moments.length - 1);
  resize();
  legend();
  go(run.violated_at_ms === null ? run.moments.length - 1 : nearest(run.violated_at_ms), true);
  // For a console, and for the tests of this page.
  window.keyway = { run, look, go, view, zoom, toggle, toViolation, draw: () => { isStale = true; draw(); }, hits: () => hits };
})();
