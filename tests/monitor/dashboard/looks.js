// What a person would see of a page, computed in it. Returns sentences, one for each flaw.
() => {
  const flaws = [];
  const parse = (text) => {
    const found = text.match(/[\d.]+/g);
    if (!found) return [0, 0, 0, 0];
    const [r, g, b, a] = found.map(Number);
    return [r, g, b, a === undefined ? 1 : a];
  };
  const over = (top, below) =>
    [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = ([r, g, b]) =>
    [r, g, b]
      .map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (one, other) => {
    const [a, b] = [light(one), light(other)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const canvas = matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0, 1] : [255, 255, 255, 1];
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), canvas);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const said = texts.currentNode.textContent.trim();
    if (!said || seen.has(element) || element.closest("title, desc, option")) continue;
    seen.add(element);
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    if (style.visibility === "hidden" || !box.width || !box.height || box.right < 0) continue;
    if (element.closest(".hidden")) continue;
    const drawn = element instanceof SVGElement;
    const behind = drawn && element.previousElementSibling?.tagName === "rect" && element.closest(".mark")
      ? parse(getComputedStyle(element.previousElementSibling).fill)
      : ground(element.closest("svg")?.parentElement ?? element);
    const colour = over(parse(drawn ? style.fill : style.color), behind);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const found = ratio(colour, behind);
    if (found < (large ? 3 : 4.5)) flaws.push(`contrast ${found.toFixed(2)} of "${said.slice(0, 40)}"`);
  }
  if (document.documentElement.scrollWidth > innerWidth)
    flaws.push(`wider than the window: ${document.documentElement.scrollWidth}`);
  for (const name of ["header.bar", "main", "footer"])
    if (document.querySelectorAll(`body > ${name}`).length !== 1) flaws.push(`not one ${name}`);
  for (const table of document.querySelectorAll("table"))
    if (!table.caption && !table.closest("[aria-label], section, .log"))
      flaws.push("a table without a name");
  for (const table of document.querySelectorAll("table"))
    if (!table.querySelector("th[scope=col]")) flaws.push("a table without headings");
  for (const picture of document.querySelectorAll("svg[role=img]"))
    if (!picture.querySelector("title")?.textContent.trim()) flaws.push("a picture without a name");
  for (const picture of document.querySelectorAll("svg:not([role=img]):not(svg svg)"))
    if (picture.getAttribute("aria-hidden") !== "true") flaws.push("a picture that is not told");
  for (const field of document.querySelectorAll("input:not([hidden]), select"))
    if (!field.labels.length) flaws.push("a field without a label");
  for (const link of document.querySelectorAll("a, button"))
    if (!link.textContent.trim()) flaws.push("a link without words");
  for (const region of document.querySelectorAll(".scroll"))
    if (region.tabIndex !== 0) flaws.push("a part that the keyboard cannot scroll");
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) flaws.push(`heading ${own} after ${level}: ${heading.textContent}`);
    level = own;
  }
  const names = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(names).size < names.length) flaws.push("two things with one id");
  return flaws;
}
