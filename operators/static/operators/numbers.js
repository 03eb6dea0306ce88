// Draws the tables of the front page, by the Chart.js that Unfold brings along; without it the tables stay open.
"use strict";

(() => {
  const charts = new Map();

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function datasets(table) {
    return [...table.tHead.rows[0].cells].slice(1).map((head, index) => {
      const values = [...table.tBodies[0].rows].map((row) => row.cells[index + 1].dataset.value);
      const line = head.dataset.kind === "line";
      return {
        type: head.dataset.kind,
        label: head.textContent,
        data: values.map((value) => (value === "" ? null : Number(value))),
        borderColor: colour(head.dataset.colour),
        backgroundColor: colour(head.dataset.colour),
        borderWidth: line ? 2 : 0,
        borderRadius: line ? 0 : 3,
        maxBarThickness: 28,
        pointRadius: values.length > 31 ? 0 : 2,
        pointHitRadius: 12,
        tension: 0.25,
        order: line ? 0 : 1,
      };
    });
  }

  function options(place, several) {
    const { stacked, unit } = place.dataset;
    const dark = document.documentElement.classList.contains("dark");
    const words = colour(dark ? "--color-base-300" : "--color-base-600");
    const lines = colour(dark ? "--color-base-800" : "--color-base-200");
    const isStacked = stacked !== undefined;
    const written = new Intl.NumberFormat(document.documentElement.lang || "en", { notation: "compact", maximumSignificantDigits: 3 });
    return {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: { display: several, align: "end", labels: { color: words, boxWidth: 10, boxHeight: 10 } },
        tooltip: { callbacks: { label: (item) => ` ${item.dataset.label}: ${place.cell(item.datasetIndex, item.dataIndex)}` } },
      },
      scales: {
        x: { stacked: isStacked, grid: { display: false }, border: { color: lines }, ticks: { color: words, maxRotation: 0, autoSkipPadding: 16 } },
        y: { stacked: isStacked, beginAtZero: true, grid: { color: lines }, border: { display: false }, ticks: { color: words, maxTicksLimit: 6, callback: (value) => unit + written.format(value) } },
      },
    };
  }

  function draw(place) {
    const table = document.getElementById(place.dataset.chart);
    place.cell = (column, row) => table.tBodies[0].rows[row].cells[column + 1].textContent;
    const data = {
      labels: [...table.tBodies[0].rows].map((row) => row.cells[0].textContent),
      datasets: datasets(table),
    };
    charts.get(place)?.destroy();
    place.classList.add("drawn");
    charts.set(place, new Chart(place.querySelector("canvas"), { data, options: options(place, data.datasets.length > 1) }));
  }

  function drawAll() {
    document.querySelectorAll(".chart-of-table").forEach(draw);
  }

  if (typeof Chart === "undefined") return;
  document.querySelectorAll(".numbers .charts details").forEach((details) => { details.open = false; });
  drawAll();
  new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["class"] });
})();
