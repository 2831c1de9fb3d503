// Shows what a sweep came to: findings, rates, and whether the judge had anything to judge.
'use strict';
(() => {
  const sweep = JSON.parse(document.getElementById('data').textContent);
  const byId = (id) => document.getElementById(id);

  function element(name, properties = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key === 'class') made.className = value; else if (key in made) made[key] = value; else made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined && child !== ''));
    return made;
  }

  const rich = (text) => text.split('`').map((part, nth) => nth % 2 ? element('code', {}, part) : part);
  const number = (value) => Number(value).toLocaleString('en');
  const words = (name) => name.replaceAll('_', ' ').replaceAll('-', ' ');

  function percent(part) {
    const share = sweep.ran ? part / sweep.ran * 100 : 0;
    return share > 0 && share < .1 ? '<0.1 %' : `${share.toFixed(1)} %`;
  }

  function table(heads, rows) {
    const head = element('tr', {}, ...heads.map(([name, kind]) => element('th', { scope: 'col', class: kind || '' }, name)));
    return element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows));
  }

  function meter(part) {
    const bar = element('i');
    bar.style.width = `${sweep.ran ? Math.min(100, part / sweep.ran * 100) : 0}%`;
    return element('span', { class: 'meter', 'aria-hidden': 'true' }, bar);
  }

  const isBad = sweep.verdict !== 'pass';
  const ended = { complete: '', budget: 'its time was over', interrupted: 'it was stopped', stuck: 'too many steps never ended' }[sweep.ended] ?? sweep.ended;
  byId('title').textContent = sweep.title + (sweep.share.of > 1 ? `, share ${sweep.share.index} of ${sweep.share.of}` : '');
  byId('verdict').append(element('span', { class: 'verdict' + (isBad ? ' is-bad' : '') }, isBad ? '▲ ' : '✓ ', words(sweep.verdict)));
  if (ended) byId('verdict').append(element('span', { class: 'verdict' }, `ended early: ${ended}`));
  for (const [figure, name] of [
    [number(sweep.ran), 'seeds run'], [number(sweep.failed), 'failed'], [percent(sweep.failed), 'of all seeds'], [number(sweep.findings.length), 'kinds of finding'],
    [number(sweep.productive_median), 'productive events in a seed (median)'], [number(sweep.fired_median), 'fired faults in a seed (median)'],
    [percent(sweep.crashed_inside), 'crashed inside a step'], [number(sweep.compared), 'seeds run twice and compared'],
  ]) byId('figures').append(element('li', {}, element('b', {}, figure), element('span', {}, name)));

  const findings = sweep.findings.map((group) => {
    const ids = [...new Set(group.violations.map((violation) => violation.id))];
    const isAccepted = sweep.accepted.includes(group.fingerprint);
    const details = element('details', {}, element('summary', {}, group.violations[0]?.what ?? 'nothing more is known'),
      ...ids.filter((id) => sweep.statements[id]).map((id) => element('p', {}, element('b', {}, id + ' '), ...rich(sweep.statements[id]))),
      element('p', { class: 'quiet' }, 'fingerprint ', element('code', {}, group.fingerprint)));
    return element('tr', {},
      element('td', { class: 'num' }, number(group.count)), element('td', { class: 'num' }, percent(group.count)),
      element('td', {}, isAccepted ? 'accepted' : words(group.verdict)), element('td', { class: 'pin' }, ids.slice(0, 3).join(' ') + (ids.length > 3 ? ` +${ids.length - 3}` : '')),
      element('td', {}, details), element('td', {}, element('code', {}, `keyway run seed:${group.first_seed}${sweep.words}`)));
  });
  byId('findings').append(findings.length
    ? table([['seeds', 'num'], ['share', 'num'], ['verdict'], ['broken'], ['what was seen'], ['replay']], findings)
    : element('p', { class: 'quiet' }, 'Nothing was broken.'));
  for (const fingerprint of sweep.accepted_in_vain) byId('findings').append(element('p', { class: 'quiet' }, 'accepted, but not found: ', element('code', {}, fingerprint)));

  const armed = Object.entries(sweep.armed).map(([id, seeds]) => element('tr', { class: seeds ? '' : 'differs' },
    element('td', { class: 'pin' }, id), element('td', {}, meter(seeds), seeds ? percent(seeds) : '▲ never'), element('td', { class: 'num' }, number(seeds)), element('td', { class: 'num' }, number(sweep.times[id] ?? 0)),
    element('td', {}, ...rich(sweep.statements[id] ?? ''))));
  byId('armed').append(table([['checker'], ['share of the seeds'], ['seeds', 'num'], ['times', 'num'], ['what must hold']], armed));

  const marks = Object.entries(sweep.marks).sort((one, other) => other[1] - one[1]).map(([name, seeds]) => element('tr', {},
    element('td', {}, words(name)), element('td', {}, meter(seeds), percent(seeds)), element('td', { class: 'num' }, number(seeds)), element('td', { class: 'num' }, number(sweep.times[name] ?? 0))));
  for (const name of sweep.missing.filter((name) => !(name in sweep.armed))) marks.push(element('tr', { class: 'differs' }, element('td', {}, words(name)), element('td', {}, '▲ never'), element('td', { class: 'num' }, '0'), element('td', { class: 'num' }, '0')));
  byId('marks').append(table([['mark'], ['share of the seeds'], ['seeds', 'num'], ['times', 'num']], marks));
  window.keyway = { sweep };
})();
