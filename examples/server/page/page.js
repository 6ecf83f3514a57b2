const $ = (id) => document.getElementById(id);

// A request, from a button's data-send. What came back is told in words.
async function send(line, body) {
  const [method, path] = line.split(" ");
  const begin = performance.now();
  const answer = await fetch(path, { method, body });
  const took = performance.now() - begin;
  const text = await answer.text();
  showRemaining(answer.headers);
  return { line, status: answer.status, text, took, cache: answer.headers.get("Cache-Status"), wait: answer.headers.get("Retry-After") };
}

// What remains of the limit, until its window ends: in whole seconds, as the header has it.
let windowEnds;
function showRemaining(headers) {
  const rate = /r=(\d+);t=(\d+)/.exec(headers.get("RateLimit") ?? "");
  const policy = /q=(\d+)/.exec(headers.get("RateLimit-Policy") ?? "");
  if (!rate || !policy) return;
  const [limit, remaining, seconds] = [policy[1], rate[1], rate[2]];
  $("remaining").max = limit;
  $("remaining").value = remaining;
  $("left").textContent = `${remaining} of ${limit} remain, anew in ${seconds} s`;
  clearTimeout(windowEnds);
  windowEnds = setTimeout(() => {
    $("remaining").value = limit;
    $("left").textContent = `${limit} of ${limit} remain`;
  }, seconds * 1000);
}

function explain(a) {
  let value = {};
  try { value = JSON.parse(a.text); } catch { /* an answer without a body */ }
  const parts = [value.title ?? (a.text.trim() || "done")];
  if (a.cache) parts.push(a.cache.replace(/^kv; /, "cache: "));
  if (a.wait) parts.push(`retry after ${a.wait} s`);
  return `${parts.join(" · ")} · ${Math.round(a.took)} ms`;
}

function show(status, line, text) {
  const item = document.createElement("li");
  const code = document.createElement("b");
  code.textContent = status;
  code.className = status < 400 ? "good" : "bad";
  item.append(code, ` ${line}: ${text}`);
  const list = $("answers");
  list.querySelector(".note")?.remove();
  list.prepend(item);
  while (list.children.length > 7) list.lastChild.remove();
}

async function press(button, line, body) {
  button.disabled = true;
  try {
    const times = Number(button.dataset.times ?? 1);
    const answers = await Promise.all(Array.from({ length: times }, () => send(line, body)));
    if (times === 1) {
      show(answers[0].status, line, explain(answers[0]));
    } else {
      const passed = answers.filter((a) => a.status < 400).length;
      const refused = answers.find((a) => a.status === 429);
      const wait = refused ? `, retry after ${refused.wait} s` : "";
      show(refused ? 429 : answers.at(-1).status, `${times} × ${line}`, `${passed} passed, ${times - passed} did not${wait}`);
    }
  } catch {
    show(0, line, "no answer: is the server there?");
  }
  const hadFocus = document.activeElement === document.body; // a disabled button loses it
  button.disabled = false;
  if (hadFocus) button.focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-send]");
  if (button) press(button, button.dataset.send, button.dataset.body);
});

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  press(event.submitter, "POST /login", JSON.stringify({ user: $("user").value }));
});

// What the server tells, twice a second.
const history = []; // of the chart: what was allowed and refused between two states
let last;

function render(s) {
  const set = (id, value) => {
    $(id).textContent = value;
    $(id).classList.toggle("zero", value === 0);
  };
  set("rate-limit", s.rate.limit || "any number of");
  set("rate-window", s.rate.window);
  set("rate-fails", s.rate.fails);
  set("rate-allowed", s.rate.allowed);
  set("rate-refused", s.rate.refused);
  set("rate-unjudged", s.rate.unjudged);
  set("cache-hits", s.cache.hits);
  set("cache-misses", s.cache.misses);
  set("cache-bypassed", s.cache.bypassed);
  set("logins", s.logins);
  set("logouts", s.logouts);
  set("store", s.store);
  set("store-note", s.memory ? "In this process, for this replica alone." : "On a server, which all replicas share.");
  $("memory").hidden = !s.memory;
  if (s.memory) {
    set("entries", s.memory.entries);
    set("bytes", `${(s.memory.bytes / 1024).toFixed(1)} KiB`);
    set("expired", s.memory.expired);
    set("sweeps", s.memory.sweeps);
    set("last-sweep", s.memory.sweeps ? s.memory.last_sweep.replace(/[^\d.]+/, " $&") : "–");
  }
  for (const job of s.jobs) renderJob(job);
  if (last?.replica === s.replica) {
    history.push([Math.max(0, s.rate.allowed - last.rate.allowed), Math.max(0, s.rate.refused - last.rate.refused)]);
    history.splice(0, history.length - 60);
    renderChart();
  }
  last = s;
  status(s.up, s.up ? `live: ${s.replica}` : `the store does not answer ${s.replica}`);
}

function renderJob(job) {
  const id = `job-${job.name}`;
  if (!$(id)) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.textContent = `Run ${job.name}`;
    button.dataset.send = `POST /jobs/${encodeURIComponent(job.name)}`;
    const who = document.createElement("span");
    who.id = id;
    item.append(button, who);
    $("jobs").append(item);
  }
  $(id).className = job.held ? "held" : "";
  $(id).textContent = job.held ? `${job.holder}, ${(job.left_ms / 1000).toFixed(1)} s left` : "free";
}

function renderChart() {
  const most = Math.max(10, ...history.map(([a, r]) => a + r));
  const bars = history.flatMap(([allowed, refused], i) => {
    const x = (60 - history.length + i) * 2;
    const a = (allowed / most) * 32, r = (refused / most) * 32;
    return [bar(x, 32 - a, a, "good"), bar(x, 32 - a - r, r, "bad")];
  });
  $("chart").replaceChildren(...bars);
}

function bar(x, y, height, kind) {
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of Object.entries({ x, y, width: 1.6, height, class: kind })) rect.setAttribute(name, value);
  return rect;
}

function status(good, text) {
  if ($("status").textContent !== text) $("status").textContent = text; // said aloud when it changes
  $("status").className = good ? "good" : "bad";
}

function listen() {
  const events = new EventSource("/events");
  events.onmessage = (event) => render(JSON.parse(event.data));
  events.onerror = () => {
    status(false, "not connected; trying again …");
    events.close();
    setTimeout(listen, 1000);
  };
}
listen();
