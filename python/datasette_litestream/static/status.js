// @ts-check
/**
 * Keeps the status page as new as its JSON. The page is complete without it: this changes texts and attributes, and what
 * comes from Datasette never becomes markup. shown.py has the same words for the page's first state.
 */

/** @typedef {Record<string, any>} Json */

const EVERY = 5000;
/** Within ten seconds the page is to say that nobody answers: one wait, and one request that is given up. */
const PATIENCE = 4000;
const UNKNOWN = "–";
const CALM_LAG = 10;
const CALM_BYTES = 65536;
const SVG = "http://www.w3.org/2000/svg";

const main = /** @type {HTMLElement} */ (document.querySelector("main.litestream"));
const view = main.dataset.view === "database" ? showDatabase : showStatus;

/** How far Datasette's clock is ahead of this machine's. */
let ahead = Date.parse(/** @type {string} */ (main.dataset.now)) - Date.now();
/** When an answer did not come for the first time. @type {Date | null} */
let lostAt = null;
let observedAt = "";
let busy = false;
/** @type {number | undefined} */
let timer;

// Words for figures

/** @param {number | null | undefined} seconds */
function duration(seconds) {
    if (seconds == null) return UNKNOWN;
    if (seconds >= 0.05 && seconds < 10) return `${seconds.toFixed(1)} s`;
    const minutes = Math.floor(seconds / 60), hours = Math.floor(seconds / 3600), days = Math.floor(seconds / 86400);
    if (days) return `${days} d ${hours % 24} h`;
    if (hours) return `${hours} h ${minutes % 60} min`;
    return minutes ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

/** @param {number | null | undefined} bytes */
function size(bytes) {
    if (bytes == null) return UNKNOWN;
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    for (; bytes >= 1024 && unit < units.length - 1; unit++) bytes /= 1024;
    return `${unit ? bytes.toFixed(1) : Math.floor(bytes)} ${units[unit]}`;
}

/** @param {number | null | undefined} number */
function count(number) {
    return number == null ? UNKNOWN : Math.floor(number).toLocaleString("en");
}

/** @param {string} time @param {string | undefined} words */
function relative(time, words) {
    if (!time) return UNKNOWN;
    const seconds = Math.floor((Date.now() + ahead - Date.parse(time)) / 1000);
    // Two clocks are never quite the same.
    if (Math.abs(seconds) <= 1) return "just now";
    if (seconds < 0) return `in ${wholeSeconds(-seconds)}`;
    return words === "for" ? `for ${wholeSeconds(seconds)}` : `${wholeSeconds(seconds)} ago`;
}

/** @param {number} seconds */
function wholeSeconds(seconds) {
    return seconds < 60 ? `${seconds} s` : duration(seconds);
}

/** @param {string | null | undefined} time */
function exact(time) {
    return time ? `${time.slice(0, 10)} ${time.slice(11, 19)} UTC` : UNKNOWN;
}

/** @param {Json} entry */
function logLine(entry) {
    return `${entry.time.slice(0, 19).replace("T", " ")} ${entry.level} ${entry.message} ${entry.details ?? ""}`.trimEnd();
}

/** @param {Json} database */
function sentence(database) {
    const state = database.state.charAt(0).toUpperCase() + database.state.slice(1);
    if (database.error) return `${state}: ${database.error}`;
    if (database.lag_seconds == null) return `${state}.`;
    if (database.lag_seconds === 0) return `${state}; all that was written is safe.`;
    return `${state}; what was written until ${duration(database.lag_seconds)} ago is safe.`;
}

/** @typedef {(number | null)[]} Values */

/** @param {Values} values @param {number} [least] */
function highest(values, least = 0) {
    return values.reduce((/** @type {number} */ top, value) => Math.max(top, value ?? top), least);
}

/** @param {Values} values @param {string} period */
function lagLabel(values, period) {
    const known = values.filter((value) => value != null);
    return known.length === 0
        ? `Lag in the last ${period}: not known`
        : `Lag in the last ${period}: at most ${duration(highest(known))}, last ${duration(known[known.length - 1])}`;
}

/** @param {Values} values @param {string} period */
function bytesLabel(values, period) {
    return `Uploaded in the last ${period}: ${size(values.reduce((/** @type {number} */ sum, value) => sum + (value ?? 0), 0))}`;
}

/** @param {Values} database @param {Values} wal @param {string} period */
function sizesLabel(database, wal, period) {
    return `Size in the last ${period}: database at most ${size(highest(database))}, WAL at most ${size(highest(wal))}`;
}

// Sparklines

/** @param {Values} values */
function linePath(values) {
    const top = highest(values, CALM_LAG);
    return values.map((value, i) => {
        if (value == null) return "";
        const isFirst = i === 0 || values[i - 1] == null;
        return `${isFirst ? "M" : "L"}${2 * i} ${20 - Math.round(value / top * 20)}${isFirst ? "h0" : ""}`;
    }).join("");
}

/** @param {Values} values */
function barsPath(values) {
    const top = highest(values, CALM_BYTES);
    return values.map((value, i) => value ? `M${2 * i} 20V${20 - Math.max(1, Math.round(value / top * 20))}` : "").join("");
}

/** @param {Element} row @param {string} kind @param {string} path @param {string} label */
function spark(row, kind, path, label) {
    const svg = row.querySelector(`[data-spark=${kind}]`);
    attribute(svg, "aria-label", label);
    attribute(svg && svg.firstElementChild, "d", path);
}

// Changing what is there: only what differs, so that a selection, the focus and the place on the page stay

/** @param {Element | null} element @param {string} value */
function text(element, value) {
    if (element && element.textContent !== value) element.textContent = value;
}

/** @param {Element | null} element @param {string} name @param {string} value */
function attribute(element, name, value) {
    if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** A field's text; the fact, or the field itself, is hidden where there is none. @param {Element} root @param {string} name @param {any} value */
function field(root, name, value) {
    const element = /** @type {HTMLElement | null} */ (root.querySelector(`[data-field="${name}"]`));
    if (!element) return;
    const isNothing = value == null || value === "";
    text(element, isNothing ? "" : String(value));
    const fact = element.closest("dl > div, p");
    /** @type {HTMLElement} */ (fact && root === main ? fact : element).hidden = isNothing;
}

/** @param {Element} root @param {string} name @param {string | null | undefined} time */
function moment(root, name, time) {
    const element = root.querySelector(`[data-time="${name}"]`);
    const shown = element && element.querySelector("time");
    if (!element || !shown) return;
    if (time) {
        attribute(shown, "datetime", time);
        attribute(shown, "title", exact(time));
    } else {
        shown.removeAttribute("datetime");
        shown.removeAttribute("title");
    }
    text(shown, relative(time ?? "", shown.dataset.words));
    const fact = /** @type {HTMLElement | null} */ (element.closest("dl > div"));
    if (!fact || element.tagName !== "DD") return;
    text(element.querySelector("small"), exact(time));
    fact.hidden = !time;
}

/** As many children as there are values, each with its text. @param {Element} parent @param {string} tag @param {string[]} values */
function texts(parent, tag, values) {
    while (parent.children.length > values.length) parent.lastElementChild?.remove();
    while (parent.children.length < values.length) parent.append(document.createElement(tag));
    values.forEach((value, i) => text(parent.children[i], value));
}

/** @param {string} name @param {string[]} values */
function lines(name, values) {
    const list = main.querySelector(`[data-lines="${name}"]`);
    if (!list) return;
    texts(list, "li", values);
    /** @type {HTMLElement} */ (list.parentElement).hidden = values.length === 0;
}

/** @param {string} name @param {string[][]} rows */
function cells(name, rows) {
    const body = main.querySelector(`[data-cells="${name}"]`);
    if (!body) return;
    texts(body, "tr", []);
    body.append(...rows.map((row) => {
        const element = document.createElement("tr");
        texts(element, "td", row);
        return element;
    }));
    /** @type {HTMLElement} */ (body.parentElement).hidden = rows.length === 0 && name === "operations";
}

/** New lines come on top, old ones go at the end; those between stay, with what is selected of them. @param {Json[]} entries */
function log(entries) {
    const element = /** @type {HTMLElement} */ (main.querySelector("[data-log]"));
    const wanted = entries.slice(-Number(element.dataset.log));
    const newest = element.firstElementChild?.textContent ?? null;
    let known = wanted.length - 1;
    while (known >= 0 && `${logLine(wanted[known])}\n` !== newest) known--;
    if (known < 0) element.replaceChildren();
    for (const entry of wanted.slice(known + 1)) {
        const line = document.createElement("span");
        line.dataset.level = entry.level.toLowerCase();
        line.textContent = `${logLine(entry)}\n`;
        element.prepend(line);
    }
    while (element.children.length > wanted.length) element.lastElementChild?.remove();
}

/**
 * Spoken by a screen reader where something has happened, and not because a second has passed.
 * @param {string} name @param {string} value @param {string} state @param {string} healthy
 */
function summary(name, value, state, healthy) {
    const element = /** @type {HTMLElement} */ (main.querySelector(`[data-field="${name}"]`));
    const hasChanged = element.dataset.state !== state || element.dataset.healthy !== healthy;
    element.setAttribute("aria-live", hasChanged ? "polite" : "off");
    element.dataset.state = state;
    element.dataset.healthy = healthy;
    text(element, value);
}

// The overview

/** @param {Json} report */
function showStatus(report) {
    summary("summary", report.summary, report.state, String(report.healthy));
    showRows(report.databases);
    const { litestream, credentials } = report;
    field(main, "litestream.state", report.state);
    for (const name of ["version", "binary", "origin", "process_id", "last_failure"]) {
        field(main, `litestream.${name}`, litestream[name]);
    }
    field(main, "litestream.failures", litestream.failures || null);
    for (const name of ["started_at", "last_failure_at", "next_start_at"]) moment(main, `litestream.${name}`, litestream[name]);
    field(main, "credentials.source", credentials?.source);
    field(main, "credentials.failure", credentials?.failure);
    for (const name of ["read_at", "changed_at"]) moment(main, `credentials.${name}`, credentials?.[name]);
    lines("restarts", (litestream.restarts ?? []).map((/** @type {Json} */ restart) =>
        `${exact(restart.at)}: ${restart.reason}${restart.message ? ` – ${restart.message}` : ""}`));
    lines("passed_over", report.passed_over.map((/** @type {Json} */ database) => `${database.name}: ${database.reason}`));
    lines("warnings", report.warnings);
    field(main, "configuration", report.configuration);
    if (report.metrics) showMetrics(report.metrics);
    log(report.log);
}

/** @param {Json[]} databases */
function showRows(databases) {
    const body = main.querySelector("[data-rows]");
    const pattern = body?.firstElementChild;
    if (!body || !pattern) return;
    const focused = document.activeElement;
    const rows = new Map(Array.from(body.children, (row) => [/** @type {HTMLElement} */ (row).dataset.name, row]));
    databases.forEach((database, i) => {
        const row = rows.get(database.name) ?? /** @type {Element} */ (pattern.cloneNode(true));
        rows.delete(database.name);
        if (body.children[i] !== row) body.insertBefore(row, body.children[i] ?? null);
        showRow(/** @type {HTMLElement} */ (row), database);
    });
    if (databases.length) rows.forEach((row) => row.remove());
    // A row that moves loses the focus.
    if (focused instanceof HTMLElement && focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
}

/** @param {HTMLElement} row @param {Json} database */
function showRow(row, database) {
    row.dataset.name = database.name;
    attribute(row.querySelector("[data-field=name]"), "href", `?${new URLSearchParams({ database: database.name })}`);
    field(row, "name", database.name);
    showFigures(row, database);
    spark(row, "lag", linePath(database.sparklines.lag), lagLabel(database.sparklines.lag, "hour"));
    spark(row, "bytes", barsPath(database.sparklines.bytes), bytesLabel(database.sparklines.bytes, "hour"));
}

/** @param {Element} root @param {Json} database */
function showFigures(root, database) {
    attribute(root.querySelector("[data-field=state]"), "data-state", database.state);
    field(root, "state", database.state);
    moment(root, "since", database.since);
    moment(root, "last_sync_at", database.last_sync_at);
    field(root, "error", database.error);
    field(root, "destinations", database.destinations.join("\n"));
    field(root, "lag", duration(database.lag_seconds));
    field(root, "uploaded", size(database.uploaded_bytes));
    field(root, "size", size(database.database_bytes));
}

/** @param {Json} metrics */
function showMetrics(metrics) {
    field(main, "metrics.error", metrics.error);
    cells("databases", Object.keys(metrics.databases).sort().map((name) => {
        const values = metrics.databases[name];
        return [
            name, size(values.db_size), size(values.wal_size), size(values.total_wal_bytes), count(values.sync_count),
            count(values.sync_error_count), duration(values.sync_seconds), count(values.checkpoint_count),
        ];
    }));
    cells("operations", metrics.operations.map((/** @type {Json} */ operation) =>
        [operation.replica_type, operation.operation, count(operation.count), size(operation.bytes)]));
}

// One database

/** @type {Record<string, string>} */
const HEALTHY = { replicating: "true", starting: "", unknown: "" };

/** @param {Json} report */
function showDatabase(report) {
    const { database, history } = report;
    summary("sentence", sentence(database), database.state, HEALTHY[database.state] ?? "false");
    showFigures(main, database);
    for (const name of ["txid", "replica_txid", "sync_errors", "path"]) field(main, name, database[name]);
    field(main, "wal", size(database.wal_bytes));
    field(main, "restore_command", report.restore_command);
    field(main, "chart.lag", lagLabel(history.lag_seconds, history.range));
    field(main, "chart.bytes", bytesLabel(history.uploaded_bytes, history.range));
    field(main, "chart.sizes", sizesLabel(history.database_bytes, history.wal_bytes, history.range));
    showCharts(history);
    log(report.log);
}

/** The charts' series: their names are these words, and all else in a chart is numbers. */
const CHARTS = {
    lag: { series: { lag_seconds: "Lag" }, words: duration, calm: CALM_LAG, areBars: false },
    bytes: { series: { uploaded_bytes: "Uploaded" }, words: size, calm: CALM_BYTES, areBars: true },
    sizes: { series: { database_bytes: "Database", wal_bytes: "WAL" }, words: size, calm: CALM_BYTES, areBars: false },
};
const DATA_COLORS = ["--litestream-first", "--litestream-second"];
const CHART_HEIGHT = 200;

/** @type {Map<string, any>} */
const charts = new Map();
/** @type {Json | null} */
let drawn = null;

/** @param {Json} history */
function showCharts(history) {
    drawn = history;
    const end = Date.parse(history.end) / 1000;
    const times = history.txid.map((/** @type {any} */ _, /** @type {number} */ i) =>
        end - (history.txid.length - 1 - i) * history.interval_seconds);
    for (const [kind, chart] of Object.entries(CHARTS)) {
        const data = [times, ...Object.keys(chart.series).map((name) => history[name])];
        if (!charts.has(kind)) charts.set(kind, draw(kind, chart, data));
        else charts.get(kind).setData(data);
    }
}

/** @param {string} kind @param {typeof CHARTS[keyof typeof CHARTS]} chart @param {Values[]} data */
function draw(kind, chart, data) {
    // @ts-ignore: vendor/uPlot.iife.min.js is loaded before this module.
    const uPlot = window.uPlot;
    const place = /** @type {HTMLElement} */ (main.querySelector(`[data-chart=${kind}]`));
    const clock = (/** @type {number} */ seconds) => new Date(seconds * 1000).toISOString().slice(11, 16);
    const axis = { stroke: color("--litestream-muted"), grid: { stroke: color("--litestream-rule"), width: 1 }, ticks: { show: false } };
    place.replaceChildren();
    return new uPlot({
        width: place.clientWidth,
        height: CHART_HEIGHT,
        tzDate: (/** @type {number} */ seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        cursor: { drag: { x: false, y: false } },
        scales: { y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number | null} */ top) => [0, Math.max(top ?? 0, chart.calm) * 1.05] } },
        axes: [
            { ...axis, values: (/** @type {any} */ _, /** @type {number[]} */ splits) => splits.map(clock) },
            {
                ...axis,
                size: 70,
                space: 24,
                incrs: chart.words === size ? Array.from({ length: 50 }, (_, i) => 2 ** i) : undefined,
                values: (/** @type {any} */ _, /** @type {number[]} */ splits) => splits.map((split) => split ? chart.words(split).replace(".0 ", " ") : "0"),
            },
        ],
        series: [
            { label: "Time", value: (/** @type {any} */ _, /** @type {number | null} */ at) => at == null ? UNKNOWN : `${clock(at)} UTC` },
            ...Object.values(chart.series).map((label, i) => ({
                label,
                stroke: color(DATA_COLORS[i]),
                fill: chart.areBars ? color(DATA_COLORS[i]) : undefined,
                width: chart.areBars ? 0 : 1.5,
                paths: chart.areBars ? uPlot.paths.bars({ size: [0.8, 12] }) : undefined,
                points: { show: false },
                value: (/** @type {any} */ _, /** @type {number | null} */ value) => chart.words(value),
            })),
        ],
    }, data, place);
}

/** @param {string} name */
function color(name) {
    return getComputedStyle(main).getPropertyValue(name).trim();
}

function redraw() {
    charts.forEach((chart) => chart.destroy());
    charts.clear();
    if (drawn) showCharts(drawn);
}

/** Charts are as wide as their place, and as light or dark as the page. */
function followPage() {
    const place = main.querySelector("[data-chart]");
    if (!place) return;
    new ResizeObserver(() => charts.forEach((chart) => {
        const width = chart.root.parentElement.clientWidth;
        if (width !== chart.width) chart.setSize({ width, height: CHART_HEIGHT });
    })).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

function offerCopy() {
    const button = /** @type {HTMLButtonElement | null} */ (main.querySelector("[data-copy]"));
    const command = main.querySelector("[data-field=restore_command]");
    if (!button || !command) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
        // Without HTTPS a page may not write to the clipboard; what is selected can be copied.
        getSelection()?.selectAllChildren(command);
        const isCopied = navigator.clipboard
            ? await navigator.clipboard.writeText(command.textContent ?? "").then(() => true, () => false)
            : document.execCommand("copy");
        button.textContent = isCopied ? "Copied" : "Selected: copy it with the keyboard";
    });
}

