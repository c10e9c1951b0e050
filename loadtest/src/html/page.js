// Where the pointer is over a plot, the values of its lines are told above it.
for (const svg of document.querySelectorAll("figure svg")) {
  const lines = [...svg.querySelectorAll("polyline")].map((line) => ({
    name: line.dataset.name,
    places: line.getAttribute("points").trim().split(" ").map((pair) => pair.split(",").map(Number)),
    values: line.dataset.values.trim().split(" ").map((pair) => pair.split(",").map(Number)),
  }));
  const told = svg.closest("figure").querySelector("output");
  const cursor = svg.querySelector(".cursor");
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const nearest = (line) => line.places.reduce((best, place, at) =>
      Math.abs(place[0] - x) < Math.abs(line.places[best][0] - x) ? at : best, 0);
    const found = lines.map((line) => [line, nearest(line)]);
    const at = found[0][0].places[found[0][1]][0];
    cursor.setAttribute("d", `M${at} 12V198`);
    const text = found.slice(0, 4).map(([line, at]) => `${line.name} ${line.values[at][1]}`.trim()).join(", ");
    told.textContent = `at ${found[0][0].values[found[0][1]][0]}: ${text}`;
  });
  svg.addEventListener("pointerleave", () => {
    told.textContent = "";
    cursor.setAttribute("d", "");
  });
}
