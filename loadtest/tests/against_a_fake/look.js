// Runs inside a page under test: looks at what the browser made of it, and writes that down as JSON.
window.problems = [];
window.addEventListener("error", (event) => window.problems.push(event.message));
window.addEventListener("load", () => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  const inside = (inner, outer) => inner.left >= outer.left - 1 && inner.right <= outer.right + 1 &&
    inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
  const plots = [...document.querySelectorAll("figure svg")].map((svg) => {
    const box = svg.getBoundingClientRect();
    const middle = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
    svg.dispatchEvent(new PointerEvent("pointermove", middle));
    const moved = svg.getBoundingClientRect().top - box.top;
    const lines = [...svg.querySelectorAll("polyline")];
    return {
      title: svg.getAttribute("aria-label"),
      width: box.width,
      height: box.height,
      lines: lines.length,
      points: lines.map((line) => line.points.numberOfItems),
      strayLines: lines.filter((line) => !inside(line.getBoundingClientRect(), box)).length,
      strayTexts: [...svg.querySelectorAll("text")].filter((text) => !inside(text.getBoundingClientRect(), box)).length,
      unpainted: lines.filter((line) => getComputedStyle(line).stroke === "none").length,
      moved,
      told: svg.closest("figure").querySelector("output").textContent,
    };
  });
  const found = {
    problems: window.problems,
    plots,
    tables: document.querySelectorAll("table").length,
    tiles: document.querySelectorAll(".tile").length,
    headings: [...document.querySelectorAll("h1, h2")].map((heading) => heading.textContent),
    resources: performance.getEntriesByType("resource").map((entry) => entry.name),
    width: window.innerWidth,
    overflow: document.documentElement.scrollWidth - window.innerWidth,
  };
  const told = document.createElement("pre");
  told.id = "found";
  told.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(found))));
  document.body.append(told);
});
