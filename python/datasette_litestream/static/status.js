// @ts-check
/**
 * Keeps the page up to date with Datasette's answer at its address. The page is complete without this, and every text is
 * Datasette's: idiomorph changes what differs in the answer. Everything else stays, including the selection,
 * the focus, open details and the scroll position.
 */

/**
 * What vendor/idiomorph.min.js, which is loaded before this module, adds to the window.
 * @typedef {{ Idiomorph: { morph(old: Element, fresh: Element, options: { callbacks: Record<string, Function> }): void } }} Vendor
 */

const EVERY = 5000;
/** The page must say within ten seconds that Datasette does not answer: one wait, and one request that times out. */
const PATIENCE = 4000;
/** How long after the last move of the slider its time is asked for. */
const SOON = 200;

const main = /** @type {HTMLElement} */ (document.querySelector("main.litestream"));
let busy = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** The chart that the pointer is in, and its position there, from 0 to 1. @type {{ chart: string | undefined, part: number } | null} */
let pointed = null;

async function refresh() {
    clearTimeout(timer);
    if (busy || document.hidden || main.hasAttribute("data-still")) return;
    busy = true;
    const asked = location.href;
    const answer = await ask().catch(() => null);
    busy = false;
    // Meanwhile another time may have been chosen.
    const isMeant = asked === location.href;
    timer = setTimeout(refresh, isMeant ? EVERY : SOON);
    if (!isMeant) return;
    if (answer) show(answer);
    else reveal("[data-lost]");
}

/** The current version of this part of the page. */
async function ask() {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main.litestream");
    if (!answer.ok || !fresh) throw new Error(`status ${answer.status}`);
    return fresh;
}

/** @param {Element} fresh */
function show(fresh) {
    // A screen reader should announce a change of state, but not that a second has passed.
    const [was, is] = [main, fresh].map((element) => /** @type {HTMLElement | null} */ (element.querySelector("[data-summary]")));
    if (was?.dataset.state === is?.dataset.state && was?.dataset.healthy === is?.dataset.healthy) is?.setAttribute("aria-live", "off");
    const focused = document.activeElement;
    const { Idiomorph } = /** @type {Vendor} */ (/** @type {unknown} */ (window));
    Idiomorph.morph(main, fresh, {
        callbacks: {
            beforeNodeMorphed: (/** @type {Node} */ old, /** @type {Node} */ now) => !(old instanceof Element && old.hasAttribute("data-keep") && keep(old, now)),
            beforeAttributeUpdated: (/** @type {string} */ name, /** @type {Element} */ element) =>
                !(name === "open" && element.tagName === "DETAILS") && !(name === "hidden" && element.hasAttribute("data-slide")),
        },
    });
    // A row that moves loses the focus if the browser cannot move the element.
    if (focused instanceof HTMLElement && focused !== document.activeElement && main.contains(focused)) focused.focus({ preventScroll: true });
    reveal("[data-slide]");
    read();
}

/**
 * What somebody has set stays; but a slider goes on to now.
 * @param {Element} old
 * @param {Node} fresh
 */
function keep(old, fresh) {
    if (old instanceof HTMLInputElement && fresh instanceof HTMLInputElement && old.type === "range") Object.assign(old, { min: fresh.min, max: fresh.max });
    return true;
}

/** @param {string} selector */
function reveal(selector) {
    const element = /** @type {HTMLElement | null} */ (main.querySelector(selector));
    if (element) element.hidden = false;
}

/** @param {PointerEvent} event */
function point(event) {
    const chart = event.target instanceof Element ? /** @type {SVGElement | null} */ (event.target.closest("[data-chart]")) : null;
    const box = chart?.getBoundingClientRect();
    pointed = chart && box ? { chart: chart.dataset.chart, part: (event.clientX - box.left) / box.width } : null;
    read();
}

/**
 * Adds the local time to the tooltip of a time, which is in UTC. The next update takes it away again; the pointer brings it back.
 * @param {PointerEvent} event
 */
function translate(event) {
    const time = event.target instanceof Element ? /** @type {HTMLTimeElement | null} */ (event.target.closest("time[datetime]")) : null;
    if (time) time.title = `${time.title.split("\n")[0]}\n${new Date(time.dateTime).toLocaleString()} local time`.trim();
}

/** Shows only the reading at the pointer. */
function read() {
    for (const chart of /** @type {NodeListOf<SVGElement>} */ (main.querySelectorAll("[data-chart]"))) {
        const cursor = chart.querySelector("[data-cursor]");
        const reading = chart.closest("figure")?.querySelector("[data-reading]");
        if (!cursor || !reading) continue;
        if (pointed && pointed.chart === chart.dataset.chart) {
            const readings = (chart.dataset.readings ?? "").split("\n");
            const last = readings.length - 1;
            const at = Math.min(last, Math.max(0, Math.round(pointed.part * last)));
            for (const end of ["x1", "x2"]) cursor.setAttribute(end, `${100 * at / last}%`);
            cursor.setAttribute("visibility", "visible");
            reading.textContent = readings[at] ?? "";
        } else if (reading.textContent) {
            cursor.setAttribute("visibility", "hidden");
            reading.textContent = "";
        }
    }
}

function offerCopy() {
    const command = main.querySelector("[data-field=restore_command]");
    if (!command) return;
    reveal("[data-copy]");
    main.querySelector("[data-copy]")?.addEventListener("click", async () => {
        // Without HTTPS a page may not write to the clipboard; the user can copy the selection.
        getSelection()?.selectAllChildren(command);
        const isCopied = navigator.clipboard
            ? await navigator.clipboard.writeText(command.textContent ?? "").then(() => true, () => false)
            : document.execCommand("copy");
        reveal(isCopied ? "[data-copied]" : "[data-selected]");
    });
}

/**
 * Has slider and field show the same time, and the page what restores it.
 * @param {Event} event
 */
function choose(event) {
    const [slider, field] = ["[data-slider]", "[data-time]"].map((selector) => /** @type {HTMLInputElement | null} */ (main.querySelector(selector)));
    if (!field || (event.target !== slider && event.target !== field)) return;
    if (slider && event.target === slider) field.value = new Date(Number(slider.value) * 1000).toISOString().slice(0, "2026-05-01T12:00:00".length);
    const time = Date.parse(`${field.value}Z`);
    if (Number.isNaN(time)) return;
    if (slider && event.target === field) slider.value = String(time / 1000);
    slider?.setAttribute("aria-valuetext", `${field.value.replace("T", " ")} UTC`);
    for (const input of [slider, field]) input?.setAttribute("data-keep", "");
    const address = new URL(location.href);
    address.searchParams.set("at", field.value);
    history.replaceState(null, "", address);
    clearTimeout(timer);
    timer = setTimeout(refresh, SOON);
}

document.addEventListener("visibilitychange", refresh);
main.addEventListener("input", choose);
main.addEventListener("pointerover", translate);
main.addEventListener("pointermove", point);
main.addEventListener("pointerdown", point);
main.addEventListener("pointerleave", point);
offerCopy();
reveal("[data-slide]");
timer = setTimeout(refresh, EVERY);
