// What the status page's script does, in a document that happy-dom makes, with the same idiomorph that the wheel has.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Window } from "happy-dom";

const STATIC = new URL("../../python/datasette_litestream/static/", import.meta.url);
const IDIOMORPH = readFileSync(new URL("vendor/idiomorph.min.js", STATIC), "utf8");
// A module's names are its own.
const SCRIPT = `(() => { "use strict"; ${readFileSync(new URL("status.js", STATIC), "utf8")}\n})();`;

const CHART = (readings = "at 1\nat 2\nat 3") => `
    <figure><svg data-chart="lag" data-readings="${readings}"><line data-cursor visibility="hidden"></line></svg>
    <figcaption><span data-reading></span></figcaption></figure>`;
const RESTORE = `
    <pre data-field="restore_command">litestream restore</pre>
    <p data-keep><button data-copy hidden>Copy</button><span data-copied hidden>Copied.</span><span data-selected hidden>Selected.</span></p>`;

/** @param {string} content @param {{ state?: string, healthy?: string, text?: string }} [summary] */
function pageOf(content, { state = "running", healthy = "true", text = "All is well." } = {}) {
    return `<!DOCTYPE html><html><body><main class="litestream">
        <p role="status" aria-live="polite" data-summary data-healthy="${healthy}" data-state="${state}">${text}</p>
        <p role="alert" data-lost hidden>No answer.</p>${content}</main></body></html>`;
}

/**
 * Opens a page with the script, in a browser whose clock, network and clipboard are the test's.
 * @param {string} html
 */
function open(html) {
    const window = /** @type {any} */ (new Window({
        url: "http://127.0.0.1:8001/-/litestream-status?database=parks",
        settings: { enableJavaScriptEvaluation: true, suppressInsecureJavaScriptEnvironmentWarning: true },
    }));
    window.document.write(html);
    /** @type {{ run: () => Promise<void>, after: number } | undefined} */
    let timer;
    /** @type {(() => Promise<Response> | Response)[]} */
    const answers = [];
    const page = {
        window,
        document: /** @type {Document} */ (window.document),
        /** The requests: their addresses and options. @type {[string, any][]} */
        requests: [],
        timeouts: /** @type {number[]} */ ([]),
        /** The wait that is under way. */
        get waits() { return timer?.after; },
        /** @param {string} selector */
        find: (selector) => /** @type {any} */ (window.document.querySelector(selector)),
        /** Has the next request answered so; an error is one that nobody answers. @param {string | Error} body @param {number} status */
        answer: (body, status = 200) => answers.push(() => {
            if (body instanceof Error) throw body;
            return new Response(body, { status });
        }),
        /** Has the next request wait for an answer, which the function that is returned gives. */
        hold: () => {
            const held = withResolvers();
            answers.push(() => held.promise);
            return (/** @type {string} */ body) => held.resolve(new Response(body));
        },
        /** Lets the time of the wait pass. */
        tick: async () => {
            const due = timer;
            timer = undefined;
            assert.ok(due, "nothing is waited for");
            await due.run();
        },
        /** @param {string} type @param {string} selector @param {object} [options] */
        fire: (type, selector, options) =>
            page.find(selector).dispatchEvent(new window.MouseEvent(type, { bubbles: true, ...options })),
        settle: () => new Promise((resolve) => setImmediate(resolve)),
    };
    window.setTimeout = (/** @type {() => Promise<void>} */ run, /** @type {number} */ after) => { timer = { run, after }; return 1; };
    window.clearTimeout = () => { timer = undefined; };
    window.AbortSignal.timeout = (/** @type {number} */ after) => { page.timeouts.push(after); return undefined; };
    window.fetch = async (/** @type {string} */ address, /** @type {object} */ options) => {
        page.requests.push([address, options]);
        const answer = answers.shift();
        assert.ok(answer, "an answer for every request");
        return await answer();
    };
    window.eval(IDIOMORPH);
    window.eval(SCRIPT);
    return page;
}

/** As `Promise.withResolvers`, which Node 20 lacks. */
function withResolvers() {
    /** @type {(value: any) => void} */
    let resolve = () => {};
    const promise = new Promise((resolved) => { resolve = resolved; });
    return { promise, resolve };
}

