'use strict';
// Conveniences: the page is complete without them.
for (const table of document.querySelectorAll('table.sortable')) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const isPlot = body.rows[0].cells[column].classList.contains('plot');
    if (isPlot) return;
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = header.textContent;
    header.replaceChildren(button);
    button.addEventListener('click', () => sort(column, header));
  });

  function sort(column, header) {
    const isText = column === 0;
    const wasSorted = header.getAttribute('aria-sort');
    const order = wasSorted ? (wasSorted === 'ascending' ? 'descending' : 'ascending') : isText ? 'ascending' : 'descending';
    headers.forEach(other => other.removeAttribute('aria-sort'));
    header.setAttribute('aria-sort', order);
    const sign = order === 'ascending' ? 1 : -1;
    const number = row => parseFloat(row.cells[column].dataset.value);
    const rows = [...body.rows].sort((one, other) => {
      if (isText) return sign * one.cells[0].textContent.localeCompare(other.cells[0].textContent, 'en', {numeric: true});
      const a = number(one);
      const b = number(other);
      if (isNaN(a) || isNaN(b)) return isNaN(a) - isNaN(b); // what has no value comes last
      return sign * (a - b);
    });
    body.append(...rows);
  }
}
addEventListener('beforeprint', () => document.querySelectorAll('details').forEach(one => { one.open = true; }));
