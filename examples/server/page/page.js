const $ = (id) => document.getElementById(id);

// send sends the request of a button's data-send.
async function send(line, body) {
  const [method, path] = line.split(" ");
  const begin = performance.now(), sent = Date.now();
  const answer = await fetch(path, { method, body });
  const took = performance.now() - begin;
  const text = await answer.text();
  readLimit(answer.headers, sent);
  if (answer.ok && (path === "/login" || path === "/logout")) forgetLimit();
  return { line, status: answer.status, text, took, cache: answer.headers.get("Cache-Status"), wait: answer.headers.get("Retry-After") };
}

// The newest known window of the rate limit. Its end lies between first and last, because the header has
// whole seconds, rounded up, and the time of the server's answer is not known exactly.
let rateWindow;

// readLimit updates the window by the headers of an answer. Answers can arrive in another order than the
// server has sent them: an answer of an earlier window changes nothing, and in one window the smallest
// remaining number is the newest.
function readLimit(headers, sent) {
  const rate = /r=(\d+);t=(\d+)/.exec(headers.get("RateLimit") ?? "");
  const policy = /q=(\d+)/.exec(headers.get("RateLimit-Policy") ?? "");
  if (!rate || !policy) return;
  const [limit, remaining, seconds] = [policy[1], rate[1], rate[2]].map(Number);
  const first = sent + (seconds - 1) * 1000, last = Date.now() + seconds * 1000;
  const now = rateWindow;
  if (!now || now.replace || now.limit !== limit || first > now.last) {
    rateWindow = { limit, remaining, first, last };
  } else if (last >= now.first) {
    rateWindow = { limit, remaining: Math.min(remaining, now.remaining), first: Math.max(first, now.first), last: Math.min(last, now.last) };
  }
  showLimit();
}

// forgetLimit lets the next answer replace the window after a login or a logout: the client may have
// another limit then.
function forgetLimit() {
  if (rateWindow) rateWindow.replace = true;
}

// showLimit shows the window, or the whole limit after its end.
function showLimit() {
  if (!rateWindow) return;
  const { limit, remaining, last } = rateWindow;
  const left = last - Date.now();
  const over = left <= 0;
  $("remaining").max = limit;
  $("remaining").value = over ? limit : remaining;
  const text = over ? `${limit} of ${limit} remain` : `${remaining} of ${limit} remain, reset in ${Math.ceil(left / 1000)} s`;
  if ($("left").textContent !== text) $("left").textContent = text;
}
setInterval(showLimit, 200);
document.addEventListener("visibilitychange", showLimit); // a hidden page has slow timers

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

const history = []; // of the chart: allowed and refused requests between two states
let last; // state

// render shows the state that the server sends twice a second.
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
  renderJobs(s.jobs);
  if (last?.replica === s.replica) {
    history.push([Math.max(0, s.rate.allowed - last.rate.allowed), Math.max(0, s.rate.refused - last.rate.refused)]);
    history.splice(0, history.length - 60);
    renderChart();
  }
  if (last && last.replica !== s.replica && s.memory && rateWindow) rateWindow.last = Date.now(); // its counters are gone
  last = s;
  status(s.up, s.up ? `live: ${s.replica}` : `the store does not answer ${s.replica}`);
}

function renderJobs(jobs) {
  const ids = jobs.map((job) => `job-${job.name}`);
  for (const item of [...$("jobs").children]) { // of an earlier server
    if (!ids.includes(item.lastChild.id)) item.remove();
  }
  jobs.forEach(renderJob);
  $("no-jobs").hidden = jobs.length > 0;
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
  if ($("status").textContent !== text) $("status").textContent = text; // a screen reader says it when it changes
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