test("the page asks for itself every five seconds, and gives up after four", async () => {
    const page = open(pageOf("<p id='a'>old</p>"));
    assert.equal(page.waits, 5000);
    assert.equal(page.requests.length, 0);
    page.answer(pageOf("<p id='a'>new</p>"));
    await page.tick();
    assert.deepEqual(page.requests.map(([address, options]) => [address, options.cache]),
        [["http://127.0.0.1:8001/-/litestream-status?database=parks", "no-store"]]);
    assert.deepEqual(page.timeouts, [4000]);
    assert.equal(page.find("#a").textContent, "new");
    assert.equal(page.waits, 5000);
});

for (const [what, body, status] of /** @type {[string, string | Error, number][]} */ ([
    ["nobody answers", new Error("refused"), 0],
    ["Datasette answers with an error", pageOf("<p id='a'>new</p>"), 503],
    ["the answer is another page, such as the one to sign in", "<p>Sign in</p>", 200],
])) {
    test(`where ${what}, the page says so, keeps what it has, and asks again`, async () => {
        const page = open(pageOf("<p id='a'>old</p>"));
        page.answer(body, status);
        await page.tick();
        assert.equal(page.find("[data-lost]").hidden, false);
        assert.equal(page.find("#a").textContent, "old");
        page.answer(pageOf("<p id='a'>new</p>"));
        await page.tick();
        assert.equal(page.find("[data-lost]").hidden, true);
        assert.equal(page.find("#a").textContent, "new");
    });
}

test("a page that nobody sees does not ask, and asks at once when it is seen again", async () => {
    const page = open(pageOf("<p id='a'>old</p>"));
    let isHidden = true;
    Object.defineProperty(page.document, "hidden", { get: () => isHidden });
    await page.tick();
    assert.equal(page.requests.length, 0);
    assert.equal(page.waits, undefined);
    isHidden = false;
    page.answer(pageOf("<p id='a'>new</p>"));
    page.document.dispatchEvent(new page.window.Event("visibilitychange"));
    await page.settle();
    assert.equal(page.find("#a").textContent, "new");
    assert.equal(page.waits, 5000);
});

test("one request at a time", async () => {
    const page = open(pageOf("<p id='a'>old</p>"));
    const give = page.hold();
    const asked = page.tick();
    page.document.dispatchEvent(new page.window.Event("visibilitychange"));
    await page.settle();
    assert.equal(page.requests.length, 1);
    give(pageOf("<p id='a'>new</p>"));
    await asked;
    assert.equal(page.find("#a").textContent, "new");
});

test("a screen reader speaks the summary where the state has changed, and not because time has passed", async () => {
    const page = open(pageOf("", { text: "5 s ago" }));
    page.answer(pageOf("", { text: "10 s ago" }));
    await page.tick();
    assert.equal(page.find("[data-summary]").textContent, "10 s ago");
    assert.equal(page.find("[data-summary]").getAttribute("aria-live"), "off");
    page.answer(pageOf("", { text: "Litestream is down.", state: "waiting" }));
    await page.tick();
    assert.equal(page.find("[data-summary]").getAttribute("aria-live"), "polite");
    page.answer(pageOf("", { text: "It fails.", state: "waiting", healthy: "false" }));
    await page.tick();
    assert.equal(page.find("[data-summary]").getAttribute("aria-live"), "polite");
});

test("what is being typed and what is open stays", async () => {
    const page = open(pageOf("<form data-keep><input name='search'></form><details><summary>More</summary><p id='a'>old</p></details>"));
    page.find("input").value = "par";
    page.find("details").open = true;
    page.answer(pageOf("<form data-keep><input name='search' value='other'></form><details><summary>More</summary><p id='a'>new</p></details>"));
    await page.tick();
    assert.equal(page.find("input").value, "par");
    assert.equal(page.find("details").open, true);
    assert.equal(page.find("#a").textContent, "new");
});

test("a row that moves keeps the focus", async () => {
    const row = (/** @type {string} */ name) => `<li id="row-${name}"><a id="link-${name}" href="/${name}">${name}</a></li>`;
    const page = open(pageOf(`<ul>${row("a")}${row("b")}</ul>`));
    page.find("#link-b").focus();
    page.answer(pageOf(`<ul>${row("b")}${row("a")}</ul>`));
    await page.tick();
    assert.deepEqual([...page.document.querySelectorAll("li")].map((item) => item.id), ["row-b", "row-a"]);
    assert.equal(page.document.activeElement?.id, "link-b");
});

