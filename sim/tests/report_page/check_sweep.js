// Reads the page of a sweep, and writes down what it says.
(() => {
  const text = (id) => document.getElementById(id).innerText;
  const found = {
    figures: document.querySelectorAll('#figures li').length,
    findings: document.querySelectorAll('#findings tbody tr').length,
    armed: document.querySelectorAll('#armed tbody tr').length,
    marks: document.querySelectorAll('#marks tbody tr').length,
    is_worded: !/undefined|null|NaN/.test(text('figures') + text('findings') + text('armed') + text('marks')),
    wrong: window.wrong,
  };
  const result = document.createElement('pre');
  result.id = 'found';
  result.textContent = JSON.stringify(found);
  document.body.append(result);
})();
