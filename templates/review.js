
"use strict";
// Enhances a page that is whole without it: finds hosts in ranges, shows one host's files, compares two hosts.
(() => {
  const $ = (selector, where = document) => where.querySelector(selector);
  const all = (selector, where = document) => [...where.querySelectorAll(selector)];
  const data = JSON.parse($("#data").textContent);
  const HOST = "⟨host⟩";
  const SHOWN = 60;

  // --- hosts: the same ranges as in the site description

  const numbers = (inside) => inside.split(",").flatMap((item) => {
    const [first, last = first] = item.split("-");
    const width = first.startsWith("0") ? first.length : 0;
    return Array.from({ length: last - first + 1 }, (_, index) => String(+first + index).padStart(width, "0"));
  });

  const expand = (pattern) => pattern.split(/\[(.*?)\]/).reduce(
    (names, part, index) => {
      const parts = index % 2 ? numbers(part) : [part];
      return names.flatMap((name) => parts.map((each) => name + each));
    },
    [""],
  );

  let known;
  const hosts = () => {
    if (!known) {
      known = new Map();
      for (const [kind, entries] of Object.entries(data.hosts)) {
        for (const [pattern, line, entry] of entries) {
          for (const name of expand(pattern)) known.set(name, { kind, line, entry: entry || name });
        }
      }
    }
    return known;
  };

  const place = (source, line) => line ? `${source} · line ${line}` : source;

  // --- colours: of comments, sections and names

  const GRAMMAR = {
    shell: /(?<comment>^#.*$)|(?<name>^[a-z_]+(?= ))/gm,
    ini: /(?<comment>^#.*$)|(?<head>^\[.*\]$)|(?<name>^[^=\s#[][^=\n]*?(?= ?=))/gm,
    xml: /(?<name><\/?[a-z]+|\/?>)/gm,
  };

  const paint = (code) => {
    const grammar = GRAMMAR[code.className];
    if (!grammar) return;
    const text = code.textContent;
    let end = 0;
    code.textContent = "";
    for (const match of text.matchAll(grammar)) {
      const span = document.createElement("span");
      span.className = Object.keys(match.groups).find((group) => match.groups[group]);
      span.textContent = match[0];
      code.append(text.slice(end, match.index), span);
      end = match.index + match[0].length;
    }
    code.append(text.slice(end));
  };

  // --- one host

  const original = new Map();
  const textOf = (file, name) => original.get(file).replaceAll(HOST, name);

  const fill = (kind, name) => {
    for (const file of all(".file", kind)) {
      if (!original.get(file).includes(HOST)) continue;
      const code = $("code[class]", file);
      code.textContent = textOf(file, name);
      paint(code);
    }
  };

  const choose = (name) => {
    const { kind, line, entry } = hosts().get(name);
    const article = document.getElementById(kind);
    for (const each of all(".kind")) each.classList.toggle("elsewhere", each !== article);
    fill(article, name);
    const note = $(".chosen", article);
    const code = document.createElement("code");
    const back = document.createElement("a");
    code.textContent = name;
    back.href = "#hosts";
    back.textContent = "Show all kinds";
    note.replaceChildren("Shown as for ", code, `, from ${place(`hosts.${entry}`, line)}. `, back);
    note.hidden = false;
    $("h3", article).focus({ preventScroll: true });
    $("#hosts").scrollIntoView();
  };

  const unchoose = () => {
    for (const each of all(".kind")) {
      each.classList.remove("elsewhere");
      $(".chosen", each).hidden = true;
      fill(each, HOST);
    }
  };

  const find = () => {
    const wanted = $("#filter").value.trim().toLowerCase();
    const found = wanted ? [...hosts().keys()].filter((name) => name.includes(wanted)) : [];
    $("#matches").replaceChildren(...found.slice(0, SHOWN).map((name) => {
      const link = document.createElement("a");
      link.href = `#host/${name}`;
      link.textContent = name;
      const item = document.createElement("li");
      item.append(link);
      return item;
    }));
    const more = found.length > SHOWN ? `; the first ${SHOWN} are shown` : "";
    $("#found").textContent = wanted ? `${found.length.toLocaleString("en")} of ${hosts().size.toLocaleString("en")} hosts${more}` : "";
    mark();
  };

  const mark = () => {
    for (const link of all("#matches a")) {
      if (link.hash === location.hash) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };

  // --- two hosts

  const lines = (text) => text.replace(/\n$/, "").split("\n");

  // the longest common subsequence; files of a bundle are short
  const difference = (before, after) => {
    const longest = Array.from({ length: before.length + 1 }, () => new Uint16Array(after.length + 1));
    for (let i = before.length - 1; i >= 0; i--) {
      for (let j = after.length - 1; j >= 0; j--) {
        longest[i][j] = before[i] === after[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
      }
    }
    const found = [];
    let i = 0, j = 0;
    while (i < before.length || j < after.length) {
      if (i < before.length && j < after.length && before[i] === after[j]) found.push([" ", before[i++], j++]);
      else if (i < before.length && (j === after.length || longest[i + 1][j] >= longest[i][j + 1])) found.push(["-", before[i++]]);
      else found.push(["+", after[j++]]);
    }
    return found;
  };

  const AROUND = 3;
  const drawn = (rows) => {
    const near = rows.map((_, at) => rows.slice(Math.max(0, at - AROUND), at + AROUND + 1).some(([sign]) => sign !== " "));
    const code = document.createElement("code");
    rows.forEach(([sign, text], at) => {
      if (near[at]) {
        const line = document.createElement({ "-": "del", "+": "ins" }[sign] || "span");
        line.textContent = `${sign} ${text}\n`;
        code.append(line);
      } else if (!at || near[at - 1]) {
        const gap = document.createElement("span");
        gap.className = "skipped";
        gap.textContent = "⋯";
        code.append(gap);
      }
    });
    return code;
  };

  const files = (name) => new Map(all(".file", document.getElementById(hosts().get(name).kind)).map(
    (file) => [file.dataset.path, textOf(file, name)],
  ));

  const panel = (path, about, rows) => {
    const file = document.createElement("details");
    const summary = document.createElement("summary");
    const code = document.createElement("code");
    const purpose = document.createElement("span");
    const text = document.createElement("pre");
    file.className = "file";
    file.open = about === "differs";
    code.textContent = path;
    purpose.className = "purpose";
    purpose.textContent = about;
    text.tabIndex = 0;
    text.setAttribute("role", "region");
    text.setAttribute("aria-label", `${path}: ${about}`);
    text.append(drawn(rows));
    summary.append(code, purpose);
    file.append(summary, text);
    return file;
  };

  const say = (...parts) => {
    const paragraph = document.createElement("p");
    paragraph.append(...parts.map((part) => {
      if (typeof part === "string") return part;
      const code = document.createElement("code");
      code.textContent = part.name;
      return code;
    }));
    return paragraph;
  };

  const compare = (one, other) => {
    const target = $("#difference");
    $("#one").value = one;
    $("#other").value = other;
    const unknown = [one, other].filter((name) => !hosts().has(name));
    if (unknown.length) {
      target.replaceChildren(say("There is no host ", { name: unknown[0] }, " in this site."));
      return;
    }
    const [left, right] = [files(one), files(other)];
    const paths = [...new Set([...left.keys(), ...right.keys()])];
    const differing = paths.filter((path) => left.get(path) !== right.get(path));
    const alike = hosts().get(one).kind === hosts().get(other).kind;
    target.replaceChildren(
      say({ name: one }, " and ", { name: other }, alike ? " are of one kind: " : " are of different kinds: ",
        `${differing.length} of ${paths.length} files differ. - is only in `, { name: one }, ", + only in ", { name: other }, "."),
      ...differing.map((path) => {
        if (!right.has(path)) return panel(path, `only on ${one}`, lines(left.get(path)).map((line) => ["-", line]));
        if (!left.has(path)) return panel(path, `only on ${other}`, lines(right.get(path)).map((line) => ["+", line]));
        return panel(path, "differs", difference(lines(left.get(path)), lines(right.get(path))));
      }),
    );
    $("#compare").scrollIntoView();
    target.focus({ preventScroll: true });
  };

  // --- what the address says: #host/NAME, #compare/NAME/NAME, or the id of a section

  const follow = () => {
    const [view, one, other] = decodeURIComponent(location.hash.slice(1)).split("/");
    unchoose();
    if (view === "host" && hosts().has(one)) choose(one);
    else if (view === "compare" && other) compare(one, other);
    else document.getElementById(view)?.scrollIntoView();
    mark();
  };

  document.documentElement.classList.add("js");
  for (const file of all(".file")) original.set(file, $("code[class]", file).textContent);
  for (const from of all(".from")) from.textContent = place(from.dataset.source, data.lines[from.dataset.source]);
  for (const code of all("pre code")) paint(code);
  for (const button of all("button[data-open]")) {
    button.addEventListener("click", () => {
      for (const file of all(".file", button.closest(".kind"))) file.open = button.dataset.open === "true";
    });
  }
  $("#names").append(...Object.values(data.hosts).flatMap((entries) => entries.slice(0, SHOWN).flatMap(([pattern]) => {
    const option = document.createElement("option");
    option.value = expand(pattern)[0];
    return [option];
  })));
  $("#filter").addEventListener("input", find);
  $("#compare form").addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = `#compare/${$("#one").value.trim()}/${$("#other").value.trim()}`;
    follow();
  });
  document.addEventListener("keydown", (event) => {
    const links = all("#matches a");
    const at = links.indexOf(document.activeElement);
    const inFinder = at >= 0 || document.activeElement === $("#filter");
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      $("#filter").focus();
    } else if (event.key === "Enter" && document.activeElement === $("#filter") && links.length) {
      links[0].click();
    } else if (inFinder && step && links.length && (at >= 0 || event.key === "ArrowDown")) {
      event.preventDefault();
      (links[at + step] || (at + step < 0 ? $("#filter") : links[at])).focus();
    }
  });
  // what is folded would be missing on paper
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    for (const each of folded) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of folded) each.open = false; });
  addEventListener("hashchange", follow);
  follow();
})();
