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

  // A frame: all of it, a half and a tenth, each painted anew; reading a pixel back waits until it is there.
  const median = (times) => times.sort((one, other) => one - other)[times.length >> 1];
  const timed = (work) => {
    const began = performance.now();
    work();
    window.keyway.draw();
    canvas.getContext('2d').getImageData(0, 0, 1, 1);
    return performance.now() - began;
  };
  const share = (wide) => median(Array.from({ length: 9 }, (_, i) => timed(() => window.keyway.view(i / 8 * (1 - wide), i / 8 * (1 - wide) + wide))));
  found.frame_ms = Math.max(...[1, .5, .1].map(share));
  // A step of the scrubber, anywhere in the story: the tables are laid out, and the picture is painted anew with it.
  window.keyway.view(0, 1);
  const count = window.keyway.run.moments.length;
  found.step_ms = median(Array.from({ length: 15 }, (_, i) => timed(() => { window.keyway.go(Math.floor(i * count / 15)); return document.body.offsetHeight; })));
  found.wrong = window.wrong;
  const result = document.createElement('pre');
  result.id = 'found';
  result.textContent = JSON.stringify(found);
  document.body.append(result);
})();