// Asking

async function refresh() {
    clearTimeout(timer);
    if (busy || document.hidden) return;
    busy = true;
    const answer = await ask().catch(() => null);
    busy = false;
    timer = setTimeout(refresh, EVERY);
    lostAt = answer ? null : lostAt ?? new Date();
    if (answer) {
        const [report, date] = answer;
        ahead = date ? Date.parse(date) - Date.now() : ahead;
        observedAt = report.updated_at;
        moment(main, "updated_at", observedAt);
        view(report);
    }
    showContact();
}

/** @returns {Promise<[Json, string | null]>} the report, and what time it is at Datasette */
async function ask() {
    const answer = await fetch(main.dataset.json + location.search, {
        headers: { accept: "application/json" },
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE),
    });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return [await answer.json(), answer.headers.get("date")];
}

function showContact() {
    const element = /** @type {HTMLElement} */ (main.querySelector("[data-lost]"));
    element.hidden = lostAt === null;
    text(element, lostAt === null ? "" : `No answer from Datasette since ${exact(lostAt.toISOString())}; what is shown is from ${exact(observedAt)}.`);
}

function tick() {
    if (document.hidden) return;
    for (const time of main.querySelectorAll("time[datetime]")) {
        const { dateTime, dataset } = /** @type {HTMLTimeElement} */ (time);
        text(time, relative(dateTime, dataset.words));
    }
}

observedAt = main.querySelector("[data-time=updated_at] time")?.getAttribute("datetime") ?? "";
document.addEventListener("visibilitychange", refresh);
setInterval(tick, 1000);
offerCopy();
followPage();
// At once where charts are to be drawn: the page came without their numbers.
if (main.dataset.view === "database") refresh();
else timer = setTimeout(refresh, EVERY);
