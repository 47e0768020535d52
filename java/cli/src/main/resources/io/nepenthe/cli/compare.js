"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byName = new Map(data.models.map((model) => [model.name, model]));
  const before = byName.get("before");
  const standard = byName.get("retrain");
  const chooser = document.getElementById("method");
  const parts = [
    { key: "retain", title: "kept", colour: "--keep", symbol: "circle", line: "solid" },
    { key: "forget", title: "to be forgotten", colour: "--forget", symbol: "triangle", line: "solid" },
    { key: "test", title: "test", colour: "--test", symbol: "diamond", line: "dashed" },
  ];

  const percent = (value) => (value == null ? "–" : (100 * value).toFixed(1) + " %");
  const seconds = (value) => (value < 10 ? value.toFixed(2) : value.toFixed(0)) + " s";
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };

  /** Options that every chart has. */
  function base() {
    const ink = css("--ink");
    const soft = css("--soft");
    const fontFamily = getComputedStyle(document.body).fontFamily;
    const axis = {
      axisLine: { lineStyle: { color: soft } },
      // The family again: ECharts measures labels, for which it leaves room, without the chart's.
      axisLabel: { color: soft, fontFamily },
      nameTextStyle: { color: soft },
      splitLine: { lineStyle: { color: css("--line") } },
    };
    return {
      axis,
      option: {
        animation: false,
        backgroundColor: "transparent",
        textStyle: { color: ink, fontFamily },
        legend: { top: 0, left: 0, textStyle: { color: ink }, itemWidth: 16, itemHeight: 10, itemGap: 14 },
        tooltip: {
          confine: true,
          backgroundColor: css("--card"),
          borderColor: css("--line"),
          textStyle: { color: ink },
        },
      },
    };
  }

  const charts = new Map();
  const narrow = (id) => document.getElementById(id).clientWidth < 480;

  /** Draws a chart; words say the same to those who do not see it, and rows hold its numbers. */
  function draw(id, option, words, head, rows) {
    const place = document.getElementById(id);
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", words);
    let chart = charts.get(id);
    if (!chart) {
      chart = echarts.init(place, null, { renderer: "svg" });
      charts.set(id, chart);
      new ResizeObserver(() => chart.resize()).observe(place);
    }
    chart.setOption(option, { notMerge: true });
    if (rows) {
      numbers(place, head, rows);
    }
  }

  /** The numbers of a chart, folded away below it. */
  function numbers(place, head, rows) {
    let details = place.nextElementSibling;
    if (!details || !details.classList.contains("figures")) {
      details = element("details", { className: "figures" }, element("summary", { textContent: "Numbers" }));
      place.after(details);
    }
    const table = element("table");
    const line = (cells, tag) =>
      element(
        "tr",
        {},
        ...cells.map((cell, i) => {
          const made = element(i === 0 || tag === "th" ? "th" : "td", { textContent: cell });
          made.scope = tag === "th" ? "col" : "row";
          return made;
        }),
      );
    table.append(element("thead", {}, line(head, "th")), element("tbody", {}, ...rows.map((row) => line(row, "td"))));
    const scroll = element("div", { className: "scroll", tabIndex: 0 }, table);
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Numbers, scrolls sideways");
    details.replaceChildren(details.firstElementChild, scroll);
  }

  function colour(model, chosen) {
    return css(
      model === chosen ? "--forget" : model === before ? "--soft" : model === standard ? "--test" : "--keep",
    );
  }

  /**
   * Labels of points: those that lie close to each other share the first one's, a line each; x goes from low to 100.
   * Where there is no room for titles they are numbers, above the highest.
   */
  function together(models, place, low, numbered) {
    const span = 100 - percents(models.map((model) => place(model)[1])).min;
    const groups = [];
    for (const model of models.toSorted((a, b) => place(b)[1] - place(a)[1])) {
      const [x, y] = place(model);
      const near = groups.find((group) => {
        const [left, up] = place(group[0]);
        return Math.abs(left - x) < 0.16 * (100 - low) && Math.abs(up - y) < 0.055 * span * group.length;
      });
      near ? near.push(model) : groups.push([model]);
    }
    const labels = new Map(models.map((model) => [model, { show: false }]));
    for (const group of groups) {
      const left = Math.min(...group.map((model) => place(model)[0])) > (low + 100) / 2;
      const end = group.toSorted((a, b) => (left ? 1 : -1) * (place(a)[0] - place(b)[0]))[0];
      const numbers = group.map((model) => models.indexOf(model) + 1).sort((a, b) => a - b);
      numbered
        ? labels.set(group[0], { show: true, position: "top", align: left ? "right" : "left", distance: 3, formatter: numbers.join(", ") })
        : labels.set(end, {
            show: true,
            position: left ? "left" : "right",
            align: left ? "right" : "left",
            verticalAlign: "top",
            offset: [0, -7],
            formatter: group.map((model) => model.title).join("\n"),
          });
    }
    return labels;
  }

  /** An axis of percents that shows all of these, with some room below; it begins at one of its even ticks. */
  function percents(values) {
    const least = Math.min(100, ...values);
    const from = Math.max(0, least - Math.max(0.5, (100 - least) / 8));
    const interval = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20].find((step) => 100 - from <= 6 * step);
    return { type: "value", min: Number((Math.floor(from / interval) * interval).toFixed(1)), max: 100, interval };
  }

  function tradeoff(chosen) {
    const { option, axis } = base();
    const x = data.attack ? "attackSuccessRate" : "forgetAccuracy";
    const name = data.attack ? "attack success, %" : "accuracy on the forgotten, %";
    const shown = data.models.filter((model) => model.metrics[x] != null);
    // An attack's aim is 0; of what is forgotten by chance most is known still.
    const across = percents(data.attack ? [0] : shown.map((model) => 100 * model.metrics[x]));
    const place = (model) => [100 * model.metrics[x], 100 * model.metrics.testAccuracy];
    const labels = together(shown, place, across.min, narrow("tradeoff"));
    const shapes = (model) => (model === before ? "rect" : model === standard ? "diamond" : "circle");
    draw(
      "tradeoff",
      {
        ...option,
        legend: undefined,
        grid: { left: 8, right: 24, top: 34, bottom: 28, containLabel: true },
        xAxis: { ...axis, ...across, name, nameLocation: "middle", nameGap: 28, axisLabel: { ...axis.axisLabel, margin: 11 } },
        yAxis: { ...axis, ...percents(shown.map((model) => 100 * model.metrics.testAccuracy)), name: "test accuracy, %", nameLocation: "end", nameTextStyle: { align: "left", color: css("--soft") } },
        tooltip: {
          ...option.tooltip,
          formatter: ({ data: point }) => `${point.name}<br>${name} ${point.value[0].toFixed(1)}<br>test accuracy, % ${point.value[1].toFixed(1)}`,
        },
        series: [
          {
            type: "scatter",
            data: shown.map((model) => ({
              name: model.title,
              value: place(model),
              symbol: shapes(model),
              symbolSize: model === chosen || model === standard || model === before ? 15 : 11,
              itemStyle: { color: colour(model, chosen), borderColor: css("--card"), borderWidth: 1 },
              label: labels.get(model),
            })),
            label: { color: css("--ink"), fontSize: 12, lineHeight: 15, distance: 6 },
          },
        ],
      },
      shown.map((model) => `${model.title}: ${name} ${percent(model.metrics[x])}, test accuracy ${percent(model.metrics.testAccuracy)}`).join(". "),
      ["Model", name, "test accuracy"],
      shown.map((model) => [model.title, percent(model.metrics[x]), percent(model.metrics.testAccuracy)]),
    );
    const key = narrow("tradeoff") ? shown.map((model, i) => `${i + 1} ${model.title}`).join(", ") + ". " : "";
    const nearer = standard
      ? "The nearer to the one trained anew, the better: it never saw the forgotten, and is what a perfect method would give."
      : "Right on the forgotten should be what it is for images never seen.";
    document.getElementById("tradeoff-note").textContent = key + (data.attack
      ? "The further up and to the left, the better: the backdoor is gone and the rest is kept."
      : nearer);
  }

  function times(chosen) {
    const { option, axis } = base();
    const shown = data.models.filter((model) => model !== before && model.seconds.total != null).reverse();
    document.getElementById("seconds").closest("section").hidden = shown.length === 0;
    if (shown.length === 0) {
      return;
    }
    const phases = [...new Set(shown.flatMap((model) => Object.keys(model.seconds)))].filter((name) => name !== "total");
    const palette = ["--keep", "--forget", "--test", "--other", "--soft"];
    draw(
      "seconds",
      {
        ...option,
        grid: { left: 20, right: 52, top: narrow("seconds") ? 56 : 34, bottom: 8, containLabel: true },
        xAxis: { ...axis, type: "value", splitNumber: narrow("seconds") ? 3 : 5, axisLabel: { ...axis.axisLabel, formatter: "{value} s", hideOverlap: true } },
        yAxis: { ...axis, type: "category", data: shown.map((model) => model.title), axisTick: { show: false }, axisLabel: { ...axis.axisLabel, color: css("--ink"), interval: 0, width: narrow("seconds") ? 110 : 170, overflow: "truncate" } },
        tooltip: { ...option.tooltip, trigger: "axis", axisPointer: { type: "shadow" }, valueFormatter: (value) => seconds(value) },
        series: phases.map((phase, i) => ({
          name: phase,
          type: "bar",
          stack: "seconds",
          barCategoryGap: "35%",
          barMaxWidth: 40,
          itemStyle: { color: css(palette[i % palette.length]) },
          data: shown.map((model) => model.seconds[phase] ?? 0),
          label:
            i === phases.length - 1
              ? { show: true, position: "right", color: css("--soft"), formatter: ({ dataIndex }) => seconds(shown[dataIndex].seconds.total) }
              : undefined,
        })),
      },
      shown.map((model) => `${model.title}: ${seconds(model.seconds.total)}`).reverse().join(". "),
      ["Method", "total", ...phases],
      shown.toReversed().map((model) => [model.title, seconds(model.seconds.total), ...phases.map((phase) => (model.seconds[phase] == null ? "–" : seconds(model.seconds[phase])))]),
    );
  }

  /** A search's cuts: what is kept and what is still believed, by how strongly was dampened. */
  function search(cuts) {
    const { option, axis } = base();
    const shown = [
      { title: "right on held-out images", key: "heldOut", colour: "--keep" },
      { title: "belief in the known poison", key: "forget", colour: "--forget" },
    ];
    const words = (alpha) => Number(alpha.toPrecision(3)).toString();
    draw(
      "search",
      {
        ...option,
        grid: { left: 8, right: 16, top: 56, bottom: 28, containLabel: true },
        xAxis: { ...axis, type: "category", data: cuts.map(({ selection }) => words(selection)), name: "α: the smaller, the stronger", nameLocation: "middle", nameGap: 28, axisLabel: { ...axis.axisLabel, hideOverlap: true } },
        yAxis: { ...axis, type: "value", min: 0, max: 100, axisLabel: { ...axis.axisLabel, formatter: "{value} %" } },
        tooltip: { ...option.tooltip, trigger: "axis", valueFormatter: (value) => value.toFixed(1) + " %" },
        series: shown.map(({ title, key, colour: name }) => ({
          name: title,
          type: "line",
          symbol: "circle",
          showAllSymbol: true,
          symbolSize: (_, { dataIndex }) => (cuts[dataIndex].chosen ? 15 : 5),
          lineStyle: { color: css(name), width: 2 },
          itemStyle: { color: css(name) },
          data: cuts.map((cut) => 100 * cut[key]),
        })),
      },
      cuts.filter(({ chosen }) => chosen).map((cut) => `Chosen: α = ${words(cut.selection)}, ` + shown.map(({ title, key }) => `${title} ${percent(cut[key])}`).join(", ")).join(". "),
      ["α", ...shown.map(({ title }) => title)],
      cuts.map((cut) => [words(cut.selection) + (cut.chosen ? ", chosen" : ""), ...shown.map(({ key }) => percent(cut[key]))]),
    );
  }

  /** How much of each parameter was dampened. */
  function dampened(layers) {
    const { option, axis } = base();
    const share = ({ selected, parameters }) => (100 * selected) / parameters;
    const words = (layer) => share(layer).toPrecision(2) + " %";
    const shown = layers.toReversed();
    draw(
      "dampened",
      {
        ...option,
        grid: { left: 8, right: 56, top: 8, bottom: 8, containLabel: true },
        xAxis: { ...axis, type: "value", axisLabel: { ...axis.axisLabel, formatter: "{value} %", hideOverlap: true } },
        yAxis: { ...axis, type: "category", data: shown.map(({ name }) => name), axisTick: { show: false }, axisLabel: { ...axis.axisLabel, color: css("--ink"), interval: 0 } },
        tooltip: { ...option.tooltip, formatter: ({ dataIndex }) => `${shown[dataIndex].name}: ${shown[dataIndex].selected} of ${shown[dataIndex].parameters}` },
        series: [
          {
            type: "bar",
            barMaxWidth: 24,
            itemStyle: { color: css("--keep") },
            data: shown.map(share),
            label: { show: true, position: "right", color: css("--soft"), formatter: ({ dataIndex }) => words(shown[dataIndex]) },
          },
        ],
      },
      "Dampened weights: " + layers.map((layer) => `${layer.name} ${layer.selected} of ${layer.parameters}`).join(", "),
      ["Parameter", "dampened", "of", "share"],
      layers.map((layer) => [layer.name, layer.selected, layer.parameters, words(layer)]),
    );
  }

  /** Before, chosen, standard: those that there are, once each. */
  function trio(chosen) {
    return [
      { model: before, title: "before", colour: "--soft" },
      { model: chosen, title: chosen.title, colour: "--forget" },
      { model: standard, title: standard?.title, colour: "--test" },
    ].filter(({ model }, i, all) => model && all.findIndex((other) => other.model === model) === i);
  }

  function classes(chosen) {
    const { option, axis } = base();
    const shown = trio(chosen);
    draw(
      "classes",
      {
        ...option,
        grid: { left: 8, right: 8, top: 34, bottom: 8, containLabel: true },
        xAxis: { ...axis, type: "category", data: data.classes, axisLabel: { ...axis.axisLabel, color: css("--ink") } },
        yAxis: { ...axis, type: "value", min: 0, max: 100, axisLabel: { ...axis.axisLabel, formatter: "{value} %" } },
        tooltip: { ...option.tooltip, trigger: "axis", axisPointer: { type: "shadow" }, valueFormatter: (value) => (value == null ? "–" : value.toFixed(1) + " %") },
        series: shown.map(({ model, title, colour: name }) => ({
          name: title,
          type: "bar",
          barGap: "10%",
          barMaxWidth: 48,
          itemStyle: { color: css(name) },
          data: model.classes.map((value) => (value == null ? null : 100 * value)),
        })),
      },
      "Accuracy on the test samples of each class. " + shown.map(({ model, title }) => title + ": " + model.classes.map((value, i) => data.classes[i] + " " + percent(value)).join(", ")).join(". "),
      ["Class", ...shown.map(({ title }) => title)],
      data.classes.map((name, i) => [name, ...shown.map(({ model }) => percent(model.classes[i]))]),
    );
  }

  function sureness(id, model, most) {
    const { option, axis } = base();
    // Of a class that is forgotten altogether the samples never seen that count are those of its own.
    const own = parts.map((part) => (part.key === "test" ? { ...part, title: data.strangers } : part));
    const least = model.detail.sureness.least;
    const bins = model.detail.sureness.retain.map((_, i) => least + i);
    const middle = (part) => {
      let sum = 0;
      return bins.find((_, i) => (sum += model.detail.sureness[part][i]) >= 0.5);
    };
    draw(
      id,
      {
        ...option,
        grid: { left: 8, right: 8, top: 48, bottom: 28, containLabel: true },
        xAxis: { ...axis, type: "category", data: bins, boundaryGap: false, name: "log p / (1 − p)", nameLocation: "middle", nameGap: 28, axisLabel: { ...axis.axisLabel, interval: 7, hideOverlap: true } },
        yAxis: { ...axis, type: "value", min: 0, max: most, axisLabel: { ...axis.axisLabel, formatter: (value) => Math.round(100 * value) + " %" } },
        tooltip: { ...option.tooltip, trigger: "axis", valueFormatter: percent },
        series: own.map(({ key, title, colour: name, line }) => ({
          name: title,
          type: "line",
          step: "middle",
          symbol: "none",
          lineStyle: { color: css(name), type: line, width: 2 },
          itemStyle: { color: css(name) },
          areaStyle: key === "forget" ? { color: css(name), opacity: 0.18 } : undefined,
          data: model.detail.sureness[key],
        })),
      },
      "How sure the model is of its samples; half of them lie below " + own.map(({ key, title }) => `${middle(key)} (${title})`).join(", "),
      ["log p / (1 − p) from", ...own.map(({ title }) => title)],
      bins.map((bin, i) => [bin, ...own.map(({ key }) => percent(model.detail.sureness[key][i]))]),
    );
  }

  function embedding(id, model) {
    const { option } = base();
    const flat = model.detail.embedding;
    const sizes = data.points;
    let at = 0;
    const series = parts.map(({ key, title, colour: name, symbol }) => {
      const points = [];
      for (let i = 0; i < sizes[key] && at < flat.length; i++, at += 2) {
        points.push([flat[at], flat[at + 1]]);
      }
      return {
        name: title,
        type: "scatter",
        symbol,
        symbolSize: key === "forget" ? 8 : 6,
        z: key === "forget" ? 3 : 2,
        itemStyle: { color: css(name), opacity: 0.75 },
        data: points,
      };
    });
    const hidden = { type: "value", scale: true, show: false };
    draw(
      id,
      {
        ...option,
        tooltip: undefined,
        grid: { left: 4, right: 4, top: 34, bottom: 4 },
        xAxis: hidden,
        yAxis: hidden,
        series,
      },
      `Map of ${flat.length / 2} samples: ` + parts.map(({ key, title }) => `${sizes[key]} ${title}`).join(", "),
    );
  }

  function similarity(chosen) {
    const { option, axis } = base();
    const layers = Object.keys((before ?? standard).detail[before ? "likeBefore" : "likeRetrained"]);
    const shown = [
      ...(before ? [{ title: "with the model before", values: chosen.detail.likeBefore, colour: "--keep" }] : []),
      ...(standard && chosen !== standard ? [{ title: "with the one trained anew", values: chosen.detail.likeRetrained, colour: "--test" }] : []),
      ...(standard && before && chosen !== before ? [{ title: "trained anew, with the model before", values: standard.detail.likeBefore, colour: "--soft" }] : []),
    ];
    document.getElementById("similarity").closest("section").hidden = shown.length === 0;
    if (shown.length === 0) {
      return;
    }
    draw(
      "similarity",
      {
        ...option,
        grid: { left: 8, right: 8, top: narrow("similarity") ? 76 : 40, bottom: 8, containLabel: true },
        xAxis: { ...axis, type: "category", data: layers, axisLabel: { ...axis.axisLabel, color: css("--ink"), hideOverlap: true } },
        yAxis: { ...axis, type: "value", min: 0, max: 1 },
        tooltip: { ...option.tooltip, trigger: "axis", axisPointer: { type: "shadow" }, valueFormatter: (value) => (value == null ? "–" : value.toFixed(3)) },
        series: shown.map(({ title, values, colour: name }) => ({
          name: title,
          type: "bar",
          barGap: "10%",
          barMaxWidth: 48,
          itemStyle: { color: css(name) },
          data: layers.map((layer) => values[layer]),
        })),
      },
      "Similarity of each layer. " + shown.map(({ title, values }) => title + ": " + layers.map((layer) => layer + " " + (values[layer]?.toFixed(2) ?? "–")).join(", ")).join(". "),
      ["Layer", ...shown.map(({ title }) => title)],
      layers.map((layer) => [layer, ...shown.map(({ values }) => values[layer]?.toFixed(3) ?? "–")]),
    );
  }

  function confusion(chosen) {
    const place = document.getElementById("confusion");
    place.replaceChildren(
      ...trio(chosen).map(({ model, title }) => {
        const caption = title.charAt(0).toUpperCase() + title.slice(1);
        const table = element("table", { className: "heat" }, element("caption", { textContent: caption }));
        const corner = element("td");
        const head = element("tr", {}, corner, ...data.classes.map((name) => element("th", { scope: "col", textContent: name })));
        const rows = model.confusion.map((row, i) => {
          const sum = row.reduce((a, b) => a + b, 0);
          const cells = data.classes.map((_, j) => {
            const share = sum ? row[j] / sum : 0;
            const cell = element("td", { textContent: row[j] || "" });
            if (row[j]) {
              cell.style.setProperty("--share", (100 * Math.sqrt(share)).toFixed(0) + "%");
              cell.className = i === j ? "right" : "wrong";
            }
            return cell;
          });
          return element("tr", {}, element("th", { scope: "row", textContent: data.classes[i] }), ...cells);
        });
        table.append(element("thead", {}, head), element("tbody", {}, ...rows));
        const scroll = element("div", { className: "scroll", tabIndex: 0 }, table);
        scroll.setAttribute("role", "region");
        scroll.setAttribute("aria-label", "Answers, " + title + ", scrolls sideways");
        return scroll;
      }),
    );
  }

  function pictures(chosen) {
    for (const [name, model] of [["before", before], ["after", chosen]].filter(([, model]) => model)) {
      document.querySelectorAll(`[data-answer="${name}"]`).forEach((place, i) => {
        const answer = model.detail.answers[i];
        place.textContent = data.classes[answer] ?? answer;
        place.classList.toggle("other", answer !== data.labels[i]);
      });
    }
  }

  function all() {
    const chosen = byName.get(chooser.value);
    for (const title of document.querySelectorAll(".chosen-title")) {
      title.textContent = chosen.title;
    }
    tradeoff(chosen);
    times(chosen);
    if (data.search) {
      search(data.search);
      dampened(data.dampened);
    }
    classes(chosen);
    const shown = { before, after: chosen, standard };
    const mapped = (model) => model.detail.embedding.length > 0;
    if (!mapped(chosen)) {
      document.getElementById("embedding-note").textContent = "There are too few samples for a map of them.";
    }
    const most = Math.max(...Object.values(shown).filter(Boolean).flatMap(({ detail }) => parts.flatMap(({ key }) => detail.sureness[key])));
    for (const [name, model] of Object.entries(shown)) {
      if (model) {
        sureness("sureness-" + name, model, Math.ceil(10 * most) / 10);
      } else {
        document.getElementById("sureness-" + name).parentElement.hidden = true;
      }
      if (model && mapped(model)) {
        embedding("embedding-" + name, model);
      } else {
        document.getElementById("embedding-" + name).parentElement.hidden = true;
      }
    }
    similarity(chosen);
    confusion(chosen);
    pictures(chosen);
  }

  /** Sorts the table by a column: once downwards, once upwards, then as it was. */
  function sorting(table) {
    const body = table.tBodies[0];
    const original = [...body.rows];
    for (const button of table.querySelectorAll("thead button")) {
      button.addEventListener("click", () => {
        const head = button.closest("th");
        const next = { none: "descending", descending: "ascending", ascending: "none" }[head.ariaSort ?? "none"];
        for (const other of table.querySelectorAll("thead th")) {
          other.ariaSort = "none";
        }
        head.ariaSort = next;
        const value = (row) => Number.parseFloat(row.cells[head.cellIndex].dataset.value ?? "NaN");
        const sign = next === "ascending" ? 1 : -1;
        const rows = next === "none" ? original : original.toSorted((a, b) => sign * ((value(a) || 0) - (value(b) || 0)));
        body.replaceChildren(...rows);
      });
    }
  }

  chooser.addEventListener("change", all);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  document.querySelectorAll("table.numbers").forEach(sorting);
  all();
  document.documentElement.dataset.drawn = charts.size;
})();
