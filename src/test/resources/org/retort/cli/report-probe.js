'use strict';
// Runs first in a copy of the page, and tells the page around it what the browser makes of it.
const wrong = [];
addEventListener('error', event => wrong.push('error: ' + event.message), true);
addEventListener('securitypolicyviolation', event => wrong.push('policy: ' + event.violatedDirective));

addEventListener('load', async () => {
  await Promise.all([...document.images].map(image => image.decode().catch(() => wrong.push('image: ' + image.alt))));
  const root = document.documentElement;
  const all = selector => [...document.querySelectorAll(selector)];
  const ids = all('[id]').map(element => element.id);
  const told = {
    frame: new URLSearchParams(location.search).get('frame'),
    dark: matchMedia('(prefers-color-scheme: dark)').matches,
    width: innerWidth,
    overflow: root.scrollWidth - root.clientWidth,
    text: document.body.innerText,
    classNames: all('#classes tbody th').map(header => header.textContent),
    images: document.images.length,
    emptyImages: all('img').filter(image => !image.naturalWidth).length,
    resources: performance.getEntriesByType('resource').map(entry => entry.name),
    addresses: all('[src], [href]').map(element => element.getAttribute('src') || element.getAttribute('href')),
    without: {
      scope: all('th:not([scope])').length,
      alternative: all('img:not([alt]), img[alt=""], svg[role=img]:not([aria-label])').length,
      caption: all('table').filter(table => !table.caption).length,
      target: all('a[href^="#"]').filter(link => !ids.includes(link.hash.slice(1))).length,
      name: all('[role=region]:not([aria-label])').length,
    },
    sameIds: ids.length - new Set(ids).size,
    faint: faint(),
    elementsOfNames: all('#classes tbody th *, #confusion th b, main script').length,
    sorted: sorted(),
    wrong,
  };
  parent.postMessage(told, '*');
});

/** The samples of the classes after a click on their header, and after another. */
function sorted() {
  const button = document.querySelector('#classes th:nth-child(2) button');
  if (!button) return null;
  const column = () => [...document.querySelectorAll('#classes table')[0].tBodies[0].rows].map(row => +row.cells[1].textContent);
  return [0, 1].map(() => {
    button.click();
    return column();
  });
}

/** Texts whose contrast is less than WCAG's level AA wants. */
function faint() {
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const isSeen = walker.currentNode.data.trim() && element.checkVisibility() && !element.closest('.unseen, script, .skip');
    if (!isSeen) continue;
    const style = getComputedStyle(element);
    const color = element instanceof SVGElement ? style.fill : style.color;
    const ratio = contrast(rgb(color), background(element));
    if (!(ratio >= 4.5)) found.add(`${element.tagName}.${element.getAttribute('class')} ${color} ${ratio.toFixed(2)}`);
  }
  return [...found];
}

function background(element) {
  for (let at = element; at; at = at.parentElement) {
    const color = rgb(getComputedStyle(at).backgroundColor);
    if (color[3] !== 0) return color;
  }
  return [255, 255, 255];
}

function rgb(color) {
  return color.match(/[\d.]+/g).map(Number);
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function luminance(color) {
  const [r, g, b] = color.map(value => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