test("what moves into another part of the page keeps the focus", async () => {
    const link = '<a id="link" href="/parks">parks</a>';
    const page = open(pageOf(`<p id="one">${link}</p><p id="two"></p>`));
    page.find("#link").focus();
    // A browser that cannot move an element takes the focus away, and happy-dom does not.
    const nodes = page.window.Node.prototype;
    const { insertBefore } = nodes;
    nodes.insertBefore = function (/** @type {Node} */ node, /** @type {Node | null} */ before) {
        const focused = /** @type {HTMLElement | null} */ (page.document.activeElement);
        if (focused && node.contains(focused)) focused.blur();
        return insertBefore.call(this, node, before);
    };
    page.answer(pageOf(`<p id="one"></p><p id="two">${link}</p>`));
    await page.tick();
    assert.equal(page.find("#two").firstElementChild, page.find("#link"));
    assert.equal(page.document.activeElement?.id, "link");
});

for (const [x, reading, at] of /** @type {[number, string, string][]} */ ([
    [100, "at 1", "0%"], [150, "at 2", "50%"], [174, "at 2", "50%"], [176, "at 3", "100%"], [200, "at 3", "100%"],
    // A pointer that has been captured can be outside.
    [20, "at 1", "0%"], [900, "at 3", "100%"],
])) {
    test(`a pointer at ${x} of a chart from 100 to 200 reads "${reading}"`, () => {
        const page = open(pageOf(CHART()));
        page.find("svg").getBoundingClientRect = () => ({ left: 100, width: 100 });
        page.fire("pointermove", "svg", { clientX: x });
        assert.equal(page.find("[data-reading]").textContent, reading);
        assert.equal(page.find("[data-cursor]").getAttribute("x1"), at);
        assert.equal(page.find("[data-cursor]").getAttribute("x2"), at);
        assert.equal(page.find("[data-cursor]").getAttribute("visibility"), "visible");
    });
}

for (const [what, type, selector] of /** @type {[string, string, string][]} */ ([
    ["leaves the page", "pointerleave", "main"], ["goes elsewhere on it", "pointermove", "[data-summary]"], ["touches elsewhere", "pointerdown", "[data-summary]"],
])) {
    test(`a pointer that ${what} takes its reading along`, () => {
        const page = open(pageOf(CHART()));
        page.find("svg").getBoundingClientRect = () => ({ left: 100, width: 100 });
        page.fire("pointermove", "svg", { clientX: 150 });
        page.fire(type, selector);
        assert.equal(page.find("[data-reading]").textContent, "");
        assert.equal(page.find("[data-cursor]").getAttribute("visibility"), "hidden");
    });
}

test("a pointer that rests reads what is there now", async () => {
    const page = open(pageOf(CHART()));
    page.find("svg").getBoundingClientRect = () => ({ left: 100, width: 100 });
    page.fire("pointermove", "svg", { clientX: 200 });
    page.answer(pageOf(CHART("at 2\nat 3\nat 4")));
    await page.tick();
    assert.equal(page.find("[data-reading]").textContent, "at 4");
});

test("the command can be copied", async () => {
    const page = open(pageOf(RESTORE));
    /** @type {string[]} */
    const copied = [];
    Object.defineProperty(page.window.navigator, "clipboard", { value: { writeText: (/** @type {string} */ text) => Promise.resolve(copied.push(text)) } });
    assert.equal(page.find("[data-copy]").hidden, false);
    page.fire("click", "[data-copy]");
    await page.settle();
    assert.deepEqual(copied, ["litestream restore"]);
    assert.equal(page.find("[data-copied]").hidden, false);
    assert.equal(page.find("[data-selected]").hidden, true);
});

test("a command that may not be copied is selected", async () => {
    const page = open(pageOf(RESTORE));
    Object.defineProperty(page.window.navigator, "clipboard", { value: { writeText: () => Promise.reject(new Error("denied")) } });
    page.fire("click", "[data-copy]");
    await page.settle();
    assert.equal(page.window.getSelection().toString(), "litestream restore");
    assert.equal(page.find("[data-copied]").hidden, true);
    assert.equal(page.find("[data-selected]").hidden, false);
});

for (const [isCopied, shown] of /** @type {[boolean, string][]} */ ([[true, "[data-copied]"], [false, "[data-selected]"]])) {
    test(`without HTTPS the browser's own command ${isCopied ? "copies" : "may fail"}`, async () => {
        const page = open(pageOf(RESTORE));
        Object.defineProperty(page.window.navigator, "clipboard", { value: undefined });
        page.window.document.execCommand = () => isCopied;
        page.fire("click", "[data-copy]");
        await page.settle();
        assert.equal(page.find(shown).hidden, false);
    });
}

