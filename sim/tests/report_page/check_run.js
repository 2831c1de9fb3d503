// Uses the page of a run as a reader does, and writes down what came of it.
(() => {
  const byId = (id) => document.getElementById(id);
  const canvas = byId('picture');
  const press = (key, more = {}) => dispatchEvent(new KeyboardEvent('keydown', { key, ...more }));
  const showsAPin = () => window.keyway.run.pins.some((pin) => new RegExp(`(^|\\D)${pin}(\\D|$)`).test(document.querySelector('main').innerText));
  const shown = () => byId('when').innerText + byId('said').innerText + byId('compare').innerText;
  const look = window.keyway.look;
  const found = { pins: window.keyway.run.pins.length, rows: byId('compare').querySelectorAll('tbody tr').length };

  window.keyway.draw();
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  for (let i = 0; i < pixels.length; i += 4) colours.add((pixels[i] << 16) + (pixels[i + 1] << 8) + pixels[i + 2]);
  found.colours = colours.size;

  found.masked = !showsAPin();
  // Somewhere a PIN is shown once they may be.
  press('p');
  found.unmasked = window.keyway.run.moments.some((_, nth) => { window.keyway.go(nth); return showsAPin(); });
  press('p');
  found.masked_again = !window.keyway.run.moments.slice(0, 400).some((_, nth) => { window.keyway.go(nth); return showsAPin(); });

  press('Home');
  const first = shown();
  byId('scrub').value = String(Math.floor(window.keyway.run.moments.length / 2));
  byId('scrub').dispatchEvent(new Event('input'));
  found.scrubbed = shown() !== first && look.at === Math.floor(window.keyway.run.moments.length / 2);
  press('ArrowRight');
  found.stepped = look.at === Math.floor(window.keyway.run.moments.length / 2) + 1;
  press('End');
  found.at_end = look.at === window.keyway.run.moments.length - 1;
  press('+'); press('+'); press(']');
  found.zoomed = look.b - look.a < .5;
  press('0');
  found.fits = look.a === 0 && look.b === 1;
  press('v');
  found.violation = window.keyway.run.violated_at_ms === null || window.keyway.run.moments[look.at].at <= window.keyway.run.violated_at_ms;
  found.differences = byId('compare').querySelectorAll('tr.differs').length;
  press('?');
  found.help = byId('keys').open;
  byId('keys').close();

  // Every thing on the picture says what it is, and its rule.
  const box = canvas.getBoundingClientRect();
  const tips = window.keyway.hits().map((hit) => hit.tip());
  found.without_a_word = tips.filter((tip) => !tip.head || /undefined|null|NaN|⟦/.test(tip.head + tip.lines.join(' '))).map((tip) => tip.head + ' ' + tip.lines.join(' '));
  found.without_a_rule = tips.filter((tip) => tip.rule && !window.keyway.run.rules[tip.rule]).map((tip) => tip.rule);
  const one = window.keyway.hits().filter((hit) => hit.tip().rule && hit.x1 - hit.x0 > 8 && hit.x0 > 200).pop();
  canvas.dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + (one.x0 + one.x1) / 2, clientY: box.top + (one.y0 + one.y1) / 2 }));
  found.hovered = !byId('tip').hidden && byId('tip').querySelector('em') !== null;

  const times = [];
  for (let i = 0; i < 15; i++) {
    window.keyway.view(i / 100, .5 + i / 100);
    const began = performance.now();
    window.keyway.draw();
    canvas.getContext('2d').getImageData(0, 0, 1, 1);
    times.push(performance.now() - began);
  }
  found.frame_ms = times.sort((one, other) => one - other)[7];
  const steps = [];
  for (let i = 0; i < 15; i++) {
    const began = performance.now();
    window.keyway.go(i * 7);
    steps.push(performance.now() - began);
  }
  found.step_ms = steps.sort((one, other) => one - other)[7];
  found.wrong = window.wrong;
  const result = document.createElement('pre');
  result.id = 'found';
  result.textContent = JSON.stringify(found);
  document.body.append(result);
})();