test("what was said of a copy stays when the page is renewed", async () => {
    const page = open(pageOf(RESTORE));
    Object.defineProperty(page.window.navigator, "clipboard", { value: { writeText: () => Promise.resolve() } });
    page.fire("click", "[data-copy]");
    await page.settle();
    page.answer(pageOf(RESTORE));
    await page.tick();
    assert.equal(page.find("[data-copied]").hidden, false);
    assert.equal(page.find("[data-copy]").hidden, false);
});

test("a page without a command offers no copy", () => {
    const page = open(pageOf("<button data-copy hidden>Copy</button>"));
    assert.equal(page.find("[data-copy]").hidden, true);
});

test("a time tells the local time too where the pointer is", () => {
    const page = open(pageOf("<time id='t' datetime='2026-05-01T12:00:00Z' title='2026-05-01 12:00:00 UTC'><b id='in'>just now</b></time><b id='out'></b>"));
    const local = `2026-05-01 12:00:00 UTC\n${new Date("2026-05-01T12:00:00Z").toLocaleString()} local time`;
    for (const selector of ["#in", "#t", "#out"]) {
        page.fire("pointerover", selector);
        assert.equal(page.find("#t").title, local);
    }
});

const TIMES = ({ min = 1777593600, max = 1777636800, value = /** @type {number} */ (max), field = "2026-05-01T12:00:00", said = "The newest.", keep = "" } = {}) => `
    <form id="f"><input id="at" type="datetime-local" step="1" name="at" value="${field}" data-time ${keep}>
    <div data-slide hidden><input id="slider" type="range" step="1" min="${min}" max="${max}" value="${value}" data-slider ${keep}></div></form>
    <p id="said">${said}</p>`;

test("slider and field show one time, and the page what restores it", async () => {
    const page = open(pageOf(TIMES()));
    assert.equal(page.find("[data-slide]").hidden, false);
    page.find("#slider").value = "1777629630";
    page.fire("input", "#slider");
    assert.equal(page.find("#at").value, "2026-05-01T10:00:30");
    assert.equal(page.find("#slider").getAttribute("aria-valuetext"), "2026-05-01 10:00:30 UTC");
    assert.equal(page.waits, 200);
    page.answer(pageOf(TIMES({ max: 1777636805, value: 1777629630, field: "2026-05-01T10:00:30", said: "An old one.", keep: "data-keep" })));
    await page.tick();
    assert.equal(page.requests[0]?.[0], "http://127.0.0.1:8001/-/litestream-status?database=parks&at=2026-05-01T10%3A00%3A30");
    assert.equal(page.find("#said").textContent, "An old one.");
    assert.equal(page.find("[data-slide]").hidden, false);
    assert.deepEqual([page.find("#slider").max, page.find("#slider").value], ["1777636805", "1777629630"]);
    page.find("#at").value = "2026-05-01T11:00:05";
    page.fire("input", "#at");
    assert.equal(page.find("#slider").value, "1777633205");
    assert.match(page.window.location.href, /at=2026-05-01T11%3A00%3A05$/);
});

test("a field without a time changes nothing", () => {
    const page = open(pageOf(TIMES()));
    page.find("#at").value = "";
    page.fire("input", "#at");
    assert.equal(page.waits, 5000);
    assert.doesNotMatch(page.window.location.href, /at=/);
});

test("an answer for a time that was chosen before is not shown, and the right one is asked for soon", async () => {
    const page = open(pageOf(TIMES()));
    const give = page.hold();
    const asked = page.tick();
    page.find("#slider").value = "1777629630";
    page.fire("input", "#slider");
    give(pageOf(TIMES({ said: "Too late." })));
    await asked;
    assert.equal(page.find("#said").textContent, "The newest.");
    assert.equal(page.waits, 200);
});

test("a slider that nobody has moved goes on to now, and one that comes later is shown", async () => {
    const page = open(pageOf(""));
    page.answer(pageOf(TIMES()));
    await page.tick();
    assert.equal(page.find("[data-slide]").hidden, false);
    page.answer(pageOf(TIMES({ max: 1777636805 })));
    await page.tick();
    assert.deepEqual([page.find("#slider").max, page.find("#slider").value], ["1777636805", "1777636805"]);
});
